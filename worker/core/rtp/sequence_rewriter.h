#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
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
    const Interval* interval = nullptr;  ///< nullptr: not to be sent
    int64_t own = 0;                     ///< SeqNumber with its wraps
    bool newest = false;                 ///< ahead of everything sent so far
    explicit operator bool() const { return interval != nullptr; }
  };
  struct Origin {
    ExtendedSeqNumber sequence;
    int64_t own = 0;
    RewriteOffsets offsets;
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
      return {&last_, own, newest};
    }
    return MapLate(sequence.value());
  }
  /// `sequence` will not be sent: what follows closes up. False when newer ones were sent: its
  /// number stands open for good, and Map() says which it is. `closes_picture`: a VP8 picture is
  /// not sent, and the ids of those that follow close up, too.
  bool Skip(ExtendedSeqNumber sequence, bool closes_picture = false);
  /// From `sequence` on, which must be ahead of all before, packets are rewritten with these
  /// offsets; numbers go on.
  void ChangeOffsets(ExtendedSeqNumber sequence, const RewriteOffsets& offsets);
  /// `sequence`, which comes late and has not been sent, is rewritten as if the highest layer had
  /// been `top_layer`; nothing else changes.
  void ChangeTopOfLate(ExtendedSeqNumber sequence, uint8_t top_layer);
  /// Nothing has been sent or skipped that is as new.
  bool IsAhead(ExtendedSeqNumber sequence) const {
    return session_ > 0 && sequence.value() > newest_;
  }
  /// It is ahead of all that was sent, and all between that and it was skipped: nothing is missing.
  bool Follows(ExtendedSeqNumber sequence) const {
    return IsAhead(sequence) && sequence.value() - last_.first + last_.own_first == next_own_;
  }
  /// Of the newest interval; only while started().
  const RewriteOffsets& offsets() const { return last_.offsets; }
  /// True when `sequence` is so far ahead that the source must have started anew: Start() it.
  bool IsJump(ExtendedSeqNumber sequence) const {
    return session_ > 0 && sequence.value() - newest_ > kMaxGap;
  }

  /// Which producer packet was sent as `own`, and how it was rewritten. None for numbers never sent
  /// (future), forgotten or left empty.
  std::optional<Origin> Find(SeqNumber own) const;

  SeqNumber next_own() const { return SeqNumber(static_cast<uint16_t>(next_own_)); }

 private:
  /// i-th oldest interval. The newest one of them is `last_`, too, which whoever changes it keeps
  /// true.
  const Interval& At(size_t i) const { return intervals_[(begin_ + i) % kMaxIntervals]; }
  Interval& At(size_t i) { return intervals_[(begin_ + i) % kMaxIntervals]; }
  void Push(const Interval& interval);
  size_t InsertBehind(size_t at, const Interval& interval);
  Mapped MapLate(int64_t sequence);

  // What a packet needs of the running source, in front of what is rarely looked at.
  int64_t next_own_;
  int64_t newest_ = 0;    ///< newest producer number handled in this session
  Interval last_;         ///< the newest interval
  uint16_t session_ = 0;  ///< how many of the last intervals belong to the running source
  uint16_t begin_ = 0;    ///< ring
  uint16_t count_ = 0;
  std::array<Interval, kMaxIntervals> intervals_;
};

}  // namespace sluice::worker
