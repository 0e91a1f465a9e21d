#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "common/rtp_types.h"
#include "common/units.h"

namespace sluice::worker {

/// Keeps one receiver's NACKs from costing more than they are worth: a packet is not sent again
/// within one round trip, all retransmissions together are bounded by what the stream itself sends,
/// and so is the work of looking numbers up.
///
/// Owned by a Consumer. The marks are allocated at the first NACK.
class ResendGuard {
 public:
  /// Each media byte sent earns one byte of retransmission, so that a receiver can at most double
  /// its stream; unused credit is kept up to this: a lost key frame of a 1080p stream, twice.
  static constexpr int64_t kMaxCredit = 512 * 1024;  // bytes
  static constexpr int64_t kInitialCredit =
      64 * 1024;  // bytes, so that the first frame can be repaired
  /// Numbers looked up per kLookupWindow: libwebrtc asks for at most 1000 at once.
  static constexpr uint32_t kMaxLookups = 2000;
  static constexpr Duration kLookupWindow = Duration::Millis(100);
  /// Assumed until a receiver report has told the round-trip time.
  static constexpr Duration kDefaultRoundTrip = Duration::Millis(100);
  /// Floor: receivers on a LAN repeat a NACK within 20 ms (their timer, not their RTT).
  static constexpr Duration kMinResendInterval = Duration::Millis(5);

  void OnMediaSent(size_t bytes) {
    credit_ += static_cast<int64_t>(bytes);
    if (credit_ > kMaxCredit) credit_ = kMaxCredit;
  }
  /// Accounts for one number looked up; false when there have been too many of late.
  bool AllowLookup(Timestamp now);
  /// True when `own` was sent again less than a round trip ago.
  bool SentRecently(SeqNumber own, Timestamp now, Duration round_trip) const;
  bool HasCredit() const { return credit_ > 0; }
  /// Takes what a retransmission has cost; the last one may overdraw the credit.
  void Spend(size_t bytes) { credit_ -= static_cast<int64_t>(bytes); }
  /// Notes that `own` is sent again now; true when it is for the first time.
  bool MarkSent(SeqNumber own, Timestamp now);
  void Clear() { marks_.reset(); }

  size_t HeapBytes() const { return marks_ ? sizeof(Marks) : 0; }

 private:
  struct Mark {
    uint32_t sent_at_ms = 0;
    SeqNumber own;
    bool used = false;
  };
  /// Direct-mapped by the low bits of the number: a collision forgets the older, which the credit
  /// still bounds.
  using Marks = std::array<Mark, 256>;

  int64_t credit_ = kInitialCredit;
  Timestamp lookup_window_start_;
  uint32_t lookups_ = 0;
  std::unique_ptr<Marks> marks_;
};

}  // namespace sluice::worker
