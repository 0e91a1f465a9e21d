#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "common/rtp_types.h"
#include "common/status.h"
#include "worker/core/bwe/remb_limiter.h"
#include "worker/core/bwe/transport_feedback_generator.h"
#include "worker/core/packet_buffer.h"
#include "worker/core/rtp/stream_continuity.h"
#include "worker/media/consumer.h"
#include "worker/media/indexed_list.h"
#include "worker/media/producer.h"
#include "worker/media/rtcp_receiver.h"
#include "worker/media/rtcp_reporter.h"
#include "worker/media/rtp_link.h"
#include "worker/media/rtp_listener.h"
#include "worker/media/transport_core.h"
#include "worker/wire/rtp_packet.h"

namespace sluice::worker {

class SendBandwidth;

/// What a transport sends under one SSRC: an output stream of a consumer.
struct ConsumerStream {
  Consumer* consumer = nullptr;
  uint8_t stream = 0;   ///< index, see Consumer::stream
  bool is_rtx = false;  ///< or FEC: not the media itself
  explicit operator bool() const { return consumer != nullptr; }
};

/// How much one transport may carry.
struct RtpLimits {
  size_t producers;
  size_t consumers;
  size_t ssrcs;  ///< of its producers
};

/// The media half of a transport, whatever its class: producers, consumers, their SSRC tables, RTCP
/// both ways, receive-side congestion feedback. What it sends goes to its RtpLink; what comes in,
/// and whether media may flow, it is told.
///
/// Owned by a class of transport, beside the TransportCore and the link that it works with.
class RtpCore final : public ProducerHost {
 public:
  /// To close a producer takes as long as to close so many consumers (bench/teardown_bench).
  static constexpr size_t kProducerEffort = 4;
  /// Streams of consumers that have ended and may go on: of a few players at most is it needed.
  static constexpr size_t kMaxEndedStreams = 16;
  /// Smallest limit for outgoing bitrate.
  static constexpr uint64_t kMinOutgoingBitrate = 30'000;           // bps
  static constexpr uint64_t kMaxBitrate = (uint64_t{1} << 63) - 2;  // bps
  /// Both outlive it. Without `limits`: those of the worker (EngineLimits).
  RtpCore(TransportCore& core, RtpLink& link);
  RtpCore(TransportCore& core, RtpLink& link, const RtpLimits& limits);
  ~RtpCore() override;
  RtpCore(const RtpCore&) = delete;
  RtpCore& operator=(const RtpCore&) = delete;

  TransportCore& core() const { return core_; }
  const std::string& id() const { return core_.id(); }
  Router& router() const { return core_.router(); }

  // --- The transport pushes.

  /// Media may (no longer) flow: consumers and the RTCP timer follow. The link knows already.
  void OnConnected(bool connected);
  /// Whether consumers may send while connected (at first: they may). RTCP is the link's to stop.
  void SetSendingAllowed(bool allowed);
  void RouteRtp(const PacketRef& buffer, RtpPacket& packet, Timestamp received_at);
  void RouteRtcp(std::span<const uint8_t> compound, Timestamp now);
  /// The path was too slow and dropped frames of these streams of ours: asks for key frames.
  void OnVideoDropped(std::span<const Ssrc> ssrcs);

  // --- Commands.

  Status SetMaxIncomingBitrate(uint64_t bps);
  /// After the response: measures what comes in, by abs-send-time, and tells the sender in REMBs,
  /// whatever its producers negotiated. Nothing happens where one of them has begun it.
  void StartRemb();
  Status SetMaxOutgoingBitrate(uint64_t bps);
  Status SetMinOutgoingBitrate(uint64_t bps);
  /// Consumers that are created from now on get ConsumeOptions::joins_layers.
  void JoinLayers() { joins_layers_ = true; }
  /// The same of ConsumeOptions::replays_group, where the worker's settings allow it.
  void ReplayGroups() { replays_groups_ = context_.settings.replay_groups; }
  void EnableTraces(TraceMask traces) { traces_ = traces; }
  // From whoever estimates what the path takes, and probes it: where these traces are on, they are
  // reported.
  void OnProbation(Timestamp now);  ///< a probation packet has gone out
  void OnBandwidthEstimate(const BweTrace& estimate, Timestamp now);
  Result<ProduceReport> Produce(const ProduceOptions& options);
  Result<ConsumeReport> Consume(const ConsumeOptions& options);
  /// Each consumer of it, wherever it lives, hears OnProducerClosed and is deleted.
  void CloseProducer(Producer& producer);
  /// NotFoundError when it is not one of this transport's.
  Status CloseProducer(const std::string& producer_id);
  void CloseConsumer(Consumer& consumer);
  /// NotFoundError when it is not one of this transport's.
  Status CloseConsumer(const std::string& consumer_id);
  /// Producers, each as above, then consumers. The transport closes next: SRTP state stays.
  void CloseChildren();
  /// The same in slices, of a transport that is closing: takes from `effort` what each object takes
  /// that it closes, wherever that is: 1 for a consumer, kProducerEffort for a producer. False when
  /// there are more.
  bool CloseSome(size_t* effort);
  /// What CloseSome() would take in all.
  size_t effort() const;
  /// The transport is closing: its producers are no longer those of the router, and its consumers
  /// leave theirs.
  void LeaveRouter();
  /// Deletes consumers, or producers (which must have no consumers left), telling nobody; returns
  /// how many. From now on RTP and RTCP that comes in finds none of them, deleted or not. Likewise.
  size_t DropConsumers(size_t at_most = SIZE_MAX);
  size_t DropProducers(size_t at_most = SIZE_MAX);
  /// See Transport::Seal.
  void Seal();
  /// A packet handed in by the controller as if it had been received.
  void InjectRtp(std::span<const uint8_t> packet);

