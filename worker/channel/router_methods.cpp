#include "worker/channel/router_methods.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "worker/channel/log_settings.h"
#include "worker/channel/router_data_methods.h"
#include "worker/channel/router_decode.h"
#include "worker/channel/router_encode.h"
#include "worker/channel/router_reply.h"
#include "worker/media/consumer.h"
#include "worker/media/direct_transport.h"
#include "worker/media/object_table.h"
#include "worker/media/pipe_transport.h"
#include "worker/media/plain_transport.h"
#include "worker/media/producer.h"
#include "worker/media/router.h"
#include "worker/media/rtp_core.h"
#include "worker/media/rtp_observer.h"
#include "worker/media/webrtc_server.h"
#include "worker/media/webrtc_transport.h"

namespace sluice::worker::router_protocol {

namespace {

namespace rq = FBS::Request;
using rq::Method;
using rq::Request;

// ---- Whom a request is for, and what it answers -----------------------------------------------

std::string Id(const Request& request) { return request.handler_id()->str(); }

Result<Engine*> FindTarget(Engine& engine, const Request& /*request*/, Engine* /*tag*/) {
  return &engine;
}

template <typename T>
Result<T*> FindTarget(Engine& engine, const Request& request, T* /*tag*/) {
  return engine.Find<T>(Id(request));
}

/// The handler of a method that needs no body: the object found, then `run` called with it.
template <typename T>
Result<Reply> Call(Result<Reply> (*run)(T&, MethodContext&), const Request& request,
                   MethodContext& c) {
  const Result<T*> target = FindTarget(c.engine, request, static_cast<T*>(nullptr));
  if (!target.ok()) return target.status();
  return run(**target, c);
}

/// The handler of a method with a body of type `Body`.
template <typename T, typename Body>
Result<Reply> Call(Result<Reply> (*run)(T&, const Body&, MethodContext&), const Request& request,
                   MethodContext& c) {
  const Body* const body = request.body_as<Body>();
  if (body == nullptr) {
    return TypeError(fmt::format("request body is of type {}, which is not the body of method {}",
                                 static_cast<int>(request.body_type()),
                                 static_cast<int>(request.method())));
  }
  const Result<T*> target = FindTarget(c.engine, request, static_cast<T*>(nullptr));
  if (!target.ok()) return target.status();
  return run(**target, *body, c);
}

/// The method `kRun` of an object as an entry of the table. What it is called on (an Engine, or the
/// object that the request's handlerId names) and the body that it needs follow from its
/// parameters.
template <auto kRun>
Result<Reply> On(const Request& request, MethodContext& c) {
  return Call(kRun, request, c);
}

template <typename T>
Result<Reply> Dump(T& object, MethodContext& c) {
  return With(Encode(c.builder, object.Dump()));
}

/// A member function that takes nothing and cannot fail.
template <typename T, void (T::*kAct)()>
Result<Reply> Act(T& object, MethodContext& /*c*/) {
  (object.*kAct)();
  return Reply{};
}

template <typename E>
Result<TraceMask> ToMask(const flatbuffers::Vector<E>& events) {
  TraceMask mask = 0;
  for (const E event : events) {
    if (event > E::MAX) {
      return TypeError(fmt::format("events[] has {}; known are 0 to {}", static_cast<int>(event),
                                   static_cast<int>(E::MAX)));
    }
    mask |= TraceBit(event);
  }
  return mask;
}

template <typename T, typename Body>
Result<Reply> EnableTraces(T& object, const Body& body, MethodContext& /*c*/) {
  const Result<TraceMask> traces = ToMask(*body.events());
  if (!traces.ok()) return traces.status();
  object.EnableTraces(*traces);
  return Reply{};
}

// ---- worker -----------------------------------------------------------------------------------

Result<Reply> WorkerDumpMethod(Engine& engine, MethodContext& c) {
  WorkerDump dump = engine.Dump();
  dump.pid = c.process.pid();
  return With(Encode(c.builder, dump));
}

Result<Reply> WorkerResourceUsage(Engine& /*engine*/, MethodContext& c) {
  const ResourceUsage u = c.process.GetResourceUsage();
  return With(FBS::Worker::CreateResourceUsageResponse(
      c.builder, u.utime_ms, u.stime_ms, u.maxrss, u.ixrss, u.idrss, u.isrss, u.minflt, u.majflt,
      u.nswap, u.inblock, u.oublock, u.msgsnd, u.msgrcv, u.nsignals, u.nvcsw, u.nivcsw));
}

Result<Reply> WorkerGetCounters(Engine& /*engine*/, MethodContext& c) {
  return With(Encode(c.builder, c.process.ReadMetrics()));
}

Result<Reply> WorkerUpdateSettings(Engine& /*engine*/,
                                   const FBS::Worker::UpdateSettingsRequest& body,
                                   MethodContext& /*c*/) {
  if (body.log_level() != nullptr) {
    const auto level = ParseLogLevel(body.log_level()->string_view());
    if (!level) {
      return TypeError(fmt::format("logLevel is '{}'; it is one of debug, warn, error, none",
                                   body.log_level()->string_view()));
    }
    Log::SetLevel(*level);
  }
  if (body.log_tags() != nullptr) {
    uint16_t tags = 0;
    for (const auto* tag : *body.log_tags()) {
      tags = static_cast<uint16_t>(tags | static_cast<uint16_t>(ParseLogTag(tag->string_view())));
    }
    Log::SetTags(tags);
  }
  return Reply{};
}

Result<Reply> CreateWebRtcServer(Engine& engine, const FBS::Worker::CreateWebRtcServerRequest& body,
                                 MethodContext& /*c*/) {
  const auto infos = DecodeListenInfos(body.listen_infos());
  if (!infos.ok()) return infos.status();
  return Done(engine.CreateWebRtcServer(body.web_rtc_server_id()->str(), *infos));
}

/// What takes long is answered when it is done; other requests are meanwhile.
Result<Reply> DoneWhenClosed(const Result<Engine::Closing>& closing) {
  if (!closing.ok()) return closing.status();
  Reply reply;
  reply.later = *closing == Engine::Closing::kLater;
  return reply;
}

Result<Reply> CloseWebRtcServer(Engine& engine, const FBS::Worker::CloseWebRtcServerRequest& body,
                                MethodContext& c) {
  return DoneWhenClosed(engine.CloseWebRtcServer(body.web_rtc_server_id()->str(), c.done));
}

Result<Reply> CreateRouter(Engine& engine, const FBS::Worker::CreateRouterRequest& body,
                           MethodContext& /*c*/) {
  return Done(engine.CreateRouter(body.router_id()->str()));
}

Result<Reply> CloseRouter(Engine& engine, const FBS::Worker::CloseRouterRequest& body,
                          MethodContext& /*c*/) {
  return Done(engine.CloseRouter(body.router_id()->str()));
}

// ---- router -----------------------------------------------------------------------------------

Result<Reply> CreateWebRtcTransport(const Request& request, MethodContext& c, bool with_server) {
  const auto* body = request.body_as_Router_CreateWebRtcTransportRequest();
  if (body == nullptr) {
    return TypeError(fmt::format("request body is of type {}; it is a CreateWebRtcTransportRequest",
                                 static_cast<int>(request.body_type())));
  }
  const auto options = DecodeWebRtcTransportOptions(*body->options());
  if (!options.ok()) return options.status();
  if (with_server == options->webrtc_server_id.empty()) {
    return TypeError(with_server ? "options.listen must name a WebRtcServer for this method"
                                 : "options.listen must list listenInfos for this method");
  }
  return Answer(c,
                c.engine.CreateWebRtcTransport(Id(request), body->transport_id()->str(), *options));
}

template <bool kWithServer>
Result<Reply> CreateWebRtcTransport(const Request& request, MethodContext& c) {
  return CreateWebRtcTransport(request, c, kWithServer);
}

Result<Reply> CreatePlainTransport(Router& router,
                                   const FBS::Router::CreatePlainTransportRequest& body,
                                   MethodContext& c) {
  const auto options = DecodePlainTransportOptions(*body.options());
  if (!options.ok()) return options.status();
  return Answer(c,
                c.engine.CreatePlainTransport(router.id(), body.transport_id()->str(), *options));
}

Result<Reply> CreatePipeTransport(Router& router,
                                  const FBS::Router::CreatePipeTransportRequest& body,
                                  MethodContext& c) {
  const auto options = DecodePipeTransportOptions(*body.options());
  if (!options.ok()) return options.status();
  return Answer(c, c.engine.CreatePipeTransport(router.id(), body.transport_id()->str(), *options));
}

Result<Reply> CreateDirectTransport(Router& router,
                                    const FBS::Router::CreateDirectTransportRequest& body,
                                    MethodContext& c) {
  return Answer(c, c.engine.CreateDirectTransport(router.id(), body.transport_id()->str(),
                                                  DecodeDirectTransportOptions(*body.options())));
}

Result<Reply> CloseTransport(Router& router, const FBS::Router::CloseTransportRequest& body,
                             MethodContext& c) {
  return DoneWhenClosed(c.engine.CloseTransport(router.id(), body.transport_id()->str(), c.done));
}

Result<Reply> CreateAudioLevelObserver(Router& router,
                                       const FBS::Router::CreateAudioLevelObserverRequest& body,
                                       MethodContext& /*c*/) {
  const AudioLevelObserverOptions options{body.options()->max_entries(),
                                          body.options()->threshold(), body.options()->interval()};
  return Done(router.CreateAudioLevelObserver(body.rtp_observer_id()->str(), options));
}

Result<Reply> CreateActiveSpeakerObserver(
    Router& router, const FBS::Router::CreateActiveSpeakerObserverRequest& body,
    MethodContext& /*c*/) {
  return Done(router.CreateActiveSpeakerObserver(body.rtp_observer_id()->str(),
                                                 {body.options()->interval()}));
}

Result<Reply> CloseRtpObserver(Router& router, const FBS::Router::CloseRtpObserverRequest& body,
                               MethodContext& /*c*/) {
  return Done(router.CloseObserver(body.rtp_observer_id()->str()));
}

// ---- transport --------------------------------------------------------------------------------

/// The method of a transport whose answer depends on its class: `answer` is called with it.
template <typename Answering>
Result<Reply> OnTransport(const Request& request, MethodContext& c, Answering answer) {
  const std::string id = Id(request);
  const ObjectTable& objects = c.engine.objects();
  if (auto* const* found = objects.FindAs<WebRtcTransport*>(id)) return answer(**found);
  if (auto* const* found = objects.FindAs<PlainTransport*>(id)) return answer(**found);
  if (auto* const* found = objects.FindAs<PipeTransport*>(id)) return answer(**found);
  if (auto* const* found = objects.FindAs<DirectTransport*>(id)) return answer(**found);
  return objects.WrongId(id, "a transport");
}

Result<Reply> TransportDumpMethod(const Request& request, MethodContext& c) {
  return OnTransport(request, c, [&c](auto& transport) -> Result<Reply> {
    return With(Encode(c.builder, transport.Dump()));
  });
}

Result<Reply> TransportGetStats(const Request& request, MethodContext& c) {
  return OnTransport(request, c, [&c](auto& transport) -> Result<Reply> {
    return With(Encode(c.builder, transport.GetStats(c.engine.Now())));
  });
}

Result<Reply> SetMaxIncomingBitrate(RtpCore& transport,
                                    const FBS::Transport::SetMaxIncomingBitrateRequest& body,
                                    MethodContext& /*c*/) {
  return Done(transport.SetMaxIncomingBitrate(body.max_incoming_bitrate()));
}

Result<Reply> SetMaxOutgoingBitrate(RtpCore& transport,
                                    const FBS::Transport::SetMaxOutgoingBitrateRequest& body,
                                    MethodContext& /*c*/) {
  return Done(transport.SetMaxOutgoingBitrate(body.max_outgoing_bitrate()));
}

Result<Reply> SetMinOutgoingBitrate(RtpCore& transport,
                                    const FBS::Transport::SetMinOutgoingBitrateRequest& body,
                                    MethodContext& /*c*/) {
  return Done(transport.SetMinOutgoingBitrate(body.min_outgoing_bitrate()));
}

Result<Reply> RestartIce(WebRtcTransport& transport, MethodContext& c) {
  const IceCredentials credentials = transport.RestartIce();
  const auto ufrag = c.builder.CreateString(credentials.username_fragment);
  const auto password = c.builder.CreateString(credentials.password);
  return With(FBS::Transport::CreateRestartIceResponse(c.builder, ufrag, password, true));
}

Result<Reply> Produce(RtpCore& transport, const FBS::Transport::ProduceRequest& body,
                      MethodContext& c) {
  const auto options = DecodeProduce(body);
  if (!options.ok()) return options.status();
  const auto report = transport.Produce(*options);
  if (!report.ok()) return report.status();
  return With(FBS::Transport::CreateProduceResponse(
      c.builder, static_cast<FBS::RtpParameters::Type>(report->type)));
}

Result<Reply> Consume(RtpCore& transport, const FBS::Transport::ConsumeRequest& body,
                      MethodContext& c) {
  const auto options = DecodeConsume(body);
  if (!options.ok()) return options.status();
  return Answer(c, transport.Consume(*options));
}

Result<Reply> CloseProducer(RtpCore& transport, const FBS::Transport::CloseProducerRequest& body,
                            MethodContext& /*c*/) {
  return Done(transport.CloseProducer(body.producer_id()->str()));
}

Result<Reply> CloseConsumer(RtpCore& transport, const FBS::Transport::CloseConsumerRequest& body,
                            MethodContext& /*c*/) {
  return Done(transport.CloseConsumer(body.consumer_id()->str()));
}

Result<Reply> ConnectPlain(PlainTransport& transport,
                           const FBS::PlainTransport::ConnectRequest& body, MethodContext& c) {
  const auto options = DecodePlainConnect(body);
  if (!options.ok()) return options.status();
  return Answer(c, transport.Connect(*options));
}

Result<Reply> ConnectPipe(PipeTransport& transport, const FBS::PipeTransport::ConnectRequest& body,
                          MethodContext& c) {
  const auto options = DecodePipeConnect(body);
  if (!options.ok()) return options.status();
  return Answer(c, transport.Connect(*options));
}

Result<Reply> ConnectWebRtc(WebRtcTransport& transport,
                            const FBS::WebRtcTransport::ConnectRequest& body, MethodContext& c) {
  const auto parameters = DecodeDtlsParameters(*body.dtls_parameters());
  if (!parameters.ok()) return parameters.status();
  const auto role = transport.Connect(*parameters);
  if (!role.ok()) return role.status();
  return With(FBS::WebRtcTransport::CreateConnectResponse(
      c.builder, static_cast<FBS::WebRtcTransport::DtlsRole>(*role)));
}

// ---- producer and consumer --------------------------------------------------------------------

Result<Reply> ProducerGetStats(Producer& producer, MethodContext& c) {
  const auto stats = Encode(c.builder, producer.GetStats(c.engine.Now()));
  return With(FBS::Producer::CreateGetStatsResponse(c.builder, stats));
}

Result<Reply> ConsumerGetStats(Consumer& consumer, MethodContext& c) {
  const auto stats = Encode(c.builder, consumer.GetStats(c.engine.Now()));
  return With(FBS::Consumer::CreateGetStatsResponse(c.builder, stats));
}

Result<Reply> ConsumerSetPreferredLayers(Consumer& consumer,
                                         const FBS::Consumer::SetPreferredLayersRequest& body,
                                         MethodContext& c) {
  const ConsumerLayers wish = DecodeLayers(*body.preferred_layers());
  const auto layers = body.keep_spatial_layer()
                          ? consumer.SetPreferredTemporalLayer(wish.temporal_layer)
                          : consumer.SetPreferredLayers(wish);
  const auto stored = layers ? Encode(c.builder, *layers) : Offset<FBS::Consumer::ConsumerLayers>();
  return With(FBS::Consumer::CreateSetPreferredLayersResponse(c.builder, stored));
}

Result<Reply> ConsumerSetWantedLayers(Consumer& consumer,
                                      const FBS::Consumer::SetWantedLayersRequest& body,
                                      MethodContext& /*c*/) {
  auto wanted = DecodeWantedLayers(body);
  if (!wanted.ok()) return wanted.status();
  return Done(consumer.SetWantedLayers(*std::move(wanted)));
}

Result<Reply> ConsumerSetPriority(Consumer& consumer, const FBS::Consumer::SetPriorityRequest& body,
                                  MethodContext& c) {
  SLUICE_RETURN_IF_ERROR(consumer.SetPriority(body.priority()));
  return With(FBS::Consumer::CreateSetPriorityResponse(c.builder, body.priority()));
}

// ---- observers --------------------------------------------------------------------------------

template <typename Body, Status (Router::*kChange)(RtpObserver&, const std::string&)>
Result<Reply> ChangeObserved(RtpObserver& observer, const Body& body, MethodContext& c) {
  const auto entry = c.engine.objects().Get<RtpObserverEntry>(observer.id());
  if (!entry.ok()) return entry.status();
  return Done((entry->router->*kChange)(observer, body.producer_id()->str()));
}

// ---- The table --------------------------------------------------------------------------------

using Handler = Result<Reply> (*)(const Request&, MethodContext&);

/// Handlers by method number; null for numbers that mean nothing (obsolete TRANSPORT_CONNECT).
constexpr size_t kMethodCount = static_cast<size_t>(Method::MAX) + 1;

constexpr std::array<Handler, kMethodCount> MakeTable() {
  std::array<Handler, kMethodCount> table{};
  auto set = [&table](Method method, Handler handler) {
    table[static_cast<size_t>(method)] = handler;
  };
  set(Method::WORKER_DUMP, &On<&WorkerDumpMethod>);
  set(Method::WORKER_GET_RESOURCE_USAGE, &On<&WorkerResourceUsage>);
  set(Method::WORKER_GET_COUNTERS, &On<&WorkerGetCounters>);
  set(Method::WORKER_UPDATE_SETTINGS, &On<&WorkerUpdateSettings>);
  set(Method::WORKER_CREATE_WEBRTCSERVER, &On<&CreateWebRtcServer>);
  set(Method::WORKER_CREATE_ROUTER, &On<&CreateRouter>);
  set(Method::WORKER_WEBRTCSERVER_CLOSE, &On<&CloseWebRtcServer>);
  set(Method::WORKER_CLOSE_ROUTER, &On<&CloseRouter>);
  set(Method::WEBRTCSERVER_DUMP, &On<&Dump<WebRtcServer>>);
  set(Method::ROUTER_DUMP, &On<&Dump<Router>>);
  set(Method::ROUTER_CREATE_WEBRTCTRANSPORT, &CreateWebRtcTransport<false>);
  set(Method::ROUTER_CREATE_WEBRTCTRANSPORT_WITH_SERVER, &CreateWebRtcTransport<true>);
  set(Method::ROUTER_CREATE_PLAINTRANSPORT, &On<&CreatePlainTransport>);
  set(Method::ROUTER_CREATE_PIPETRANSPORT, &On<&CreatePipeTransport>);
  set(Method::ROUTER_CREATE_DIRECTTRANSPORT, &On<&CreateDirectTransport>);
  set(Method::ROUTER_CLOSE_TRANSPORT, &On<&CloseTransport>);
  set(Method::ROUTER_CREATE_AUDIOLEVELOBSERVER, &On<&CreateAudioLevelObserver>);
  set(Method::ROUTER_CREATE_ACTIVESPEAKEROBSERVER, &On<&CreateActiveSpeakerObserver>);
  set(Method::ROUTER_CLOSE_RTPOBSERVER, &On<&CloseRtpObserver>);
  set(Method::TRANSPORT_DUMP, &TransportDumpMethod);
  set(Method::TRANSPORT_GET_STATS, &TransportGetStats);
  set(Method::TRANSPORT_SET_MAX_INCOMING_BITRATE, &On<&SetMaxIncomingBitrate>);
  set(Method::TRANSPORT_SET_MAX_OUTGOING_BITRATE, &On<&SetMaxOutgoingBitrate>);
  set(Method::TRANSPORT_SET_MIN_OUTGOING_BITRATE, &On<&SetMinOutgoingBitrate>);
  set(Method::TRANSPORT_RESTART_ICE, &On<&RestartIce>);
  set(Method::TRANSPORT_PRODUCE, &On<&Produce>);
  set(Method::TRANSPORT_CONSUME, &On<&Consume>);
  set(Method::TRANSPORT_ENABLE_TRACE_EVENT,
      &On<&EnableTraces<RtpCore, FBS::Transport::EnableTraceEventRequest>>);
  set(Method::TRANSPORT_CLOSE_PRODUCER, &On<&CloseProducer>);
  set(Method::TRANSPORT_CLOSE_CONSUMER, &On<&CloseConsumer>);
  set(Method::TRANSPORT_PRODUCE_DATA, &On<&ProduceData>);
  set(Method::TRANSPORT_CONSUME_DATA, &On<&ConsumeData>);
  set(Method::TRANSPORT_CLOSE_DATAPRODUCER, &On<&CloseDataProducer>);
  set(Method::TRANSPORT_CLOSE_DATACONSUMER, &On<&CloseDataConsumer>);
  set(Method::PLAINTRANSPORT_CONNECT, &On<&ConnectPlain>);
  set(Method::PIPETRANSPORT_CONNECT, &On<&ConnectPipe>);
  set(Method::WEBRTCTRANSPORT_CONNECT, &On<&ConnectWebRtc>);
  set(Method::PRODUCER_DUMP, &On<&Dump<Producer>>);
  set(Method::PRODUCER_GET_STATS, &On<&ProducerGetStats>);
  set(Method::PRODUCER_PAUSE, &On<&Act<Producer, &Producer::Pause>>);
  set(Method::PRODUCER_RESUME, &On<&Act<Producer, &Producer::Resume>>);
  set(Method::PRODUCER_ENABLE_TRACE_EVENT,
      &On<&EnableTraces<Producer, FBS::Producer::EnableTraceEventRequest>>);
  set(Method::CONSUMER_DUMP, &On<&Dump<Consumer>>);
  set(Method::CONSUMER_GET_STATS, &On<&ConsumerGetStats>);
  set(Method::CONSUMER_PAUSE, &On<&Act<Consumer, &Consumer::Pause>>);
  set(Method::CONSUMER_RESUME, &On<&Act<Consumer, &Consumer::Resume>>);
  set(Method::CONSUMER_SET_PREFERRED_LAYERS, &On<&ConsumerSetPreferredLayers>);
  set(Method::CONSUMER_SET_WANTED_LAYERS, &On<&ConsumerSetWantedLayers>);
  set(Method::CONSUMER_SET_PRIORITY, &On<&ConsumerSetPriority>);
  set(Method::CONSUMER_REQUEST_KEY_FRAME, &On<&Act<Consumer, &Consumer::RequestKeyFrame>>);
  set(Method::CONSUMER_ENABLE_TRACE_EVENT,
      &On<&EnableTraces<Consumer, FBS::Consumer::EnableTraceEventRequest>>);
  set(Method::DATAPRODUCER_DUMP, &On<&DataProducerDumpMethod>);
  set(Method::DATAPRODUCER_GET_STATS, &On<&DataProducerGetStats>);
  set(Method::DATAPRODUCER_PAUSE, &On<&Act<DataProducer, &DataProducer::Pause>>);
  set(Method::DATAPRODUCER_RESUME, &On<&Act<DataProducer, &DataProducer::Resume>>);
  set(Method::DATACONSUMER_DUMP, &On<&DataConsumerDumpMethod>);
  set(Method::DATACONSUMER_GET_STATS, &On<&DataConsumerGetStats>);
  set(Method::DATACONSUMER_PAUSE, &On<&Act<DataConsumer, &DataConsumer::Pause>>);
  set(Method::DATACONSUMER_RESUME, &On<&Act<DataConsumer, &DataConsumer::Resume>>);
  set(Method::DATACONSUMER_GET_BUFFERED_AMOUNT, &On<&DataConsumerGetBufferedAmount>);
  set(Method::DATACONSUMER_SET_BUFFERED_AMOUNT_LOW_THRESHOLD,
      &On<&DataConsumerSetBufferedAmountLowThreshold>);
  set(Method::DATACONSUMER_SEND, &On<&DataConsumerSend>);
  set(Method::DATACONSUMER_SET_SUBCHANNELS, &On<&DataConsumerSetSubchannels>);
  set(Method::DATACONSUMER_ADD_SUBCHANNEL, &On<&DataConsumerAddSubchannel>);
  set(Method::DATACONSUMER_REMOVE_SUBCHANNEL, &On<&DataConsumerRemoveSubchannel>);
  set(Method::RTPOBSERVER_PAUSE, &On<&Act<RtpObserver, &RtpObserver::Pause>>);
  set(Method::RTPOBSERVER_RESUME, &On<&Act<RtpObserver, &RtpObserver::Resume>>);
  set(Method::RTPOBSERVER_ADD_PRODUCER,
      &On<&ChangeObserved<FBS::RtpObserver::AddProducerRequest, &Router::AddProducerToObserver>>);
  set(Method::RTPOBSERVER_REMOVE_PRODUCER,
      &On<&ChangeObserved<FBS::RtpObserver::RemoveProducerRequest,
                          &Router::RemoveProducerFromObserver>>);
  return table;
}

constexpr std::array<Handler, kMethodCount> kTable = MakeTable();
static_assert(std::count(kTable.begin(), kTable.end(), nullptr) == 1, "a method has no handler");

}  // namespace

Result<Reply> RunMethod(const Request& request, MethodContext& context) {
  const auto number = static_cast<size_t>(request.method());
  if (number >= kTable.size() || kTable[number] == nullptr) {
    return Error(
        fmt::format("unknown method {}; known are 0 to {} but 20", number, kTable.size() - 1));
  }
  return kTable[number](request, context);
}

}  // namespace sluice::worker::router_protocol
