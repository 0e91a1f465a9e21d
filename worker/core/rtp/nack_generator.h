#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "common/rtp_types.h"
#include "common/units.h"

namespace sluice::worker {

/// Finds the holes in a receive stream and says when to ask for which packet (RFC 4585 §6.2.1;
/// numbers of docs/protocols/rtp-rtcp.md §3).
///
/// Owned by the receive stream, which sends what TakeDue() gives: after each packet that is newer,
/// and at NextDue(). Bounded: what does not fit is given up for a key frame.
class NackGenerator {
 public:
  static constexpr size_t kMaxHoles = 1000;
  static constexpr int64_t kMaxAge = 10'000;  // numbers behind the newest
  /// A hole may be a packet that was merely overtaken.
  static constexpr Duration kReorderDelay = Duration::Millis(10);
  /// Longest wait until holes are looked at while no packet comes.
  static constexpr Duration kTimerInterval = Duration::Millis(40);
  static constexpr Duration kDefaultRoundTrip = Duration::Millis(100);
  /// Floor of the spacing: on a LAN ten tries would else be over before the sender's pacer answers.
  static constexpr Duration kMinSpacing = Duration::Millis(20);
  static constexpr uint8_t kMaxTries = 10;
  /// Key frames remembered, for dropping what is before them: more than kMaxHoles span in practice.
  static constexpr size_t kMaxKeyFrames = 32;

  /// A packet that was accepted for the first time; `restarted` as the SequenceTracker said.
  /// True when it filled a hole that had been asked for.
  bool OnPacket(ExtendedSeqNumber sequence, bool key_frame, bool restarted, Timestamp now);

  /// Appends the numbers to ask for now, ascending, and counts a try for each.
  void TakeDue(Timestamp now, std::vector<SeqNumber>* due);
  /// When TakeDue() should be called next if no packet comes; nullopt: nothing is missing.
  std::optional<Timestamp> NextDue(Timestamp now) const;
  /// True once after holes had to be given up: only a key frame helps now.
  bool TakeKeyFrameNeed();

  /// Measured round trip to the sender.
  void SetRoundTrip(Duration round_trip);
  /// Forgets the holes; numbers go on from the newest.
  void ClearHoles();

  size_t holes() const { return holes_.size(); }

 private:
  struct Hole {
    int64_t sequence;
    Timestamp due;
    uint8_t tries = 0;
  };

  void AddHoles(int64_t first, int64_t end, Timestamp now);
  void DropBefore(int64_t sequence);
  /// Makes room for `wanted` more holes; false when that cannot be.
  bool MakeRoom(size_t wanted);

  std::vector<Hole> holes_;          ///< ascending
  std::vector<int64_t> key_frames_;  ///< ascending
  std::optional<int64_t> newest_;
  Timestamp earliest_due_;  ///< no hole is due before; meaningful while there are holes
  Duration spacing_ = kDefaultRoundTrip;
  bool key_frame_needed_ = false;
};

}  // namespace sluice::worker
