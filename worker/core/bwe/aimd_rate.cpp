#include "worker/core/bwe/aimd_rate.h"

#include <algorithm>
#include <cmath>

#include "worker/core/bwe/rate_math.h"

namespace sluice::worker {

void AimdRate::Set(double bps) { bps_ = std::clamp(bps, min_bps_, std::max(min_bps_, max_bps_)); }

void AimdRate::SetEstimate(DataRate rate, Timestamp now) {
  Set(BpsOf(rate));
  changed_at_ = now;
}

void AimdRate::SetBounds(DataRate min, DataRate max) {
  min_bps_ = BpsOf(min);
  max_bps_ = BpsOf(max);
  Set(bps_);
}

void AimdRate::OnProbe(DataRate rate, Timestamp now) {
  capacity_.OnProbe(BpsOf(rate) / 1000);
  SetEstimate(rate, now);
}

void AimdRate::Update(PathUse use, std::optional<DataRate> acknowledged, bool may_grow,
                      Timestamp now) {
  switch (use) {
    case PathUse::kOver:
      if (MayDecrease(acknowledged, now)) Decrease(acknowledged, now);
      return;
    case PathUse::kUnder:  // a queue drains: to be left alone
      holds_ = true;
      return;
    case PathUse::kNormal:
      if (holds_) {
        holds_ = false;
        changed_at_ = now;
      }
      Increase(acknowledged, may_grow, now);
      return;
  }
}

bool AimdRate::MayDecrease(std::optional<DataRate> acknowledged, Timestamp now) const {
  if (!acknowledged) return now - last_decrease_ >= kBlindInterval;
  const Duration interval = std::clamp(rtt_, kMinInterval, kMaxInterval);
  return now - last_decrease_ >= interval || BpsOf(*acknowledged) < bps_ / 2;
}

void AimdRate::Decrease(std::optional<DataRate> acknowledged, Timestamp now) {
  holds_ = true;
  changed_at_ = now;
  last_decrease_ = now;
  if (!acknowledged) return Set(bps_ / 2);
  const double rate = BpsOf(*acknowledged);
  double lower = kDecrease * rate;
  if (lower > bps_ && capacity_.known()) lower = kDecrease * capacity_.kbps() * 1000;
  if (rate / 1000 < capacity_.Lower()) capacity_.Reset();
  capacity_.OnOveruse(rate / 1000);
  Set(std::min(lower, bps_));
}

void AimdRate::Increase(std::optional<DataRate> acknowledged, bool may_grow, Timestamp now) {
  const double seconds = std::min((now - changed_at_).seconds(), 1.0);
  changed_at_ = now;
  if (!acknowledged) return;
  const double rate = BpsOf(*acknowledged);
  if (rate / 1000 > capacity_.Upper()) capacity_.Reset();
  const double most = may_grow ? kMaxOfAcknowledged * rate + kAboveAcknowledged : bps_;
  if (bps_ >= most) return;
  double more = std::max(bps_ * (std::pow(kIncreasePerSecond, seconds) - 1), kMinIncrease);
  if (capacity_.known()) {
    more = AdditivePerSecond() * seconds;
    const double missing = kRecovery * capacity_.kbps() * 1000 - bps_;
    if (missing > 0) more = std::max(more, std::min(missing, kRecoveryPerSecond * bps_ * seconds));
  }
  if (competes_) more = std::max(more, kPacketBits / (rtt_.seconds() * rtt_.seconds()) * seconds);
  Set(std::min(bps_ + more, most));
}

/// One packet of average size in twice the time that a change takes to show.
double AimdRate::AdditivePerSecond() const {
  const double frame_bits = bps_ / kFramesPerSecond;
  const double packet_bits = frame_bits / std::max(std::ceil(frame_bits / kPacketBits), 1.0);
  return std::max(packet_bits / (2 * (rtt_ + kResponse).seconds()), kMinAdditivePerSecond);
}

}  // namespace sluice::worker
