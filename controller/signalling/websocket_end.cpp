#include "controller/signalling/websocket_end.h"

#include <string>

namespace sluice::controller {

void CloseFor(EndReason reason, std::string_view text, WebSocketLink* link) {
  switch (reason) {
    case EndReason::kForGood:
    case EndReason::kReplaced:
      link->Close(kCloseForGood, text.empty() ? kClosedByServer : text);
      break;
    case EndReason::kReconnect:
      link->Close(kCloseReconnect, text);
      break;
    case EndReason::kShutdown:
      link->Close(kCloseShutdown, "the server is ending");
      break;
  }
}

void CloseForFlood(uint32_t per_second, WebSocketLink* link) {
  link->Close(kClosePolicy, "too many messages: at most " + std::to_string(per_second) +
                                " a second (maxRequestsPerSecond)");
}

}  // namespace sluice::controller
