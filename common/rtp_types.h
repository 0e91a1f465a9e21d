#pragma once

#include <cstdint>
#include <optional>

#include "common/strong_alias.h"

namespace sluice {

/// Synchronisation source (RFC 3550 §3).
using Ssrc = StrongAlias<struct SsrcTag, uint32_t>;
/// RTP payload type, 0..127 (RFC 3550 §5.1).
using PayloadType = StrongAlias<struct PayloadTypeTag, uint8_t>;
/// RTP sequence number; wraps at 2^16. Order it with IsNewer(), never with `<`.
using SeqNumber = StrongAlias<struct SeqNumberTag, uint16_t>;
/// Sequence number with its wrap count in the upper bits; ordered.
using ExtendedSeqNumber = StrongAlias<struct ExtendedSeqNumberTag, int64_t>;
/// RTP media timestamp in units of the codec's clock; wraps at 2^32.
using RtpTimestamp = StrongAlias<struct RtpTimestampTag, uint32_t>;
/// SCTP stream identifier.
using StreamId = StrongAlias<struct StreamIdTag, uint16_t>;

/// True when `a` comes after `b` on the 16-bit circle (RFC 1982; exactly half a circle: larger
/// value).
constexpr bool IsNewer(SeqNumber a, SeqNumber b) {
  const auto diff = static_cast<uint16_t>(a.value() - b.value());
  if (diff == 0x8000) return a.value() > b.value();
  return diff != 0 && diff < 0x8000;
}
constexpr bool IsNewer(RtpTimestamp a, RtpTimestamp b) {
  const uint32_t diff = a.value() - b.value();
  if (diff == 0x80000000u) return a.value() > b.value();
  return diff != 0 && diff < 0x80000000u;
}
constexpr SeqNumber operator+(SeqNumber a, int n) {
  return SeqNumber(static_cast<uint16_t>(a.value() + n));
}
/// Signed distance a − b on the circle, −32768..32767.
constexpr int16_t Distance(SeqNumber a, SeqNumber b) {
  return static_cast<int16_t>(static_cast<uint16_t>(a.value() - b.value()));
}

/// Turns wrapping sequence numbers into ExtendedSeqNumbers around the newest one seen.
class SeqNumberUnwrapper {
 public:
  ExtendedSeqNumber Unwrap(SeqNumber seq) {
    const ExtendedSeqNumber extended = Peek(seq);
    if (!last_ || extended > *last_) last_ = extended;
    return extended;
  }
  /// As Unwrap, without moving the reference.
  ExtendedSeqNumber Peek(SeqNumber seq) const {
    if (!last_) return ExtendedSeqNumber(seq.value());
    const SeqNumber reference(static_cast<uint16_t>(last_->value()));
    return ExtendedSeqNumber(last_->value() + Distance(seq, reference));
  }
  void Reset() { last_.reset(); }

 private:
  std::optional<ExtendedSeqNumber> last_;
};

}  // namespace sluice
