#pragma once

#include <cstdint>
#include <deque>
#include <optional>

namespace sluice::controller::broadcast {

/// Tells when ffmpeg does not keep up: it makes less than a second of media in a second, and what
/// was ahead is used up. All times in microseconds.
class SpeedWatch {
 public:
  /// Looks at the last `window`: a moment's hiccup says nothing.
  explicit SpeedWatch(int64_t window) : window_(window) {}

  /// Media up to `media` has been made by `now`; `spare` is how much more of it there is than has
  /// to be, below 0 when it is late. To be called at least some times in each window.
  void Add(int64_t now, int64_t media, int64_t spare);
  /// ffmpeg waits for us, or starts anew: what was seen before says nothing of its speed.
  void Reset() { samples_.clear(); }

  /// Seconds of media that are made in a second, when that is too few; else none.
  std::optional<double> TooSlow() const;

 private:
  struct Sample {
    int64_t at;
    int64_t media;
  };
  int64_t window_;
  int64_t spare_ = 0;
  std::deque<Sample> samples_;
};

}  // namespace sluice::controller::broadcast
