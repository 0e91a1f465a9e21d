#pragma once

#include <cstdint>
#include <string_view>

#include "controller/http/http_types.h"
#include "controller/room/participant.h"

/// How the doors over WebSocket end a client's connection (RFC 6455 §7.4).
namespace sluice::controller {

inline constexpr uint16_t kCloseForGood = 4000;    ///< the client does not come back
inline constexpr uint16_t kCloseReconnect = 1012;  ///< "service restart": the client reconnects
inline constexpr uint16_t kCloseShutdown = 1001;   ///< "going away"; the client reconnects as well
inline constexpr uint16_t kClosePolicy = 1008;     ///< it has broken a rule
inline constexpr uint16_t kCloseNormal = 1000;
inline constexpr std::string_view kClosedByServer = "closed by protoo-server";

/// The room has ended the peer's session.
void CloseFor(EndReason reason, std::string_view text, WebSocketLink* link);
/// The client sends more than `per_second` messages.
void CloseForFlood(uint32_t per_second, WebSocketLink* link);

}  // namespace sluice::controller
