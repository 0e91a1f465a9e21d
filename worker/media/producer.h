#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/rtp_parameters.h"
#include "common/status.h"
#include "worker/core/environment.h"
#include "worker/core/packet_buffer.h"
#include "worker/core/rtp/capture_clock.h"
#include "worker/core/rtp/routed_packet.h"
#include "worker/media/engine_events.h"
#include "worker/media/indexed_list.h"
#include "worker/media/layer_policy.h"
#include "worker/media/options.h"
#include "worker/media/reports.h"
#include "worker/wire/rtcp.h"
#include "worker/wire/rtp_packet.h"

namespace sluice::worker {

class Consumer;
class Producer;
class PacketRing;
class PacingClock;
class SenderClock;
struct SharedConsumerParameters;
struct FecPacket;
class LayerFilterPool;

/// What a producer has counted of what its sender sent, over all encodings.
struct ReceiveTotals {
  uint64_t packets_lost = 0;       ///< on the way to us; what was repaired is lost
  uint64_t packets_discarded = 0;  ///< duplicates, and numbers too far away
  uint64_t packets_repaired = 0;   ///< holes that a retransmission filled
  uint64_t nacks_sent = 0;
  uint64_t nacked_packets = 0;  ///< numbers asked for again
  uint64_t plis_sent = 0;
  uint64_t firs_sent = 0;
  uint64_t key_frame_requests_merged = 0;  ///< not sent: another one was enough
  uint64_t restarts = 0;                   ///< new runs of the sender, with other numbers
  uint64_t time_jumps = 0;                 ///< its clock was set
};

/// What a producer needs of the transport that owns it.
class ProducerHost {
 public:
  virtual ~ProducerHost() = default;
  /// RTCP towards the sender of the media (NACK, PLI, FIR), at once.
  virtual void SendRtcpToProducer(std::span<const uint8_t> compound) = 0;
  /// The producer has packets for DeliverTurn(): it is called once at the end of this turn.
  virtual void ScheduleDelivery(Producer& producer) = 0;
  /// A packet of an encoding announced by RID or MID only told us this SSRC.
  virtual void OnSsrcLearned(Producer& producer, Ssrc ssrc) = 0;
  /// Another one, learned next, has taken the place of this SSRC: its packets are no longer the
  /// producer's.
  virtual void OnSsrcReleased(Producer& /*producer*/, Ssrc /*ssrc*/) {}
  /// The clock of the sender with this CNAME, one per CNAME of a router, so that its audio and its
  /// video are placed on our time line by the same offset. The router keeps a weak_ptr.
  virtual std::shared_ptr<SenderClock> ClockOf(const std::string& cname) = 0;
  /// By which those who join are sent the group of pictures so far, outlives the producer; null:
  /// they are not, and no group is kept.
  virtual PacingClock* ReplayClock() { return nullptr; }
};

/// What listens to a producer beside its consumers (audio level observers).
class ProducerObserver {
 public:
  virtual ~ProducerObserver() = default;
  /// `level`: 0…127, −dBov (RFC 6464), of one packet.
  virtual void OnAudioLevel(Producer& producer, uint8_t level) = 0;
  virtual void OnProducerPaused(Producer& producer) = 0;
  virtual void OnProducerResumed(Producer& producer) = 0;
  /// The producer is going and has forgotten this observer.
  virtual void OnProducerClosed(Producer& producer) = 0;
};

/// A media stream that comes in (docs/protocols/rtp-rtcp.md §1–§4): takes RTP of its transport,
/// keeps receive state per encoding (stats, NACK list, RTX unwrapping, score, capture clock),
/// parses each packet once and hands the packets of a loop turn to its active consumers together.
///
/// A sender that changes its codec while it runs (ProduceOptions::takes_any_codec): the stream is
/// of the new codec from the first packet with its payload type that is ahead of all others.
/// Numbers, counts and score go on; jitter and what is missing are forgotten; a key frame is asked
/// for, and consumers wait for it. Packets of the codec before that come later are counted and no
/// more.
///
/// A sender that begins anew under its SSRC (RestartDetector) is followed from the first packet of
/// the new run; one that begins anew under another SSRC with the same MID, after a moment of
/// silence of the old one. Consumers go on with their own numbers and time.
///
/// Owned by the transport; consumers attach through the router. Holds one PacketRing per encoding,
/// in which each recent packet lives once for all its consumers.
class Producer {
 public:
  /// Checks the parameters (docs/protocols/router-protocol.md §9, §10: TypeErrors name the field);
  /// does not register SSRCs.
  static Result<std::unique_ptr<Producer>> Create(const ProduceOptions& options, ProducerHost& host,
                                                  Environment& environment, EngineEvents& events);
  ~Producer();

  const std::string& id() const;
  MediaKind kind() const;
  RtpType type() const;
  bool paused() const;
  const RtpParameters& rtp_parameters() const;
  const RtpMapping& rtp_mapping() const;

