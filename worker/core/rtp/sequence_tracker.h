#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>

#include "common/rtp_types.h"

namespace sluice::worker {

/// Decides which sequence numbers of a receive stream to believe (RFC 3550 A.1, with the limits of
/// docs/protocols/rtp-rtcp.md §2), unwraps them, and tells duplicates, which must never be
/// forwarded: a consumer would encrypt two packets under one nonce.
class SequenceTracker {
 public:
  static constexpr int kMaxDropout = 3000;   // a jump ahead of this or more is not believed
  static constexpr int kMaxMisorder = 1500;  // nor is a packet this far behind or more
  /// Extended numbers start here, so that packets reordered before the first stay positive.
  static constexpr int64_t kFirstCycle = 1 << 16;

  enum class Verdict : uint8_t {
    kNewest,     ///< ahead of everything seen
    kLate,       ///< reordered or repaired: behind the newest, seen for the first time
    kDuplicate,  ///< seen before
    kDiscarded,  ///< too far away
    /// Only from ReceiveStatistics: not to be believed alone, but two more like it are a restart.
    kSuspect,
    /// Only from ReceiveStatistics: the suspects before this packet are its run's first packets.
    /// Hand them in again, then this one.
    kNewRun,
  };
  struct Outcome {
    Verdict verdict = Verdict::kDiscarded;
    /// The sender began anew: `sequence` is in a cycle of its own, past all numbers before.
    bool restarted = false;
    /// Only from ReceiveStatistics: the sender has set its RTP clock; its numbers go on.
    bool time_jumped = false;
    ExtendedSeqNumber sequence;  ///< low 16 bits are the number on the wire; unset if discarded
    bool accepted() const { return verdict == Verdict::kNewest || verdict == Verdict::kLate; }
  };

  /// Judges and accepts in one. `may_restart`: two numbers in a row that are too far away, but
  /// follow each other, restart the stream. Not for repaired packets: their order says nothing.
  Outcome OnPacket(SeqNumber sequence, bool may_restart = true);

  /// What OnPacket would say of a packet that may not restart the stream; changes nothing.
  Outcome Peek(SeqNumber sequence) const;
  /// Takes note of a packet that Peek has just accepted.
  void Accept(const Outcome& outcome);
  /// The next packet begins a new run, whatever its number.
  void RestartWithNext() { restart_with_next_ = started(); }
  bool restarts_with_next() const { return restart_with_next_; }

  bool started() const { return newest_ != 0; }
  ExtendedSeqNumber newest() const { return ExtendedSeqNumber(newest_); }

 private:
  static constexpr size_t kSeenBits = 2048;  // kMaxMisorder, rounded up to a power of two

  static Outcome StartIn(int64_t cycle, SeqNumber sequence, bool restarted);
  /// Past all numbers of the run that ends.
  int64_t NextRunCycle() const;
  void AdvanceTo(int64_t extended);

  int64_t newest_ = 0;  ///< 0: nothing yet
  bool restart_with_next_ = false;
  uint32_t expected_bad_ = kNoBad;
  std::bitset<kSeenBits> seen_;  ///< ring over the last kSeenBits extended numbers

  static constexpr uint32_t kNoBad = 1 << 16;  // no 16-bit number equals it
};

}  // namespace sluice::worker
