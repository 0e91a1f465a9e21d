#include "worker/media/transport_core.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "common/log.h"
#include "worker/media/router.h"

namespace sluice::worker {
namespace {

// Windows of the bitrates in transport stats (router-protocol §4.3).
constexpr Duration kTransportWindow = Duration::Millis(1000);
constexpr Duration kRtpWindow = Duration::Millis(2500);
constexpr Duration kRtxWindow = Duration::Millis(1000);

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

/// Moves the owned object out of its vector, keeping the order of the rest.
template <typename T>
std::unique_ptr<T> Take(std::vector<std::unique_ptr<T>>* objects, const T& object) {
  const auto it = std::find_if(objects->begin(), objects->end(),
                               [&](const auto& owned) { return owned.get() == &object; });
  if (it == objects->end()) return nullptr;
  std::unique_ptr<T> taken = std::move(*it);
  objects->erase(it);
  return taken;
}

}  // namespace

TransportCore::TransportCore(std::string id, const TransportOptions& options, bool encrypted,
                             Router& router, EngineContext& context)
    : id_(std::move(id)),
      router_(router),
      context_(context),
      encrypted_(encrypted),
      options_(options),
      rtcp_receiver_(*this),
      rtcp_reporter_(*this, rtcp_receiver_, context.environment),
      received_(kTransportWindow),
      sent_(kTransportWindow),
      rtp_received_(kRtpWindow),
      rtp_sent_(kRtpWindow),
      rtx_received_(kRtxWindow),
      rtx_sent_(kRtxWindow) {}

TransportCore::~TransportCore() {
  DropConsumers();
  DropProducers();
  context_.turn.ForgetOwner(this);
  // Encryptions under way write into the arena of a socket that may close next.
  context_.srtp.Flush();
}

Status TransportCore::CheckOptions(const TransportOptions& options) {
  if (options.enable_sctp) {
    return UnsupportedError(
        "enableSctp true: data channels (SCTP) are not supported by this version; create the "
        "transport with enableSctp false");
  }
  if (options.direct) {
    return TypeError("direct true: only a DirectTransport is direct; leave it false");
  }
  return absl::OkStatus();
}

// ---- Connectivity -----------------------------------------------------------------------------

void TransportCore::SetPaths(const NetworkPath& rtp, const NetworkPath& rtcp) {
  rtp_path_ = rtp;
  rtcp_path_ = rtcp;
}

Status TransportCore::InstallSrtp(const SrtpMasterKey& local, const SrtpMasterKey& remote) {
  Result<std::unique_ptr<SrtpSender>> sender = SrtpSender::Create(local, context_.srtp);
  if (!sender.ok()) return sender.status();
  Result<std::unique_ptr<SrtpReceiver>> receiver = SrtpReceiver::Create(remote);
  if (!receiver.ok()) return receiver.status();
  context_.srtp.Flush();  // what the old sender began
  srtp_sender_ = *std::move(sender);
  srtp_receiver_ = *std::move(receiver);
  return absl::OkStatus();
}

void TransportCore::SetConnected(bool connected) {
  if (connected_ == connected) return;
  connected_ = connected;
  if (connected) {
    rtcp_reporter_.Start();
  } else {
    rtcp_reporter_.Stop();
  }
  for (const auto& consumer : consumers_) {
    if (connected) {
      consumer->OnTransportConnected();
    } else {
      consumer->OnTransportDisconnected();
    }
  }
}

// ---- Receiving --------------------------------------------------------------------------------

void TransportCore::CountUnprotectError(SrtpUnprotectError error) {
  switch (error) {
    case SrtpUnprotectError::kTooShort:
      ++counters_.srtp_too_short;
      break;
    case SrtpUnprotectError::kAuthFailed:
      ++counters_.srtp_auth_failed;
      break;
    case SrtpUnprotectError::kReplayed:
      ++counters_.srtp_replayed;
      break;
    default:
      ++counters_.srtp_other;
      break;
  }
}

std::optional<RtpPacket> TransportCore::OpenRtp(const PacketRef& buffer, size_t size) {
  if (encrypted_) {
    if (srtp_receiver_ == nullptr) {
      ++counters_.not_ready;
      return std::nullopt;
    }
    SrtpUnprotectError error = SrtpUnprotectError::kOther;
    size = srtp_receiver_->UnprotectRtp(buffer.data(), size, &error);
    if (size == 0) {
      CountUnprotectError(error);
      return std::nullopt;
    }
  }
  std::optional<RtpPacket> packet = RtpPacket::Parse({buffer.data(), size});
  if (!packet) ++counters_.malformed_rtp;
  return packet;
}

void TransportCore::RouteRtp(const PacketRef& buffer, RtpPacket& packet, Timestamp received_at) {
  FeedCongestionFeedback(packet, received_at);
  Producer* producer = listener_.Find(packet, extension_ids_);
  if (producer == nullptr) {
    ++counters_.no_producer;
    // No state for streams that nobody wants: a peer could make up any number of them.
    if (srtp_receiver_ != nullptr) srtp_receiver_->RemoveSsrc(packet.ssrc());
    return;
  }
  const size_t size = packet.size();
  switch (producer->OnRtp(buffer, packet, received_at)) {
    case Producer::ReceiveResult::kMedia:
      rtp_received_.Add(size, received_at);
      break;
    case Producer::ReceiveResult::kRetransmission:
      rtx_received_.Add(size, received_at);
      break;
    case Producer::ReceiveResult::kDiscarded:
      ++counters_.producer_refused;
      break;
  }
}

std::span<const uint8_t> TransportCore::OpenRtcp(const PacketRef& buffer, size_t size) {
  if (encrypted_) {
    if (srtp_receiver_ == nullptr) {
      ++counters_.not_ready;
      return {};
    }
    SrtpUnprotectError error = SrtpUnprotectError::kOther;
    size = srtp_receiver_->UnprotectRtcp(buffer.data(), size, &error);
    if (size == 0) CountUnprotectError(error);
  }
  return {buffer.data(), size};
}

void TransportCore::RouteRtcp(std::span<const uint8_t> compound, Timestamp now) {
  if (!rtcp_receiver_.OnCompound(compound, now)) ++counters_.malformed_rtcp;
}

void TransportCore::InjectRtp(std::span<const uint8_t> packet) {
  const Timestamp now = context_.environment.Now();
  CountReceived(packet.size(), now);
  const PacketRef copy = context_.buffers.Copy(packet);
  std::optional<RtpPacket> parsed = RtpPacket::Parse({copy.data(), packet.size()});
  if (!parsed) {
    ++counters_.malformed_rtp;
    SLUICE_WARN(kRtp, "transport {}: {} bytes handed in are no RTP packet", id_, packet.size());
    return;
  }
  RouteRtp(copy, *parsed, now);
}

void TransportCore::OnSsrcLearned(Producer& producer, Ssrc ssrc) {
  if (!listener_.Learn(ssrc, producer)) ++counters_.ssrc_refused;
}

std::shared_ptr<SenderClock> TransportCore::ClockOf(const std::string& cname) {
  return router_.ClockOf(cname);
}

Consumer* TransportCore::FindConsumer(Ssrc ssrc) const {
  const auto it = consumers_by_ssrc_.find(ssrc.value());
  return it == consumers_by_ssrc_.end() ? nullptr : it->second;
}

// ---- Congestion feedback to the sender ----------------------------------------------------------

void TransportCore::FeedCongestionFeedback(const RtpPacket& packet, Timestamp received_at) {
  if (transport_feedback_ != nullptr && extension_ids_.transport_cc != 0) {
    const auto sequence = ParseTransportSequence(packet.Extension(extension_ids_.transport_cc));
    if (sequence) transport_feedback_->OnPacket(*sequence, packet.ssrc(), received_at);
  }
  if (remb_limiter_ == nullptr) return;
  std::optional<uint32_t> abs_send_time;
  if (remb_limiter_->has_estimator() && extension_ids_.abs_send_time != 0) {
    abs_send_time = ParseAbsSendTime(packet.Extension(extension_ids_.abs_send_time));
  }
  remb_limiter_->OnPacket(abs_send_time, packet.size(), packet.ssrc(), received_at);
}

void TransportCore::ChooseCongestionFeedback(const RtpParameters& parameters, Timestamp now) {
  if (remb_limiter_ != nullptr) return;  // the first fitting producer chooses
  const bool transport_cc = HasExtension(parameters, RtpExtensionUri::kTransportWideCc) &&
                            HasFeedback(parameters, "transport-cc");
  const bool remb = HasExtension(parameters, RtpExtensionUri::kAbsSendTime) &&
                    HasFeedback(parameters, "goog-remb");
  if (!transport_cc && !remb) return;
  if (transport_cc) {
    transport_feedback_ = std::make_unique<TransportFeedbackGenerator>(context_.environment, *this);
  }
  StartRembLimiter(/*estimate=*/!transport_cc, now);  // else the sender estimates for itself
}

void TransportCore::StartRemb() {
  context_.turn.AfterResponse(this,
                              [this](Timestamp now) { StartRembLimiter(/*estimate=*/true, now); });
}

void TransportCore::StartRembLimiter(bool estimate, Timestamp now) {
  if (remb_limiter_ != nullptr) return;
  remb_limiter_ = std::make_unique<RembLimiter>(*this);
  if (estimate) remb_limiter_->StartEstimator();
  if (max_incoming_bitrate_ == 0) return;
  remb_limiter_->SetMaxIncomingBitrate(
      DataRate::BitsPerSecond(static_cast<int64_t>(max_incoming_bitrate_)), now);
}

void TransportCore::OnRembCollapsed() {
  if (!options_.key_frames_when_remb_collapses) return;
  for (const auto& producer : producers_) {
    if (producer->kind() == MediaKind::kVideo) producer->RequestKeyFrames();
  }
}

// ---- Sending ------------------------------------------------------------------------------------

uint8_t* TransportCore::BeginRtp(size_t capacity) {
  if (!connected_ || !rtp_path_) {
    ++counters_.send_refused;
    return nullptr;
  }
  uint8_t* slot = rtp_path_.writer->Reserve(capacity + kMaxSrtpTag);
  if (slot == nullptr) ++counters_.send_refused;
  return slot;
}

void TransportCore::EndRtp(uint8_t* slot, size_t header_size, std::span<const uint8_t> payload,
                           RtpClass rtp_class, bool same_bytes_again) {
  const size_t plain_size = header_size + payload.size();
  uint8_t* body = slot + header_size;
  if (payload.data() != body && !payload.empty() &&
      (!encrypted_ || rtp_class == RtpClass::kRetransmission)) {
    // A stored packet may leave the store before the encryption ends with the turn.
    std::memcpy(body, payload.data(), payload.size());
    payload = {body, payload.size()};
  }
  size_t size = plain_size;
  if (encrypted_) {
    size = srtp_sender_->ProtectRtp(slot, header_size, payload, same_bytes_again);
    if (size == 0) {
      ++counters_.send_refused;
      return;
    }
  }
  rtp_path_.writer->Commit(size, rtp_path_.tuple.remote);
  const Timestamp now = context_.environment.Now();
  sent_.Add(size, now);
  (rtp_class == RtpClass::kRetransmission ? rtx_sent_ : rtp_sent_).Add(plain_size, now);
}

void TransportCore::SendRtcp(std::span<const uint8_t> compound) {
  if (!connected_ || !rtcp_path_ || compound.empty()) return;
  uint8_t* slot = rtcp_path_.writer->Reserve(compound.size() + kMaxSrtcpTrailer);
  if (slot == nullptr) {
    ++counters_.send_refused;
    return;
  }
  std::memcpy(slot, compound.data(), compound.size());
  size_t size = compound.size();
  if (encrypted_) {
    size = srtp_sender_->ProtectRtcp(slot, size);
    if (size == 0) {
      ++counters_.send_refused;
      return;
    }
  }
  rtcp_path_.writer->Commit(size, rtcp_path_.tuple.remote);
  CountSent(size);
}

// ---- Producers and consumers ------------------------------------------------------------------

Result<ProduceReport> TransportCore::Produce(const ProduceOptions& options) {
  SLUICE_RETURN_IF_ERROR(context_.objects.CheckFree(options.producer_id));
  if (producers_.size() >= kMaxProducers) {
    return Error(
        fmt::format("this transport has {} producers, the most it takes; use another "
                    "transport",
                    kMaxProducers));
  }
  Result<std::unique_ptr<Producer>> created =
      Producer::Create(options, *this, context_.environment, context_.events);
  if (!created.ok()) return created.status();
  Producer& producer = **created;
  SLUICE_RETURN_IF_ERROR(
      listener_.Add(producer, producer.rtp_parameters(), options.route_by_payload_type));
  producers_.push_back(*std::move(created));
  extension_ids_.Update(producer.rtp_parameters());
  context_.objects.Register(producer.id(), ProducerEntry{&producer, this});
  router_.AddProducer(producer);
  context_.turn.AfterResponse(this, [this, id = producer.id()](Timestamp now) {
    const auto* entry = context_.objects.FindAs<ProducerEntry>(id);
    if (entry == nullptr || entry->transport != this) return;  // closed in the meantime
    ChooseCongestionFeedback(entry->producer->rtp_parameters(), now);
  });
  return ProduceReport{producer.type()};
}

Status TransportCore::CheckConsumerSsrcs(const ConsumeOptions& options) const {
  for (const RtpEncodingParameters& encoding : options.rtp_parameters.encodings) {
    for (const std::optional<uint32_t>& ssrc : {encoding.ssrc, encoding.rtx_ssrc}) {
      if (!ssrc) continue;
      if (!consumers_by_ssrc_.contains(*ssrc) && !consumers_by_rtx_ssrc_.contains(*ssrc)) continue;
      // Two streams under one SSRC would encrypt different packets under one nonce.
      return Error(
          fmt::format("rtpParameters.encodings ssrc {} is already sent on this transport; "
                      "choose another",
                      *ssrc));
    }
  }
  return absl::OkStatus();
}

Result<ConsumeReport> TransportCore::Consume(const ConsumeOptions& options) {
  SLUICE_RETURN_IF_ERROR(context_.objects.CheckFree(options.consumer_id));
  Producer* producer = router_.FindProducer(options.producer_id);
  if (producer == nullptr) {
    return NotFoundError(
        fmt::format("producerId '{}' names no producer of this router", options.producer_id));
  }
  if (consumers_.size() >= kMaxConsumers) {
    return Error(
        fmt::format("this transport has {} consumers, the most it takes; use another "
                    "transport",
                    kMaxConsumers));
  }
  SLUICE_RETURN_IF_ERROR(CheckConsumerSsrcs(options));
  Result<std::unique_ptr<Consumer>> created =
      Consumer::Create(options, *producer, *this, context_.environment, context_.events);
  if (!created.ok()) return created.status();
  Consumer& consumer = **created;
  consumers_.push_back(*std::move(created));
  consumers_by_ssrc_[consumer.ssrc().value()] = &consumer;
  if (consumer.rtx_ssrc()) consumers_by_rtx_ssrc_[consumer.rtx_ssrc()->value()] = &consumer;
  context_.objects.Register(consumer.id(), ConsumerEntry{&consumer, this});
  return consumer.Report();
}

void TransportCore::CloseProducer(Producer& producer, bool keep_receive_state) {
  const std::vector<Consumer*> consumers = producer.consumers();
  for (Consumer* consumer : consumers) {
    const auto* entry = context_.objects.FindAs<ConsumerEntry>(consumer->id());
    consumer->OnProducerClosed();
    producer.DetachConsumer(*consumer);
    if (entry != nullptr) entry->transport->CloseConsumer(*consumer);
  }
  router_.RemoveProducer(producer);
  listener_.Remove(producer);
  if (!keep_receive_state) ForgetReceiveState(producer.ReceiveSsrcs());
  context_.objects.Unregister(producer.id());
  context_.turn.ForgetProducer(producer);
  context_.srtp.Flush();  // it may read the producer's packets
  Take(&producers_, producer);
}

Status TransportCore::CloseProducer(const std::string& producer_id, bool keep_receive_state) {
  const auto* entry = context_.objects.FindAs<ProducerEntry>(producer_id);
  if (entry == nullptr || entry->transport != this) {
    return NotFoundError(
        fmt::format("producerId '{}' names no producer of transport '{}'", producer_id, id_));
  }
  CloseProducer(*entry->producer, keep_receive_state);
  return absl::OkStatus();
}

void TransportCore::ForgetReceiveState(std::span<const Ssrc> ssrcs) {
  if (srtp_receiver_ == nullptr) return;
  for (const Ssrc ssrc : ssrcs) {
    if (listener_.FindBySsrc(ssrc) == nullptr) srtp_receiver_->RemoveSsrc(ssrc);
  }
}

void TransportCore::CloseConsumer(Consumer& consumer) {
  context_.srtp.Flush();  // it may hold packets of the SSRCs that go
  consumers_by_ssrc_.erase(consumer.ssrc().value());
  if (consumer.rtx_ssrc()) consumers_by_rtx_ssrc_.erase(consumer.rtx_ssrc()->value());
  if (srtp_sender_ != nullptr) {
    srtp_sender_->RemoveSsrc(consumer.ssrc());
    if (consumer.rtx_ssrc()) srtp_sender_->RemoveSsrc(*consumer.rtx_ssrc());
  }
  context_.objects.Unregister(consumer.id());
  Take(&consumers_, consumer);
}

Status TransportCore::CloseConsumer(const std::string& consumer_id) {
  const auto* entry = context_.objects.FindAs<ConsumerEntry>(consumer_id);
  if (entry == nullptr || entry->transport != this) {
    return NotFoundError(
        fmt::format("consumerId '{}' names no consumer of transport '{}'", consumer_id, id_));
  }
  CloseConsumer(*entry->consumer);
  return absl::OkStatus();
}

void TransportCore::CloseChildren() {
  while (!producers_.empty()) CloseProducer(*producers_.front());
  while (!consumers_.empty()) CloseConsumer(*consumers_.back());
}

void TransportCore::DropConsumers() {
  while (!consumers_.empty()) CloseConsumer(*consumers_.back());
}

void TransportCore::DropProducers() {
  for (const auto& producer : producers_) {
    router_.RemoveProducer(*producer);
    context_.objects.Unregister(producer->id());
    context_.turn.ForgetProducer(*producer);
  }
  context_.srtp.Flush();
  listener_ = RtpListener();
  producers_.clear();
}

}  // namespace sluice::worker
