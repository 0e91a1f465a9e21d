#include "worker/core/rtp/sequence_tracker.h"

namespace sluice::worker {
namespace {

// A whole cycle is left out, so that even late packets of the new run are past all of the old one.
constexpr int64_t kRestartGap = 2 << 16;

}  // namespace

SequenceTracker::Outcome SequenceTracker::OnPacket(SeqNumber sequence, bool may_restart) {
  if (!started()) return Start(sequence, /*restarted=*/false);

  const int distance = Distance(sequence, SeqNumber(static_cast<uint16_t>(newest_)));
  const int64_t extended = newest_ + distance;
  if (distance > 0 && distance < kMaxDropout) {
    expected_bad_ = kNoBad;
    AdvanceTo(extended);
    return {Verdict::kNewest, false, ExtendedSeqNumber(extended)};
  }
  if (distance <= 0 && distance > -kMaxMisorder) {
    const size_t bit = static_cast<size_t>(extended) % kSeenBits;
    if (seen_[bit]) return {Verdict::kDuplicate, false, ExtendedSeqNumber(extended)};
    seen_.set(bit);
    return {Verdict::kLate, false, ExtendedSeqNumber(extended)};
  }
  if (!may_restart) return {};
  if (sequence.value() == expected_bad_) return Start(sequence, /*restarted=*/true);
  expected_bad_ = (sequence + 1).value();
  return {};
}

SequenceTracker::Outcome SequenceTracker::Start(SeqNumber sequence, bool restarted) {
  const int64_t cycle = restarted ? (newest_ & ~int64_t{0xffff}) + kRestartGap : kFirstCycle;
  newest_ = cycle + sequence.value();
  expected_bad_ = kNoBad;
  seen_.reset();
  seen_.set(static_cast<size_t>(newest_) % kSeenBits);
  return {Verdict::kNewest, restarted, ExtendedSeqNumber(newest_)};
}

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
