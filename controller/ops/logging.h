#pragma once

#include <string>
#include <string_view>

#include "common/status.h"

namespace sluice::controller {

/// Sends the controller's log to the terminal at `level` ("debug", "info", "warn", "error", "off").
void InitLogging(const std::string& level);

/// The message of a status, as a type that both the standard library and fmt know (absl's own
/// string_view is neither here).
inline std::string_view Reason(const Status& status) {
  return {status.message().data(), status.message().size()};
}

}  // namespace sluice::controller
