#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "common/rtp_types.h"
#include "common/units.h"
#include "worker/core/rtp/sequence_tracker.h"

namespace sluice::worker {

/// Notices a sender that has begun anew under its old SSRC (ffmpeg that was started again, an
/// encoder that was reset), and one that has set its RTP clock. RFC 3550 A.1 looks at numbers
/// alone: a new run whose numbers lie close to the old ones is then taken for late packets.
///
/// What gives a new run away is its time. The detector remembers which time stamps went with which
/// numbers, and when. An old number with a time stamp that does not belong to it, or that comes
/// again seconds after it was seen, is suspect; a few suspects in ascending order, with no packet
/// of the old run in between, are a restart. Loss, reordering, duplicates and late retransmissions
/// bring old numbers with their own time stamps and soon, so they never are.
///
/// Owned by ReceiveStatistics, asked before a packet is believed. O(1) per packet, bounded memory.
class RestartDetector {
 public:
  /// Time stamps of newer numbers may be this much behind: frames that are sent in another order
  /// than they are shown.
  static constexpr Duration kMaxBackward = Duration::Millis(1000);
  /// And run ahead of the clock on the wall by this much from one packet to the next: a queue on
  /// the way that was emptied at once.
  static constexpr Duration kMaxLead = Duration::Millis(3000);
  /// A duplicate or an answer to a NACK comes at most this long after others of its neighbourhood;
  /// longer where kRoundTrips are longer.
  static constexpr Duration kMaxLateness = Duration::Seconds(2);
  static constexpr int kRoundTrips = 12;  // NackGenerator::kMaxTries, and some
  /// For a number whose older neighbours are not known: the time that those may span.
  static constexpr Duration kMaxUnknownSpan = Duration::Seconds(5);
  /// kMaxLateness for a number that is too far behind for its neighbourhood to be known.
  static constexpr Duration kMaxFarLateness = Duration::Seconds(5);
  /// Suspects that make a restart, this one included: within reach of reordering, and outside.
  static constexpr int kNearSuspects = 3;
  static constexpr int kFarSuspects = 2;
  /// Between the numbers of two suspects: one packet may be lost.
  static constexpr int kMaxStep = 2;

  enum class Judgement : uint8_t {
    kNone,      ///< nothing speaks against what SequenceTracker says
    kTimeJump,  ///< the next number in order, but the sender's clock was set
    kSuspect,   ///< not to be believed alone
    kRestart,   ///< the last suspects() packets, this one included, begin a new run
  };

  /// `clock_rate`: of the codec, Hz, positive.
  explicit RestartDetector(uint32_t clock_rate) : clock_rate_(clock_rate) {}

  /// `outcome`: what SequenceTracker::Peek says of `sequence`. Counts suspects.
  Judgement Judge(const SequenceTracker::Outcome& outcome, SeqNumber sequence,
                  RtpTimestamp timestamp, Timestamp arrival);
  /// True when the time stamp goes with the number: for repaired packets, which start nothing.
  bool Fits(const SequenceTracker::Outcome& outcome, RtpTimestamp timestamp,
            Timestamp arrival) const;
  /// The packet was accepted.
  void OnAccepted(const SequenceTracker::Outcome& outcome, RtpTimestamp timestamp,
                  Timestamp arrival);
  /// Likewise, a packet whose time stamps follow rules of their own (comfort noise, DTMF).
  void OnAcceptedOfOtherTime(const SequenceTracker::Outcome& outcome);

  /// Suspects in a row, the last packet included.
  int suspects() const { return suspects_; }
  /// Forgets everything: a new run, or another clock.
  void Reset();
  void SetClockRate(uint32_t clock_rate);
  void SetRoundTrip(Duration round_trip);

 private:
  // Numbers are remembered in blocks. 32 blocks of 64 cover more than SequenceTracker believes.
  static constexpr int64_t kBlockNumbers = 64;
  static constexpr size_t kBlocks = 32;
  struct Block {
    int64_t index = -1;  ///< number / kBlockNumbers
    RtpTimestamp first_timestamp;
    Timestamp last_arrival;  ///< of any packet of the block
  };

  /// The time stamp belongs to a number that is ahead of all others.
  bool FollowsNewest(RtpTimestamp timestamp, Timestamp arrival) const;
  /// It belongs to that old number, as far as its neighbourhood is known.
  bool FitsNeighbours(int64_t sequence, RtpTimestamp timestamp) const;
  /// An old number with its own time stamp comes so long after its neighbours that it is no copy of
  /// the old packet: the new run begins with the same number and time. `continues`: it is not the
  /// first suspect.
  bool IsLateCopy(const SequenceTracker::Outcome& outcome, bool continues, Timestamp arrival);
  bool IsSuspectFar(SeqNumber sequence, RtpTimestamp timestamp, Timestamp arrival) const;
  Block& SlotOf(int64_t index) { return blocks_[static_cast<size_t>(index) % kBlocks]; }
  /// Null when no packet of it is remembered, or none of the clock that runs now.
  const Block* FindBlock(int64_t index) const;
  Judgement Count(SeqNumber sequence, int needed, bool by_time);
  int64_t Ticks(Duration duration) const {
    return duration.us() * static_cast<int64_t>(clock_rate_) / 1'000'000;
  }
  int64_t TicksBehindNewest(RtpTimestamp timestamp) const {
    return static_cast<int32_t>(newest_timestamp_.value() - timestamp.value());
  }

  uint32_t clock_rate_;
  Duration max_lateness_ = kMaxLateness;
  bool started_ = false;
  int64_t newest_ = 0;
  RtpTimestamp newest_timestamp_;
  Timestamp newest_arrival_;
  /// The most that a newer number's time stamp was behind, in ticks: above 0 where frames are sent
  /// in another order than they are shown.
  int64_t reordered_ = 0;
  /// Numbers before this one had another clock.
  int64_t clock_start_ = 0;
  std::array<Block, kBlocks> blocks_{};

  int suspects_ = 0;
  bool suspects_by_time_ = false;  ///< all of them have time stamps that are not the old packets'
  SeqNumber last_suspect_;
};

}  // namespace sluice::worker
