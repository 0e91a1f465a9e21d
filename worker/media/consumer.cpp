#include "worker/media/consumer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "worker/core/ntp_at.h"
#include "worker/core/rtp/sender_report_clock.h"
#include "worker/media/consumer_impl.h"

namespace sluice::worker {

namespace {

// First sequence numbers stay clear of a wrap in the first seconds, which some receivers handle
// badly.
constexpr uint32_t kFirstSequenceMin = 1000;
constexpr uint32_t kFirstSequenceMax = 32'767;

SeqNumber FirstSequence(const std::optional<uint16_t>& given, Environment& environment) {
  if (given) return SeqNumber(*given);
  return SeqNumber(static_cast<uint16_t>(
      kFirstSequenceMin + environment.RandomBelow(kFirstSequenceMax - kFirstSequenceMin + 1)));
}

}  // namespace

Consumer::Impl::Impl(const ConsumeOptions& options, ConsumerSettings resolved,
                     std::unique_ptr<LayerForwarder> chosen, Producer& source,
                     RtpEgress& rtp_egress, Environment& world, EngineEvents& listener)
    : forwarder(std::move(chosen)),
      egress(rtp_egress),
      payload_types(resolved.payload_types),
      ignore_dtx(options.ignore_dtx && resolved.codec == CodecKind::kOpus),
      producer(&source),
      settings(std::move(resolved)),
      environment(world),
      events(listener),
      id(options.consumer_id),
      producer_id(options.producer_id),
      kind(options.kind),
      transport_connected(rtp_egress.connected()),
      paused(options.paused),
      producer_paused(source.paused()),
      replays_group(options.replays_group && source.keeps_groups()) {
  if (settings.type == RtpType::kSimulcast || settings.type == RtpType::kSvc) {
    has_layers = true;
    policy = LayerPolicy(settings.type, settings.spatial_layers, settings.temporal_layers);
    if (options.preferred_layers) policy.SetPreferredLayers(*options.preferred_layers);
  }
  outputs.reserve(settings.streams.size());
  static const FirstNumbers kRandom;
  for (size_t i = 0; i < settings.streams.size(); ++i) {
    const bool given = i < options.first_numbers.size();
    const FirstNumbers& first = given ? options.first_numbers[i] : kRandom;
    const SeqNumber own = FirstSequence(first.sequence, world);
    const SeqNumber rtx = FirstSequence(first.rtx_sequence, world);
    const SeqNumber fec = first.fec_sequence ? SeqNumber(*first.fec_sequence) : rtx;
    outputs.emplace_back(SendStream(settings, settings.streams[i], {own, rtx, fec}, rtp_egress));
  }
  for (Output& output : outputs) output.send.SetCaptureClock(&source.capture_clock());
  UpdateTarget(world.Now());
}

void Consumer::Impl::UpdateTarget(Timestamp now) {
  if (has_layers && producer != nullptr) policy.Update(producer->encoding_lives(), now);
  LayerTarget target = policy.target();
  if (replay != nullptr) target.temporal = target.temporal_above = target.temporal_below = 0;
  forwarder->SetTarget(target);
  settled = false;
  if (is_limited) UpdatePipe(now);
}

void Consumer::Impl::UpdatePipe(Timestamp now) {
  if (producer == nullptr) return;
  pipe_policy->Update(producer->encoding_lives(), now);
  forwarder->SetWanted(pipe_policy->target());
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (!IsWanted(i)) outputs[i].send.Stop();
  }
}

std::optional<ConsumerLayers> Consumer::Impl::CurrentLayers() const {
  const auto current = forwarder->current();
  if (!active || !current) return std::nullopt;
  // An encoding that has stopped shows as not sent, though it may come back without a key frame.
  const std::span<const EncodingLife> lives = producer->encoding_lives();
  if (current->encoding >= lives.size() || !lives[current->encoding].alive) return std::nullopt;
  return policy.LayersOf(current->encoding, current->spatial, current->temporal);
}

void Consumer::Impl::ReportLayers() {
  const std::optional<ConsumerLayers> now = CurrentLayers();
  if (now == reported_layers) return;
  const bool same_source = now && reported_layers &&
                           (settings.type != RtpType::kSimulcast ||
                            now->spatial_layer == reported_layers->spatial_layer);
  reported_layers = now;
  events.OnConsumerLayers(id, now);
  if (!now || same_source) return;
  // What was lost of another encoding says nothing of this one.
  for (Output& output : outputs) output.send.statistics().ResetScore();
  EmitScore();
}

