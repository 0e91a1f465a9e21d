#include "worker/core/rtp/sequence_rewriter.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace sluice::worker {

void SequenceRewriter::Start(ExtendedSeqNumber first, const RewriteOffsets& offsets,
                             bool leave_gap) {
  // Intervals that nothing was sent from give their numbers back; own_first stays ascending.
  while (count_ > 0 && At(count_ - 1U).own_first() >= next_own_) --count_;
  if (leave_gap) ++next_own_;
  session_ = 0;
  newest_ = first.value() - 1;
  Push({first.value(), next_own_, offsets});
}

void SequenceRewriter::ClearHistory() {
  session_ = 0;
  count_ = 0;
}

void SequenceRewriter::ChangeOffsets(ExtendedSeqNumber sequence, const RewriteOffsets& offsets) {
  if (!IsAhead(sequence)) return;
  Push({sequence.value(), sequence.value() - last_.first + last_.own_first, offsets});
}

template <typename T>
bool SequenceRewriter::ChangeLate(int64_t number, T RewriteOffsets::*field, T value) {
  size_t at = count_;  // behind the interval of the packet
  while (at > 0 && count_ - at < session_ && At(at - 1).first() > number) --at;
  if (at == 0 || count_ - at >= session_) return true;  // from before the source, or too old
  const int64_t first = At(at - 1).first();
  const RewriteOffsets offsets = OffsetsOf(At(at - 1));
  const int64_t own = number - first + At(at - 1).own_first();
  const bool was_skipped = at < count_ && own >= At(at).own_first();
  if (was_skipped || offsets.*field == value) return true;
  if (at < 3 && count_ + 2U > kMaxIntervals) return false;  // soon forgotten
  Interval changed{number, own, offsets};
  changed.offsets.*field = value;
  const bool others_follow = at == count_ || own + 1 < At(at).own_first();
  if (others_follow) at = InsertBehind(at, {number + 1, own + 1, offsets});
  if (number == first) {
    if (MakeRoom()) --at;  // for offsets, as with one interval more
    At(at - 1) = Kept(changed, Keep(changed.offsets));
  } else {
    InsertBehind(at, changed);
  }
  const Kept& newest = At(count_ - 1U);
  last_ = {newest.first(), newest.own_first(), OffsetsOf(newest)};
  last_kept_ = newest.offsets();
  return true;
}

void SequenceRewriter::ChangeTopOfLate(ExtendedSeqNumber sequence, uint8_t top_layer) {
  ChangeLate(sequence.value(), &RewriteOffsets::top_layer, top_layer);
}

bool SequenceRewriter::ChangeTimeOfLate(ExtendedSeqNumber sequence, uint32_t timestamp) {
  return ChangeLate(sequence.value(), &RewriteOffsets::timestamp, timestamp);
}

void SequenceRewriter::Grow() {
  const size_t capacity = count_ == 0 ? kFirstIntervals : size_t{2} * capacity_;
  auto grown = std::make_unique<Kept[]>(capacity);
  for (size_t i = 0; i < count_; ++i) grown[i] = At(i);
  intervals_ = std::move(grown);
  capacity_ = static_cast<uint8_t>(capacity);
  begin_ = 0;
}

uint8_t SequenceRewriter::Keep(RewriteOffsets offsets) {
  offsets.picture_id = 0;
  for (uint8_t i = 0; i < offsets_count_; ++i) {
    if (offsets_[i] == offsets) return i;
  }
  const uint8_t place = NewOffsets();
  offsets_[place] = offsets;
  return place;
}

/// A place that no interval refers to. There are never more of them than intervals.
uint8_t SequenceRewriter::NewOffsets() {
  if (offsets_count_ < offsets_capacity_) return offsets_count_++;
  uint64_t used = 0;
  static_assert(kMaxIntervals <= 64, "a bit for each");
  for (size_t i = 0; i < count_; ++i) used |= uint64_t{1} << At(i).offsets();
  const auto free = static_cast<uint8_t>(std::countr_one(used));
  if (free < offsets_count_) return free;
  const size_t capacity = offsets_capacity_ == 0 ? kFirstOffsets : size_t{2} * offsets_capacity_;
  auto grown = std::make_unique<RewriteOffsets[]>(capacity);
  std::copy_n(offsets_.get(), offsets_count_, grown.get());
  offsets_ = std::move(grown);
  offsets_capacity_ = static_cast<uint8_t>(capacity);
  return offsets_count_++;
}

