#include <algorithm>
#include <utility>

#include "worker/core/rtp/packet_ring.h"
#include "worker/media/consumer_impl.h"

// The packet path of a Consumer: what comes from the producer, and what receivers ask for again.
namespace sluice::worker {

void Consumer::OnPackets(std::span<const RoutedPacket* const> packets, Timestamp now) {
  Impl& impl = *impl_;
  if (!impl.active) return;
  if (impl.selector->awaits_key_frame()) {
    packets = packets.subspan(impl.CountAwaited(packets));
    if (packets.empty()) return impl.RepeatKeyFrameRequest(now);
  }
  impl.stream.BeginTurn(now);
  for (const RoutedPacket* packet : packets) impl.Forward(*packet, now);
  impl.stream.EndTurn(now);
}

/// How many packets at the front cannot end the wait for a key frame. Nothing is kept of them:
/// those that turn out to belong to the key frame stand in the producer's ring.
size_t Consumer::Impl::CountAwaited(std::span<const RoutedPacket* const> packets) const {
  size_t count = 0;
  while (count < packets.size() && !packets[count]->info.key_frame &&
         packets[count]->codec_epoch == codec_epoch) {
    ++count;
  }
  return count;
}

void Consumer::Impl::RepeatKeyFrameRequest(Timestamp now) {
  if (now - key_frame_asked_at >= kKeyFrameRetry) AskForKeyFrame(now);
}

void Consumer::Impl::Forward(const RoutedPacket& packet, Timestamp now) {
  if (packet.padding_only || packet.payload.empty()) return stream.Skip(packet);
  if (packet.codec_epoch != codec_epoch) [[unlikely]]
    EnterCodec(packet);
  if (!settings.payload_types[packet.payload_type.value() & 0x7f]) {
    ++counters.unsupported_payload;
    return stream.Skip(packet);
  }
  if (ignore_dtx && IsOpusDtx(packet.payload)) {
    ++counters.dtx_dropped;
    return stream.Skip(packet);
  }
  switch (selector->Decide(packet)) {
    case LayerDecision::kForward:
      if (packet.restarted || stream.IsJump(packet)) stream.Renumber(packet);
      return Send(packet);
    case LayerDecision::kSkip:
      return stream.Skip(packet);
    case LayerDecision::kAwaitKeyFrame:
      return RepeatKeyFrameRequest(now);
    case LayerDecision::kStart:
      stream.Start(packet);
      Send(packet);
      return SendOvertakers(packet, now);
  }
}

void Consumer::Impl::EnterCodec(const RoutedPacket& packet) {
  codec_epoch = packet.codec_epoch;
  // One that this receiver does not have is left out, but what follows it must begin anew, too.
  ChangeCodec(packet.payload_type, &settings);
  selector->ChangeCodec(settings.codec);
  stream.ChangeCodec(settings);
}

void Consumer::Impl::Send(const RoutedPacket& packet) {
  switch (stream.Send(packet)) {
    case SendStream::Outcome::kSent:
      if (traces != 0) [[unlikely]]
        TracePacket(packet, false);
      return;
    case SendStream::Outcome::kTooLate:
      ++counters.too_late;
      return;
    case SendStream::Outcome::kRefused:
      ++counters.refused;
      return;
  }
}

/// Packets that overtook the first one of the key frame follow it, in order. They came before it,
/// so the ring has them; what comes after it is forwarded as it comes.
void Consumer::Impl::SendOvertakers(const RoutedPacket& first, Timestamp now) {
  const PacketRing* ring = producer->ring(first.encoding_index);
  if (ring == nullptr) return;
  for (int64_t ahead = 1; ahead < kMaxOvertakers; ++ahead) {
    const RoutedPacket* packet = ring->Find(ExtendedSeqNumber(first.sequence.value() + ahead), now);
    if (packet == nullptr || packet->arrival > first.arrival) continue;
    if (packet->padding_only || packet->codec_epoch != first.codec_epoch ||
        !settings.payload_types[packet->payload_type.value() & 0x7f]) {
      stream.Skip(*packet);
    } else {
      Send(*packet);
    }
  }
}

void Consumer::OnNack(std::span<const rtcp::NackItem> items, Timestamp now) {
  Impl& impl = *impl_;
  if (!impl.active) return;
  ++impl.nack_count;
  if ((impl.traces & TraceBit(ConsumerTraceType::kNack)) != 0) {
    TraceReport trace;
    trace.type = TraceReport::Type::kNack;
    trace.timestamp_ms = now.ms();
    impl.events.OnConsumerTrace(impl.id, trace);
  }
  for (const rtcp::NackItem& item : items) {
    const uint32_t lost = uint32_t{item.following_lost} << 1 | 1;
    for (int offset = 0; offset <= 16; ++offset) {
      if ((lost >> offset & 1) == 0) continue;
      ++impl.nack_packet_count;
      if (!impl.Repair(item.packet_id + offset, now)) return;
    }
  }
}

bool Consumer::Impl::Repair(SeqNumber own, Timestamp now) {
  if (!settings.stream.use_nack) return true;
  ResendGuard& guard = stream.guard();
  if (!guard.AllowLookup(now)) {
    ++counters.nack_limited;
    return false;
  }
  const auto origin = stream.Find(own);
  if (!origin) {
    ++counters.nack_unknown;
    return true;
  }
  const PacketRing* ring = producer->ring(origin->offsets.source);
  const RoutedPacket* packet = ring == nullptr ? nullptr : ring->Find(origin->sequence, now);
  if (packet == nullptr || packet->padding_only) {
    ++counters.nack_missing;
    return true;
  }
  const bool can_repeat = settings.uses_rtx ? settings.stream.rtx_payload_type.has_value()
                                            : settings.plain_retransmission;
  if (!can_repeat) {
    ++counters.nack_not_repeatable;
    return true;
  }
  const Duration known = stream.statistics().round_trip_time();
  const Duration round_trip = known > Duration::Zero() ? known : ResendGuard::kDefaultRoundTrip;
  if (guard.SentRecently(own, now, round_trip)) {
    ++counters.nack_too_soon;
    return true;
  }
  if (!guard.HasCredit()) {
    ++counters.nack_over_budget;
    return true;
  }
  if (stream.Resend(*origin, *packet, now) == SendStream::Outcome::kRefused) {
    ++counters.refused;
    return true;
  }
  if (traces != 0) [[unlikely]]
    TracePacket(*packet, settings.uses_rtx);
  return true;
}

void Consumer::Impl::TracePacket(const RoutedPacket& packet, bool is_rtx) {
  const bool key_frame =
      packet.info.key_frame && (traces & TraceBit(ConsumerTraceType::kKeyFrame)) != 0;
  if (!key_frame && (traces & TraceBit(ConsumerTraceType::kRtp)) == 0) return;
  const SendStream::Sent& sent = stream.last_sent();
  RtpPacketReport report;
  report.payload_type = sent.payload_type;
  report.sequence_number = sent.sequence.value();
  report.timestamp = sent.timestamp.value();
  report.marker = packet.marker;
  report.ssrc = sent.ssrc.value();
  report.is_key_frame = packet.info.key_frame;
  report.size = sent.header_size + sent.payload_size;
  report.payload_size = sent.payload_size;
  report.spatial_layer = packet.info.spatial_layer;
  report.temporal_layer = packet.info.temporal_layer;
  if (settings.extension_ids[static_cast<size_t>(RtpExtensionUri::kMid)] != 0) {
    report.mid = settings.rtp_parameters.mid;
  }
  report.wide_sequence_number = sent.transport_sequence;
  TraceReport trace;
  trace.type = key_frame ? TraceReport::Type::kKeyFrame : TraceReport::Type::kRtp;
  trace.timestamp_ms = environment.Now().ms();
  trace.incoming = false;
  trace.is_rtx = is_rtx;
  trace.rtp_packet = std::move(report);
  events.OnConsumerTrace(id, trace);
}

}  // namespace sluice::worker
