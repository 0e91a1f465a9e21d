#include "worker/core/bwe/goog_cc.h"

#include <algorithm>

#include "worker/core/bwe/rate_math.h"

namespace sluice::worker {

GoogCc::GoogCc(Timestamp now) : last_feedback_(now), last_sent_(now), trend_origin_(now) {
  alr_.OnSent(0, now);
  SetBounds({kDefaultStart, DataRate::Zero(), DataRate::Zero()}, now);
}

void GoogCc::SetBounds(const RateBounds& bounds, Timestamp now) {
  min_ = std::max(bounds.min, kLeast);
  max_ = bounds.max > DataRate::Zero() ? std::max(bounds.max, min_) : kMost;
  aimd_.SetBounds(min_, max_);
  loss_.SetBounds(min_, max_);
  probes_.SetMax(bounds.max);
  if (bounds.start > DataRate::Zero()) {
    const DataRate start = std::clamp(bounds.start, min_, max_);
    aimd_.SetEstimate(start, now);
    probes_.Start(start, now);
  }
  Publish(now);
}

void GoogCc::SetDemand(DataRate demand, Timestamp now) {
  demand_ = demand;
  probes_.SetDemand(demand, now);
  Publish(now);
}

void GoogCc::OnSent(size_t bytes, Timestamp now) {
  alr_.OnSent(bytes, now);
  if (bytes > 0) last_sent_ = now;
}

void GoogCc::OnFeedback(const FeedbackReport& report) {
  const Timestamp now = report.at;
  has_feedback_ = true;
  last_feedback_ = now;
  silent_limit_ = DataRate::Zero();
  if (report.packets.empty()) return;
  if (report.clock_stepped) {
    trend_.Reset();
    acknowledged_.Reset();
  }
  UpdateRtt(report);
  acknowledged_.OnPackets(report.packets);
  UpdateDelay(report, UpdateProbes(report));
  loss_.SetAcknowledged(acknowledged_.rate());
  loss_.OnFeedback(report.packets, aimd_.estimate(), alr_.in_alr());
  Publish(now);
  const bool drains = trend_.use() == PathUse::kUnder;
  if (was_draining_ && trend_.use() == PathUse::kNormal) probes_.OnRecovered(now);
  was_draining_ = drains;
}

void GoogCc::UpdateRtt(const FeedbackReport& report) {
  Duration longest;
  Duration shortest = Duration::Infinite();
  for (const PacketResult& packet : report.packets) {
    if (!packet.received) continue;
    longest = std::max(longest, report.at - packet.sent_at);
    shortest = std::min(shortest, report.at - packet.sent_at);
  }
  if (shortest == Duration::Infinite()) return;
  rtts_[rtt_count_++ % kRtts] = longest;
  const auto count = static_cast<int64_t>(std::min(rtt_count_, kRtts));
  Duration sum;
  for (int64_t i = 0; i < count; ++i) sum = sum + rtts_[static_cast<size_t>(i)];
  aimd_.SetRtt(sum / count);
  if (reported_rtt_ == Duration::Zero()) estimate_.rtt = shortest;
}

std::optional<DataRate> GoogCc::UpdateProbes(const FeedbackReport& report) {
  std::optional<DataRate> probe;
  for (const PacketResult& packet : report.packets) {
    if (const auto rate = probe_estimator_.OnPacket(packet)) probe = rate;
  }
  if (!probe || !acknowledged_.rate()) return probe;
  const DataRate arrives = *acknowledged_.rate();
  const DataRate usable =
      demand_ > DataRate::Zero() ? std::min(aimd_.estimate(), demand_) : aimd_.estimate();
  const bool uses_estimate = arrives > Times(usable, kUsed);
  if (probe_estimator_.saturated() && uses_estimate) {
    probes_.OnSaturated();
    // Who shares a bottleneck gets more of it in a burst than for good: half of the way.
    if (*probe > arrives) probe = RateOfBps((BpsOf(*probe) + BpsOf(arrives)) / 2);
  }
  // What arrives shows that so much is there, less what drains the queue that the probe has made.
  const DataRate least = std::min(aimd_.estimate(), Times(arrives, kProbeFloor));
  return std::max(*probe, least);
}

void GoogCc::UpdateDelay(const FeedbackReport& report, std::optional<DataRate> probe) {
  for (const PacketResult& packet : report.packets) {
    if (!packet.was_lost)
      recent_loss_ += kRecentWeight * ((packet.received ? 0 : 1) - recent_loss_);
    if (!packet.received) continue;
    if (packet.received_at - last_arrival_ > kStreamTimeout) trend_.Reset();
    last_arrival_ = std::max(last_arrival_, packet.received_at);
    trend_.OnPacket(packet.sent_at - trend_origin_, packet.received_at);
  }
  PathUse use = trend_.use();
  const bool full = full_queue_.OnReport(report);
  // Flows of our own share a full queue without that: only who gets next to nothing competes.
  const bool competes = full_queue_.competes() && aimd_.estimate() < Times(demand_, kStarved);
  aimd_.SetCompetes(competes);
  if (competes) use = PathUse::kNormal;
  if (full) use = PathUse::kOver;
  probes_.SetQueued(full_queue_.contended(report.at));
  if (use == PathUse::kOver) probes_.OnOveruse(report.at);
  if (use != PathUse::kOver && probe) {
    probes_.OnResult(*probe, report.at);
    // What was lost before, while little is, says nothing of the path as it is now.
    if (recent_loss_<kFewLosses&& * probe> loss_.estimate()) loss_.SetEstimate(*probe);
    aimd_.OnProbe(*probe, report.at);
  } else {
    const bool is_enough = aimd_.estimate() > Times(demand_, kEnough);
    const auto arrives = use == PathUse::kOver ? acknowledged_.recent() : acknowledged_.rate();
    aimd_.Update(use, arrives, !alr_.in_alr() && !is_enough, report.at);
  }
}

void GoogCc::OnRtt(Duration rtt, Timestamp /*now*/) {
  if (rtt <= Duration::Zero()) return;
  reported_rtt_ = rtt;
  estimate_.rtt = rtt;
}

void GoogCc::OnRemb(DataRate rate, Timestamp now) {
  remb_ = std::clamp(rate, min_, max_);
  remb_at_ = now;
  if (!has_feedback_) aimd_.SetEstimate(remb_, now);  // nothing else is known
  Publish(now);
}

void GoogCc::OnLossReport(double loss, Timestamp now) {
  if (has_feedback_) return;
  estimate_.loss = loss;
  if (now - report_at_ < kReportInterval) return;
  report_at_ = now;
  if (loss > kHighLoss) aimd_.SetEstimate(Times(aimd_.estimate(), 1 - loss / 2), now);
  Publish(now);
}

void GoogCc::OnProcess(Timestamp now) {
  alr_.OnSent(0, now);
  probes_.SetAlr(alr_.in_alr(), now);
  BackOffInSilence(now);
  probes_.Process(now);
  Publish(now);
}

void GoogCc::BackOffInSilence(Timestamp now) {
  if (!has_feedback_ || last_sent_ - last_feedback_ < kSilence) return;
  if (silent_limit_ == DataRate::Zero()) {
    before_silence_ = silent_limit_ = estimate_.target;
  } else if (now - silent_at_ < kSilentInterval) {
    return;
  }
  silent_at_ = now;
  silent_limit_ =
      std::max(Times(silent_limit_, kSilentFactor), Times(before_silence_, kSilentFloor));
}

ProbeController::LossLimit GoogCc::LossLimit(Timestamp now) const {
  if (!loss_.ready()) return ProbeController::LossLimit::kNone;
  if (now - loss_.newest() > kLossAge) return ProbeController::LossLimit::kIncreasing;
  switch (loss_.state()) {
    case LossBasedRate::State::kDelayBased:
      return ProbeController::LossLimit::kNone;
    case LossBasedRate::State::kDecreasing:
      return ProbeController::LossLimit::kDecreasing;
    default:
      return ProbeController::LossLimit::kIncreasing;
  }
}

void GoogCc::Publish(Timestamp now) {
  DataRate target = aimd_.estimate();
  if (loss_.ready()) {
    target = std::min(target, loss_.estimate());
    estimate_.loss = loss_.average_loss();
  }
  if (remb_ > DataRate::Zero() && now - remb_at_ < kRembAge) target = std::min(target, remb_);
  if (silent_limit_ > DataRate::Zero()) target = std::min(target, silent_limit_);
  target = std::clamp(target, min_, max_);
  estimate_.target = target;
  estimate_.stable_target = target;
  if (aimd_.capacity().known()) {
    const auto lower = static_cast<int64_t>(aimd_.capacity().Lower() * 1000);
    estimate_.stable_target =
        std::clamp(DataRate::BitsPerSecond(lower), std::min(min_, target), target);
  }
  estimate_.pacing = Pacing(target);
  estimate_.padding = Padding();
  alr_.SetEstimate(target);
  probes_.SetEstimate(target, LossLimit(now), now);
}

DataRate GoogCc::Pacing(DataRate target) const {
  if (!has_feedback_) return Times(target, kPacing);
  if (target < demand_) return Times(target, kConstrainedPacing);
  return std::max(Times(target, kAmplePacing), Times(std::min(target, demand_), kPacing));
}

/// Losses say how much the path takes only while so much is sent.
DataRate GoogCc::Padding() const {
  const bool helps = loss_.ready() && loss_.state() == LossBasedRate::State::kIncreasingWithPadding;
  return helps && estimate_.target < demand_ ? estimate_.target : DataRate::Zero();
}

std::optional<ProbePlan> GoogCc::TakeProbe(Timestamp /*now*/) {
  const std::optional<ProbePlan> plan = probes_.Take();
  if (plan) probe_estimator_.Expect(*plan);
  return plan;
}

}  // namespace sluice::worker
