#pragma once

#include <cstdint>
#include <optional>

#include "common/rtp_types.h"
#include "common/units.h"
#include "worker/core/rtp/capture_clock.h"
#include "worker/core/rtp/routed_packet.h"
#include "worker/core/rtp/sequence_rewriter.h"

namespace sluice::worker {

/// Remembers the newest packet that a consumer sent, and from it chooses the offsets with which a
/// source goes on after a pause, a restart or a switch to another encoding: picture ids, TL0PICIDX
/// and KEYIDX (RFC 7741 §4.2, RFC 9628 §4.2) go on by one, so do frame numbers of the dependency
/// descriptor, and template ids behind those of the structure before.
///
/// RTP time follows the capture clock: a switch moves it by the time between the two captures. What
/// that would make go back starts one tick behind what was sent; and where the sender's reports are
/// still missing, the time between the arrivals is taken. In both cases the difference is known
/// later (Correction) and taken back in steps, picture by picture.
class StreamContinuity {
 public:
  /// How far RTP time may run ahead of the clock on the wall before we correct it: more is a
  /// restart of the sender's timestamps, not drift (RestartDetector::kMaxLead).
  static constexpr Duration kMaxLead = Duration::Seconds(3);
  /// Shortest step of RTP time over a correction: a frame at 30 fps.
  static constexpr Duration kMinStep = Duration::Millis(33);
  /// Most that one picture's time is corrected by.
  static constexpr Duration kMaxCorrection = Duration::Millis(75);
  /// A difference of captures that is further off than that from the difference of arrivals comes
  /// from reports that make no sense.
  static constexpr Duration kMaxMismatch = Duration::Seconds(2);

  explicit StreamContinuity(uint32_t clock_rate) : clock_rate_(clock_rate) {}

  /// Time runs on in units of another clock.
  void SetClockRate(uint32_t clock_rate) { clock_rate_ = clock_rate; }
  /// Offsets for a source that starts with `first`, which is sent next. The first source of all
  /// passes unchanged.
  RewriteOffsets Begin(const RoutedPacket& first, const CaptureClock* clock);

  /// `packet` is the first of a picture that is sent next, with `offset` added to its time unless
  /// that is corrected: then the new offset is returned. `follows`: nothing is missing before it.
  /// Else time is left for what may still come (TimeBends::kMinPart).
  std::optional<uint32_t> Correction(const RoutedPacket& packet, uint32_t offset,
                                     const CaptureClock* clock, bool follows) {
    if (aligned_ && excess_ == 0) [[likely]]
      return std::nullopt;
    const bool untold = clock == nullptr || untold_at_ == clock->reports();
    if (!aligned_ && untold) return std::nullopt;
    return Correct(packet, offset, clock, follows);
  }
  /// RTP time is where the captures have it.
  bool aligned() const { return aligned_ && excess_ == 0; }

  /// `packet` was sent rewritten with `offsets`, with this marker bit, and is the newest so far.
  void OnSent(const RoutedPacket& packet, const RewriteOffsets& offsets, bool marker) {
    sent_any_ = true;
    last_marker_ = marker;
    last_source_timestamp_ = packet.timestamp;
    last_received_at_ = packet.received_at;
    last_offsets_ = offsets;
    if (packet.info.picture_id) {
      last_picture_id_ = static_cast<uint16_t>(*packet.info.picture_id + offsets.picture_id);
    }
    if (packet.info.tl0_picture_index) {
      last_tl0_ = static_cast<uint8_t>(*packet.info.tl0_picture_index + offsets.tl0_picture_index);
    }
    if (packet.info.key_index) {
      last_key_index_ = static_cast<uint8_t>(*packet.info.key_index + offsets.key_index);
    }
    if (packet.frame.descriptor != nullptr) OnDescriptor(*packet.frame.descriptor, offsets);
  }

  /// The same of one that was sent behind packets with higher numbers. These may all have been
  /// padding: then it is the newest picture all the same.
  void OnSentLate(const RoutedPacket& packet, const RewriteOffsets& offsets, bool marker) {
    if (packet.timestamp == last_source_timestamp_) {
      last_marker_ |= marker;
    } else if (IsNewer(packet.timestamp, last_source_timestamp_)) {
      OnSent(packet, offsets, marker);
    }
  }

  /// What comes next is of another producer: nothing of its numbers or its clock has to do with
  /// what was sent. Or it is of the `same` one after a while, and they may have gone on.
  void ChangeProducer(bool same) {
    other_producer_ = true;
    may_go_on_ = same;
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
  /// A picture that was sent, and the time that it would have had with everything aligned.
  struct Reference {
    uint8_t source = 0;
    RtpTimestamp timestamp;
    RtpTimestamp sent;
    Timestamp received_at;
  };

  uint32_t TimestampOffset(const RoutedPacket& first, const CaptureClock* clock);
  bool GoesOn(const RoutedPacket& first) const;
  uint32_t NextTime(const RoutedPacket& first) const;
  std::optional<uint32_t> Correct(const RoutedPacket& packet, uint32_t offset,
                                  const CaptureClock* clock, bool follows);
  /// The time that `packet` should have, by the captures of the reference and its own.
  std::optional<RtpTimestamp> IdealTime(const RoutedPacket& packet, const CaptureClock* clock);
  void OnDescriptor(const DependencyDescriptor& descriptor, const RewriteOffsets& offsets) {
    last_frame_number_ =
        static_cast<uint16_t>(descriptor.frame_number + offsets.descriptor.frame_number);
    has_descriptor_ = true;
    templates_end_ =
        static_cast<uint8_t>(descriptor.templates_end + offsets.descriptor.template_id);
  }

  uint32_t clock_rate_;
  bool sent_any_ = false;
  bool last_marker_ = false;
  bool aligned_ = true;
  bool has_descriptor_ = false;
  bool other_producer_ = false;  ///< ChangeProducer(), and nothing has begun since
  bool may_go_on_ = false;       ///< it is the same one
  uint8_t templates_end_ = 0;
  uint16_t last_frame_number_ = 0;
  RtpTimestamp last_source_timestamp_;
  /// Ticks that what is sent is ahead of the captures; meaningful when aligned_.
  int32_t excess_ = 0;
  Timestamp last_received_at_;
  RewriteOffsets last_offsets_;
  std::optional<uint16_t> last_picture_id_;  ///< as sent, before it is cut to 7 or 15 bits
  std::optional<uint8_t> last_tl0_;          ///< as sent
  std::optional<uint8_t> last_key_index_;    ///< as sent, before it is cut to 5 bits
  Reference reference_;                      ///< meaningful when not aligned_
  /// CaptureClock::reports() when one of the captures could not be told.
  std::optional<uint32_t> untold_at_;
};

/// RTP ticks in `elapsed` (which may be negative) at `clock_rate` Hz.
constexpr int64_t TicksIn(Duration elapsed, uint32_t clock_rate) {
  return elapsed.us() * static_cast<int64_t>(clock_rate) / 1'000'000;
}

}  // namespace sluice::worker
