#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "common/rtp_types.h"
#include "common/status.h"
#include "worker/core/bwe/feedback_sink.h"
#include "worker/core/bwe/remb_limiter.h"
#include "worker/core/bwe/transport_feedback_generator.h"
#include "worker/core/packet_buffer.h"
#include "worker/core/packet_writer.h"
#include "worker/core/srtp/srtp_session.h"
#include "worker/media/byte_rate.h"
#include "worker/media/consumer.h"
#include "worker/media/engine_context.h"
#include "worker/media/producer.h"
#include "worker/media/rtcp_receiver.h"
#include "worker/media/rtcp_reporter.h"
#include "worker/media/rtp_egress.h"
#include "worker/media/rtp_listener.h"
#include "worker/wire/rtp_packet.h"

namespace sluice::worker {

class Router;

/// Packets that went nowhere, by reason.
struct TransportCounters {
  uint64_t not_ready = 0;     ///< media before the transport was connected or had keys
  uint64_t wrong_source = 0;  ///< from a tuple that is not ours
  uint64_t unclassified = 0;  ///< neither STUN, DTLS, RTP nor RTCP
  uint64_t srtp_too_short = 0;
  uint64_t srtp_auth_failed = 0;
  uint64_t srtp_replayed = 0;
  uint64_t srtp_other = 0;
  uint64_t malformed_rtp = 0;
  uint64_t malformed_rtcp = 0;
  uint64_t no_producer = 0;       ///< RTP that no rule of the listener matched
  uint64_t producer_refused = 0;  ///< RTP that its producer discarded
  uint64_t ssrc_refused = 0;      ///< a learned SSRC that another producer has, or table full
  uint64_t send_refused = 0;      ///< no path, writer full, or encryption refused
};

/// The media half of a transport, whatever its class (router-protocol §2.3, §4.2, §4.3): producers,
/// consumers, their SSRC tables, SRTP, RTCP both ways, receive-side congestion feedback and counts.
///
/// Owned by WebRtcTransport and PlainTransport, which own the connectivity and push into it: the
/// way out (SetPaths), the keys (InstallSrtp), whether media may flow (SetConnected), and what
/// comes in. No virtual call on the way out of a packet but the writer's.
class TransportCore final : public ProducerHost, public RtpEgress, public FeedbackSink {
 public:
  /// Smallest limit for outgoing bitrate (router-protocol §8).
  static constexpr uint64_t kMinOutgoingBitrate = 30'000;           // bps
  static constexpr uint64_t kMaxBitrate = (uint64_t{1} << 63) - 2;  // bps
  /// Consumers of one transport: a viewer of a conference of 1000 with audio and video.
  static constexpr size_t kMaxConsumers = 2048;
  /// Producers of one transport; each costs receive state.
  static constexpr size_t kMaxProducers = 256;

  /// `encrypted`: media needs keys. UnsupportedError from CheckOptions first.
  TransportCore(std::string id, const TransportOptions& options, bool encrypted, Router& router,
                EngineContext& context);
  ~TransportCore() override;
  TransportCore(const TransportCore&) = delete;
  TransportCore& operator=(const TransportCore&) = delete;

  /// What of the common options this version cannot do.
  static Status CheckOptions(const TransportOptions& options);

  const std::string& id() const { return id_; }
  Router& router() const { return router_; }
  EngineContext& context() const { return context_; }

  // --- The connectivity half pushes.

  /// Where RTP and RTCP leave; the same path twice with rtcp-mux. An empty path drops.
  void SetPaths(const NetworkPath& rtp, const NetworkPath& rtcp);
  Status InstallSrtp(const SrtpMasterKey& local, const SrtpMasterKey& remote);
  bool has_srtp() const { return srtp_receiver_ != nullptr; }
  /// Media may (no longer) flow: consumers and the RTCP timer follow.
  void SetConnected(bool connected);
  void CountReceived(size_t bytes, Timestamp now) { received_.Add(bytes, now); }
  void CountSent(size_t bytes) { sent_.Add(bytes, context_.environment.Now()); }
  TransportCounters& counters() { return counters_; }

  /// Decrypts (in place) and parses one RTP datagram; nullopt, and counted, when it is not one.
  std::optional<RtpPacket> OpenRtp(const PacketRef& buffer, size_t size);
  void RouteRtp(const PacketRef& buffer, RtpPacket& packet, Timestamp received_at);
  /// Decrypts one RTCP datagram in place; an empty span, and counted, on failure.
  std::span<const uint8_t> OpenRtcp(const PacketRef& buffer, size_t size);
  void RouteRtcp(std::span<const uint8_t> compound, Timestamp now);

  // --- Commands (router-protocol §2.3).

