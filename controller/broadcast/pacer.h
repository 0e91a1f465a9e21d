#pragma once

#include <cstdint>
#include <optional>

namespace sluice::controller::broadcast {

/// Which moment each frame belongs to: the clock of media against ours. All tracks share it, which
/// keeps sound and picture in step. All times in microseconds.
class Pacer {
 public:
  /// `live`: frames come at their own pace, and are held back just as long as that pace is uneven.
  /// Else they are there as soon as we want them.
  explicit Pacer(bool live) : live_(live) {}

  /// When a frame of `time` that is at hand since `now` is to be sent: in the past when it is late.
  /// A frame that is late moves the clock, so that what follows comes evenly.
  int64_t DueAt(int64_t time, int64_t now);
  /// The media time that belongs to `now`; none before the first frame.
  std::optional<int64_t> MediaTime(int64_t now) const;
  /// Where a frame of `time` is in the stream that is sent: it goes on with our clock when media
  /// was late or jumped, so that receivers do not take a pause for a slow network.
  int64_t StreamTime(int64_t time) const { return time + shift_; }
  /// What of that stream belongs to `now`; none before the first frame.
  std::optional<int64_t> StreamNow(int64_t now) const;

 private:
  bool live_;
  std::optional<int64_t> offset_;  ///< of our clock to the media's
  int64_t base_ = 0;               ///< our clock at the beginning of the stream
  int64_t shift_ = 0;              ///< of the stream to the media's clock
  int64_t slack_ = 0;              ///< by which frames go earlier than the stream says
  int64_t window_start_ = 0;
  int64_t earliest_ = 0;  ///< how early the latest frame of the window was
};

}  // namespace sluice::controller::broadcast
