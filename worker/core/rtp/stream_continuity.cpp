#include "worker/core/rtp/stream_continuity.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "worker/core/rtp/time_bends.h"

namespace sluice::worker {

namespace {

int32_t Ahead(RtpTimestamp a, RtpTimestamp b) {
  return static_cast<int32_t>(a.value() - b.value());
}

}  // namespace

RewriteOffsets StreamContinuity::Begin(const RoutedPacket& first, const CaptureClock* clock) {
  RewriteOffsets offsets;
  offsets.source = first.encoding_index;
  if (!sent_any_) return offsets;
  const bool same_producer = !std::exchange(other_producer_, false);
  if (!same_producer && may_go_on_ && GoesOn(first)) {
    offsets = last_offsets_;
    offsets.top_layer = RewriteOffsets::kNoLayer;
    offsets.descriptor.active_targets = 0;
    return offsets;
  }
  if (!same_producer) {
    aligned_ = true;
    excess_ = 0;
    offsets.timestamp = NextTime(first) - first.timestamp.value();
  } else {
    offsets.timestamp = TimestampOffset(first, clock);
  }
  const PayloadInfo& info = first.info;
  if (info.picture_id && last_picture_id_) {
    offsets.picture_id = static_cast<uint16_t>(*last_picture_id_ + 1 - *info.picture_id);
  }
  if (info.tl0_picture_index && last_tl0_) {
    offsets.tl0_picture_index = static_cast<uint8_t>(*last_tl0_ + 1 - *info.tl0_picture_index);
  }
  if (info.key_index && last_key_index_) {
    offsets.key_index = static_cast<uint8_t>(*last_key_index_ + 1 - *info.key_index);
  }
  if (first.frame.descriptor != nullptr && has_descriptor_) {
    const DependencyDescriptor& descriptor = *first.frame.descriptor;
    const auto ahead = static_cast<int16_t>(
        descriptor.frame_number + last_offsets_.descriptor.frame_number - last_frame_number_);
    if (same_producer && first.encoding_index == last_offsets_.source && !first.restarted &&
        ahead > 0) {
      // The same source numbers on.
      offsets.descriptor = last_offsets_.descriptor;
      offsets.descriptor.active_targets = 0;
      return offsets;
    }
    offsets.descriptor.frame_number =
        static_cast<uint16_t>(last_frame_number_ + 1 - descriptor.frame_number);
    offsets.descriptor.template_id =
        static_cast<uint8_t>(templates_end_ - descriptor.structure->template_offset) %
        DependencyStructure::kMaxTemplates;
  }
  return offsets;
}

uint32_t StreamContinuity::TimestampOffset(const RoutedPacket& first, const CaptureClock* clock) {
  const Duration elapsed = std::max(first.received_at - last_received_at_, Duration::Zero());
  const RtpTimestamp last = last_timestamp();
  if (first.encoding_index == last_offsets_.source) {
    // The same clock: keep the offset while it gives a time after the last and not in the far
    // future.
    const RtpTimestamp candidate(first.timestamp.value() + last_offsets_.timestamp);
    const uint32_t step = candidate.value() - last.value();
    if (IsNewer(candidate, last) &&
        static_cast<int64_t>(step) <= TicksIn(elapsed + kMaxLead, clock_rate_)) {
      return last_offsets_.timestamp;
    }
    aligned_ = true;  // a new time line has nothing to be aligned with
    excess_ = 0;
  } else {
    if (aligned_) {
      reference_ = {last_offsets_.source, last_source_timestamp_,
                    RtpTimestamp(last.value() - static_cast<uint32_t>(excess_)), last_received_at_};
    }
    if (const auto ideal = IdealTime(first, clock)) {
      const RtpTimestamp sent = IsNewer(*ideal, last) ? *ideal : RtpTimestamp(last.value() + 1);
      excess_ = Ahead(sent, *ideal);
      aligned_ = true;
      return sent.value() - first.timestamp.value();
    }
    aligned_ = false;
    excess_ = 0;
  }
  return NextTime(first) - first.timestamp.value();
}

/// It is the same source after all, whose time and pictures have gone on by as much as they would.
bool StreamContinuity::GoesOn(const RoutedPacket& first) const {
  constexpr uint16_t kMaxPictures = 1 << 12;  // of 15 bits: more than in any pause of some seconds
  if (first.encoding_index != last_offsets_.source || first.restarted) return false;
  const RtpTimestamp time(first.timestamp.value() + last_offsets_.timestamp);
  const Duration elapsed = std::max(first.received_at - last_received_at_, Duration::Zero());
  if (!IsNewer(time, last_timestamp()) ||
      Ahead(time, last_timestamp()) > TicksIn(elapsed + Duration::Seconds(1), clock_rate_)) {
    return false;
  }
  if (first.info.picture_id.has_value() != last_picture_id_.has_value()) return false;
  if (last_picture_id_) {
    const auto id = static_cast<uint16_t>(*first.info.picture_id + last_offsets_.picture_id);
    const auto ahead = static_cast<uint16_t>((id - *last_picture_id_) & 0x7fff);
    if (ahead == 0 || ahead > kMaxPictures) return false;
  }
  if ((first.frame.descriptor != nullptr) != has_descriptor_) return false;
  return !has_descriptor_ ||
         static_cast<int16_t>(first.frame.descriptor->frame_number +
                              last_offsets_.descriptor.frame_number - last_frame_number_) > 0;
}

/// As much later than what was sent last as it came later.
uint32_t StreamContinuity::NextTime(const RoutedPacket& first) const {
  const Duration elapsed = std::max(first.received_at - last_received_at_, kMinStep);
  return last_timestamp().value() + static_cast<uint32_t>(TicksIn(elapsed, clock_rate_));
}

std::optional<RtpTimestamp> StreamContinuity::IdealTime(const RoutedPacket& packet,
                                                        const CaptureClock* clock) {
  untold_at_.reset();
  if (clock == nullptr) return std::nullopt;
  const auto then = clock->SenderTime(reference_.source, reference_.timestamp);
  const auto now = clock->SenderTime(packet.encoding_index, packet.timestamp);
  if (!then || !now) {
    untold_at_ = clock->reports();
    return std::nullopt;
  }
  const Duration between = Duration::Micros(*now - *then);
  const Duration arrivals = packet.received_at - reference_.received_at;
  if (std::llabs((between - arrivals).us()) > kMaxMismatch.us()) return std::nullopt;
  return RtpTimestamp(reference_.sent.value() +
                      static_cast<uint32_t>(TicksIn(between, clock_rate_)));
}

std::optional<uint32_t> StreamContinuity::Correct(const RoutedPacket& packet, uint32_t offset,
                                                  const CaptureClock* clock, bool follows) {
  const RtpTimestamp natural(packet.timestamp.value() + offset);
  if (!aligned_) {
    const auto ideal = IdealTime(packet, clock);
    if (!ideal) return std::nullopt;
    excess_ = Ahead(natural, *ideal);
    aligned_ = true;
  }
  const int32_t step = Ahead(natural, last_timestamp());
  const auto most = static_cast<int32_t>(TicksIn(kMaxCorrection, clock_rate_));
  const int32_t room = follows ? step - 1 : step - step / TimeBends::kMinPart;
  const int32_t back =
      excess_ > 0 ? std::clamp(std::min(room, excess_), 0, most) : std::max(excess_, -most);
  if (back == 0) return std::nullopt;
  excess_ -= back;
  return offset - static_cast<uint32_t>(back);
}

}  // namespace sluice::worker
