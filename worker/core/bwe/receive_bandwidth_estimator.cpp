#include "worker/core/bwe/receive_bandwidth_estimator.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace sluice::worker {
namespace {

constexpr int kTimeBits = 24;
constexpr int64_t kTimeRange = int64_t{1} << kTimeBits;
// Where unwrapping starts anew: 48 days, unless the sender's clock runs wild.
constexpr int64_t kMaxTicks = int64_t{1} << 40;

// Weight of a new congestion (draft-ietf-rmcat-gcc-02 §5.5 recommends 0.95 for the old ones).
constexpr double kNewCongestion = 0.05;
// How far from the mean is still near it, in standard deviations (draft-ietf-rmcat-gcc-02 §5.5).
constexpr double kNear = 3;
// One congestion, or many alike, say little about the deviation: bounds, as parts of the mean.
constexpr double kStartDeviation = 0.04;
constexpr double kMinDeviation = 0.02;
constexpr double kMaxDeviation = 0.06;

// The packets that the additive increase reckons with: frames of a camera, cut to an MTU.
constexpr double kFrameRate = 30;
constexpr double kPacketBits = 1200 * 8;

/// abs-send-time counts 2^-18 s: 15625 / 4096 µs, without overflow for decades.
Duration FromTicks(int64_t ticks) { return Duration::Micros(ticks * 15'625 / 4096); }

}  // namespace

void ReceiveBandwidthEstimator::OnPacket(uint32_t abs_send_time, size_t bytes, Ssrc ssrc,
                                         Timestamp arrival) {
  const Duration silence = arrival - last_arrival_;
  if (!active_ || silence > kRateWindow) rate_since_ = arrival;
  if (!active_ || silence > kStreamTimeout) {
    trend_.Reset();
    newest_ticks_ = abs_send_time;
    last_send_change_ = arrival;
    last_update_ = arrival;
  }
  active_ = true;
  last_arrival_ = std::max(last_arrival_, arrival);
  incoming_.Add(bytes, arrival);
  NoteStream(ssrc, arrival);
  if (trend_.OnPacket(Unwrap(abs_send_time, arrival), arrival)) OnGroup(arrival);
}

Duration ReceiveBandwidthEstimator::Unwrap(uint32_t abs_send_time, Timestamp arrival) {
  int64_t step = (static_cast<int64_t>(abs_send_time) - newest_ticks_) & (kTimeRange - 1);
  if (step >= kTimeRange / 2) step -= kTimeRange;
  int64_t ticks = newest_ticks_ + step;
  const Duration difference = FromTicks(step) - (arrival - last_send_change_);
  if (std::llabs(difference.us()) > kMaxClockStep.us() || ticks > kMaxTicks ||
      FromTicks(-step) > kMaxOvertaken) {
    trend_.Reset();
    ticks = abs_send_time;
  } else if (step < 0) {
    return FromTicks(ticks);  // overtaken
  }
  newest_ticks_ = ticks;
  last_send_change_ = arrival;
  return FromTicks(ticks);
}

void ReceiveBandwidthEstimator::NoteStream(Ssrc ssrc, Timestamp arrival) {
  if (last_stream_ < stream_count_ && streams_[last_stream_].ssrc == ssrc) {
    streams_[last_stream_].last_arrival = arrival;
    return;
  }
  size_t oldest = 0;
  for (size_t i = 0; i < stream_count_; ++i) {
    if (streams_[i].ssrc == ssrc) {
      streams_[i].last_arrival = arrival;
      last_stream_ = i;
      return;
    }
    if (streams_[i].last_arrival < streams_[oldest].last_arrival) oldest = i;
  }
  last_stream_ = stream_count_ < kMaxStreams ? stream_count_++ : oldest;
  streams_[last_stream_] = {ssrc, arrival};
}

std::span<const Ssrc> ReceiveBandwidthEstimator::Streams(std::span<Ssrc, kMaxStreams> out,
                                                         Timestamp now) const {
  size_t count = 0;
  for (size_t i = 0; i < stream_count_; ++i) {
    if (now - streams_[i].last_arrival <= kStreamTimeout) out[count++] = streams_[i].ssrc;
  }
  return out.first(count);
}

void ReceiveBandwidthEstimator::OnGroup(Timestamp now) {
  if (now - rate_since_ < kRateWindow) {
    last_update_ = now;
    return;
  }
  const auto incoming = static_cast<double>(incoming_.Rate(now).bps());
  if (trend_.use() == PathUse::kOver) {
    held_ = true;
    Decrease(incoming, now);
  } else if (trend_.use() == PathUse::kUnder) {
    held_ = true;
  } else if (held_) {
    held_ = false;  // one step at a time: decrease, hold, increase (draft-ietf-rmcat-gcc-02 §5.5)
  } else if (measured_) {
    Increase(incoming, now);
  } else if (now - rate_since_ >= kFirstMeasurement) {
    measured_ = true;
    SetEstimate(std::max(incoming, static_cast<double>(kStart.bps())));
  }
  last_update_ = now;
}

void ReceiveBandwidthEstimator::Decrease(double incoming, Timestamp now) {
  if (measured_ && now - last_decrease_ < kDecreaseInterval) return;
  const auto before = static_cast<double>(estimate_.bps());
  last_decrease_ = now;
  NoteCongestion(incoming);
  SetEstimate(measured_ ? std::min(before, kDecrease * incoming) : kDecrease * incoming);
  measured_ = true;
}

void ReceiveBandwidthEstimator::Increase(double incoming, Timestamp now) {
  const double deviation = std::sqrt(congestion_variance_);
  if (incoming > congestion_mean_ + kNear * deviation) congestion_mean_ = 0;  // holds no longer
  const double seconds = std::min((now - last_update_).seconds(), 1.0);
  const auto before = static_cast<double>(estimate_.bps());
  const double wanted = congestion_mean_ > 0 ? before + AdditivePerSecond() * seconds
                                             : before * std::pow(kIncreasePerSecond, seconds);
  SetEstimate(std::max(before, std::min(wanted, kMaxOfIncoming * incoming)));
}

/// Half of one of the sender's packets per response time.
double ReceiveBandwidthEstimator::AdditivePerSecond() const {
  const double frame = static_cast<double>(estimate_.bps()) / kFrameRate;
  const double packet = frame / std::ceil(frame / kPacketBits);
  return std::max(kMinAdditivePerSecond, packet / 2 / kResponseTime.seconds());
}

void ReceiveBandwidthEstimator::NoteCongestion(double incoming) {
  const double off = incoming - congestion_mean_;
  if (congestion_mean_ == 0 || off < -kNear * std::sqrt(congestion_variance_)) {
    congestion_mean_ = incoming;
    congestion_variance_ = incoming * incoming * kStartDeviation * kStartDeviation;
    return;
  }
  congestion_mean_ += kNewCongestion * off;
  congestion_variance_ += kNewCongestion * (off * off - congestion_variance_);
  const double square = congestion_mean_ * congestion_mean_;
  congestion_variance_ = std::clamp(congestion_variance_, square * kMinDeviation * kMinDeviation,
                                    square * kMaxDeviation * kMaxDeviation);
}

void ReceiveBandwidthEstimator::SetEstimate(double bps) {
  const auto rounded = DataRate::BitsPerSecond(static_cast<int64_t>(bps));
  estimate_ = std::clamp(rounded, kMin, kMax);
}

}  // namespace sluice::worker
