#include "worker/media/send_stream.h"

#include <algorithm>
#include <cstring>

#include "worker/core/rtp/patched_payloads.h"
#include "worker/wire/payload_descriptor.h"
#include "worker/wire/rtp_packet.h"

namespace sluice::worker {

namespace {

constexpr size_t kOriginalSequence = 2;  // bytes before the payload of an RTX packet, RFC 4588 §4
constexpr uint8_t kPaddingBit = 0x20;    // RFC 3550 §5.1, in the first byte
/// A packet of padding: its last byte says how many there are.
constexpr uint8_t kPadding[] = {1};

bool Renumbers(const DescriptorRewrite& rewrite) {
  return (rewrite.frame_number | rewrite.template_id) != 0;
}

bool HasPictureIds(CodecKind codec) { return codec == CodecKind::kVp8 || codec == CodecKind::kVp9; }

}  // namespace

SendStream::SendStream(const ConsumerSettings& settings, const OutputStreamSettings& stream,
                       const First& first, RtpEgress& egress)
    : egress_(egress),
      patches_payload_(HasPictureIds(settings.codec)),
      joins_layers_(settings.joins_layers && settings.codec == CodecKind::kAv1),
      renumbers_pictures_(settings.codec == CodecKind::kVp8),
      has_key_frames_(HasKeyFrames(settings.codec)),
      may_join_layers_(settings.joins_layers),
      takes_red_(stream.params.red_payload_type.has_value()),
      has_own_type_(settings.source_payload_type.has_value()),
      uses_rtx_(stream.uses_rtx),
      packet_kind_(stream.params.mime_type.starts_with("audio/") ? PacketKind::kAudio
                                                                 : PacketKind::kVideo),
      fixes_time_(stream.plain_retransmission &&
                  settings.extension_ids[static_cast<size_t>(RtpExtensionUri::kAbsSendTime)] != 0),
      payload_type_(stream.params.payload_type),
      rtx_payload_type_(stream.params.rtx_payload_type.value_or(0)),
      next_rtx_(first.rtx.value()),
      ssrc_(stream.params.ssrc),
      rtx_ssrc_(stream.params.rtx_ssrc.value_or(0)),
      continuity_(stream.params.clock_rate),
      writer_(ssrc_, settings.mid, settings.extension_ids, settings.extmap_allow_mixed),
      rewriter_(first.own),
      rtx_writer_(rtx_ssrc_, settings.mid, settings.extension_ids, settings.extmap_allow_mixed) {
  if (!stream.uses_fec) return;
  fec_ = std::make_unique<FecStream>(Ssrc(*stream.params.fec_ssrc),
                                     PayloadType(*stream.params.fec_payload_type), first.fec,
                                     settings.mid, settings.extension_ids);
}

void SendStream::EndTurn(Timestamp now) {
  if (turn_packets_ == 0) return;
  statistics_.OnMediaSent(turn_packets_, turn_bytes_, turn_payload_bytes_, now);
  guard_.OnMediaSent(turn_bytes_);
  turn_packets_ = 0;
  turn_bytes_ = 0;
  turn_payload_bytes_ = 0;
}

void SendStream::Start(const RoutedPacket& packet, bool after_break, uint64_t arrival) {
  // A number left out tells the receiver that the frame it holds will not be completed.
  const bool leave_gap =
      after_break && has_key_frames_ && continuity_.sent_any() && !continuity_.last_marker();
  LeaveSource();
  RewriteOffsets offsets = continuity_.Begin(packet, capture_clock_);
  offsets.began_at = static_cast<uint32_t>(arrival);
  rewriter_.Start(packet.sequence, offsets, leave_gap);
}

void SendStream::Renumber(const RoutedPacket& packet) {
  RewriteOffsets offsets = continuity_.Begin(packet, capture_clock_);
  offsets.began_at = static_cast<uint32_t>(packet.arrival);
  rewriter_.Start(packet.sequence, offsets, false);
}

void SendStream::LeaveSource() {
  if (!rewriter_.started()) return;
  const uint8_t source = rewriter_.offsets().source;
  if (source < left_at_.size()) left_at_[source] = rewriter_.newest().value();
}

void SendStream::Stop() {
  LeaveSource();
  rewriter_.ClearHistory();
  bends_.Clear();
  padded_.clear();
  oldest_padded_ = 0;
  if (fec_ != nullptr) fec_->Clear();
  guard_.Clear();
}

void SendStream::ChangeCodec(CodecKind codec, const RtpStreamParams& params) {
  patches_payload_ = HasPictureIds(codec);
  joins_layers_ = may_join_layers_ && codec == CodecKind::kAv1;
  renumbers_pictures_ = codec == CodecKind::kVp8;
  has_key_frames_ = HasKeyFrames(codec);
  payload_type_ = PayloadType(params.payload_type);
  rtx_payload_type_ = PayloadType(params.rtx_payload_type.value_or(0));
  takes_red_ = params.red_payload_type.has_value();
  continuity_.SetClockRate(params.clock_rate);
  LeaveSource();
  rewriter_.ClearHistory();
  bends_.Clear();
}

/// Defined before those who call it, for each packet.
[[gnu::always_inline]] inline void SendStream::Write(
    const RoutedPacket& packet, const RtpHeaderWriter& writer, std::span<const uint8_t> descriptor,
    const RewriteOffsets& offsets, RtpHeaderWriter::Fields& fields, OutgoingRtp* out) {
  if (fixes_time_) fields.abs_send_time = AbsSendTimeFromMicros(packet.received_at.us());
  out->header_size = writer.Write(out->slot, fields, packet.extensions, descriptor, &out->stamps);
  if (fixes_time_) out->stamps.abs_send_time_at = 0;
  if (out->stamps.descriptor_at != 0 && Renumbers(offsets.descriptor) && RenumbersInPlace(packet)) {
    RenumberDescriptor(out->slot + out->stamps.descriptor_at, *packet.frame.descriptor,
                       offsets.descriptor);
  }
  last_sent_.header_size = static_cast<uint32_t>(out->header_size);
  last_sent_.payload_type = fields.payload_type.value();
  last_sent_.sequence = fields.sequence;
  last_sent_.timestamp = fields.timestamp;
  last_sent_.marker = fields.marker;
}

/// What changes with this packet and those behind it: highest layer, active targets, time.
bool SendStream::ApplyChanges(const RoutedPacket& packet, const Layers& layers) {
  if (!rewriter_.started()) return true;
  if (!rewriter_.IsAhead(packet.sequence)) [[unlikely]]
    return ApplyToLate(packet, layers);
  RewriteOffsets offsets = rewriter_.offsets();
  offsets.top_layer = layers.top;
  offsets.descriptor.active_targets = layers.active_targets;
  if (!continuity_.aligned() && packet.timestamp != continuity_.last_source_timestamp()) {
    if (const auto time = CorrectedTime(packet, offsets.timestamp)) offsets.timestamp = *time;
  }
  if (offsets != rewriter_.offsets()) rewriter_.ChangeOffsets(packet.sequence, offsets);
  return true;
}

/// Of the first packet of a picture that is sent.
std::optional<uint32_t> SendStream::CorrectedTime(const RoutedPacket& packet, uint32_t offset) {
  const bool follows = Follows(packet);
  if (!follows && !bends_.HasRoom(packet.received_at)) return std::nullopt;
  const auto corrected = continuity_.Correction(packet, offset, capture_clock_, follows);
  if (corrected && !follows) {
    bends_.Add({rewriter_.offsets().began_at, packet.sequence, packet.timestamp, *corrected,
                continuity_.last_source_timestamp(), offset, packet.received_at});
  }
  return corrected;
}

bool SendStream::ApplyToLate(const RoutedPacket& packet, const Layers& layers) {
  // Frames above it may have come before it and were left out: then it ends the picture.
  if (packet.frame.end) rewriter_.ChangeTopOfLate(packet.sequence, layers.top);
  const uint32_t source = rewriter_.offsets().began_at;
  const auto time = bends_.OffsetOf(source, packet.sequence, packet.timestamp);
  return !time || rewriter_.ChangeTimeOfLate(packet.sequence, *time);
}

std::span<const uint8_t> SendStream::RewrittenDescriptor(const RoutedPacket& packet,
                                                         const RewriteOffsets& offsets,
                                                         uint32_t targets, DescriptorRoom* room) {
  const auto own = packet.extensions.dependency_descriptor;
  const DependencyDescriptor& descriptor = *packet.frame.descriptor;
  DescriptorRewrite rewrite = offsets.descriptor;
  rewrite.active_targets = targets;
  const size_t size = RewriteDescriptor(own, descriptor, rewrite, *room);
  return std::span<const uint8_t>(*room).first(size);
}

SendStream::Outcome SendStream::Send(const RoutedPacket& packet, const Layers& layers) {
  if (layers.top != RewriteOffsets::kNoLayer || !continuity_.aligned()) {
    if (!FollowsAlike(packet, layers) && !ApplyChanges(packet, layers)) return Outcome::kTooLate;
  }
  const SequenceRewriter::Mapped mapped = rewriter_.Map(packet.sequence);
  if (!mapped) return Outcome::kTooLate;
  const RewriteOffsets& offsets = *mapped.offsets;
  const bool marker = MarkerOf(packet, offsets);
  if (mapped.newest) [[likely]] {
    continuity_.OnSent(packet, offsets, marker);
  } else {
    continuity_.OnSentLate(packet, offsets, marker);
  }
  RtpHeaderWriter::Fields fields;
  fields.payload_type = TypeOf(packet.payload_type);
  const uint8_t* payload = packet.payload.data();
  size_t payload_size = packet.payload.size();
  if (packet.is_redundant()) [[unlikely]] {
    const Content content = ContentOf(packet);
    fields.payload_type = content.payload_type;
    payload = content.payload.data();
    payload_size = content.payload.size();
  }
  DescriptorRoom room;
  const auto descriptor = DescriptorOf(packet, offsets, &room);
  Av1Joint joint;
  if (joins_layers_) [[unlikely]]
    joint = JointOf(packet, offsets, marker);
  const size_t growth = joint ? kMaxAv1JoinGrowth : 0;
  uint8_t* slot = egress_.BeginRtp(writer_.MaxSize(descriptor) + payload_size + growth);
  if (slot == nullptr) return Outcome::kRefused;

  fields.marker = marker;
  fields.sequence = SeqNumber(static_cast<uint16_t>(mapped.own));
  fields.timestamp = RtpTimestamp(packet.timestamp.value() + offsets.timestamp);
  OutgoingRtp out;
  out.slot = slot;
  out.kind = packet_kind_;
  Write(packet, writer_, descriptor, offsets, fields, &out);
  last_sent_.ssrc = ssrc_;
  const size_t header_size = out.header_size;
  if (fec_ != nullptr) [[unlikely]] {
    RewriteOffsets none;
    none.source = offsets.source;
    none.began_at = offsets.began_at;
    fec_->OnMediaSent(packet, fields.sequence, {slot, header_size}, out.stamps,
                      offsets == none && marker == packet.marker && !joint);
  }

  if (NeedsPatch(packet, offsets)) {
    const uint8_t* patched =
        packet.patched == nullptr ? nullptr : packet.patched->Get(packet, offsets);
    if (patched == nullptr) {
      uint8_t* copy = slot + header_size;
      std::memcpy(copy, payload, payload_size);
      PatchPayload({copy, payload_size}, packet, offsets);
      patched = copy;
    }
    payload = patched;
  } else if (joint) [[unlikely]] {
    payload = slot + header_size;
    payload_size = JoinAv1(packet.payload, joint, slot + header_size);
  }
  out.payload = {payload, payload_size};
  last_sent_.transport_sequence = egress_.EndRtp(out);
  if (last_sent_.transport_sequence == RtpEgress::kNotSent) [[unlikely]]
    return Outcome::kRefused;
  ++turn_packets_;
  turn_bytes_ += header_size + payload_size;
  turn_payload_bytes_ += payload_size;
  last_sent_.payload_size = static_cast<uint32_t>(payload_size);
  return Outcome::kSent;
}

void SendStream::SendPadding(const RoutedPacket& packet) {
  const SeqNumber next = rewriter_.next_own();
  const SequenceRewriter::Mapped mapped = rewriter_.Map(packet.sequence);
  if (!mapped) return;  // from before the start of the source
  const SeqNumber padded(static_cast<uint16_t>(mapped.own));
  if (mapped.newest && (padded != next || behind_hole_ == padded)) behind_hole_ = padded + 1;
  // Nothing of a frame's descriptor: the receiver does not get that frame.
  uint8_t* slot = egress_.BeginRtp(writer_.MaxSize(std::span<const uint8_t>()) + sizeof(kPadding));
  if (slot == nullptr) return;
  RtpHeaderWriter::Fields fields;
  fields.payload_type = payload_type_;
  fields.sequence = SeqNumber(static_cast<uint16_t>(mapped.own));
  fields.timestamp = RtpTimestamp(packet.timestamp.value() + mapped.offsets->timestamp);
  OutgoingRtp out;
  out.slot = slot;
  out.kind = packet_kind_;
  out.rtp_class = RtpClass::kPadding;
  Write(packet, writer_, {}, *mapped.offsets, fields, &out);
  slot[0] |= kPaddingBit;
  uint8_t* body = slot + out.header_size;
  std::memcpy(body, kPadding, sizeof(kPadding));
  out.payload = {body, sizeof(kPadding)};
  if (egress_.EndRtp(out) == RtpEgress::kNotSent) return;
  ++turn_packets_;
  turn_bytes_ += last_sent_.header_size + sizeof(kPadding);
  RememberPadded(fields.sequence);
}

void SendStream::RememberPadded(SeqNumber own) {
  if (padded_.size() < kMaxPadded) {
    if (padded_.empty()) padded_.reserve(kMaxPadded);
    padded_.push_back(own);
    return;
  }
  padded_[oldest_padded_] = own;
  oldest_padded_ = (oldest_padded_ + 1) % kMaxPadded;
}

bool SendStream::WasPadded(SeqNumber own) const {
  return std::find(padded_.begin(), padded_.end(), own) != padded_.end();
}

SendStream::Outcome SendStream::Resend(const SequenceRewriter::Origin& origin,
                                       const RoutedPacket& packet, bool was_skipped,
                                       Timestamp now) {
  const Outcome outcome = Repeat(origin, packet, was_skipped, RtpClass::kRetransmission);
  if (outcome != Outcome::kSent) return outcome;
  guard_.Spend(last_sent_.header_size + last_sent_.payload_size);
  statistics_.OnResent(guard_.MarkSent(SeqNumber(static_cast<uint16_t>(origin.own)), now));
  return outcome;
}

SendStream::Outcome SendStream::SendAsPadding(const SequenceRewriter::Origin& origin,
                                              const RoutedPacket& packet) {
  return Repeat(origin, packet, false, RtpClass::kProbation);
}

SendStream::Outcome SendStream::Repeat(const SequenceRewriter::Origin& origin,
                                       const RoutedPacket& packet, bool was_skipped,
                                       RtpClass rtp_class) {
  const SeqNumber own(static_cast<uint16_t>(origin.own));
  if (WasPadded(own)) {
    was_skipped = true;
  } else if (!was_skipped && !uses_rtx_ && padded_.size() == kMaxPadded &&
             IsNewer(padded_[oldest_padded_], own)) {
    return Outcome::kTooLate;  // it may have been: no number may have two contents
  }
  const RtpHeaderWriter& writer = uses_rtx_ ? rtx_writer_ : writer_;
  const size_t prefix = uses_rtx_ ? kOriginalSequence : 0;
  const Content content = ContentOf(packet);
  std::span<const uint8_t> payload = content.payload;
  if (was_skipped) payload = uses_rtx_ ? std::span<const uint8_t>() : kPadding;
  RewriteOffsets offsets = origin.offsets;
  if (!was_skipped) {
    // It may not have been sent while its source was, and nothing has been put right for it.
    const auto time = bends_.OffsetOf(offsets.began_at, packet.sequence, packet.timestamp);
    if (time) offsets.timestamp = *time;
  }
  DescriptorRoom room;
  std::span<const uint8_t> descriptor;
  if (!was_skipped) descriptor = DescriptorOf(packet, offsets, &room);
  RtpHeaderWriter::Fields fields;
  fields.marker = !was_skipped && MarkerOf(packet, offsets);
  Av1Joint joint;
  if (!was_skipped) joint = JointOf(packet, offsets, fields.marker);
  const size_t room_for_payload = prefix + payload.size() + (joint ? kMaxAv1JoinGrowth : 0);
  uint8_t* slot = egress_.BeginRtp(writer.MaxSize(descriptor) + room_for_payload);
  if (slot == nullptr) return Outcome::kRefused;

  fields.payload_type = was_skipped ? payload_type_ : content.payload_type;
  if (uses_rtx_) fields.payload_type = rtx_payload_type_;
  fields.sequence = uses_rtx_ ? SeqNumber(next_rtx_) : own;
  fields.timestamp = RtpTimestamp(packet.timestamp.value() + offsets.timestamp);
  OutgoingRtp out;
  out.slot = slot;
  out.kind = packet_kind_;
  out.rtp_class = rtp_class;
  out.same_bytes_again = !uses_rtx_;
  Write(packet, writer, descriptor, offsets, fields, &out);
  last_sent_.ssrc = uses_rtx_ ? rtx_ssrc_ : ssrc_;

  // Copied: the ring may let go of the packet before the turn ends.
  uint8_t* copy = slot + out.header_size;
  if (uses_rtx_) {
    copy[0] = static_cast<uint8_t>(own.value() >> 8);
    copy[1] = static_cast<uint8_t>(own.value());
  }
  size_t size = payload.size();
  if (joint) {
    size = JoinAv1(payload, joint, copy + prefix);
  } else if (size > 0) {
    std::memcpy(copy + prefix, payload.data(), size);
  }
  if (was_skipped) {
    if (!uses_rtx_) slot[0] |= kPaddingBit;
  } else if (NeedsPatch(packet, offsets)) {
    PatchPayload({copy + prefix, payload.size()}, packet, offsets);
  }
  out.payload = {copy, prefix + size};
  last_sent_.transport_sequence = egress_.EndRtp(out);
  // A number that does not leave would look lost.
  if (last_sent_.transport_sequence == RtpEgress::kNotSent) return Outcome::kRefused;
  if (uses_rtx_) ++next_rtx_;
  last_sent_.payload_size = static_cast<uint32_t>(prefix + size);
  return Outcome::kSent;
}

}  // namespace sluice::worker
