#pragma once

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "worker/core/layers/shared_layer_filter.h"
#include "worker/core/rtp/patched_payloads.h"
#include "worker/core/rtp/picture_group.h"
#include "worker/media/consumer.h"
#include "worker/media/extension_router.h"
#include "worker/media/fec_stream.h"
#include "worker/media/pacing_clock.h"
#include "worker/media/packet_trace.h"
#include "worker/media/producer.h"
#include "worker/media/receive_stream.h"
#include "worker/media/shared_values.h"
#include "worker/wire/payload_descriptor.h"
#include "worker/wire/red.h"
#include "worker/wire/video_layers_allocation.h"

namespace sluice::worker {

/// Private to producer*.cpp: state of a Producer. producer_receiving.cpp has the way of a packet
/// through it, producer.cpp what is said of it and the public methods.
struct Producer::Impl final : public ReceiveStreamEvents,
                              public CaptureClock,
                              public PacingClock::Client {
  static constexpr size_t kPayloadTypes = 128;  // RFC 3550 §5.1: 7 bits

  /// What a payload type of the sender means here.
  struct PayloadEntry {
    static constexpr uint8_t kNoMedia = 0xff;

    /// A stream may be of its codec.
    bool makes_stream() const { return media != kNoMedia; }
    /// Packets with it are redundant audio (RFC 2198) of the codec `media`.
    bool is_red = false;
    /// That of the codec `media`: the stream's own.
    uint8_t stream_type = 0;

    bool mapped = false;
    PayloadType to;
    CodecKind codec = CodecKind::kOther;
    uint8_t media = kNoMedia;  ///< index of its codec when a stream may be of that
  };

  Impl(Producer& producer_in, const ProduceOptions& options, RtpParameters parameters,
       ProducerHost& host_in, Environment& environment_in, EngineEvents& events_in);

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
  ReceiveResult OnRepair(ReceiveStream& stream, size_t index, const PacketRef& buffer,
                         const RtpPacket& packet, Timestamp received_at);
  /// Takes redundant audio apart and makes the payload types of its blocks the router's, in place.
  /// False, and counted: it cannot be forwarded.
  bool ReadRed(std::span<uint8_t> payload, RedPayload* red);
  void ReadAnnouncedLayers(const RtpPacket& packet, size_t index);
  void Process(ReceiveStream& stream, size_t index, const PacketRef& buffer,
               const RtpPacket& packet, const SequenceTracker::Outcome& outcome, bool repaired,
               Timestamp received_at);
  void Route(ReceiveStream& stream, size_t index, const PacketRef& buffer, const RtpPacket& packet,
             const SequenceTracker::Outcome& outcome, bool repaired, const PayloadInfo& info,
             const RedPayload* red, Timestamp received_at);
  const DependencyDescriptor* ReadDescriptor(size_t index, PacketRing& ring,
                                             const RoutedPacket& packet);
  void FanOut(Timestamp now);
  void FanOutRepair();
  /// Packets are of use though nobody gets them now: somebody may join.
  bool KeepsGroup(const ReceiveStream& stream) const {
    return replay_clock != nullptr && stream.KeepsGroup();
  }
  /// Remembers where a group begins.
  void FollowGroup(ReceiveStream& stream, const RoutedPacket& packet);
  /// What they have not been sent yet stays in the rings.
  void HoldForReplays();
  /// Sends those who have joined more of the group so far.
  void Replay(Timestamp now);
  /// PacingClock::Client: it is time to.
  bool OnTick(Timestamp now) override;
  bool has_takers() const { return !active_consumers.empty() || !replaying.empty(); }
  /// The most that active consumers want of each encoding.
  std::vector<WantedLayers> Wanted() const;
  void TellWanted(Timestamp now);
  void ReadOvertakers(size_t index, PacketRing& ring, RoutedPacket& first);
  static void FollowLayers(PacketRing& ring, RoutedPacket& packet);
  void CompleteInfo(size_t index, CodecKind codec, std::span<const uint8_t> payload,
                    PayloadInfo* info);
  ReceiveStream* StreamOf(const RtpPacket& packet, bool is_media, size_t* index) const;
  /// True when an encoding has stopped or come back.
  bool UpdateLives();
  void TellConsumersOfLayers();
  void BeginTurn(Duration max_age);
  void UnpinRings();
  void ExpireRings(Timestamp now);
  void ReadAudioLevel(const RtpPacket& packet);
  void ReadVideoOrientation(const RtpPacket& packet);
  void StartStream(ReceiveStream& stream, bool needs_key_frame, Timestamp now);
  /// The packet is media, but of another codec than the stream.
  bool IsOfOtherCodec(const ReceiveStream& stream, const RtpPacket& packet) const {
    const uint8_t type = packet.payload_type().value();
    return payloads[type].makes_stream() &&
           payloads[type].stream_type != stream.params().payload_type;
  }
  void ChangeCodec(ReceiveStream& stream, const RtpPacket& packet, Timestamp now);

  // CaptureClock
  void CountReport() { ++reports_; }
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
  std::vector<LadderStep> ladder;
  Timestamp ladder_at;  ///< the start of time: never
  RtpType rtp_type = RtpType::kSimple;
  bool paused;
  bool sealed = false;
  TraceMask traces = 0;
  std::optional<VideoOrientation> orientation;

  IndexedList<Consumer*, &Consumer::producer_slot> consumers;
  SharedConsumerParameters shared_parameters;      ///< of these
  std::shared_ptr<LayerFilterPool> layer_filters;  ///< likewise; null without layers
  IndexedList<Consumer*, &Consumer::active_slot> active_consumers;
  PacingClock* const replay_clock;                           ///< null: no groups are kept
  IndexedList<Consumer*, &Consumer::replay_slot> replaying;  ///< active, but not among those
  bool holds_for_replays = false;
  size_t replay_turn = 0;  ///< whose turn it is first
  std::vector<ProducerObserver*> observers;
  bool reports_packets = false;

  /// What came in this turn, in the rings of the streams. These keep it until the next turn's first
  /// packet: encryption that was put off to the end of the turn still reads the buffers.
  std::vector<const RoutedPacket*> turn_packets;
  /// The same by encoding, where there are several.
  std::vector<std::vector<const RoutedPacket*>> encoding_packets;
  PatchedPayloads patched;  ///< of turn_packets, and as long as these
  bool delivery_scheduled = false;
  std::vector<FecPacket> turn_repair;  ///< FEC of this turn, at most kMaxTurnRepair
  uint64_t arrivals = 0;
  Counters counters;
  /// What its sender has said last, by encoding and spatial layer.
  std::vector<AnnouncedLayers> announced;

  bool reports_wanted;               ///< EngineEvents::OnProducerWantedLayers
  std::vector<WantedLayers> wanted;  ///< as told last
  Timestamp wanted_told_at;
  /// Since when less is wanted than was told; zero: it is not.
  Timestamp wanted_less_since;
  std::unique_ptr<Timer> wanted_timer;  ///< armed while a change waits to be told
  Timestamp score_told_at;              ///< when one changed; zero before
  std::unique_ptr<Timer> score_timer;   ///< armed while a change waits to be told
  /// Lets what the rings hold of a stream that has stopped go.
  std::unique_ptr<Timer> expiry_timer;
};

}  // namespace sluice::worker
