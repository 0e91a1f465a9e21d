#include "worker/media/producer.h"

#include <algorithm>
#include <utility>

#include "worker/core/ntp_at.h"
#include "worker/core/rtp/packet_ring.h"
#include "worker/core/rtp/sender_clock.h"
#include "worker/media/producer_check.h"
#include "worker/media/producer_impl.h"
#include "worker/media/rtp_parameters_check.h"

namespace sluice::worker {
namespace {

/// A round trip longer than that is a broken DLRR.
constexpr Duration kMaxRoundTrip = Duration::Seconds(10);
/// Changes of score within it are told together: each is told to every consumer, and how many there
/// are is the sender's choice.
constexpr Duration kScoreInterval = Duration::Seconds(1);
/// Between two reports of what is wanted, when it becomes more; and how long less must have been
/// wanted: a sender that stops an encoding needs a key frame to begin it again.
constexpr Duration kWantedMoreInterval = Duration::Millis(500);
constexpr Duration kWantedLessTime = Duration::Seconds(5);

}  // namespace

Producer::Impl::Impl(Producer& producer_in, const ProduceOptions& options, RtpParameters parameters,
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
      replay_clock(kind == MediaKind::kVideo ? host.ReplayClock() : nullptr),
      reports_wanted(options.report_wanted_layers),
      score_timer(environment.CreateTimer([this](Timestamp now) { TellScore(now); })),
      expiry_timer(environment.CreateTimer([this](Timestamp now) { ExpireRings(now); })) {
  if (reports_wanted) {
    wanted_timer = environment.CreateTimer([this](Timestamp now) { TellWanted(now); });
    wanted_timer->Start(Duration::Zero());  // perhaps nobody will ever want anything
  }
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
      entry.stream_type = codec.payload_type;
    }
  }
  const RtpStreamParams first = StreamParamsOf(rtp_parameters, 0);
  if (first.red_payload_type) {
    PayloadEntry& red = payloads[*first.red_payload_type];
    red.codec = CodecKindFromMimeType(encoded.mime_type);
    red.media = payloads[encoded.payload_type].media;
    red.stream_type = encoded.payload_type;
    red.is_red = true;
  }
  rtp_type = ProducerTypeOf(rtp_parameters, kind);
  if (rtp_type != RtpType::kSimple) layer_filters = std::make_shared<LayerFilterPool>();
  const size_t count = rtp_parameters.encodings.size();
  descriptor_readers.resize(count);
  picture_groups.resize(count);
  lives.resize(count);
  announced.resize(count);
  wanted.resize(count, WantedLayers{true, WantedLayers::kAll, WantedLayers::kAll});
  if (count > 1) encoding_packets.resize(count);
  auto clock = host.ClockOf(rtp_parameters.rtcp.cname);
  const auto key_frame_delay = Duration::Millis(options.key_frame_request_delay);
  for (size_t i = 0; i < rtp_parameters.encodings.size(); ++i) {
    streams.push_back(std::make_unique<ReceiveStream>(StreamParamsOf(rtp_parameters, i), kind,
                                                      Ssrc(rtp_mapping.encodings[i].mapped_ssrc),
                                                      key_frame_delay, clock, environment, *this));
    if (rtp_type != RtpType::kSimple) streams.back()->WatchLife(rtp_type);
    streams.back()->SetAnnounced(&announced[i]);
    if (paused) streams.back()->OnPause();
  }
  UpdateLives();
}

// ---- Events -----------------------------------------------------------------------------------

bool Producer::Impl::UpdateLives() {
  bool changed = false;
  for (size_t i = 0; i < streams.size(); ++i) {
    const bool was_alive = lives[i].alive;
    lives[i] = streams[i]->life();
    changed |= lives[i].alive != was_alive;
  }
  return changed;
}

void Producer::Impl::TellConsumersOfLayers() {
  for (size_t i = 0; i < consumers.size(); ++i) consumers[i]->OnProducerLayers();
}

