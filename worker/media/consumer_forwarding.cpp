#include <algorithm>
#include <utility>

#include "worker/core/prefetch.h"
#include "worker/core/rtp/packet_ring.h"
#include "worker/media/consumer_impl.h"

// The packet path of a Consumer: what comes from the producer, and what receivers ask for again.
namespace sluice::worker {

namespace {
constexpr size_t kEgressBytes = 128;  // of a PacedSender: all of it

bool IsSameFrame(const RoutedPacket& a, const RoutedPacket& b) {
  return a.timestamp == b.timestamp && a.frame.spatial_layer == b.frame.spatial_layer;
}
}  // namespace

void Consumer::PrefetchStep(size_t step) const {
  switch (step) {
    case 0:
      return Prefetch(impl_.get(), Impl::kHotBytes);
    case 1:
      Prefetch(impl_->forwarder.get(), LayerForwarder::kHotBytes);
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
  if (!impl.forwarder->runs() && impl.forwarder->awaits_key_frame()) {
    const size_t in_vain = impl.CountAwaited(packets);
    looked_at_ += in_vain;
    packets = packets.subspan(in_vain);
    if (packets.empty()) return impl.AskForKeyFrames(now);
  }
  while (!packets.empty()) packets = packets.subspan(impl.Forward(packets, now));
  for (Impl::Output& output : impl.outputs) output.send.EndTurn(now);
  if (!impl.has_layers) {
    if (impl.is_limited || impl.waited) [[unlikely]]
      impl.FinishSimpleTurn(now);
    return;
  }
  const bool same = impl.forwarder->EndTurn();
  if (same && impl.settled) [[likely]]
    return;
  impl.FinishTurn(now);
}

void Consumer::Impl::FinishSimpleTurn(Timestamp now) {
  waited = false;
  if (is_limited) {
    if (const auto due = pipe_policy->next_update(); due && *due <= now) UpdatePipe(now);
  }
  AskForKeyFrames(now);
}

void Consumer::Impl::FinishTurn(Timestamp now) {
  if (const auto due = policy.next_update(); due && *due <= now) UpdateTarget(now);
  AskForKeyFrames(now);
  // What else it follows from is told by the producer.
  const auto current = forwarder->current();
  if (current != seen_current || !reported_layers) {
    seen_current = current;
    ReportLayers();
  }
  settled = key_frames_asked == 0 && reported_layers && !policy.next_update();
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

// Defined before those who call them, for each packet.
/// Of what is being sent, and one behind the other.
[[gnu::always_inline]] inline void Consumer::Impl::DropRun(
    std::span<const RoutedPacket* const> packets, bool closes_picture) {
  SendStream& stream = outputs.front().send;
  if (stream.SkipRun(*packets.front(), packets.size(), closes_picture)) [[likely]]
    return;
  for (const RoutedPacket* packet : packets) {
    stream.Skip(*packet, std::exchange(closes_picture, false));
  }
}

[[gnu::always_inline]] inline size_t Consumer::Impl::ForwardRun(
    std::span<const RoutedPacket* const> packets, const LayerDecision& decision) {
  const RoutedPacket& packet = *packets.front();
  SendStream& stream = outputs.front().send;
  const size_t run = decision.run;
  const bool together = run > 0 && run < packets.size() && forwarder->TakeRun(run, *packets[run]);
  const size_t count = together ? run + 1 : 1;
  switch (decision.verdict) {
    case LayerFilter::Verdict::kForward: {
      if (stream.IsJump(packet)) [[unlikely]]
        stream.Renumber(packet);
      const SendStream::Layers layers{decision.top, decision.active_targets};
      for (const RoutedPacket* each : packets.first(count)) Send(stream, *each, layers);
      return count;
    }
    case LayerFilter::Verdict::kDrop:
      DropRun(packets.first(count), false);
      return count;
    case LayerFilter::Verdict::kDropPicture:
      DropRun(packets.first(count), true);
      return count;
    case LayerFilter::Verdict::kUnreadable:
      Hold(packet);
      return 1;
  }
  return 1;
}

size_t Consumer::Impl::ForwardRuns(std::span<const RoutedPacket* const> packets,
                                   const LayerDecision& first) {
  const LayerDecision* decision = &first;
  size_t count = 0;
  do {
    const bool goes_on = decision->goes_on;
    count += ForwardRun(packets.subspan(count), *decision);
    if (!goes_on || count == packets.size()) break;
    decision = forwarder->Read(*packets[count]);
  } while (decision != nullptr);
  return count;
}

/// Late for a source that has been left.
bool Consumer::Impl::IsPast(const RoutedPacket& key_frame) const {
  const size_t stream = outputs.size() > 1 ? key_frame.encoding_index : 0;
  return stream < outputs.size() && outputs[stream].send.IsPast(key_frame);
}

size_t Consumer::Impl::Forward(std::span<const RoutedPacket* const> packets, Timestamp now) {
  const RoutedPacket& packet = *packets.front();
  if (packet.padding_only) [[unlikely]] {
    Drop(packet);
    return 1;
  }
  if (packet.codec_epoch != codec_epoch) [[unlikely]]
    EnterCodec(packet);
  if (const auto counter = Unwanted(packet)) [[unlikely]] {
    ++(counters.*counter);
    Drop(packet);
    return 1;
  }
  if (forwarder->passes() && !packet.restarted) [[likely]] {
    SendStream& stream = outputs.front().send;
    if (stream.IsJump(packet)) [[unlikely]]
      stream.Renumber(packet);
    Send(stream, packet, {});
    return 1;
  }
  if (packet.frame.key && IsPast(packet)) [[unlikely]] {
    waited = !has_layers;
    return 1;
  }
  size_t count = 1;
  if (const LayerDecision* decision = forwarder->Read(packet)) [[likely]] {
    count = ForwardRuns(packets, *decision);
  } else {
    ForwardOne(packet, forwarder->Decide(packet), now);
  }
  if (packet.completes_others && !held.empty()) [[unlikely]]
    SendHeld(packet, now);
  return count;
}

void Consumer::Impl::ForwardOne(const RoutedPacket& packet, const ForwardDecision& decision,
                                Timestamp now) {
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
      waited = !has_layers;  // what has layers asks at the end of each turn
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
  if (replay != nullptr) [[unlikely]] {
    // Those behind it follow in their turn; and of other sources what came up to now was sent.
    return Begin(stream, packet, decision, replay->arrival(), now);
  }
  Begin(stream, packet, decision, newest_arrival, now);
  if (packet.frame.key || has_layers) SendOvertakers(stream, packet, newest_arrival, now);
}

/// The key frame's own packet is not for this receiver, but packets that overtook it may be.
void Consumer::Impl::StartWithOvertaker(const RoutedPacket& key, Timestamp now) {
  const PacketRing* ring = producer->ring(key.encoding_index);
  if (ring == nullptr || replay != nullptr) return;
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
                           const ForwardDecision& decision, uint64_t newest_arrival,
                           Timestamp now) {
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
    if (!std::exchange(started, true)) stream.Start(*before, after_break, newest_arrival);
    if (left_out) {
      stream.Skip(*before);
    } else {
      Send(stream, *before, decision.layers);
    }
  }
  if (!started) stream.Start(packet, after_break, newest_arrival);
  Send(stream, packet, decision.layers);
}

uint64_t ConsumerCounters::*Consumer::Impl::WhyUnwanted(const RoutedPacket& packet) const {
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
  switch (stream.SendFec(packet)) {
    case FecStream::Outcome::kSent:
      return;
    case FecStream::Outcome::kUnfit:
      ++impl.counters.fec_unfit;
      return;
    case FecStream::Outcome::kRefused:
      ++impl.counters.refused;
      return;
  }
}

void Consumer::Impl::OnOutcome(SendStream::Outcome outcome, const SendStream& stream,
                               const RoutedPacket& packet) {
  switch (outcome) {
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
  uint64_t missed = 0;
  for (const rtcp::NackItem& item : items) {
    const uint32_t lost = uint32_t{item.following_lost} << 1 | 1;
    for (int offset = 0; offset <= 16; ++offset) {
      if ((lost >> offset & 1) == 0) continue;
      ++output.nack_packet_count;
      ++missed;
      if (!impl.Repair(stream, item.packet_id + offset, now)) return impl.OnMissed(missed, now);
    }
  }
  impl.OnMissed(missed, now);
}

/// All packets of a frame get the same decision: that of those which came in time. Of a frame of
/// which none did, frames that were sent behind it may need it; where there are none it would only
/// have the number of one that was sent in its place.
bool Consumer::Impl::WasLeftOut(const SendStream& stream, const PacketRing& ring,
                                const SequenceRewriter::Origin& origin, const RoutedPacket& packet,
                                Timestamp now) const {
  if (!SendStream::IsTooLateFor(origin, packet)) [[likely]]
    return false;
  const auto came_in_time = [&](int64_t distance) -> const RoutedPacket* {
    const RoutedPacket* other =
        ring.Find(ExtendedSeqNumber(origin.sequence.value() + distance), now);
    if (other == nullptr || SendStream::IsTooLateFor(origin, *other)) return nullptr;
    return other->padding_only || Unwanted(*other) != nullptr ? nullptr : other;
  };
  for (int64_t back = 1; back < kMaxOvertakers; ++back) {
    const RoutedPacket* other = came_in_time(-back);
    if (other == nullptr) continue;
    if (!IsSameFrame(*other, packet)) break;
    return !stream.WasChosen(origin, other->sequence);
  }
  for (int64_t ahead = 1; ahead < kMaxOvertakers; ++ahead) {
    const RoutedPacket* other = came_in_time(ahead);
    if (other == nullptr) continue;
    const bool chosen = stream.WasChosen(origin, other->sequence);
    if (chosen || IsSameFrame(*other, packet)) return !chosen;
  }
  return true;
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
  const RoutedPacket* packet = ring == nullptr ? nullptr : FindToRepair(*ring, *origin, now);
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
  const bool skipped = packet->padding_only || Unwanted(*packet) != nullptr ||
                       WasLeftOut(stream, *ring, *origin, *packet, now);
  if (stream.Resend(*origin, *packet, skipped, now) == SendStream::Outcome::kRefused) {
    ++counters.refused;
    return true;
  }
  if (traces != 0) [[unlikely]]
    TracePacket(stream, *packet, stream.last_sent().marker, output.uses_rtx);
  return true;
}

bool Consumer::SendPadding(Timestamp now) {
  Impl& impl = *impl_;
  const OutputStreamSettings& output = impl.settings.streams.front();
  if (!impl.active || impl.kind != MediaKind::kVideo || !output.uses_rtx) return false;
  SendStream& stream = impl.outputs.front().send;
  // The newest are likeliest to be missed; small ones are not worth their headers.
  constexpr int kNewest = 8;
  constexpr size_t kWorthwhile = 400;
  for (int i = 1; i <= kNewest; ++i) {
    const auto origin = stream.Find(stream.next_own() + -i);
    if (!origin) continue;
    const PacketRing* ring = impl.producer->ring(origin->offsets.source);
    const RoutedPacket* packet = ring == nullptr ? nullptr : ring->Find(origin->sequence, now);
    if (packet == nullptr || packet->padding_only || packet->payload.size() < kWorthwhile ||
        impl.Unwanted(*packet) != nullptr || !impl.forwarder->IsReadable(*packet) ||
        impl.WasLeftOut(stream, *ring, *origin, *packet, now)) {
      continue;
    }
    return stream.SendAsPadding(*origin, *packet) == SendStream::Outcome::kSent;
  }
  return false;
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
  if (sent.transport_sequence < RtpEgress::kNoNumber) {
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
