#include "worker/core/bwe/probe_controller.h"

#include <algorithm>
#include <utility>

#include "worker/core/bwe/rate_math.h"

namespace sluice::worker {

void ProbeController::Start(DataRate start, Timestamp now) {
  is_started_ = true;
  started_ = now;
  estimate_ = start;
  waits_ = false;
  if (demand_ > DataRate::Zero()) Plan(kFirstScale * BpsOf(start), now);
}

/// No probe is faster.
DataRate ProbeController::Most() const {
  const DataRate most = max_ > DataRate::Zero() ? max_ : kMaxWithoutBound;
  const double wanted = kMaxOfDemand * BpsOf(demand_);
  return std::min(most, RateOfBps(wanted));
}

void ProbeController::Plan(double bps, Timestamp now) {
  if (loss_ == LossLimit::kDecreasing || plan_count_ == kMaxPlans) return;
  if (loss_ == LossLimit::kIncreasing) bps = std::min(bps, kLossLimitedScale * BpsOf(estimate_));
  const double most = BpsOf(Most());
  bps = std::min(bps, most);
  if (bps < kWorthwhile * BpsOf(estimate_)) return;
  const bool starts = in_start_phase(now);
  ProbePlan& plan = plans_[plan_count_++];
  plan.id = next_id_++;
  if (next_id_ == 0) next_id_ = 1;
  plan.rate = RateOfBps(bps);
  plan.min_bytes = static_cast<size_t>(bps / 8 * (starts ? kStartDuration : kDuration).seconds());
  plan.min_packets = kMinPackets;
  plan.min_gap = starts ? kStartGap : kGap;
  waits_ = true;
  saturated_ = false;
  probed_at_ = now;
  further_bps_ = bps < most ? kFurtherThreshold * bps : 0;
}

void ProbeController::SetDemand(DataRate demand, Timestamp now) {
  const DataRate before = std::exchange(demand_, demand);
  if (!is_started_ || demand <= before) return;
  if (before == DataRate::Zero() && now - probed_at_ > kAlrInterval) {
    Start(estimate_, now);  // nothing was wanted for a while: what is known may be old
    return;
  }
  if (waits_ || estimate_ >= demand) return;
  const double bps = BpsOf(demand);
  Plan(std::min(bps, kMaxOfEstimate * BpsOf(estimate_)), now);
}

void ProbeController::SetEstimate(DataRate estimate, LossLimit loss, Timestamp now) {
  loss_ = loss;
  const double bps = BpsOf(estimate);
  if (bps < kLargeDrop * BpsOf(estimate_)) {
    drop_at_ = now;
    before_drop_ = BpsOf(estimate_);
  }
  estimate_ = estimate;
  if (!waits_ || further_bps_ <= 0 || bps <= further_bps_) return;
  further_bps_ = 0;
  Plan(kFurtherScale * bps, now);
}

void ProbeController::OnResult(DataRate rate, Timestamp now) {
  if (rate <= estimate_) return;
  raised_ = true;
  raised_at_ = now;
}

void ProbeController::OnSaturated() {
  saturated_ = true;
  further_bps_ = 0;
}

void ProbeController::OnOveruse(Timestamp now) {
  if (!raised_ || now - raised_at_ > kLasting) return;
  raised_ = false;
  unmet_interval_ = std::min(unmet_interval_ * 2, kMaxUnmet);
}

void ProbeController::SetAlr(bool in_alr, Timestamp now) {
  if (in_alr && !in_alr_) alr_since_ = now;
  in_alr_ = in_alr;
}

void ProbeController::OnRecovered(Timestamp now) {
  if (waits_ || queued_ || before_drop_ <= 0 || now - drop_at_ > kDropMemory) return;
  if (drop_probed_at_ >= drop_at_) return;
  const double bps = kOfRateBeforeDrop * before_drop_;
  if (kUncertainty * bps <= BpsOf(estimate_) || estimate_ >= demand_) return;
  drop_probed_at_ = now;
  Plan(bps, now);
}

void ProbeController::Process(Timestamp now) {
  if (!is_started_) return;
  if (raised_ && now - raised_at_ > kLasting) {
    raised_ = false;
    unmet_interval_ = kUnmetInterval;
  }
  if (waits_ && now - probed_at_ > kWait) {
    waits_ = false;
    further_bps_ = 0;
  }
  if (waits_ || demand_ == DataRate::Zero() || estimate_ >= Most()) return;
  const Duration since = now - probed_at_;
  if (estimate_ < demand_) {
    const Duration interval = queued_ || saturated_ ? kMaxUnmet : unmet_interval_;
    if (since >= std::max(interval, in_start_phase(now) ? kWait : kUnmetInterval)) {
      Plan(kFurtherScale * BpsOf(estimate_), now);
    }
  } else if (in_alr_ && since >= kAlrInterval && now - alr_since_ >= kAlrInterval) {
    Plan(kAlrScale * BpsOf(estimate_), now);
  }
}

std::optional<ProbePlan> ProbeController::Take() {
  if (plan_count_ == 0) return std::nullopt;
  const ProbePlan plan = plans_[0];
  std::move(plans_.begin() + 1, plans_.begin() + static_cast<std::ptrdiff_t>(plan_count_),
            plans_.begin());
  --plan_count_;
  return plan;
}

}  // namespace sluice::worker
