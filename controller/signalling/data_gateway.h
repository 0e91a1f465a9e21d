#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

#include "controller/http/http_types.h"
#include "controller/room/room_registry.h"
#include "controller/signalling/data_session.h"
#include "controller/signalling/request_auth.h"
#include "controller/signalling/websocket_intake.h"

namespace sluice::controller {

/// What all clients of the door have done.
struct DataDoorCounters {
  size_t sessions = 0;          ///< open now
  uint64_t malformed = 0;       ///< messages that make no sense
  uint64_t refused_starts = 0;  ///< that were not answered by an offer
  uint64_t refused_answers = 0;
};

/// Decides on WebSocket connections to /datachannel?roomId=…&peerId=… of pages with data channels
/// alone, to which we make the offer (docs/protocols/data-channel-peer.md).
class DataGateway {
 public:
  DataGateway(RoomRegistry* rooms, RequestAuth auth, DoorLimits limits)
      : rooms_(rooms), auth_(std::move(auth)), limits_(std::move(limits)) {}

  static bool Owns(std::string_view path) { return path == "/datachannel"; }
  /// 400 without (valid) roomId and peerId or with a query that makes no sense, 401 or 403 without
  /// grants; makes the room.
  Task<UpgradeDecision> Upgrade(HttpRequest request);

  const DataDoorCounters& counters() const { return *counters_; }

 private:
  RoomRegistry* rooms_;
  RequestAuth auth_;
  DoorLimits limits_;
  std::shared_ptr<DataDoorCounters> counters_ = std::make_shared<DataDoorCounters>();
};

/// One such connection: start, answer, candidate and bye from the client, offer, error and bye from
/// us. A client is not read while starts and answers of it wait, while it does not read itself, and
/// while its room is busy.
class DataWebSocket : public WebSocketEvents,
                      public SdpDialect,
                      public std::enable_shared_from_this<DataWebSocket> {
 public:
  /// `starts`: the offer does not wait for a start message.
  DataWebSocket(std::shared_ptr<Room> room, SdpClient client, const DoorLimits& limits,
                std::shared_ptr<DataDoorCounters> counters, DataWish wish, bool starts);

  void OnOpen(std::shared_ptr<WebSocketLink> link) override;
  void OnText(std::string_view text) override;
  void OnIgnored() override;
  void OnDrained() override { pressure_->Update(); }
  void OnClosed() override;

  void OnDescription(sdp::DescriptionType type, const sdp::Description& description) override;
  void OnRefused(sdp::DescriptionType type, const Status& why) override;
  void OnWorked() override { pressure_->Update(); }
  void OnEnded(EndReason reason, std::string_view text) override;

 private:
  /// Starts and answers of a client that may wait while it is still read.
  static constexpr size_t kReadAhead = 2;

  /// Whether a message counts; false: it was too much.
  bool TakeMessage();
  void OnMessage(const boost::json::object& message);
  void Send(const boost::json::object& message);
  void SendError(std::string_view reason);
  /// A message that makes no sense.
  void Malformed(std::string_view reason);

  std::shared_ptr<DataSession> session_;
  std::shared_ptr<WebSocketLink> link_;
  std::shared_ptr<LimitCounters> limits_;
  std::shared_ptr<DataDoorCounters> counters_;
  MessageRate rate_;
  std::shared_ptr<BackPressure> pressure_;
  const DataWish wish_;  ///< as the query says
  const bool starts_;
};

}  // namespace sluice::controller
