#pragma once

#include <optional>
#include <string_view>

#include "common/log.h"

namespace sluice::worker {

/// "debug", "warn", "error" or "none" in any case.
std::optional<LogLevel> ParseLogLevel(std::string_view text);
/// A tag by its name ("ice"); kNone for one that we do not know.
LogTag ParseLogTag(std::string_view text);
/// Likewise by its name in the JSON protocol, which has "rbe" for what we log as bwe.
LogTag ParseRoomLogTag(std::string_view text);

}  // namespace sluice::worker
