#include "worker/core/bwe/transport_feedback_generator.h"

#include <algorithm>
#include <array>
#include <utility>

#include "worker/wire/rtcp.h"

namespace sluice::worker {
namespace {

// Of the reference time (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1).
constexpr int64_t kReferenceUnitUs = 64'000;
constexpr int64_t kReferenceModulus = 1 << 24;  // 24 bits
// Leave an eighth of the 16-bit circle: beyond that nobody knows what is ahead and what behind.
constexpr int64_t kMaxJump = 1 << 13;

}  // namespace

TransportFeedbackGenerator::TransportFeedbackGenerator(Environment& environment,
                                                       std::function<void()> on_due)
    : on_due_(std::move(on_due)), timer_(environment.CreateTimer([this](Timestamp now) {
        DropOld(now);
        const std::function<void()> tell = on_due_;  // which may destroy this object
        tell();
      })) {}

void TransportFeedbackGenerator::OnPacket(uint16_t sequence, Ssrc media, Timestamp received_at) {
  media_ = media;
  const int64_t extended = unwrapper_.Peek(SeqNumber(sequence)).value();
  if (arrivals_.empty() || extended >= end_ + kMaxJump) {
    Restart(sequence);
    return OnPacket(sequence, media, received_at);
  }
  if (extended < begin_) {
    // Before the first number we saw, or before the memory: too late to tell anything useful.
    ++ignored_;
    if (++behind_in_row_ >= kRestartAfter) Restart(sequence);
    return;
  }
  behind_in_row_ = 0;
  unwrapper_.Unwrap(SeqNumber(sequence));
  if (extended >= end_) {
    DropOld(received_at);
    if (extended + 1 - begin_ > kMaxWindow) begin_ = extended + 1 - kMaxWindow;
    next_report_ = std::max(next_report_, begin_);
    Grow(extended + 1 - begin_);
    for (end_ = std::max(end_, begin_); end_ <= extended; ++end_) Slot(end_) = kNotReceived;
  }
  int64_t& arrival = Slot(extended);
  if (arrival != kNotReceived) return;  // a duplicate tells nothing new
  arrival = received_at.us();
  next_report_ = std::min(next_report_, extended);
  if (!timer_->armed()) timer_->Start(kInterval);
}

void TransportFeedbackGenerator::Restart(int64_t sequence) {
  unwrapper_.Reset();
  unwrapper_.Unwrap(SeqNumber(static_cast<uint16_t>(sequence)));
  if (arrivals_.empty()) arrivals_.assign(kInitialWindow, kNotReceived);
  begin_ = end_ = next_report_ = sequence;
  behind_in_row_ = 0;
}

void TransportFeedbackGenerator::Grow(int64_t span) {
  size_t size = arrivals_.size();
  if (static_cast<size_t>(span) <= size) return;
  while (size < static_cast<size_t>(span)) size *= 2;
  std::vector<int64_t> bigger(size, kNotReceived);
  for (int64_t i = begin_; i < end_; ++i) {
    bigger[static_cast<size_t>(i) & (size - 1)] = Slot(i);
  }
  arrivals_ = std::move(bigger);
}

void TransportFeedbackGenerator::DropOld(Timestamp now) {
  const int64_t oldest = (now - kArrivalMemory).us();
  // Only what has been reported may go; a loss goes when a packet after it does.
  const int64_t limit = std::min(next_report_, end_);
  for (int64_t sequence = begin_; sequence < limit; ++sequence) {
    const int64_t arrival = Slot(sequence);
    if (arrival == kNotReceived) continue;
    if (arrival > oldest) break;
    begin_ = sequence + 1;
  }
}

std::span<const uint8_t> TransportFeedbackGenerator::TakeFeedback(std::span<uint8_t> out) {
  std::span<const uint8_t> feedback;
  while (next_report_ < end_ && feedback.empty()) feedback = WriteNext(out);
  return feedback;
}

std::span<const uint8_t> TransportFeedbackGenerator::WriteNext(std::span<uint8_t> out) {
  const int64_t from = next_report_;
  next_report_ = end_;
  int64_t first_received = from;
  while (first_received < end_ && Slot(first_received) == kNotReceived) ++first_received;
  if (first_received == end_) return {};  // cannot be: the newest number is of a received packet

  const int64_t to = std::min(end_, from + static_cast<int64_t>(kMaxStatuses));
  const int64_t reference = Slot(first_received) / kReferenceUnitUs;
  rtcp::TransportFeedback feedback;
  feedback.sender = Ssrc(0);  // docs/protocols/rtp-rtcp.md §7
  feedback.media = media_;
  feedback.base_sequence = static_cast<uint16_t>(from);
  feedback.feedback_count = feedback_count_;
  // The field is signed on the wire; only differences of it mean anything.
  auto wrapped = static_cast<int32_t>(reference % kReferenceModulus);
  if (wrapped >= kReferenceModulus / 2) wrapped -= static_cast<int32_t>(kReferenceModulus);
  feedback.reference_time = wrapped;
  feedback.packets.reserve(static_cast<size_t>(to - from));
  for (int64_t sequence = from; sequence < to; ++sequence) {
    const int64_t arrival = Slot(sequence);
    rtcp::TransportPacketStatus status;
    status.sequence = static_cast<uint16_t>(sequence);
    status.received = arrival != kNotReceived;
    if (status.received) status.arrival_us = arrival - reference * kReferenceUnitUs;
    feedback.packets.push_back(status);
  }
  next_report_ = to;
  rtcp::Builder builder(out);
  if (!builder.AddTransportFeedback(feedback)) return {};
  ++feedback_count_;
  ++feedbacks_sent_;
  return builder.packet();
}

}  // namespace sluice::worker