/// Of a pipe those of encodings that live: another one begins with a key frame when it comes back.
uint32_t Consumer::Impl::KeyFramesWanted(Timestamp now) const {
  uint32_t wanted = forwarder->KeyFramesWanted(now);
  if (settings.type != RtpType::kPipe) return wanted;
  const std::span<const EncodingLife> lives = producer->encoding_lives();
  for (size_t i = 0; i < lives.size() && i < 32; ++i) {
    if (!lives[i].alive) wanted &= ~(uint32_t{1} << i);
  }
  return wanted;
}

void Consumer::Impl::AskForKeyFrames(Timestamp now) {
  if (is_replaying()) return;
  const uint32_t wanted = KeyFramesWanted(now);
  if (wanted == 0) {
    key_frames_asked = 0;
    return;
  }
  if ((wanted & ~key_frames_asked) == 0) {
    const bool quick = has_layers && now - key_frame_wanted_since < kQuickRetryTime;
    const Duration retry =
        quick ? std::max(kQuickRetry, outputs.front().send.statistics().round_trip_time())
              : kKeyFrameRetry;
    if (now - key_frame_asked_at < retry) return;
  } else if (key_frames_asked == 0) {
    key_frame_wanted_since = now;
  }
  key_frames_asked = wanted;
  key_frame_asked_at = now;
  uint32_t left = wanted;
  for (const RtpEncodingParameters& encoding : consumable_encodings()) {
    if ((left & 1) != 0) producer->RequestKeyFrame(Ssrc(encoding.ssrc.value_or(0)));
    left >>= 1;
  }
}

void Consumer::Impl::UpdateActive(bool source_asks) {
  if (start_listener != nullptr && !active && ShouldBeActive()) start_listener->OnConsumerStarts();
  const bool should = ShouldBeActive();
  if (should == active) return;
  active = should;
  settled = false;
  if (!active) {
    if (producer != nullptr) producer->SetConsumerActive(*self, false);
    awaits_replay = false;
    replay.reset();
    forwarder->Rest();
    for (Output& output : outputs) output.send.Stop();
    held.clear();
    if (has_layers && producer != nullptr) ReportLayers();
    return;
  }
  UpdateTarget(environment.Now());
  forwarder->Restart(environment.Now());
  key_frames_asked = 0;
  // The producer's number, of 8 bits, may have come round to the same value meanwhile.
  if (codec_epoch != 0) codec_epoch = kUnknownCodecEpoch;
  producer->SetConsumerActive(*self, true);
  if (!forwarder->awaits_key_frame()) return;
  if (!source_asks && AwaitReplay()) return;
  if (source_asks) {
    key_frame_asked_at = key_frame_wanted_since = environment.Now();
    key_frames_asked = KeyFramesWanted(environment.Now());
  } else {
    AskForKeyFrames(environment.Now());
  }
}

/// Asks for a key frame of what this output stream shows, and of what it is about to show.
void Consumer::Impl::AskForKeyFrame(size_t stream, Timestamp now) {
  key_frame_asked_at = now;
  if (!has_layers) return producer->RequestKeyFrame(settings.streams[stream].mapped_ssrc);
  const auto ask = [this](size_t encoding) {
    if (encoding >= consumable_encodings().size()) return;
    producer->RequestKeyFrame(Ssrc(consumable_encodings()[encoding].ssrc.value_or(0)));
  };
  const uint8_t current = forwarder->current_encoding();
  ask(current);
  if (policy.target().encoding != current) ask(policy.target().encoding);
}

void Consumer::Impl::OnKeyFrameRequest(size_t stream, TraceReport::Type type, ConsumerTraceType bit,
                                       Timestamp now) {
  Output& output = outputs[stream];
  ++(type == TraceReport::Type::kPli ? output.pli_count : output.fir_count);
  if ((traces & TraceBit(bit)) != 0) {
    TraceReport trace;
    trace.type = type;
    trace.timestamp_ms = now.ms();
    trace.ssrc = settings.streams[stream].params.ssrc;
    events.OnConsumerTrace(id, trace);
  }
  if (!active || !HasKeyFrames(settings.codec)) return;
  if (awaits_replay || (replay != nullptr && now - replay_began_at < kReplayAnswers)) return;
  AskForKeyFrame(stream, now);  // the source merges requests, so that none is lost
}

