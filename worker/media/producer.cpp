#include "worker/media/producer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "common/log.h"
#include "worker/core/ntp_at.h"
#include "worker/core/prefetch.h"
#include "worker/core/rtp/packet_ring.h"
#include "worker/core/rtp/picture_group.h"
#include "worker/core/rtp/sender_clock.h"
#include "worker/media/consumer.h"
#include "worker/media/extension_router.h"
#include "worker/media/packet_trace.h"
#include "worker/media/producer_check.h"
#include "worker/media/receive_stream.h"
#include "worker/media/rtp_parameters_check.h"
#include "worker/wire/payload_descriptor.h"

namespace sluice::worker {
namespace {

/// Packets of one turn; more than a socket's receive buffer holds of one sender.
constexpr size_t kMaxTurnPackets = 2048;
/// Consumers between two steps of fetching the memory of one: enough work for an access to memory.
constexpr size_t kPrefetchStride = 2;
constexpr size_t kPayloadTypes = 128;  // RFC 3550 §5.1: 7 bits
/// Timers tick in milliseconds: what has just become too old at one is so for certain.
constexpr Duration kExpirySlack = Duration::Millis(10);
/// A round trip longer than that is a broken DLRR.
constexpr Duration kMaxRoundTrip = Duration::Seconds(10);
/// Changes of score within it are told together: each is told to every consumer, and how many there
/// are is the sender's choice.
constexpr Duration kScoreInterval = Duration::Seconds(1);

}  // namespace

struct Producer::Impl final : public ReceiveStreamEvents, public CaptureClock {
  /// What a payload type of the sender means here.
  struct PayloadEntry {
    static constexpr uint8_t kNoMedia = 0xff;

    /// A stream may be of its codec.
    bool makes_stream() const { return media != kNoMedia; }

    bool mapped = false;
    PayloadType to;
    CodecKind codec = CodecKind::kOther;
    uint8_t media = kNoMedia;  ///< index of its codec when a stream may be of that
  };

  Impl(Producer& producer_in, const ProduceOptions& options, RtpParameters parameters,
       ProducerHost& host_in, Environment& environment_in, EngineEvents& events_in)
      : producer(producer_in),
        id(options.producer_id),
        kind(options.kind),
        rtp_parameters(std::move(parameters)),
        rtp_mapping(options.rtp_mapping),
        host(host_in),
        environment(environment_in),
        events(events_in),
        extensions(rtp_parameters, kind, options.enable_packet_id_extension),
        paused(options.paused),
        score_timer(environment.CreateTimer([this](Timestamp now) { TellScore(now); })),
        expiry_timer(environment.CreateTimer([this](Timestamp now) { ExpireRings(now); })) {
    for (const RtpCodecMapping& codec : rtp_mapping.codecs) {
      PayloadEntry& entry = payloads[codec.payload_type];
      entry.mapped = true;
      entry.to = PayloadType(codec.mapped_payload_type);
    }
    // The codec of the encoding (there is one) or, where that is asked for, each that could be.
    const RtpCodecParameters& encoded = *CodecOf(rtp_parameters, rtp_parameters.encodings.front());
    for (size_t i = 0; i < rtp_parameters.codecs.size(); ++i) {
      const RtpCodecParameters& codec = rtp_parameters.codecs[i];
      PayloadEntry& entry = payloads[codec.payload_type];
      entry.codec = CodecKindFromMimeType(codec.mime_type);
      const bool could_be = IsMediaCodec(codec) && IsOfKind(codec, kind);
      if (&codec == &encoded || (options.takes_any_codec && could_be)) {
        entry.media = static_cast<uint8_t>(i);
      }
    }
    rtp_type = ProducerTypeOf(rtp_parameters, kind);
    const size_t count = rtp_parameters.encodings.size();
    descriptor_readers.resize(count);
    picture_groups.resize(count);
    lives.resize(count);
    if (count > 1) encoding_packets.resize(count);
    auto clock = host.ClockOf(rtp_parameters.rtcp.cname);
    const auto key_frame_delay = Duration::Millis(options.key_frame_request_delay);
    for (size_t i = 0; i < rtp_parameters.encodings.size(); ++i) {
      streams.push_back(std::make_unique<ReceiveStream>(
          StreamParamsOf(rtp_parameters, i), kind, Ssrc(rtp_mapping.encodings[i].mapped_ssrc),
          key_frame_delay, clock, environment, *this));
      if (rtp_type != RtpType::kSimple) streams.back()->WatchLife(rtp_type);
    }
    UpdateLives();
  }

