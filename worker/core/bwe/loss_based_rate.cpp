#include "worker/core/bwe/loss_based_rate.h"

#include <algorithm>
#include <cmath>

#include "worker/core/bwe/rate_math.h"

namespace sluice::worker {
namespace {

constexpr double kLeast = 1e-6;
constexpr double kBytesPerKilobyte = 1000;

/// The part of what is sent at that rate that a path would lose.
double LossProbability(double inherent, double limit, double sending_rate) {
  double loss = inherent;
  if (sending_rate > limit) loss += (1 - inherent) * (sending_rate - limit) / sending_rate;
  return std::clamp(loss, kLeast, 1 - kLeast);
}

}  // namespace

void LossBasedRate::SetBounds(DataRate min, DataRate max) {
  min_bps_ = BpsOf(min);
  max_bps_ = BpsOf(max);
}

void LossBasedRate::SetEstimate(DataRate rate) {
  channel_ = Channel{kFirstInherentLoss, BpsOf(rate)};
  result_ = channel_.bps;
  state_ = State::kDelayBased;
  known_ = true;
}

bool LossBasedRate::Collect(std::span<const PacketResult> packets) {
  for (const PacketResult& packet : packets) {
    const double size = packet.size;
    if (packet.was_lost) {  // it has come after all
      partial_lost_ = std::max(partial_lost_ - size, 0.0);
      continue;
    }
    if (!any_) {
      any_ = true;
      newest_ = packet.sent_at;
    }
    partial_newest_ = std::max(partial_newest_, packet.sent_at);
    partial_size_ += size;
    if (!packet.received) partial_lost_ += size;
  }
  const Duration time = partial_newest_ - newest_;
  if (!any_ || time < kMinObservation || partial_size_ <= 0) return false;
  Close(partial_newest_, time);
  return true;
}

void LossBasedRate::Close(Timestamp newest, Duration time) {
  Observation& next = observations_[count_ % kObservations];
  next.size = partial_size_;
  next.lost = partial_lost_;
  next.sending_rate = partial_size_ * 8 / time.seconds();
  ++count_;
  partial_size_ = partial_lost_ = 0;
  newest_ = newest;
  double weight = 1;
  for (size_t age = 0; age < std::min(count_, kObservations); ++age) {
    observations_[(count_ - 1 - age) % kObservations].weight = weight;
    weight *= kTemporalWeight;
  }
  average_loss_ = AverageLoss();
}

/// Without the observations of the most and of the least loss: one burst is no trend.
double LossBasedRate::AverageLoss() const {
  double size = 0;
  double lost = 0;
  const Observation* worst = nullptr;
  const Observation* best = nullptr;
  const size_t count = std::min(count_, kObservations);
  const auto rate = [](const Observation& each) { return each.lost / each.size; };
  for (size_t i = 0; i < count; ++i) {
    const Observation& each = observations_[i];
    size += each.size * each.weight;
    lost += each.lost * each.weight;
    if (worst == nullptr || rate(each) > rate(*worst)) worst = &each;
    if (best == nullptr || rate(each) < rate(*best)) best = &each;
  }
  if (count > 2 && worst != best) {
    size -= worst->size * worst->weight + best->size * best->weight;
    lost -= worst->lost * worst->weight + best->lost * best->weight;
  }
  return size > 0 ? std::clamp(lost / size, 0.0, 1.0) : 0;
}

double LossBasedRate::Feasible(const Channel& channel) const {
  const double most = std::min(kMaxInherentLoss + kInherentLossBalance / channel.bps, 1.0);
  return std::clamp(channel.inherent_loss, kMinInherentLoss, std::max(most, kMinInherentLoss));
}

/// One step of Newton's method towards the likeliest inherent loss.
void LossBasedRate::Fit(Channel& channel) const {
  double first = 0;
  double second = 0;
  for (const Observation& each : observations_) {
    if (each.size <= 0) continue;
    const double loss = LossProbability(channel.inherent_loss, channel.bps, each.sending_rate);
    const double lost = each.lost / kBytesPerKilobyte;
    const double arrived = (each.size - each.lost) / kBytesPerKilobyte;
    first += each.weight * (lost / loss - arrived / (1 - loss));
    second -= each.weight * (lost / (loss * loss) + arrived / ((1 - loss) * (1 - loss)));
  }
  channel.inherent_loss -= kNewtonStep * first / std::min(second, -kLeast);
  channel.inherent_loss = Feasible(channel);
}

double LossBasedRate::Objective(const Channel& channel) const {
  const double distance = kBiasThreshold - average_loss_;
  const double part = distance / (kBiasSmoothing + std::abs(distance));
  const double kbps = channel.bps / 1000;
  const double bias = part * (kBias * kbps + kLogBias * std::log(1 + kbps));
  double objective = 0;
  for (const Observation& each : observations_) {
    if (each.size <= 0) continue;
    const double loss = LossProbability(channel.inherent_loss, channel.bps, each.sending_rate);
    const double size = each.size / kBytesPerKilobyte;
    const double lost = each.lost / kBytesPerKilobyte;
    objective +=
        each.weight * (lost * std::log(loss) + (size - lost) * std::log(1 - loss) + bias * size);
  }
  return objective;
}

LossBasedRate::Channel LossBasedRate::BestCandidate(bool in_alr, double delay_based) {
  std::array<double, kFactors.size() + 2> rates{};
  size_t count = 0;
  for (const double factor : kFactors) rates[count++] = channel_.bps * factor;
  const bool padded = padding_rate_ > 0 && newest_ - padding_since_ <= kPaddingTime;
  if (acknowledged_ && (!in_alr || padded)) rates[count++] = BpsOf(*acknowledged_);
  rates[count++] = delay_based;
  const double most = limited() && window_limit_ > 0 ? window_limit_ : max_bps_;
  Channel best = channel_;
  double best_objective = -HUGE_VAL;
  for (size_t i = 0; i < count; ++i) {
    Channel candidate = channel_;
    candidate.bps = std::max(std::min(rates[i], std::max(channel_.bps, most)), 1.0);
    candidate.inherent_loss = Feasible(candidate);
    Fit(candidate);
    const double objective = Objective(candidate);
    if (objective <= best_objective) continue;
    best_objective = objective;
    best = candidate;
  }
  return best;
}

/// What was just lost bounds the estimate at once.
double LossBasedRate::UpperBound() const {
  if (average_loss_ <= kInstantLossOffset) return max_bps_;
  return std::min(max_bps_, kInstantBalance / (average_loss_ - kInstantLossOffset));
}

double LossBasedRate::LowerBound() const {
  return std::max(acknowledged_ ? BpsOf(*acknowledged_) : 0, min_bps_);
}

/// While losses limit the estimate it grows no faster than what arrives shows to be possible.
LossBasedRate::Channel LossBasedRate::BoundIncrease(Channel best) {
  if (window_limit_ > 0 && window_since_ + kIncreaseWindow > newest_) {
    best.bps = std::min(best.bps, std::max(window_limit_, channel_.bps));
  }
  if (best.bps <= result_ || !acknowledged_) return best;
  const double arrives = BpsOf(*acknowledged_);
  const bool after_hold = hold_rate_ > 0 && arrives < kHoldThreshold * hold_rate_;
  const double most = (after_hold ? kRampUpInHold : kRampUp) * arrives;
  best.bps = std::max(channel_.bps, std::min(best.bps, most));
  // Not quite where it is: for the state to leave the decrease, and padding to help.
  if (state_ == State::kDecreasing && best.bps <= channel_.bps) best.bps = channel_.bps + 1;
  return best;
}

bool LossBasedRate::MayPad(double bounded) const {
  return state_ != State::kIncreasingWithPadding || padding_since_ + kPaddingTime >= newest_ ||
         padding_rate_ < bounded;
}

void LossBasedRate::Decide(double bounded, double delay_based) {
  const bool below = bounded < delay_based && bounded < max_bps_;
  if (state_ == State::kDecreasing && hold_until_ > newest_ && bounded < delay_based) {
    result_ = hold_rate_ > 0 ? std::min(hold_rate_, bounded) : bounded;
    return;
  }
  if (!below) {
    state_ = State::kDelayBased;
    hold_ = kFirstHold;
    hold_rate_ = 0;
    hold_until_ = Timestamp();
    padding_rate_ = 0;
  } else if (limited() && bounded > result_) {
    if (MayPad(bounded)) {
      state_ = State::kIncreasingWithPadding;
      if (padding_rate_ < bounded) {
        padding_rate_ = bounded;
        padding_since_ = newest_;
      }
    } else {
      state_ = State::kIncreasing;
    }
  } else if (bounded < result_ || state_ == State::kDelayBased) {
    if (state_ != State::kDecreasing) {
      hold_until_ = newest_ + hold_;
      hold_ = std::min(hold_ * kHoldFactor, kMaxHold);
      hold_rate_ = bounded;
    }
    padding_rate_ = 0;
    state_ = State::kDecreasing;
  }
  result_ = bounded;
}

void LossBasedRate::OnFeedback(std::span<const PacketResult> packets, DataRate delay_based,
                               bool in_alr) {
  if (packets.empty() || !Collect(packets)) return;
  const double other = BpsOf(delay_based);
  if (!known_) SetEstimate(delay_based);
  if (count_ < kRequired) {
    channel_.bps = other;
    result_ = other;
    return;
  }
  Channel best = BestCandidate(in_alr, other);
  // Not more while more is lost than the path is thought to lose by itself.
  if (average_loss_ > best.inherent_loss && best.bps > channel_.bps) best.bps = channel_.bps;
  if (limited()) best = BoundIncrease(best);
  const double bounded =
      std::max(LowerBound(), std::min({best.bps, UpperBound(), other, max_bps_}));
  if (bounded < best.bps) best = Channel{0, bounded};
  channel_ = best;
  channel_.inherent_loss = Feasible(channel_);
  Decide(std::min(bounded, other), other);
  if (limited() && (window_limit_ <= 0 || window_since_ + kIncreaseWindow < newest_)) {
    window_limit_ = std::max(min_bps_, channel_.bps * kMaxIncrease);
    window_since_ = newest_;
  }
  if (!limited()) window_limit_ = 0;
}

}  // namespace sluice::worker