ConsumerScore Consumer::Impl::Score() const {
  ConsumerScore score;
  if (settings.type == RtpType::kPipe) {
    // How well each encoding arrives is known at the far end of the pipe; here it is constant.
    score.producer_score = score.score;
    if (producer != nullptr) score.producer_scores = producer->encoding_scores();
    return score;
  }
  score.score = outputs.front().send.statistics().score();
  for (const Output& output : outputs) {
    score.score = std::min(score.score, output.send.statistics().score());
  }
  if (producer == nullptr) return score;
  score.producer_score = producer->encoding_score(forwarder->current_encoding());
  score.producer_scores = producer->encoding_scores();
  return score;
}

void Consumer::Impl::EmitScore() {
  if (settings.type != RtpType::kPipe) events.OnConsumerScore(id, Score());
}

Result<std::unique_ptr<Consumer>> Consumer::Create(const ConsumeOptions& options,
                                                   Producer& producer, RtpEgress& egress,
                                                   Environment& environment, EngineEvents& events) {
  Result<ConsumerSettings> settings =
      ResolveConsumerSettings(options, producer.shared_parameters());
  if (!settings.ok()) return settings.status();
  auto forwarder = LayerForwarder::Create(settings->type, settings->codec, settings->streams.size(),
                                          producer.layer_filters());
  if (!forwarder.ok()) return forwarder.status();
  std::unique_ptr<Consumer> consumer(
      new Consumer(std::make_unique<Impl>(options, *std::move(settings), *std::move(forwarder),
                                          producer, egress, environment, events)));
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
size_t Consumer::stream_count() const { return impl_->outputs.size(); }
Consumer::Stream Consumer::stream(size_t index) const {
  const OutputStreamSettings& settings = impl_->settings.streams[index];
  const SendStream& send = impl_->outputs[index].send;
  Stream stream;
  stream.ssrc = Ssrc(settings.params.ssrc);
  if (settings.uses_rtx) stream.rtx_ssrc = Ssrc(*settings.params.rtx_ssrc);
  if (send.fec() != nullptr) stream.fec_ssrc = send.fec()->ssrc();
  stream.next_sequence = send.next_own().value();
  stream.next_rtx_sequence = send.next_rtx().value();
  return stream;
}
const StreamContinuity& Consumer::continuity(size_t index) const {
  return impl_->outputs[index].send.continuity();
}
void Consumer::GoOnAfter(size_t index, const StreamContinuity& earlier, bool same_producer) {
  impl_->outputs[index].send.GoOnAfter(earlier, same_producer);
}
Ssrc Consumer::first_consumable() const {
  return Ssrc(impl_->consumable_encodings().front().ssrc.value_or(0));
}
bool Consumer::active() const { return impl_->active; }
bool Consumer::producer_closed() const { return impl_->producer == nullptr; }
const ConsumerCounters& Consumer::counters() const { return impl_->counters; }

ConsumeReport Consumer::Report() const {
  ConsumeReport report;
  report.paused = impl_->paused;
  report.producer_paused = impl_->producer_paused;
  report.score = impl_->Score();
  report.preferred_layers = impl_->policy.preferred_layers();
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
  LeaveProducer();
  impl_->events.OnConsumerProducerClose(impl_->id);
}

void Consumer::LeaveProducer() {
  Impl& impl = *impl_;
  if (impl.producer == nullptr) return;
  impl.producer->DetachConsumer(*this);
  impl.producer = nullptr;
  impl.active = false;
  for (Impl::Output& output : impl.outputs) output.send.SetCaptureClock(nullptr);
}

bool Consumer::is_orphan() const { return impl_->producer != nullptr && impl_->producer->sealed(); }

void Consumer::OnProducerScore() {
  if (impl_->producer == nullptr) return;
  impl_->EmitScore();
  OnProducerLayers();
}

void Consumer::OnProducerLayers() {
  Impl& impl = *impl_;
  if (impl.producer == nullptr || !(impl.has_layers || impl.is_limited)) return;
  impl.UpdateTarget(impl.environment.Now());
  if (impl.active) impl.AskForKeyFrames(impl.environment.Now());
  if (impl.has_layers) impl.ReportLayers();
}

bool Consumer::wants_bandwidth() const {
  return impl_->kind == MediaKind::kVideo && impl_->MaySend() &&
         impl_->settings.type != RtpType::kPipe;
}

uint8_t Consumer::priority() const { return impl_->policy.priority(); }

bool Consumer::has_layers() const { return impl_->has_layers; }

void Consumer::AddSteps(std::vector<LadderStep>* steps, Timestamp now) const {
  if (impl_->producer == nullptr) return;
  const std::span<const LadderStep> ladder = impl_->producer->ladder(now);
  if (!impl_->has_layers) {
    if (!ladder.empty()) steps->push_back(ladder.back());
    return;
  }
  const LayerTarget wish = impl_->policy.Wish();
  const bool simulcast = impl_->settings.type == RtpType::kSimulcast;
  const auto fits = [&](const LadderStep& step) {
    return (simulcast ? step.encoding <= wish.encoding : step.spatial <= wish.spatial) &&
           step.temporal <= wish.temporal;
  };
  const size_t lowest = steps->size();
  for (size_t i = 0; i < ladder.size(); ++i) {
    const LadderStep& step = ladder[i];
    if (!fits(step)) continue;
    // A quarter of the frames of a larger picture is worse than all of those of a smaller one.
    const bool is_quarter = i + 2 < ladder.size() && fits(ladder[i + 2]) &&
                            ladder[i + 2].encoding == step.encoding &&
                            ladder[i + 2].spatial == step.spatial;
    if (!is_quarter || steps->size() == lowest) steps->push_back(step);
  }
}

void Consumer::SetCeiling(const LadderStep* step) {
  Impl& impl = *impl_;
  if (!impl.has_layers) return;
  std::optional<LayerTarget> ceiling;
  if (step != nullptr) {
    ceiling = LayerTarget{step->encoding, step->spatial, step->temporal};
    if (impl.settings.type == RtpType::kSimulcast) ceiling->spatial = LayerTarget::kAll;
  }
  if (!impl.policy.SetCeiling(ceiling)) return;
  const Timestamp now = impl.environment.Now();
  impl.UpdateTarget(now);
  if (impl.active) impl.AskForKeyFrames(now);
}

void Consumer::Starve(bool starves) {
  if (std::exchange(impl_->starves, starves) == starves) return;
  impl_->UpdateActive();
}

void Consumer::TellBeforeStart(StartListener* listener) { impl_->start_listener = listener; }

void Consumer::ExpectCeilings() {
  if (std::exchange(impl_->expects_ceilings, true)) return;
  if (impl_->producer != nullptr && impl_->active) impl_->producer->OnWishesChanged();
}

const ExtensionIds& Consumer::extension_ids() const { return impl_->settings.extension_ids; }

uint8_t Consumer::needed_encoding() const { return impl_->forwarder->needed_encoding(); }

void Consumer::OnReportBlock(size_t stream, const rtcp::ReportBlock& block, Timestamp now) {
  const NtpTime ntp_now = NtpAt(impl_->environment, now);
  SendStatistics& statistics = impl_->outputs[stream].send.statistics();
  if (statistics.OnReportBlock(block, ntp_now, now)) impl_->EmitScore();
}

void Consumer::OnPli(size_t stream, Timestamp now) {
  impl_->OnKeyFrameRequest(stream, TraceReport::Type::kPli, ConsumerTraceType::kPli, now);
}

void Consumer::OnFir(size_t stream, Timestamp now) {
  impl_->OnKeyFrameRequest(stream, TraceReport::Type::kFir, ConsumerTraceType::kFir, now);
}

SenderReportReference Consumer::Impl::ReportReference(size_t stream) const {
  const StreamContinuity& newest = outputs[stream].send.continuity();
  SenderReportReference reference;
  reference.timestamp = newest.last_timestamp();
  reference.clock_rate = settings.streams[stream].params.clock_rate;
  reference.received_at = newest.last_received_at();
  if (producer == nullptr) return reference;
  RtpTimestamp source = newest.last_source_timestamp();
  const PacketRing* ring = replay != nullptr ? producer->ring(newest.last_source()) : nullptr;
  if (ring != nullptr && ring->size() > 0) {
    // What was sent last is seconds old: the newest that has come is known as well as for others.
    const RoutedPacket& live = *ring->FindKept(ring->newest());
    if (!live.padding_only) {
      const uint32_t ahead = live.timestamp.value() - source.value();
      reference.timestamp = RtpTimestamp(reference.timestamp.value() + ahead);
      reference.received_at = live.received_at;
      source = live.timestamp;
    }
  }
  reference.captured_at = producer->CaptureTime(newest.last_source(), source);
  return reference;
}

std::optional<Consumer::SenderReport> Consumer::MakeSenderReport(size_t stream, Timestamp now) {
  Impl& impl = *impl_;
  Impl::Output& output = impl.outputs[stream];
  const RtpStreamParams& params = impl.settings.streams[stream].params;
  const SendStatistics& sent = output.send.statistics();
  if (sent.packets() == 0 || now - sent.last_sent_at() > Impl::kMaxReportSilence) {
    return std::nullopt;
  }
  if (output.reported_at != Timestamp() && now - output.reported_at < Impl::kMinReportInterval) {
    return std::nullopt;
  }
  output.reported_at = now;

  const SenderReportReference reference = impl.ReportReference(stream);
  SenderReport report;
  report.info.ssrc = Ssrc(params.ssrc);
  report.info.ntp = impl.environment.NtpNow();
  report.info.rtp_timestamp = SenderReportTimestamp(reference, report.info.ntp, now);
  report.info.packet_count = static_cast<uint32_t>(sent.packets());
  report.info.octet_count = static_cast<uint32_t>(sent.payload_bytes());
  report.cname = impl.settings.common->rtcp.cname;
  return report;
}

float Consumer::fraction_lost() const {
  uint8_t worst = 0;
  for (const Impl::Output& output : impl_->outputs) {
    worst = std::max(worst, output.send.statistics().fraction_lost());
  }
  return static_cast<float>(worst) / 256.0F;
}

Duration Consumer::round_trip_time() const {
  return impl_->outputs.front().send.statistics().round_trip_time();
}

void Consumer::Pause() {
  impl_->paused = true;
  impl_->UpdateActive();
}

void Consumer::Resume() {
  impl_->paused = false;
  impl_->UpdateActive();
}

void Consumer::Impl::OnWish() {
  if (producer != nullptr && active) producer->OnWishesChanged();
  UpdateTarget(environment.Now());
  if (active) AskForKeyFrames(environment.Now());
}

std::optional<ConsumerLayers> Consumer::SetPreferredLayers(const ConsumerLayers& layers) {
  const std::optional<ConsumerLayers> set = impl_->policy.SetPreferredLayers(layers);
  if (set) impl_->OnWish();
  return set;
}

std::optional<ConsumerLayers> Consumer::SetPreferredTemporalLayer(std::optional<uint8_t> layer) {
  const std::optional<ConsumerLayers> set = impl_->policy.SetPreferredTemporalLayer(layer);
  if (set) impl_->OnWish();
  return set;
}

Status Consumer::SetWantedLayers(std::vector<WantedLayers> wanted) {
  Impl& impl = *impl_;
  if (impl.settings.type != RtpType::kPipe) {
    return Error(
        fmt::format("consumer \"{}\" is not of a pipe: its layers are preferred layers", impl.id));
  }
  if (wanted.size() != impl.outputs.size()) {
    return TypeError(fmt::format("encodings has {} elements: the consumer has {}, one is for each",
                                 wanted.size(), impl.outputs.size()));
  }
  if (!std::exchange(impl.is_limited, true)) impl.pipe_policy = std::make_unique<PipePolicy>();
  impl.pipe_policy->SetWishes(std::move(wanted));
  impl.UpdateActive();
  impl.OnWish();
  return {};
}

Status Consumer::SetPriority(uint8_t priority) { return impl_->policy.SetPriority(priority); }

void Consumer::RequestKeyFrame() {
  if (!impl_->active || !HasKeyFrames(impl_->settings.codec)) return;
  for (size_t i = 0; i < impl_->outputs.size(); ++i) {
    if (impl_->IsWanted(i)) impl_->AskForKeyFrame(i, impl_->environment.Now());
  }
}

void Consumer::AddWishes(std::span<WantedLayers> most) const {
  static_assert(LayerTarget::kAll == WantedLayers::kAll);
  if (impl_->is_limited) {
    const std::span<const WantedLayers> far = impl_->pipe_policy->wishes();
    for (size_t i = 0; i < most.size() && i < far.size(); ++i) most[i].Add(far[i]);
    return;
  }
  if (!impl_->has_layers) {
    for (WantedLayers& each : most) each.Add({true, WantedLayers::kAll, WantedLayers::kAll});
    return;
  }
  const LayerTarget wish = impl_->policy.Wish();
  if (impl_->expects_ceilings && impl_->settings.type == RtpType::kSimulcast) {
    for (size_t i = 0; i < wish.encoding && i < most.size(); ++i) {
      most[i].Add({true, wish.spatial, wish.temporal});
    }
  }
  if (wish.encoding < most.size()) most[wish.encoding].Add({true, wish.spatial, wish.temporal});
}

void Consumer::EnableTraces(TraceMask traces) { impl_->traces = traces; }

}  // namespace sluice::worker
