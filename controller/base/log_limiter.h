#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "controller/base/log.h"

namespace sluice::controller {

/// The kind of a line of which only the text is known: the letters of its first words, without the
/// words that have a digit in them. So neither numbers nor ids make another kind, nor what comes
/// later in the line.
uint64_t KindOfText(std::string_view text);

/// Holds back lines of a kind of which there are too many: of each kind, so many pass in a window
/// of kWindow that begins with the first; the rest is counted and told when the window is over,
/// with the last of them. So a flood costs a constant number of lines, and nothing happens unseen.
///
/// No clock and no output of its own. Bounded: kinds beyond kMaxKinds share one.
class LogLimiter {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr size_t kLines = 20;  // a group of people who join together is seen whole
  static constexpr std::chrono::seconds kWindow{10};
  static constexpr size_t kMaxKinds = 1'024;  // the program has about 150 kinds
  static constexpr size_t kMaxSample = 512;   // bytes kept of a line that was held back

  struct Line {
    LogSeverity severity;
    std::string text;
  };

  explicit LogLimiter(size_t lines = kLines) : most_(lines) {}

  /// Whether the line may be written. Debug lines always may: who turns them on wants all.
  bool Allow(uint64_t kind, LogSeverity severity, std::string_view text, Clock::time_point now);

  /// What has to be told of windows that are over: "57 more like it in 10 s, the last: …".
  std::vector<Line> TakeSummaries(Clock::time_point now);
  /// The same of all windows, over or not: for the end of the program.
  std::vector<Line> TakeAllSummaries();

  uint64_t held_back() const { return held_back_; }

 private:
  struct Kind {
    Clock::time_point since;
    size_t lines = 0;
    uint64_t held_back = 0;
    LogSeverity severity = LogSeverity::kDebug;  ///< the gravest held back
    std::string last;
  };

  std::vector<Line> Summaries(std::optional<Clock::time_point> now);

  const size_t most_;  ///< lines of a kind in a window
  std::unordered_map<uint64_t, Kind> kinds_;
  uint64_t held_back_ = 0;
};

}  // namespace sluice::controller
