#include "worker/media/consumer.h"

#include <utility>

#include "worker/core/rtp/sender_report_clock.h"
#include "worker/media/consumer_impl.h"

namespace sluice::worker {

namespace {

// First sequence numbers stay clear of a wrap in the first seconds, which some receivers handle
// badly (router-protocol §5.13).
constexpr uint32_t kFirstSequenceMin = 1000;
constexpr uint32_t kFirstSequenceMax = 32'767;

SeqNumber FirstSequence(const std::optional<uint16_t>& given, Environment& environment) {
  if (given) return SeqNumber(*given);
  return SeqNumber(static_cast<uint16_t>(
      kFirstSequenceMin + environment.RandomBelow(kFirstSequenceMax - kFirstSequenceMin + 1)));
}

}  // namespace

Consumer::Impl::Impl(const ConsumeOptions& options, ConsumerSettings resolved,
                     std::unique_ptr<LayerSelector> chosen, Producer& source, RtpEgress& rtp_egress,
                     Environment& world, EngineEvents& listener)
    : selector(std::move(chosen)),
      ignore_dtx(options.ignore_dtx && resolved.codec == CodecKind::kOpus),
      settings(std::move(resolved)),
      stream(settings, FirstSequence(options.first_sequence, world),
             FirstSequence(options.first_rtx_sequence, world), rtp_egress),
      producer(&source),
      egress(rtp_egress),
      environment(world),
      events(listener),
      id(options.consumer_id),
      producer_id(options.producer_id),
      kind(options.kind),
      consumable_encodings(options.consumable_rtp_encodings),
      transport_connected(rtp_egress.connected()),
      paused(options.paused),
      producer_paused(source.paused()) {}

void Consumer::Impl::UpdateActive(bool source_asks) {
  const bool should = ShouldBeActive();
  if (should == active) return;
  active = should;
  if (!active) {
    if (producer != nullptr) producer->SetConsumerActive(*self, false);
    stream.Stop();
    return;
  }
  selector->Restart();
  // The numbers may have come round meanwhile.
  if (codec_epoch != 0) codec_epoch = kUnknownCodecEpoch;
  producer->SetConsumerActive(*self, true);
  if (!selector->awaits_key_frame()) return;
  if (source_asks) {
    key_frame_asked_at = environment.Now();
  } else {
    AskForKeyFrame(environment.Now());
  }
}

void Consumer::Impl::AskForKeyFrame(Timestamp now) {
  key_frame_asked_at = now;
  producer->RequestKeyFrame(settings.mapped_ssrc);
}

void Consumer::Impl::OnKeyFrameRequest(TraceReport::Type type, ConsumerTraceType bit,
                                       Timestamp now) {
  ++(type == TraceReport::Type::kPli ? pli_count : fir_count);
  if ((traces & TraceBit(bit)) != 0) {
    TraceReport trace;
    trace.type = type;
    trace.timestamp_ms = now.ms();
    trace.ssrc = settings.stream.ssrc;
    events.OnConsumerTrace(id, trace);
  }
  if (!active || !HasKeyFrames(settings.codec)) return;
  if (key_frame_asked_at != Timestamp() && now - key_frame_asked_at < kMinKeyFrameInterval) {
    ++counters.key_frame_requests_throttled;
    return;
  }
  AskForKeyFrame(now);
}

ConsumerScore Consumer::Impl::Score() const {
  ConsumerScore score;
  score.score = stream.statistics().score();
  if (producer == nullptr) return score;
  score.producer_score = producer->encoding_score(selector->current_encoding());
  score.producer_scores = producer->encoding_scores();
  return score;
}

void Consumer::Impl::EmitScore() { events.OnConsumerScore(id, Score()); }

Result<std::unique_ptr<Consumer>> Consumer::Create(const ConsumeOptions& options,
                                                   Producer& producer, RtpEgress& egress,
                                                   Environment& environment, EngineEvents& events) {
  Result<ConsumerSettings> settings = ResolveConsumerSettings(options);
  if (!settings.ok()) return settings.status();
  auto selector = CreateLayerSelector(settings->type, settings->codec);
  if (!selector.ok()) return selector.status();
  std::unique_ptr<Consumer> consumer(new Consumer(std::make_unique<Impl>(
      options, *std::move(settings), *std::move(selector), producer, egress, environment, events)));
  Impl& impl = *consumer->impl_;
  impl.self = consumer.get();
  producer.AttachConsumer(*consumer);
  if (impl.producer_paused) events.OnConsumerProducerPause(impl.id);
  impl.UpdateActive();
  return consumer;
}

Consumer::Consumer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Consumer::~Consumer() {
  if (impl_->producer == nullptr) return;
  if (impl_->active) impl_->producer->SetConsumerActive(*this, false);
  impl_->producer->DetachConsumer(*this);
}

const std::string& Consumer::id() const { return impl_->id; }
const std::string& Consumer::producer_id() const { return impl_->producer_id; }
MediaKind Consumer::kind() const { return impl_->kind; }
const RtpParameters& Consumer::rtp_parameters() const { return impl_->settings.rtp_parameters; }
Ssrc Consumer::ssrc() const { return Ssrc(impl_->settings.stream.ssrc); }
std::optional<Ssrc> Consumer::rtx_ssrc() const {
  if (!impl_->settings.uses_rtx) return std::nullopt;
  return Ssrc(*impl_->settings.stream.rtx_ssrc);
}
uint16_t Consumer::next_sequence() const { return impl_->stream.next_own().value(); }
uint16_t Consumer::next_rtx_sequence() const { return impl_->stream.next_rtx().value(); }
bool Consumer::active() const { return impl_->active; }
bool Consumer::producer_closed() const { return impl_->producer == nullptr; }
const ConsumerCounters& Consumer::counters() const { return impl_->counters; }

ConsumeReport Consumer::Report() const {
  ConsumeReport report;
  report.paused = impl_->paused;
  report.producer_paused = impl_->producer_paused;
  report.score = impl_->Score();
  return report;
}

void Consumer::OnTransportConnected() {
  impl_->transport_connected = true;
  impl_->UpdateActive();
}

void Consumer::OnTransportDisconnected() {
  impl_->transport_connected = false;
  impl_->UpdateActive();
}

void Consumer::OnProducerPaused() {
  if (impl_->producer_paused || impl_->producer == nullptr) return;
  impl_->producer_paused = true;
  impl_->UpdateActive();
  impl_->events.OnConsumerProducerPause(impl_->id);
}

void Consumer::OnProducerResumed() {
  if (!impl_->producer_paused || impl_->producer == nullptr) return;
  impl_->producer_paused = false;
  impl_->UpdateActive(/*source_asks=*/true);
  impl_->events.OnConsumerProducerResume(impl_->id);
}

void Consumer::OnProducerClosed() {
  if (impl_->producer == nullptr) return;
  impl_->producer = nullptr;
  impl_->UpdateActive();
  impl_->events.OnConsumerProducerClose(impl_->id);
}

void Consumer::OnProducerScore() {
  if (impl_->producer != nullptr) impl_->EmitScore();
}

void Consumer::OnReportBlock(const rtcp::ReportBlock& block, Timestamp now) {
  const NtpTime ntp_now = impl_->environment.NtpNow();
  if (impl_->stream.statistics().OnReportBlock(block, ntp_now, now)) impl_->EmitScore();
}

void Consumer::OnPli(Timestamp now) {
  impl_->OnKeyFrameRequest(TraceReport::Type::kPli, ConsumerTraceType::kPli, now);
}

void Consumer::OnFir(Timestamp now) {
  impl_->OnKeyFrameRequest(TraceReport::Type::kFir, ConsumerTraceType::kFir, now);
}

std::optional<Consumer::SenderReport> Consumer::MakeSenderReport(Timestamp now) {
  Impl& impl = *impl_;
  const SendStatistics& sent = impl.stream.statistics();
  const StreamContinuity& newest = impl.stream.continuity();
  if (sent.packets() == 0 || now - sent.last_sent_at() > Impl::kMaxReportSilence) {
    return std::nullopt;
  }
  if (impl.reported_at != Timestamp() && now - impl.reported_at < Impl::kMinReportInterval) {
    return std::nullopt;
  }
  impl.reported_at = now;

  SenderReportReference reference;
  reference.timestamp = newest.last_timestamp();
  reference.clock_rate = impl.settings.stream.clock_rate;
  reference.received_at = newest.last_received_at();
  if (impl.producer != nullptr) {
    reference.captured_at =
        impl.producer->CaptureTime(newest.last_source(), newest.last_source_timestamp());
  }
  SenderReport report;
  report.info.ssrc = ssrc();
  report.info.ntp = impl.environment.NtpNow();
  report.info.rtp_timestamp = SenderReportTimestamp(reference, report.info.ntp, now);
  report.info.packet_count = static_cast<uint32_t>(sent.packets());
  report.info.octet_count = static_cast<uint32_t>(sent.payload_bytes());
  report.cname = impl.settings.rtp_parameters.rtcp.cname;
  return report;
}

float Consumer::fraction_lost() const {
  return static_cast<float>(impl_->stream.statistics().fraction_lost()) / 256.0F;
}

Duration Consumer::round_trip_time() const { return impl_->stream.statistics().round_trip_time(); }

void Consumer::Pause() {
  impl_->paused = true;
  impl_->UpdateActive();
}

void Consumer::Resume() {
  impl_->paused = false;
  impl_->UpdateActive();
}

std::optional<ConsumerLayers> Consumer::SetPreferredLayers(const ConsumerLayers& /*layers*/) {
  return std::nullopt;  // one encoding has none to prefer (router-protocol §2.6)
}

Status Consumer::SetPriority(uint8_t priority) {
  if (priority == 0) return TypeError("priority 0 is not within 1 to 255");
  impl_->priority = priority;
  return {};
}

void Consumer::RequestKeyFrame() {
  if (impl_->active && HasKeyFrames(impl_->settings.codec)) {
    impl_->AskForKeyFrame(impl_->environment.Now());
  }
}

void Consumer::EnableTraces(TraceMask traces) { impl_->traces = traces; }

}  // namespace sluice::worker