/// Makes `interval` the at-th oldest; where that is now.
size_t SequenceRewriter::InsertBehind(size_t at, const Interval& interval) {
  if (MakeRoom()) --at;
  const Kept kept(interval, Keep(interval.offsets));
  ++count_;
  for (size_t i = count_ - 1U; i > at; --i) At(i) = At(i - 1);
  At(at) = kept;
  session_ = std::min(static_cast<uint8_t>(session_ + 1U), count_);
  return at;
}

void SequenceRewriter::Push(const Interval& interval) {
  MakeRoom();
  last_kept_ = Keep(interval.offsets);
  At(count_++) = Kept(interval, last_kept_);
  last_ = interval;
  session_ = std::min(static_cast<uint8_t>(session_ + 1U), count_);
}

SequenceRewriter::Mapped SequenceRewriter::MapLate(int64_t sequence) {
  // Walk back through the running source; the interval after says where this one ends.
  for (size_t back = 1; back < session_; ++back) {
    const Kept& next = At(count_ - back);
    const Kept& interval = At(count_ - back - 1);
    if (sequence < interval.first()) continue;
    const int64_t own = sequence - interval.first() + interval.own_first();
    if (own >= next.own_first()) return {};  // was skipped
    const bool newest = own >= next_own_;    // only skipped packets have come after it
    if (newest) next_own_ = own + 1;
    late_ = OffsetsOf(interval);
    return {&late_, own, newest};
  }
  return {};
}

std::optional<int64_t> SequenceRewriter::OwnOf(ExtendedSeqNumber sequence) const {
  const int64_t number = sequence.value();
  if (session_ == 0 || number > newest_) return std::nullopt;
  for (size_t back = 0; back < session_; ++back) {
    const Kept& interval = At(count_ - back - 1);
    if (number < interval.first()) continue;
    const int64_t own = number - interval.first() + interval.own_first();
    if (back > 0 && own >= At(count_ - back).own_first()) return std::nullopt;  // was skipped
    return own;
  }
  return std::nullopt;
}

std::optional<SequenceRewriter::Origin> SequenceRewriter::Find(SeqNumber own) const {
  const int64_t last_sent = next_own_ - 1;
  const int64_t number = last_sent + Distance(own, SeqNumber(static_cast<uint16_t>(last_sent)));
  if (count_ == 0 || number > last_sent || number < At(0).own_first()) return std::nullopt;
  const size_t at = IndexOf(number);
  const Kept& interval = At(at);
  Origin origin{ExtendedSeqNumber(number - interval.own_first() + interval.first()), number,
                OffsetsOf(interval)};
  for (size_t next = at + 1; next < count_ && !origin.ended_at; ++next) {
    if (BeganAt(next) != origin.offsets.began_at) origin.ended_at = BeganAt(next);
  }
  return origin;
}

size_t SequenceRewriter::IndexOf(int64_t own) const {
  size_t low = 0;
  size_t high = count_;  // the interval is in [low, high)
  while (high - low > 1) {
    const size_t middle = (low + high) / 2;
    (At(middle).own_first() <= own ? low : high) = middle;
  }
  return low;
}

std::optional<int64_t> SequenceRewriter::OwnNear(const Origin& origin,
                                                 ExtendedSeqNumber sequence) const {
  const int64_t number = sequence.value();
  const auto is_of_source = [&](size_t i) { return BeganAt(i) == origin.offsets.began_at; };
  if (count_ == 0 || origin.own < At(0).own_first()) return std::nullopt;  // forgotten
  size_t at = IndexOf(origin.own);
  while (at + 1 < count_ && is_of_source(at + 1) && At(at + 1).first() <= number) ++at;
  while (at > 0 && is_of_source(at - 1) && At(at).first() > number) --at;
  if (number < At(at).first()) return std::nullopt;
  const int64_t own = number - At(at).first() + At(at).own_first();
  const int64_t end = at + 1 < count_ ? At(at + 1).own_first() : next_own_;
  return own < end ? std::optional(own) : std::nullopt;
}

}  // namespace sluice::worker
