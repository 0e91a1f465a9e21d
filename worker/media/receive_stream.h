#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/rtp_types.h"
#include "common/units.h"
#include "worker/core/environment.h"
#include "worker/core/rtp/key_frame_requester.h"
#include "worker/core/rtp/nack_generator.h"
#include "worker/core/rtp/packet_ring.h"
#include "worker/core/rtp/rate_window.h"
#include "worker/core/rtp/receive_statistics.h"
#include "worker/core/rtp/score_history.h"
#include "worker/core/rtp/sender_clock.h"
#include "worker/media/options.h"
#include "worker/media/reports.h"
#include "worker/wire/rtcp.h"
#include "worker/wire/rtp_packet.h"

namespace sluice::worker {

struct ReceiveTotals;

class ReceiveStream;

/// What a ReceiveStream tells the producer that owns it.
class ReceiveStreamEvents {
 public:
  virtual ~ReceiveStreamEvents() = default;
  virtual void OnStreamScore() = 0;
  /// `compound` has to go to the sender; it carries one message of this kind (kNack, kPli, kFir).
  virtual void OnStreamRequest(ProducerTraceType kind, Ssrc ssrc,
                               std::span<const uint8_t> compound) = 0;
};

/// What a producer keeps for one encoding: statistics of the media SSRC and of its retransmission
/// SSRC, the NACK list, key-frame requests, score, capture clock and the recent packets.
///
/// Exists, unstarted, from the producer's creation; starts with the first media packet.
class ReceiveStream final : private KeyFrameRequestSink {
 public:
  static constexpr Duration kRateWindow = Duration::Millis(2500);     // router-protocol §4.5
  static constexpr Duration kDtxRateWindow = Duration::Millis(6000);  // router-protocol §4.5
  /// Beyond that the clock of the media and the last report may have drifted or been reset.
  static constexpr Duration kMaxExtrapolation = Duration::Seconds(60);
  /// A capture time further from now than that comes from a report that makes no sense.
  static constexpr Duration kMaxCaptureSkew = Duration::Seconds(10);
  /// Temporal layers with a bitrate of their own: three bits in VP9, two in VP8.
  static constexpr size_t kMaxTemporalLayers = 8;

  /// `params.ssrc` 0: learned from the first packet.
  ReceiveStream(const RtpStreamParams& params, MediaKind kind, Ssrc mapped_ssrc,
                Duration key_frame_delay, std::shared_ptr<SenderClock> clock,
                Environment& environment, ReceiveStreamEvents& events);
  ~ReceiveStream() override;

  bool started() const { return statistics_.started(); }
  /// False until the first Track(): the stream is new.
  bool tracked() const { return tracked_; }
  Ssrc ssrc() const { return Ssrc(params_.ssrc); }  ///< 0: not known yet
  Ssrc rtx_ssrc() const { return Ssrc(params_.rtx_ssrc.value_or(0)); }
  Ssrc mapped_ssrc() const { return mapped_ssrc_; }
  /// The codec is that of the encoding until another is set.
  const RtpStreamParams& params() const { return params_; }
  /// RoutedPacket::codec_epoch.
  uint8_t codec_epoch() const { return codec_epoch_; }
  uint8_t score() const { return started() ? score_.score() : 0; }
  /// Null before the first packet.
  PacketRing* ring() const { return ring_.get(); }

  /// A packet whose SSRC is not known came for this encoding: decides by payload type whether it is
  /// its media SSRC (`is_media`: one that may start it) or its retransmission SSRC. False when
  /// there is one of that kind already, or when a retransmission comes before any media.
  bool LearnSsrc(const RtpPacket& packet, bool is_media);
  /// The stream, started or not, is from now on of this codec, one of `parameters`. What was
  /// measured with the clock of the one before and what is missing of it is forgotten; numbers and
  /// counts go on.
  void ChangeCodec(const RtpParameters& parameters, const RtpCodecParameters& codec);

  /// Step one for a media packet: is its number to be believed.
  SequenceTracker::Outcome OnMedia(const RtpPacket& packet, Timestamp received_at);
  struct Repaired {
    RtpPacket packet;  ///< the original, in the same bytes
    SequenceTracker::Outcome outcome;
  };
  /// Step one for a packet of the retransmission SSRC; nullopt when it brings nothing new.
  std::optional<Repaired> OnRetransmission(RtpPacket& packet, Timestamp received_at);
  /// Step two for either, once the payload has been read: holes, requests, rates.
  void Track(const SequenceTracker::Outcome& outcome, const RtpPacket& packet, bool repaired,
             bool key_frame, uint8_t temporal_layer, Timestamp now);

  void OnSenderReport(const rtcp::SenderInfo& report, Timestamp now);
  void OnRoundTrip(Duration round_trip);
  void FillReportBlocks(std::vector<rtcp::ReportBlock>* out, Timestamp now);

  void RequestKeyFrame(Timestamp now, bool forced);
  /// Forgets what must not be judged across a pause.
  void OnPause();

  DataRate Bitrate(Timestamp now) { return rate_.Rate(now); }
  /// Our clock minus the sender's.
  std::optional<Duration> clock_offset() const;
  std::optional<NtpTime> CaptureTime(RtpTimestamp timestamp) const;

  /// Adds what this stream has counted.
  void AddTo(ReceiveTotals* totals) const;
  RtpStreamDump Dump() const;
  RtpStreamStats Stats(Timestamp now);

 private:
  void SendKeyFrameRequest() override;
  void SendNacks(Timestamp now);
  void ArmNackTimer(Timestamp now);
  void AddScoreSample();
  std::vector<std::pair<std::string, uint64_t>> BitrateByLayer(Timestamp now);

  RtpStreamParams params_;
  const MediaKind kind_;
  const Ssrc mapped_ssrc_;
  std::shared_ptr<SenderClock> clock_;
  Environment& environment_;
  ReceiveStreamEvents& events_;

  ReceiveStatistics statistics_;
  std::optional<ReceiveStatistics> rtx_statistics_;
  NackGenerator nack_;
  std::unique_ptr<Timer> nack_timer_;
  Timestamp nack_timer_at_;
  std::vector<SeqNumber> nack_due_;  ///< keeps its memory
  KeyFrameRequester key_frame_requester_;
  uint8_t fir_sequence_ = 0;
  ScoreHistory score_;
  std::unique_ptr<PacketRing> ring_;
  RateWindow rate_;
  std::vector<RateWindow> layer_rates_;  ///< by temporal layer, when there are several

  struct LastReport {
    NtpTime ntp;
    RtpTimestamp rtp_timestamp;
    Duration difference;  ///< our clock at arrival minus `ntp`
  };
  std::optional<LastReport> last_report_;

  bool tracked_ = false;
  uint8_t codec_epoch_ = 0;
  RtpTimestamp newest_timestamp_;
  uint64_t retransmitted_ = 0;
  uint64_t repaired_ = 0;
  uint64_t nack_count_ = 0;
  uint64_t nack_packet_count_ = 0;
  uint64_t pli_count_ = 0;
  uint64_t fir_count_ = 0;
  float round_trip_ms_ = 0;
  // At the last score sample.
  uint64_t scored_retransmitted_ = 0;
  uint64_t scored_repaired_ = 0;
};

}  // namespace sluice::worker
