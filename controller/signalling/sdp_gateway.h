#pragma once

#include <boost/json/object.hpp>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "controller/http/http_types.h"
#include "controller/room/room_registry.h"
#include "controller/signalling/request_auth.h"
#include "controller/signalling/sdp_session.h"
#include "controller/signalling/websocket_intake.h"

namespace sluice::controller {

/// Decides on WebSocket connections to /sdp?roomId=…&peerId=… of pages that speak SDP
/// (docs/protocols/sdp-websocket.md).
class SdpGateway {
 public:
  SdpGateway(RoomRegistry* rooms, RequestAuth auth, DoorLimits limits)
      : rooms_(rooms), auth_(std::move(auth)), limits_(std::move(limits)) {}

  static bool Owns(std::string_view path) { return path == "/sdp"; }
  /// 400 without (valid) roomId and peerId, 401 or 403 without grants; makes the room.
  Task<UpgradeDecision> Upgrade(HttpRequest request);

 private:
  RoomRegistry* rooms_;
  RequestAuth auth_;
  DoorLimits limits_;
};

/// One such connection: messages with the members sessionId, type, sdp, candidate, sdpMid and
/// sdpMLineIndex, to and fro. A client is not read while descriptions of it wait, while it does not
/// read itself, and while its room is busy.
class SdpWebSocket : public WebSocketEvents,
                     public SdpDialect,
                     public std::enable_shared_from_this<SdpWebSocket> {
 public:
  SdpWebSocket(std::shared_ptr<Room> room, SdpClient client, const DoorLimits& limits,
               bool repeats_candidates);

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
  /// Descriptions of a client that may wait while it is still read.
  static constexpr size_t kReadAhead = 2;

  /// Whether a message counts; false: it was too much.
  bool TakeMessage();
  void OnMessage(const boost::json::object& message);
  void Send(std::string_view type, boost::json::value sdp, boost::json::value candidate = nullptr,
            boost::json::value mid = nullptr, boost::json::value line = nullptr);
  void SendError(std::string_view reason);
  void SendCandidates(const sdp::Description& description);

  std::shared_ptr<SdpSession> session_;
  std::shared_ptr<WebSocketLink> link_;
  std::shared_ptr<LimitCounters> counters_;
  MessageRate rate_;
  std::shared_ptr<BackPressure> pressure_;
  std::string session_id_;  ///< the client's, or ours until it has said one
  bool named_ = false;      ///< it is the client's
  bool repeats_candidates_ = false;
};

}  // namespace sluice::controller
