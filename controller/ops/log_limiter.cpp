#include "controller/ops/log_limiter.h"

#include <fmt/format.h>

#include <algorithm>

namespace sluice::controller {

namespace {
constexpr uint64_t kSharedKind = 0;  // of the kinds for which there is no room
}

bool LogLimiter::Allow(uint64_t kind, LogSeverity severity, std::string_view text,
                       Clock::time_point now) {
  if (severity == LogSeverity::kDebug) return true;
  const bool room = kinds_.size() < kMaxKinds || kinds_.count(kind) > 0;
  const auto [it, is_new] = kinds_.try_emplace(room ? kind : kSharedKind);
  Kind& entry = it->second;
  // A window with something to tell stays until TakeSummaries has told it.
  if (is_new || (now - entry.since >= kWindow && entry.held_back == 0)) {
    entry = Kind();
    entry.since = now;
  }
  if (entry.lines < kLines) {
    ++entry.lines;
    return true;
  }
  ++entry.held_back;
  ++held_back_;
  entry.severity = std::max(entry.severity, severity);
  entry.last.assign(text.substr(0, kMaxSample));
  return false;
}

std::vector<LogLimiter::Line> LogLimiter::TakeSummaries(Clock::time_point now) {
  return Summaries(now);
}

std::vector<LogLimiter::Line> LogLimiter::TakeAllSummaries() { return Summaries(std::nullopt); }

std::vector<LogLimiter::Line> LogLimiter::Summaries(std::optional<Clock::time_point> now) {
  std::vector<Line> lines;
  for (auto it = kinds_.begin(); it != kinds_.end();) {
    const Kind& kind = it->second;
    if (now && *now - kind.since < kWindow) {
      ++it;
      continue;
    }
    if (kind.held_back > 0) {
      lines.push_back({kind.severity, fmt::format("{} more like it in {} s, the last: {}",
                                                  kind.held_back, kWindow.count(), kind.last)});
    }
    it = kinds_.erase(it);
  }
  return lines;
}

}  // namespace sluice::controller
