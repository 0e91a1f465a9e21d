#include "worker/core/rtp/restart_detector.h"

#include <algorithm>

namespace sluice::worker {

using Verdict = SequenceTracker::Verdict;

RestartDetector::Judgement RestartDetector::Judge(const SequenceTracker::Outcome& outcome,
                                                  SeqNumber sequence, RtpTimestamp timestamp,
                                                  Timestamp arrival) {
  if (!started_) return Judgement::kNone;
  if (outcome.verdict == Verdict::kNewest) [[likely]] {
    const bool is_next = outcome.sequence.value() == newest_ + 1;
    // After suspects it may be the packet with which their run overtakes the old one.
    const bool overtakes =
        is_next && suspects_ > 0 && suspects_by_time_ && Distance(sequence, last_suspect_) == 1;
    if (FollowsNewest(timestamp, arrival) && !overtakes) {
      suspects_ = 0;
      return Judgement::kNone;
    }
    if (is_next && !overtakes) {
      suspects_ = 0;
      return Judgement::kTimeJump;
    }
    return Count(sequence, kFarSuspects, /*by_time=*/false);
  }
  if (outcome.verdict == Verdict::kDiscarded) {
    if (!IsSuspectFar(sequence, timestamp, arrival)) return Judgement::kNone;
    return Count(sequence, kFarSuspects, /*by_time=*/false);
  }
  const bool continues = suspects_ > 0 && IsNewer(sequence, last_suspect_);
  const bool by_time = !FitsNeighbours(outcome.sequence.value(), timestamp);
  if (!by_time && !IsLateCopy(outcome, continues, arrival)) return Judgement::kNone;
  return Count(sequence, kNearSuspects, by_time);
}

RestartDetector::Judgement RestartDetector::Count(SeqNumber sequence, int needed, bool by_time) {
  const int step = Distance(sequence, last_suspect_);
  if (suspects_ == 0 || step < 0 || step > kMaxStep) {
    suspects_ = 1;
    suspects_by_time_ = by_time;
  } else if (step > 0) {
    ++suspects_;
    suspects_by_time_ &= by_time;
  }
  last_suspect_ = sequence;
  return suspects_ >= needed ? Judgement::kRestart : Judgement::kSuspect;
}

bool RestartDetector::FollowsNewest(RtpTimestamp timestamp, Timestamp arrival) const {
  const int64_t step = -TicksBehindNewest(timestamp);
  const Duration elapsed = std::max(arrival - newest_arrival_, Duration::Zero());
  return step >= -Ticks(kMaxBackward) && step <= Ticks(elapsed + kMaxLead);
}

bool RestartDetector::IsLateCopy(const SequenceTracker::Outcome& outcome, bool continues,
                                 Timestamp arrival) {
  const int64_t sequence = outcome.sequence.value();
  Block& block = SlotOf(sequence / kBlockNumbers);
  if (block.index != sequence / kBlockNumbers) return false;
  if (arrival - block.last_arrival < max_lateness_) {
    block.last_arrival = arrival;
    return false;
  }
  // Late ones are first taken for repaired ones.
  return outcome.verdict == Verdict::kDuplicate || continues;
}

bool RestartDetector::IsSuspectFar(SeqNumber sequence, RtpTimestamp timestamp,
                                   Timestamp arrival) const {
  if (Distance(sequence, SeqNumber(static_cast<uint16_t>(newest_))) > 0) return true;
  const int64_t behind = TicksBehindNewest(timestamp);
  if (behind < -reordered_) return true;
  const Duration elapsed = std::max(arrival - newest_arrival_, Duration::Zero());
  return behind + Ticks(elapsed) >= Ticks(std::max(kMaxFarLateness, max_lateness_));
}

bool RestartDetector::FitsNeighbours(int64_t sequence, RtpTimestamp timestamp) const {
  if (sequence < clock_start_) return true;  // of the clock before: nothing is known
  const int64_t index = sequence / kBlockNumbers;
  const int64_t newest_index = newest_ / kBlockNumbers;
  RtpTimestamp upper = newest_timestamp_;
  for (int64_t i = index + 1; i <= newest_index; ++i) {
    const Block* block = FindBlock(i);
    if (block == nullptr) continue;
    upper = block->first_timestamp;
    break;
  }
  const int64_t below_upper = static_cast<int32_t>(upper.value() - timestamp.value());
  if (below_upper < -reordered_) return false;
  for (int64_t i = index - 1; i > newest_index - static_cast<int64_t>(kBlocks); --i) {
    const Block* block = FindBlock(i);
    if (block == nullptr) continue;
    const uint32_t above_lower = timestamp.value() - block->first_timestamp.value();
    return static_cast<int32_t>(above_lower) >= -reordered_;
  }
  return below_upper <= Ticks(kMaxUnknownSpan);
}

bool RestartDetector::Fits(const SequenceTracker::Outcome& outcome, RtpTimestamp timestamp,
                           Timestamp arrival) const {
  if (!started_ || !outcome.accepted()) return true;
  return outcome.verdict == Verdict::kNewest ? FollowsNewest(timestamp, arrival)
                                             : FitsNeighbours(outcome.sequence.value(), timestamp);
}

void RestartDetector::OnAccepted(const SequenceTracker::Outcome& outcome, RtpTimestamp timestamp,
                                 Timestamp arrival) {
  const int64_t sequence = outcome.sequence.value();
  if (outcome.verdict == Verdict::kNewest) {
    if (outcome.time_jumped) {
      clock_start_ = sequence;
    } else if (started_) {
      reordered_ = std::max(reordered_, TicksBehindNewest(timestamp));
    }
    started_ = true;
    newest_ = sequence;
    newest_timestamp_ = timestamp;
    newest_arrival_ = arrival;
  }
  const int64_t index = sequence / kBlockNumbers;
  Block& block = SlotOf(index);
  if (block.index < index) block = Block{index, timestamp, arrival};
  if (block.index == index) block.last_arrival = arrival;
}

void RestartDetector::OnAcceptedOfOtherTime(const SequenceTracker::Outcome& outcome) {
  if (outcome.verdict == Verdict::kNewest) newest_ = outcome.sequence.value();
}

const RestartDetector::Block* RestartDetector::FindBlock(int64_t index) const {
  const Block& block = blocks_[static_cast<size_t>(index) % kBlocks];
  return block.index == index && index * kBlockNumbers >= clock_start_ ? &block : nullptr;
}

void RestartDetector::Reset() {
  started_ = false;
  reordered_ = 0;
  clock_start_ = 0;
  blocks_ = {};
  suspects_ = 0;
}

void RestartDetector::SetClockRate(uint32_t clock_rate) {
  clock_rate_ = clock_rate;
  Reset();
}

void RestartDetector::SetRoundTrip(Duration round_trip) {
  max_lateness_ = std::max(kMaxLateness, round_trip * kRoundTrips);
}

}  // namespace sluice::worker
