#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "common/rtp_types.h"
#include "common/units.h"
#include "worker/core/environment.h"
#include "worker/core/packet_buffer.h"
#include "worker/core/rtp/key_frame_requester.h"
#include "worker/core/rtp/nack_generator.h"
#include "worker/core/rtp/packet_ring.h"
#include "worker/core/rtp/parameter_set_watch.h"
#include "worker/core/rtp/rate_window.h"
#include "worker/core/rtp/receive_statistics.h"
#include "worker/core/rtp/score_history.h"
#include "worker/core/rtp/sender_clock.h"
#include "worker/media/layer_policy.h"
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
  /// Also when it has stopped, or come back.
  virtual void OnStreamScore() = 0;
  /// A spatial layer has stopped, or come back.
  virtual void OnStreamLayers() = 0;
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
  static constexpr Duration kRateWindow = Duration::Millis(2500);  // docs/protocols/rtp-rtcp.md §6
  static constexpr Duration kDtxRateWindow =
      Duration::Millis(6000);  // docs/protocols/rtp-rtcp.md §6
  /// Beyond that the clock of the media and the last report may have drifted or been reset.
  static constexpr Duration kMaxExtrapolation = Duration::Seconds(60);
  /// A capture time further from now than that comes from a report that makes no sense.
  static constexpr Duration kMaxCaptureSkew = Duration::Seconds(10);
  /// Rates of less time than this say little.
  static constexpr Duration kMinRateAge = Duration::Millis(300);
  /// Announced bitrates count up to this: more than browsers send, and a sender that lies makes
  /// nobody probe for more.
  static constexpr DataRate kMaxAnnounced = DataRate::BitsPerSecond(20'000'000);
  /// A media SSRC that has been silent for this long may be replaced by another.
  static constexpr Duration kSsrcSilence = Duration::Millis(500);
  /// A report that places a packet further from its arrival than that is of another clock.
  static constexpr Duration kMaxReportMismatch = Duration::Seconds(1);
  /// Layers with a bitrate of their own: three bits in VP9, two in VP8.
  static constexpr size_t kMaxTemporalLayers = 8;
  static constexpr size_t kMaxSpatialLayers = 8;
  /// An encoding, or a layer of one, that is silent for so long has stopped (docs/protocols/
  /// layers.md §5): at least this, and three of its own frame intervals.
  static constexpr Duration kMinSilence = Duration::Millis(1500);
  static constexpr Duration kDtxSilence = Duration::Millis(5000);
  static constexpr Duration kMaxSilence = Duration::Millis(12'000);
  /// Assumed of a stream of which few frames are known.
  static constexpr Duration kFirstInterval = Duration::Millis(2000);
  static constexpr int kFewFrames = 3;
  /// Of a sender that answers so fast only a short group is sent sooner than a key frame comes: one
  /// that is in the ring anyway.
  static constexpr Duration kQuickAnswer = Duration::Millis(400);

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
  Ssrc fec_ssrc() const { return Ssrc(params_.fec_ssrc.value_or(0)); }  ///< 0: none
  Ssrc mapped_ssrc() const { return mapped_ssrc_; }
  /// The codec is that of the encoding until another is set.
  const RtpStreamParams& params() const { return params_; }
  /// RoutedPacket::codec_epoch.
  uint8_t codec_epoch() const { return codec_epoch_; }
  uint8_t score() const { return started() && alive_ ? score_.score() : 0; }
  /// From now on it is noticed when the stream stops (simulcast), or its layers do (SVC).
  void WatchLife(RtpType type);
  EncodingLife life() const;
  /// Decides which packets of H264 and H265 begin a key frame.
  ParameterSetWatch& parameter_sets() { return parameter_sets_; }
  /// Null before the first packet.
  PacketRing* ring() const { return ring_.get(); }

  /// A packet whose SSRC is not known came for this encoding: decides by payload type whether it is
  /// its media SSRC (`is_media`: one that may start it) or its retransmission SSRC. False when
  /// there is one of that kind already, or when a retransmission comes before any media.
  bool LearnSsrc(const RtpPacket& packet, bool is_media);
  /// Where LearnSsrc refuses: an SSRC that came under the same MID takes the place of the media
  /// SSRC once that has been silent for kSsrcSilence, or has never been heard (RFC 9143 §9.2: a
  /// browser that makes its sender anew). What was learned of the old one's retransmission SSRC
  /// gives way, too. False when it has to wait.
  bool ReplaceSsrc(const RtpPacket& packet, bool is_media, Timestamp received_at);
  /// The stream, started or not, is from now on of this codec, one of `parameters`. What was
  /// measured with the clock of the one before and what is missing of it is forgotten; numbers and
  /// counts go on.
  void ChangeCodec(const RtpParameters& parameters, const RtpCodecParameters& codec);

  /// Step one for a media packet: is its number to be believed. A suspect is kept; after kNewRun
  /// those of TakeSuspects() have to be handed in again, and then this packet.
  SequenceTracker::Outcome OnMedia(const PacketRef& buffer, const RtpPacket& packet,
                                   Timestamp received_at);
  struct Suspect {
    PacketRef buffer;
    RtpPacket packet;
    Timestamp received_at;
  };
  /// Oldest first; fewer than RestartDetector::kNearSuspects.
  std::vector<Suspect> TakeSuspects() { return std::exchange(suspects_, {}); }
  /// A key frame has begun since the sender last began anew.
  bool key_frame_in_run() const { return key_frame_in_run_; }
  struct Repaired {
    RtpPacket packet;  ///< the original, in the same bytes
    SequenceTracker::Outcome outcome;
  };
  /// Step one for a packet of the retransmission SSRC; nullopt when it brings nothing new.
  std::optional<Repaired> OnRetransmission(RtpPacket& packet, Timestamp received_at);
  /// A packet of the repair stream; false for one that came before, and before any media.
  bool OnRepair(const RtpPacket& packet, Timestamp received_at);
  /// The number of a media packet near the newest.
  ExtendedSeqNumber NumberOf(SeqNumber sequence) const {
    const int64_t newest = statistics_.newest().value();
    return ExtendedSeqNumber(newest + Distance(sequence, SeqNumber(static_cast<uint16_t>(newest))));
  }
  /// Step two for either, once the payload has been read: holes, requests, rates.
  void Track(const SequenceTracker::Outcome& outcome, const RtpPacket& packet, bool repaired,
             const PayloadInfo& info, Timestamp now);

  void OnSenderReport(const rtcp::SenderInfo& report, Timestamp now);
  /// What the sender says of the layers of this encoding; nullptr: nothing.
  void SetAnnounced(const AnnouncedLayers* layers) { announced_ = layers; }
  void OnRoundTrip(Duration round_trip);
  void FillReportBlocks(std::vector<rtcp::ReportBlock>* out, Timestamp now);

  /// Throttled, see KeyFrameRequester. Nothing happens before the stream has started, and for
  /// senders that take neither PLI nor FIR.
  void RequestKeyFrame(Timestamp now);
  /// For a new stream or a resumed one: without the delay that the application wants.
  void RequestKeyFrameUrgently(Timestamp now);
  /// How long a key frame may take that is asked for; nullopt while nothing is known, and where the
  /// sender cannot be asked.
  std::optional<Duration> KeyFrameAfter() const;
  /// It takes long, or may: the current group is kept for those who join.
  bool KeepsGroup() const {
    const std::optional<Duration> after = KeyFrameAfter();
    return kind_ == MediaKind::kVideo && (!after || *after > kQuickAnswer);
  }
  /// Key-frame requests that others stood for.
  uint64_t merged_key_frame_requests() const { return key_frame_requester_.merged(); }
  /// Forgets what must not be judged across a pause. Nothing counts as stopped before OnResume():
  /// a sender may well be silent while it is paused (docs/protocols/layers.md §5).
  void OnPause();
  /// Silence counts from now on.
  void OnResume(Timestamp now);

  DataRate Bitrate(Timestamp now) { return rate_.Rate(now); }
  /// Appends a step for each of its layers that come, lowest first: as measured over kRateWindow.
  /// Where that is not full yet, or nothing came in it, what the sender has announced of a layer
  /// that it sends counts instead, and makes a step of it.
  void AddSteps(std::vector<LadderStep>* steps, Timestamp now);
  /// Our clock minus the sender's.
  std::optional<Duration> clock_offset() const;
  std::optional<NtpTime> CaptureTime(RtpTimestamp timestamp) const;
  /// The same on the sender's clock, microseconds.
  std::optional<int64_t> SenderTime(RtpTimestamp timestamp) const;

  /// Adds what this stream has counted.
  void AddTo(ReceiveTotals* totals) const;
  RtpStreamDump Dump() const;
  RtpStreamStats Stats(Timestamp now);

 private:
  void SendKeyFrameRequest() override;
  bool CanRequestKeyFrame() const;
  void BeginRun(const RtpPacket& packet, Timestamp received_at);
  void SendNacks(Timestamp now);
  void ArmNackTimer(Timestamp now);
  void AddScoreSample();
  std::vector<std::pair<std::string, uint64_t>> BitrateByLayer(Timestamp now);
  /// Of a layer with those that it needs; where fewer temporal ones are announced than there are,
  /// of the highest only. 0: the sender does not say that it sends it.
  int64_t AnnouncedBps(size_t spatial, size_t temporal) const;
  void CountLayers(uint8_t spatial, uint8_t temporal, size_t size, Timestamp now);
  void OnAlive(const RtpPacket& packet, Timestamp now);
  Duration MaxSilence() const;
  void CheckLife(Timestamp now);

  RtpStreamParams params_;
  const MediaKind kind_;
  const Ssrc mapped_ssrc_;
  std::shared_ptr<SenderClock> clock_;
  Environment& environment_;
  ReceiveStreamEvents& events_;

  ReceiveStatistics statistics_;
  std::optional<ReceiveStatistics> rtx_statistics_;
  std::optional<ReceiveStatistics> fec_statistics_;
  NackGenerator nack_;
  std::unique_ptr<Timer> nack_timer_;
  Timestamp nack_timer_at_;
  std::vector<SeqNumber> nack_due_;  ///< keeps its memory
  KeyFrameRequester key_frame_requester_;
  uint8_t fir_sequence_ = 0;
  ScoreHistory score_;
  std::unique_ptr<PacketRing> ring_;
  RateWindow rate_;
  /// By spatial layer, then temporal; empty with one layer.
  std::vector<RateWindow> layer_rates_;

  // What stops and comes back.
  std::unique_ptr<Timer> life_timer_;  ///< null: nobody asks
  bool watches_stream_ = false;
  bool watches_layers_ = false;
  bool paused_ = false;  ///< between OnPause() and OnResume()
  bool alive_ = true;
  Timestamp alive_since_;    ///< when it came back
  Timestamp rates_since_;    ///< the rates count since
  Timestamp last_frame_at_;  ///< of media
  RtpTimestamp last_frame_;
  int frames_ = 0;           ///< until they are no longer few
  Duration frame_interval_;  ///< longest of the last few
  std::array<Timestamp, kMaxSpatialLayers> layer_seen_at_{};
  uint8_t living_layers_ = 1;

  struct LastReport {
    NtpTime ntp;
    RtpTimestamp rtp_timestamp;
    Duration difference;  ///< our clock at arrival minus `ntp`
  };
  std::optional<LastReport> last_report_;

  const AnnouncedLayers* announced_ = nullptr;
  ParameterSetWatch parameter_sets_;
  std::vector<Suspect> suspects_;
  Timestamp last_media_at_;    ///< of the media SSRC, believed or not; at first the creation
  bool rtx_is_stale_ = false;  ///< the RTX SSRC belonged to a media SSRC that was replaced
  bool key_frame_in_run_ = false;
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
