#pragma once

#include <cstdint>
#include <optional>

#include "common/rtp_types.h"
#include "common/units.h"
#include "worker/core/rtp/routed_packet.h"
#include "worker/core/rtp/sequence_rewriter.h"

namespace sluice::worker {

/// Remembers the newest packet that a consumer sent, and from it chooses the offsets with which a
/// source goes on after a pause, a restart or a switch: RTP time runs on with real time, VP8
/// picture ids and TL0PICIDX (RFC 7741 §4.2) by one.
class StreamContinuity {
 public:
  /// How far RTP time may run ahead of the clock on the wall before we correct it: more is a
  /// restart of the sender's timestamps, not drift (RestartDetector::kMaxLead).
  static constexpr Duration kMaxLead = Duration::Seconds(3);
  /// Shortest step of RTP time over a correction: a frame at 30 fps.
  static constexpr Duration kMinStep = Duration::Millis(33);

  explicit StreamContinuity(uint32_t clock_rate) : clock_rate_(clock_rate) {}

  /// Time runs on in units of another clock.
  void SetClockRate(uint32_t clock_rate) { clock_rate_ = clock_rate; }
  /// Offsets for a source that starts with `first`. The first source of all passes unchanged.
  RewriteOffsets OffsetsFor(const RoutedPacket& first) const;

  /// `packet` was sent rewritten with `offsets`, and is the newest so far.
  void OnSent(const RoutedPacket& packet, const RewriteOffsets& offsets) {
    sent_any_ = true;
    last_marker_ = packet.marker;
    last_source_timestamp_ = packet.timestamp;
    last_received_at_ = packet.received_at;
    last_offsets_ = offsets;
    if (packet.info.picture_id) {
      last_picture_id_ = static_cast<uint16_t>(*packet.info.picture_id + offsets.picture_id);
      if (packet.info.tl0_picture_index) {
        last_tl0_ =
            static_cast<uint8_t>(*packet.info.tl0_picture_index + offsets.tl0_picture_index);
      }
    }
  }

  bool sent_any() const { return sent_any_; }
  /// True when the newest packet ended its frame.
  bool last_marker() const { return last_marker_; }
  RtpTimestamp last_source_timestamp() const { return last_source_timestamp_; }
  RtpTimestamp last_timestamp() const {
    return RtpTimestamp(last_source_timestamp_.value() + last_offsets_.timestamp);
  }
  Timestamp last_received_at() const { return last_received_at_; }
  uint8_t last_source() const { return last_offsets_.source; }

 private:
  uint32_t TimestampOffset(const RoutedPacket& first) const;

  uint32_t clock_rate_;
  bool sent_any_ = false;
  bool last_marker_ = false;
  RtpTimestamp last_source_timestamp_;
  Timestamp last_received_at_;
  RewriteOffsets last_offsets_;
  std::optional<uint16_t> last_picture_id_;  ///< as sent, before it is cut to 7 or 15 bits
  std::optional<uint8_t> last_tl0_;          ///< as sent
};

/// RTP ticks in `elapsed` (which may be negative) at `clock_rate` Hz.
constexpr int64_t TicksIn(Duration elapsed, uint32_t clock_rate) {
  return elapsed.us() * static_cast<int64_t>(clock_rate) / 1'000'000;
}

}  // namespace sluice::worker
