#pragma once

#include <optional>

#include "common/units.h"
#include "worker/core/bwe/delay_trend.h"
#include "worker/core/bwe/link_capacity.h"

namespace sluice::worker {

/// What the delay of a path allows: multiplied down when a queue builds up, and up again slowly
/// near the rate at which it last did, by 8 % a second elsewhere (draft-ietf-rmcat-gcc-02 §5.5;
/// constants of libwebrtc M150, aimd_rate_control.cc).
class AimdRate {
 public:
  static constexpr double kDecrease = 0.85;
  static constexpr double kIncreasePerSecond = 1.08;
  static constexpr double kMinIncrease = 1000;           // bps, of an update
  static constexpr double kMinAdditivePerSecond = 4000;  // bps per second
  /// A decrease goes below what the path takes, for its queue to drain. Up to so much of what it
  /// took when it was last full the way back is short (not in libwebrtc).
  static constexpr double kRecovery = 0.93;
  static constexpr double kRecoveryPerSecond = 0.25;  // of the estimate
  static constexpr double kMaxOfAcknowledged = 1.5;
  static constexpr double kAboveAcknowledged = 10'000;  // bps
  static constexpr double kPacketBits = 1200 * 8;
  static constexpr double kFramesPerSecond = 30;
  static constexpr Duration kResponse = Duration::Millis(100);    // beside the round trip
  static constexpr Duration kMinInterval = Duration::Millis(10);  // between two decreases
  static constexpr Duration kMaxInterval = Duration::Millis(200);
  /// Before a rate was measured: half of it, so often.
  static constexpr Duration kBlindInterval = Duration::Millis(200);
  static constexpr Duration kFirstRtt = Duration::Millis(200);

  void SetEstimate(DataRate rate, Timestamp now);
  void SetBounds(DataRate min, DataRate max);
  void SetRtt(Duration rtt) { rtt_ = rtt; }
  /// Others fill the queue: the increase is that of TCP, a packet each round trip.
  void SetCompetes(bool competes) { competes_ = competes; }
  DataRate estimate() const { return DataRate::BitsPerSecond(static_cast<int64_t>(bps_)); }
  const LinkCapacity& capacity() const { return capacity_; }

  /// A probe arrived at that rate.
  void OnProbe(DataRate rate, Timestamp now);
  /// `acknowledged`: nullopt while it is not known. `may_grow`: false while what is sent does not
  /// use the estimate.
  void Update(PathUse use, std::optional<DataRate> acknowledged, bool may_grow, Timestamp now);
  /// The last decrease: what the estimate was before.
  Timestamp last_decrease() const { return last_decrease_; }

 private:
  bool MayDecrease(std::optional<DataRate> acknowledged, Timestamp now) const;
  void Decrease(std::optional<DataRate> acknowledged, Timestamp now);
  void Increase(std::optional<DataRate> acknowledged, bool may_grow, Timestamp now);
  double AdditivePerSecond() const;
  void Set(double bps);

  double bps_ = 0;
  double min_bps_ = 0;
  double max_bps_ = 0;
  Duration rtt_ = kFirstRtt;
  bool competes_ = false;
  bool holds_ = true;  ///< no increase since the last over- or underuse
  Timestamp changed_at_;
  Timestamp last_decrease_;
  LinkCapacity capacity_;
};

}  // namespace sluice::worker
