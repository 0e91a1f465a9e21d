#include <algorithm>
#include <utility>

#include "worker/core/prefetch.h"
#include "worker/core/rtp/packet_ring.h"
#include "worker/media/consumer_impl.h"

// The packet path of a Consumer: what comes from the producer, and what receivers ask for again.
namespace sluice::worker {

namespace {
constexpr size_t kEgressBytes = 128;  // of a PacedSender: all of it
}  // namespace

void Consumer::PrefetchStep(size_t step) const {
  switch (step) {
    case 0:
      return Prefetch(impl_.get(), Impl::kHotBytes);
    case 1:
      Prefetch(impl_->forwarder.get());
      Prefetch(&impl_->egress, kEgressBytes);
      return impl_->outputs.front().send.PrefetchRest();
    case 2:
      return impl_->egress.PrefetchPath();
    default:
      return impl_->egress.PrefetchKeys(impl_->outputs.front().send.ssrc());
  }
}

void Consumer::OnPackets(std::span<const RoutedPacket* const> packets, Timestamp now) {
  Impl& impl = *impl_;
  if (!impl.active) return;
  if (impl.forwarder->awaits_key_frame()) {
    const size_t in_vain = impl.CountAwaited(packets);
    looked_at_ += in_vain;
    packets = packets.subspan(in_vain);
    if (packets.empty()) return impl.AskForKeyFrames(now);
  }
  for (const RoutedPacket* packet : packets) {
    impl.Forward(*packet, now);
    if (packet->completes_others && !impl.held.empty()) [[unlikely]]
      impl.SendHeld(*packet, now);
  }
  for (Impl::Output& output : impl.outputs) output.send.EndTurn(now);
  if (!impl.has_layers) return;
  if (const auto due = impl.policy.next_update(); due && *due <= now) impl.UpdateTarget(now);
  impl.AskForKeyFrames(now);
  // What else it follows from is told by the producer.
  const auto current = impl.forwarder->current();
  if (current == impl.seen_current && impl.reported_layers) return;
  impl.seen_current = current;
  impl.ReportLayers();
}

/// How many packets at the front cannot end the wait for a key frame. Nothing is kept of them:
/// those that turn out to belong to the key frame stand in the producer's ring.
size_t Consumer::Impl::CountAwaited(std::span<const RoutedPacket* const> packets) const {
  size_t count = 0;
  while (count < packets.size() && !packets[count]->frame.key &&
         packets[count]->codec_epoch == codec_epoch) {
    ++count;
  }
  return count;
}

void Consumer::Impl::Forward(const RoutedPacket& packet, Timestamp now) {
  if (packet.padding_only) return Drop(packet);
  if (packet.codec_epoch != codec_epoch) [[unlikely]]
    EnterCodec(packet);
  if (const auto counter = Unwanted(packet)) {
    ++(counters.*counter);
    return Drop(packet);
  }
  const ForwardDecision decision = forwarder->Decide(packet);
  switch (decision.action) {
    case ForwardDecision::Action::kForward:
      break;
    case ForwardDecision::Action::kDrop:
      return Drop(packet);
    case ForwardDecision::Action::kDropPicture:
      return Drop(packet, /*closes_picture=*/true);
    case ForwardDecision::Action::kHold:
      return Hold(packet);
    case ForwardDecision::Action::kWait:
      if (!has_layers) AskForKeyFrames(now);  // else at the end of the turn
      return;
    case ForwardDecision::Action::kWaitBegun:
      return StartWithOvertaker(packet, now);
  }
  SendStream& stream = outputs[decision.stream].send;
  switch (decision.rewrite) {
    case ForwardDecision::Rewrite::kContinue:
      if (stream.IsJump(packet)) [[unlikely]]
        stream.Renumber(packet);
      return Send(stream, packet, decision.layers);
    case ForwardDecision::Rewrite::kRenumber:
      stream.Renumber(packet);
      return Send(stream, packet, decision.layers);
    case ForwardDecision::Rewrite::kSwitch:
    case ForwardDecision::Rewrite::kStart:
      return Start(packet, decision, packet.arrival, now);
  }
}

void Consumer::Impl::Start(const RoutedPacket& packet, const ForwardDecision& decision,
                           uint64_t newest_arrival, Timestamp now) {
  SendStream& stream = outputs[decision.stream].send;
  held.clear();
  Begin(stream, packet, decision, now);
  if (packet.frame.key || has_layers) SendOvertakers(stream, packet, newest_arrival, now);
}

/// The key frame's own packet is not for this receiver, but packets that overtook it may be.
void Consumer::Impl::StartWithOvertaker(const RoutedPacket& key, Timestamp now) {
  const PacketRing* ring = producer->ring(key.encoding_index);
  if (ring == nullptr) return;
  for (int64_t ahead = 1; ahead < kMaxOvertakers; ++ahead) {
    const RoutedPacket* packet = ring->Find(ExtendedSeqNumber(key.sequence.value() + ahead), now);
    if (packet == nullptr || packet->arrival > key.arrival || packet->padding_only) continue;
    if (packet->codec_epoch != key.codec_epoch || Unwanted(*packet)) continue;
    const ForwardDecision decision = forwarder->Decide(*packet);
    if (decision.action != ForwardDecision::Action::kForward) continue;
    return Start(*packet, decision, key.arrival, now);
  }
}

/// The packets of parameter sets were not known to belong to a key frame when they came.
void Consumer::Impl::Begin(SendStream& stream, const RoutedPacket& packet,
                           const ForwardDecision& decision, Timestamp now) {
  const bool after_break = decision.rewrite == ForwardDecision::Rewrite::kStart;
  const int64_t in_front = packet.info.packets_in_front;
  const PacketRing* ring = in_front > 0 ? producer->ring(packet.encoding_index) : nullptr;
  bool started = false;
  for (int64_t distance = in_front; ring != nullptr && distance > 0; --distance) {
    const RoutedPacket* before =
        ring->Find(ExtendedSeqNumber(packet.sequence.value() - distance), now);
    if (before == nullptr) continue;  // follows if it still comes
    const bool left_out = before->padding_only || before->codec_epoch != packet.codec_epoch ||
                          Unwanted(*before) != nullptr;
    if (!std::exchange(started, true)) stream.Start(*before, after_break);
    if (left_out) {
      stream.Skip(*before);
    } else {
      Send(stream, *before, decision.layers);
    }
  }
  if (!started) stream.Start(packet, after_break);
  Send(stream, packet, decision.layers);
}

uint64_t ConsumerCounters::*Consumer::Impl::Unwanted(const RoutedPacket& packet) const {
  if (!payload_types[packet.payload_type.value() & 0x7f]) {
    // Of redundant audio the primary block will do, if there is one.
    const bool has_primary = packet.is_redundant() && !packet.primary().empty() &&
                             payload_types[packet.primary_type.value() & 0x7f];
    if (!has_primary) return &ConsumerCounters::unsupported_payload;
  }
  // An offset of 0 is that of a packet without redundancy.
  if (ignore_dtx && IsOpusDtx(packet.primary())) return &ConsumerCounters::dtx_dropped;
  return nullptr;
}

/// Closes the gap in the numbers of the stream that the packet would have gone out with.
void Consumer::Impl::Drop(const RoutedPacket& packet, bool closes_picture) {
  if (forwarder->awaits_key_frame()) return;
  const bool one_each = outputs.size() > 1;
  if (one_each ? packet.encoding_index >= outputs.size()
               : packet.encoding_index != forwarder->current_encoding()) {
    return;  // of an encoding that is not being sent
  }
  outputs[one_each ? packet.encoding_index : 0].send.Skip(packet, closes_picture);
}

void Consumer::Impl::Hold(const RoutedPacket& packet) {
  if (held.size() == kMaxHeld) held.erase(held.begin());
  held.push_back(packet.sequence);
}

void Consumer::Impl::SendHeld(const RoutedPacket& completed, Timestamp now) {
  if (completed.encoding_index != forwarder->current_encoding()) return;
  SendStream& stream = outputs.front().send;
  const PacketRing* ring = producer->ring(completed.encoding_index);
  for (const ExtendedSeqNumber sequence : std::exchange(held, {})) {
    const RoutedPacket* packet = ring == nullptr ? nullptr : ring->Find(sequence, now);
    if (packet != nullptr) SendJudged(stream, *packet);  // or it is held on
  }
}

void Consumer::Impl::SendJudged(SendStream& stream, const RoutedPacket& packet) {
  const ForwardDecision decision = forwarder->Decide(packet);
  switch (decision.action) {
    case ForwardDecision::Action::kForward:
      return Send(stream, packet, decision.layers);
    case ForwardDecision::Action::kHold:
      return Hold(packet);
    case ForwardDecision::Action::kDropPicture:
      return stream.Skip(packet, /*closes_picture=*/true);
    case ForwardDecision::Action::kDrop:
    case ForwardDecision::Action::kWait:
    case ForwardDecision::Action::kWaitBegun:
      return stream.Skip(packet);
  }
}

void Consumer::Impl::EnterCodec(const RoutedPacket& packet) {
  codec_epoch = packet.codec_epoch;
  // One that this receiver does not have is left out, but what follows it must begin anew, too.
  ChangeCodec(packet.payload_type, &settings);
  forwarder->ChangeCodec(settings.codec);
  for (size_t i = 0; i < outputs.size(); ++i) {
    outputs[i].send.ChangeCodec(settings.codec, settings.streams[i].params);
  }
}

bool Consumer::takes_fec() const { return impl_->outputs.front().send.fec() != nullptr; }

void Consumer::OnFec(const FecPacket& packet) {
  Impl& impl = *impl_;
  const bool one_each = impl.outputs.size() > 1;
  if (!impl.active || impl.forwarder->awaits_key_frame()) return;
  if (one_each ? packet.encoding_index >= impl.outputs.size()
               : packet.encoding_index != impl.forwarder->current_encoding()) {
    return;  // of an encoding that is not being sent
  }
  SendStream& stream = impl.outputs[one_each ? packet.encoding_index : 0].send;
  if (!stream.SendFec(packet)) ++impl.counters.fec_unfit;
}

void Consumer::Impl::Send(SendStream& stream, const RoutedPacket& packet,
                          const SendStream::Layers& layers) {
  switch (stream.Send(packet, layers)) {
    case SendStream::Outcome::kSent:
      if (traces != 0) [[unlikely]]
        TracePacket(stream, packet, stream.last_sent().marker, false);
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
void Consumer::Impl::SendOvertakers(SendStream& stream, const RoutedPacket& first,
                                    uint64_t newest_arrival, Timestamp now) {
  const PacketRing* ring = producer->ring(first.encoding_index);
  if (ring == nullptr) return;
  for (int64_t ahead = 1; ahead < kMaxOvertakers; ++ahead) {
    const RoutedPacket* packet = ring->Find(ExtendedSeqNumber(first.sequence.value() + ahead), now);
    if (packet == nullptr || packet->arrival > newest_arrival) continue;
    if (packet->padding_only || packet->codec_epoch != first.codec_epoch || Unwanted(*packet)) {
      stream.Skip(*packet);
      continue;
    }
    SendJudged(stream, *packet);
  }
}

void Consumer::OnNack(size_t stream, std::span<const rtcp::NackItem> items, Timestamp now) {
  Impl& impl = *impl_;
  if (!impl.active) return;
  Impl::Output& output = impl.outputs[stream];
  ++output.nack_count;
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
      ++output.nack_packet_count;
      if (!impl.Repair(stream, item.packet_id + offset, now)) return;
    }
  }
}

bool Consumer::Impl::Repair(size_t index, SeqNumber own, Timestamp now) {
  const OutputStreamSettings& output = settings.streams[index];
  if (!output.params.use_nack) return true;
  SendStream& stream = outputs[index].send;
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
  if (packet == nullptr || !forwarder->IsReadable(*packet)) {
    ++counters.nack_missing;
    return true;
  }
  const bool can_repeat =
      output.uses_rtx ? output.params.rtx_payload_type.has_value() : output.plain_retransmission;
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
  // What was not to be sent, but came too late to close its gap.
  const bool skipped = packet->padding_only || Unwanted(*packet) != nullptr;
  if (stream.Resend(*origin, *packet, skipped, now) == SendStream::Outcome::kRefused) {
    ++counters.refused;
    return true;
  }
  if (traces != 0) [[unlikely]]
    TracePacket(stream, *packet, stream.last_sent().marker, output.uses_rtx);
  return true;
}

void Consumer::Impl::TracePacket(const SendStream& stream, const RoutedPacket& packet, bool marker,
                                 bool is_rtx) {
  const bool key_frame =
      packet.info.key_frame && (traces & TraceBit(ConsumerTraceType::kKeyFrame)) != 0;
  if (!key_frame && (traces & TraceBit(ConsumerTraceType::kRtp)) == 0) return;
  const SendStream::Sent& sent = stream.last_sent();
  RtpPacketReport report;
  report.payload_type = sent.payload_type;
  report.sequence_number = sent.sequence.value();
  report.timestamp = sent.timestamp.value();
  report.marker = marker;
  report.ssrc = sent.ssrc.value();
  report.is_key_frame = packet.info.key_frame;
  report.size = sent.header_size + sent.payload_size;
  report.payload_size = sent.payload_size;
  report.spatial_layer = packet.info.spatial_layer;
  report.temporal_layer = packet.info.temporal_layer;
  if (settings.extension_ids[static_cast<size_t>(RtpExtensionUri::kMid)] != 0) {
    report.mid = settings.mid;
  }
  if (sent.transport_sequence != RtpEgress::kNoNumber) {
    report.wide_sequence_number = static_cast<uint16_t>(sent.transport_sequence);
  }
  TraceReport trace;
  trace.type = key_frame ? TraceReport::Type::kKeyFrame : TraceReport::Type::kRtp;
  trace.timestamp_ms = environment.Now().ms();
  trace.incoming = false;
  trace.is_rtx = is_rtx;
  trace.rtp_packet = std::move(report);
  events.OnConsumerTrace(id, trace);
}

}  // namespace sluice::worker
