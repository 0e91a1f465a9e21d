#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "common/rtp_types.h"
#include "worker/wire/dependency_descriptor.h"

namespace sluice::worker {

/// What is added to the fields of a producer's packet to get the consumer's (all modulo their
/// width), and what else its rewriting follows from.
struct RewriteOffsets {
  static constexpr uint8_t kNoLayer = 0xff;  ///< the sender's own marker ends the picture

  uint32_t timestamp = 0;
  uint16_t picture_id = 0;  ///< VP8, VP9: 15 or 7 bits
  uint8_t tl0_picture_index = 0;
  uint8_t key_index = 0;  ///< VP8, 5 bits
  uint8_t source = 0;     ///< encoding index that the packets come from
  /// The highest spatial layer that is sent: the last packet of its frame ends the picture.
  uint8_t top_layer = kNoLayer;
  DescriptorRewrite descriptor;
  /// RoutedPacket::arrival of what the source began with, its low bits.
  uint32_t began_at = 0;
  friend bool operator==(const RewriteOffsets&, const RewriteOffsets&) = default;
};

/// Numbers the packets that one consumer sends, without gaps of our own making: packets that are
/// not forwarded (padding, dropped layers, DTX) and changes of the source leave no hole; packets
/// that were lost on the way in do, so that a late one still finds its number.
///
/// Keeps the last kMaxIntervals rules, so that the rewriting of any recent packet can be repeated
/// bit by bit from its stored original (retransmission; an AEAD cipher must never see two packets
/// with one number). Owned by a Consumer.
class SequenceRewriter {
 public:
  /// One interval starts at each skipped run: two seconds of 30 fps with every second frame
  /// dropped.
  static constexpr size_t kMaxIntervals = 64;
  /// Room for intervals grows with the need, doubling from this: most consumers never have more
  /// than a few, and one that has not started has none. All powers of two. The same of the
  /// different offsets that the intervals have: often one.
  static constexpr size_t kFirstIntervals = 4;
  static constexpr size_t kFirstOffsets = 2;
  /// A jump ahead of more numbers than any burst of loss: the source has started anew.
  static constexpr int64_t kMaxGap = 3000;

  /// Producer numbers from `first` on become `own_first`, `own_first` + 1, … until the next
  /// interval.
  struct Interval {
    int64_t first = 0;
    int64_t own_first = 0;
    RewriteOffsets offsets;
  };
  struct Mapped {
    /// nullptr: not to be sent. Lives until the next call that is not const.
    const RewriteOffsets* offsets = nullptr;
    int64_t own = 0;      ///< SeqNumber with its wraps
    bool newest = false;  ///< ahead of everything sent so far
    explicit operator bool() const { return offsets != nullptr; }
  };
  struct Origin {
    ExtendedSeqNumber sequence;
    int64_t own = 0;
    RewriteOffsets offsets;
    /// RewriteOffsets::began_at of the source that came after it, where one has: what arrives from
    /// then on has not been sent.
    std::optional<uint32_t> ended_at{};
  };

  /// `first_own` is the number of the first packet.
  explicit SequenceRewriter(SeqNumber first_own) : next_own_(first_own.value()) {}

  /// A source starts, or starts again, with packet `first`: it gets the next free number (plus one
  /// when `leave_gap`, which tells the receiver that what went before is incomplete).
  void Start(ExtendedSeqNumber first, const RewriteOffsets& offsets, bool leave_gap);
  /// Nothing maps before the next Start(); retransmission of what was sent stays possible.
  void Stop() { session_ = 0; }
  /// Stop(), and forgets what was sent: nothing before the next Start() can be found again.
  void ClearHistory();
  bool started() const { return session_ > 0; }

  /// The number for a packet that is sent now; none for packets from before the start of the
  /// source, skipped ones, and ones too old to be known.
  Mapped Map(ExtendedSeqNumber sequence) {
    if (session_ > 0 && sequence.value() >= last_.first) [[likely]] {
      const int64_t own = sequence.value() - last_.first + last_.own_first;
      const bool newest = sequence.value() > newest_;
      if (newest) {
        newest_ = sequence.value();
        next_own_ = own + 1;
      }
      return {&last_.offsets, own, newest};
    }
    return MapLate(sequence.value());
  }
  /// The number with which a packet of the running source went out, or would; none for skipped
  /// ones, ones ahead of all that was sent, and ones too old to be known. Changes nothing.
  std::optional<int64_t> OwnOf(ExtendedSeqNumber sequence) const;
  /// `sequence` will not be sent: what follows closes up. False when newer ones were sent: its
  /// number stands open for good, and Map() says which it is. `closes_picture`: a VP8 picture is
  /// not sent, and the ids of those that follow close up, too. `count`: neither will those behind
  /// it, so many in all.
  bool Skip(ExtendedSeqNumber sequence, bool closes_picture = false, size_t count = 1) {
    const int64_t skipped = sequence.value();
    if (session_ == 0 || skipped - newest_ > kMaxGap) return true;  // nothing to close up
    if (skipped <= newest_) return false;
    newest_ = skipped + static_cast<int64_t>(count) - 1;
    if (skipped != last_.first) {  // a run of skipped packets needs one interval
      MakeRoom();
      ++count_;
      last_.own_first += skipped - last_.first;
      session_ = std::min(static_cast<uint8_t>(session_ + 1U), count_);
    }
    last_.first = newest_ + 1;
    if (closes_picture) --last_.offsets.picture_id;
    At(count_ - 1U) = Kept(last_, last_kept_);
    return true;
  }
  /// From `sequence` on, which must be ahead of all before, packets are rewritten with these
  /// offsets; numbers go on.
  void ChangeOffsets(ExtendedSeqNumber sequence, const RewriteOffsets& offsets);
  /// `sequence`, which comes late and has not been sent, is rewritten as if the highest layer had
  /// been `top_layer`; nothing else changes.
  void ChangeTopOfLate(ExtendedSeqNumber sequence, uint8_t top_layer);
  /// The same with another offset of its time. False: it is so old that this cannot be kept.
  bool ChangeTimeOfLate(ExtendedSeqNumber sequence, uint32_t timestamp);
  /// Nothing has been sent or skipped that is as new.
  bool IsAhead(ExtendedSeqNumber sequence) const {
    return session_ > 0 && sequence.value() > newest_;
  }
  /// It is ahead of all that was sent, and all between that and it was skipped: nothing is missing.
  bool Follows(ExtendedSeqNumber sequence) const {
    return IsAhead(sequence) && sequence.value() - last_.first + last_.own_first == next_own_;
  }
  /// The newest number of the source that was sent or skipped; only while started().
  ExtendedSeqNumber newest() const { return ExtendedSeqNumber(newest_); }
  /// Of the newest interval; only while started().
  const RewriteOffsets& offsets() const { return last_.offsets; }
  /// True when `sequence` is so far ahead that the source must have started anew: Start() it.
  bool IsJump(ExtendedSeqNumber sequence) const {
    return session_ > 0 && sequence.value() - newest_ > kMaxGap;
  }

