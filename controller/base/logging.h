#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/status.h"

namespace sluice::controller {

struct LogLimits {
  size_t lines_of_a_kind = 20;        ///< in LogLimiter::kWindow
  size_t queued_bytes = 1024 * 1024;  ///< that wait for who reads the output
};

/// Sends the program's log to standard output at `level` ("debug", "info", "warn", "error",
/// "off"): limited by kind (LogLimiter), on a thread of its own (LineWriter). Without it lines go
/// to spdlog's default logger, unlimited. Like all of logging, for one thread only.
void StartLogging(const std::string& level, const LogLimits& limits = {});
/// Changes the level; false when there is none of that name.
bool SetLogLevel(const std::string& level);
/// Prints text for the person who started the program, in order with the log. Never blocks.
void PrintText(const std::string& text);
/// Logs how many lines were held back in windows that are over: to be called every second or so.
void TellHeldBackLines();
/// Writes what waits, for a moment at most. What is logged later is lost.
void StopLogging();

struct LogCounters {
  uint64_t written = 0;    ///< lines
  uint64_t dropped = 0;    ///< found no room in the queue: nobody reads the output
  uint64_t held_back = 0;  ///< too many of a kind
};
LogCounters GetLogCounters();

/// The message of a status, as a type that both the standard library and fmt know (absl's own
/// string_view is neither here).
inline std::string_view Reason(const Status& status) {
  return {status.message().data(), status.message().size()};
}

}  // namespace sluice::controller
