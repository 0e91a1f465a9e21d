#include "controller/worker/event_decoding.h"

#include <limits>
#include <string>

#include "common/fingerprint_names.h"

namespace sluice::controller {

namespace {

std::string Text(const flatbuffers::String* text) { return text ? text->str() : std::string(); }

ProducerScoreChanged DecodeProducerScore(const FBS::Producer::ScoreNotification& body) {
  ProducerScoreChanged event;
  for (const auto* score : *body.scores()) {
    event.scores.push_back(
        {score->encoding_idx(), score->ssrc(), Text(score->rid()), score->score()});
  }
  return event;
}

WantedLayersChanged DecodeWanted(const FBS::Producer::WantedLayersNotification& body) {
  constexpr int16_t kWhole = std::numeric_limits<int16_t>::max();
  const auto layer = [](int16_t value) {
    return value == kWhole ? std::nullopt : std::optional(static_cast<uint8_t>(value));
  };
  WantedLayersChanged event;
  for (const auto* each : *body.encodings()) {
    auto& encoding = event.encodings.emplace_back();
    if (each->spatial_layer() < 0) continue;
    encoding = WantedEncoding{layer(each->spatial_layer()), layer(each->temporal_layer())};
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

DataChannelOpened DecodeChannel(const FBS::Transport::DataChannelOpenNotification& body) {
  const auto& stream = *body.sctp_stream_parameters();
  DataChannelOpened opened;
  opened.data_producer_id = Text(body.data_producer_id());
  opened.label = Text(body.label());
  opened.protocol = Text(body.protocol());
  opened.stream.stream_id = stream.stream_id();
  opened.stream.ordered = stream.ordered().value_or(true);
  if (stream.max_packet_life_time()) {
    opened.stream.max_packet_life_time = *stream.max_packet_life_time();
  } else if (stream.max_retransmits()) {
    opened.stream.max_retransmits = *stream.max_retransmits();
  }
  return opened;
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
    case Event::PRODUCER_WANTED_LAYERS:
      if (const auto* body = notification.body_as_Producer_WantedLayersNotification()) {
        return DecodeWanted(*body);
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
    case Event::TRANSPORT_DATA_CHANNEL_OPEN:
      if (const auto* body = notification.body_as_Transport_DataChannelOpenNotification()) {
        return DecodeChannel(*body);
      }
      return std::nullopt;
    case Event::TRANSPORT_DATA_CHANNEL_CLOSE:
      if (const auto* body = notification.body_as_Transport_DataChannelCloseNotification()) {
        return DataChannelClosed{Text(body->data_producer_id())};
      }
      return std::nullopt;
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

}  // namespace sluice::controller
