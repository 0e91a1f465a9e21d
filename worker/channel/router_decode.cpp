#include "worker/channel/router_decode.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "worker/channel/frame_fields.h"

namespace sluice::worker::router_protocol {

namespace {

namespace fb = flatbuffers;

Result<ParameterValue> DecodeParameterValue(const FBS::RtpParameters::Parameter& parameter) {
  if (const auto* value = parameter.value_as_Boolean()) return ParameterValue(value->value() != 0);
  if (const auto* value = parameter.value_as_Integer32()) return ParameterValue(value->value());
  if (const auto* value = parameter.value_as_Double()) return ParameterValue(value->value());
  if (const auto* value = parameter.value_as_String()) return ParameterValue(Text(value->value()));
  if (const auto* value = parameter.value_as_Integer32Array()) {
    std::vector<int32_t> items;
    if (value->value() != nullptr) items.assign(value->value()->begin(), value->value()->end());
    return ParameterValue(std::move(items));
  }
  return TypeError(
      fmt::format("parameter '{}' has value type {}; known are 1 (boolean) to 5 "
                  "(integer array)",
                  Text(parameter.name()), static_cast<int>(parameter.value_type())));
}

using FbParameters = fb::Vector<fb::Offset<FBS::RtpParameters::Parameter>>;

Result<Parameters> DecodeParameters(const FbParameters* parameters) {
  Parameters result;
  if (parameters == nullptr) return result;
  for (const auto* parameter : *parameters) {
    auto value = DecodeParameterValue(*parameter);
    if (!value.ok()) return value.status();
    result.insert_or_assign(Text(parameter->name()), *std::move(value));
  }
  return result;
}

Result<RtpCodecParameters> DecodeCodec(const FBS::RtpParameters::RtpCodecParameters& codec) {
  RtpCodecParameters result;
  result.mime_type = Text(codec.mime_type());
  result.payload_type = codec.payload_type();
  result.clock_rate = codec.clock_rate();
  // The library writes 0 channels for video (docs/protocols/router-protocol.md §9).
  result.channels = codec.channels().value_or(1) == 0 ? uint8_t{1} : codec.channels().value_or(1);
  auto parameters = DecodeParameters(codec.parameters());
  if (!parameters.ok()) return parameters.status();
  result.parameters = *std::move(parameters);
  if (codec.rtcp_feedback() != nullptr) {
    for (const auto* feedback : *codec.rtcp_feedback()) {
      result.rtcp_feedback.push_back({Text(feedback->type()), Text(feedback->parameter())});
    }
  }
  return result;
}

Result<RtpHeaderExtensionParameters> DecodeHeaderExtension(
    const FBS::RtpParameters::RtpHeaderExtensionParameters& extension) {
  const auto uri = static_cast<uint8_t>(extension.uri());
  if (uri >= kRtpExtensionUriCount) {
    return TypeError(fmt::format("headerExtensions[].uri is {}; known are 0 to {}", uri,
                                 kRtpExtensionUriCount - 1));
  }
  auto parameters = DecodeParameters(extension.parameters());
  if (!parameters.ok()) return parameters.status();
  return RtpHeaderExtensionParameters{static_cast<RtpExtensionUri>(uri), extension.id(),
                                      extension.encrypt(), *std::move(parameters)};
}

RtpEncodingParameters DecodeEncoding(const FBS::RtpParameters::RtpEncodingParameters& encoding) {
  RtpEncodingParameters result;
  result.ssrc = Optional(encoding.ssrc());
  result.rid = Text(encoding.rid());
  result.codec_payload_type = Optional(encoding.codec_payload_type());
  if (encoding.rtx() != nullptr) result.rtx_ssrc = encoding.rtx()->ssrc();
  result.dtx = encoding.dtx();
  result.scalability_mode = Text(encoding.scalability_mode());
  result.max_bitrate = Optional(encoding.max_bitrate());
  result.fec_ssrc = Optional(encoding.fec_ssrc());
  return result;
}

Result<RtpParameters> DecodeRtpParameters(const FBS::RtpParameters::RtpParameters& parameters) {
  RtpParameters result;
  result.mid = Text(parameters.mid());
  for (const auto* codec : *parameters.codecs()) {
    auto decoded = DecodeCodec(*codec);
    if (!decoded.ok()) return decoded.status();
    result.codecs.push_back(*std::move(decoded));
  }
  for (const auto* extension : *parameters.header_extensions()) {
    auto decoded = DecodeHeaderExtension(*extension);
    if (!decoded.ok()) return decoded.status();
    result.header_extensions.push_back(*std::move(decoded));
  }
  for (const auto* encoding : *parameters.encodings()) {
    result.encodings.push_back(DecodeEncoding(*encoding));
  }
  result.rtcp.cname = Text(parameters.rtcp()->cname());
  result.rtcp.reduced_size = parameters.rtcp()->reduced_size();
  result.msid = Text(parameters.msid());
  return result;
}

RtpMapping DecodeMapping(const FBS::RtpParameters::RtpMapping& mapping) {
  RtpMapping result;
  for (const auto* codec : *mapping.codecs()) {
    result.codecs.push_back({codec->payload_type(), codec->mapped_payload_type()});
  }
  for (const auto* encoding : *mapping.encodings()) {
    result.encodings.push_back(
        {Text(encoding->rid()), Optional(encoding->ssrc()), encoding->mapped_ssrc()});
  }
  return result;
}

Result<MediaKind> DecodeKind(FBS::RtpParameters::MediaKind kind) {
  switch (kind) {
    case FBS::RtpParameters::MediaKind::AUDIO:
      return MediaKind::kAudio;
    case FBS::RtpParameters::MediaKind::VIDEO:
      return MediaKind::kVideo;
  }
  return TypeError(fmt::format("kind is {}; it is 0 (audio) or 1 (video)", static_cast<int>(kind)));
}

Result<SrtpProfile> DecodeSuite(FBS::SrtpParameters::SrtpCryptoSuite suite) {
  const auto value = static_cast<uint8_t>(suite);
  if (value > static_cast<uint8_t>(SrtpProfile::kAesCm128HmacSha1_32)) {
    return TypeError(fmt::format("srtpCryptoSuite is {}; known are 0 to 3", value));
  }
  return static_cast<SrtpProfile>(value);
}

Result<std::optional<SrtpParameters>> DecodeSrtp(
    const FBS::SrtpParameters::SrtpParameters* parameters) {
  if (parameters == nullptr) return std::optional<SrtpParameters>();
  auto suite = DecodeSuite(parameters->crypto_suite());
  if (!suite.ok()) return suite.status();
  return std::optional<SrtpParameters>(SrtpParameters{*suite, Text(parameters->key_base64())});
}

TransportOptions DecodeBase(const FBS::Transport::Options& options) {
  TransportOptions result;
  result.direct = options.direct();
  result.initial_available_outgoing_bitrate =
      Optional(options.initial_available_outgoing_bitrate());
  result.enable_sctp = options.enable_sctp();
  result.max_send_message_size = options.max_send_message_size();
  result.max_receive_message_size = options.max_receive_message_size();
  result.sctp_send_buffer_size = options.sctp_send_buffer_size();
  result.sctp_per_stream_send_queue_limit = options.sctp_per_stream_send_queue_limit();
  result.sctp_max_receiver_window_buffer_size = options.sctp_max_receiver_window_buffer_size();
  result.sctp_default_stream_buffered_amount_low_threshold =
      options.sctp_default_stream_buffered_amount_low_threshold();
  result.is_data_channel = options.is_data_channel();
  result.terminate_dcep = options.terminate_dcep();
  return result;
}

}  // namespace

Result<ListenInfo> DecodeListenInfo(const FBS::Transport::ListenInfo& info) {
  ListenInfo result;
  switch (info.protocol()) {
    case FBS::Transport::Protocol::UDP:
      result.protocol = TransportProtocol::kUdp;
      break;
    case FBS::Transport::Protocol::TCP:
      result.protocol = TransportProtocol::kTcp;
      break;
    default:
      return TypeError(fmt::format("listenInfo.protocol is {}; it is 1 (UDP) or 2 (TCP)",
                                   static_cast<int>(info.protocol())));
  }
  result.ip = Text(info.ip());
  result.announced_address = Text(info.announced_address());
  result.expose_internal_ip = info.expose_internal_ip();
  result.port = info.port();
  result.port_min = info.port_range()->min();
  result.port_max = info.port_range()->max();
  result.ipv6_only = info.flags()->ipv6_only();
  result.udp_reuse_port = info.flags()->udp_reuse_port();
  result.send_buffer_size = info.send_buffer_size();
  result.recv_buffer_size = info.recv_buffer_size();
  return result;
}

Result<std::vector<ListenInfo>> DecodeListenInfos(
    const fb::Vector<fb::Offset<FBS::Transport::ListenInfo>>* infos) {
  std::vector<ListenInfo> result;
  if (infos == nullptr) return result;
  for (const auto* info : *infos) {
    auto decoded = DecodeListenInfo(*info);
    if (!decoded.ok()) return decoded.status();
    result.push_back(*std::move(decoded));
  }
  return result;
}

Result<WebRtcTransportOptions> DecodeWebRtcTransportOptions(
    const FBS::WebRtcTransport::WebRtcTransportOptions& options) {
  WebRtcTransportOptions result;
  result.base = DecodeBase(*options.base());
  if (const auto* individual = options.listen_as_ListenIndividual()) {
    auto infos = DecodeListenInfos(individual->listen_infos());
    if (!infos.ok()) return infos.status();
    result.listen_infos = *std::move(infos);
  } else if (const auto* server = options.listen_as_ListenServer()) {
    result.webrtc_server_id = Text(server->web_rtc_server_id());
  } else {
    return TypeError(fmt::format("listen has type {}; it is 1 (own sockets) or 2 (server)",
                                 static_cast<int>(options.listen_type())));
  }
  result.enable_udp = options.enable_udp();
  result.enable_tcp = options.enable_tcp();
  result.prefer_udp = options.prefer_udp();
  result.prefer_tcp = options.prefer_tcp();
  result.ice_consent_timeout = options.ice_consent_timeout();
  return result;
}

Result<PlainTransportOptions> DecodePlainTransportOptions(
    const FBS::PlainTransport::PlainTransportOptions& options) {
  PlainTransportOptions result;
  result.base = DecodeBase(*options.base());
  auto listen = DecodeListenInfo(*options.listen_info());
  if (!listen.ok()) return listen.status();
  result.listen_info = *std::move(listen);
  if (options.rtcp_listen_info() != nullptr) {
    auto rtcp = DecodeListenInfo(*options.rtcp_listen_info());
    if (!rtcp.ok()) return rtcp.status();
    result.rtcp_listen_info = *std::move(rtcp);
  }
  result.rtcp_mux = options.rtcp_mux();
  result.comedia = options.comedia();
  result.enable_srtp = options.enable_srtp();
  if (const auto suite = options.srtp_crypto_suite(); suite.has_value()) {
    auto decoded = DecodeSuite(*suite);
    if (!decoded.ok()) return decoded.status();
    result.srtp_crypto_suite = *decoded;
  }
  if (options.source_ip() != nullptr) result.source_ip = options.source_ip()->str();
  result.source_only = options.source_only();
  result.source_receives = options.source_receives();
  result.relock = options.relock();
  result.receiver_timeout = options.receiver_timeout();
  result.public_destinations = options.public_destinations();
  return result;
}

Result<PlainConnectOptions> DecodePlainConnect(const FBS::PlainTransport::ConnectRequest& request) {
  PlainConnectOptions result;
  result.ip = Text(request.ip());
  result.port = Optional(request.port());
  result.rtcp_port = Optional(request.rtcp_port());
  auto srtp = DecodeSrtp(request.srtp_parameters());
  if (!srtp.ok()) return srtp.status();
  result.srtp_parameters = *std::move(srtp);
  return result;
}

Result<PipeTransportOptions> DecodePipeTransportOptions(
    const FBS::PipeTransport::PipeTransportOptions& options) {
  PipeTransportOptions result;
  result.base = DecodeBase(*options.base());
  auto listen = DecodeListenInfo(*options.listen_info());
  if (!listen.ok()) return listen.status();
  result.listen_info = *std::move(listen);
  result.enable_rtx = options.enable_rtx();
  result.enable_srtp = options.enable_srtp();
  return result;
}

Result<PipeConnectOptions> DecodePipeConnect(const FBS::PipeTransport::ConnectRequest& request) {
  PipeConnectOptions result;
  result.ip = Text(request.ip());
  result.port = Optional(request.port());
  auto srtp = DecodeSrtp(request.srtp_parameters());
  if (!srtp.ok()) return srtp.status();
  result.srtp_parameters = *std::move(srtp);
  return result;
}

DirectTransportOptions DecodeDirectTransportOptions(
    const FBS::DirectTransport::DirectTransportOptions& options) {
  return {DecodeBase(*options.base())};
}

Result<DtlsParameters> DecodeDtlsParameters(
    const FBS::WebRtcTransport::DtlsParameters& parameters) {
  DtlsParameters result;
  if (parameters.role() > FBS::WebRtcTransport::DtlsRole::SERVER) {
    return TypeError(fmt::format("dtlsParameters.role is {}; known are 0 to 2",
                                 static_cast<int>(parameters.role())));
  }
  result.role = static_cast<DtlsRole>(parameters.role());
  for (const auto* fingerprint : *parameters.fingerprints()) {
    if (fingerprint->algorithm() > FBS::WebRtcTransport::FingerprintAlgorithm::SHA512) {
      return TypeError(fmt::format("fingerprints[].algorithm is {}; known are 0 to 4",
                                   static_cast<int>(fingerprint->algorithm())));
    }
    result.fingerprints.push_back(
        {static_cast<FingerprintAlgorithm>(fingerprint->algorithm()), Text(fingerprint->value())});
  }
  return result;
}

ConsumerLayers DecodeLayers(const FBS::Consumer::ConsumerLayers& layers) {
  return {layers.spatial_layer(), Optional(layers.temporal_layer())};
}

Result<std::vector<WantedLayers>> DecodeWantedLayers(
    const FBS::Consumer::SetWantedLayersRequest& request) {
  std::vector<WantedLayers> result;
  for (const FBS::Producer::WantedEncoding* each : *request.encodings()) {
    const int spatial = each->spatial_layer();
    const int temporal = each->temporal_layer();
    if (spatial < -1 || temporal < -1 || (spatial == -1) != (temporal == -1)) {
      return TypeError(fmt::format(
          "encodings[{}] has spatialLayer {} and temporalLayer {}: both are -1, or neither is less "
          "than 0",
          result.size(), spatial, temporal));
    }
    const auto layer = [](int value) {
      return static_cast<uint8_t>(std::min<int>(value, WantedLayers::kAll));
    };
    result.push_back(spatial == -1 ? WantedLayers{}
                                   : WantedLayers{true, layer(spatial), layer(temporal)});
  }
  return result;
}

namespace {

/// What a request to produce and one to consume have in common.
template <typename Request, typename Options>
Status DecodeMedia(const Request& request, Options* options) {
  auto kind = DecodeKind(request.kind());
  if (!kind.ok()) return kind.status();
  options->kind = *kind;
  auto parameters = DecodeRtpParameters(*request.rtp_parameters());
  if (!parameters.ok()) return parameters.status();
  options->rtp_parameters = *std::move(parameters);
  return absl::OkStatus();
}

}  // namespace

Result<ProduceOptions> DecodeProduce(const FBS::Transport::ProduceRequest& request) {
  ProduceOptions result;
  result.producer_id = Text(request.producer_id());
  SLUICE_RETURN_IF_ERROR(DecodeMedia(request, &result));
  result.rtp_mapping = DecodeMapping(*request.rtp_mapping());
  result.paused = request.paused();
  result.key_frame_request_delay = request.key_frame_request_delay();
  result.enable_packet_id_extension = request.enable_mediasoup_packet_id_header_extension();
  result.report_wanted_layers = request.report_wanted_layers();
  return result;
}

Result<ConsumeOptions> DecodeConsume(const FBS::Transport::ConsumeRequest& request) {
  ConsumeOptions result;
  result.consumer_id = Text(request.consumer_id());
  result.producer_id = Text(request.producer_id());
  SLUICE_RETURN_IF_ERROR(DecodeMedia(request, &result));
  if (request.type() > FBS::RtpParameters::Type::PIPE) {
    return TypeError(fmt::format("type is {}; known are 0 to 3", static_cast<int>(request.type())));
  }
  result.type = static_cast<RtpType>(request.type());
  for (const auto* encoding : *request.consumable_rtp_encodings()) {
    result.consumable_rtp_encodings.push_back(DecodeEncoding(*encoding));
  }
  result.paused = request.paused();
  if (request.preferred_layers() != nullptr) {
    result.preferred_layers = DecodeLayers(*request.preferred_layers());
  }
  result.ignore_dtx = request.ignore_dtx();
  if (request.source_payload_type()) result.source_payload_type = *request.source_payload_type();
  result.extmap_allow_mixed = request.extmap_allow_mixed();
  return result;
}

}  // namespace sluice::worker::router_protocol
