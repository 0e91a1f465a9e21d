#pragma once

#include <functional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "worker/media/audio_level_observer.h"
#include "worker/media/consumer.h"
#include "worker/media/data_core.h"
#include "worker/media/direct_transport.h"
#include "worker/media/engine.h"
#include "worker/media/pipe_transport.h"
#include "worker/media/plain_transport.h"
#include "worker/media/producer.h"
#include "worker/media/router.h"
#include "worker/media/rtp_core.h"
#include "worker/media/rtp_observer.h"
#include "worker/media/webrtc_server.h"
#include "worker/media/webrtc_transport.h"

namespace sluice::worker {

/// An engine whose objects tests call by id, as the channel does: the object is found, then called;
/// what a wrong id deserves is the answer when it is not. What a command reports is delivered
/// before it returns.
class TestEngine : public Engine {
 private:
  template <typename R>
  struct AsResult {
    using Type = Result<R>;
  };
  template <typename R>
  struct AsResult<Result<R>> {
    using Type = Result<R>;
  };

  /// `run` on the object with this id. What it returns becomes a Status or a Result.
  template <typename T, typename Run>
  auto On(const std::string& id, Run run) const {
    struct DeliverAtEnd {
      TestEngine& engine;
      ~DeliverAtEnd() { engine.DeliverEvents(); }
    } const deliver{const_cast<TestEngine&>(*this)};
    using Returned = std::decay_t<std::invoke_result_t<Run, T&>>;
    const Result<T*> object = Find<T>(id);
    if constexpr (std::is_void_v<Returned>) {
      if (object.ok()) std::invoke(run, **object);
      return object.status();
    } else if constexpr (std::is_same_v<Returned, Status>) {
      return object.ok() ? std::invoke(run, **object) : object.status();
    } else {
      using Answer = typename AsResult<Returned>::Type;
      if (!object.ok()) return Answer(object.status());
      return Answer(std::invoke(run, **object));
    }
  }

 public:
  using Engine::Engine;
  using Id = const std::string&;

  Status CloseRouter(Id id) {
    const Status status = Engine::CloseRouter(id);
    DeliverEvents();
    return status;
  }
  Status CloseWebRtcServer(Id id) {
    const Status status = Engine::CloseWebRtcServer(id, nullptr).status();
    DeliverEvents();
    return status;
  }

  /// As the channel does it: in slices.
  Result<Closing> CloseWebRtcServer(Id id, Closed closed) {
    const Result<Closing> closing = Engine::CloseWebRtcServer(id, std::move(closed));
    DeliverEvents();
    return closing;
  }
  Result<Closing> CloseTransport(Id router, Id id, Closed closed) {
    const Result<Closing> closing = Engine::CloseTransport(router, id, std::move(closed));
    DeliverEvents();
    return closing;
  }

  // Router
  Result<RouterDump> DumpRouter(Id id) const { return On<Router>(id, &Router::Dump); }
  Status CloseTransport(Id router, Id id) {
    return On<Router>(router, [&](Router& r) { return r.CloseTransport(id); });
  }
  Status CreateAudioLevelObserver(Id router, Id id, const AudioLevelObserverOptions& options) {
    return On<Router>(router, [&](Router& r) { return r.CreateAudioLevelObserver(id, options); });
  }
  Status CreateActiveSpeakerObserver(Id router, Id id,
                                     const ActiveSpeakerObserverOptions& options) {
    return On<Router>(router,
                      [&](Router& r) { return r.CreateActiveSpeakerObserver(id, options); });
  }
  Status CloseRtpObserver(Id router, Id id) {
    return On<Router>(router, [&](Router& r) { return r.CloseObserver(id); });
  }
  Result<WebRtcServerDump> DumpWebRtcServer(Id id) const {
    return On<WebRtcServer>(id, &WebRtcServer::Dump);
  }

