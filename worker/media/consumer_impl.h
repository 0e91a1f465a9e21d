#pragma once

#include <algorithm>
#include <bitset>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "worker/core/rtp/group_replay.h"
#include "worker/core/rtp/packet_ring.h"
#include "worker/core/rtp/sender_report_clock.h"
#include "worker/media/consumer.h"
#include "worker/media/consumer_settings.h"
#include "worker/media/layer_forwarder.h"
#include "worker/media/layer_policy.h"
#include "worker/media/pipe_policy.h"
#include "worker/media/send_stream.h"

namespace sluice::worker {

/// Private to consumer*.cpp: state of a Consumer. What is sent is decided by its LayerForwarder, on
/// the way to what its LayerPolicy wants; what goes on the wire is made by its SendStreams.
struct alignas(64) Consumer::Impl {
  /// How far a packet may have overtaken the first one of the key frame that a receiver waited for,
  /// to be sent after it: as many as come until one that was lost has been asked for twice.
  static constexpr int64_t kMaxOvertakers = 512;
  /// After which an unanswered request for a key frame is repeated.
  static constexpr Duration kKeyFrameRetry = Duration::Millis(1000);
  /// The same of a consumer with layers during kQuickRetryTime: a round trip, but no less than
  /// this.
  static constexpr Duration kQuickRetry = Duration::Millis(200);
  static constexpr Duration kQuickRetryTime = Duration::Millis(1500);
  /// Packets whose judgement waits for one that is late.
  static constexpr size_t kMaxHeld = 512;
  /// Least time between two sender reports: 1000 ms / 1.15 (docs/protocols/rtp-rtcp.md §5).
  static constexpr Duration kMinReportInterval = Duration::Micros(869'565);
  /// No RoutedPacket::codec_epoch (8 bits) has this value.
  static constexpr uint16_t kUnknownCodecEpoch = 0x100;
  /// A viewer's request for a key frame that comes so soon after the begin of a replay is answered
  /// by that.
  static constexpr Duration kReplayAnswers = Duration::Millis(500);
  /// A stream silent for longer sends no report.
  static constexpr Duration kMaxReportSilence = Duration::Millis(2000);

  Impl(const ConsumeOptions& options, ConsumerSettings resolved,
       std::unique_ptr<LayerForwarder> chosen, Producer& source, RtpEgress& rtp_egress,
       Environment& world, EngineEvents& listener);

  /// One output stream, and what its receiver has asked for.
  struct Output {
    explicit Output(SendStream stream) : send(std::move(stream)) {}

    SendStream send;
    Timestamp reported_at;
    uint64_t nack_count = 0;
    uint64_t nack_packet_count = 0;
    uint64_t pli_count = 0;
    uint64_t fir_count = 0;
  };

  // consumer.cpp
  bool ShouldBeActive() const { return MaySend() && !starves; }
  bool MaySend() const {
    return producer != nullptr && transport_connected && !paused && !producer_paused &&
           (pipe_policy == nullptr || pipe_policy->wants_anything());
  }
  /// `source_asks`: the producer itself asks for the key frame that activation needs.
  void UpdateActive(bool source_asks = false);
  /// Has the policy choose anew.
  void UpdateTarget(Timestamp now);
  /// The same of a pipe that is limited.
  void UpdatePipe(Timestamp now);
  /// The encoding of this output stream is to be sent.
  bool IsWanted(size_t stream) const { return !is_limited || pipe_policy->target()[stream].any; }
  /// What is sent, in the terms of the application.
  std::optional<ConsumerLayers> CurrentLayers() const;
  /// Reports it when it has changed.
  void ReportLayers();
  /// Something else is wanted.
  void OnWish();
  /// Asks for the key frames that are wanted, again when it is time to.
  void AskForKeyFrames(Timestamp now);
  /// A bit for each encoding of which a key frame is to be asked for.
  uint32_t KeyFramesWanted(Timestamp now) const;
  void AskForKeyFrame(size_t stream, Timestamp now);
  void OnKeyFrameRequest(size_t stream, TraceReport::Type type, ConsumerTraceType bit,
                         Timestamp now);
  void EmitScore();
  ConsumerScore Score() const;
  /// What the sender reports of an output stream follow from.
  SenderReportReference ReportReference(size_t stream) const;

  // consumer_forwarding.cpp
  /// The first packet, and those behind it that need no decision of their own; how many it were.
  size_t Forward(std::span<const RoutedPacket* const> packets, Timestamp now);
  void ForwardOne(const RoutedPacket& packet, const ForwardDecision& decision, Timestamp now);
  /// As LayerForwarder::Read() says of the first packet, and of those behind it; how many it were.
  size_t ForwardRuns(std::span<const RoutedPacket* const> packets, const LayerDecision& first);
  size_t ForwardRun(std::span<const RoutedPacket* const> packets, const LayerDecision& decision);
  void DropRun(std::span<const RoutedPacket* const> packets, bool closes_picture);
  /// What is sent, and what is wanted, has changed.
  void FinishTurn(Timestamp now);
  /// The same of a consumer without layers.
  void FinishSimpleTurn(Timestamp now);
  /// The producer's sender has changed to the codec of this packet.
  void EnterCodec(const RoutedPacket& packet);
  bool IsPast(const RoutedPacket& key_frame) const;
  /// The counter for a packet that the receiver must not get, by why it must not; null when it may
  /// get it.
  uint64_t ConsumerCounters::*Unwanted(const RoutedPacket& packet) const {
    if (payload_types[packet.payload_type.value() & 0x7f] && !ignore_dtx) [[likely]]
      return nullptr;
    return WhyUnwanted(packet);
  }
  uint64_t ConsumerCounters::*WhyUnwanted(const RoutedPacket& packet) const;
  void Drop(const RoutedPacket& packet, bool closes_picture = false);
  void Send(SendStream& stream, const RoutedPacket& packet, const SendStream::Layers& layers) {
    const SendStream::Outcome outcome = stream.Send(packet, layers);
    if (outcome != SendStream::Outcome::kSent || traces != 0) [[unlikely]]
      OnOutcome(outcome, stream, packet);
  }
  /// Counts and traces it.
  void OnOutcome(SendStream::Outcome outcome, const SendStream& stream, const RoutedPacket& packet);
  /// The source starts with this packet and those in front of it that belong to it.
  void Begin(SendStream& stream, const RoutedPacket& packet, const ForwardDecision& decision,
             uint64_t newest_arrival, Timestamp now);
  void Hold(const RoutedPacket& packet);
  /// `completed` has made packets readable that were held.
  void SendHeld(const RoutedPacket& completed, Timestamp now);
  /// Sends it or closes its gap, as the forwarder says now.
  void SendJudged(SendStream& stream, const RoutedPacket& packet);
  size_t CountAwaited(std::span<const RoutedPacket* const> packets) const;
  /// A source begins with this packet; those that overtook it follow, of all that came up to
  /// `newest_arrival`.
  void Start(const RoutedPacket& packet, const ForwardDecision& decision, uint64_t newest_arrival,
             Timestamp now);
  void StartWithOvertaker(const RoutedPacket& key, Timestamp now);
  void SendOvertakers(SendStream& stream, const RoutedPacket& first, uint64_t newest_arrival,
                      Timestamp now);
  /// It came when its source had been left, and what was decided of its frame is no.
  bool WasLeftOut(const SendStream& stream, const PacketRing& ring,
                  const SequenceRewriter::Origin& origin, const RoutedPacket& packet,
                  Timestamp now) const;
  /// False when this receiver has asked for too much of late.
  bool Repair(size_t index, SeqNumber own, Timestamp now);
  void TracePacket(const SendStream& stream, const RoutedPacket& packet, bool marker, bool is_rtx);

  // consumer_replay.cpp
  /// It has joined, or joined again: whether there is a group for it is seen when the turn ends.
  bool AwaitReplay();
  bool is_replaying() const { return awaits_replay || replay != nullptr; }
  /// Chooses the group, and begins. False: a key frame is the better way, and has been asked for.
  bool BeginReplay(Timestamp now);
  /// nullptr: that of this encoding will not do.
  std::unique_ptr<GroupReplay> PlanReplayOf(uint8_t encoding, Timestamp now) const;
  /// With this packet what is left of the group becomes useless: a better one begins, or the sender
  /// begins anew.
  bool EndsReplay(const RoutedPacket& packet) const;
  /// Sends what is due. False: the group is no longer there, or there is no room for it.
  bool RunReplay(size_t* room, Timestamp now);
  /// What was sent so far leads no further: from here on as if it had just joined. `lost`: its path
  /// does not take a replay, and it gets no other.
  void GiveUpReplay(bool lost, Timestamp now);
  /// The viewer asks for so many packets again.
  void OnMissed(uint64_t packets, Timestamp now) {
    if (replay != nullptr && replay->OnLost(packets)) [[unlikely]]
      GiveUpReplay(/*lost=*/true, now);
  }
  /// The packet that is to be sent again; nullptr: it is not here. What has been replayed of late
  /// may be older than others.
  const RoutedPacket* FindToRepair(const PacketRing& ring, const SequenceRewriter::Origin& origin,
                                   Timestamp now) const;

  // Touched for every packet: one cache line, with the beginning of the first output behind it.
  std::unique_ptr<LayerForwarder> forwarder;
  RtpEgress& egress;
  std::bitset<128> payload_types;  ///< as settings.payload_types
  TraceMask traces = 0;
  bool active = false;
  bool has_layers = false;  ///< simulcast, SVC
  /// Nothing is to be done at the end of a turn in which LayerForwarder::EndTurn() is true.
  bool settled = false;
  bool ignore_dtx = false;
  bool is_limited = false;                 ///< there is a pipe_policy
  bool waited = false;                     ///< in this turn a packet waited; without layers
  uint16_t codec_epoch = 0;                ///< of the newest packet
  Producer* producer;                      ///< null once closed
  absl::InlinedVector<Output, 1> outputs;  ///< as settings.streams
  /// Bytes of this.
  static constexpr size_t kHotBytes = 64 + SendStream::kHotBytes;

  ConsumerSettings settings;
  ConsumerCounters counters;
  Consumer* self = nullptr;
  Environment& environment;
  EngineEvents& events;
  const std::string id;
  const std::string producer_id;
  const MediaKind kind;

  const std::vector<RtpEncodingParameters>& consumable_encodings() const {
    return *settings.consumable_encodings;
  }

  bool transport_connected = false;
  bool paused = false;
  bool producer_paused = false;
  bool starves = false;                     ///< Starve()
  StartListener* start_listener = nullptr;  ///< TellBeforeStart()
  bool expects_ceilings = false;            ///< ExpectCeilings()
  LayerPolicy policy;
  /// Of a pipe that was told what is wanted at its far end.
  std::unique_ptr<PipePolicy> pipe_policy;

  Timestamp key_frame_asked_at;
  Timestamp key_frame_wanted_since;
  uint32_t key_frames_asked = 0;                        ///< a bit for each encoding
  std::optional<LayerForwarder::Current> seen_current;  ///< at the end of the last turn
  std::optional<ConsumerLayers> reported_layers;
  std::vector<ExtendedSeqNumber> held;

  const bool replays_group;    ///< ConsumeOptions::replays_group, and the producer keeps groups
  bool replay_barred = false;  ///< its path did not take the last one
  bool awaits_replay = false;  ///< until the turn ends
  std::unique_ptr<GroupReplay> replay;
  Timestamp replay_began_at;  ///< of the last one, likewise
  Timestamp replayed_until;
  SendTotals replays;  ///< how many, and what became of them
};

}  // namespace sluice::worker
