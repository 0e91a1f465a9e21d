#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "common/units.h"

namespace sluice::worker {

/// What the delay of a path is doing (draft-ietf-rmcat-gcc-02 §5.4).
enum class PathUse : uint8_t {
  kNormal,
  kUnder,  ///< a queue drains: to be left alone
  kOver,   ///< a queue builds up, or stands
};

/// Finds out from send and arrival times whether a queue builds up on the path
/// (draft-ietf-rmcat-gcc-02 §5.2–5.4, with a fitted line in place of the Kalman filter).
///
/// Packets that left together are one group. From group to group, the arrival interval less the
/// send interval is the change of the queueing delay; the slope of its sum over the last groups,
/// against a threshold that adapts to the path's own jitter, gives the answer. A full queue grows
/// no more and has no slope: so a delay that stays far above the lowest of late counts as overuse
/// too, until it is clear that sending less does not lower it (then the path has become longer).
///
/// Only differences of each clock matter: neither needs to be right. O(1) memory.
class DelayTrend {
 public:
  /// Packets sent within this long are one group (draft-ietf-rmcat-gcc-02 §5.2).
  static constexpr Duration kBurst = Duration::Millis(5);
  /// A group that arrives faster than it was sent still ends after this.
  static constexpr Duration kMaxBurst = Duration::Millis(100);
  static constexpr size_t kWindow = 20;  // groups in the fit: 0.7 s of video at 30 fps
  /// Weight of the old value in the smoothed delay.
  static constexpr double kSmoothing = 0.9;
  /// The slope is weighed by the groups seen since the start, up to this many, and by the gain, so
  /// that it compares with a threshold in milliseconds as the filter of the draft does.
  static constexpr int kMaxWeight = 60;
  static constexpr double kGain = 4;
  // Adaptive threshold (draft-ietf-rmcat-gcc-02 §5.4).
  static constexpr double kStartThreshold = 12.5;  // ms
  static constexpr double kMinThreshold = 6;
  static constexpr double kMaxThreshold = 600;
  /// How fast the threshold follows a trend above it, and below it; per ms.
  struct Adaption {
    double up = 0.01;
    double down = 0.00018;
  };
  /// The gains for delays that a sender is told of (libwebrtc M150, trendline_estimator.cc).
  static constexpr Adaption kOfSender{0.0087, 0.039};
  static constexpr double kOutlier = 15;  // ms above the threshold: not adapted to
  static constexpr Duration kMaxAdaption = Duration::Millis(100);  // per group
  /// How long the slope must have been above the threshold (draft-ietf-rmcat-gcc-02 §5.4).
  static constexpr Duration kOveruseTime = Duration::Millis(10);
  /// Delay above the lowest of the last kBaseWindow…2 kBaseWindow that counts as a standing queue:
  /// several times the jitter of an access link, a third of the queue of a slow one.
  static constexpr Duration kStandingQueue = Duration::Millis(100);
  static constexpr Duration kBaseWindow = Duration::Seconds(10);
  /// Progress of a queue that drains.
  static constexpr Duration kDrained = Duration::Millis(20);
  /// Without progress for this long the queue is not left to drain: overuse. Some round trips.
  static constexpr Duration kPatience = Duration::Millis(500);
  /// Without progress for this long it is no queue.
  static constexpr Duration kMaxStanding = Duration::Millis(2500);

  DelayTrend() = default;
  /// `judges_standing_queue`: a delay that stays high counts, too.
  DelayTrend(const Adaption& adaption, bool judges_standing_queue)
      : adaption_(adaption), judges_standing_queue_(judges_standing_queue) {}

  /// A packet that left at `sent` (any origin, unwrapped) has arrived. True when this completed a
  /// group: use() is new.
  bool OnPacket(Duration sent, Timestamp arrival);
  PathUse use() const { return use_; }
  /// Delay above the lowest of late.
  Duration queue_delay() const { return queue_delay_; }
  void Reset() { *this = DelayTrend(adaption_, judges_standing_queue_); }

 private:
  struct Group {
    Duration first_sent;
    Duration last_sent;
    Timestamp first_arrival;
    Timestamp last_arrival;
    bool valid = false;
  };
  struct Point {
    double at = 0;     // ms since the first group
    double delay = 0;  // ms, smoothed
  };

  bool BelongsToCurrent(Duration sent, Timestamp arrival) const;
  void Begin(Duration sent, Timestamp arrival);
  void OnGroup();
  double Slope() const;
  void UpdateThreshold(double trend, Timestamp now);
  PathUse Compare(double trend, Duration interval);
  PathUse StandingQueue(Duration delay, Timestamp now);

  Adaption adaption_;
  bool judges_standing_queue_ = true;
  Group current_;
  Group previous_;
  PathUse use_ = PathUse::kNormal;

  // The line.
  std::array<Point, kWindow> points_;
  size_t next_point_ = 0;
  int groups_ = 0;  // up to kMaxWeight
  Timestamp start_;
  double sum_ = 0;  // ms of delay since the start
  double smoothed_ = 0;

  // The detector.
  double threshold_ = kStartThreshold;
  double previous_trend_ = 0;
  Duration over_for_;
  int over_count_ = 0;

  // The standing queue: lowest delays of this window and the one before.
  Duration base_ = Duration::Infinite();
  Duration previous_base_ = Duration::Infinite();
  Timestamp base_since_;
  Duration queue_delay_;
  bool stands_ = false;
  Timestamp stands_since_;
  Duration stands_at_;
};

}  // namespace sluice::worker
