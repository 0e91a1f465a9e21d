#include "controller/worker/event_decoding.h"

#include <boost/json/object.hpp>
#include <string>

#include "common/fingerprint_names.h"

namespace sluice::controller {

namespace json = boost::json;

namespace {

std::string Text(const flatbuffers::String* text) { return text ? text->str() : std::string(); }

std::string_view IceStateName(FBS::WebRtcTransport::IceState state) {
  switch (state) {
    case FBS::WebRtcTransport::IceState::NEW:
      return "new";
    case FBS::WebRtcTransport::IceState::CONNECTED:
      return "connected";
    case FBS::WebRtcTransport::IceState::COMPLETED:
      return "completed";
    case FBS::WebRtcTransport::IceState::DISCONNECTED:
      return "disconnected";
  }
  return "new";
}

std::string_view DtlsStateName(FBS::WebRtcTransport::DtlsState state) {
  switch (state) {
    case FBS::WebRtcTransport::DtlsState::NEW:
      return "new";
    case FBS::WebRtcTransport::DtlsState::CONNECTING:
      return "connecting";
    case FBS::WebRtcTransport::DtlsState::CONNECTED:
      return "connected";
    case FBS::WebRtcTransport::DtlsState::FAILED:
      return "failed";
    case FBS::WebRtcTransport::DtlsState::CLOSED:
      return "closed";
  }
  return "new";
}

std::string_view SctpStateName(FBS::SctpAssociation::SctpState state) {
  switch (state) {
    case FBS::SctpAssociation::SctpState::NEW:
      return "new";
    case FBS::SctpAssociation::SctpState::CONNECTING:
      return "connecting";
    case FBS::SctpAssociation::SctpState::CONNECTED:
      return "connected";
    case FBS::SctpAssociation::SctpState::FAILED:
      return "failed";
    case FBS::SctpAssociation::SctpState::CLOSED:
      return "closed";
  }
  return "new";
}

template <typename T>
void AddIfSet(json::object& object, std::string_view name, const flatbuffers::Optional<T>& value) {
  if (value.has_value()) object[name] = *value;
}

json::object TupleJson(const FBS::Transport::Tuple& tuple) {
  json::object object;
  const std::string address = Text(tuple.local_address());
  object["localIp"] = address;
  object["localAddress"] = address;
  object["localPort"] = tuple.local_port();
  if (tuple.remote_ip()) {
    object["remoteIp"] = Text(tuple.remote_ip());
    object["remotePort"] = tuple.remote_port();
  }
  object["protocol"] = tuple.protocol() == FBS::Transport::Protocol::TCP ? "tcp" : "udp";
  return object;
}

json::object BaseTransportStats(const FBS::Transport::Stats& base, std::string_view type) {
  json::object object;
  object["type"] = type;
  object["transportId"] = Text(base.transport_id());
  object["timestamp"] = base.timestamp();
  if (base.sctp_state().has_value()) object["sctpState"] = SctpStateName(*base.sctp_state());
  object["bytesReceived"] = base.bytes_received();
  object["recvBitrate"] = base.recv_bitrate();
  object["bytesSent"] = base.bytes_sent();
  object["sendBitrate"] = base.send_bitrate();
  object["rtpBytesReceived"] = base.rtp_bytes_received();
  object["rtpRecvBitrate"] = base.rtp_recv_bitrate();
  object["rtpBytesSent"] = base.rtp_bytes_sent();
  object["rtpSendBitrate"] = base.rtp_send_bitrate();
  object["rtxBytesReceived"] = base.rtx_bytes_received();
  object["rtxRecvBitrate"] = base.rtx_recv_bitrate();
  object["rtxBytesSent"] = base.rtx_bytes_sent();
  object["rtxSendBitrate"] = base.rtx_send_bitrate();
  object["probationBytesSent"] = base.probation_bytes_sent();
  object["probationSendBitrate"] = base.probation_send_bitrate();
  AddIfSet(object, "availableOutgoingBitrate", base.available_outgoing_bitrate());
  AddIfSet(object, "availableIncomingBitrate", base.available_incoming_bitrate());
  AddIfSet(object, "maxIncomingBitrate", base.max_incoming_bitrate());
  AddIfSet(object, "maxOutgoingBitrate", base.max_outgoing_bitrate());
  AddIfSet(object, "minOutgoingBitrate", base.min_outgoing_bitrate());
  AddIfSet(object, "rtpPacketLossReceived", base.rtp_packet_loss_received());
  AddIfSet(object, "rtpPacketLossSent", base.rtp_packet_loss_sent());
  return object;
}

/// Fields common to both directions; `stats` is the table whose union holds a BaseStats.
void AddBaseStreamStats(json::object& object, const FBS::RtpStream::Stats* stats) {
  const FBS::RtpStream::BaseStats* base = stats ? stats->data_as_BaseStats() : nullptr;
  if (!base) return;
  object["timestamp"] = base->timestamp();
  object["ssrc"] = base->ssrc();
  AddIfSet(object, "rtxSsrc", base->rtx_ssrc());
  if (base->rid() && base->rid()->size() > 0) object["rid"] = Text(base->rid());
  object["kind"] = base->kind() == FBS::RtpParameters::MediaKind::AUDIO ? "audio" : "video";
  object["mimeType"] = Text(base->mime_type());
  object["packetsLost"] = base->packets_lost();
  object["fractionLost"] = base->fraction_lost();
  object["jitter"] = base->jitter();
  object["packetsDiscarded"] = base->packets_discarded();
  object["packetsRetransmitted"] = base->packets_retransmitted();
  object["packetsRepaired"] = base->packets_repaired();
  object["nackCount"] = base->nack_count();
  object["nackPacketCount"] = base->nack_packet_count();
  object["pliCount"] = base->pli_count();
  object["firCount"] = base->fir_count();
  object["roundTripTime"] = static_cast<double>(base->round_trip_time());
  object["rtxPacketsDiscarded"] = base->rtx_packets_discarded();
  object["score"] = base->score();
}

json::object StreamStatsJson(const FBS::RtpStream::Stats& stats) {
  json::object object;
  if (const auto* received = stats.data_as_RecvStats()) {
    object["type"] = "inbound-rtp";
    AddBaseStreamStats(object, received->base());
    object["packetCount"] = received->packet_count();
    object["byteCount"] = received->byte_count();
    object["bitrate"] = received->bitrate();
    json::object layers;
    for (const auto* layer : *received->bitrate_by_layer()) {
      layers[layer->layer()->string_view()] = layer->bitrate();
    }
    object["bitrateByLayer"] = std::move(layers);
  } else if (const auto* sent = stats.data_as_SendStats()) {
    object["type"] = "outbound-rtp";
    AddBaseStreamStats(object, sent->base());
    object["packetCount"] = sent->packet_count();
    object["byteCount"] = sent->byte_count();
    object["bitrate"] = sent->bitrate();
  }
  return object;
}

ProducerScoreChanged DecodeProducerScore(const FBS::Producer::ScoreNotification& body) {
  ProducerScoreChanged event;
  for (const auto* score : *body.scores()) {
    event.scores.push_back(
        {score->encoding_idx(), score->ssrc(), Text(score->rid()), score->score()});
  }
  return event;
}

ConsumerLayersChanged DecodeLayers(const FBS::Consumer::LayersChangeNotification& body) {
  ConsumerLayersChanged event;
  if (const auto* layers = body.layers()) {
    event.layers = ConsumerLayers{layers->spatial_layer(), std::nullopt};
    if (layers->temporal_layer().has_value()) event.layers->temporal = *layers->temporal_layer();
  }
  return event;
}

PlainPeerMoved DecodePeer(const FBS::Transport::Tuple& tuple) {
  return {Text(tuple.remote_ip()), tuple.remote_port()};
}

AudioVolumes DecodeVolumes(const FBS::AudioLevelObserver::VolumesNotification& body) {
  AudioVolumes event;
  for (const auto* volume : *body.volumes()) {
    event.entries.push_back({Text(volume->producer_id()), volume->volume()});
  }
  return event;
}

std::optional<SctpParameters> DecodeSctp(const FBS::Transport::Dump& transport) {
  const auto* sctp = transport.sctp_parameters();
  if (!sctp) return std::nullopt;
  return SctpParameters{sctp->port(), sctp->max_send_message_size(),
                        sctp->max_receive_message_size()};
}

}  // namespace

ConsumerScore DecodeScore(const FBS::Consumer::ConsumerScore& score) {
  ConsumerScore decoded{score.score(), score.producer_score(), {}};
  decoded.producer_scores.assign(score.producer_scores()->begin(), score.producer_scores()->end());
  return decoded;
}

std::optional<WorkerEvent> DecodeEvent(const FBS::Notification::Notification& notification) {
  using FBS::Notification::Event;
  switch (notification.event()) {
    case Event::WEBRTCTRANSPORT_ICE_STATE_CHANGE:
      if (const auto* body = notification.body_as_WebRtcTransport_IceStateChangeNotification()) {
        return IceStateChanged{static_cast<IceState>(body->ice_state())};
      }
      return std::nullopt;
    case Event::WEBRTCTRANSPORT_DTLS_STATE_CHANGE:
      if (const auto* body = notification.body_as_WebRtcTransport_DtlsStateChangeNotification()) {
        return DtlsStateChanged{static_cast<DtlsState>(body->dtls_state())};
      }
      return std::nullopt;
    case Event::PLAINTRANSPORT_TUPLE:
      if (const auto* body = notification.body_as_PlainTransport_TupleNotification()) {
        return DecodePeer(*body->tuple());
      }
      return std::nullopt;
    case Event::PLAINTRANSPORT_RTCP_TUPLE:
      if (const auto* body = notification.body_as_PlainTransport_RtcpTupleNotification()) {
        return DecodePeer(*body->tuple());
      }
      return std::nullopt;
    case Event::PLAINTRANSPORT_RECEIVER:
      if (const auto* body = notification.body_as_PlainTransport_ReceiverNotification()) {
        return PlainReceiverChanged{body->listens()};
      }
      return std::nullopt;
    case Event::PRODUCER_SCORE:
      if (const auto* body = notification.body_as_Producer_ScoreNotification()) {
        return DecodeProducerScore(*body);
      }
      return std::nullopt;
    case Event::CONSUMER_SCORE:
      if (const auto* body = notification.body_as_Consumer_ScoreNotification()) {
        return ConsumerScoreChanged{DecodeScore(*body->score())};
      }
      return std::nullopt;
    case Event::CONSUMER_LAYERS_CHANGE:
      if (const auto* body = notification.body_as_Consumer_LayersChangeNotification()) {
        return DecodeLayers(*body);
      }
      return std::nullopt;
    case Event::CONSUMER_PRODUCER_PAUSE:
      return ConsumerProducerPaused{};
    case Event::CONSUMER_PRODUCER_RESUME:
      return ConsumerProducerResumed{};
    case Event::CONSUMER_PRODUCER_CLOSE:
      return ConsumerProducerClosed{};
    case Event::DATACONSUMER_DATAPRODUCER_CLOSE:
      return DataProducerClosed{};
    case Event::DATACONSUMER_MESSAGE:
      if (const auto* body = notification.body_as_DataConsumer_MessageNotification()) {
        const auto* bytes = reinterpret_cast<const char*>(body->data()->data());
        return DataMessage{body->ppid(), std::string(bytes, body->data()->size())};
      }
      return std::nullopt;
    case Event::AUDIOLEVELOBSERVER_SILENCE:
      return AudioVolumes{};
    case Event::AUDIOLEVELOBSERVER_VOLUMES:
      if (const auto* body = notification.body_as_AudioLevelObserver_VolumesNotification()) {
        return DecodeVolumes(*body);
      }
      return std::nullopt;
    case Event::TRANSPORT_TRACE:
      if (const auto* body = notification.body_as_Transport_TraceNotification()) {
        if (const auto* bwe = body->info_as_BweTraceInfo()) {
          return BandwidthEstimate{bwe->desired_bitrate(), bwe->effective_desired_bitrate(),
                                   bwe->available_bitrate()};
        }
      }
      return std::nullopt;
    default:
      return std::nullopt;
  }
}

Result<WebRtcTransportInfo> DecodeWebRtcTransport(const FBS::Response::Response& response) {
  const auto* body = response.body_as_WebRtcTransport_DumpResponse();
  if (!body) return Error("the worker answered without a WebRTC transport");
  WebRtcTransportInfo info;
  info.id = Text(body->base()->id());
  info.ice_parameters = {Text(body->ice_parameters()->username_fragment()),
                         Text(body->ice_parameters()->password()),
                         body->ice_parameters()->ice_lite()};
  for (const auto* candidate : *body->ice_candidates()) {
    info.ice_candidates.push_back(
        {Text(candidate->foundation()), candidate->priority(), Text(candidate->address()),
         candidate->protocol() == FBS::Transport::Protocol::TCP ? TransportProtocol::kTcp
                                                                : TransportProtocol::kUdp,
         candidate->port()});
  }
  info.sctp_parameters = DecodeSctp(*body->base());
  info.dtls_parameters.role = static_cast<DtlsRole>(body->dtls_parameters()->role());
  for (const auto* fingerprint : *body->dtls_parameters()->fingerprints()) {
    info.dtls_parameters.fingerprints.push_back(
        {std::string(FingerprintName(fingerprint->algorithm())), Text(fingerprint->value())});
  }
  return info;
}

Result<PlainTransportInfo> DecodePlainTransport(const FBS::Response::Response& response) {
  const auto* body = response.body_as_PlainTransport_DumpResponse();
  if (!body) return Error("the worker answered without a plain transport");
  PlainTransportInfo info;
  info.id = Text(body->base()->id());
  info.address = Text(body->tuple()->local_address());
  info.port = body->tuple()->local_port();
  if (body->rtcp_tuple()) info.rtcp_port = body->rtcp_tuple()->local_port();
  info.sctp_parameters = DecodeSctp(*body->base());
  return info;
}

json::array DecodeTransportStats(const FBS::Response::Response& response) {
  json::array stats;
  if (const auto* webrtc = response.body_as_WebRtcTransport_GetStatsResponse()) {
    json::object object = BaseTransportStats(*webrtc->base(), "webrtc-transport");
    object["iceRole"] = webrtc->ice_role() == FBS::WebRtcTransport::IceRole::CONTROLLING
                            ? "controlling"
                            : "controlled";
    object["iceState"] = IceStateName(webrtc->ice_state());
    if (const auto* tuple = webrtc->ice_selected_tuple()) {
      object["iceSelectedTuple"] = TupleJson(*tuple);
    }
    object["dtlsState"] = DtlsStateName(webrtc->dtls_state());
    stats.push_back(std::move(object));
  } else if (const auto* plain = response.body_as_PlainTransport_GetStatsResponse()) {
    json::object object = BaseTransportStats(*plain->base(), "plain-rtp-transport");
    object["rtcpMux"] = plain->rtcp_mux();
    object["comedia"] = plain->comedia();
    object["tuple"] = TupleJson(*plain->tuple());
    if (const auto* tuple = plain->rtcp_tuple()) object["rtcpTuple"] = TupleJson(*tuple);
    stats.push_back(std::move(object));
  }
  return stats;
}

json::array DecodeStreamStats(const FBS::Response::Response& response) {
  json::array stats;
  const flatbuffers::Vector<flatbuffers::Offset<FBS::RtpStream::Stats>>* list = nullptr;
  if (const auto* producer = response.body_as_Producer_GetStatsResponse()) {
    list = producer->stats();
  } else if (const auto* consumer = response.body_as_Consumer_GetStatsResponse()) {
    list = consumer->stats();
  }
  if (!list) return stats;
  for (const auto* entry : *list) stats.push_back(StreamStatsJson(*entry));
  return stats;
}

json::array DecodeDataStats(const FBS::Response::Response& response) {
  json::array stats;
  const auto common = [](const auto& body, std::string_view type) {
    return json::object{{"type", type},
                        {"timestamp", body.timestamp()},
                        {"label", body.label()->string_view()},
                        {"protocol", body.protocol()->string_view()}};
  };
  if (const auto* producer = response.body_as_DataProducer_GetStatsResponse()) {
    json::object object = common(*producer, "data-producer");
    object["messagesReceived"] = producer->messages_received();
    object["bytesReceived"] = producer->bytes_received();
    stats.push_back(std::move(object));
  } else if (const auto* consumer = response.body_as_DataConsumer_GetStatsResponse()) {
    json::object object = common(*consumer, "data-consumer");
    object["messagesSent"] = consumer->messages_sent();
    object["bytesSent"] = consumer->bytes_sent();
    object["bufferedAmount"] = consumer->buffered_amount();
    stats.push_back(std::move(object));
  }
  return stats;
}

}  // namespace sluice::controller
