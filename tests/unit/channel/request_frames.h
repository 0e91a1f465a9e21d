#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "proto/message_generated.h"
#include "worker/channel/router_encode_rtp.h"
#include "worker/media/options.h"

/// Frames as a controller writes them, for the tests and the fuzzer of the channel.
namespace sluice::worker::frames {

using Bytes = std::vector<uint8_t>;
using router_protocol::Builder;
using router_protocol::Offset;
using rq = FBS::Request::Body;
using Method = FBS::Request::Method;

/// A request body: its union member, and where it was built.
struct Body {
  rq type = rq::NONE;
  Offset<void> offset;
};
using MakeBody = std::function<Body(Builder&)>;

inline Body NoBody(Builder&) { return {}; }

inline Bytes Finish(Builder& b, FBS::Message::Body type, Offset<void> data) {
  b.FinishSizePrefixed(FBS::Message::CreateMessage(b, type, data));
  return {b.GetBufferPointer(), b.GetBufferPointer() + b.GetSize()};
}

inline Bytes Request(uint32_t id, Method method, const std::string& handler,
                     const MakeBody& make = NoBody) {
  Builder b;
  const Body body = make(b);
  const auto handler_id = b.CreateString(handler);
  const auto request =
      FBS::Request::CreateRequest(b, id, method, handler_id, body.type, body.offset);
  return Finish(b, FBS::Message::Body::Request, request.Union());
}

inline Bytes Notification(FBS::Notification::Event event, const std::string& handler) {
  Builder b;
  const auto notification =
      FBS::Notification::CreateNotification(b, b.CreateString(handler), event);
  return Finish(b, FBS::Message::Body::Notification, notification.Union());
}

inline Bytes ProducerSend(const std::string& producer, const Bytes& packet) {
  Builder b;
  const auto body = FBS::Producer::CreateSendNotification(b, b.CreateVector(packet));
  const auto handler = b.CreateString(producer);
  const auto notification = FBS::Notification::CreateNotification(
      b, handler, FBS::Notification::Event::PRODUCER_SEND,
      FBS::Notification::Body::Producer_SendNotification, body.Union());
  return Finish(b, FBS::Message::Body::Notification, notification.Union());
}

inline Bytes SendRtcp(const std::string& transport, const Bytes& compound) {
  Builder b;
  const auto body = FBS::Transport::CreateSendRtcpNotification(b, b.CreateVector(compound));
  const auto handler = b.CreateString(transport);
  const auto notification = FBS::Notification::CreateNotification(
      b, handler, FBS::Notification::Event::TRANSPORT_SEND_RTCP,
      FBS::Notification::Body::Transport_SendRtcpNotification, body.Union());
  return Finish(b, FBS::Message::Body::Notification, notification.Union());
}

// --- parts of bodies ---

inline Offset<flatbuffers::String> Text(Builder& b, const std::string& text) {
  return router_protocol::OptionalText(b, text);
}

inline Offset<FBS::Transport::ListenInfo> Listen(Builder& b, const ListenInfo& info) {
  const auto ip = b.CreateString(info.ip);
  const auto announced = Text(b, info.announced_address);
  const auto range = FBS::Transport::CreatePortRange(b, info.port_min, info.port_max);
  const auto flags = FBS::Transport::CreateSocketFlags(b, info.ipv6_only, info.udp_reuse_port);
  const auto protocol = info.protocol == TransportProtocol::kTcp ? FBS::Transport::Protocol::TCP
                                                                 : FBS::Transport::Protocol::UDP;
  return FBS::Transport::CreateListenInfo(b, protocol, ip, announced, info.expose_internal_ip,
                                          info.port, range, flags, info.send_buffer_size,
                                          info.recv_buffer_size);
}

inline auto Listens(Builder& b, const std::vector<ListenInfo>& infos) {
  return router_protocol::EncodeAll<FBS::Transport::ListenInfo>(b, infos, Listen);
}

inline Offset<FBS::Transport::Options> Base(Builder& b, const TransportOptions& base) {
  return FBS::Transport::CreateOptions(
      b, base.direct, router_protocol::ToFlat(base.initial_available_outgoing_bitrate),
      base.enable_sctp, base.max_send_message_size, base.max_receive_message_size,
      base.sctp_send_buffer_size, base.sctp_per_stream_send_queue_limit,
      base.sctp_max_receiver_window_buffer_size,
      base.sctp_default_stream_buffered_amount_low_threshold, base.is_data_channel);
}

inline Offset<FBS::SrtpParameters::SrtpParameters> Srtp(
    Builder& b, const std::optional<SrtpParameters>& parameters) {
  if (!parameters) return {};
  return FBS::SrtpParameters::CreateSrtpParameters(
      b, static_cast<FBS::SrtpParameters::SrtpCryptoSuite>(parameters->crypto_suite),
      b.CreateString(parameters->key_base64));
}

// --- bodies with one id, one number or one list ---

/// Every body whose only field is an id.
template <rq kType, auto kCreate>
MakeBody IdBody(std::string id) {
  return [id = std::move(id)](Builder& b) {
    return Body{kType, kCreate(b, b.CreateString(id)).Union()};
  };
}
inline MakeBody CreateRouter(std::string id) {
  return IdBody<rq::Worker_CreateRouterRequest, &FBS::Worker::CreateCreateRouterRequest>(
      std::move(id));
}
inline MakeBody CloseRouter(std::string id) {
  return IdBody<rq::Worker_CloseRouterRequest, &FBS::Worker::CreateCloseRouterRequest>(
      std::move(id));
}
inline MakeBody CloseServer(std::string id) {
  return IdBody<rq::Worker_CloseWebRtcServerRequest, &FBS::Worker::CreateCloseWebRtcServerRequest>(
      std::move(id));
}
inline MakeBody CloseTransport(std::string id) {
  return IdBody<rq::Router_CloseTransportRequest, &FBS::Router::CreateCloseTransportRequest>(
      std::move(id));
}
inline MakeBody CloseObserver(std::string id) {
  return IdBody<rq::Router_CloseRtpObserverRequest, &FBS::Router::CreateCloseRtpObserverRequest>(
      std::move(id));
}
inline MakeBody CloseProducer(std::string id) {
  return IdBody<rq::Transport_CloseProducerRequest, &FBS::Transport::CreateCloseProducerRequest>(
      std::move(id));
}
inline MakeBody CloseConsumer(std::string id) {
  return IdBody<rq::Transport_CloseConsumerRequest, &FBS::Transport::CreateCloseConsumerRequest>(
      std::move(id));
}
inline MakeBody AddProducer(std::string id) {
  return IdBody<rq::RtpObserver_AddProducerRequest, &FBS::RtpObserver::CreateAddProducerRequest>(
      std::move(id));
}
inline MakeBody RemoveProducer(std::string id) {
  return IdBody<rq::RtpObserver_RemoveProducerRequest,
                &FBS::RtpObserver::CreateRemoveProducerRequest>(std::move(id));
}

/// Every body whose only field is a number.
template <rq kType, auto kCreate, typename T>
MakeBody NumberBody(T value) {
  return [value](Builder& b) { return Body{kType, kCreate(b, value).Union()}; };
}
inline MakeBody MaxIncomingBitrate(uint64_t bps) {
  return NumberBody<rq::Transport_SetMaxIncomingBitrateRequest,
                    &FBS::Transport::CreateSetMaxIncomingBitrateRequest>(bps);
}
inline MakeBody MaxOutgoingBitrate(uint64_t bps) {
  return NumberBody<rq::Transport_SetMaxOutgoingBitrateRequest,
                    &FBS::Transport::CreateSetMaxOutgoingBitrateRequest>(bps);
}
inline MakeBody MinOutgoingBitrate(uint64_t bps) {
  return NumberBody<rq::Transport_SetMinOutgoingBitrateRequest,
                    &FBS::Transport::CreateSetMinOutgoingBitrateRequest>(bps);
}
inline MakeBody Priority(uint8_t priority) {
  return NumberBody<rq::Consumer_SetPriorityRequest, &FBS::Consumer::CreateSetPriorityRequest>(
      priority);
}

/// The three bodies that name trace events, by wire value.
template <typename E, rq kType, auto kCreate>
MakeBody Traces(std::vector<uint8_t> events) {
  return [events = std::move(events)](Builder& b) {
    std::vector<E> typed;
    for (const uint8_t event : events) typed.push_back(static_cast<E>(event));
    return Body{kType, kCreate(b, b.CreateVector(typed)).Union()};
  };
}
inline MakeBody TransportTraces(std::vector<uint8_t> events) {
  return Traces<FBS::Transport::TraceEventType, rq::Transport_EnableTraceEventRequest,
                &FBS::Transport::CreateEnableTraceEventRequest>(std::move(events));
}
inline MakeBody ProducerTraces(std::vector<uint8_t> events) {
  return Traces<FBS::Producer::TraceEventType, rq::Producer_EnableTraceEventRequest,
                &FBS::Producer::CreateEnableTraceEventRequest>(std::move(events));
}
inline MakeBody ConsumerTraces(std::vector<uint8_t> events) {
  return Traces<FBS::Consumer::TraceEventType, rq::Consumer_EnableTraceEventRequest,
                &FBS::Consumer::CreateEnableTraceEventRequest>(std::move(events));
}

// --- bodies with options ---

/// "" = no logLevel; no list = no logTags.
inline MakeBody Settings(std::string level, std::optional<std::vector<std::string>> tags = {}) {
  return [=](Builder& b) {
    const auto text = Text(b, level);
    Offset<router_protocol::Strings> list;
    if (tags) list = b.CreateVectorOfStrings(*tags);
    const auto body = FBS::Worker::CreateUpdateSettingsRequest(b, text, list);
    return Body{rq::Worker_UpdateSettingsRequest, body.Union()};
  };
}

inline MakeBody CreateServer(std::string id, std::vector<ListenInfo> infos) {
  return [=](Builder& b) {
    const auto list = Listens(b, infos);
    const auto body = FBS::Worker::CreateCreateWebRtcServerRequest(b, b.CreateString(id), list);
    return Body{rq::Worker_CreateWebRtcServerRequest, body.Union()};
  };
}

inline MakeBody CreateWebRtcTransport(std::string id, WebRtcTransportOptions options) {
  namespace wt = FBS::WebRtcTransport;
  return [=](Builder& b) {
    const bool own = options.webrtc_server_id.empty();
    const auto listen =
        own ? wt::CreateListenIndividual(b, Listens(b, options.listen_infos)).Union()
            : wt::CreateListenServer(b, b.CreateString(options.webrtc_server_id)).Union();
    const auto all = wt::CreateWebRtcTransportOptions(
        b, Base(b, options.base), own ? wt::Listen::ListenIndividual : wt::Listen::ListenServer,
        listen, options.enable_udp, options.enable_tcp, options.prefer_udp, options.prefer_tcp,
        options.ice_consent_timeout);
    const auto body = FBS::Router::CreateCreateWebRtcTransportRequest(b, b.CreateString(id), all);
    return Body{rq::Router_CreateWebRtcTransportRequest, body.Union()};
  };
}

inline MakeBody CreatePlainTransport(std::string id, PlainTransportOptions options) {
  return [=](Builder& b) {
    const auto listen = Listen(b, options.listen_info);
    Offset<FBS::Transport::ListenInfo> rtcp;
    if (options.rtcp_listen_info) rtcp = Listen(b, *options.rtcp_listen_info);
    flatbuffers::Optional<FBS::SrtpParameters::SrtpCryptoSuite> suite;
    if (options.srtp_crypto_suite) {
      suite = static_cast<FBS::SrtpParameters::SrtpCryptoSuite>(*options.srtp_crypto_suite);
    }
    const auto all = FBS::PlainTransport::CreatePlainTransportOptions(
        b, Base(b, options.base), listen, rtcp, options.rtcp_mux, options.comedia,
        options.enable_srtp, suite, Text(b, options.source_ip), options.source_only,
        options.source_receives, options.relock, options.receiver_timeout,
        options.public_destinations);
    const auto body = FBS::Router::CreateCreatePlainTransportRequest(b, b.CreateString(id), all);
    return Body{rq::Router_CreatePlainTransportRequest, body.Union()};
  };
}

inline MakeBody CreatePipeTransport(std::string id, PipeTransportOptions options) {
  return [=](Builder& b) {
    const auto base = Base(b, options.base);
    const auto all = FBS::PipeTransport::CreatePipeTransportOptions(
        b, base, Listen(b, options.listen_info), options.enable_rtx, options.enable_srtp);
    const auto body = FBS::Router::CreateCreatePipeTransportRequest(b, b.CreateString(id), all);
    return Body{rq::Router_CreatePipeTransportRequest, body.Union()};
  };
}

inline MakeBody CreateDirectTransport(std::string id, DirectTransportOptions options) {
  return [=](Builder& b) {
    const auto all = FBS::DirectTransport::CreateDirectTransportOptions(b, Base(b, options.base));
    const auto body = FBS::Router::CreateCreateDirectTransportRequest(b, b.CreateString(id), all);
    return Body{rq::Router_CreateDirectTransportRequest, body.Union()};
  };
}

inline MakeBody CreateActiveSpeakerObserver(std::string id, ActiveSpeakerObserverOptions options) {
  return [=](Builder& b) {
    const auto all =
        FBS::ActiveSpeakerObserver::CreateActiveSpeakerObserverOptions(b, options.interval);
    const auto body =
        FBS::Router::CreateCreateActiveSpeakerObserverRequest(b, b.CreateString(id), all);
    return Body{rq::Router_CreateActiveSpeakerObserverRequest, body.Union()};
  };
}

inline MakeBody CreateAudioLevelObserver(std::string id, AudioLevelObserverOptions options) {
  return [=](Builder& b) {
    const auto all = FBS::AudioLevelObserver::CreateAudioLevelObserverOptions(
        b, options.max_entries, options.threshold, options.interval);
    const auto body =
        FBS::Router::CreateCreateAudioLevelObserverRequest(b, b.CreateString(id), all);
    return Body{rq::Router_CreateAudioLevelObserverRequest, body.Union()};
  };
}

inline MakeBody ConnectPlain(PlainConnectOptions options) {
  return [=](Builder& b) {
    const auto ip = Text(b, options.ip);
    const auto srtp = Srtp(b, options.srtp_parameters);
    const auto body =
        FBS::PlainTransport::CreateConnectRequest(b, ip, router_protocol::ToFlat(options.port),
                                                  router_protocol::ToFlat(options.rtcp_port), srtp);
    return Body{rq::PlainTransport_ConnectRequest, body.Union()};
  };
}

inline MakeBody ConnectPipe(PipeConnectOptions options) {
  return [=](Builder& b) {
    const auto ip = b.CreateString(options.ip);
    const auto srtp = Srtp(b, options.srtp_parameters);
    const auto body = FBS::PipeTransport::CreateConnectRequest(
        b, ip, router_protocol::ToFlat(options.port), srtp);
    return Body{rq::PipeTransport_ConnectRequest, body.Union()};
  };
}

inline MakeBody ConnectWebRtc(DtlsParameters parameters) {
  namespace wt = FBS::WebRtcTransport;
  return [=](Builder& b) {
    const auto fingerprints = router_protocol::EncodeAll<wt::Fingerprint>(
        b, parameters.fingerprints, [](Builder& bb, const DtlsFingerprint& f) {
          return wt::CreateFingerprint(bb, static_cast<wt::FingerprintAlgorithm>(f.algorithm),
                                       bb.CreateString(f.value));
        });
    const auto dtls =
        wt::CreateDtlsParameters(b, fingerprints, static_cast<wt::DtlsRole>(parameters.role));
    return Body{rq::WebRtcTransport_ConnectRequest, wt::CreateConnectRequest(b, dtls).Union()};
  };
}

inline MakeBody Produce(ProduceOptions options) {
  return [=](Builder& b) {
    const auto parameters = router_protocol::EncodeRtpParameters(b, options.rtp_parameters);
    const auto mapping = router_protocol::EncodeMapping(b, options.rtp_mapping);
    const auto body = FBS::Transport::CreateProduceRequest(
        b, b.CreateString(options.producer_id),
        static_cast<FBS::RtpParameters::MediaKind>(options.kind), parameters, mapping,
        options.paused, options.key_frame_request_delay, options.enable_packet_id_extension,
        options.report_wanted_layers);
    return Body{rq::Transport_ProduceRequest, body.Union()};
  };
}

inline Offset<FBS::Consumer::ConsumerLayers> Layers(Builder& b, const ConsumerLayers& layers) {
  return FBS::Consumer::CreateConsumerLayers(b, layers.spatial_layer,
                                             router_protocol::ToFlat(layers.temporal_layer));
}

inline MakeBody Consume(ConsumeOptions options) {
  return [=](Builder& b) {
    const auto parameters = router_protocol::EncodeRtpParameters(b, options.rtp_parameters);
    const auto consumable = router_protocol::EncodeAll<FBS::RtpParameters::RtpEncodingParameters>(
        b, options.consumable_rtp_encodings, router_protocol::EncodeEncoding);
    Offset<FBS::Consumer::ConsumerLayers> layers;
    if (options.preferred_layers) layers = Layers(b, *options.preferred_layers);
    const auto id = b.CreateString(options.consumer_id);
    const auto body = FBS::Transport::CreateConsumeRequest(
        b, id, b.CreateString(options.producer_id),
        static_cast<FBS::RtpParameters::MediaKind>(options.kind), parameters,
        static_cast<FBS::RtpParameters::Type>(options.type), consumable, options.paused, layers,
        options.ignore_dtx);
    return Body{rq::Transport_ConsumeRequest, body.Union()};
  };
}

inline MakeBody PreferredLayers(ConsumerLayers layers, bool keep_spatial = false) {
  return [=](Builder& b) {
    const auto body =
        FBS::Consumer::CreateSetPreferredLayersRequest(b, Layers(b, layers), keep_spatial);
    return Body{rq::Consumer_SetPreferredLayersRequest, body.Union()};
  };
}

/// Spatial and temporal layer of each encoding, as on the wire.
inline MakeBody WantedLayers(std::vector<std::pair<int16_t, int16_t>> layers) {
  return [=](Builder& b) {
    std::vector<Offset<FBS::Producer::WantedEncoding>> encodings;
    for (const auto& [spatial, temporal] : layers) {
      encodings.push_back(FBS::Producer::CreateWantedEncoding(b, spatial, temporal));
    }
    const auto body = FBS::Consumer::CreateSetWantedLayersRequestDirect(b, &encodings);
    return Body{rq::Consumer_SetWantedLayersRequest, body.Union()};
  };
}

}  // namespace sluice::worker::frames
