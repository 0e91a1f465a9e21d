#include "worker/core/rtp/sequence_rewriter.h"

#include <algorithm>
#include <utility>

namespace sluice::worker {

void SequenceRewriter::Start(ExtendedSeqNumber first, const RewriteOffsets& offsets,
                             bool leave_gap) {
  // Intervals that nothing was sent from give their numbers back; own_first stays ascending.
  while (count_ > 0 && At(count_ - 1U).own_first >= next_own_) --count_;
  if (leave_gap) ++next_own_;
  session_ = 0;
  newest_ = first.value() - 1;
  Push({first.value(), next_own_, offsets});
}

void SequenceRewriter::ClearHistory() {
  session_ = 0;
  count_ = 0;
}

bool SequenceRewriter::Skip(ExtendedSeqNumber sequence, bool closes_picture) {
  const int64_t skipped = sequence.value();
  if (session_ == 0 || skipped - newest_ > kMaxGap) return true;  // nothing to close up
  if (skipped <= newest_) return false;
  newest_ = skipped;
  if (skipped == last_.first) {  // a run of skipped packets needs one interval
    ++last_.first;
  } else {
    Push({skipped + 1, skipped - last_.first + last_.own_first, last_.offsets});
  }
  if (closes_picture) --last_.offsets.picture_id;
  At(count_ - 1U) = last_;
  return true;
}

void SequenceRewriter::ChangeOffsets(ExtendedSeqNumber sequence, const RewriteOffsets& offsets) {
  if (!IsAhead(sequence)) return;
  Push({sequence.value(), sequence.value() - last_.first + last_.own_first, offsets});
}

void SequenceRewriter::ChangeTopOfLate(ExtendedSeqNumber sequence, uint8_t top_layer) {
  const int64_t number = sequence.value();
  size_t at = count_;  // behind the interval of the packet
  while (at > 0 && count_ - at < session_ && At(at - 1).first > number) --at;
  if (at < 3 && count_ + 2U > kMaxIntervals) return;  // soon forgotten
  if (at == 0 || count_ - at >= session_) return;     // from before the source, or too old
  const Interval interval = At(at - 1);
  const int64_t own = number - interval.first + interval.own_first;
  const bool was_skipped = at < count_ && own >= At(at).own_first;
  if (was_skipped || interval.offsets.top_layer == top_layer) return;
  Interval changed{number, own, interval.offsets};
  changed.offsets.top_layer = top_layer;
  const bool others_follow = at == count_ || own + 1 < At(at).own_first;
  if (others_follow) at = InsertBehind(at, {number + 1, own + 1, interval.offsets});
  if (number == interval.first) {
    At(at - 1) = changed;
  } else {
    InsertBehind(at, changed);
  }
  last_ = At(count_ - 1U);
}

bool SequenceRewriter::MakeRoom() {
  if (count_ < capacity_) return false;
  if (count_ == kMaxIntervals) {
    begin_ = static_cast<uint16_t>((begin_ + 1U) % kMaxIntervals);
    --count_;
    return true;
  }
  const size_t capacity = count_ == 0 ? kFirstIntervals : size_t{2} * capacity_;
  auto grown = std::make_unique<Interval[]>(capacity);
  for (size_t i = 0; i < count_; ++i) grown[i] = At(i);
  intervals_ = std::move(grown);
  capacity_ = static_cast<uint16_t>(capacity);
  begin_ = 0;
  return false;
}

/// Makes `interval` the at-th oldest; where that is now.
size_t SequenceRewriter::InsertBehind(size_t at, const Interval& interval) {
  if (MakeRoom()) --at;
  ++count_;
  for (size_t i = count_ - 1U; i > at; --i) At(i) = At(i - 1);
  At(at) = interval;
  session_ = std::min(static_cast<uint16_t>(session_ + 1U), count_);
  return at;
}

void SequenceRewriter::Push(const Interval& interval) {
  MakeRoom();
  At(count_++) = interval;
  last_ = interval;
  session_ = std::min(static_cast<uint16_t>(session_ + 1U), count_);
}

SequenceRewriter::Mapped SequenceRewriter::MapLate(int64_t sequence) {
  // Walk back through the running source; the interval after says where this one ends.
  for (size_t back = 1; back < session_; ++back) {
    const Interval& next = At(count_ - back);
    const Interval& interval = At(count_ - back - 1);
    if (sequence < interval.first) continue;
    const int64_t own = sequence - interval.first + interval.own_first;
    if (own >= next.own_first) return {};  // was skipped
    const bool newest = own >= next_own_;  // only skipped packets have come after it
    if (newest) next_own_ = own + 1;
    return {&interval, own, newest};
  }
  return {};
}

std::optional<int64_t> SequenceRewriter::OwnOf(ExtendedSeqNumber sequence) const {
  const int64_t number = sequence.value();
  if (session_ == 0 || number > newest_) return std::nullopt;
  for (size_t back = 0; back < session_; ++back) {
    const Interval& interval = At(count_ - back - 1);
    if (number < interval.first) continue;
    const int64_t own = number - interval.first + interval.own_first;
    if (back > 0 && own >= At(count_ - back).own_first) return std::nullopt;  // was skipped
    return own;
  }
  return std::nullopt;
}

std::optional<SequenceRewriter::Origin> SequenceRewriter::Find(SeqNumber own) const {
  const int64_t last_sent = next_own_ - 1;
  const int64_t number = last_sent + Distance(own, SeqNumber(static_cast<uint16_t>(last_sent)));
  if (count_ == 0 || number > last_sent || number < At(0).own_first) return std::nullopt;
  size_t low = 0;
  size_t high = count_;  // the interval is in [low, high)
  while (high - low > 1) {
    const size_t middle = (low + high) / 2;
    (At(middle).own_first <= number ? low : high) = middle;
  }
  const Interval& interval = At(low);
  return Origin{ExtendedSeqNumber(number - interval.own_first + interval.first), number,
                interval.offsets};
}

}  // namespace sluice::worker