  // Any transport
  Status SetMaxIncomingBitrate(Id id, uint64_t bps) {
    return On<RtpCore>(id, [&](RtpCore& t) { return t.SetMaxIncomingBitrate(bps); });
  }
  Status SetMaxOutgoingBitrate(Id id, uint64_t bps) {
    return On<RtpCore>(id, [&](RtpCore& t) { return t.SetMaxOutgoingBitrate(bps); });
  }
  Status SetMinOutgoingBitrate(Id id, uint64_t bps) {
    return On<RtpCore>(id, [&](RtpCore& t) { return t.SetMinOutgoingBitrate(bps); });
  }
  Status EnableTransportTraces(Id id, TraceMask traces) {
    return On<RtpCore>(id, [&](RtpCore& t) { t.EnableTraces(traces); });
  }
  Result<ProduceReport> Produce(Id id, const ProduceOptions& options) {
    return On<RtpCore>(id, [&](RtpCore& t) { return t.Produce(options); });
  }
  Result<ConsumeReport> Consume(Id id, const ConsumeOptions& options) {
    return On<RtpCore>(id, [&](RtpCore& t) { return t.Consume(options); });
  }
  Status CloseProducer(Id id, Id producer) {
    return On<RtpCore>(id, [&](RtpCore& t) { return t.CloseProducer(producer); });
  }
  Status CloseConsumer(Id id, Id consumer) {
    return On<RtpCore>(id, [&](RtpCore& t) { return t.CloseConsumer(consumer); });
  }

  Result<DataProducerDump> ProduceData(Id id, const ProduceDataOptions& options) {
    return On<DataCore>(id, [&](DataCore& t) { return t.ProduceData(options); });
  }
  Result<DataConsumerDump> ConsumeData(Id id, const ConsumeDataOptions& options) {
    return On<DataCore>(id, [&](DataCore& t) { return t.ConsumeData(options); });
  }
  Status CloseDataProducer(Id id, Id producer) {
    return On<DataCore>(id, [&](DataCore& t) { return t.CloseDataProducer(producer); });
  }
  Status CloseDataConsumer(Id id, Id consumer) {
    return On<DataCore>(id, [&](DataCore& t) { return t.CloseDataConsumer(consumer); });
  }

  // One class of transport
  Result<DtlsRole> ConnectWebRtcTransport(Id id, const DtlsParameters& parameters) {
    return On<WebRtcTransport>(id, [&](WebRtcTransport& t) { return t.Connect(parameters); });
  }
  Result<IceCredentials> RestartIce(Id id) {
    return On<WebRtcTransport>(id, &WebRtcTransport::RestartIce);
  }
  Result<WebRtcTransportDump> DumpWebRtcTransport(Id id) const {
    return On<WebRtcTransport>(id, &WebRtcTransport::Dump);
  }
  Result<WebRtcTransportStats> GetWebRtcTransportStats(Id id) {
    return On<WebRtcTransport>(id, [&](WebRtcTransport& t) { return t.GetStats(Now()); });
  }
  Result<PlainConnectReport> ConnectPlainTransport(Id id, const PlainConnectOptions& options) {
    return On<PlainTransport>(id, [&](PlainTransport& t) { return t.Connect(options); });
  }
  Result<PlainTransportDump> DumpPlainTransport(Id id) const {
    return On<PlainTransport>(id, &PlainTransport::Dump);
  }
  Result<PlainTransportStats> GetPlainTransportStats(Id id) {
    return On<PlainTransport>(id, [&](PlainTransport& t) { return t.GetStats(Now()); });
  }

  Result<PipeConnectReport> ConnectPipeTransport(Id id, const PipeConnectOptions& options) {
    return On<PipeTransport>(id, [&](PipeTransport& t) { return t.Connect(options); });
  }
  Result<PipeTransportDump> DumpPipeTransport(Id id) const {
    return On<PipeTransport>(id, &PipeTransport::Dump);
  }
  Result<PipeTransportStats> GetPipeTransportStats(Id id) {
    return On<PipeTransport>(id, [&](PipeTransport& t) { return t.GetStats(Now()); });
  }
  Status SendRtcp(Id id, const std::vector<uint8_t>& compound) {
    return On<DirectTransport>(id, [&](DirectTransport& t) { t.ReceiveRtcp(compound); });
  }
  Result<DirectTransportDump> DumpDirectTransport(Id id) const {
    return On<DirectTransport>(id, &DirectTransport::Dump);
  }
  Result<DirectTransportStats> GetDirectTransportStats(Id id) {
    return On<DirectTransport>(id, [&](DirectTransport& t) { return t.GetStats(Now()); });
  }

