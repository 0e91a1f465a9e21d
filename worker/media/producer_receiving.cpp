// The way of a packet through a producer: which encoding it is of, what it says, who gets it.

#include <algorithm>
#include <string_view>

#include "common/log.h"
#include "worker/core/prefetch.h"
#include "worker/core/rtp/packet_ring.h"
#include "worker/media/producer_impl.h"

namespace sluice::worker {
namespace {

/// Packets of one turn; more than a socket's receive buffer holds of one sender.
constexpr size_t kMaxTurnPackets = 2048;
/// Packets of groups that are sent again in one turn: of 5 ms, 500 Mbit/s.
constexpr size_t kMaxTurnReplay = 256;
/// FEC packets of one turn.
constexpr size_t kMaxTurnRepair = 256;
/// Consumers between two steps of fetching the memory of one: enough work for an access to memory.
constexpr size_t kPrefetchStride = 2;
/// Timers tick in milliseconds: what has just become too old at one is so for certain.
constexpr Duration kExpirySlack = Duration::Millis(10);

}  // namespace

Producer::ReceiveResult Producer::Impl::OnRtp(const PacketRef& buffer, RtpPacket& packet,
                                              Timestamp received_at) {
  const Ssrc ssrc = packet.ssrc();
  if (ssrc.value() == 0) return ReceiveResult::kDiscarded;  // 0 stands for "none" in parameters
  for (size_t i = 0; i < streams.size(); ++i) {
    ReceiveStream& stream = *streams[i];
    if (stream.ssrc() == ssrc) return OnMedia(stream, i, buffer, packet, received_at);
    if (stream.rtx_ssrc() == ssrc) return OnRetransmission(stream, i, buffer, packet, received_at);
    if (stream.fec_ssrc() == ssrc) return OnRepair(stream, i, buffer, packet, received_at);
  }
  // The transport matched it by MID or RID.
  const bool is_media = payloads[packet.payload_type().value()].makes_stream();
  size_t index = 0;
  ReceiveStream* found = StreamOf(packet, is_media, &index);
  if (found == nullptr) return ReceiveResult::kDiscarded;
  ReceiveStream& stream = *found;
  const Ssrc old = is_media ? stream.ssrc() : stream.rtx_ssrc();
  bool replaced = false;
  if (!stream.LearnSsrc(packet, is_media)) {
    replaced = stream.ReplaceSsrc(packet, is_media, received_at);
    if (!replaced) return ReceiveResult::kDiscarded;
    host.OnSsrcReleased(producer, old);
  }
  SLUICE_DEBUG(kRtp, "producer {} learned ssrc {}", id, ssrc.value());
  host.OnSsrcLearned(producer, ssrc);
  if (replaced && is_media) EmitScore();  // it names the SSRC
  if (stream.ssrc() == ssrc) return OnMedia(stream, index, buffer, packet, received_at);
  if (stream.fec_ssrc() == ssrc) return OnRepair(stream, index, buffer, packet, received_at);
  return OnRetransmission(stream, index, buffer, packet, received_at);
}

/// The encoding that a packet with an unknown SSRC is of. With one there is nothing to choose; of
/// several the RID names it, or that of what a retransmission repairs (RFC 8852 §3).
ReceiveStream* Producer::Impl::StreamOf(const RtpPacket& packet, bool is_media,
                                        size_t* index) const {
  if (streams.size() == 1) return streams.front().get();
  auto rid = extensions.Value(packet, RtpExtensionUri::kRtpStreamId);
  if (rid.empty() && !is_media) {
    rid = extensions.Value(packet, RtpExtensionUri::kRepairedRtpStreamId);
  }
  if (rid.empty()) return nullptr;
  const std::string_view name(reinterpret_cast<const char*>(rid.data()), rid.size());
  for (size_t i = 0; i < streams.size(); ++i) {
    if (streams[i]->params().rid != name) continue;
    *index = i;
    return streams[i].get();
  }
  return nullptr;
}

Producer::ReceiveResult Producer::Impl::OnMedia(ReceiveStream& stream, size_t index,
                                                const PacketRef& buffer, RtpPacket& packet,
                                                Timestamp received_at) {
  const PayloadEntry& entry = payloads[packet.payload_type().value()];
  if (!entry.mapped) return ReceiveResult::kDiscarded;
  if (!stream.started()) [[unlikely]] {
    // A stream is known by its media: comfort noise and the like do not start one.
    if (!entry.makes_stream()) return ReceiveResult::kDiscarded;
    if (IsOfOtherCodec(stream, packet)) ChangeCodec(stream, packet, received_at);
  }
  auto outcome = stream.OnMedia(buffer, packet, received_at);
  bool new_run = outcome.restarted;
  if (outcome.verdict == SequenceTracker::Verdict::kNewRun) [[unlikely]] {
    new_run = true;
    for (ReceiveStream::Suspect& first : stream.TakeSuspects()) {
      const auto believed = stream.OnMedia(first.buffer, first.packet, first.received_at);
      Admit(stream, index, first.buffer, first.packet, believed, first.received_at);
    }
    outcome = stream.OnMedia(buffer, packet, received_at);
  }
  const ReceiveResult result = Admit(stream, index, buffer, packet, outcome, received_at);
  if (new_run && HasKeyFrames(entry.codec) && !stream.key_frame_in_run() &&
      !stream.parameter_sets().IsPending(packet.timestamp())) [[unlikely]] {
    stream.RequestKeyFrameUrgently(received_at);
  }
  return result;
}

Producer::ReceiveResult Producer::Impl::Admit(ReceiveStream& stream, size_t index,
                                              const PacketRef& buffer, const RtpPacket& packet,
                                              const SequenceTracker::Outcome& outcome,
                                              Timestamp received_at) {
  if (!outcome.accepted()) return ReceiveResult::kDiscarded;
  if (IsOfOtherCodec(stream, packet)) [[unlikely]] {
    // A late one, or padding, is no sign of a change.
    if (outcome.verdict == SequenceTracker::Verdict::kNewest && !packet.payload().empty()) {
      ChangeCodec(stream, packet, received_at);
    }
  }
  Process(stream, index, buffer, packet, outcome, /*repaired=*/false, received_at);
  return ReceiveResult::kMedia;
}

Producer::ReceiveResult Producer::Impl::OnRetransmission(ReceiveStream& stream, size_t index,
                                                         const PacketRef& buffer, RtpPacket& packet,
                                                         Timestamp received_at) {
  const auto repaired = stream.OnRetransmission(packet, received_at);
  if (repaired && payloads[repaired->packet.payload_type().value()].mapped) {
    Process(stream, index, buffer, repaired->packet, repaired->outcome, /*repaired=*/true,
            received_at);
  }
  return ReceiveResult::kRetransmission;
}

/// FEC is for receivers: it goes out behind the packets of its turn, to those who take it and for
/// whom it is true (FecStream).
Producer::ReceiveResult Producer::Impl::OnRepair(ReceiveStream& stream, size_t index,
                                                 const PacketRef& buffer, const RtpPacket& packet,
                                                 Timestamp received_at) {
  if (!stream.OnRepair(packet, received_at)) return ReceiveResult::kDiscarded;
  if (paused || !has_takers() || packet.payload().empty()) return ReceiveResult::kRepair;
  const auto header = ParseFlexfec(packet.payload());
  if (!header || header->ssrc != stream.ssrc()) {
    ++counters.unreadable_fec;
    return ReceiveResult::kRepair;
  }
  if (turn_repair.size() == kMaxTurnRepair) {
    ++counters.over_turn_limit;
    return ReceiveResult::kRepair;
  }
  if (!delivery_scheduled) BeginTurn(stream.ring()->max_age());
  FecPacket& fec = turn_repair.emplace_back();
  fec.buffer = buffer;
  fec.payload = packet.payload();
  fec.header = *header;
  fec.base = stream.NumberOf(header->base);
  fec.timestamp = packet.timestamp();
  fec.marker = packet.marker();
  fec.encoding_index = static_cast<uint8_t>(index);
  fec.media_type = stream.params().payload_type;
  return ReceiveResult::kRepair;
}

void Producer::Impl::FanOutRepair() {
  for (Consumer* consumer : active_consumers.all()) {
    if (!consumer->takes_fec()) continue;
    for (const FecPacket& packet : turn_repair) consumer->OnFec(packet);
  }
}

bool Producer::Impl::ReadRed(std::span<uint8_t> payload, RedPayload* red) {
  auto parsed = ParseRed(payload);
  bool known = parsed.has_value();
  for (size_t i = 0; known && i < parsed->count; ++i) {
    const PayloadEntry& entry = payloads[parsed->blocks[i].payload_type.value()];
    known = entry.mapped && !entry.is_red;
  }
  // The primary block is of the stream's own codec: whoever has no redundancy gets that.
  if (!known || !payloads[parsed->primary().payload_type.value()].makes_stream()) {
    ++counters.unreadable_red;
    return false;
  }
  for (size_t i = 0; i < parsed->count; ++i) {
    RedBlock& block = parsed->blocks[i];
    block.payload_type = payloads[block.payload_type.value()].to;
    SetRedBlockType(payload, i, block.payload_type);
  }
  *red = *parsed;
  return true;
}

void Producer::Impl::ReadAnnouncedLayers(const RtpPacket& packet, size_t index) {
  const auto value = extensions.Value(packet, RtpExtensionUri::kVideoLayersAllocation);
  if (value.data() == nullptr) return;
  const auto said = ParseVideoLayersAllocation(value);
  if (!said || (said->layer_count > 0 && said->own_stream != index)) {
    // The streams are counted in the order of the encodings (its own is this one).
    ++counters.unreadable_layers;
    return;
  }
  std::array<AnnouncedLayers, VideoLayersAllocation::kMaxStreams> memory;
  const auto all = std::span(memory).first(std::min(memory.size(), announced.size()));
  for (AnnouncedLayers& each : all) each.known = true;
  for (size_t i = 0; i < said->layer_count; ++i) {
    const VideoLayersAllocation::Layer& from = said->layers[i];
    if (from.stream >= all.size()) continue;
    AnnouncedLayers& to = all[from.stream];
    to.active = static_cast<uint8_t>(to.active | 1U << from.spatial_layer);
    to.layers[from.spatial_layer] = AnnouncedLayer{from.temporal_layers, from.bitrates_kbps,
                                                   from.width, from.height, from.frame_rate};
  }
  if (std::equal(all.begin(), all.end(), announced.begin())) return;
  // The streams read it where it stands.
  std::copy(all.begin(), all.end(), announced.begin());
  ladder_at = Timestamp();  // steps may cost something else now
}

void Producer::Impl::Process(ReceiveStream& stream, size_t index, const PacketRef& buffer,
                             const RtpPacket& packet, const SequenceTracker::Outcome& outcome,
                             bool repaired, Timestamp received_at) {
  const CodecKind codec = payloads[packet.payload_type().value()].codec;
  const auto payload = packet.payload();
  PayloadInfo info;
  // Overtaken by a change of the codec: of use to nobody.
  const bool past = !payload.empty() && IsOfOtherCodec(stream, packet);
  const bool is_red = payloads[packet.payload_type().value()].is_red && !payload.empty();
  RedPayload red;
  const bool red_is_good = is_red && !past && ReadRed(payload, &red);
  if (!payload.empty() && !past && !is_red) {
    info = ParsePayload(codec, payload).value_or(PayloadInfo{});
  }
  if (codec == CodecKind::kH264 || codec == CodecKind::kH265) {
    stream.parameter_sets().OnPacket(outcome.sequence, packet.timestamp(), &info);
  }
  CompleteInfo(index, codec, payload, &info);
  PayloadInfo layered = info;
  if (rtp_type != RtpType::kSimple && packet.extension_count() > 0) {
    const auto bytes = extensions.Value(packet, RtpExtensionUri::kDependencyDescriptor);
    descriptor_readers[index].PeekLayers(bytes, &layered.spatial_layer, &layered.temporal_layer);
  }

  const bool first = !stream.tracked();
  stream.Track(outcome, packet, repaired, layered, received_at);
  if (first) {
    StartStream(stream, HasKeyFrames(codec) && !info.key_frame && !info.parameter_sets,
                received_at);
  } else if (info.other_picture && stream.parameter_sets().refuted() && !stream.key_frame_in_run())
      [[unlikely]] {
    stream.RequestKeyFrameUrgently(received_at);
  }

  if (kind == MediaKind::kVideo && packet.extension_count() > 0) {
    ReadVideoOrientation(packet);
    ReadAnnouncedLayers(packet, index);
  }
  if (paused) return stream.ring()->OnUnheard(outcome.sequence);
  if (kind == MediaKind::kAudio && !observers.empty()) ReadAudioLevel(packet);
  if (traces != 0) TracePacket(packet, info, repaired, received_at);
  if ((has_takers() || KeepsGroup(stream)) && !past) {
    const bool readable = !is_red || red_is_good;
    Route(stream, index, readable ? buffer : PacketRef(), packet, outcome, repaired, info,
          red_is_good ? &red : nullptr, received_at);
  } else {
    stream.ring()->OnUnheard(outcome.sequence);
  }
  if (reports_packets) [[unlikely]]
    events.OnProducerPacket(id, ReceivedPacket{buffer, packet});
}

void Producer::Impl::Route(ReceiveStream& stream, size_t index, const PacketRef& buffer,
                           const RtpPacket& packet, const SequenceTracker::Outcome& outcome,
                           bool repaired, const PayloadInfo& info, const RedPayload* red,
                           Timestamp received_at) {
  if (!delivery_scheduled) BeginTurn(stream.ring()->max_age());
  if (turn_packets.size() == kMaxTurnPackets) {
    ++counters.over_turn_limit;
    return;
  }
  // Without a buffer there is nothing to forward but the number.
  const auto payload = buffer ? packet.payload() : std::span<uint8_t>();
  RoutedPacket* slot =
      stream.ring()->Add(outcome.sequence, payload.empty() ? PacketRef() : buffer, received_at);
  if (slot == nullptr) return;  // older than anything that the stream's tracker lets through
  slot->turn_index = static_cast<uint32_t>(turn_packets.size());
  turn_packets.push_back(slot);
  if (!encoding_packets.empty()) encoding_packets[index].push_back(slot);
  RoutedPacket& routed = *slot;
  routed.arrival = ++arrivals;
  routed.payload = payload;
  routed.timestamp = packet.timestamp();
  routed.payload_type = payloads[packet.payload_type().value()].to;
  routed.mapped_ssrc = stream.mapped_ssrc();
  routed.encoding_index = static_cast<uint8_t>(index);
  routed.codec_epoch = stream.codec_epoch();
  routed.primary_offset = red == nullptr ? uint16_t{0} : static_cast<uint16_t>(red->primary_offset);
  routed.primary_type = red == nullptr ? PayloadType() : red->primary().payload_type;
  routed.header_size =
      packet.padding_size() > 0 ? uint16_t{0} : static_cast<uint16_t>(packet.header_size());
  routed.marker = packet.marker();
  routed.is_recovered = repaired;
  routed.padding_only = payload.empty();
  routed.restarted = outcome.restarted || outcome.time_jumped;
  routed.info = info;
  if (routed.padding_only) return;
  const bool has_ids = info.picture_id || info.tl0_picture_index || info.key_index;
  routed.patched = has_ids ? &patched : nullptr;
  extensions.Route(packet, stream.clock_offset(), &routed.extensions);
  routed.frame = FrameInfo::Of(info, routed.marker, ReadDescriptor(index, *stream.ring(), routed));
  if (info.packets_in_front > 0) {
    // They came while nobody was there to watch: who joined since cannot start with this one.
    const ExtendedSeqNumber front(outcome.sequence.value() - info.packets_in_front);
    if (stream.ring()->Find(front, received_at) == nullptr) routed.frame.key = false;
  }
  // The same of what came behind it: whoever began with this one could not go on.
  if (routed.frame.key && stream.ring()->LacksBehind(outcome.sequence)) routed.frame.key = false;
  routed.frame.readable =
      routed.frame.descriptor != nullptr || routed.extensions.dependency_descriptor.empty();
  const bool begins =
      routed.frame.descriptor != nullptr && routed.frame.descriptor->brings_structure;
  if (begins) ReadOvertakers(index, *stream.ring(), routed);
  if (routed.frame.descriptor == nullptr && rtp_type != RtpType::kSimple &&
      payloads[packet.payload_type().value()].codec == CodecKind::kAv1) {
    FollowLayers(*stream.ring(), routed);
  }
  if (replay_clock != nullptr && (routed.frame.key || routed.restarted)) [[unlikely]]
    FollowGroup(stream, routed);
}

void Producer::Impl::FollowGroup(ReceiveStream& stream, const RoutedPacket& packet) {
  if (!packet.frame.key) return stream.ring()->ForgetGroup();
  const ExtendedSeqNumber first(packet.sequence.value() - packet.info.packets_in_front);
  stream.ring()->BeginGroup(first, packet.timestamp, stream.KeepsGroup());
}

/// Where only the first packet of a frame says its layers, those behind it get them from it.
void Producer::Impl::FollowLayers(PacketRing& ring, RoutedPacket& packet) {
  const auto at = [&](int64_t distance) {
    return ring.FindToComplete(ExtendedSeqNumber(packet.sequence.value() + distance));
  };
  const auto follow = [](const RoutedPacket& from, RoutedPacket& to) {
    to.frame.readable = from.frame.readable && from.timestamp == to.timestamp;
    if (!to.frame.readable) return false;
    to.frame.spatial_layer = from.frame.spatial_layer;
    to.frame.temporal_layer = from.frame.temporal_layer;
    return true;
  };
  if (packet.info.continues_layers) {
    packet.frame.readable = false;
    const RoutedPacket* before = at(-1);
    if (before == nullptr || !follow(*before, packet)) return;
  }
  const RoutedPacket* before = &packet;
  for (int64_t distance = 1;; ++distance) {
    RoutedPacket* next = at(distance);
    if (next == nullptr || next->frame.readable || !follow(*before, *next)) return;
    packet.completes_others = true;
    before = next;
  }
}

/// Packets of a key frame that overtook the one with the structure could not be read before it.
void Producer::Impl::ReadOvertakers(size_t index, PacketRing& ring, RoutedPacket& first) {
  // As many as come until a packet that was lost has been asked for twice.
  constexpr int64_t kMaxOvertakers = 512;
  for (int64_t ahead = 1; ahead < kMaxOvertakers; ++ahead) {
    RoutedPacket* packet = ring.FindToComplete(ExtendedSeqNumber(first.sequence.value() + ahead));
    if (packet == nullptr || packet->frame.descriptor != nullptr) continue;
    if (packet->extensions.dependency_descriptor.empty()) continue;
    packet->frame =
        FrameInfo::Of(packet->info, packet->marker, ReadDescriptor(index, ring, *packet));
    first.completes_others |= packet->frame.descriptor != nullptr;
  }
}

/// Adds to what the payload says what follows from the stream.
void Producer::Impl::CompleteInfo(size_t index, CodecKind codec, std::span<const uint8_t> payload,
                                  PayloadInfo* info) {
  if (codec == CodecKind::kVp9) {
    auto& group = picture_groups[index];
    if (info->has_structure) {
      if (group == nullptr) group = std::make_unique<PictureGroup>();
      group->OnStructure(payload, *info);
    }
    if (group != nullptr) group->Complete(info);
    return;
  }
  const uint8_t layers = streams[index]->params().temporal_layers;
  if (codec == CodecKind::kH264 && layers > 1 && info->discardable) {
    // The payload has no layers, but nothing refers to frames of the highest (ITU-T H.264 §7.4.1).
    info->temporal_layer = static_cast<uint8_t>(layers - 1);
    info->layer_sync = true;
  }
}

const DependencyDescriptor* Producer::Impl::ReadDescriptor(size_t index, PacketRing& ring,
                                                           const RoutedPacket& packet) {
  DependencyDescriptorReader& reader = descriptor_readers[index];
  if (packet.restarted) reader.Reset();
  const auto bytes = packet.extensions.dependency_descriptor;
  if (bytes.empty()) return nullptr;
  DependencyDescriptor* descriptor = ring.AddDescriptor(packet);
  if (descriptor == nullptr) return nullptr;
  if (reader.Read(bytes, descriptor)) return descriptor;
  ++counters.unreadable_descriptor;
  return nullptr;
}

void Producer::Impl::BeginTurn(Duration max_age) {
  UnpinRings();
  delivery_scheduled = true;
  host.ScheduleDelivery(producer);
  // Moved by nothing: while media flows it fires once in `max_age` and starts again.
  if (!expiry_timer->armed()) expiry_timer->Start(max_age + kExpirySlack);
}

void Producer::Impl::UnpinRings() {
  patched.Clear();
  for (const auto& stream : streams) {
    if (stream->ring() != nullptr) stream->ring()->Unpin();
  }
}

void Producer::Impl::ExpireRings(Timestamp now) {
  // Timers run outside of DeliverTurn(), and what it began to encrypt was finished with its turn.
  if (!delivery_scheduled) UnpinRings();
  Duration longest = Duration::Zero();
  for (const auto& stream : streams) {
    PacketRing* ring = stream->ring();
    if (ring == nullptr) continue;
    ring->Expire(now);
    ring->Shrink();
    if (!ring->idle()) longest = std::max(longest, ring->max_age());
  }
  if (longest > Duration::Zero()) return expiry_timer->Start(longest + kExpirySlack);
  if (!delivery_scheduled) patched.Release();
}

void Producer::Impl::ReadAudioLevel(const RtpPacket& packet) {
  const auto level = ParseAudioLevel(extensions.Value(packet, RtpExtensionUri::kAudioLevel));
  if (!level) return;
  for (size_t i = 0; i < observers.size(); ++i) observers[i]->OnAudioLevel(producer, level->level);
}

void Producer::Impl::ReadVideoOrientation(const RtpPacket& packet) {
  const auto value =
      ParseVideoOrientation(extensions.Value(packet, RtpExtensionUri::kVideoOrientation));
  if (!value) return;
  const VideoOrientation now{value->camera, value->flip, value->rotation};
  if (orientation == now) return;
  orientation = now;
  events.OnProducerVideoOrientation(id, now);
}

/// The memory of consumers is fetched some consumers ahead: with many of them it is in no cache any
/// more, and with few packets in a turn waiting for it would take longer than all else.
void Producer::Impl::FanOut(Timestamp now) {
  constexpr size_t kSteps = Consumer::kPrefetchSteps;
  constexpr size_t kLead = (kSteps + 1) * kPrefetchStride;  // consumers
  // A turn of replays alone is no business of others.
  if (turn_packets.empty() && turn_repair.empty()) return Replay(now);
  const auto& active = active_consumers;
  // None leaves or comes meanwhile: events wait, and that a TCP connection has broken while it was
  // written to is told in a later turn.
  const size_t count = active.size();
  if (layer_filters != nullptr) layer_filters->BeginTurn();
  const auto serve = [&](Consumer& consumer) {
    const uint8_t needed =
        encoding_packets.empty() ? Consumer::kAnyEncoding : consumer.needed_encoding();
    consumer.OnPackets(needed < encoding_packets.size() ? encoding_packets[needed] : turn_packets,
                       now);
  };
  const auto at_the_edge = [&](size_t i) {
    if (i < count) Prefetch(active[i]);
    for (size_t step = 0; step < kSteps; ++step) {
      const size_t behind = (step + 1) * kPrefetchStride;
      if (i >= behind && i - behind < count) active[i - behind]->PrefetchStep(step);
    }
    if (i >= kLead && i - kLead < count) serve(*active[i - kLead]);
  };
  size_t i = 0;
  for (; i < std::min(kLead, count); ++i) at_the_edge(i);
  for (; i < count; ++i) {
    Prefetch(active[i]);
    for (size_t step = 0; step < kSteps; ++step) {
      active[i - (step + 1) * kPrefetchStride]->PrefetchStep(step);
    }
    serve(*active[i - kLead]);
  }
  for (; i < count + kLead; ++i) at_the_edge(i);
  Replay(now);
  if (layer_filters != nullptr) layer_filters->EndTurn();
  if (!turn_repair.empty()) [[unlikely]]
    FanOutRepair();
}

/// However many have joined, a turn takes no longer than kMaxTurnReplay packets do: who found no
/// room left is the first one in the next.
void Producer::Impl::Replay(Timestamp now) {
  if (replaying.empty()) {
    if (holds_for_replays) HoldForReplays();
    return;
  }
  size_t room = kMaxTurnReplay;
  const std::vector<Consumer*> all = replaying.all();
  const size_t begin = replay_turn % all.size();
  for (size_t i = 0; i < all.size(); ++i) {
    const size_t at = (begin + i) % all.size();
    const bool had_room = room > 0;
    if (all[at]->OnReplay(turn_packets, &room, now)) {
      replaying.Take(*all[at]);
      active_consumers.Add(all[at]);
    }
    if (had_room) replay_turn = at + 1;
  }
  HoldForReplays();
}

void Producer::Impl::HoldForReplays() {
  holds_for_replays = !replaying.empty();
  for (size_t i = 0; i < streams.size(); ++i) {
    if (streams[i]->ring() == nullptr) continue;
    std::optional<ExtendedSeqNumber> first;
    for (const Consumer* consumer : replaying.all()) {
      const auto next = consumer->ReplayPosition(static_cast<uint8_t>(i));
      if (next && (!first || *next < *first)) first = next;
    }
    streams[i]->ring()->HoldFrom(first);
  }
}

bool Producer::Impl::OnTick(Timestamp /*now*/) {
  if (paused || replaying.empty()) return false;
  if (!delivery_scheduled) BeginTurn(PacketRing::kVideoMaxAge);
  return true;
}

void Producer::Impl::StartStream(ReceiveStream& stream, bool needs_key_frame, Timestamp now) {
  UpdateLives();
  EmitScore();
  TellConsumersOfScore();
  if (needs_key_frame) stream.RequestKeyFrameUrgently(now);
}

void Producer::Impl::ChangeCodec(ReceiveStream& stream, const RtpPacket& packet, Timestamp now) {
  const PayloadEntry& entry = payloads[packet.payload_type().value()];
  const bool runs = stream.started();
  if (stream.ring() != nullptr) stream.ring()->ForgetGroup();
  stream.ChangeCodec(rtp_parameters, rtp_parameters.codecs[entry.media]);
  if (!runs) return;  // StartStream asks
  SLUICE_DEBUG(kRtp, "producer {} changed to {}", id, stream.params().mime_type);
  if (!HasKeyFrames(entry.codec)) return;
  const auto info = ParsePayload(entry.codec, packet.payload());
  if (!info || !(info->key_frame || info->parameter_sets)) stream.RequestKeyFrame(now);
}

}  // namespace sluice::worker
