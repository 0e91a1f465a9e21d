#include "controller/worker/media_worker.h"

#include <utility>
#include <vector>

#include "common/fingerprint_names.h"
#include "controller/base/log.h"
#include "controller/base/logging.h"
#include "controller/worker/event_decoding.h"
#include "controller/worker/rtp_encoding.h"
#include "controller/worker/stats_decoding.h"
#include "controller/worker/worker_channel.h"

namespace sluice::controller {

namespace {

using FBS::Request::Method;
using flatbuffers::FlatBufferBuilder;
using flatbuffers::Offset;
using Kind = FBS::Request::Body;

/// Bytes; what the clients of the room API expect.
constexpr uint32_t kMaxDataMessage = 262'144;
constexpr uint32_t kSctpSendBuffer = 2'000'000;
constexpr uint32_t kSctpReceiveWindow = 5'242'880;
constexpr uint32_t kSctpLowThreshold = 1'024;

Offset<FBS::Transport::ListenInfo> EncodeListen(FlatBufferBuilder& builder,
                                                const ListenAddress& listen) {
  const bool fixed = listen.port != 0;
  const auto range = FBS::Transport::CreatePortRange(builder, fixed ? 0 : listen.min_port,
                                                     fixed ? 0 : listen.max_port);
  const auto flags = FBS::Transport::CreateSocketFlags(builder);
  return FBS::Transport::CreateListenInfoDirect(
      builder,
      listen.protocol == TransportProtocol::kTcp ? FBS::Transport::Protocol::TCP
                                                 : FBS::Transport::Protocol::UDP,
      listen.ip.c_str(),
      listen.announced_address.empty() ? nullptr : listen.announced_address.c_str(), false,
      listen.port, range, flags);
}

std::vector<Offset<FBS::Transport::ListenInfo>> EncodeListens(
    FlatBufferBuilder& builder, const std::vector<ListenAddress>& listens) {
  std::vector<Offset<FBS::Transport::ListenInfo>> encoded;
  for (const ListenAddress& listen : listens) encoded.push_back(EncodeListen(builder, listen));
  return encoded;
}

Offset<FBS::Transport::Options> EncodeBaseOptions(FlatBufferBuilder& builder,
                                                  uint32_t initial_outgoing_bitrate,
                                                  bool enable_sctp, bool is_data_channel,
                                                  bool terminate_dcep = false) {
  flatbuffers::Optional<uint64_t> bitrate;
  if (initial_outgoing_bitrate > 0) bitrate = initial_outgoing_bitrate;
  if (!enable_sctp) return FBS::Transport::CreateOptions(builder, /*direct=*/false, bitrate);
  return FBS::Transport::CreateOptions(builder, /*direct=*/false, bitrate, /*enable_sctp=*/true,
                                       kMaxDataMessage, kMaxDataMessage, kSctpSendBuffer,
                                       kSctpSendBuffer, kSctpReceiveWindow, kSctpLowThreshold,
                                       is_data_channel, terminate_dcep);
}

FBS::RtpParameters::MediaKind EncodeKind(MediaKind kind) {
  return kind == MediaKind::kAudio ? FBS::RtpParameters::MediaKind::AUDIO
                                   : FBS::RtpParameters::MediaKind::VIDEO;
}

Result<FBS::WebRtcTransport::FingerprintAlgorithm> EncodeAlgorithm(const std::string& name) {
  const auto known = FingerprintOf<FBS::WebRtcTransport::FingerprintAlgorithm>(name);
  if (known) return *known;
  return TypeError("dtlsParameters.fingerprints[].algorithm \"" + name + "\" must be " +
                   std::string(kFingerprintList));
}

Method CloseMethod(WorkerObjectKind kind) {
  switch (kind) {
    case WorkerObjectKind::kRouter:
      return Method::WORKER_CLOSE_ROUTER;
    case WorkerObjectKind::kTransport:
      return Method::ROUTER_CLOSE_TRANSPORT;
    case WorkerObjectKind::kProducer:
      return Method::TRANSPORT_CLOSE_PRODUCER;
    case WorkerObjectKind::kConsumer:
      return Method::TRANSPORT_CLOSE_CONSUMER;
    case WorkerObjectKind::kObserver:
      return Method::ROUTER_CLOSE_RTPOBSERVER;
    case WorkerObjectKind::kDataProducer:
      return Method::TRANSPORT_CLOSE_DATAPRODUCER;
    case WorkerObjectKind::kDataConsumer:
      return Method::TRANSPORT_CLOSE_DATACONSUMER;
  }
  return Method::ROUTER_CLOSE_TRANSPORT;
}

BodyBuilder CloseBody(WorkerObjectKind kind, std::string id) {
  return [kind, id = std::move(id)](FlatBufferBuilder& builder) {
    switch (kind) {
      case WorkerObjectKind::kRouter:
        return Finish(Kind::Worker_CloseRouterRequest,
                      FBS::Worker::CreateCloseRouterRequestDirect(builder, id.c_str()));
      case WorkerObjectKind::kTransport:
        return Finish(Kind::Router_CloseTransportRequest,
                      FBS::Router::CreateCloseTransportRequestDirect(builder, id.c_str()));
      case WorkerObjectKind::kProducer:
        return Finish(Kind::Transport_CloseProducerRequest,
                      FBS::Transport::CreateCloseProducerRequestDirect(builder, id.c_str()));
      case WorkerObjectKind::kConsumer:
        return Finish(Kind::Transport_CloseConsumerRequest,
                      FBS::Transport::CreateCloseConsumerRequestDirect(builder, id.c_str()));
      case WorkerObjectKind::kObserver:
        return Finish(Kind::Router_CloseRtpObserverRequest,
                      FBS::Router::CreateCloseRtpObserverRequestDirect(builder, id.c_str()));
      case WorkerObjectKind::kDataProducer:
        return Finish(Kind::Transport_CloseDataProducerRequest,
                      FBS::Transport::CreateCloseDataProducerRequestDirect(builder, id.c_str()));
      case WorkerObjectKind::kDataConsumer:
        return Finish(Kind::Transport_CloseDataConsumerRequest,
                      FBS::Transport::CreateCloseDataConsumerRequestDirect(builder, id.c_str()));
    }
    return RequestBody{};
  };
}

}  // namespace

/// What all users of one worker share.
struct MediaWorker::Shared {
  int index;
  std::shared_ptr<WorkerChannel> channel;
  std::string webrtc_server_id;
  int room_count = 0;
  /// By ids that the receivers hold: in a large room there are 180,000.
  std::unordered_map<std::string_view, std::shared_ptr<WorkerEventReceiver>> receivers;
};

MediaWorker::MediaWorker(int index, std::shared_ptr<WorkerChannel> channel)
    : MediaWorker(std::make_shared<Shared>(Shared{index, std::move(channel), {}, 0, {}}),
                  WorkerChannel::kBusy, "") {}

MediaWorker::MediaWorker(std::shared_ptr<Shared> shared, size_t busy, std::string source)
    : shared_(std::move(shared)),
      channel_(shared_->channel),
      source_(std::move(source)),
      lane_(channel_->NewLane(busy, source_)) {}

MediaWorker::~MediaWorker() = default;

std::shared_ptr<MediaWorker> MediaWorker::ForSource(std::string source) const {
  return std::shared_ptr<MediaWorker>(
      new MediaWorker(shared_, WorkerChannel::kBusy, std::move(source)));
}

std::shared_ptr<MediaWorker> MediaWorker::ForUser() const {
  return std::shared_ptr<MediaWorker>(new MediaWorker(shared_, WorkerChannel::kBusy, source_));
}

std::shared_ptr<MediaWorker> MediaWorker::ForBulk() const {
  return std::shared_ptr<MediaWorker>(new MediaWorker(shared_, WorkerChannel::kBulkBusy, source_));
}

int MediaWorker::index() const { return shared_->index; }
bool MediaWorker::alive() const { return !channel_->closed(); }
const asio::any_io_executor& MediaWorker::executor() const { return channel_->executor(); }
const std::string& MediaWorker::webrtc_server_id() const { return shared_->webrtc_server_id; }
void MediaWorker::set_webrtc_server_id(std::string id) {
  shared_->webrtc_server_id = std::move(id);
}
bool MediaWorker::IsBusy() const { return WorkerChannel::IsBusy(*lane_); }
Task<void> MediaWorker::Calm() const { return WorkerChannel::Calm(lane_); }
int& MediaWorker::room_count() { return shared_->room_count; }

void MediaWorker::Subscribe(std::string_view id, std::shared_ptr<WorkerEventReceiver> receiver) {
  shared_->receivers.erase(id);  // the text of the key goes with its receiver
  shared_->receivers.emplace(id, std::move(receiver));
}

void MediaWorker::Unsubscribe(std::string_view id) {
  auto& receivers = shared_->receivers;
  receivers.erase(id);
  // After a room of 300 with its 180,000 consumers the table would keep some megabytes for nothing.
  constexpr size_t kMinShrink = 1'024;
  constexpr size_t kShrinkBelow = 16;
  const size_t buckets = receivers.bucket_count();
  if (buckets > kMinShrink && receivers.size() < buckets / kShrinkBelow) receivers.rehash(0);
}

void MediaWorker::Dispatch(const FBS::Notification::Notification& notification) {
  const auto it = shared_->receivers.find(notification.handler_id()->string_view());
  if (it == shared_->receivers.end()) return;
  const std::shared_ptr<WorkerEventReceiver> receiver = it->second;  // survives its Unsubscribe
  if (const auto event = DecodeEvent(notification)) receiver->OnWorkerEvent(*event);
}

Task<Result<WorkerResponse>> MediaWorker::Ask(Method method, std::string handler_id, Body body) {
  return channel_->Request(lane_, method, std::move(handler_id), std::move(body));
}

Task<Status> MediaWorker::Call(Method method, std::string handler_id, Body body) {
  const Result<WorkerResponse> response =
      co_await channel_->Request(lane_, method, std::move(handler_id), std::move(body));
  co_return response.status();
}

Task<Status> MediaWorker::CloseObject(WorkerObjectKind kind, std::string parent_id,
                                      std::string id) {
  return Call(CloseMethod(kind), std::move(parent_id), CloseBody(kind, std::move(id)));
}

void MediaWorker::PostClose(WorkerObjectKind kind, const std::string& parent_id,
                            const std::string& id) {
  channel_->Post(lane_, CloseMethod(kind), parent_id, CloseBody(kind, id), "closing an object");
}

Task<Status> MediaWorker::CreateWebRtcServer(std::string id, std::vector<ListenAddress> listen) {
  return Call(Method::WORKER_CREATE_WEBRTCSERVER, "",
              [id = std::move(id), listen = std::move(listen)](FlatBufferBuilder& builder) {
                const auto infos = EncodeListens(builder, listen);
                return Finish(Kind::Worker_CreateWebRtcServerRequest,
                              FBS::Worker::CreateCreateWebRtcServerRequestDirect(
                                  builder, id.c_str(), &infos));
              });
}

Task<Status> MediaWorker::CreateRouter(std::string id) {
  return Call(Method::WORKER_CREATE_ROUTER, "", [id = std::move(id)](FlatBufferBuilder& builder) {
    return Finish(Kind::Worker_CreateRouterRequest,
                  FBS::Worker::CreateCreateRouterRequestDirect(builder, id.c_str()));
  });
}

Task<Status> MediaWorker::CreateAudioLevelObserver(std::string router_id, std::string id,
                                                   uint16_t max_entries, int8_t threshold,
                                                   uint16_t interval_ms) {
  return Call(Method::ROUTER_CREATE_AUDIOLEVELOBSERVER, std::move(router_id),
              [=, id = std::move(id)](FlatBufferBuilder& builder) {
                const auto options = FBS::AudioLevelObserver::CreateAudioLevelObserverOptions(
                    builder, max_entries, threshold, interval_ms);
                return Finish(Kind::Router_CreateAudioLevelObserverRequest,
                              FBS::Router::CreateCreateAudioLevelObserverRequestDirect(
                                  builder, id.c_str(), options));
              });
}

Task<Status> MediaWorker::AddToObserver(std::string observer_id, std::string producer_id) {
  return Call(Method::RTPOBSERVER_ADD_PRODUCER, std::move(observer_id),
              [producer_id = std::move(producer_id)](FlatBufferBuilder& builder) {
                return Finish(
                    Kind::RtpObserver_AddProducerRequest,
                    FBS::RtpObserver::CreateAddProducerRequestDirect(builder, producer_id.c_str()));
              });
}

Task<Result<WebRtcTransportInfo>> MediaWorker::CreateWebRtcTransport(
    std::string router_id, std::string id, WebRtcTransportOptions options) {
  const bool with_server = !options.webrtc_server_id.empty();
  Body body = [id, options, with_server](FlatBufferBuilder& builder) {
    namespace fbs = FBS::WebRtcTransport;
    const auto base =
        EncodeBaseOptions(builder, options.initial_outgoing_bitrate, options.enable_sctp,
                          /*is_data_channel=*/true, options.terminate_dcep);
    Offset<void> listen;
    if (with_server) {
      listen = fbs::CreateListenServerDirect(builder, options.webrtc_server_id.c_str()).Union();
    } else {
      const auto infos = EncodeListens(builder, options.listen);
      listen = fbs::CreateListenIndividualDirect(builder, &infos).Union();
    }
    const auto encoded = fbs::CreateWebRtcTransportOptions(
        builder, base, with_server ? fbs::Listen::ListenServer : fbs::Listen::ListenIndividual,
        listen, options.enable_udp, options.enable_tcp, /*prefer_udp=*/false, /*prefer_tcp=*/false,
        options.ice_consent_timeout);
    return Finish(
        Kind::Router_CreateWebRtcTransportRequest,
        FBS::Router::CreateCreateWebRtcTransportRequestDirect(builder, id.c_str(), encoded));
  };
  const Result<WorkerResponse> response =
      co_await Ask(with_server ? Method::ROUTER_CREATE_WEBRTCTRANSPORT_WITH_SERVER
                               : Method::ROUTER_CREATE_WEBRTCTRANSPORT,
                   std::move(router_id), std::move(body));
  if (!response.ok()) co_return response.status();
  co_return DecodeWebRtcTransport(*response->message);
}

Task<Result<PlainTransportInfo>> MediaWorker::CreatePlainTransport(std::string router_id,
                                                                   std::string id,
                                                                   PlainTransportOptions options) {
  Body body = [id, options](FlatBufferBuilder& builder) {
    const auto base = EncodeBaseOptions(builder, 0, options.enable_sctp, /*is_data_channel=*/false);
    const auto listen = EncodeListen(builder, options.listen);
    Offset<FBS::Transport::ListenInfo> rtcp_listen;
    if (options.rtcp_listen) rtcp_listen = EncodeListen(builder, *options.rtcp_listen);
    Offset<flatbuffers::String> source;
    if (!options.source_ip.empty()) source = builder.CreateString(options.source_ip);
    const auto encoded = FBS::PlainTransport::CreatePlainTransportOptions(
        builder, base, listen, rtcp_listen, options.rtcp_mux, options.comedia,
        /*enable_srtp=*/false, /*srtp_crypto_suite=*/{}, source, options.source_only,
        options.source_receives, options.relock,
        static_cast<uint32_t>(options.receiver_timeout.count()), options.public_destinations);
    return Finish(
        Kind::Router_CreatePlainTransportRequest,
        FBS::Router::CreateCreatePlainTransportRequestDirect(builder, id.c_str(), encoded));
  };
  const Result<WorkerResponse> response =
      co_await Ask(Method::ROUTER_CREATE_PLAINTRANSPORT, std::move(router_id), std::move(body));
  if (!response.ok()) co_return response.status();
  co_return DecodePlainTransport(*response->message);
}

Task<Status> MediaWorker::ConnectWebRtcTransport(std::string id, DtlsParameters remote) {
  for (const DtlsFingerprint& fingerprint : remote.fingerprints) {
    const auto algorithm = EncodeAlgorithm(fingerprint.algorithm);
    if (!algorithm.ok()) co_return algorithm.status();
  }
  Body body = [remote](FlatBufferBuilder& builder) {
    namespace fbs = FBS::WebRtcTransport;
    std::vector<Offset<fbs::Fingerprint>> fingerprints;
    for (const DtlsFingerprint& fingerprint : remote.fingerprints) {
      fingerprints.push_back(fbs::CreateFingerprintDirect(
          builder, *EncodeAlgorithm(fingerprint.algorithm), fingerprint.value.c_str()));
    }
    const auto parameters = fbs::CreateDtlsParametersDirect(
        builder, &fingerprints, static_cast<fbs::DtlsRole>(remote.role));
    return Finish(Kind::WebRtcTransport_ConnectRequest,
                  fbs::CreateConnectRequest(builder, parameters));
  };
  co_return co_await Call(Method::WEBRTCTRANSPORT_CONNECT, std::move(id), std::move(body));
}

Task<Status> MediaWorker::ConnectPlainTransport(std::string id, PlainDestination destination) {
  Body body = [destination](FlatBufferBuilder& builder) {
    flatbuffers::Optional<uint16_t> rtcp_port;
    if (destination.rtcp_port) rtcp_port = *destination.rtcp_port;
    return Finish(Kind::PlainTransport_ConnectRequest,
                  FBS::PlainTransport::CreateConnectRequestDirect(builder, destination.ip.c_str(),
                                                                  destination.port, rtcp_port));
  };
  co_return co_await Call(Method::PLAINTRANSPORT_CONNECT, std::move(id), std::move(body));
}

Task<Result<WorkerCounters>> MediaWorker::GetCounters() {
  Body none;
  const Result<WorkerResponse> response =
      co_await Ask(Method::WORKER_GET_COUNTERS, "", std::move(none));
  if (!response.ok()) co_return response.status();
  const auto* body = response->message->body_as_Worker_GetCountersResponse();
  if (!body) co_return Error("the worker answered without counters");
  co_return DecodeCounters(*body);
}

Task<Result<IceParameters>> MediaWorker::RestartIce(std::string id) {
  Body none;
  const Result<WorkerResponse> response =
      co_await Ask(Method::TRANSPORT_RESTART_ICE, std::move(id), std::move(none));
  if (!response.ok()) co_return response.status();
  const auto* body = response->message->body_as_Transport_RestartIceResponse();
  if (!body) co_return Error("the worker answered without ICE parameters");
  co_return IceParameters{body->username_fragment()->str(), body->password()->str(),
                          body->ice_lite()};
}

Task<Status> MediaWorker::SetMaxIncomingBitrate(std::string id, uint64_t bps) {
  return Call(Method::TRANSPORT_SET_MAX_INCOMING_BITRATE, std::move(id),
              [bps](FlatBufferBuilder& builder) {
                return Finish(Kind::Transport_SetMaxIncomingBitrateRequest,
                              FBS::Transport::CreateSetMaxIncomingBitrateRequest(builder, bps));
              });
}

Task<Status> MediaWorker::EnableBandwidthTrace(std::string id) {
  return Call(Method::TRANSPORT_ENABLE_TRACE_EVENT, std::move(id), [](FlatBufferBuilder& builder) {
    const std::vector<FBS::Transport::TraceEventType> events{FBS::Transport::TraceEventType::BWE};
    return Finish(Kind::Transport_EnableTraceEventRequest,
                  FBS::Transport::CreateEnableTraceEventRequestDirect(builder, &events));
  });
}

Task<Result<RtpType>> MediaWorker::Produce(std::string transport_id, ProduceOptions options) {
  Body body = [options = std::move(options)](FlatBufferBuilder& builder) {
    const auto rtp = Encode(builder, options.parameters);
    const auto map = Encode(builder, options.mapping);
    const auto delay = static_cast<uint32_t>(options.key_frame_request_delay.count());
    return Finish(
        Kind::Transport_ProduceRequest,
        FBS::Transport::CreateProduceRequestDirect(
            builder, options.producer_id.c_str(), EncodeKind(options.kind), rtp, map,
            /*paused=*/false, delay, /*enable_mediasoup_packet_id_header_extension=*/false,
            options.report_wanted_layers));
  };
  const Result<WorkerResponse> response =
      co_await Ask(Method::TRANSPORT_PRODUCE, std::move(transport_id), std::move(body));
  if (!response.ok()) co_return response.status();
  const auto* answer = response->message->body_as_Transport_ProduceResponse();
  if (!answer) co_return Error("the worker answered without a producer type");
  co_return static_cast<RtpType>(answer->type());
}

Task<Status> MediaWorker::PauseProducer(std::string id) {
  return Call(Method::PRODUCER_PAUSE, std::move(id), {});
}

Task<Status> MediaWorker::ResumeProducer(std::string id) {
  return Call(Method::PRODUCER_RESUME, std::move(id), {});
}

Task<Result<ConsumeResult>> MediaWorker::Consume(std::string transport_id, ConsumeOptions options) {
  Body body = [options = std::move(options)](FlatBufferBuilder& builder) {
    const auto rtp = Encode(builder, *options.parameters, options.mid, options.encodings);
    const auto encodings = Encode(builder, options.consumable->encodings);
    flatbuffers::Optional<uint8_t> source_type;
    if (options.source_payload_type) source_type = *options.source_payload_type;
    return Finish(
        Kind::Transport_ConsumeRequest,
        FBS::Transport::CreateConsumeRequestDirect(
            builder, options.consumer_id.c_str(), options.producer_id.c_str(),
            EncodeKind(options.kind), rtp, static_cast<FBS::RtpParameters::Type>(options.type),
            &encodings, options.paused, /*preferred_layers=*/{}, options.ignore_dtx, source_type,
            options.extmap_allow_mixed));
  };
  const Result<WorkerResponse> response =
      co_await Ask(Method::TRANSPORT_CONSUME, std::move(transport_id), std::move(body));
  if (!response.ok()) co_return response.status();
  const auto* answer = response->message->body_as_Transport_ConsumeResponse();
  if (!answer) co_return Error("the worker answered without a consumer");
  co_return ConsumeResult{answer->paused(), answer->producer_paused(),
                          DecodeScore(*answer->score())};
}

Task<Status> MediaWorker::PauseConsumer(std::string id) {
  return Call(Method::CONSUMER_PAUSE, std::move(id), {});
}

Task<Status> MediaWorker::ResumeConsumer(std::string id) {
  return Call(Method::CONSUMER_RESUME, std::move(id), {});
}

Task<Status> MediaWorker::SetPreferredLayers(std::string consumer_id, PreferredLayers layers) {
  return Call(Method::CONSUMER_SET_PREFERRED_LAYERS, std::move(consumer_id),
              [layers](FlatBufferBuilder& builder) {
                flatbuffers::Optional<uint8_t> temporal;
                if (layers.temporal) temporal = *layers.temporal;
                const auto encoded = FBS::Consumer::CreateConsumerLayers(
                    builder, layers.spatial.value_or(0), temporal);
                return Finish(Kind::Consumer_SetPreferredLayersRequest,
                              FBS::Consumer::CreateSetPreferredLayersRequest(
                                  builder, encoded, /*keep_spatial_layer=*/!layers.spatial));
              });
}

Task<Status> MediaWorker::SetPriority(std::string consumer_id, uint8_t priority) {
  return Call(Method::CONSUMER_SET_PRIORITY, std::move(consumer_id),
              [priority](FlatBufferBuilder& builder) {
                return Finish(Kind::Consumer_SetPriorityRequest,
                              FBS::Consumer::CreateSetPriorityRequest(builder, priority));
              });
}

Task<Status> MediaWorker::RequestKeyFrame(std::string consumer_id) {
  return Call(Method::CONSUMER_REQUEST_KEY_FRAME, std::move(consumer_id), {});
}

Task<Result<TransportTraffic>> MediaWorker::Traffic(std::string transport_id) {
  Body none;
  const Result<WorkerResponse> response =
      co_await Ask(Method::TRANSPORT_GET_STATS, std::move(transport_id), std::move(none));
  if (!response.ok()) co_return response.status();
  const auto read = [](const FBS::Transport::Stats& stats) {
    return TransportTraffic{stats.bytes_received(), stats.rtp_bytes_received()};
  };
  if (const auto* plain = response->message->body_as_PlainTransport_GetStatsResponse()) {
    co_return read(*plain->base());
  }
  if (const auto* webrtc = response->message->body_as_WebRtcTransport_GetStatsResponse()) {
    co_return read(*webrtc->base());
  }
  co_return Error("the worker answered without stats");
}

Task<Result<TransportStats>> MediaWorker::GetTransportStats(std::string id) {
  Body none;
  const Result<WorkerResponse> response =
      co_await Ask(Method::TRANSPORT_GET_STATS, std::move(id), std::move(none));
  if (!response.ok()) co_return response.status();
  co_return DecodeTransportStats(*response->message);
}

Task<Result<std::vector<RtpStreamStats>>> MediaWorker::GetProducerStats(std::string id) {
  Body none;
  const Result<WorkerResponse> response =
      co_await Ask(Method::PRODUCER_GET_STATS, std::move(id), std::move(none));
  if (!response.ok()) co_return response.status();
  co_return DecodeStreamStats(*response->message);
}

Task<Result<std::vector<RtpStreamStats>>> MediaWorker::GetConsumerStats(std::string id) {
  Body none;
  const Result<WorkerResponse> response =
      co_await Ask(Method::CONSUMER_GET_STATS, std::move(id), std::move(none));
  if (!response.ok()) co_return response.status();
  co_return DecodeStreamStats(*response->message);
}

Task<void> LogFailure(std::shared_ptr<MediaWorker> worker, Task<Status> call, const char* what) {
  const Status status = co_await std::move(call);
  if (!status.ok() && worker->alive()) LogDebug("{}: {}", what, Reason(status));
}

}  // namespace sluice::controller
