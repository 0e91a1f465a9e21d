#include "worker/core/bwe/remb_limiter.h"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "worker/wire/rtcp.h"

namespace sluice::worker {
namespace {

DataRate Part(DataRate rate, double part) {
  return DataRate::BitsPerSecond(static_cast<int64_t>(static_cast<double>(rate.bps()) * part));
}

}  // namespace

DataRate RembLimiter::available() const {
  if (estimator_ == nullptr) return DataRate::Zero();
  const DataRate estimate = estimator_->estimate();
  return limit_ == DataRate::Zero() ? estimate : std::min(estimate, limit_);
}

DataRate RembLimiter::Wanted() const {
  const DataRate estimated = available();
  return estimated == DataRate::Zero() ? limit_ : estimated;
}

bool RembLimiter::SetMaxIncomingBitrate(DataRate limit, Timestamp now) {
  if (limit == limit_) return false;
  limit_ = limit;
  if (Wanted() == DataRate::Zero()) {
    unlimited_left_ = kUnlimitedRembs;
    return true;
  }
  unlimited_left_ = 0;
  next_send_ = now;  // a new limit goes out with the next packet
  return false;
}

bool RembLimiter::OnPacket(std::optional<uint32_t> abs_send_time, size_t bytes, Ssrc ssrc,
                           Timestamp now) {
  if (estimator_ != nullptr && abs_send_time) {
    estimator_->OnPacket(*abs_send_time, bytes, ssrc, now);
  }
  const DataRate wanted = Wanted();
  if (wanted == DataRate::Zero() && unlimited_left_ == 0) return false;
  const bool urgent = wanted != DataRate::Zero() && wanted <= Part(announced_, kUrgent);
  return now >= next_send_ || urgent;
}

RembLimiter::Remb RembLimiter::TakeRemb(Timestamp now) {
  const bool estimated = available() != DataRate::Zero();
  next_send_ = now + (estimated ? kEstimateInterval : kInterval);
  unlimited_left_ = estimated ? 0 : std::max(unlimited_left_ - 1, 0);
  announced_ = Wanted();
  // A limit is for all streams, which is what 0 means (docs/protocols/rtp-rtcp.md §7).
  std::array<Ssrc, ReceiveBandwidthEstimator::kMaxStreams> streams = {Ssrc(0)};
  std::span<const Ssrc> named(streams.data(), 1);
  if (estimated) named = estimator_->Streams(streams, now);
  Remb remb;
  rtcp::Builder builder(remb.bytes);
  if (builder.AddRemb(Ssrc(0), announced_, named)) remb.size = builder.size();
  remb.collapsed = UpdateEffective(announced_, now);
  return remb;
}

bool RembLimiter::UpdateEffective(DataRate rate, Timestamp now) {
  if (now < next_effective_) return false;
  next_effective_ = now + kEffectiveInterval;
  const DataRate before = std::exchange(effective_, rate);
  return rate != DataRate::Zero() && rate <= Part(before, kCollapse);
}

}  // namespace sluice::worker