  // Receiving
  ReceiveResult OnRtp(const PacketRef& buffer, RtpPacket& packet, Timestamp received_at);
  ReceiveResult OnMedia(ReceiveStream& stream, size_t index, const PacketRef& buffer,
                        RtpPacket& packet, Timestamp received_at);
  /// Forwards a media packet whose number `outcome` believes.
  ReceiveResult Admit(ReceiveStream& stream, size_t index, const PacketRef& buffer,
                      const RtpPacket& packet, const SequenceTracker::Outcome& outcome,
                      Timestamp received_at);
  ReceiveResult OnRetransmission(ReceiveStream& stream, size_t index, const PacketRef& buffer,
                                 RtpPacket& packet, Timestamp received_at);
  void Process(ReceiveStream& stream, size_t index, const PacketRef& buffer,
               const RtpPacket& packet, const SequenceTracker::Outcome& outcome, bool repaired,
               Timestamp received_at);
  void Route(ReceiveStream& stream, size_t index, const PacketRef& buffer, const RtpPacket& packet,
             const SequenceTracker::Outcome& outcome, bool repaired, const PayloadInfo& info,
             Timestamp received_at);
  const DependencyDescriptor* ReadDescriptor(size_t index, PacketRing& ring,
                                             const RoutedPacket& packet);
  void FanOut(Timestamp now);
  void ReadOvertakers(size_t index, PacketRing& ring, RoutedPacket& first);
  static void FollowLayers(PacketRing& ring, RoutedPacket& packet);
  void CompleteInfo(size_t index, CodecKind codec, std::span<const uint8_t> payload,
                    PayloadInfo* info);
  ReceiveStream* StreamOf(const RtpPacket& packet, bool is_media, size_t* index) const;
  void UpdateLives();
  void BeginTurn(Duration max_age);
  void UnpinRings();
  void ExpireRings(Timestamp now);
  void ReadAudioLevel(const RtpPacket& packet);
  void ReadVideoOrientation(const RtpPacket& packet);
  void StartStream(ReceiveStream& stream, bool key_frame_codec, bool key_frame, Timestamp now);
  /// The packet is media, but of another codec than the stream.
  bool IsOfOtherCodec(const ReceiveStream& stream, const RtpPacket& packet) const {
    const uint8_t type = packet.payload_type().value();
    return type != stream.params().payload_type && payloads[type].makes_stream();
  }
  void ChangeCodec(ReceiveStream& stream, const RtpPacket& packet, Timestamp now);

  // CaptureClock
  std::optional<int64_t> SenderTime(uint8_t encoding, RtpTimestamp timestamp) const override {
    const ReceiveStream* stream = StreamAt(encoding);
    return stream == nullptr ? std::nullopt : stream->SenderTime(timestamp);
  }

  // ReceiveStreamEvents
  void OnStreamScore() override;
  void OnStreamLayers() override;
  void OnStreamRequest(ProducerTraceType trace, Ssrc ssrc,
                       std::span<const uint8_t> compound) override;

  /// A score that has changed, to consumers and protocol.
  void TellScore(Timestamp now);
  void EmitScore();
  void TellConsumersOfScore();
  void TracePacket(const RtpPacket& packet, const PayloadInfo& info, bool repaired, Timestamp now);
  bool Traces(ProducerTraceType type) const { return (traces & TraceBit(type)) != 0; }
  ReceiveStream* StreamAt(uint8_t index) const {
    return index < streams.size() && streams[index]->started() ? streams[index].get() : nullptr;
  }

