#include "worker/media/rtp_core.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "common/log.h"
#include "worker/media/router.h"
#include "worker/media/send_bandwidth.h"
#include "worker/wire/rtcp.h"

namespace sluice::worker {
namespace {

constexpr size_t kSsrcsOfStream = 3;  // media, RTX and FEC

bool HasFeedback(const RtpParameters& parameters, std::string_view type) {
  for (const RtpCodecParameters& codec : parameters.codecs) {
    for (const RtcpFeedback& feedback : codec.rtcp_feedback) {
      if (feedback.type == type) return true;
    }
  }
  return false;
}

bool HasExtension(const RtpParameters& parameters, RtpExtensionUri uri) {
  return std::any_of(
      parameters.header_extensions.begin(), parameters.header_extensions.end(),
      [&](const RtpHeaderExtensionParameters& extension) { return extension.uri == uri; });
}

}  // namespace

RtpCore::RtpCore(TransportCore& core, RtpLink& link)
    : RtpCore(core, link,
              {core.context().limits.producers, core.context().limits.consumers,
               RtpListener::kMaxSsrcs}) {}

RtpCore::RtpCore(TransportCore& core, RtpLink& link, const RtpLimits& limits)
    : core_(core),
      context_(core.context()),
      link_(link),
      limits_(limits),
      listener_(limits.ssrcs),
      rtcp_receiver_(*this),
      rtcp_reporter_(*this, rtcp_receiver_, context_.environment) {}

RtpCore::~RtpCore() {
  AddFeedback(&context_.closed);
  send_bandwidth_.reset();
  DropConsumers();
  DropProducers();
  context_.turn.ForgetOwner(this);
}

void RtpCore::OnConnected(bool connected) {
  if (connected_ == connected) return;
  connected_ = connected;
  if (connected) {
    rtcp_reporter_.Start();
  } else {
    rtcp_reporter_.Stop();
  }
  TellConsumers();
}

void RtpCore::SetSendingAllowed(bool allowed) {
  if (std::exchange(sending_allowed_, allowed) != allowed && connected_) TellConsumers();
}

void RtpCore::TellConsumers() {
  for (const auto& consumer : consumers_) {
    if (connected_ && sending_allowed_) {
      consumer->OnTransportConnected();
    } else {
      consumer->OnTransportDisconnected();
    }
  }
}

// ---- Receiving --------------------------------------------------------------------------------

void RtpCore::RouteRtp(const PacketRef& buffer, RtpPacket& packet, Timestamp received_at) {
  FeedCongestionFeedback(packet, received_at);
  Producer* producer = listener_.Find(packet, extension_ids_);
  if (producer == nullptr) {
    ++core_.counters().no_producer;
    return;
  }
  const size_t size = packet.size();
  switch (producer->OnRtp(buffer, packet, received_at)) {
    case Producer::ReceiveResult::kMedia:
      core_.traffic().rtp_received.Add(size, received_at);
      if (producer->has_active_consumers()) context_.delay.OnForwarded(received_at);
      break;
    case Producer::ReceiveResult::kRetransmission:
    case Producer::ReceiveResult::kRepair:
      core_.traffic().rtx_received.Add(size, received_at);
      break;
    case Producer::ReceiveResult::kDiscarded:
      ++core_.counters().producer_refused;
      break;
  }
}

void RtpCore::OnVideoDropped(std::span<const Ssrc> ssrcs) {
  for (const Ssrc ssrc : ssrcs) {
    if (const ConsumerStream found = FindSent(ssrc)) found.consumer->RequestKeyFrame();
  }
}

void RtpCore::RouteRtcp(std::span<const uint8_t> compound, Timestamp now) {
  ++core_.traffic().rtcp_packets_received;
  if (!rtcp_receiver_.OnCompound(compound, now)) ++core_.counters().malformed_rtcp;
}

void RtpCore::InjectRtp(std::span<const uint8_t> packet) {
  const Timestamp now = context_.environment.Now();
  core_.CountReceived(packet.size(), now);
  const PacketRef copy = context_.buffers.Copy(packet);
  std::optional<RtpPacket> parsed = RtpPacket::Parse({copy.data(), packet.size()});
  if (!parsed) {
    ++core_.counters().malformed_rtp;
    SLUICE_WARN(kRtp, "transport {}: {} bytes handed in are no RTP packet", id(), packet.size());
    return;
  }
  RouteRtp(copy, *parsed, now);
}

void RtpCore::OnSsrcLearned(Producer& producer, Ssrc ssrc) {
  if (!listener_.Learn(ssrc, producer)) ++core_.counters().ssrc_refused;
  rtcp_receiver_.OnSsrcLearned(ssrc, producer, context_.environment.Now());
}

void RtpCore::OnSsrcReleased(Producer& producer, Ssrc ssrc) { listener_.Forget(ssrc, producer); }

std::shared_ptr<SenderClock> RtpCore::ClockOf(const std::string& cname) {
  return core_.router().ClockOf(cname);
}

PacingClock* RtpCore::ReplayClock() {
  if (!context_.settings.replay_groups) return nullptr;
  if (context_.pacing == nullptr) {
    context_.pacing = std::make_unique<PacingClock>(context_.environment, Pacer::kTick);
  }
  return context_.pacing.get();
}

ConsumerStream RtpCore::FindConsumer(Ssrc ssrc) const {
  const ConsumerStream sent = FindSent(ssrc);
  return sent.is_rtx ? ConsumerStream() : sent;
}

ConsumerStream RtpCore::FindSent(Ssrc ssrc) const {
  const auto it = streams_by_ssrc_.find(ssrc.value());
  return it == streams_by_ssrc_.end() ? ConsumerStream() : it->second;
}

void RtpCore::SendToSender(std::span<const uint8_t> feedback) {
  if (!full_compounds_) return SendRtcp(feedback);
  std::array<uint8_t, rtcp::Builder::kMaxCompound + kFullCompoundPrefix> bytes;
  rtcp::Builder builder(std::span<uint8_t>(bytes).first(kFullCompoundPrefix));
  builder.AddReceiverReport(rtcp_reporter_.ssrc(), {});
  builder.AddSdesCname(rtcp_reporter_.ssrc(), cname());
  const size_t prefix = builder.size();
  if (prefix + feedback.size() > bytes.size()) return SendRtcp(feedback);
  std::copy(feedback.begin(), feedback.end(), bytes.begin() + static_cast<std::ptrdiff_t>(prefix));
  SendRtcp(std::span(bytes).first(prefix + feedback.size()));
}

// ---- Congestion feedback to the sender ----------------------------------------------------------

void RtpCore::FeedCongestionFeedback(const RtpPacket& packet, Timestamp received_at) {
  if (transport_feedback_ != nullptr && extension_ids_.transport_cc != 0) {
    const auto sequence = ParseTransportSequence(packet.Extension(extension_ids_.transport_cc));
    if (sequence) transport_feedback_->OnPacket(*sequence, packet.ssrc(), received_at);
  }
  if (remb_limiter_ == nullptr) return;
  std::optional<uint32_t> abs_send_time;
  if (remb_limiter_->has_estimator() && extension_ids_.abs_send_time != 0) {
    abs_send_time = ParseAbsSendTime(packet.Extension(extension_ids_.abs_send_time));
  }
  const bool due =
      remb_limiter_->OnPacket(abs_send_time, packet.size(), packet.ssrc(), received_at);
  if (due) SendRemb(received_at);
}

void RtpCore::SendTransportFeedback() {
  std::array<uint8_t, rtcp::Builder::kMaxCompound> bytes;
  for (;;) {
    const std::span<const uint8_t> feedback = transport_feedback_->TakeFeedback(bytes);
    if (feedback.empty()) return;
    SendToSender(feedback);
  }
}

void RtpCore::SendRemb(Timestamp now) {
  const RembLimiter::Remb remb = remb_limiter_->TakeRemb(now);
  if (remb.size > 0) SendToSender(remb.rtcp());
  if (remb.collapsed) OnRembCollapsed();
}

void RtpCore::ChooseCongestionFeedback(const RtpParameters& parameters, Timestamp now) {
  if (remb_limiter_ != nullptr) return;  // the first fitting producer chooses
  const bool transport_cc = HasExtension(parameters, RtpExtensionUri::kTransportWideCc) &&
                            HasFeedback(parameters, "transport-cc");
  const bool remb = HasExtension(parameters, RtpExtensionUri::kAbsSendTime) &&
                    HasFeedback(parameters, "goog-remb");
  if (!transport_cc && !remb) return;
  if (transport_cc) {
    transport_feedback_ = std::make_unique<TransportFeedbackGenerator>(
        context_.environment, [this] { SendTransportFeedback(); });
  }
  StartRembLimiter(/*estimate=*/!transport_cc, now);  // else the sender estimates for itself
}

void RtpCore::StartRemb() {
  context_.turn.AfterResponse(this,
                              [this](Timestamp now) { StartRembLimiter(/*estimate=*/true, now); });
}

void RtpCore::StartRembLimiter(bool estimate, Timestamp now) {
  if (remb_limiter_ != nullptr) return;
  remb_limiter_ = std::make_unique<RembLimiter>();
  if (estimate) remb_limiter_->StartEstimator();
  if (max_incoming_bitrate_ != 0) ApplyMaxIncomingBitrate(now);
}

void RtpCore::ApplyMaxIncomingBitrate(Timestamp now) {
  const auto limit = DataRate::BitsPerSecond(static_cast<int64_t>(max_incoming_bitrate_));
  if (remb_limiter_->SetMaxIncomingBitrate(limit, now)) SendRemb(now);
}

void RtpCore::OnRembCollapsed() {
  if (!core_.options().key_frames_when_remb_collapses) return;
  for (const auto& producer : producers_) {
    if (producer->kind() == MediaKind::kVideo) producer->RequestKeyFrames();
  }
}

// ---- Producers and consumers ------------------------------------------------------------------

Result<ProduceReport> RtpCore::Produce(const ProduceOptions& options) {
  SLUICE_RETURN_IF_ERROR(context_.objects.CheckFree(options.producer_id));
  if (producers_.size() >= limits_.producers) {
    ++context_.closed.limits.producers;
    return Error(
        fmt::format("this transport has {} producers, the most it takes "
                    "(maxProducersPerTransport); use another transport",
                    limits_.producers));
  }
  Result<std::unique_ptr<Producer>> created =
      Producer::Create(options, *this, context_.environment, context_.events);
  if (!created.ok()) return created.status();
  Producer& producer = **created;
  const Status added =
      listener_.Add(producer, producer.rtp_parameters(), options.route_by_payload_type);
  if (absl::IsResourceExhausted(added)) ++context_.closed.limits.ssrcs;
  SLUICE_RETURN_IF_ERROR(added);
  producers_.Add(*std::move(created));
  extension_ids_.Update(producer.rtp_parameters());
  if (!producer.rtp_parameters().rtcp.reduced_size) full_compounds_ = true;
  context_.objects.Register(producer.id(), ProducerEntry{&producer, this}, core_.closed_flag());
  core_.router().AddProducer(producer);
  context_.turn.AfterResponse(this, [this, id = producer.id()](Timestamp now) {
    const auto* entry = context_.objects.FindAs<ProducerEntry>(id);
    if (entry == nullptr || entry->transport != this) return;  // closed in the meantime
    ChooseCongestionFeedback(entry->producer->rtp_parameters(), now);
  });
  return ProduceReport{producer.type()};
}

Status RtpCore::CheckConsumerSsrcs(const ConsumeOptions& options) const {
  // Two streams under one SSRC would encrypt different packets under one nonce.
  absl::flat_hash_set<uint32_t> own;
  for (const RtpEncodingParameters& encoding : options.rtp_parameters.encodings) {
    for (const std::optional<uint32_t>& ssrc :
         {encoding.ssrc, encoding.rtx_ssrc, encoding.fec_ssrc}) {
      if (!ssrc || *ssrc == 0) continue;
      if (!own.insert(*ssrc).second) {
        return TypeError(fmt::format("rtpParameters.encodings have ssrc {} twice", *ssrc));
      }
      if (!streams_by_ssrc_.contains(*ssrc)) continue;
      return Error(
          fmt::format("rtpParameters.encodings ssrc {} is already sent on this transport; "
                      "choose another",
                      *ssrc));
    }
  }
  return absl::OkStatus();
}

ConsumeOptions RtpCore::WithSequenceAfterEarlierUse(ConsumeOptions options) const {
  const auto next = [&](const std::optional<uint32_t>& ssrc) -> std::optional<uint16_t> {
    const auto sequence = ssrc ? link_.NextSequence(Ssrc(*ssrc)) : std::nullopt;
    return sequence ? std::optional(sequence->value()) : std::nullopt;
  };
  const auto& encodings = options.rtp_parameters.encodings;
  options.first_numbers.resize(encodings.size());
  for (size_t i = 0; i < encodings.size(); ++i) {
    FirstNumbers& first = options.first_numbers[i];
    if (!first.sequence) first.sequence = next(encodings[i].ssrc);
    if (!first.rtx_sequence) first.rtx_sequence = next(encodings[i].rtx_ssrc);
    if (!first.fec_sequence) first.fec_sequence = next(encodings[i].fec_ssrc);
  }
  return options;
}

void RtpCore::CloseOrphans(const ConsumeOptions& options) {
  const auto* same_id = context_.objects.FindAs<ConsumerEntry>(options.consumer_id);
  if (same_id != nullptr && same_id->consumer->is_orphan()) {
    same_id->transport->CloseOrphan(*same_id->consumer);
  }
  for (const RtpEncodingParameters& encoding : options.rtp_parameters.encodings) {
    for (const std::optional<uint32_t>& ssrc :
         {encoding.ssrc, encoding.rtx_ssrc, encoding.fec_ssrc}) {
      const ConsumerStream taken = ssrc ? FindSent(Ssrc(*ssrc)) : ConsumerStream();
      if (taken && taken.consumer->is_orphan()) CloseOrphan(*taken.consumer);
    }
  }
}

Result<ConsumeReport> RtpCore::Consume(const ConsumeOptions& options) {
  CloseOrphans(options);
  SLUICE_RETURN_IF_ERROR(context_.objects.CheckFree(options.consumer_id));
  Producer* producer = core_.router().FindProducer(options.producer_id);
  if (producer == nullptr) {
    return NotFoundError(
        fmt::format("producerId '{}' names no producer of this router", options.producer_id));
  }
  if (consumers_.size() >= limits_.consumers) {
    ++context_.closed.limits.consumers;
    return Error(
        fmt::format("this transport has {} consumers, the most it takes "
                    "(maxConsumersPerTransport); use another transport",
                    limits_.consumers));
  }
  SLUICE_RETURN_IF_ERROR(CheckConsumerSsrcs(options));
  if (link_.RoomToSend() < kSsrcsOfStream * options.rtp_parameters.encodings.size()) {
    return Error(
        "this transport has sent as many SSRCs with its keys as it can remember; use another "
        "transport");
  }
  ConsumeOptions completed = WithSequenceAfterEarlierUse(options);
  completed.joins_layers = joins_layers_;
  completed.replays_group = replays_groups_ && options.type != RtpType::kPipe;
  Result<std::unique_ptr<Consumer>> created =
      Consumer::Create(completed, *producer, link_.egress(), context_.environment, context_.events);
  if (!created.ok()) return created.status();
  Consumer& consumer = **created;
  consumers_.Add(*std::move(created));
  GoOnAfterEnded(&consumer);
  for (size_t i = 0; i < consumer.stream_count(); ++i) {
    const Consumer::Stream stream = consumer.stream(i);
    const auto index = static_cast<uint8_t>(i);
    streams_by_ssrc_[stream.ssrc.value()] = {&consumer, index, false};
    for (const std::optional<Ssrc>& repair : {stream.rtx_ssrc, stream.fec_ssrc}) {
      if (repair) streams_by_ssrc_[repair->value()] = {&consumer, index, true};
    }
  }
  if (!sending_allowed_) consumer.OnTransportDisconnected();
  context_.objects.Register(consumer.id(), ConsumerEntry{&consumer, this}, core_.closed_flag());
  ChooseSendBandwidth(consumer, options.rtp_parameters, options.type);
  return consumer.Report();
}

void RtpCore::ChooseSendBandwidth(Consumer& consumer, const RtpParameters& parameters,
                                  RtpType type) {
  if (!context_.settings.estimate_bandwidth || consumer.kind() != MediaKind::kVideo) return;
  if (send_bandwidth_ != nullptr) return send_bandwidth_->OnConsumerAdded(consumer);
  PacedSender* sender = link_.paced_sender();
  if (sender == nullptr || type == RtpType::kPipe) return;
  SendBandwidth::Settings settings;
  if (HasExtension(parameters, RtpExtensionUri::kTransportWideCc) &&
      HasFeedback(parameters, "transport-cc")) {
    settings.source = BweTrace::Source::kTransportCc;
  } else if (HasExtension(parameters, RtpExtensionUri::kAbsSendTime) &&
             HasFeedback(parameters, "goog-remb")) {
    settings.source = BweTrace::Source::kRemb;
  } else {
    return;
  }
  settings.extension_ids = consumer.extension_ids();
  settings.start = core_.options().initial_available_outgoing_bitrate;
  settings.min = min_outgoing_bitrate_;
  settings.max = max_outgoing_bitrate_;
  send_bandwidth_ = std::make_unique<SendBandwidth>(*this, *sender, settings);
  send_bandwidth_->OnConsumerAdded(consumer);
}

void RtpCore::CloseConsumersOf(Producer& producer, size_t* effort) {
  const std::vector<Consumer*>& all = producer.consumers();
  const size_t count = std::min(*effort, all.size());
  const std::vector<Consumer*> some(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(count));
  for (Consumer* consumer : some) {
    // Those whose transports are closing have left.
    const auto* entry = context_.objects.FindAs<ConsumerEntry>(consumer->id());
    entry->transport->CloseOrphan(*consumer);
  }
  *effort -= count;
}

void RtpCore::CloseOrphan(Consumer& consumer) {
  consumer.OnProducerClosed();
  CloseConsumer(consumer);
}

void RtpCore::CloseProducer(Producer& producer) {
  size_t effort = SIZE_MAX;
  CloseConsumersOf(producer, &effort);
  core_.router().RemoveProducer(producer);
  listener_.Remove(producer);
  context_.objects.Unregister(producer.id(), core_.closed_flag());
  context_.turn.ForgetProducer(producer);
  AddProducer(producer, &context_.closed);
  context_.srtp.Flush();  // it may read the producer's packets
  producers_.Take(producer);
}

Status RtpCore::CloseProducer(const std::string& producer_id) {
  const auto* entry = context_.objects.FindAs<ProducerEntry>(producer_id);
  if (entry == nullptr || entry->transport != this) {
    return NotFoundError(
        fmt::format("producerId '{}' names no producer of transport '{}'", producer_id, id()));
  }
  CloseProducer(*entry->producer);
  return absl::OkStatus();
}

void RtpCore::RememberEnded(const Consumer& consumer) {
  for (size_t i = 0; i < consumer.stream_count(); ++i) {
    if (!consumer.continuity(i).sent_any()) continue;
    if (ended_streams_.size() >= kMaxEndedStreams) ended_streams_.erase(ended_streams_.begin());
    ended_streams_.push_back({consumer.stream(i).ssrc, consumer.producer_id(),
                              consumer.first_consumable(), consumer.continuity(i)});
  }
}

void RtpCore::GoOnAfterEnded(Consumer* consumer) {
  for (size_t i = 0; i < consumer->stream_count(); ++i) {
    const auto it = std::find_if(
        ended_streams_.begin(), ended_streams_.end(),
        [&](const EndedStream& ended) { return ended.ssrc == consumer->stream(i).ssrc; });
    if (it == ended_streams_.end()) continue;
    const bool same = it->producer_id == consumer->producer_id() &&
                      it->first_consumable == consumer->first_consumable();
    consumer->GoOnAfter(i, it->continuity, same);
    ended_streams_.erase(it);
  }
}

void RtpCore::CloseConsumer(Consumer& consumer) {
  RememberEnded(consumer);
  for (size_t i = 0; i < consumer.stream_count(); ++i) {
    const Consumer::Stream stream = consumer.stream(i);
    ForgetSent(stream.ssrc);
    if (stream.rtx_ssrc) ForgetSent(*stream.rtx_ssrc);
    if (stream.fec_ssrc) ForgetSent(*stream.fec_ssrc);
  }
  context_.objects.Unregister(consumer.id(), core_.closed_flag());
  AddConsumer(consumer, &context_.closed);
  consumers_.Take(consumer);
}

void RtpCore::ForgetSent(Ssrc ssrc) {
  streams_by_ssrc_.erase(ssrc.value());
  if (PacedSender* sender = link_.paced_sender()) sender->Purge(ssrc);
  link_.RetireSent(ssrc);
}

Status RtpCore::CloseConsumer(const std::string& consumer_id) {
  const auto* entry = context_.objects.FindAs<ConsumerEntry>(consumer_id);
  if (entry == nullptr || entry->transport != this) {
    return NotFoundError(
        fmt::format("consumerId '{}' names no consumer of transport '{}'", consumer_id, id()));
  }
  CloseConsumer(*entry->consumer);
  return absl::OkStatus();
}

void RtpCore::CloseChildren() {
  std::vector<Producer*> producers;
  for (const auto& producer : producers_) producers.push_back(producer.get());
  for (Producer* producer : producers) CloseProducer(*producer);
  DropConsumers();
}

size_t RtpCore::effort() const {
  size_t effort = consumers_.size() + kProducerEffort * producers_.size();
  for (const auto& producer : producers_) effort += producer->consumers().size();
  return effort;
}

void RtpCore::LeaveRouter() {
  for (const auto& consumer : consumers_) consumer->LeaveProducer();
  for (const auto& producer : producers_) core_.router().RemoveProducer(*producer);
}

bool RtpCore::CloseSome(size_t* effort) {
  while (!producers_.empty()) {
    Producer& producer = *producers_.all().back();
    CloseConsumersOf(producer, effort);
    if (*effort < kProducerEffort) return false;
    *effort -= kProducerEffort;
    CloseProducer(producer);
  }
  *effort -= DropConsumers(*effort);
  return consumers_.empty();
}

size_t RtpCore::DropConsumers(size_t at_most) {
  context_.srtp.Flush();  // it may hold packets of theirs
  streams_by_ssrc_.clear();
  size_t dropped = 0;
  for (; dropped < at_most && !consumers_.empty(); ++dropped) {
    Consumer& consumer = *consumers_.all().back();
    context_.objects.Unregister(consumer.id(), core_.closed_flag());
    AddConsumer(consumer, &context_.closed);
    consumers_.Take(consumer);
  }
  return dropped;
}

size_t RtpCore::DropProducers(size_t at_most) {
  context_.srtp.Flush();  // it may read their packets
  listener_ = RtpListener(limits_.ssrcs);
  size_t dropped = 0;
  for (; dropped < at_most && !producers_.empty(); ++dropped) {
    Producer& producer = *producers_.all().back();
    core_.router().RemoveProducer(producer);
    context_.objects.Unregister(producer.id(), core_.closed_flag());
    context_.turn.ForgetProducer(producer);
    AddProducer(producer, &context_.closed);
    producers_.Take(producer);
  }
  return dropped;
}

void RtpCore::Seal() {
  connected_ = false;  // consumers need not hear of it: no producer of the router gets packets
  rtcp_reporter_.Stop();
  for (const auto& producer : producers_) {
    producer->Seal();
    context_.turn.ForgetProducer(*producer);
  }
}

}  // namespace sluice::worker