  /// Which producer packet was sent as `own`, and how it was rewritten. None for numbers never sent
  /// (future), forgotten or left empty.
  std::optional<Origin> Find(SeqNumber own) const;
  /// The number that packet `sequence` of the source of `origin`, not far from it, went out with,
  /// or would have; none for a skipped one, and one behind all that was sent of that source.
  std::optional<int64_t> OwnNear(const Origin& origin, ExtendedSeqNumber sequence) const;

  SeqNumber next_own() const { return SeqNumber(static_cast<uint16_t>(next_own_)); }
  size_t HeapBytes() const {
    return capacity_ * sizeof(Kept) + offsets_capacity_ * sizeof(RewriteOffsets);
  }

 private:
  /// An Interval as it is remembered, in few bytes: where most packets are skipped every picture
  /// has one of its own for each receiver, and memory is what takes time.
  class Kept {
   public:
    Kept() = default;
    /// `offsets`: the place of interval.offsets in offsets_, but for their picture id.
    Kept(const Interval& interval, uint8_t offsets)
        : first_(interval.first << kBits | interval.offsets.picture_id),
          own_first_(interval.own_first << kBits | offsets) {}

    int64_t first() const { return first_ >> kBits; }
    int64_t own_first() const { return own_first_ >> kBits; }
    uint16_t picture_id() const { return static_cast<uint16_t>(first_); }
    uint8_t offsets() const { return static_cast<uint8_t>(own_first_); }

   private:
    static constexpr int kBits = 16;  // 48 are left: 2^32 times as many as a sequence number has
    int64_t first_ = 0;
    int64_t own_first_ = 0;
  };

  /// i-th oldest interval. The newest one of them is `last_`, too, which whoever changes it keeps
  /// true.
  const Kept& At(size_t i) const { return intervals_[(begin_ + i) & (capacity_ - 1U)]; }
  Kept& At(size_t i) { return intervals_[(begin_ + i) & (capacity_ - 1U)]; }
  /// Which one has `own`, which is not older than all that is remembered.
  size_t IndexOf(int64_t own) const;
  uint32_t BeganAt(size_t i) const { return offsets_[At(i).offsets()].began_at; }
  RewriteOffsets OffsetsOf(const Kept& interval) const {
    RewriteOffsets offsets = offsets_[interval.offsets()];
    offsets.picture_id = interval.picture_id();
    return offsets;
  }
  /// Where such offsets are kept, but for the picture id; from now on, if they were not.
  uint8_t Keep(RewriteOffsets offsets);
  uint8_t NewOffsets();
  /// Room for one more interval; the oldest goes when there are kMaxIntervals. True if it did.
  bool MakeRoom() {
    if (count_ < capacity_) return false;
    if (count_ < kMaxIntervals) {
      Grow();
      return false;
    }
    begin_ = static_cast<uint8_t>((begin_ + 1U) % kMaxIntervals);
    --count_;
    return true;
  }
  void Grow();
  void Push(const Interval& interval);
  size_t InsertBehind(size_t at, const Interval& interval);
  Mapped MapLate(int64_t sequence);
  template <typename T>
  bool ChangeLate(int64_t number, T RewriteOffsets::*field, T value);

  // What a packet needs of the running source, in front of what is rarely looked at.
  int64_t next_own_;
  int64_t newest_ = 0;   ///< newest producer number handled in this session
  Interval last_;        ///< the newest interval
  uint8_t session_ = 0;  ///< how many of the last intervals belong to the running source
  uint8_t begin_ = 0;    ///< ring
  uint8_t count_ = 0;
  uint8_t capacity_ = 0;
  uint8_t last_kept_ = 0;      ///< where last_.offsets are kept
  uint8_t offsets_count_ = 0;  ///< of offsets_; those that no interval has any more among them
  uint8_t offsets_capacity_ = 0;
  std::unique_ptr<Kept[]> intervals_;
  std::unique_ptr<RewriteOffsets[]> offsets_;
  RewriteOffsets late_;  ///< Mapped::offsets of a late packet
};

}  // namespace sluice::worker
