#include "worker/media/receive_stream.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <utility>

#include "worker/core/ntp_at.h"
#include "worker/core/rtp/rtx.h"
#include "worker/media/producer.h"
#include "worker/media/rtp_parameters_check.h"
#include "worker/wire/payload_descriptor.h"

namespace sluice::worker {
namespace {

constexpr size_t kNackItemsPerPacket = 250;  // 4 bytes each: within rtcp::Builder::kMaxCompound

}  // namespace

ReceiveStream::ReceiveStream(const RtpStreamParams& params, MediaKind kind, Ssrc mapped_ssrc,
                             Duration key_frame_delay, std::shared_ptr<SenderClock> clock,
                             Environment& environment, ReceiveStreamEvents& events)
    : params_(params),
      kind_(kind),
      mapped_ssrc_(mapped_ssrc),
      clock_(std::move(clock)),
      environment_(environment),
      events_(events),
      statistics_(params.clock_rate),
      nack_timer_(environment.CreateTimer([this](Timestamp now) { SendNacks(now); })),
      key_frame_requester_(environment, key_frame_delay, *this),
      rate_(params.use_dtx ? kDtxRateWindow : kRateWindow),
      last_media_at_(environment.Now()) {
  params_.spatial_layers = std::min<uint8_t>(params_.spatial_layers, kMaxSpatialLayers);
  params_.temporal_layers = std::min<uint8_t>(params_.temporal_layers, kMaxTemporalLayers);
  if (params_.temporal_layers > 1 || params_.spatial_layers > 1) {
    layer_rates_.assign(size_t{params_.spatial_layers} * params_.temporal_layers,
                        RateWindow(kRateWindow));
  }
}

ReceiveStream::~ReceiveStream() = default;

bool ReceiveStream::LearnSsrc(const RtpPacket& packet, bool is_media) {
  if (is_media) {
    if (params_.ssrc != 0) return false;
    params_.ssrc = packet.ssrc().value();
    return true;
  }
  const uint8_t payload_type = packet.payload_type().value();
  if (payload_type == params_.fec_payload_type && !params_.fec_ssrc && started()) {
    params_.fec_ssrc = packet.ssrc().value();
    return true;
  }
  if (payload_type != params_.rtx_payload_type || params_.rtx_ssrc || !started()) return false;
  params_.rtx_ssrc = packet.ssrc().value();
  return true;
}

bool ReceiveStream::ReplaceSsrc(const RtpPacket& packet, bool is_media, Timestamp received_at) {
  if (!is_media) {
    if (!rtx_is_stale_ || packet.payload_type().value() != params_.rtx_payload_type) return false;
    rtx_is_stale_ = false;
    params_.rtx_ssrc = packet.ssrc().value();
    return true;
  }
  if (received_at - last_media_at_ < kSsrcSilence) return false;
  params_.ssrc = packet.ssrc().value();
  rtx_is_stale_ = params_.rtx_ssrc.has_value();
  statistics_.StartNewSource();
  rtx_statistics_.reset();
  fec_statistics_.reset();
  params_.fec_ssrc.reset();  // the next one is learned
  last_report_.reset();
  suspects_.clear();
  return true;
}

void ReceiveStream::ChangeCodec(const RtpParameters& parameters, const RtpCodecParameters& codec) {
  const uint32_t clock_rate = params_.clock_rate;
  const bool used_dtx = params_.use_dtx;
  SetCodec(parameters, parameters.encodings[params_.encoding_idx], codec, &params_);
  codec_epoch_ = codec_epoch_ == 0xff ? 1 : static_cast<uint8_t>(codec_epoch_ + 1);
  statistics_.SetClockRate(params_.clock_rate);
  if (rtx_statistics_) rtx_statistics_->SetClockRate(params_.clock_rate);
  nack_.ClearHoles();
  parameter_sets_ = {};
  if (params_.clock_rate != clock_rate) last_report_.reset();
  if (params_.use_dtx != used_dtx) {
    rate_ = RateWindow(params_.use_dtx ? kDtxRateWindow : kRateWindow);
  }
}

SequenceTracker::Outcome ReceiveStream::OnMedia(const PacketRef& buffer, const RtpPacket& packet,
                                                Timestamp received_at) {
  const bool first = !started();
  last_media_at_ = received_at;
  // Some senders pad with packets whose time stamp says nothing.
  const bool on_media_clock = (packet.payload_type().value() == params_.payload_type ||
                               packet.payload_type().value() == params_.red_payload_type) &&
                              !packet.payload().empty();
  const auto outcome = statistics_.OnPacket(packet.sequence_number(), packet.timestamp(),
                                            packet.size(), received_at, on_media_clock);
  if (outcome.verdict == SequenceTracker::Verdict::kSuspect) [[unlikely]] {
    while (suspects_.size() >= statistics_.suspects()) suspects_.pop_back();
    suspects_.push_back(Suspect{buffer, packet, received_at});
    return outcome;
  }
  if (outcome.verdict == SequenceTracker::Verdict::kNewest && !suspects_.empty()) suspects_.clear();
  if (first) {
    // Also for a sender that takes no NACK (ffmpeg): its receivers send theirs to us.
    ring_ = std::make_unique<PacketRing>(kind_ == MediaKind::kVideo ? PacketRing::kVideoMaxAge
                                                                    : PacketRing::kAudioMaxAge);
  }
  if (outcome.restarted || outcome.time_jumped) BeginRun(packet, received_at);
  return outcome;
}

void ReceiveStream::BeginRun(const RtpPacket& packet, Timestamp received_at) {
  key_frame_in_run_ = false;
  rtx_statistics_.reset();  // its numbers begin anew, too
  fec_statistics_.reset();
  if (!last_report_) return;
  // The clock of a new run has nothing to do with the last report, unless that came before it.
  const auto units =
      static_cast<int32_t>(packet.timestamp().value() - last_report_->rtp_timestamp.value());
  const int64_t captured_us = last_report_->ntp.ToMicros() + last_report_->difference.us() +
                              int64_t{units} * 1'000'000 / params_.clock_rate;
  const int64_t off_us = captured_us - NtpAt(environment_, received_at).ToMicros();
  if (std::llabs(off_us) > kMaxReportMismatch.us()) last_report_.reset();
}

bool ReceiveStream::OnRepair(const RtpPacket& packet, Timestamp received_at) {
  if (packet.payload_type().value() != params_.fec_payload_type || !started()) return false;
  if (!fec_statistics_) {
    fec_statistics_.emplace(params_.clock_rate, ReceiveStatistics::TimeRule::kNone);
  }
  return fec_statistics_
      ->OnPacket(packet.sequence_number(), packet.timestamp(), packet.size(), received_at)
      .accepted();
}

std::optional<ReceiveStream::Repaired> ReceiveStream::OnRetransmission(RtpPacket& packet,
                                                                       Timestamp received_at) {
  if (packet.payload_type().value() != params_.rtx_payload_type) return std::nullopt;
  if (!rtx_statistics_) {
    rtx_statistics_.emplace(params_.clock_rate, ReceiveStatistics::TimeRule::kNone);
  }
  const auto rtx_outcome = rtx_statistics_->OnPacket(packet.sequence_number(), packet.timestamp(),
                                                     packet.size(), received_at);
  if (!rtx_outcome.accepted() || !started()) return std::nullopt;
  auto original = UnwrapRtx(packet, PayloadType(params_.payload_type), ssrc());
  if (!original) return std::nullopt;
  ++retransmitted_;
  const auto outcome = statistics_.OnRepaired(original->sequence_number(), original->timestamp(),
                                              original->size(), received_at);
  if (!outcome.accepted()) return std::nullopt;
  return Repaired{*original, outcome};
}

void ReceiveStream::Track(const SequenceTracker::Outcome& outcome, const RtpPacket& packet,
                          bool repaired, const PayloadInfo& info, Timestamp now) {
  const bool key_frame = info.key_frame;
  if (!tracked_) rates_since_ = now;
  tracked_ = true;
  if (outcome.verdict == SequenceTracker::Verdict::kNewest) newest_timestamp_ = packet.timestamp();
  rate_.Add(packet.size(), now);
  if (!packet.payload().empty()) {
    if (life_timer_ != nullptr) OnAlive(packet, now);
    if (!layer_rates_.empty() || watches_layers_) {
      CountLayers(info.spatial_layer, info.temporal_layer, packet.size(), now);
    }
  }
  if (key_frame) {
    key_frame_in_run_ = true;
    key_frame_requester_.OnKeyFrame(packet.timestamp(), now);
  } else {
    key_frame_requester_.OnPacket(packet.timestamp(), packet.marker(), now);
  }
  if (!params_.use_nack) return;

  const bool filled = nack_.OnPacket(outcome.sequence, key_frame, outcome.restarted, now);
  if (filled || repaired) {
    ++repaired_;
    // Without RTX the sender repeats the packet itself: whatever fills a hole that we asked for.
    if (!repaired) ++retransmitted_;
  }
  if (outcome.verdict == SequenceTracker::Verdict::kNewest) SendNacks(now);
  if (nack_.TakeKeyFrameNeed()) RequestKeyFrame(now);
}

void ReceiveStream::WatchLife(RtpType type) {
  watches_stream_ = type == RtpType::kSimulcast;
  watches_layers_ = type == RtpType::kSvc && params_.spatial_layers > 1;
  if (!watches_stream_ && !watches_layers_) return;
  living_layers_ = params_.spatial_layers;
  life_timer_ = environment_.CreateTimer([this](Timestamp now) { CheckLife(now); });
}

EncodingLife ReceiveStream::life() const {
  return {started() && alive_, alive_since_, living_layers_};
}

void ReceiveStream::CountLayers(uint8_t spatial, uint8_t temporal, size_t size, Timestamp now) {
  spatial = std::min(spatial, static_cast<uint8_t>(params_.spatial_layers - 1));
  temporal = std::min(temporal, static_cast<uint8_t>(params_.temporal_layers - 1));
  if (!layer_rates_.empty()) {
    layer_rates_[size_t{spatial} * params_.temporal_layers + temporal].Add(size, now);
  }
  if (!watches_layers_) return;
  layer_seen_at_[spatial] = now;
  if (spatial < living_layers_) return;
  living_layers_ = static_cast<uint8_t>(spatial + 1);
  events_.OnStreamLayers();
}

void ReceiveStream::OnAlive(const RtpPacket& packet, Timestamp now) {
  if (packet.timestamp() != last_frame_ || last_frame_at_ == Timestamp()) {
    // What lies between its end and its return is no interval of its frames.
    const bool first = last_frame_at_ == Timestamp() || !alive_;
    if (first) {
      frames_ = 0;
      frame_interval_ = Duration::Zero();
    }
    const Duration since = first ? Duration::Zero() : now - last_frame_at_;
    const Duration interval = std::min(since, Duration::Micros(kMaxSilence.us() / 3));
    if (frames_ < kFewFrames) ++frames_;
    // Slow pictures count at once, and a few quick ones do not make them forgotten.
    frame_interval_ = std::max(
        interval,
        Duration::Micros(frame_interval_.us() - (frame_interval_.us() - interval.us()) / 8));
    last_frame_ = packet.timestamp();
  }
  // Layers that have not come yet are given the time that those have which stop.
  if (last_frame_at_ == Timestamp()) layer_seen_at_.fill(now);
  last_frame_at_ = now;
  // How long it may be silent is only known with its first frames: the timer does not wait for it.
  if (!paused_ && !life_timer_->armed()) life_timer_->Start(kMinSilence);
  if (alive_) return;
  alive_ = true;
  alive_since_ = now;
  rates_since_ = now;
  score_.Reset();
  events_.OnStreamScore();
}

Duration ReceiveStream::MaxSilence() const {
  const Duration least = params_.use_dtx ? kDtxSilence : kMinSilence;
  const Duration interval =
      frames_ < kFewFrames ? std::max(frame_interval_, kFirstInterval) : frame_interval_;
  return std::clamp(Duration::Micros(interval.us() * 3), least, kMaxSilence);
}

void ReceiveStream::CheckLife(Timestamp now) {
  const Duration most = MaxSilence();
  const Timestamp due = last_frame_at_ + most;
  if (watches_stream_ && alive_ && now >= due) {
    alive_ = false;  // the timer starts with the next packet
    events_.OnStreamScore();
    return;
  }
  uint8_t living = living_layers_;
  if (watches_layers_) {
    while (living > 1 && now - layer_seen_at_[living - 1] >= most) --living;
  }
  // Not moved for every packet: it looks, and starts again.
  const Duration next = watches_layers_ ? kMinSilence : std::min(due - now, kMinSilence);
  if (now < due || watches_layers_) life_timer_->Start(std::max(next, Duration::Millis(10)));
  if (living == living_layers_) return;
  living_layers_ = living;
  events_.OnStreamLayers();
}

void ReceiveStream::SendNacks(Timestamp now) {
  nack_due_.clear();
  nack_.TakeDue(now, &nack_due_);
  if (!nack_due_.empty()) {
    const std::vector<rtcp::NackItem> items = rtcp::PackNackItems(nack_due_);
    nack_packet_count_ += nack_due_.size();
    for (size_t at = 0; at < items.size(); at += kNackItemsPerPacket) {
      const size_t count = std::min(kNackItemsPerPacket, items.size() - at);
      std::array<uint8_t, rtcp::Builder::kMaxCompound> bytes;
      rtcp::Builder builder(bytes);
      if (!builder.AddNack(ssrc(), ssrc(), std::span(items).subspan(at, count))) break;
      ++nack_count_;
      events_.OnStreamRequest(ProducerTraceType::kNack, ssrc(), builder.packet());
    }
  }
  ArmNackTimer(now);
}

void ReceiveStream::ArmNackTimer(Timestamp now) {
  const auto due = nack_.NextDue(now);
  if (!due) return nack_timer_->Stop();
  // Not moved for every packet: an early wake-up only looks and arms again.
  if (nack_timer_->armed() && nack_timer_at_ <= *due) return;
  nack_timer_at_ = *due;
  nack_timer_->Start(*due - now);
}

void ReceiveStream::RequestKeyFrame(Timestamp now) {
  if (CanRequestKeyFrame()) key_frame_requester_.Request(now);
}

void ReceiveStream::RequestKeyFrameUrgently(Timestamp now) {
  if (CanRequestKeyFrame()) key_frame_requester_.RequestUrgently(now);
}

std::optional<Duration> ReceiveStream::KeyFrameAfter() const {
  return CanRequestKeyFrame() ? key_frame_requester_.answers().expected() : std::nullopt;
}

bool ReceiveStream::CanRequestKeyFrame() const {
  return kind_ == MediaKind::kVideo && started() && (params_.use_pli || params_.use_fir);
}

void ReceiveStream::SendKeyFrameRequest() {
  std::array<uint8_t, 64> bytes;
  rtcp::Builder builder(bytes);
  // The sender SSRC is the media's: some senders look for the stream under that name
  // (docs/protocols/rtp-rtcp.md §4).
  if (params_.use_pli) {
    ++pli_count_;
    if (builder.AddPli(ssrc(), ssrc())) {
      events_.OnStreamRequest(ProducerTraceType::kPli, ssrc(), builder.packet());
    }
    return;
  }
  ++fir_count_;
  if (builder.AddFir(ssrc(), ssrc(), ++fir_sequence_)) {
    events_.OnStreamRequest(ProducerTraceType::kFir, ssrc(), builder.packet());
  }
}

void ReceiveStream::OnPause() {
  nack_.ClearHoles();
  nack_timer_->Stop();
  suspects_.clear();
  statistics_.ResetJitter();
  paused_ = true;
  if (life_timer_ != nullptr) life_timer_->Stop();
}

void ReceiveStream::OnResume(Timestamp now) {
  paused_ = false;
  rates_since_ = now;
  if (life_timer_ == nullptr || last_frame_at_ == Timestamp()) return;
  last_frame_at_ = now;
  layer_seen_at_.fill(now);
  if (alive_) life_timer_->Start(kMinSilence);
}

void ReceiveStream::OnSenderReport(const rtcp::SenderInfo& report, Timestamp now) {
  if (report.ssrc != ssrc()) {
    if (rtx_statistics_ && report.ssrc == rtx_ssrc()) rtx_statistics_->OnSenderReport(report, now);
    if (fec_statistics_ && report.ssrc == fec_ssrc()) fec_statistics_->OnSenderReport(report, now);
    return;
  }
  statistics_.OnSenderReport(report, now);
  // Also before the first packet, which it may overtake: without it lip sync waits for the next.
  if (!report.ntp.IsZero()) {  // zero: the sender has no clock (RFC 3550 §6.4.1)
    const NtpTime arrival = NtpAt(environment_, now);
    clock_->AddReport(report.ntp, arrival);
    last_report_ = LastReport{report.ntp, report.rtp_timestamp,
                              Duration::Micros(arrival.ToMicros() - report.ntp.ToMicros())};
  }
  if (started()) AddScoreSample();
}

void ReceiveStream::AddScoreSample() {
  const auto interval = statistics_.TakeInterval();
  const uint64_t repaired = repaired_ - std::exchange(scored_repaired_, repaired_);
  const uint64_t retransmitted =
      retransmitted_ - std::exchange(scored_retransmitted_, retransmitted_);
  // Without RTX a repaired packet has arrived as itself and is not among the lost.
  const bool separate = params_.rtx_ssrc.has_value();
  const uint8_t sample = ScoreHistory::Sample(
      interval.expected, interval.lost, separate ? repaired : 0, separate ? retransmitted : 0);
  if (score_.Add(sample)) events_.OnStreamScore();
}

void ReceiveStream::OnRoundTrip(Duration round_trip) {
  round_trip_ms_ = static_cast<float>(round_trip.us()) / 1000.0F;
  nack_.SetRoundTrip(round_trip);
  statistics_.SetRoundTrip(round_trip);
}

void ReceiveStream::FillReportBlocks(std::vector<rtcp::ReportBlock>* out, Timestamp now) {
  if (!started()) return;
  out->push_back(statistics_.MakeReportBlock(ssrc(), now));
  if (rtx_statistics_ && rtx_statistics_->started()) {
    out->push_back(rtx_statistics_->MakeReportBlock(rtx_ssrc(), now));
  }
  if (fec_statistics_ && fec_statistics_->started()) {
    out->push_back(fec_statistics_->MakeReportBlock(fec_ssrc(), now));
  }
}

std::optional<Duration> ReceiveStream::clock_offset() const {
  if (!last_report_) return std::nullopt;
  const auto shared = clock_->offset();
  // Streams that share a CNAME but not a clock: each is left with its own.
  if (!shared || std::llabs((*shared - last_report_->difference).us()) > SenderClock::kStep.us()) {
    return last_report_->difference;
  }
  return shared;
}

std::optional<NtpTime> ReceiveStream::CaptureTime(RtpTimestamp timestamp) const {
  const auto offset = clock_offset();
  if (!offset) return std::nullopt;
  const auto units = static_cast<int32_t>(timestamp.value() - last_report_->rtp_timestamp.value());
  const int64_t since_us = int64_t{units} * 1'000'000 / params_.clock_rate;
  if (std::llabs(since_us) > kMaxExtrapolation.us()) return std::nullopt;
  const int64_t capture_us = last_report_->ntp.ToMicros() + offset->us() + since_us;
  if (std::llabs(capture_us - environment_.NtpNow().ToMicros()) > kMaxCaptureSkew.us()) {
    return std::nullopt;
  }
  return NtpTime::FromMicros(capture_us);
}

std::optional<int64_t> ReceiveStream::SenderTime(RtpTimestamp timestamp) const {
  if (!last_report_) return std::nullopt;
  const auto units = static_cast<int32_t>(timestamp.value() - last_report_->rtp_timestamp.value());
  const int64_t since_us = int64_t{units} * 1'000'000 / params_.clock_rate;
  if (std::llabs(since_us) > kMaxExtrapolation.us()) return std::nullopt;
  return last_report_->ntp.ToMicros() + since_us;
}

RtpStreamDump ReceiveStream::Dump() const {
  RtpStreamDump dump;
  dump.params = params_;
  dump.score = score();
  if (params_.rtx_ssrc && params_.rtx_payload_type) {
    RtxStreamDump rtx;
    rtx.ssrc = *params_.rtx_ssrc;
    rtx.payload_type = *params_.rtx_payload_type;
    rtx.mime_type = kind_ == MediaKind::kVideo ? "video/rtx" : "audio/rtx";
    rtx.clock_rate = params_.clock_rate;
    rtx.rrid = params_.rid;
    rtx.cname = params_.cname;
    dump.rtx = rtx;
  }
  return dump;
}

void ReceiveStream::AddTo(ReceiveTotals* totals) const {
  totals->packets_lost += static_cast<uint64_t>(std::max<int64_t>(statistics_.lost(), 0));
  totals->packets_discarded += statistics_.discarded();
  if (rtx_statistics_) totals->packets_discarded += rtx_statistics_->discarded();
  if (fec_statistics_) totals->packets_discarded += fec_statistics_->discarded();
  totals->packets_repaired += repaired_;
  totals->nacks_sent += nack_count_;
  totals->nacked_packets += nack_packet_count_;
  totals->plis_sent += pli_count_;
  totals->firs_sent += fir_count_;
  totals->key_frame_requests_merged += merged_key_frame_requests();
  totals->restarts += statistics_.restarts();
  totals->time_jumps += statistics_.time_jumps();
}

RtpStreamStats ReceiveStream::Stats(Timestamp now) {
  RtpStreamStats stats;
  stats.direction = RtpStreamStats::Direction::kReceive;
  stats.timestamp_ms = now.ms();
  stats.ssrc = params_.ssrc;
  stats.kind = kind_;
  stats.mime_type = params_.mime_type;
  stats.payload_type = params_.payload_type;
  stats.packets_lost = static_cast<int32_t>(std::min<int64_t>(statistics_.lost(), INT32_MAX));
  stats.fraction_lost = statistics_.fraction_lost();
  stats.jitter = statistics_.jitter();
  stats.packets_discarded = statistics_.discarded();
  stats.packets_retransmitted = retransmitted_;
  stats.packets_repaired = repaired_;
  stats.nack_count = nack_count_;
  stats.nack_packet_count = nack_packet_count_;
  stats.pli_count = pli_count_;
  stats.fir_count = fir_count_;
  stats.rid = params_.rid;
  stats.rtx_ssrc = params_.rtx_ssrc;
  stats.rtx_packets_discarded = rtx_statistics_ ? rtx_statistics_->discarded() : 0;
  stats.round_trip_time_ms = round_trip_ms_;
  stats.score = score();
  stats.packet_count = statistics_.packets();
  stats.byte_count = statistics_.bytes();
  stats.bitrate = static_cast<uint64_t>(rate_.Rate(now).bps());
  stats.bitrate_by_layer = BitrateByLayer(now);
  for (uint8_t i = 0; announced_ != nullptr && i < AnnouncedLayers::kMaxSpatialLayers; ++i) {
    if ((announced_->active >> i & 1) == 0) continue;
    stats.announced_layers.emplace_back(i, announced_->layers[i]);
  }
  stats.newest_timestamp = newest_timestamp_.value();
  stats.transit = statistics_.transit();
  return stats;
}

int64_t ReceiveStream::AnnouncedBps(size_t spatial, size_t temporal) const {
  if (announced_ == nullptr || spatial >= announced_->layers.size()) return 0;
  if ((announced_->active >> spatial & 1) == 0) return 0;
  const AnnouncedLayer& layer = announced_->layers[spatial];
  // Encoders that do not say how they share out the rate announce it whole, as one (H264).
  const size_t last = layer.temporal_layers - size_t{1};
  if (temporal + 1 >= params_.temporal_layers) {
    temporal = last;
  } else if (layer.temporal_layers < params_.temporal_layers) {
    return 0;
  }
  return std::min(int64_t{layer.bitrates_kbps[temporal]} * 1000, kMaxAnnounced.bps());
}

void ReceiveStream::AddSteps(std::vector<LadderStep>* steps, Timestamp now) {
  if (!started() || !alive_) return;
  const auto encoding = static_cast<uint8_t>(params_.encoding_idx);
  // A window that is not full yet, since the stream began or came back.
  const bool young = now - rates_since_ < kRateWindow;
  const Duration age = std::clamp(now - rates_since_, kMinRateAge, kRateWindow);
  const double scale = kRateWindow.seconds() / age.seconds();
  const auto scaled = [scale](RateWindow& window, Timestamp at) {
    return static_cast<int64_t>(static_cast<double>(window.Rate(at).bps()) * scale);
  };
  if (layer_rates_.empty()) {
    const int64_t measured = scaled(rate_, now);
    int64_t announced = 0;
    for (size_t i = 0; (young || measured == 0) && i < kMaxSpatialLayers; ++i) {
      announced = std::max(announced, AnnouncedBps(i, 0));
    }
    steps->push_back({encoding, 0, 0, announced > 0 ? announced : measured});
    return;
  }
  const size_t spatial_layers =
      watches_layers_ ? std::min(living_layers_, params_.spatial_layers) : params_.spatial_layers;
  int64_t below = 0;
  for (size_t spatial = 0; spatial < spatial_layers; ++spatial) {
    int64_t sum = below;
    const int64_t whole = young ? AnnouncedBps(spatial, params_.temporal_layers - size_t{1}) : 0;
    for (size_t temporal = 0; temporal < params_.temporal_layers; ++temporal) {
      const int64_t own = scaled(layer_rates_[spatial * params_.temporal_layers + temporal], now);
      sum += own;
      const int64_t announced = young || own == 0 ? AnnouncedBps(spatial, temporal) : 0;
      if (announced == 0 && own == 0 && (spatial > 0 || temporal > 0)) continue;  // does not come
      int64_t bps = announced > 0 ? announced : sum;
      if (whole > 0) bps = std::min(bps, whole);
      steps->push_back(
          {encoding, static_cast<uint8_t>(spatial), static_cast<uint8_t>(temporal), bps});
    }
    below = sum;
  }
}

std::vector<std::pair<std::string, uint64_t>> ReceiveStream::BitrateByLayer(Timestamp now) {
  std::vector<std::pair<std::string, uint64_t>> layers;
  uint64_t below = 0;  // all of the lower spatial layers
  for (size_t spatial = 0; !layer_rates_.empty() && spatial < params_.spatial_layers; ++spatial) {
    uint64_t sum = below;
    for (size_t temporal = 0; temporal < params_.temporal_layers; ++temporal) {
      const size_t at = spatial * params_.temporal_layers + temporal;
      const auto own = static_cast<uint64_t>(layer_rates_[at].Rate(now).bps());
      sum += own;
      // Cumulative, but a layer that is silent itself shows 0 (docs/protocols/rtp-rtcp.md §6).
      layers.emplace_back(fmt::format("{}.{}", spatial, temporal), own == 0 ? 0 : sum);
    }
    below = sum;
  }
  return layers;
}

}  // namespace sluice::worker