void Producer::Impl::OnStreamLayers() {
  UpdateLives();
  TellConsumersOfLayers();
}

/// Reports are throttled; what viewers get does not wait for them.
void Producer::Impl::OnStreamScore() {
  if (UpdateLives()) TellConsumersOfLayers();
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

std::vector<WantedLayers> Producer::Impl::Wanted() const {
  std::vector<WantedLayers> most(streams.size());
  for (const Consumer* consumer : active_consumers.all()) consumer->AddWishes(most);
  for (const Consumer* consumer : replaying.all()) consumer->AddWishes(most);
  return most;
}

/// More is told at once, but not more often than each kWantedMoreInterval; less when it has lasted.
void Producer::Impl::TellWanted(Timestamp now) {
  const std::vector<WantedLayers> most = Wanted();
  std::vector<WantedLayers> more = wanted;
  for (size_t i = 0; i < more.size(); ++i) more[i].Add(most[i]);
  if (more != wanted) {
    const bool first = wanted_told_at == Timestamp();
    const Timestamp due = first ? now : wanted_told_at + kWantedMoreInterval;
    if (now < due) return wanted_timer->Start(due - now);
    wanted = more;
    wanted_told_at = now;
    events.OnProducerWantedLayers(id, wanted);
    wanted_less_since = Timestamp();
  }
  if (most == wanted) {
    wanted_less_since = Timestamp();
    return;
  }
  if (wanted_less_since == Timestamp()) wanted_less_since = now;
  const Timestamp due = wanted_less_since + kWantedLessTime;
  if (now < due) return wanted_timer->Start(due - now);
  wanted = most;
  wanted_told_at = now;
  wanted_less_since = Timestamp();
  events.OnProducerWantedLayers(id, wanted);
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
  // A packet of a key frame is traced once, as such (docs/protocols/router-protocol.md §18).
  const bool as_key_frame = info.key_frame && Traces(ProducerTraceType::kKeyFrame);
  if (!as_key_frame && !Traces(ProducerTraceType::kRtp)) return;
  TraceReport report;
  report.type = as_key_frame ? TraceReport::Type::kKeyFrame : TraceReport::Type::kRtp;
  report.timestamp_ms = now.ms();
  report.is_rtx = repaired;
  report.rtp_packet = DescribePacket(packet, info, extensions);
  events.OnProducerTrace(id, report);
}

// ---- The public face --------------------------------------------------------------------------

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
  // The transports have closed the consumers already; one that is left is told, and does no more.
  impl_->active_consumers.TakeAll();
  impl_->replaying.TakeAll();
  if (impl_->replay_clock != nullptr) impl_->replay_clock->Stop(*impl_);
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
  impl_->turn_repair.clear();
  for (auto& packets : impl_->encoding_packets) packets.clear();
}

