#include "controller/base/log_limiter.h"

#include <fmt/format.h>

#include <algorithm>

namespace sluice::controller {

namespace {
constexpr uint64_t kSharedKind = 0;  // of the kinds for which there is no room
}

uint64_t KindOfText(std::string_view text) {
  constexpr size_t kLetters = 24;
  constexpr uint64_t kBasis = 14'695'981'039'346'656'037U;  // FNV-1a
  constexpr uint64_t kPrime = 1'099'511'628'211U;
  uint64_t hash = kBasis;
  size_t letters = 0;
  while (!text.empty() && letters < kLetters) {
    const std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(word.size() + 1, text.size()));
    const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
    if (std::any_of(word.begin(), word.end(), is_digit)) continue;
    for (const char c : word) {
      const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
      if (!letter) continue;
      hash = (hash ^ static_cast<uint8_t>(c)) * kPrime;
      if (++letters == kLetters) break;
    }
  }
  return hash;
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
  if (entry.lines < most_) {
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