  /// Packets that were not forwarded, kept or read in full, by reason.
  struct Counters {
    uint64_t over_turn_limit = 0;        ///< not forwarded: too many in one turn
    uint64_t over_ring_bytes = 0;        ///< forgotten early, for PacketRing::kMaxBytes
    uint64_t unreadable_descriptor = 0;  ///< dependency descriptor malformed, or without structure
    uint64_t unreadable_red = 0;     ///< redundant audio malformed, or with blocks of unknown types
    uint64_t unreadable_fec = 0;     ///< FEC header malformed, or of another stream
    uint64_t unreadable_layers = 0;  ///< video-layers-allocation malformed
  };
  Counters counters() const;

  /// What became of a packet.
  enum class ReceiveResult : uint8_t { kDiscarded, kMedia, kRetransmission, kRepair };
  /// One decrypted packet of this producer: `packet` views the first bytes of `buffer`.
  ReceiveResult OnRtp(const PacketRef& buffer, RtpPacket& packet, Timestamp received_at);
  /// Gives the packets of this turn to every active consumer (consumer-major), then forgets them.
  void DeliverTurn(Timestamp now);

  // RTCP
  void OnSenderReport(const rtcp::SenderInfo& report, Timestamp now);
  void OnDlrr(const rtcp::DlrrItem& item, Timestamp now);
  /// Appends one block per receive stream and its RTX stream; updates their stats.
  void FillReportBlocks(std::vector<rtcp::ReportBlock>* out, Timestamp now);
  bool HasSsrc(Ssrc ssrc) const;  ///< media or RTX, announced or learned
  std::vector<Ssrc> ReceiveSsrcs() const;

  void Pause();
  void Resume();
  /// For the encoding with `mapped_ssrc`, throttled: at most one a second goes to the sender (see
  /// KeyFrameRequester), the first one at once.
  void RequestKeyFrame(Ssrc mapped_ssrc);
  /// For every encoding, throttled.
  void RequestKeyFrames();
  void EnableTraces(TraceMask traces);
  /// Its transport is closing, and its id is free for others: it tells nothing any more but its
  /// consumers that it closes, and its timers stop.
  void Seal();
  bool sealed() const;

  // Consumers. Attached ones are told of pause, resume and close; active ones get packets.
  void AttachConsumer(Consumer& consumer);
  void DetachConsumer(Consumer& consumer);
  void SetConsumerActive(Consumer& consumer, bool active);
  /// Groups are kept for those who join.
  bool keeps_groups() const;
  /// An active consumer is sent the group so far: until Consumer::OnReplay() is true that is called
  /// at the end of this turn, and then of each in which it is time to go on or packets have come,
  /// in place of OnPackets().
  void StartReplay(Consumer& consumer);
  /// How long a key frame of this encoding may take; nullopt while nothing is known.
  std::optional<Duration> KeyFrameAfter(uint8_t encoding_index) const;
  /// What a consumer wants of the layers, or whether it is active, has changed.
  void OnWishesChanged();
  const std::vector<Consumer*>& consumers() const;

  void AddObserver(ProducerObserver& observer);
  void RemoveObserver(ProducerObserver& observer);
  /// Whether every packet that is not discarded is reported (EngineEvents::OnProducerPacket).
  void ReportPackets(bool enabled);

  // What consumers ask.
  /// Null before the encoding's first packet.
  const PacketRing* ring(uint8_t encoding_index) const;
  /// 0…10; 0 for an encoding never seen.
  uint8_t encoding_score(uint8_t encoding_index) const;
  std::vector<uint8_t> encoding_scores() const;
  /// One element for each encoding.
  std::span<const EncodingLife> encoding_lives() const;
  /// Of its sender. Lives as long as the producer.
  const CaptureClock& capture_clock() const;
  /// What its consumers have in common, as one copy.
  SharedConsumerParameters& shared_parameters();
  /// For those of its consumers that choose among layers; null when it has none.
  const std::shared_ptr<LayerFilterPool>& layer_filters() const;
  DataRate encoding_bitrate(uint8_t encoding_index, Timestamp now) const;
  /// What its layers cost that come, lowest first; measured anew each kLadderInterval. Good until
  /// the next call.
  static constexpr Duration kLadderInterval = Duration::Millis(100);
  std::span<const LadderStep> ladder(Timestamp now) const;
  /// When the sample with this RTP timestamp was captured, on OUR NTP time line: from the sender's
  /// last report, its clock's offset and the codec's clock rate. nullopt before a report has come
  /// and when the last one is too old. Base sender reports on it: it keeps lip sync.
  std::optional<NtpTime> CaptureTime(uint8_t encoding_index, RtpTimestamp timestamp) const;

  /// Whether packets go on to a consumer.
  bool has_active_consumers() const;
  ReceiveTotals totals() const;
  ProducerDump Dump() const;
  std::vector<RtpStreamStats> GetStats(Timestamp now);
  /// Stats of one encoding, for the consumer that forwards it; nullopt when never seen.
  std::optional<RtpStreamStats> GetEncodingStats(uint8_t encoding_index, Timestamp now);

  // Its places in the lists that it is in.
  ListSlot owner_slot;     ///< of its transport's producers
  ListSlot router_slot;    ///< of its router's
  ListSlot delivery_slot;  ///< of those with packets to deliver in this turn

 private:
  struct Impl;
  explicit Producer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::worker
