#pragma once

#include <boost/json/object.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "controller/base/token_bucket.h"
#include "controller/http/http_types.h"
#include "controller/room/room_registry.h"
#include "controller/signalling/request_auth.h"
#include "controller/signalling/sdp_session.h"

namespace sluice::controller {

/// Decides on WebSocket connections to /sdp?roomId=…&peerId=… of pages that speak SDP
/// (docs/protocols/sdp-websocket.md).
class SdpGateway {
 public:
  struct Limits {
    SdpLimits sdp = {};
    uint32_t messages_per_second = 100;  ///< of one client, with as many at once; 0 = no limit
    std::function<TokenBucket::TimePoint()> now = std::chrono::steady_clock::now;
    std::shared_ptr<uint64_t> flooders = std::make_shared<uint64_t>(0);  ///< were cut off
  };

  SdpGateway(const asio::any_io_executor& executor, RoomRegistry* rooms, RequestAuth auth,
             Limits limits)
      : executor_(executor), rooms_(rooms), auth_(std::move(auth)), limits_(std::move(limits)) {}

  static bool Owns(std::string_view path) { return path == "/sdp"; }
  /// 400 without (valid) roomId and peerId, 401 or 403 without grants; makes the room.
  Task<UpgradeDecision> Upgrade(HttpRequest request);

 private:
  asio::any_io_executor executor_;
  RoomRegistry* rooms_;
  RequestAuth auth_;
  Limits limits_;
};

/// One such connection: messages with the members sessionId, type, sdp, candidate, sdpMid and
/// sdpMLineIndex, to and fro. A client is not read while descriptions of it wait, while it does not
/// read itself, and while its room is busy.
class SdpWebSocket : public WebSocketEvents,
                     public SdpDialect,
                     public std::enable_shared_from_this<SdpWebSocket> {
 public:
  SdpWebSocket(std::shared_ptr<Room> room, SdpClient client, SdpGateway::Limits limits,
               bool repeats_candidates);

  void OnOpen(std::shared_ptr<WebSocketLink> link) override;
  void OnText(std::string_view text) override;
  void OnIgnored() override;
  void OnDrained() override { GoOn(); }
  void OnClosed() override;

  void OnDescription(sdp::DescriptionType type, const sdp::Description& description) override;
  void OnRefused(sdp::DescriptionType type, const Status& why) override;
  void OnWorked() override { GoOn(); }
  void OnEnded(EndReason reason, std::string_view text) override;

 private:
  /// Descriptions of a client that may wait while it is still read.
  static constexpr size_t kReadAhead = 2;

  /// Whether a message counts; false: it was too much.
  bool TakeMessage();
  bool MustWait() const;
  void PauseIfBusy();
  void GoOn();
  static Task<void> GoOnWhenCalm(std::shared_ptr<SdpWebSocket> self);
  void OnMessage(const boost::json::object& message);
  void Send(std::string_view type, boost::json::value sdp, boost::json::value candidate = nullptr,
            boost::json::value mid = nullptr, boost::json::value line = nullptr);
  void SendError(std::string_view reason);
  void SendCandidates(const sdp::Description& description);

  std::shared_ptr<SdpSession> session_;
  std::shared_ptr<WebSocketLink> link_;
  SdpGateway::Limits limits_;
  TokenBucket rate_;
  std::string session_id_;  ///< the client's, or ours until it has said one
  bool named_ = false;      ///< it is the client's
  bool repeats_candidates_ = false;
  bool paused_ = false;
  bool awaits_calm_ = false;  ///< of the room
};

}  // namespace sluice::controller
