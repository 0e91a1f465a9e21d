#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "common/rtp_types.h"
#include "common/units.h"

namespace sluice::worker {

/// How the group of pictures so far is sent to a viewer who joins: faster than it was made, so that
/// it is caught up with soon, but no faster than most paths take.
struct ReplayPlan {
  DataRate rate;        ///< at which it is sent
  Duration until_live;  ///< then it is caught up with
};

// Measured with a Chromium viewer: from 3 × the rate of the media on every picture is shown, and
// nothing freezes; by 8 × the first one after 20 ms.
inline constexpr double kLeastReplaySpeed = 3;
inline constexpr double kReplaySpeed = 8;
inline constexpr double kMostReplaySpeed = 20;
/// Long groups are sent faster, to be caught up with in that time.
inline constexpr Duration kReplayTime = Duration::Millis(600);
/// Whatever the media: a frame is not to take longer than it lasts.
inline constexpr DataRate kMinReplayRate = DataRate::BitsPerSecond(4'000'000);
/// Of a path of which nothing is known.
inline constexpr DataRate kMaxReplayRate = DataRate::BitsPerSecond(16'000'000);
/// A path whose estimate is not so many times the rate of the media has no room for a replay.
inline constexpr double kReplayHeadroom = 1.5;
/// Who would take longer waits for a key frame.
inline constexpr Duration kMaxUntilLive = Duration::Seconds(2);

/// nullopt: a key frame is the better way.
///
/// `bytes`: of the group, which is `age` old. `media`: what comes of the stream now; that of a
/// group that has just begun says little. `path`: what the path is estimated to take, nullopt if
/// that is not known. `key_frame_after`: how long a key frame would take, nullopt if that is not
/// known; then it is assumed to take longer.
std::optional<ReplayPlan> PlanReplay(size_t bytes, Duration age, DataRate media,
                                     std::optional<DataRate> path,
                                     std::optional<Duration> key_frame_after);

/// One viewer's way through the group so far: a position in the producer's ring, and how much may
/// be sent now. What is to be sent next is the packet with the number next().
///
/// Owned by a Consumer, from when it starts until it has caught up with what comes.
class GroupReplay {
 public:
  /// What a timer that is late cannot make up for.
  static constexpr Duration kMaxBurst = Duration::Millis(20);
  /// What may leave at once when it begins.
  static constexpr Duration kFirstBurst = Duration::Millis(5);
  /// Losses that say that the path does not take it: more packets than that, and more than this
  /// part of those sent.
  static constexpr uint64_t kMinLost = 30;
  static constexpr uint64_t kLostPart = 10;

  /// `first`: what the group of this encoding begins with. `arrival`: that of the newest packet of
  /// the producer.
  GroupReplay(uint8_t encoding, ExtendedSeqNumber first, uint64_t arrival, const ReplayPlan& plan,
              Timestamp now)
      : encoding_(encoding),
        first_(first),
        next_(first),
        arrival_(arrival),
        rate_(static_cast<double>(plan.rate.bps()) / 8),
        allowance_(rate_ * kFirstBurst.seconds()),
        at_(now) {}

  uint8_t encoding() const { return encoding_; }
  ExtendedSeqNumber first() const { return first_; }
  ExtendedSeqNumber next() const { return next_; }
  uint64_t arrival() const { return arrival_; }

  /// Time has passed.
  void Refill(Timestamp now) {
    const double seconds = std::max((now - at_).seconds(), 0.0);
    at_ = now;
    allowance_ = std::min(allowance_ + rate_ * seconds, rate_ * kMaxBurst.seconds());
  }
  bool MaySend() const { return allowance_ > 0; }
  /// The packet next() has been dealt with: so many bytes were sent of it.
  void Advance(size_t bytes) {
    next_ = ExtendedSeqNumber(next_.value() + 1);
    allowance_ -= static_cast<double>(bytes);
    ++sent_;
  }
  /// The viewer misses so many packets more. True: the path does not take what is sent.
  bool OnLost(uint64_t packets) {
    lost_ += packets;
    return lost_ > kMinLost && lost_ * kLostPart > sent_;
  }

 private:
  uint8_t encoding_;
  ExtendedSeqNumber first_;
  ExtendedSeqNumber next_;
  uint64_t arrival_;
  double rate_;       // bytes per second
  double allowance_;  // bytes
  Timestamp at_;
  uint64_t sent_ = 0;
  uint64_t lost_ = 0;
};

}  // namespace sluice::worker
