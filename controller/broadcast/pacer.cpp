#include "controller/broadcast/pacer.h"

#include <algorithm>
#include <limits>

#include "controller/broadcast/times.h"

namespace sluice::controller::broadcast {

namespace {

/// A frame of a file that is this late came of a machine that was busy for a moment.
constexpr int64_t kTolerated = 100 * kMillisecond;
/// Time stamps that jump so far are of another clock.
constexpr int64_t kJump = 10 * kSecond;
constexpr int64_t kFirstDelay = 40 * kMillisecond;
constexpr int64_t kWindow = 10 * kSecond;
/// What live frames are held back more than is needed to even them out, before it is taken back.
constexpr int64_t kTooEarly = 60 * kMillisecond;

}  // namespace

int64_t Pacer::DueAt(int64_t time, int64_t now) {
  if (!offset_ || time + *offset_ - now > kJump) {
    const bool first = !offset_;
    offset_ = now - time + (live_ ? kFirstDelay : 0);
    if (first) base_ = *offset_;
    shift_ = *offset_ - base_;
    slack_ = 0;
    window_start_ = now;
    earliest_ = std::numeric_limits<int64_t>::max();
  }
  const int64_t due = time + *offset_;
  const int64_t late = now - due;
  if (late > (live_ ? 0 : kTolerated)) {
    *offset_ += late;
    const int64_t taken_back = std::min(slack_, late);
    slack_ -= taken_back;
    shift_ += late - taken_back;
    return now;
  }
  if (!live_) return due;
  earliest_ = std::min(earliest_, -late);
  if (now - window_start_ >= kWindow) {
    if (earliest_ > kTooEarly) {
      const int64_t less = earliest_ - kTooEarly / 2;
      *offset_ -= less;
      slack_ += less;
    }
    window_start_ = now;
    earliest_ = std::numeric_limits<int64_t>::max();
  }
  return due;
}

std::optional<int64_t> Pacer::MediaTime(int64_t now) const {
  if (!offset_) return std::nullopt;
  return now - *offset_;
}

std::optional<int64_t> Pacer::StreamNow(int64_t now) const {
  if (!offset_) return std::nullopt;
  return now - base_;
}

}  // namespace sluice::controller::broadcast
