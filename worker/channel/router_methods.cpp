#include "worker/channel/router_methods.h"

#include <fmt/format.h>

#include <array>
#include <string>
#include <utility>

#include "worker/channel/log_settings.h"
#include "worker/channel/router_decode.h"
#include "worker/channel/router_encode.h"

namespace sluice::worker::router_protocol {

namespace {

namespace rq = FBS::Request;
namespace rs = FBS::Response;
using rq::Method;
using rq::Request;

std::string Id(const Request& request) { return request.handler_id()->str(); }

Status MissingBody(const Request& request) {
  return TypeError(fmt::format("request body is of type {}, which is not the body of method {}",
                               static_cast<int>(request.body_type()),
                               static_cast<int>(request.method())));
}

Result<Reply> Done(const Status& status) {
  if (!status.ok()) return status;
  return Reply{};
}

/// Encodes a report that the engine returned as the reply body of type `type`.
template <typename Report>
Result<Reply> Answer(MethodContext& c, rs::Body type, const Result<Report>& report) {
  if (!report.ok()) return report.status();
  return Reply{type, Encode(c.builder, *report).Union()};
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

// --- worker (§2.1) ---

Result<Reply> WorkerDumpMethod(const Request&, MethodContext& c) {
  WorkerDump dump = c.engine.Dump();
  dump.pid = c.process.pid();
  return Reply{rs::Body::Worker_DumpResponse, Encode(c.builder, dump).Union()};
}

Result<Reply> WorkerResourceUsage(const Request&, MethodContext& c) {
  const ResourceUsage u = c.process.GetResourceUsage();
  const auto body = FBS::Worker::CreateResourceUsageResponse(
      c.builder, u.utime_ms, u.stime_ms, u.maxrss, u.ixrss, u.idrss, u.isrss, u.minflt, u.majflt,
      u.nswap, u.inblock, u.oublock, u.msgsnd, u.msgrcv, u.nsignals, u.nvcsw, u.nivcsw);
  return Reply{rs::Body::Worker_ResourceUsageResponse, body.Union()};
}

Result<Reply> WorkerUpdateSettings(const Request& request, MethodContext&) {
  const auto* body = request.body_as_Worker_UpdateSettingsRequest();
  if (body == nullptr) return MissingBody(request);
  if (body->log_level() != nullptr) {
    const auto level = ParseLogLevel(body->log_level()->string_view());
    if (!level) {
      return TypeError(fmt::format("logLevel is '{}'; it is one of debug, warn, error, none",
                                   body->log_level()->string_view()));
    }
    Log::SetLevel(*level);
  }
  if (body->log_tags() != nullptr) {
    uint16_t tags = 0;
    for (const auto* tag : *body->log_tags()) {
      tags = static_cast<uint16_t>(tags | static_cast<uint16_t>(ParseLogTag(tag->string_view())));
    }
    Log::SetTags(tags);
  }
  return Reply{};
}

Result<Reply> CreateWebRtcServer(const Request& request, MethodContext& c) {
  const auto* body = request.body_as_Worker_CreateWebRtcServerRequest();
  if (body == nullptr) return MissingBody(request);
  auto infos = DecodeListenInfos(body->listen_infos());
  if (!infos.ok()) return infos.status();
  return Done(c.engine.CreateWebRtcServer(body->web_rtc_server_id()->str(), *infos));
}

Result<Reply> CloseWebRtcServer(const Request& request, MethodContext& c) {
  const auto* body = request.body_as_Worker_CloseWebRtcServerRequest();
  if (body == nullptr) return MissingBody(request);
  return Done(c.engine.CloseWebRtcServer(body->web_rtc_server_id()->str()));
}

Result<Reply> CreateRouter(const Request& request, MethodContext& c) {
  const auto* body = request.body_as_Worker_CreateRouterRequest();
  if (body == nullptr) return MissingBody(request);
  return Done(c.engine.CreateRouter(body->router_id()->str()));
}

Result<Reply> CloseRouter(const Request& request, MethodContext& c) {
  const auto* body = request.body_as_Worker_CloseRouterRequest();
  if (body == nullptr) return MissingBody(request);
  return Done(c.engine.CloseRouter(body->router_id()->str()));
}

Result<Reply> WebRtcServerDumpMethod(const Request& request, MethodContext& c) {
  return Answer(c, rs::Body::WebRtcServer_DumpResponse, c.engine.DumpWebRtcServer(Id(request)));
}

// --- router (§2.2) ---

Result<Reply> RouterDumpMethod(const Request& request, MethodContext& c) {
  return Answer(c, rs::Body::Router_DumpResponse, c.engine.DumpRouter(Id(request)));
}

Result<Reply> CreateWebRtcTransport(const Request& request, MethodContext& c) {
  const auto* body = request.body_as_Router_CreateWebRtcTransportRequest();
  if (body == nullptr) return MissingBody(request);
  auto options = DecodeWebRtcTransportOptions(*body->options());
  if (!options.ok()) return options.status();
  const bool with_server = request.method() == Method::ROUTER_CREATE_WEBRTCTRANSPORT_WITH_SERVER;
  if (with_server == options->webrtc_server_id.empty()) {
    return TypeError(with_server ? "options.listen must name a WebRtcServer for this method"
                                 : "options.listen must list listenInfos for this method");
  }
  return Answer(c, rs::Body::WebRtcTransport_DumpResponse,
                c.engine.CreateWebRtcTransport(Id(request), body->transport_id()->str(), *options));
}

Result<Reply> CreatePlainTransport(const Request& request, MethodContext& c) {
  const auto* body = request.body_as_Router_CreatePlainTransportRequest();
  if (body == nullptr) return MissingBody(request);
  auto options = DecodePlainTransportOptions(*body->options());
  if (!options.ok()) return options.status();
  return Answer(c, rs::Body::PlainTransport_DumpResponse,
                c.engine.CreatePlainTransport(Id(request), body->transport_id()->str(), *options));
}

Result<Reply> CloseTransport(const Request& request, MethodContext& c) {
  const auto* body = request.body_as_Router_CloseTransportRequest();
  if (body == nullptr) return MissingBody(request);
  return Done(c.engine.CloseTransport(Id(request), body->transport_id()->str()));
}

Result<Reply> CreateAudioLevelObserver(const Request& request, MethodContext& c) {
  const auto* body = request.body_as_Router_CreateAudioLevelObserverRequest();
  if (body == nullptr) return MissingBody(request);
  const AudioLevelObserverOptions options{
      body->options()->max_entries(), body->options()->threshold(), body->options()->interval()};
  return Done(
      c.engine.CreateAudioLevelObserver(Id(request), body->rtp_observer_id()->str(), options));
}

Result<Reply> CloseRtpObserver(const Request& request, MethodContext& c) {
  const auto* body = request.body_as_Router_CloseRtpObserverRequest();
  if (body == nullptr) return MissingBody(request);
  return Done(c.engine.CloseRtpObserver(Id(request), body->rtp_observer_id()->str()));
}

// --- transport (§2.3, §2.4) ---

Result<Reply> TransportDumpMethod(const Request& request, MethodContext& c) {
  if (c.engine.FindPlainTransport(Id(request)) != nullptr) {
    return Answer(c, rs::Body::PlainTransport_DumpResponse,
                  c.engine.DumpPlainTransport(Id(request)));
  }
  return Answer(c, rs::Body::WebRtcTransport_DumpResponse,
                c.engine.DumpWebRtcTransport(Id(request)));
}

Result<Reply> TransportGetStats(const Request& request, MethodContext& c) {
  if (c.engine.FindPlainTransport(Id(request)) != nullptr) {
    return Answer(c, rs::Body::PlainTransport_GetStatsResponse,
                  c.engine.GetPlainTransportStats(Id(request)));
  }
  return Answer(c, rs::Body::WebRtcTransport_GetStatsResponse,
                c.engine.GetWebRtcTransportStats(Id(request)));
}

Result<Reply> SetMaxIncomingBitrate(const Request& request, MethodContext& c) {
  const auto* body = request.body_as_Transport_SetMaxIncomingBitrateRequest();
  if (body == nullptr) return MissingBody(request);
  return Done(c.engine.SetMaxIncomingBitrate(Id(request), body->max_incoming_bitrate()));
}

Result<Reply> SetMaxOutgoingBitrate(const Request& request, MethodContext& c) {
  const auto* body = request.body_as_Transport_SetMaxOutgoingBitrateRequest();
  if (body == nullptr) return MissingBody(request);
  return Done(c.engine.SetMaxOutgoingBitrate(Id(request), body->max_outgoing_bitrate()));
}

Result<Reply> SetMinOutgoingBitrate(const Request& request, MethodContext& c) {
  const auto* body = request.body_as_Transport_SetMinOutgoingBitrateRequest();
  if (body == nullptr) return MissingBody(request);
  return Done(c.engine.SetMinOutgoingBitrate(Id(request), body->min_outgoing_bitrate()));
}

Result<Reply> EnableTransportTraces(const Request& request, MethodContext& c) {
  const auto* body = request.body_as_Transport_EnableTraceEventRequest();
  if (body == nullptr) return MissingBody(request);
  const auto traces = ToMask(*body->events());
  if (!traces.ok()) return traces.status();
  return Done(c.engine.EnableTransportTraces(Id(request), *traces));
}

Result<Reply> RestartIce(const Request& request, MethodContext& c) {
  auto credentials = c.engine.RestartIce(Id(request));
  if (!credentials.ok()) return credentials.status();
  const auto ufrag = c.builder.CreateString(credentials->username_fragment);
  const auto password = c.builder.CreateString(credentials->password);
  const auto body = FBS::Transport::CreateRestartIceResponse(c.builder, ufrag, password, true);
  return Reply{rs::Body::Transport_RestartIceResponse, body.Union()};
}

Result<Reply> Produce(const Request& request, MethodContext& c) {
  const auto* body = request.body_as_Transport_ProduceRequest();
  if (body == nullptr) return MissingBody(request);
  auto options = DecodeProduce(*body);
  if (!options.ok()) return options.status();
  auto report = c.engine.Produce(Id(request), *options);
  if (!report.ok()) return report.status();
  const auto reply = FBS::Transport::CreateProduceResponse(
      c.builder, static_cast<FBS::RtpParameters::Type>(report->type));
  return Reply{rs::Body::Transport_ProduceResponse, reply.Union()};
}

Result<Reply> Consume(const Request& request, MethodContext& c) {
  const auto* body = request.body_as_Transport_ConsumeRequest();
  if (body == nullptr) return MissingBody(request);
  auto options = DecodeConsume(*body);
  if (!options.ok()) return options.status();
  return Answer(c, rs::Body::Transport_ConsumeResponse, c.engine.Consume(Id(request), *options));
}

Result<Reply> CloseProducer(const Request& request, MethodContext& c) {
  const auto* body = request.body_as_Transport_CloseProducerRequest();
  if (body == nullptr) return MissingBody(request);
  return Done(c.engine.CloseProducer(Id(request), body->producer_id()->str()));
}

Result<Reply> CloseConsumer(const Request& request, MethodContext& c) {
  const auto* body = request.body_as_Transport_CloseConsumerRequest();
  if (body == nullptr) return MissingBody(request);
  return Done(c.engine.CloseConsumer(Id(request), body->consumer_id()->str()));
}

Result<Reply> ConnectPlain(const Request& request, MethodContext& c) {
  const auto* body = request.body_as_PlainTransport_ConnectRequest();
  if (body == nullptr) return MissingBody(request);
  auto options = DecodePlainConnect(*body);
  if (!options.ok()) return options.status();
  return Answer(c, rs::Body::PlainTransport_ConnectResponse,
                c.engine.ConnectPlainTransport(Id(request), *options));
}

Result<Reply> ConnectWebRtc(const Request& request, MethodContext& c) {
  const auto* body = request.body_as_WebRtcTransport_ConnectRequest();
  if (body == nullptr) return MissingBody(request);
  auto parameters = DecodeDtlsParameters(*body->dtls_parameters());
  if (!parameters.ok()) return parameters.status();
  auto role = c.engine.ConnectWebRtcTransport(Id(request), *parameters);
  if (!role.ok()) return role.status();
  const auto reply = FBS::WebRtcTransport::CreateConnectResponse(
      c.builder, static_cast<FBS::WebRtcTransport::DtlsRole>(*role));
  return Reply{rs::Body::WebRtcTransport_ConnectResponse, reply.Union()};
}

// --- producer (§2.5) and consumer (§2.6) ---

Result<Reply> ProducerDumpMethod(const Request& request, MethodContext& c) {
  return Answer(c, rs::Body::Producer_DumpResponse, c.engine.DumpProducer(Id(request)));
}

Result<Reply> ProducerGetStats(const Request& request, MethodContext& c) {
  auto stats = c.engine.GetProducerStats(Id(request));
  if (!stats.ok()) return stats.status();
  const auto body = FBS::Producer::CreateGetStatsResponse(c.builder, Encode(c.builder, *stats));
  return Reply{rs::Body::Producer_GetStatsResponse, body.Union()};
}

Result<Reply> ProducerPause(const Request& request, MethodContext& c) {
  return Done(c.engine.PauseProducer(Id(request)));
}

Result<Reply> ProducerResume(const Request& request, MethodContext& c) {
  return Done(c.engine.ResumeProducer(Id(request)));
}

Result<Reply> ProducerTraces(const Request& request, MethodContext& c) {
  const auto* body = request.body_as_Producer_EnableTraceEventRequest();
  if (body == nullptr) return MissingBody(request);
  const auto traces = ToMask(*body->events());
  if (!traces.ok()) return traces.status();
  return Done(c.engine.EnableProducerTraces(Id(request), *traces));
}

Result<Reply> ConsumerDumpMethod(const Request& request, MethodContext& c) {
  return Answer(c, rs::Body::Consumer_DumpResponse, c.engine.DumpConsumer(Id(request)));
}

Result<Reply> ConsumerGetStats(const Request& request, MethodContext& c) {
  auto stats = c.engine.GetConsumerStats(Id(request));
  if (!stats.ok()) return stats.status();
  const auto body = FBS::Consumer::CreateGetStatsResponse(c.builder, Encode(c.builder, *stats));
  return Reply{rs::Body::Consumer_GetStatsResponse, body.Union()};
}

Result<Reply> ConsumerPause(const Request& request, MethodContext& c) {
  return Done(c.engine.PauseConsumer(Id(request)));
}

Result<Reply> ConsumerResume(const Request& request, MethodContext& c) {
  return Done(c.engine.ResumeConsumer(Id(request)));
}

Result<Reply> ConsumerSetPreferredLayers(const Request& request, MethodContext& c) {
  const auto* body = request.body_as_Consumer_SetPreferredLayersRequest();
  if (body == nullptr) return MissingBody(request);
  auto layers = c.engine.SetPreferredLayers(Id(request), DecodeLayers(*body->preferred_layers()));
  if (!layers.ok()) return layers.status();
  const auto stored =
      *layers ? Encode(c.builder, **layers) : Offset<FBS::Consumer::ConsumerLayers>();
  const auto reply = FBS::Consumer::CreateSetPreferredLayersResponse(c.builder, stored);
  return Reply{rs::Body::Consumer_SetPreferredLayersResponse, reply.Union()};
}

Result<Reply> ConsumerSetPriority(const Request& request, MethodContext& c) {
  const auto* body = request.body_as_Consumer_SetPriorityRequest();
  if (body == nullptr) return MissingBody(request);
  auto priority = c.engine.SetPriority(Id(request), body->priority());
  if (!priority.ok()) return priority.status();
  const auto reply = FBS::Consumer::CreateSetPriorityResponse(c.builder, *priority);
  return Reply{rs::Body::Consumer_SetPriorityResponse, reply.Union()};
}

Result<Reply> ConsumerRequestKeyFrame(const Request& request, MethodContext& c) {
  return Done(c.engine.RequestKeyFrame(Id(request)));
}

Result<Reply> ConsumerTraces(const Request& request, MethodContext& c) {
  const auto* body = request.body_as_Consumer_EnableTraceEventRequest();
  if (body == nullptr) return MissingBody(request);
  const auto traces = ToMask(*body->events());
  if (!traces.ok()) return traces.status();
  return Done(c.engine.EnableConsumerTraces(Id(request), *traces));
}

// --- observers (§2.7) ---

Result<Reply> RtpObserverPause(const Request& request, MethodContext& c) {
  return Done(c.engine.PauseRtpObserver(Id(request)));
}

Result<Reply> RtpObserverResume(const Request& request, MethodContext& c) {
  return Done(c.engine.ResumeRtpObserver(Id(request)));
}

Result<Reply> RtpObserverAddProducer(const Request& request, MethodContext& c) {
  const auto* body = request.body_as_RtpObserver_AddProducerRequest();
  if (body == nullptr) return MissingBody(request);
  return Done(c.engine.AddProducerToObserver(Id(request), body->producer_id()->str()));
}

Result<Reply> RtpObserverRemoveProducer(const Request& request, MethodContext& c) {
  const auto* body = request.body_as_RtpObserver_RemoveProducerRequest();
  if (body == nullptr) return MissingBody(request);
  return Done(c.engine.RemoveProducerFromObserver(Id(request), body->producer_id()->str()));
}

Result<Reply> Unsupported(const Request& request, MethodContext&) {
  return UnsupportedError(
      fmt::format("{} is not supported by this version", rq::EnumNameMethod(request.method())));
}

using Handler = Result<Reply> (*)(const Request&, MethodContext&);

/// Handlers by method number; null for numbers that mean nothing (obsolete TRANSPORT_CONNECT).
constexpr size_t kMethodCount = static_cast<size_t>(Method::MAX) + 1;

constexpr std::array<Handler, kMethodCount> MakeTable() {
  std::array<Handler, kMethodCount> table{};
  for (Handler& handler : table) handler = &Unsupported;
  auto set = [&table](Method method, Handler handler) {
    table[static_cast<size_t>(method)] = handler;
  };
  set(Method::WORKER_DUMP, &WorkerDumpMethod);
  set(Method::WORKER_GET_RESOURCE_USAGE, &WorkerResourceUsage);
  set(Method::WORKER_UPDATE_SETTINGS, &WorkerUpdateSettings);
  set(Method::WORKER_CREATE_WEBRTCSERVER, &CreateWebRtcServer);
  set(Method::WORKER_CREATE_ROUTER, &CreateRouter);
  set(Method::WORKER_WEBRTCSERVER_CLOSE, &CloseWebRtcServer);
  set(Method::WORKER_CLOSE_ROUTER, &CloseRouter);
  set(Method::WEBRTCSERVER_DUMP, &WebRtcServerDumpMethod);
  set(Method::ROUTER_DUMP, &RouterDumpMethod);
  set(Method::ROUTER_CREATE_WEBRTCTRANSPORT, &CreateWebRtcTransport);
  set(Method::ROUTER_CREATE_WEBRTCTRANSPORT_WITH_SERVER, &CreateWebRtcTransport);
  set(Method::ROUTER_CREATE_PLAINTRANSPORT, &CreatePlainTransport);
  set(Method::ROUTER_CLOSE_TRANSPORT, &CloseTransport);
  set(Method::ROUTER_CREATE_AUDIOLEVELOBSERVER, &CreateAudioLevelObserver);
  set(Method::ROUTER_CLOSE_RTPOBSERVER, &CloseRtpObserver);
  set(Method::TRANSPORT_DUMP, &TransportDumpMethod);
  set(Method::TRANSPORT_GET_STATS, &TransportGetStats);
  set(Method::TRANSPORT_CONNECT, nullptr);
  set(Method::TRANSPORT_SET_MAX_INCOMING_BITRATE, &SetMaxIncomingBitrate);
  set(Method::TRANSPORT_SET_MAX_OUTGOING_BITRATE, &SetMaxOutgoingBitrate);
  set(Method::TRANSPORT_SET_MIN_OUTGOING_BITRATE, &SetMinOutgoingBitrate);
  set(Method::TRANSPORT_RESTART_ICE, &RestartIce);
  set(Method::TRANSPORT_PRODUCE, &Produce);
  set(Method::TRANSPORT_CONSUME, &Consume);
  set(Method::TRANSPORT_ENABLE_TRACE_EVENT, &EnableTransportTraces);
  set(Method::TRANSPORT_CLOSE_PRODUCER, &CloseProducer);
  set(Method::TRANSPORT_CLOSE_CONSUMER, &CloseConsumer);
  set(Method::PLAINTRANSPORT_CONNECT, &ConnectPlain);
  set(Method::WEBRTCTRANSPORT_CONNECT, &ConnectWebRtc);
  set(Method::PRODUCER_DUMP, &ProducerDumpMethod);
  set(Method::PRODUCER_GET_STATS, &ProducerGetStats);
  set(Method::PRODUCER_PAUSE, &ProducerPause);
  set(Method::PRODUCER_RESUME, &ProducerResume);
  set(Method::PRODUCER_ENABLE_TRACE_EVENT, &ProducerTraces);
  set(Method::CONSUMER_DUMP, &ConsumerDumpMethod);
  set(Method::CONSUMER_GET_STATS, &ConsumerGetStats);
  set(Method::CONSUMER_PAUSE, &ConsumerPause);
  set(Method::CONSUMER_RESUME, &ConsumerResume);
  set(Method::CONSUMER_SET_PREFERRED_LAYERS, &ConsumerSetPreferredLayers);
  set(Method::CONSUMER_SET_PRIORITY, &ConsumerSetPriority);
  set(Method::CONSUMER_REQUEST_KEY_FRAME, &ConsumerRequestKeyFrame);
  set(Method::CONSUMER_ENABLE_TRACE_EVENT, &ConsumerTraces);
  set(Method::RTPOBSERVER_PAUSE, &RtpObserverPause);
  set(Method::RTPOBSERVER_RESUME, &RtpObserverResume);
  set(Method::RTPOBSERVER_ADD_PRODUCER, &RtpObserverAddProducer);
  set(Method::RTPOBSERVER_REMOVE_PRODUCER, &RtpObserverRemoveProducer);
  return table;
}

constexpr std::array<Handler, kMethodCount> kTable = MakeTable();

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