  // Producer and consumer
  Result<ProducerDump> DumpProducer(Id id) const { return On<Producer>(id, &Producer::Dump); }
  Result<std::vector<RtpStreamStats>> GetProducerStats(Id id) {
    return On<Producer>(id, [&](Producer& p) { return p.GetStats(Now()); });
  }
  Status PauseProducer(Id id) { return On<Producer>(id, &Producer::Pause); }
  Status ResumeProducer(Id id) { return On<Producer>(id, &Producer::Resume); }
  Result<ConsumerDump> DumpConsumer(Id id) const { return On<Consumer>(id, &Consumer::Dump); }
  Result<std::vector<RtpStreamStats>> GetConsumerStats(Id id) {
    return On<Consumer>(id, [&](Consumer& c) { return c.GetStats(Now()); });
  }
  Status PauseConsumer(Id id) { return On<Consumer>(id, &Consumer::Pause); }
  Status ResumeConsumer(Id id) { return On<Consumer>(id, &Consumer::Resume); }

  // Data producer and data consumer
  Status PauseDataProducer(Id id) { return On<DataProducer>(id, &DataProducer::Pause); }
  Status ResumeDataProducer(Id id) { return On<DataProducer>(id, &DataProducer::Resume); }
  Result<DataProducerDump> DumpDataProducer(Id id) {
    return On<DataProducer>(id, &DataProducer::Dump);
  }
  Result<DataProducerStats> GetDataProducerStats(Id id) {
    return On<DataProducer>(id, [&](DataProducer& p) { return p.GetStats(Now()); });
  }
  Status PauseDataConsumer(Id id) { return On<DataConsumer>(id, &DataConsumer::Pause); }
  Status ResumeDataConsumer(Id id) { return On<DataConsumer>(id, &DataConsumer::Resume); }
  Result<DataConsumerDump> DumpDataConsumer(Id id) {
    return On<DataConsumer>(id, &DataConsumer::Dump);
  }
  Result<DataConsumerStats> GetDataConsumerStats(Id id) {
    return On<DataConsumer>(id, [&](DataConsumer& c) { return c.GetStats(Now()); });
  }
  Status DataConsumerSend(Id id, const std::vector<uint8_t>& bytes) {
    return On<DataConsumer>(id, [&](DataConsumer& c) { return c.Send(53, bytes); });
  }
  Status SetSubchannels(Id id, const std::vector<uint16_t>& subchannels) {
    return On<DataConsumer>(id, [&](DataConsumer& c) { c.SetSubchannels(subchannels); });
  }
  Status SetBufferedAmountLowThreshold(Id id, uint32_t bytes) {
    return On<DataConsumer>(
        id, [&](DataConsumer& c) { return c.SetBufferedAmountLowThreshold(bytes); });
  }

  // Observers
  Status PauseRtpObserver(Id id) { return On<RtpObserver>(id, &RtpObserver::Pause); }
  Status AddProducerToObserver(Id id, Id producer) {
    const auto entry = objects().Get<RtpObserverEntry>(id);
    if (!entry.ok()) return entry.status();
    return entry->router->AddProducerToObserver(*entry->observer, producer);
  }
  Status RemoveProducerFromObserver(Id id, Id producer) {
    const auto entry = objects().Get<RtpObserverEntry>(id);
    if (!entry.ok()) return entry.status();
    return entry->router->RemoveProducerFromObserver(*entry->observer, producer);
  }
};

}  // namespace sluice::worker
