// Engine: commands on transports, producers, consumers and observers (router-protocol §2.3–2.7).
#include <fmt/format.h>

#include "worker/media/audio_level_observer.h"
#include "worker/media/engine_impl.h"

namespace sluice::worker {

// ---- Any transport ----------------------------------------------------------------------------

Status Engine::SetMaxIncomingBitrate(const std::string& transport_id, uint64_t bps) {
  const Result<TransportCore*> transport = impl_->GetTransport(transport_id);
  if (!transport.ok()) return transport.status();
  return (*transport)->SetMaxIncomingBitrate(bps);
}

Status Engine::StartRemb(const std::string& transport_id) {
  const Result<TransportCore*> transport = impl_->GetTransport(transport_id);
  if (!transport.ok()) return transport.status();
  (*transport)->StartRemb();
  return absl::OkStatus();
}

Status Engine::SetMaxOutgoingBitrate(const std::string& transport_id, uint64_t bps) {
  const Result<TransportCore*> transport = impl_->GetTransport(transport_id);
  if (!transport.ok()) return transport.status();
  return (*transport)->SetMaxOutgoingBitrate(bps);
}

Status Engine::SetMinOutgoingBitrate(const std::string& transport_id, uint64_t bps) {
  const Result<TransportCore*> transport = impl_->GetTransport(transport_id);
  if (!transport.ok()) return transport.status();
  return (*transport)->SetMinOutgoingBitrate(bps);
}

Status Engine::EnableTransportTraces(const std::string& transport_id, TraceMask traces) {
  const Result<TransportCore*> transport = impl_->GetTransport(transport_id);
  if (!transport.ok()) return transport.status();
  (*transport)->EnableTraces(traces);
  return absl::OkStatus();
}

Result<IceCredentials> Engine::RestartIce(const std::string& transport_id) {
  const Result<WebRtcTransport*> transport = impl_->GetWebRtcTransport(transport_id);
  if (!transport.ok()) return transport.status();
  return (*transport)->RestartIce();
}

Result<ProduceReport> Engine::Produce(const std::string& transport_id,
                                      const ProduceOptions& options) {
  const Result<TransportCore*> transport = impl_->GetTransport(transport_id);
  if (!transport.ok()) return transport.status();
  return (*transport)->Produce(options);
}

Result<ConsumeReport> Engine::Consume(const std::string& transport_id,
                                      const ConsumeOptions& options) {
  const Result<TransportCore*> transport = impl_->GetTransport(transport_id);
  if (!transport.ok()) return transport.status();
  return (*transport)->Consume(options);
}

Status Engine::CloseProducer(const std::string& transport_id, const std::string& producer_id,
                             bool keep_receive_state) {
  const Result<TransportCore*> transport = impl_->GetTransport(transport_id);
  if (!transport.ok()) return transport.status();
  const auto* entry = impl_->context.objects.FindAs<ProducerEntry>(producer_id);
  if (entry == nullptr || entry->transport != *transport) {
    return NotFoundError(fmt::format("producerId '{}' names no producer of transport '{}'",
                                     producer_id, transport_id));
  }
  (*transport)->CloseProducer(*entry->producer, keep_receive_state);
  return absl::OkStatus();
}

Status Engine::ForgetReceiveState(const std::string& transport_id, std::span<const Ssrc> ssrcs) {
  const Result<TransportCore*> transport = impl_->GetTransport(transport_id);
  if (!transport.ok()) return transport.status();
  (*transport)->ForgetReceiveState(ssrcs);
  return absl::OkStatus();
}

Status Engine::CloseConsumer(const std::string& transport_id, const std::string& consumer_id) {
  const Result<TransportCore*> transport = impl_->GetTransport(transport_id);
  if (!transport.ok()) return transport.status();
  const auto* entry = impl_->context.objects.FindAs<ConsumerEntry>(consumer_id);
  if (entry == nullptr || entry->transport != *transport) {
    return NotFoundError(fmt::format("consumerId '{}' names no consumer of transport '{}'",
                                     consumer_id, transport_id));
  }
  (*transport)->CloseConsumer(*entry->consumer);
  return absl::OkStatus();
}

// ---- One class of transport -------------------------------------------------------------------

Result<DtlsRole> Engine::ConnectWebRtcTransport(const std::string& transport_id,
                                                const DtlsParameters& parameters) {
  const Result<WebRtcTransport*> transport = impl_->GetWebRtcTransport(transport_id);
  if (!transport.ok()) return transport.status();
  return (*transport)->Connect(parameters);
}

Result<PlainConnectReport> Engine::ConnectPlainTransport(const std::string& transport_id,
                                                         const PlainConnectOptions& options) {
  const Result<PlainTransport*> transport = impl_->GetPlainTransport(transport_id);
  if (!transport.ok()) return transport.status();
  return (*transport)->Connect(options);
}

Result<WebRtcTransportDump> Engine::DumpWebRtcTransport(const std::string& transport_id) const {
  const Result<WebRtcTransport*> transport = impl_->GetWebRtcTransport(transport_id);
  if (!transport.ok()) return transport.status();
  return (*transport)->Dump();
}

Result<PlainTransportDump> Engine::DumpPlainTransport(const std::string& transport_id) const {
  const Result<PlainTransport*> transport = impl_->GetPlainTransport(transport_id);
  if (!transport.ok()) return transport.status();
  return (*transport)->Dump();
}

Result<WebRtcTransportStats> Engine::GetWebRtcTransportStats(const std::string& transport_id) {
  const Result<WebRtcTransport*> transport = impl_->GetWebRtcTransport(transport_id);
  if (!transport.ok()) return transport.status();
  return (*transport)->GetStats(impl_->context.environment.Now());
}

Result<PlainTransportStats> Engine::GetPlainTransportStats(const std::string& transport_id) {
  const Result<PlainTransport*> transport = impl_->GetPlainTransport(transport_id);
  if (!transport.ok()) return transport.status();
  return (*transport)->GetStats(impl_->context.environment.Now());
}

// ---- Producer ---------------------------------------------------------------------------------

Result<ProducerDump> Engine::DumpProducer(const std::string& producer_id) const {
  const Result<ProducerEntry> entry = impl_->GetProducer(producer_id);
  if (!entry.ok()) return entry.status();
  return entry->producer->Dump();
}

Result<std::vector<RtpStreamStats>> Engine::GetProducerStats(const std::string& producer_id) {
  const Result<ProducerEntry> entry = impl_->GetProducer(producer_id);
  if (!entry.ok()) return entry.status();
  return entry->producer->GetStats(impl_->context.environment.Now());
}

Status Engine::PauseProducer(const std::string& producer_id) {
  const Result<ProducerEntry> entry = impl_->GetProducer(producer_id);
  if (!entry.ok()) return entry.status();
  entry->producer->Pause();
  return absl::OkStatus();
}

Status Engine::ResumeProducer(const std::string& producer_id) {
  const Result<ProducerEntry> entry = impl_->GetProducer(producer_id);
  if (!entry.ok()) return entry.status();
  entry->producer->Resume();
  return absl::OkStatus();
}

Status Engine::EnableProducerTraces(const std::string& producer_id, TraceMask traces) {
  const Result<ProducerEntry> entry = impl_->GetProducer(producer_id);
  if (!entry.ok()) return entry.status();
  entry->producer->EnableTraces(traces);
  return absl::OkStatus();
}

void Engine::ProducerSend(const std::string& producer_id, std::span<const uint8_t> rtp_packet) {
  const auto* entry = impl_->context.objects.FindAs<ProducerEntry>(producer_id);
  if (entry != nullptr) entry->transport->InjectRtp(rtp_packet);
}

// ---- Consumer ---------------------------------------------------------------------------------

Result<ConsumerDump> Engine::DumpConsumer(const std::string& consumer_id) const {
  const Result<ConsumerEntry> entry = impl_->GetConsumer(consumer_id);
  if (!entry.ok()) return entry.status();
  return entry->consumer->Dump();
}

Result<std::vector<RtpStreamStats>> Engine::GetConsumerStats(const std::string& consumer_id) {
  const Result<ConsumerEntry> entry = impl_->GetConsumer(consumer_id);
  if (!entry.ok()) return entry.status();
  return entry->consumer->GetStats(impl_->context.environment.Now());
}

Status Engine::PauseConsumer(const std::string& consumer_id) {
  const Result<ConsumerEntry> entry = impl_->GetConsumer(consumer_id);
  if (!entry.ok()) return entry.status();
  entry->consumer->Pause();
  return absl::OkStatus();
}

Status Engine::ResumeConsumer(const std::string& consumer_id) {
  const Result<ConsumerEntry> entry = impl_->GetConsumer(consumer_id);
  if (!entry.ok()) return entry.status();
  entry->consumer->Resume();
  return absl::OkStatus();
}

Result<std::optional<ConsumerLayers>> Engine::SetPreferredLayers(const std::string& consumer_id,
                                                                 const ConsumerLayers& layers) {
  const Result<ConsumerEntry> entry = impl_->GetConsumer(consumer_id);
  if (!entry.ok()) return entry.status();
  return entry->consumer->SetPreferredLayers(layers);
}

Result<uint8_t> Engine::SetPriority(const std::string& consumer_id, uint8_t priority) {
  const Result<ConsumerEntry> entry = impl_->GetConsumer(consumer_id);
  if (!entry.ok()) return entry.status();
  SLUICE_RETURN_IF_ERROR(entry->consumer->SetPriority(priority));
  return priority;
}

Status Engine::RequestKeyFrame(const std::string& consumer_id) {
  const Result<ConsumerEntry> entry = impl_->GetConsumer(consumer_id);
  if (!entry.ok()) return entry.status();
  entry->consumer->RequestKeyFrame();
  return absl::OkStatus();
}

Status Engine::EnableConsumerTraces(const std::string& consumer_id, TraceMask traces) {
  const Result<ConsumerEntry> entry = impl_->GetConsumer(consumer_id);
  if (!entry.ok()) return entry.status();
  entry->consumer->EnableTraces(traces);
  return absl::OkStatus();
}

// ---- Observers --------------------------------------------------------------------------------

Status Engine::PauseRtpObserver(const std::string& observer_id) {
  const Result<AudioLevelObserverEntry> entry = impl_->GetObserver(observer_id);
  if (!entry.ok()) return entry.status();
  entry->observer->Pause();
  return absl::OkStatus();
}

Status Engine::ResumeRtpObserver(const std::string& observer_id) {
  const Result<AudioLevelObserverEntry> entry = impl_->GetObserver(observer_id);
  if (!entry.ok()) return entry.status();
  entry->observer->Resume();
  return absl::OkStatus();
}

Status Engine::AddProducerToObserver(const std::string& observer_id,
                                     const std::string& producer_id) {
  const Result<AudioLevelObserverEntry> entry = impl_->GetObserver(observer_id);
  if (!entry.ok()) return entry.status();
  return entry->router->AddProducerToObserver(*entry->observer, producer_id);
}

Status Engine::RemoveProducerFromObserver(const std::string& observer_id,
                                          const std::string& producer_id) {
  const Result<AudioLevelObserverEntry> entry = impl_->GetObserver(observer_id);
  if (!entry.ok()) return entry.status();
  return entry->router->RemoveProducerFromObserver(*entry->observer, producer_id);
}

}  // namespace sluice::worker
