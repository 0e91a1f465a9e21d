#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "common/status.h"
#include "controller/base/task.h"
#include "controller/room/room.h"

namespace sluice::controller {

/// A transport of a room whose data begins and ends in this process, for all control channels of
/// GStreamer's clients there.
///
/// Owned by the door's part of the room.
class GstDirect {
 public:
  static Task<Result<std::shared_ptr<GstDirect>>> Create(std::shared_ptr<Shard> shard);

  WorkerTransport& transport() { return *transport_; }
  const std::shared_ptr<Shard>& shard() const { return shard_; }

 private:
  explicit GstDirect(std::shared_ptr<Shard> shard) : shard_(std::move(shard)) {}

  std::shared_ptr<Shard> shard_;
  std::unique_ptr<WorkerTransport> transport_;
};

/// One data channel of one client, that ends here: what the client says is heard, and it is told.
///
/// Owned by the session; what it has on the client's transport ends with that.
class GstChannel {
 public:
  using OnText = std::function<void(std::string_view text)>;

  /// Where it is.
  struct Place {
    std::shared_ptr<Room> room;
    std::shared_ptr<Participant> owner;
    std::shared_ptr<Transport> transport;
  };
  /// A channel that the client has opened.
  static Task<Result<std::shared_ptr<GstChannel>>> Accept(std::shared_ptr<GstDirect> direct,
                                                          Place place,
                                                          std::shared_ptr<DataProducer> opened,
                                                          OnText on_text);
  /// Opens one towards the client.
  static Task<Result<std::shared_ptr<GstChannel>>> Open(std::shared_ptr<GstDirect> direct,
                                                        Place place, std::string label,
                                                        OnText on_text);
  /// A text; nothing happens for "".
  void Send(std::string_view text);

  ~GstChannel();
  GstChannel(const GstChannel&) = delete;
  GstChannel& operator=(const GstChannel&) = delete;

 private:
  explicit GstChannel(std::shared_ptr<GstDirect> direct) : direct_(std::move(direct)) {}
  /// What the client is told by.
  Task<Status> MakeVoice(std::string label);
  /// Hears what the client says with `producer`.
  static Task<Status> Listen(std::shared_ptr<GstChannel> self,
                             std::shared_ptr<DataProducer> producer, OnText on_text);

  std::shared_ptr<GstDirect> direct_;
  std::shared_ptr<DataProducer> voice_;      ///< on our transport
  std::shared_ptr<DataProducer> heard_;      ///< what the client says
  std::unique_ptr<WorkerDataConsumer> ear_;  ///< likewise
};

}  // namespace sluice::controller