  void AddTo(EngineCounters* counters, ObjectCounts* alive) const;
  /// Of the whole transport.
  TransportDump Dump() const;
  TransportStats GetStats(Timestamp now);

  // --- RtcpReceiver and RtcpReporter look these up.

  /// Null while nothing that is sent is estimated.
  SendBandwidth* send_bandwidth() { return send_bandwidth_.get(); }
  const RtpListener& listener() const { return listener_; }
  const std::vector<std::unique_ptr<Producer>>& producers() const { return producers_.all(); }
  const std::vector<std::unique_ptr<Consumer>>& consumers() const { return consumers_.all(); }
  /// By media SSRC; none for an RTX SSRC.
  ConsumerStream FindConsumer(Ssrc ssrc) const;
  /// By any SSRC that is sent.
  ConsumerStream FindSent(Ssrc ssrc) const;
  void SendRtcp(std::span<const uint8_t> compound) { link_.SendRtcp(compound); }
  /// The sender of one of the producers takes no reduced-size RTCP (RFC 5506): each packet towards
  /// it has to begin with a report and a CNAME (RFC 3550 §6.1).
  bool full_compounds() const { return full_compounds_; }
  /// Of our receiver reports; nobody compares it with anything.
  std::string_view cname() const { return std::string_view(id()).substr(0, kMaxCname); }

  // ProducerHost
  void SendRtcpToProducer(std::span<const uint8_t> compound) override { SendToSender(compound); }
  void ScheduleDelivery(Producer& producer) override { context_.turn.ScheduleDelivery(producer); }
  void OnSsrcLearned(Producer& producer, Ssrc ssrc) override;
  void OnSsrcReleased(Producer& producer, Ssrc ssrc) override;
  std::shared_ptr<SenderClock> ClockOf(const std::string& cname) override;
  PacingClock* ReplayClock() override;

 private:
  void SendTransportFeedback();
  void SendRemb(Timestamp now);
  void OnRembCollapsed();
  void ApplyMaxIncomingBitrate(Timestamp now);
  void TellConsumers();
  /// Until nothing is left of `effort`, 1 for each.
  void CloseConsumersOf(Producer& producer, size_t* effort);
  static void AddProducer(const Producer& producer, EngineCounters* counters);
  static void AddConsumer(const Consumer& consumer, EngineCounters* counters);
  void AddFeedback(EngineCounters* counters) const;
  static constexpr size_t kMaxCname = 64;  // bytes; ids are 36
  /// An empty receiver report (8) and an SDES packet with one CNAME (4 + 4 + 2 + text + padding).
  static constexpr size_t kFullCompoundPrefix = 8 + 14 + kMaxCname + 4;

  /// NACK, PLI, FIR, REMB or transport feedback, as a compound that the sender takes.
  void SendToSender(std::span<const uint8_t> feedback);
  void FeedCongestionFeedback(const RtpPacket& packet, Timestamp received_at);
  void ChooseCongestionFeedback(const RtpParameters& parameters, Timestamp now);
  void StartRembLimiter(bool estimate, Timestamp now);
  void ForgetSent(Ssrc ssrc);
  /// The producer of this consumer is going: closes it, and tells of it.
  void CloseOrphan(Consumer& consumer);
  /// Closes consumers that stand in the way of what is to be consumed, and will be closed anyway:
  /// their producers' transports are closing.
  void CloseOrphans(const ConsumeOptions& options);
  /// The first video consumer with parameters that allow it has the path estimated.
  void ChooseSendBandwidth(Consumer& consumer, const RtpParameters& parameters, RtpType type);
  Status CheckConsumerSsrcs(const ConsumeOptions& options) const;
  /// Streams of consumers that have ended are remembered so that they can go on.
  void RememberEnded(const Consumer& consumer);
  void GoOnAfterEnded(Consumer* consumer);
  /// An SSRC that was sent before goes on with its next sequence number.
  ConsumeOptions WithSequenceAfterEarlierUse(ConsumeOptions options) const;

  TransportCore& core_;
  EngineContext& context_;
  RtpLink& link_;
  const RtpLimits limits_;
  bool connected_ = false;
  bool full_compounds_ = false;
  bool sending_allowed_ = true;
  bool joins_layers_ = false;
  bool replays_groups_ = false;

  // The objects.
  RtpListener listener_;
  ReceiveExtensionIds extension_ids_;
  IndexedList<std::unique_ptr<Producer>, &Producer::owner_slot> producers_;
  IndexedList<std::unique_ptr<Consumer>, &Consumer::owner_slot> consumers_;
  absl::flat_hash_map<uint32_t, ConsumerStream> streams_by_ssrc_;  ///< what is sent, RTX too
  struct EndedStream {
    Ssrc ssrc;
    std::string producer_id;
    Ssrc first_consumable;
    StreamContinuity continuity;
  };
  std::vector<EndedStream> ended_streams_;  ///< of consumers, the newest last

  // RTCP and congestion feedback.
  RtcpReceiver rtcp_receiver_;
  RtcpReporter rtcp_reporter_;
  std::unique_ptr<TransportFeedbackGenerator> transport_feedback_;
  std::unique_ptr<RembLimiter> remb_limiter_;
  std::unique_ptr<SendBandwidth> send_bandwidth_;

  // Settings.
  uint64_t max_incoming_bitrate_ = 0;  // bps, 0 = none; likewise below
  uint64_t max_outgoing_bitrate_ = 0;
  uint64_t min_outgoing_bitrate_ = 0;
  TraceMask traces_ = 0;
};

}  // namespace sluice::worker
