#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "controller/base/task.h"
#include "controller/base/token_bucket.h"
#include "controller/http/http_types.h"
#include "controller/room/room.h"
#include "controller/signalling/sdp_peer.h"

/// What the doors over WebSocket take of a client, and when they take nothing.
namespace sluice::controller {

/// What the clients of a door may take.
struct DoorLimits {
  SdpLimits sdp = {};
  uint32_t messages_per_second = 100;  ///< of one client; 0 = no limit
  std::function<TokenBucket::TimePoint()> now = std::chrono::steady_clock::now;
  /// Clients that were cut off because they sent more.
  std::shared_ptr<uint64_t> flooders = std::make_shared<uint64_t>(0);
};

/// How often a client may say something: it alone, and all clients of its address together.
class MessageRate {
 public:
  enum class Verdict : uint8_t {
    kTaken,
    kRefused,  ///< its address has sent too much: this message is not worked on
    kCutOff,   ///< it has sent far too much itself: the connection is being closed
  };

  /// `burst`: messages at once; `source`: its HttpRequest::source.
  MessageRate(const DoorLimits& limits, uint32_t burst, std::string source);

  /// A message has come, whatever it is.
  Verdict Take(WebSocketLink* link);

  /// What a client is told of kRefused.
  static constexpr std::string_view kRefusal =
      "too many requests of this address (maxRequestsPerSecondPerIp)";

 private:
  DoorLimits limits_;
  TokenBucket rate_;
  std::string source_;
  bool flooded_ = false;
};

/// Has a client not read while too much of what it, or all of its room, has asked for is undone,
/// and while it does not read what it is sent.
///
/// Owned by the session of the door alone, which says when something has changed.
class BackPressure : public std::enable_shared_from_this<BackPressure> {
 public:
  /// Whether too much is undone of what the client has asked for. `waits`: it is not read already.
  /// Not called after Close().
  using Busy = std::function<bool(bool waits)>;

  BackPressure(std::shared_ptr<Room> room, Busy busy)
      : room_(std::move(room)), busy_(std::move(busy)) {}

  void Open(std::shared_ptr<WebSocketLink> link) { link_ = std::move(link); }
  /// The session has ended: from now on the client is read, for its end.
  void Close();
  /// After each message, when something was done, and in OnDrained().
  void Update();

 private:
  static Task<void> UpdateWhenCalm(std::weak_ptr<BackPressure> weak, std::shared_ptr<Room> room);

  std::shared_ptr<Room> room_;
  Busy busy_;
  std::shared_ptr<WebSocketLink> link_;
  bool paused_ = false;
  bool awaits_calm_ = false;  ///< of the room
};

}  // namespace sluice::controller