  Status SetMaxIncomingBitrate(uint64_t bps);
  /// After the response: measures what comes in, by abs-send-time, and tells the sender in REMBs,
  /// whatever its producers negotiated. Nothing happens where one of them has begun it.
  void StartRemb();
  Status SetMaxOutgoingBitrate(uint64_t bps);
  Status SetMinOutgoingBitrate(uint64_t bps);
  void EnableTraces(TraceMask traces) { traces_ = traces; }
  Result<ProduceReport> Produce(const ProduceOptions& options);
  Result<ConsumeReport> Consume(const ConsumeOptions& options);
  /// Each consumer of it, wherever it lives, hears OnProducerClosed and is deleted (§2.8).
  /// `keep_receive_state`: the SRTP state of its SSRCs stays, for a producer that takes them over;
  /// without it their rollover counters would be lost.
  void CloseProducer(Producer& producer, bool keep_receive_state = false);
  /// NotFoundError when it is not one of this transport's.
  Status CloseProducer(const std::string& producer_id, bool keep_receive_state = false);
  /// Drops the SRTP state of those SSRCs that no producer has.
  void ForgetReceiveState(std::span<const Ssrc> ssrcs);
  void CloseConsumer(Consumer& consumer);
  /// NotFoundError when it is not one of this transport's.
  Status CloseConsumer(const std::string& consumer_id);
  /// Producers, then consumers, as above.
  void CloseChildren();
  /// Deletes the consumers, or the producers (which must have no consumers left), telling nobody.
  void DropConsumers();
  void DropProducers();
  /// A packet handed in by the controller as if it had been received.
  void InjectRtp(std::span<const uint8_t> packet);

  TransportDump Dump() const;
  TransportStats GetStats(Timestamp now);

  // --- RtcpReceiver and RtcpReporter look these up.

  const RtpListener& listener() const { return listener_; }
  const std::vector<std::unique_ptr<Producer>>& producers() const { return producers_; }
  const std::vector<std::unique_ptr<Consumer>>& consumers() const { return consumers_; }
  /// By media SSRC; null for an RTX SSRC.
  Consumer* FindConsumer(Ssrc ssrc) const;

  // RtpEgress
  bool connected() const override { return connected_; }
  uint8_t* BeginRtp(size_t capacity) override;
  void EndRtp(uint8_t* slot, size_t header_size, std::span<const uint8_t> payload,
              RtpClass rtp_class, bool same_bytes_again) override;
  uint16_t NextTransportSequence() override { return next_transport_sequence_++; }
  void SendRtcp(std::span<const uint8_t> compound) override;

  // ProducerHost
  void SendRtcpToProducer(std::span<const uint8_t> compound) override { SendRtcp(compound); }
  void ScheduleDelivery(Producer& producer) override { context_.turn.ScheduleDelivery(producer); }
  void OnSsrcLearned(Producer& producer, Ssrc ssrc) override;
  std::shared_ptr<SenderClock> ClockOf(const std::string& cname) override;

  // FeedbackSink
  void SendFeedback(std::span<const uint8_t> rtcp) override { SendRtcp(rtcp); }
  void OnRembCollapsed() override;

 private:
  void CountUnprotectError(SrtpUnprotectError error);
  void FeedCongestionFeedback(const RtpPacket& packet, Timestamp received_at);
  void ChooseCongestionFeedback(const RtpParameters& parameters, Timestamp now);
  void StartRembLimiter(bool estimate, Timestamp now);
  Status CheckConsumerSsrcs(const ConsumeOptions& options) const;

  const std::string id_;
  Router& router_;
  EngineContext& context_;
  const bool encrypted_;
  const TransportOptions options_;

  // The way out.
  bool connected_ = false;
  NetworkPath rtp_path_;
  NetworkPath rtcp_path_;
  std::unique_ptr<SrtpSender> srtp_sender_;
  std::unique_ptr<SrtpReceiver> srtp_receiver_;
  uint16_t next_transport_sequence_ = 1;

  // The objects.
  RtpListener listener_;
  ReceiveExtensionIds extension_ids_;
  std::vector<std::unique_ptr<Producer>> producers_;
  std::vector<std::unique_ptr<Consumer>> consumers_;
  absl::flat_hash_map<uint32_t, Consumer*> consumers_by_ssrc_;
  absl::flat_hash_map<uint32_t, Consumer*> consumers_by_rtx_ssrc_;

  // RTCP and congestion feedback.
  RtcpReceiver rtcp_receiver_;
  RtcpReporter rtcp_reporter_;
  std::unique_ptr<TransportFeedbackGenerator> transport_feedback_;
  std::unique_ptr<RembLimiter> remb_limiter_;

  // Settings and counts.
  uint64_t max_incoming_bitrate_ = 0;  // bps, 0 = none; likewise below
  uint64_t max_outgoing_bitrate_ = 0;
  uint64_t min_outgoing_bitrate_ = 0;
  TraceMask traces_ = 0;
  TransportCounters counters_;
  ByteRate received_;
  ByteRate sent_;
  ByteRate rtp_received_;
  ByteRate rtp_sent_;
  ByteRate rtx_received_;
  ByteRate rtx_sent_;
};

}  // namespace sluice::worker