void Producer::OnSenderReport(const rtcp::SenderInfo& report, Timestamp now) {
  impl_->CountReport();
  for (const auto& stream : impl_->streams) {
    if (stream->ssrc() == report.ssrc || stream->rtx_ssrc() == report.ssrc ||
        stream->fec_ssrc() == report.ssrc) {
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
    if (stream->fec_ssrc().value() != 0) ssrcs.push_back(stream->fec_ssrc());
  }
  return ssrcs;
}

void Producer::Pause() {
  if (std::exchange(impl_->paused, true)) return;
  for (const auto& stream : impl_->streams) {
    stream->OnPause();
    if (stream->ring() != nullptr) stream->ring()->ForgetGroup();
  }
  for (size_t i = 0; i < impl_->consumers.size(); ++i) impl_->consumers[i]->OnProducerPaused();
  for (size_t i = 0; i < impl_->observers.size(); ++i) impl_->observers[i]->OnProducerPaused(*this);
}

void Producer::Resume() {
  if (!std::exchange(impl_->paused, false)) return;
  for (const auto& stream : impl_->streams) stream->OnResume(impl_->environment.Now());
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

void Producer::Seal() {
  Impl& impl = *impl_;
  impl.sealed = true;
  impl.traces = 0;
  impl.reports_wanted = false;
  impl.score_timer->Stop();
  if (impl.wanted_timer != nullptr) impl.wanted_timer->Stop();
  // As when it is paused nothing is asked for, and nothing counts as stopped.
  impl.paused = true;
  for (const auto& stream : impl.streams) stream->OnPause();
}
bool Producer::sealed() const { return impl_->sealed; }

void Producer::AttachConsumer(Consumer& consumer) {
  if (!impl_->consumers.Has(consumer)) impl_->consumers.Add(&consumer);
}

void Producer::DetachConsumer(Consumer& consumer) {
  impl_->consumers.Take(consumer);
  impl_->active_consumers.Take(consumer);
  impl_->replaying.Take(consumer);
  OnWishesChanged();
}

void Producer::SetConsumerActive(Consumer& consumer, bool active) {
  auto& all = impl_->active_consumers;
  if (!active) {
    all.Take(consumer);
    impl_->replaying.Take(consumer);
  } else if (!all.Has(consumer)) {
    all.Add(&consumer);
  }
  OnWishesChanged();
}

bool Producer::keeps_groups() const { return impl_->replay_clock != nullptr; }

void Producer::StartReplay(Consumer& consumer) {
  Impl& impl = *impl_;
  impl.active_consumers.Take(consumer);
  if (!impl.replaying.Has(consumer)) impl.replaying.Add(&consumer);
  if (!impl.delivery_scheduled) impl.BeginTurn(PacketRing::kVideoMaxAge);
  impl.replay_clock->Start(impl);
}

std::optional<Duration> Producer::KeyFrameAfter(uint8_t encoding_index) const {
  const ReceiveStream* stream = impl_->StreamAt(encoding_index);
  return stream == nullptr ? std::nullopt : stream->KeyFrameAfter();
}

void Producer::OnWishesChanged() {
  Impl& impl = *impl_;
  // Not now: a consumer may be half made, and many may change in one turn.
  if (!impl.reports_wanted) return;
  if (impl.wanted_less_since == Timestamp() && impl.wanted_timer->armed()) return;
  const Timestamp now = impl.environment.Now();
  const Timestamp due = impl.wanted_told_at == Timestamp()
                            ? now
                            : std::max(now, impl.wanted_told_at + kWantedMoreInterval);
  impl.wanted_timer->Start(due - now);
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

SharedConsumerParameters& Producer::shared_parameters() { return impl_->shared_parameters; }
const std::shared_ptr<LayerFilterPool>& Producer::layer_filters() const {
  return impl_->layer_filters;
}

DataRate Producer::encoding_bitrate(uint8_t encoding_index, Timestamp now) const {
  ReceiveStream* stream = impl_->StreamAt(encoding_index);
  return stream == nullptr ? DataRate::Zero() : stream->Bitrate(now);
}

std::span<const LadderStep> Producer::ladder(Timestamp now) const {
  Impl& impl = *impl_;
  if (impl.ladder_at != Timestamp() && now - impl.ladder_at < kLadderInterval) return impl.ladder;
  impl.ladder_at = now;
  impl.ladder.clear();
  for (const auto& stream : impl.streams) stream->AddSteps(&impl.ladder, now);
  // A step costs no less than the one below it: who is given it has been given that.
  int64_t least = 0;
  for (LadderStep& step : impl.ladder) least = step.bps = std::max(step.bps, least);
  return impl.ladder;
}

std::optional<NtpTime> Producer::CaptureTime(uint8_t encoding_index, RtpTimestamp timestamp) const {
  const ReceiveStream* stream = impl_->StreamAt(encoding_index);
  return stream == nullptr ? std::nullopt : stream->CaptureTime(timestamp);
}

bool Producer::has_active_consumers() const { return impl_->has_takers(); }

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
