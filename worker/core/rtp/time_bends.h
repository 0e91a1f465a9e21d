#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "common/rtp_types.h"
#include "common/units.h"

namespace sluice::worker {

/// Where a correction of RTP time fell between two pictures of which packets between them were
/// still missing: what comes of these later belongs between the times of the two, so that time
/// never goes back (RFC 3550 §5.1: it derives from a clock that increments monotonically).
///
/// Owned by a SendStream; of the source that it sends, and of those before, of which packets may
/// still be asked for.
class TimeBends {
 public:
  static constexpr size_t kMax = 4;
  /// Nothing older still comes, or is asked for again (twice PacketRing::kVideoMaxAge).
  static constexpr Duration kKept = Duration::Millis(4000);
  /// What is left, at least, of the time between the two pictures: one part of so many. Pictures
  /// between them that are two ticks apart stay apart.
  static constexpr int kMinPart = 2;

  struct Bend {
    uint32_t source = 0;      ///< RewriteOffsets::began_at
    ExtendedSeqNumber first;  ///< of the picture behind it: what was sent first
    RtpTimestamp time;        ///< of that picture, by the source
    uint32_t offset = 0;      ///< of RTP time, from there on
    RtpTimestamp time_before;
    uint32_t offset_before = 0;
    Timestamp at;
  };

  /// One more can be kept.
  bool HasRoom(Timestamp now) const { return count_ < kMax || now - bends_[0].at > kKept; }
  /// Newer than all before. The oldest goes when there are too many.
  void Add(const Bend& bend) {
    if (count_ == kMax) {
      for (size_t i = 1; i < kMax; ++i) bends_[i - 1] = bends_[i];
      --count_;
    }
    bends_[count_++] = bend;
  }
  void Clear() { count_ = 0; }

  /// The offset of the time of a packet that comes late; none where no correction changes it.
  std::optional<uint32_t> OffsetOf(uint32_t source, ExtendedSeqNumber sequence,
                                   RtpTimestamp time) const {
    size_t i = 0;
    while (i < count_ && (bends_[i].source != source || bends_[i].first <= sequence)) ++i;
    if (i == count_ || !IsNewer(time, bends_[i].time_before)) return std::nullopt;
    const Bend& bend = bends_[i];
    if (!IsNewer(bend.time, time)) return bend.offset;  // of the picture behind it
    const int64_t whole = bend.time.value() - bend.time_before.value();
    const int64_t part = time.value() - bend.time_before.value();
    const auto change = static_cast<int32_t>(bend.offset - bend.offset_before);
    return bend.offset_before + static_cast<uint32_t>(part * change / whole);
  }

 private:
  std::array<Bend, kMax> bends_;  ///< oldest first
  size_t count_ = 0;
};

}  // namespace sluice::worker
