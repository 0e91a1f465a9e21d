#include "worker/core/bwe/feedback_adapter.h"

namespace sluice::worker {
namespace {

constexpr Duration kReferenceUnit = Duration::Millis(64);

}  // namespace

FeedbackReport FeedbackAdapter::Adapt(const rtcp::TransportFeedback& feedback,
                                      SentPacketHistory& history, Timestamp now) {
  ++counters_.reports;
  FeedbackReport report;
  report.at = now;
  report.clock_stepped = MoveBase(feedback.reference_time, now);
  packets_.clear();
  if (packets_.capacity() > kKeptPackets) packets_.shrink_to_fit();
  for (const rtcp::TransportPacketStatus& status : feedback.packets) {
    SentPacketHistory::Packet* sent = history.Find(status.sequence, now);
    if (sent == nullptr) {
      ++counters_.unknown_packets;
      continue;
    }
    using Fate = SentPacketHistory::Fate;
    if (sent->fate == Fate::kReceived || (!status.received && sent->fate == Fate::kLost)) continue;
    PacketResult result;
    result.sent_at = sent->sent_at;
    result.size = sent->size;
    result.untracked = static_cast<uint32_t>(sent->untracked());
    result.probe = sent->probe;
    result.received = status.received;
    result.was_lost = sent->fate == Fate::kLost;
    if (status.received) result.received_at = base_ + Duration::Micros(status.arrival_us);
    sent->fate = status.received ? Fate::kReceived : Fate::kLost;
    ++(status.received ? counters_.received_packets : counters_.lost_packets);
    packets_.push_back(result);
  }
  report.packets = packets_;
  return report;
}

/// True when the receiver's clock was set.
bool FeedbackAdapter::MoveBase(int32_t reference_time, Timestamp now) {
  const Duration passed = now - last_at_;
  last_at_ = now;
  if (!last_reference_) {
    last_reference_ = reference_time;
    base_ = now;
    return false;
  }
  // The difference of two numbers of 24 bits, with its sign.
  const auto difference =
      static_cast<uint32_t>(reference_time) - static_cast<uint32_t>(*last_reference_);
  const int32_t ticks = static_cast<int32_t>(difference << 8) >> 8;
  last_reference_ = reference_time;
  const Duration moved = kReferenceUnit * ticks;
  const Duration step = moved - passed;
  if (step < kMaxClockStep && Duration::Zero() - step < kMaxClockStep) {
    base_ = base_ + moved;
    return false;
  }
  ++counters_.clock_steps;
  base_ = now;
  return true;
}

}  // namespace sluice::worker
