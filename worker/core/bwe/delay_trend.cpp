#include "worker/core/bwe/delay_trend.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace sluice::worker {
namespace {

double Millis(Duration duration) { return static_cast<double>(duration.us()) / 1000; }

}  // namespace

bool DelayTrend::OnPacket(Duration sent, Timestamp arrival) {
  if (!current_.valid) {
    Begin(sent, arrival);
    return false;
  }
  if (sent < current_.first_sent) return false;  // overtaken: says nothing about the newest group
  if (BelongsToCurrent(sent, arrival)) {
    current_.last_sent = std::max(current_.last_sent, sent);
    current_.last_arrival = std::max(current_.last_arrival, arrival);
    return false;
  }
  const bool complete = previous_.valid;
  if (complete) OnGroup();
  previous_ = current_;
  Begin(sent, arrival);
  return complete;
}

void DelayTrend::Begin(Duration sent, Timestamp arrival) {
  current_ = Group{sent, sent, arrival, arrival, true};
  const Duration delay = (arrival - Timestamp()) - sent;
  if (base_ == Duration::Infinite() || arrival - base_since_ > kBaseWindow) {
    previous_base_ = std::exchange(base_, delay);
    base_since_ = arrival;
  }
  base_ = std::min(base_, delay);
}

bool DelayTrend::BelongsToCurrent(Duration sent, Timestamp arrival) const {
  if (sent - current_.first_sent <= kBurst) return true;
  // The gaps between packets that were held up together and let go at once say nothing
  // (draft-ietf-rmcat-gcc-02 §5.2).
  const Duration gap = arrival - current_.last_arrival;
  return gap <= kBurst && gap < sent - current_.last_sent &&
         arrival - current_.first_arrival < kMaxBurst;
}

void DelayTrend::OnGroup() {
  const Timestamp now = current_.last_arrival;
  const Duration interval = current_.last_sent - previous_.last_sent;
  const double variation = Millis((now - previous_.last_arrival) - interval);
  if (groups_ == 0) start_ = now;
  groups_ = std::min(groups_ + 1, kMaxWeight);
  sum_ += variation;
  smoothed_ = kSmoothing * smoothed_ + (1 - kSmoothing) * sum_;
  points_[next_point_ % kWindow] = {Millis(now - start_), smoothed_};
  ++next_point_;

  const double trend = next_point_ < kWindow ? 0 : Slope() * groups_ * kGain;
  use_ = Compare(trend, interval);
  UpdateThreshold(trend, now);
  // Of the first packet: what its own burst adds is no queue that was there before.
  const Duration delay = (current_.first_arrival - Timestamp()) - current_.first_sent;
  const PathUse standing = StandingQueue(delay, now);
  if (use_ == PathUse::kNormal && judges_standing_queue_) use_ = standing;
}

/// Least squares over the window, in ms per ms.
double DelayTrend::Slope() const {
  double mean_at = 0;
  double mean_delay = 0;
  for (const Point& point : points_) {
    mean_at += point.at;
    mean_delay += point.delay;
  }
  mean_at /= kWindow;
  mean_delay /= kWindow;
  double numerator = 0;
  double denominator = 0;
  for (const Point& point : points_) {
    numerator += (point.at - mean_at) * (point.delay - mean_delay);
    denominator += (point.at - mean_at) * (point.at - mean_at);
  }
  return denominator > 0 ? numerator / denominator : 0;
}

PathUse DelayTrend::Compare(double trend, Duration interval) {
  PathUse use = PathUse::kNormal;
  if (trend > threshold_) {
    over_for_ = over_for_ + interval;
    ++over_count_;
    // A slope that already falls means that the overuse is ending (draft-ietf-rmcat-gcc-02 §5.4).
    const bool rises = trend >= previous_trend_;
    if (rises && over_count_ > 1 && over_for_ > kOveruseTime) use = PathUse::kOver;
  } else {
    over_for_ = Duration::Zero();
    over_count_ = 0;
    if (trend < -threshold_) use = PathUse::kUnder;
  }
  previous_trend_ = trend;
  return use;
}

void DelayTrend::UpdateThreshold(double trend, Timestamp now) {
  const double magnitude = std::abs(trend);
  if (magnitude > threshold_ + kOutlier) return;  // a jump of capacity is no jitter
  const double rate = magnitude < threshold_ ? adaption_.down : adaption_.up;
  const double elapsed = Millis(std::min(now - previous_.last_arrival, kMaxAdaption));
  threshold_ += rate * (magnitude - threshold_) * elapsed;
  threshold_ = std::clamp(threshold_, kMinThreshold, kMaxThreshold);
}

PathUse DelayTrend::StandingQueue(Duration delay, Timestamp now) {
  queue_delay_ = delay - std::min(base_, previous_base_);
  if (queue_delay_ < kStandingQueue) {
    stands_ = false;
    return PathUse::kNormal;
  }
  if (!stands_ || delay < stands_at_ - kDrained) {
    stands_ = true;
    stands_since_ = now;
    stands_at_ = delay;
  }
  if (now - stands_since_ < kPatience) return PathUse::kUnder;
  if (now - stands_since_ < kMaxStanding) return PathUse::kOver;
  base_ = delay;  // the path has become longer
  previous_base_ = Duration::Infinite();
  base_since_ = now;
  stands_ = false;
  queue_delay_ = Duration::Zero();
  return PathUse::kNormal;
}

}  // namespace sluice::worker
