#include "worker/core/rtp/stream_continuity.h"

#include <algorithm>

namespace sluice::worker {

RewriteOffsets StreamContinuity::OffsetsFor(const RoutedPacket& first) const {
  RewriteOffsets offsets;
  offsets.source = first.encoding_index;
  if (!sent_any_) return offsets;
  offsets.timestamp = TimestampOffset(first);
  if (first.info.picture_id && last_picture_id_) {
    offsets.picture_id = static_cast<uint16_t>(*last_picture_id_ + 1 - *first.info.picture_id);
  }
  if (first.info.tl0_picture_index && last_tl0_) {
    offsets.tl0_picture_index =
        static_cast<uint8_t>(*last_tl0_ + 1 - *first.info.tl0_picture_index);
  }
  return offsets;
}

uint32_t StreamContinuity::TimestampOffset(const RoutedPacket& first) const {
  const Duration elapsed = std::max(first.received_at - last_received_at_, Duration::Zero());
  if (first.encoding_index == last_offsets_.source) {
    // The same clock: keep the offset while it gives a time after the last and not in the far
    // future.
    const RtpTimestamp candidate(first.timestamp.value() + last_offsets_.timestamp);
    const uint32_t step = candidate.value() - last_timestamp().value();
    if (IsNewer(candidate, last_timestamp()) &&
        static_cast<int64_t>(step) <= TicksIn(elapsed + kMaxLead, clock_rate_)) {
      return last_offsets_.timestamp;
    }
  }
  const int64_t step = TicksIn(std::max(elapsed, kMinStep), clock_rate_);
  return last_timestamp().value() + static_cast<uint32_t>(step) - first.timestamp.value();
}

}  // namespace sluice::worker
