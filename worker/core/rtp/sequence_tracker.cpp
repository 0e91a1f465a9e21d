#include "worker/core/rtp/sequence_tracker.h"

namespace sluice::worker {
namespace {

// A whole cycle is left out, so that even late packets of the new run are past all of the old one.
constexpr int64_t kRestartGap = 2 << 16;

}  // namespace

SequenceTracker::Outcome SequenceTracker::OnPacket(SeqNumber sequence, bool may_restart) {
  Outcome outcome = Peek(sequence);
  if (outcome.verdict == Verdict::kDiscarded && may_restart) {
    if (sequence.value() != expected_bad_) {
      expected_bad_ = (sequence + 1).value();
      return outcome;
    }
    outcome = StartIn(NextRunCycle(), sequence, /*restarted=*/true);
  }
  Accept(outcome);
  return outcome;
}

SequenceTracker::Outcome SequenceTracker::Peek(SeqNumber sequence) const {
  if (!started()) return StartIn(kFirstCycle, sequence, /*restarted=*/false);
  if (restart_with_next_) return StartIn(NextRunCycle(), sequence, /*restarted=*/true);

  const int distance = Distance(sequence, SeqNumber(static_cast<uint16_t>(newest_)));
  const int64_t extended = newest_ + distance;
  Outcome outcome;
  if (distance > 0 && distance < kMaxDropout) {
    outcome.verdict = Verdict::kNewest;
  } else if (distance <= 0 && distance > -kMaxMisorder) {
    const bool seen = seen_[static_cast<size_t>(extended) % kSeenBits];
    outcome.verdict = seen ? Verdict::kDuplicate : Verdict::kLate;
  } else {
    return outcome;
  }
  outcome.sequence = ExtendedSeqNumber(extended);
  return outcome;
}

void SequenceTracker::Accept(const Outcome& outcome) {
  const int64_t extended = outcome.sequence.value();
  if (outcome.verdict == Verdict::kLate) seen_.set(static_cast<size_t>(extended) % kSeenBits);
  if (outcome.verdict != Verdict::kNewest) return;
  expected_bad_ = kNoBad;
  restart_with_next_ = false;
  AdvanceTo(extended);
}

SequenceTracker::Outcome SequenceTracker::StartIn(int64_t cycle, SeqNumber sequence,
                                                  bool restarted) {
  Outcome outcome;
  outcome.verdict = Verdict::kNewest;
  outcome.restarted = restarted;
  outcome.sequence = ExtendedSeqNumber(cycle + sequence.value());
  return outcome;
}

int64_t SequenceTracker::NextRunCycle() const { return (newest_ & ~int64_t{0xffff}) + kRestartGap; }

void SequenceTracker::AdvanceTo(int64_t extended) {
  if (extended - newest_ >= static_cast<int64_t>(kSeenBits)) {
    seen_.reset();
  } else {
    for (int64_t i = newest_ + 1; i < extended; ++i) {
      seen_.reset(static_cast<size_t>(i) % kSeenBits);
    }
  }
  newest_ = extended;
  seen_.set(static_cast<size_t>(extended) % kSeenBits);
}

}  // namespace sluice::worker
