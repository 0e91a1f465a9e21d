#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "common/units.h"
#include "worker/core/bwe/network_controller.h"

namespace sluice::worker {

/// Decides when to probe, and how fast (libwebrtc M150, probe_controller.cc). At the start 3 times
/// the start rate, then twice the result as long as the results follow; again and again while less
/// is known to fit than is wanted.
///
/// Differs from its source where a server does: what it sends comes in steps (layers), so while
/// demand is not met probes go on whether or not what is sent uses the estimate; the second of the
/// first two probes waits for the result of the first, which a slow link is spared.
class ProbeController {
 public:
  static constexpr double kFirstScale = 3;
  static constexpr double kFurtherScale = 2;
  static constexpr double kFurtherThreshold = 0.7;  // of a probe's rate: worth another one
  static constexpr Duration kStartPhase = Duration::Seconds(5);
  static constexpr Duration kStartDuration = Duration::Millis(100);
  static constexpr Duration kStartGap = Duration::Millis(20);
  static constexpr Duration kDuration = Duration::Millis(15);
  static constexpr Duration kGap = Duration::Millis(2);
  static constexpr int kMinPackets = 5;
  static constexpr Duration kWait = Duration::Seconds(1);  // for a result
  static constexpr Duration kAlrInterval = Duration::Seconds(5);
  static constexpr double kAlrScale = 2;
  static constexpr double kMaxOfDemand = 2;    // on a new allocation
  static constexpr double kMaxOfEstimate = 2;  // likewise
  static constexpr double kLossLimitedScale = 1.5;
  // After a large drop.
  static constexpr double kLargeDrop = 0.66;
  static constexpr Duration kDropMemory = Duration::Seconds(5);
  static constexpr double kOfRateBeforeDrop = 0.85;
  static constexpr double kUncertainty = 0.95;  // a result below this part is no news
  static constexpr DataRate kMaxWithoutBound = DataRate::BitsPerSecond(5'000'000);
  /// While demand is not met: 15 ms of twice the rate each so often, 4 % of what is sent.
  static constexpr Duration kUnmetInterval = Duration::Millis(700);
  /// Who shares a bottleneck gets more of it in a burst than for good. A result that is followed by
  /// overuse within kLasting did not last: the next probe waits twice as long, up to kMaxUnmet.
  static constexpr Duration kLasting = Duration::Seconds(4);
  static constexpr Duration kMaxUnmet = Duration::Millis(3200);
  /// Less than this above the estimate is not worth a probe.
  static constexpr double kWorthwhile = 1.05;

  enum class LossLimit : uint8_t { kNone, kIncreasing, kDecreasing };

  /// Media may flow.
  void Start(DataRate start, Timestamp now);
  void SetMax(DataRate max) { max_ = max; }
  void SetDemand(DataRate demand, Timestamp now);
  void SetEstimate(DataRate estimate, LossLimit loss, Timestamp now);
  void SetAlr(bool in_alr, Timestamp now);
  /// A probe has arrived at this rate, and the estimate follows.
  void OnResult(DataRate rate, Timestamp now);
  void OnOveruse(Timestamp now);
  /// The last probe was held up: the path is full, or was by it.
  void OnSaturated();
  /// Packets wait on the path: a probe adds to it, and is sent each kMaxUnmet at most.
  void SetQueued(bool queued) { queued_ = queued; }
  /// The queue of an overuse has drained.
  void OnRecovered(Timestamp now);
  void Process(Timestamp now);
  std::optional<ProbePlan> Take();

 private:
  static constexpr size_t kMaxPlans = 4;

  DataRate Most() const;
  void Plan(double bps, Timestamp now);
  bool in_start_phase(Timestamp now) const { return now - started_ < kStartPhase; }

  std::array<ProbePlan, kMaxPlans> plans_{};
  size_t plan_count_ = 0;
  uint8_t next_id_ = 1;

  bool is_started_ = false;
  Timestamp started_;
  DataRate max_;  // zero: none
  DataRate demand_;
  DataRate estimate_;
  LossLimit loss_ = LossLimit::kNone;
  bool in_alr_ = false;
  Timestamp alr_since_;

  bool waits_ = false;
  Timestamp probed_at_;
  double further_bps_ = 0;  ///< a result above this is followed by another probe; 0: none
  bool queued_ = false;
  bool saturated_ = false;  ///< the last probe
  Duration unmet_interval_ = kUnmetInterval;
  Timestamp raised_at_;
  bool raised_ = false;  ///< by a probe, within kLasting
  Timestamp drop_at_;
  double before_drop_ = 0;
  Timestamp drop_probed_at_;
};

}  // namespace sluice::worker
