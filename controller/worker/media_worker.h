#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/status.h"
#include "controller/base/task.h"
#include "controller/worker/worker_counters.h"
#include "controller/worker/worker_stats.h"
#include "controller/worker/worker_types.h"

namespace FBS::Notification {
struct Notification;
}
namespace FBS::Request {
enum class Method : uint8_t;
}
namespace flatbuffers {
class FlatBufferBuilder;
}

namespace sluice::controller {

class WorkerChannel;
class WorkerLane;
struct RequestBody;
struct WorkerResponse;

/// Hears what a worker tells of one object.
class WorkerEventReceiver {
 public:
  virtual ~WorkerEventReceiver() = default;
  virtual void OnWorkerEvent(const WorkerEvent& event) = 0;
};

/// Kinds of objects in a worker that are closed one by one.
enum class WorkerObjectKind : uint8_t {
  kRouter,
  kTransport,
  kProducer,
  kConsumer,
  kObserver,
  kDataProducer,
  kDataConsumer,
};

/// The calls that one user, a room or the pool, makes to one media worker, typed. When the worker
/// dies every call in flight fails with kUnavailable and so does each later one, and the owner
/// (WorkerPool) makes a new MediaWorker.
///
/// Users of the same worker have a MediaWorker each (ForUser()), so that their requests take turns;
/// calls of one user reach the worker in order. Object ids are the caller's (UUIDs), so that it can
/// subscribe to an object's notifications before the object exists and miss none. Rooms do not call
/// this class directly for objects, they hold handles (worker_objects.h).
class MediaWorker : public std::enable_shared_from_this<MediaWorker> {
 public:
  MediaWorker(int index, std::shared_ptr<WorkerChannel> channel);
  ~MediaWorker();

  /// The same worker for users that belong to `source`, an address: sources take turns, and so do
  /// the users of one.
  std::shared_ptr<MediaWorker> ForSource(std::string source) const;
  /// The same worker for another user, whose requests take turns with ours.
  std::shared_ptr<MediaWorker> ForUser() const;
  /// The same for calls that are made by the thousand: it is busy much later.
  std::shared_ptr<MediaWorker> ForBulk() const;
  bool SameWorker(const MediaWorker& other) const { return shared_ == other.shared_; }

  int index() const;
  bool alive() const;
  const asio::any_io_executor& executor() const;
  /// "" when its transports have sockets of their own.
  const std::string& webrtc_server_id() const;
  void set_webrtc_server_id(std::string id);
  /// So many of this user's requests wait that it should make no more until Calm().
  bool IsBusy() const;
  Task<void> Calm() const;
  /// Rooms placed here, for least-loaded placement. Kept by the rooms.
  int& room_count();

  /// Routes notifications of object `id` to `receiver`, which holds the text of the id, until
  /// Unsubscribe. The receiver may call anything here, Unsubscribe of itself included.
  void Subscribe(std::string_view id, std::shared_ptr<WorkerEventReceiver> receiver);
  void Unsubscribe(std::string_view id);
  void Dispatch(const FBS::Notification::Notification& notification);

  /// Closes an object and waits for the answer. `parent_id`: "" of a router, a router's id of
  /// transports and observers, a transport's id of the others.
  Task<Status> CloseObject(WorkerObjectKind kind, std::string parent_id, std::string id);
  /// The same for somebody who does not wait.
  void PostClose(WorkerObjectKind kind, const std::string& parent_id, const std::string& id);

  Task<Status> CreateWebRtcServer(std::string id, std::vector<ListenAddress> listen);
  Task<Status> CreateRouter(std::string id);
  Task<Status> CreateAudioLevelObserver(std::string router_id, std::string id, uint16_t max_entries,
                                        int8_t threshold, uint16_t interval_ms);
  Task<Status> AddToObserver(std::string observer_id, std::string producer_id);

  Task<Result<WebRtcTransportInfo>> CreateWebRtcTransport(std::string router_id, std::string id,
                                                          WebRtcTransportOptions options);
  Task<Result<PlainTransportInfo>> CreatePlainTransport(std::string router_id, std::string id,
                                                        PlainTransportOptions options);
  Task<Status> ConnectWebRtcTransport(std::string id, DtlsParameters remote);
  Task<Status> ConnectPlainTransport(std::string id, PlainDestination destination);
  Task<Result<IceParameters>> RestartIce(std::string id);
  Task<Status> SetMaxIncomingBitrate(std::string id, uint64_t bps);
  Task<Status> EnableBandwidthTrace(std::string id);

  Task<Result<RtpType>> Produce(std::string transport_id, ProduceOptions options);
  Task<Status> PauseProducer(std::string id);
  Task<Status> ResumeProducer(std::string id);

  Task<Result<ConsumeResult>> Consume(std::string transport_id, ConsumeOptions options);
  Task<Status> PauseConsumer(std::string id);
  Task<Status> ResumeConsumer(std::string id);
  Task<Status> SetPreferredLayers(std::string consumer_id, PreferredLayers layers);
  Task<Status> SetPriority(std::string consumer_id, uint8_t priority);
  Task<Status> RequestKeyFrame(std::string consumer_id);

  /// A transport whose data ends here: its data consumers report messages as events.
  Task<Status> CreateDirectTransport(std::string router_id, std::string id, uint32_t max_sent,
                                     uint32_t max_heard);
  Task<Status> ProduceData(std::string transport_id, ProduceDataOptions options);
  Task<Status> ConsumeData(std::string transport_id, ConsumeDataOptions options);
  /// A message of a data producer of a direct transport.
  void SendData(const std::string& data_producer_id, uint32_t ppid, std::string_view bytes);
  Task<Status> PauseDataProducer(std::string id);
  Task<Status> ResumeDataProducer(std::string id);
  Task<Result<DataStats>> GetDataProducerStats(std::string id);
  Task<Result<DataStats>> GetDataConsumerStats(std::string id);

  /// Everything that the worker has counted since it started (docs/metrics.md).
  Task<Result<WorkerCounters>> GetCounters();
  Task<Result<TransportTraffic>> Traffic(std::string transport_id);
  /// What is counted of one object (docs/protocols/router-protocol.md §17).
  Task<Result<TransportStats>> GetTransportStats(std::string id);
  Task<Result<std::vector<RtpStreamStats>>> GetProducerStats(std::string id);
  Task<Result<std::vector<RtpStreamStats>>> GetConsumerStats(std::string id);

 private:
  using Body = std::function<RequestBody(flatbuffers::FlatBufferBuilder&)>;
  struct Shared;
  MediaWorker(std::shared_ptr<Shared> shared, size_t busy, std::string source);

  Task<Status> Call(FBS::Request::Method method, std::string handler_id, Body body);
  Task<Result<WorkerResponse>> Ask(FBS::Request::Method method, std::string handler_id, Body body);

  std::shared_ptr<Shared> shared_;  ///< by all users of the worker
  std::shared_ptr<WorkerChannel> channel_;
  std::string source_;                ///< with whose other requests ours share their turns
  std::shared_ptr<WorkerLane> lane_;  ///< where our requests wait for their turn
};

/// Runs a call whose failure changes nothing any more: it is logged, unless the worker has died.
Task<void> LogFailure(std::shared_ptr<MediaWorker> worker, Task<Status> call, const char* what);

}  // namespace sluice::controller
