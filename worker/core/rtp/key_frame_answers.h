#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>

#include "common/units.h"

namespace sluice::worker {

/// What a sender has made of requests for a key frame so far: whether it answers, and how fast.
/// Some make key frames at their own pace alone (ffmpeg, OBS); a key frame of such a one that comes
/// soon after a request looks like an answer, so that the slowest of the last few counts.
///
/// Owned by a KeyFrameRequester.
class KeyFrameAnswers {
 public:
  static constexpr size_t kRemembered = 3;
  /// What a request that stayed without answer counts as.
  static constexpr Duration kNever = Duration::Seconds(10);

  /// A key frame came so long after the first request for it.
  void OnAnswer(Duration after) { Add(std::min(after, kNever)); }
  /// A request, and its repetitions, came to nothing.
  void OnNoAnswer() { Add(kNever); }

  /// How long a key frame may take that is asked for now; nullopt: nothing was ever asked for.
  std::optional<Duration> expected() const {
    if (count_ == 0) return std::nullopt;
    return *std::max_element(last_.begin(), last_.begin() + count_);
  }

 private:
  void Add(Duration after) {
    last_[next_] = after;
    next_ = (next_ + 1) % kRemembered;
    count_ = std::min(count_ + 1, static_cast<std::ptrdiff_t>(kRemembered));
  }

  std::array<Duration, kRemembered> last_{};
  size_t next_ = 0;
  std::ptrdiff_t count_ = 0;
};

}  // namespace sluice::worker
