#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/status.h"
#include "controller/base/task.h"
#include "controller/worker/media_worker.h"
#include "controller/worker/worker_stats.h"
#include "controller/worker/worker_types.h"

namespace sluice::controller {

/// A handle of an object inside a media worker. It owns the object: destroyed, it has the worker
/// close it, unless its parent is closed as well, which takes it along. A handle exists from before
/// the request that makes the object, so that an operation which is cancelled half-way leaves
/// nothing behind.
///
/// It is also the object's mailbox. Events that come before Listen() are held, whether they came
/// before the answer to the request that made the object, in the same read or later, and are
/// delivered in the order in which the worker sent them. Of each kind of event only the newest is
/// held, so that the mailbox is bounded.
class WorkerObject {
 public:
  using Listener = std::function<void(const WorkerEvent&)>;

  WorkerObject(const WorkerObject&) = delete;
  WorkerObject& operator=(const WorkerObject&) = delete;

  const std::string& id() const;
  const std::shared_ptr<MediaWorker>& worker() const;

  /// From now on events go to `listener`, those held until now at once. The listener may destroy
  /// the handle; it must not own it.
  void Listen(Listener listener);

  /// Closes the object and waits for the worker's answer. The destructor then does nothing.
  Task<Status> Close();
  /// The object is gone already: the worker closed it by itself, or never made it.
  void Forget();

 protected:
  struct State;
  WorkerObject(WorkerObjectKind kind, std::shared_ptr<MediaWorker> worker,
               std::shared_ptr<State> parent, std::string id);
  ~WorkerObject();
  /// Forget() when the answer to the making request says that there is no object.
  Status CheckMade(const Status& answer);

  std::shared_ptr<State> state_;  ///< shared with operations in flight and with our children
};

class WorkerProducer : public WorkerObject {
 public:
  Task<Status> Pause();
  Task<Status> Resume();
  Task<Result<std::vector<RtpStreamStats>>> Stats();

 private:
  friend class WorkerTransport;
  WorkerProducer(const std::shared_ptr<State>& transport, std::string id);
};

class WorkerConsumer : public WorkerObject {
 public:
  Task<Status> Pause();
  Task<Status> Resume();
  Task<Status> SetPreferredLayers(PreferredLayers layers);
  Task<Status> SetPriority(uint8_t priority);  ///< 1..255
  Task<Status> RequestKeyFrame();
  Task<Result<std::vector<RtpStreamStats>>> Stats();

 private:
  friend class WorkerTransport;
  WorkerConsumer(const std::shared_ptr<State>& transport, std::shared_ptr<MediaWorker> worker,
                 std::string id);
};

class WorkerDataProducer : public WorkerObject {
 public:
  /// What comes while it is paused reaches nobody.
  Task<Status> Pause();
  Task<Status> Resume();
  Task<Result<DataStats>> Stats();
  /// A message, of one on a direct transport.
  void Send(uint32_t ppid, std::string_view bytes);

 private:
  friend class WorkerTransport;
  WorkerDataProducer(const std::shared_ptr<State>& transport, std::string id);
};

class WorkerDataConsumer : public WorkerObject {
 public:
  Task<Result<DataStats>> Stats();

 private:
  friend class WorkerTransport;
  WorkerDataConsumer(const std::shared_ptr<State>& transport, std::shared_ptr<MediaWorker> worker,
                     std::string id);
};

/// An audio level observer.
class WorkerObserver : public WorkerObject {
 public:
  Task<Status> Add(std::string producer_id);

 private:
  friend class WorkerRouter;
  WorkerObserver(const std::shared_ptr<State>& router, std::string id);
};

class WorkerTransport : public WorkerObject {
 public:
  Task<Status> Connect(DtlsParameters remote);
  /// Of a plain one without comedia.
  Task<Status> Connect(PlainDestination destination);
  Task<Result<IceParameters>> RestartIce();
  Task<Status> SetMaxIncomingBitrate(uint64_t bps);
  Task<Status> EnableBandwidthTrace();
  Task<Result<TransportTraffic>> Traffic();
  Task<Result<TransportStats>> Stats();

  struct ProducerMade {
    std::unique_ptr<WorkerProducer> producer;
    RtpType type = RtpType::kSimple;
  };
  /// `options.producer_id` becomes the handle's id.
  Task<Result<ProducerMade>> Produce(ProduceOptions options);
  struct ConsumerMade {
    std::unique_ptr<WorkerConsumer> consumer;
    ConsumeResult result;
  };
  /// `options.consumer_id` becomes the handle's id. The consumer's requests are those of `worker`,
  /// which may be another user of the transport's.
  Task<Result<ConsumerMade>> Consume(std::shared_ptr<MediaWorker> worker, ConsumeOptions options);

  /// `options.data_producer_id` becomes the handle's id.
  Task<Result<std::unique_ptr<WorkerDataProducer>>> ProduceData(ProduceDataOptions options);
  /// The handle of a data producer that is there: a channel that the client has opened.
  std::unique_ptr<WorkerDataProducer> Adopt(const std::string& data_producer_id);
  /// `options.data_consumer_id` becomes the handle's id; `worker` as with Consume().
  Task<Result<std::unique_ptr<WorkerDataConsumer>>> ConsumeData(std::shared_ptr<MediaWorker> worker,
                                                                ConsumeDataOptions options);

 private:
  friend class WorkerRouter;
  WorkerTransport(const std::shared_ptr<State>& router, std::string id);
};

class WorkerRouter : public WorkerObject {
 public:
  static Task<Result<std::unique_ptr<WorkerRouter>>> Create(std::shared_ptr<MediaWorker> worker,
                                                            std::string id);

  struct WebRtcTransportMade {
    std::unique_ptr<WorkerTransport> transport;
    WebRtcTransportInfo info;
  };
  Task<Result<WebRtcTransportMade>> CreateWebRtcTransport(std::string id,
                                                          WebRtcTransportOptions options);
  struct PlainTransportMade {
    std::unique_ptr<WorkerTransport> transport;
    PlainTransportInfo info;
  };
  Task<Result<PlainTransportMade>> CreatePlainTransport(std::string id,
                                                        PlainTransportOptions options);
  /// One whose data begins and ends in this process. Bytes of a message that we send, and of one
  /// that we hear.
  Task<Result<std::unique_ptr<WorkerTransport>>> CreateDirectTransport(std::string id,
                                                                       uint32_t max_sent,
                                                                       uint32_t max_heard);
  Task<Result<std::unique_ptr<WorkerObserver>>> CreateAudioLevelObserver(std::string id,
                                                                         uint16_t max_entries,
                                                                         int8_t threshold_dbov,
                                                                         uint16_t interval_ms);

 private:
  WorkerRouter(std::shared_ptr<MediaWorker> worker, std::string id);
};

}  // namespace sluice::controller