  Producer& producer;
  const std::string id;
  const MediaKind kind;
  const RtpParameters rtp_parameters;
  const RtpMapping rtp_mapping;
  ProducerHost& host;
  Environment& environment;
  EngineEvents& events;
  std::array<PayloadEntry, kPayloadTypes> payloads{};
  ExtensionRouter extensions;
  std::vector<std::unique_ptr<ReceiveStream>> streams;         ///< one per encoding
  std::vector<DependencyDescriptorReader> descriptor_readers;  ///< likewise
  std::vector<std::unique_ptr<PictureGroup>> picture_groups;   ///< likewise; VP9 only
  std::vector<EncodingLife> lives;                             ///< likewise
  RtpType rtp_type = RtpType::kSimple;
  bool paused;
  TraceMask traces = 0;
  std::optional<VideoOrientation> orientation;

  IndexedList<Consumer*, &Consumer::producer_slot> consumers;
  IndexedList<Consumer*, &Consumer::active_slot> active_consumers;
  std::vector<ProducerObserver*> observers;
  bool reports_packets = false;

  /// What came in this turn, in the rings of the streams. These keep it until the next turn's first
  /// packet: encryption that was put off to the end of the turn still reads the buffers.
  std::vector<const RoutedPacket*> turn_packets;
  /// The same by encoding, where there are several.
  std::vector<std::vector<const RoutedPacket*>> encoding_packets;
  bool delivery_scheduled = false;
  uint64_t arrivals = 0;
  Counters counters;
  Timestamp score_told_at;             ///< when one changed; zero before
  std::unique_ptr<Timer> score_timer;  ///< armed while a change waits to be told
  /// Lets what the rings hold of a stream that has stopped go.
  std::unique_ptr<Timer> expiry_timer;
};

// ---- Receiving
// -----------------------------------------------------------------------------------

Producer::ReceiveResult Producer::Impl::OnRtp(const PacketRef& buffer, RtpPacket& packet,
                                              Timestamp received_at) {
  const Ssrc ssrc = packet.ssrc();
  if (ssrc.value() == 0) return ReceiveResult::kDiscarded;  // 0 stands for "none" in parameters
  for (size_t i = 0; i < streams.size(); ++i) {
    ReceiveStream& stream = *streams[i];
    if (stream.ssrc() == ssrc) return OnMedia(stream, i, buffer, packet, received_at);
    if (stream.rtx_ssrc() == ssrc) return OnRetransmission(stream, i, buffer, packet, received_at);
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
  if (new_run && HasKeyFrames(entry.codec) && !stream.key_frame_in_run()) [[unlikely]]
    stream.RequestKeyFrameUrgently(received_at);
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

void Producer::Impl::Process(ReceiveStream& stream, size_t index, const PacketRef& buffer,
                             const RtpPacket& packet, const SequenceTracker::Outcome& outcome,
                             bool repaired, Timestamp received_at) {
  const CodecKind codec = payloads[packet.payload_type().value()].codec;
  const auto payload = packet.payload();
  PayloadInfo info;
  // Overtaken by a change of the codec: of use to nobody.
  const bool past = !payload.empty() && IsOfOtherCodec(stream, packet);
  if (!payload.empty() && !past) info = ParsePayload(codec, payload).value_or(PayloadInfo{});
  if (info.key_frame || info.bare_random_access) {
    info.key_frame = stream.parameter_sets().IsKeyFrame(info, packet.timestamp());
  }

  CompleteInfo(index, codec, payload, &info);
  PayloadInfo layered = info;
  if (rtp_type != RtpType::kSimple && packet.extension_count() > 0) {
    const auto bytes = extensions.Value(packet, RtpExtensionUri::kDependencyDescriptor);
    descriptor_readers[index].PeekLayers(bytes, &layered.spatial_layer, &layered.temporal_layer);
  }

  const bool first = !stream.tracked();
  stream.Track(outcome, packet, repaired, layered, received_at);
  if (first) StartStream(stream, HasKeyFrames(codec), info.key_frame, received_at);

  if (kind == MediaKind::kVideo && packet.extension_count() > 0) ReadVideoOrientation(packet);
  if (paused) return;
  if (kind == MediaKind::kAudio && !observers.empty()) ReadAudioLevel(packet);
  if (traces != 0) TracePacket(packet, info, repaired, received_at);
  if (!active_consumers.empty() && !past) {
    Route(stream, index, buffer, packet, outcome, repaired, info, received_at);
  }
  if (reports_packets) [[unlikely]]
    events.OnProducerPacket(id, ReceivedPacket{buffer, packet});
}

void Producer::Impl::Route(ReceiveStream& stream, size_t index, const PacketRef& buffer,
                           const RtpPacket& packet, const SequenceTracker::Outcome& outcome,
                           bool repaired, const PayloadInfo& info, Timestamp received_at) {
  if (!delivery_scheduled) BeginTurn(stream.ring()->max_age());
  if (turn_packets.size() == kMaxTurnPackets) {
    ++counters.over_turn_limit;
    return;
  }
  const auto payload = packet.payload();
  RoutedPacket* slot =
      stream.ring()->Add(outcome.sequence, payload.empty() ? PacketRef() : buffer, received_at);
  if (slot == nullptr) return;  // older than anything that the stream's tracker lets through
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
  routed.marker = packet.marker();
  routed.is_recovered = repaired;
  routed.padding_only = payload.empty();
  routed.restarted = outcome.restarted || outcome.time_jumped;
  routed.info = info;
  if (routed.padding_only) return;
  extensions.Route(packet, stream.clock_offset(), &routed.extensions);
  routed.frame = FrameInfo::Of(info, routed.marker, ReadDescriptor(index, *stream.ring(), routed));
  routed.frame.readable =
      routed.frame.descriptor != nullptr || routed.extensions.dependency_descriptor.empty();
  const bool begins =
      routed.frame.descriptor != nullptr && routed.frame.descriptor->brings_structure;
  if (begins) ReadOvertakers(index, *stream.ring(), routed);
  if (routed.frame.descriptor == nullptr && rtp_type != RtpType::kSimple &&
      payloads[packet.payload_type().value()].codec == CodecKind::kAv1) {
    FollowLayers(*stream.ring(), routed);
  }
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
  if (longest > Duration::Zero()) expiry_timer->Start(longest + kExpirySlack);
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
  const auto& active = active_consumers;
  for (size_t i = 0; i < active.size() + kLead; ++i) {
    if (i < active.size()) Prefetch(active[i]);
    for (size_t step = 0; step < kSteps; ++step) {
      const size_t behind = (step + 1) * kPrefetchStride;
      if (i >= behind && i - behind < active.size()) active[i - behind]->PrefetchStep(step);
    }
    if (i < kLead || i - kLead >= active.size()) continue;
    Consumer& consumer = *active[i - kLead];
    const uint8_t needed =
        encoding_packets.empty() ? Consumer::kAnyEncoding : consumer.needed_encoding();
    consumer.OnPackets(needed < encoding_packets.size() ? encoding_packets[needed] : turn_packets,
                       now);
  }
}

void Producer::Impl::StartStream(ReceiveStream& stream, bool key_frame_codec, bool key_frame,
                                 Timestamp now) {
  UpdateLives();
  EmitScore();
  TellConsumersOfScore();
  if (key_frame_codec && !key_frame) stream.RequestKeyFrameUrgently(now);
}

void Producer::Impl::ChangeCodec(ReceiveStream& stream, const RtpPacket& packet, Timestamp now) {
  const PayloadEntry& entry = payloads[packet.payload_type().value()];
  const bool runs = stream.started();
  stream.ChangeCodec(rtp_parameters, rtp_parameters.codecs[entry.media]);
  if (!runs) return;  // StartStream asks
  SLUICE_DEBUG(kRtp, "producer {} changed to {}", id, stream.params().mime_type);
  if (!HasKeyFrames(entry.codec)) return;
  const auto info = ParsePayload(entry.codec, packet.payload());
  if (!info || !info->key_frame) stream.RequestKeyFrame(now);
}

// ---- Events
// --------------------------------------------------------------------------------------

void Producer::Impl::UpdateLives() {
  for (size_t i = 0; i < streams.size(); ++i) lives[i] = streams[i]->life();
}

void Producer::Impl::OnStreamLayers() {
  UpdateLives();
  for (size_t i = 0; i < consumers.size(); ++i) consumers[i]->OnProducerLayers();
}

void Producer::Impl::OnStreamScore() {
  UpdateLives();
  if (score_timer->armed()) return;
  const Timestamp now = environment.Now();
  const Duration passed = now - score_told_at;
  if (score_told_at != Timestamp() && passed < kScoreInterval) {
    score_timer->Start(kScoreInterval - passed);
    return;
  }
  TellScore(now);
}

void Producer::Impl::TellScore(Timestamp now) {
  score_told_at = now;
  // Consumers first (docs/protocols/rtp-rtcp.md §6).
  TellConsumersOfScore();
  EmitScore();
}

void Producer::Impl::OnStreamRequest(ProducerTraceType trace, Ssrc ssrc,
                                     std::span<const uint8_t> compound) {
  host.SendRtcpToProducer(compound);
  if (!Traces(trace) || paused) return;
  TraceReport report;
  report.type = static_cast<TraceReport::Type>(trace);
  report.timestamp_ms = environment.Now().ms();
  report.incoming = false;
  report.ssrc = ssrc.value();
  events.OnProducerTrace(id, report);
}

void Producer::Impl::EmitScore() {
  std::vector<ProducerScoreEntry> entries;
  for (const auto& stream : streams) {
    if (!stream->started()) continue;
    entries.push_back(ProducerScoreEntry{stream->params().encoding_idx, stream->ssrc().value(),
                                         stream->params().rid, stream->score()});
  }
  events.OnProducerScore(id, entries);
}

void Producer::Impl::TellConsumersOfScore() {
  for (size_t i = 0; i < consumers.size(); ++i) consumers[i]->OnProducerScore();
}

void Producer::Impl::TracePacket(const RtpPacket& packet, const PayloadInfo& info, bool repaired,
                                 Timestamp now) {
  // A key frame packet is traced once, as such (router-protocol §3).
  const bool as_key_frame = info.key_frame && Traces(ProducerTraceType::kKeyFrame);
  if (!as_key_frame && !Traces(ProducerTraceType::kRtp)) return;
  TraceReport report;
  report.type = as_key_frame ? TraceReport::Type::kKeyFrame : TraceReport::Type::kRtp;
  report.timestamp_ms = now.ms();
  report.is_rtx = repaired;
  report.rtp_packet = DescribePacket(packet, info, extensions);
  events.OnProducerTrace(id, report);
}

// ---- The public face
// -----------------------------------------------------------------------------

Result<std::unique_ptr<Producer>> Producer::Create(const ProduceOptions& options,
                                                   ProducerHost& host, Environment& environment,
                                                   EngineEvents& events) {
  RtpParameters parameters = options.rtp_parameters;
  SLUICE_RETURN_IF_ERROR(CheckProduceOptions(options, &parameters));
  std::unique_ptr<Producer> producer(new Producer(nullptr));
  producer->impl_ =
      std::make_unique<Impl>(*producer, options, std::move(parameters), host, environment, events);
  return producer;
}

Producer::Producer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Producer::~Producer() {
  while (!impl_->observers.empty()) {
    ProducerObserver* observer = impl_->observers.back();
    impl_->observers.pop_back();
    observer->OnProducerClosed(*this);
  }
  // Who owns the consumers has closed them already, or closes them now that they know.
  impl_->active_consumers.TakeAll();
  for (Consumer* consumer : impl_->consumers.TakeAll()) consumer->OnProducerClosed();
}

Producer::Counters Producer::counters() const {
  Counters counters = impl_->counters;
  for (const auto& stream : impl_->streams) {
    if (stream->ring() != nullptr) counters.over_ring_bytes += stream->ring()->dropped_over_bytes();
  }
  return counters;
}
const std::string& Producer::id() const { return impl_->id; }
MediaKind Producer::kind() const { return impl_->kind; }
RtpType Producer::type() const { return impl_->rtp_type; }
bool Producer::paused() const { return impl_->paused; }
const RtpParameters& Producer::rtp_parameters() const { return impl_->rtp_parameters; }
const RtpMapping& Producer::rtp_mapping() const { return impl_->rtp_mapping; }

Producer::ReceiveResult Producer::OnRtp(const PacketRef& buffer, RtpPacket& packet,
                                        Timestamp received_at) {
  return impl_->OnRtp(buffer, packet, received_at);
}

void Producer::DeliverTurn(Timestamp now) {
  if (!impl_->delivery_scheduled) return;
  impl_->delivery_scheduled = false;
  if (!impl_->paused) impl_->FanOut(now);
  impl_->turn_packets.clear();
  for (auto& packets : impl_->encoding_packets) packets.clear();
}

void Producer::OnSenderReport(const rtcp::SenderInfo& report, Timestamp now) {
  for (const auto& stream : impl_->streams) {
    if (stream->ssrc() == report.ssrc || stream->rtx_ssrc() == report.ssrc) {
      stream->OnSenderReport(report, now);
    }
  }
  if (!impl_->Traces(ProducerTraceType::kSr) || impl_->paused) return;
  TraceReport trace;
  trace.type = TraceReport::Type::kSr;
  trace.timestamp_ms = now.ms();
  trace.ssrc = report.ssrc.value();
  trace.sender_report =
      SenderReportReport{report.ssrc.value(), report.ntp, report.rtp_timestamp.value(),
                         report.packet_count, report.octet_count};
  impl_->events.OnProducerTrace(impl_->id, trace);
}

void Producer::OnDlrr(const rtcp::DlrrItem& item, Timestamp now) {
  if (item.last_rr == 0) return;  // none was received (RFC 3611 §4.5)
  const NtpTime ntp = NtpAt(impl_->environment, now);
  // Compact NTP wraps every 18 hours; a negative result is a peer that makes numbers up.
  const auto compact =
      static_cast<int32_t>(ntp.Compact() - item.last_rr - item.delay_since_last_rr);
  if (compact < 0) return;
  const auto round_trip = Duration::Micros(int64_t{compact} * 1'000'000 / 65536);
  if (round_trip > kMaxRoundTrip) return;
  for (const auto& stream : impl_->streams) stream->OnRoundTrip(round_trip);
}

void Producer::FillReportBlocks(std::vector<rtcp::ReportBlock>* out, Timestamp now) {
  for (const auto& stream : impl_->streams) {
    const size_t at = out->size();
    stream->FillReportBlocks(out, now);
    if (out->size() == at || !stream->params().use_in_band_fec) continue;
    // The worst receiver decides how much FEC the sender puts in (docs/protocols/rtp-rtcp.md §5).
    float worst = 0;
    for (const Consumer* consumer : impl_->consumers) {
      worst = std::max(worst, consumer->fraction_lost());
    }
    const auto fraction = static_cast<uint8_t>(std::min(255.0F, worst * 256.0F));
    (*out)[at].fraction_lost = std::max((*out)[at].fraction_lost, fraction);
  }
}

bool Producer::HasSsrc(Ssrc ssrc) const {
  const std::vector<Ssrc> all = ReceiveSsrcs();
  return std::find(all.begin(), all.end(), ssrc) != all.end();
}

std::vector<Ssrc> Producer::ReceiveSsrcs() const {
  std::vector<Ssrc> ssrcs;
  for (const auto& stream : impl_->streams) {
    if (stream->ssrc().value() != 0) ssrcs.push_back(stream->ssrc());
    if (stream->rtx_ssrc().value() != 0) ssrcs.push_back(stream->rtx_ssrc());
  }
  return ssrcs;
}

void Producer::Pause() {
  if (std::exchange(impl_->paused, true)) return;
  for (const auto& stream : impl_->streams) stream->OnPause();
  for (size_t i = 0; i < impl_->consumers.size(); ++i) impl_->consumers[i]->OnProducerPaused();
  for (size_t i = 0; i < impl_->observers.size(); ++i) impl_->observers[i]->OnProducerPaused(*this);
}

void Producer::Resume() {
  if (!std::exchange(impl_->paused, false)) return;
  for (size_t i = 0; i < impl_->consumers.size(); ++i) impl_->consumers[i]->OnProducerResumed();
  for (size_t i = 0; i < impl_->observers.size(); ++i) {
    impl_->observers[i]->OnProducerResumed(*this);
  }
  for (const auto& stream : impl_->streams) {
    stream->RequestKeyFrameUrgently(impl_->environment.Now());
  }
}

void Producer::RequestKeyFrame(Ssrc mapped_ssrc) {
  if (impl_->paused) return;  // Resume asks
  for (const auto& stream : impl_->streams) {
    if (stream->mapped_ssrc() == mapped_ssrc) {
      stream->RequestKeyFrame(impl_->environment.Now());
    }
  }
}

void Producer::RequestKeyFrames() {
  if (impl_->paused) return;
  for (const auto& stream : impl_->streams) {
    stream->RequestKeyFrame(impl_->environment.Now());
  }
}

void Producer::EnableTraces(TraceMask traces) { impl_->traces = traces; }

void Producer::AttachConsumer(Consumer& consumer) {
  if (!impl_->consumers.Has(consumer)) impl_->consumers.Add(&consumer);
}

void Producer::DetachConsumer(Consumer& consumer) {
  impl_->consumers.Take(consumer);
  impl_->active_consumers.Take(consumer);
}

void Producer::SetConsumerActive(Consumer& consumer, bool active) {
  auto& all = impl_->active_consumers;
  if (!active) {
    all.Take(consumer);
  } else if (!all.Has(consumer)) {
    all.Add(&consumer);
  }
}

const std::vector<Consumer*>& Producer::consumers() const { return impl_->consumers.all(); }

void Producer::AddObserver(ProducerObserver& observer) {
  auto& all = impl_->observers;
  if (std::find(all.begin(), all.end(), &observer) == all.end()) all.push_back(&observer);
}

void Producer::RemoveObserver(ProducerObserver& observer) {
  std::erase(impl_->observers, &observer);
}

void Producer::ReportPackets(bool enabled) { impl_->reports_packets = enabled; }

const PacketRing* Producer::ring(uint8_t encoding_index) const {
  const ReceiveStream* stream = impl_->StreamAt(encoding_index);
  return stream == nullptr ? nullptr : stream->ring();
}

uint8_t Producer::encoding_score(uint8_t encoding_index) const {
  const ReceiveStream* stream = impl_->StreamAt(encoding_index);
  return stream == nullptr ? 0 : stream->score();
}

std::vector<uint8_t> Producer::encoding_scores() const {
  std::vector<uint8_t> scores;
  for (const auto& stream : impl_->streams) scores.push_back(stream->score());
  return scores;
}

std::span<const EncodingLife> Producer::encoding_lives() const { return impl_->lives; }

const CaptureClock& Producer::capture_clock() const { return *impl_; }

DataRate Producer::encoding_bitrate(uint8_t encoding_index, Timestamp now) const {
  ReceiveStream* stream = impl_->StreamAt(encoding_index);
  return stream == nullptr ? DataRate::Zero() : stream->Bitrate(now);
}

std::optional<NtpTime> Producer::CaptureTime(uint8_t encoding_index, RtpTimestamp timestamp) const {
  const ReceiveStream* stream = impl_->StreamAt(encoding_index);
  return stream == nullptr ? std::nullopt : stream->CaptureTime(timestamp);
}

bool Producer::has_active_consumers() const { return !impl_->active_consumers.empty(); }

ReceiveTotals Producer::totals() const {
  ReceiveTotals totals;
  for (const auto& stream : impl_->streams) stream->AddTo(&totals);
  return totals;
}

ProducerDump Producer::Dump() const {
  ProducerDump dump;
  dump.id = impl_->id;
  dump.kind = impl_->kind;
  dump.type = type();
  dump.rtp_parameters = impl_->rtp_parameters;
  dump.rtp_mapping = impl_->rtp_mapping;
  for (const auto& stream : impl_->streams) {
    if (stream->started()) dump.rtp_streams.push_back(stream->Dump());
  }
  dump.traces = impl_->traces;
  dump.paused = impl_->paused;
  return dump;
}

std::vector<RtpStreamStats> Producer::GetStats(Timestamp now) {
  std::vector<RtpStreamStats> stats;
  for (const auto& stream : impl_->streams) {
    if (stream->started()) stats.push_back(stream->Stats(now));
  }
  return stats;
}

std::optional<RtpStreamStats> Producer::GetEncodingStats(uint8_t encoding_index, Timestamp now) {
  ReceiveStream* stream = impl_->StreamAt(encoding_index);
  if (stream == nullptr) return std::nullopt;
  return stream->Stats(now);
}

}  // namespace sluice::worker
