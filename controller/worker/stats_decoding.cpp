#include "controller/worker/stats_decoding.h"

namespace sluice::controller {

namespace {

std::string LabelText(const flatbuffers::String* text) {
  return text ? text->str() : std::string();
}

template <typename T>
std::optional<T> OptionalOf(const flatbuffers::Optional<T>& value) {
  if (!value.has_value()) return std::nullopt;
  return *value;
}

TransportStats::Tuple TupleOf(const FBS::Transport::Tuple& tuple) {
  return {LabelText(tuple.local_address()), tuple.local_port(), LabelText(tuple.remote_ip()),
          tuple.remote_port(),
          tuple.protocol() == FBS::Transport::Protocol::TCP ? TransportProtocol::kTcp
                                                            : TransportProtocol::kUdp};
}

TransportStats BaseOf(const FBS::Transport::Stats& base) {
  TransportStats stats;
  stats.transport_id = LabelText(base.transport_id());
  stats.timestamp = base.timestamp();
  if (base.sctp_state().has_value()) stats.sctp_state = static_cast<SctpState>(*base.sctp_state());
  stats.bytes_received = base.bytes_received();
  stats.recv_bitrate = base.recv_bitrate();
  stats.bytes_sent = base.bytes_sent();
  stats.send_bitrate = base.send_bitrate();
  stats.rtp_bytes_received = base.rtp_bytes_received();
  stats.rtp_recv_bitrate = base.rtp_recv_bitrate();
  stats.rtp_bytes_sent = base.rtp_bytes_sent();
  stats.rtp_send_bitrate = base.rtp_send_bitrate();
  stats.rtx_bytes_received = base.rtx_bytes_received();
  stats.rtx_recv_bitrate = base.rtx_recv_bitrate();
  stats.rtx_bytes_sent = base.rtx_bytes_sent();
  stats.rtx_send_bitrate = base.rtx_send_bitrate();
  stats.probation_bytes_sent = base.probation_bytes_sent();
  stats.probation_send_bitrate = base.probation_send_bitrate();
  stats.available_outgoing_bitrate = OptionalOf(base.available_outgoing_bitrate());
  stats.available_incoming_bitrate = OptionalOf(base.available_incoming_bitrate());
  stats.max_incoming_bitrate = OptionalOf(base.max_incoming_bitrate());
  stats.max_outgoing_bitrate = OptionalOf(base.max_outgoing_bitrate());
  stats.min_outgoing_bitrate = OptionalOf(base.min_outgoing_bitrate());
  stats.rtp_packet_loss_received = OptionalOf(base.rtp_packet_loss_received());
  stats.rtp_packet_loss_sent = OptionalOf(base.rtp_packet_loss_sent());
  return stats;
}

/// What both directions count; `stats` is the table whose union holds a BaseStats.
void FillBase(const FBS::RtpStream::Stats* stats, RtpStreamStats* out) {
  const FBS::RtpStream::BaseStats* base = stats ? stats->data_as_BaseStats() : nullptr;
  if (!base) return;
  out->timestamp = base->timestamp();
  out->ssrc = base->ssrc();
  out->rtx_ssrc = OptionalOf(base->rtx_ssrc());
  out->rid = LabelText(base->rid());
  out->kind =
      base->kind() == FBS::RtpParameters::MediaKind::AUDIO ? MediaKind::kAudio : MediaKind::kVideo;
  out->mime_type = LabelText(base->mime_type());
  out->packets_lost = base->packets_lost();
  out->fraction_lost = base->fraction_lost();
  out->jitter = base->jitter();
  out->packets_discarded = base->packets_discarded();
  out->packets_retransmitted = base->packets_retransmitted();
  out->packets_repaired = base->packets_repaired();
  out->nack_count = base->nack_count();
  out->nack_packet_count = base->nack_packet_count();
  out->pli_count = base->pli_count();
  out->fir_count = base->fir_count();
  out->round_trip_time = static_cast<double>(base->round_trip_time());
  out->rtx_packets_discarded = base->rtx_packets_discarded();
  out->score = base->score();
}

template <typename Counted>
void FillCounts(const Counted& counted, RtpStreamStats* out) {
  FillBase(counted.base(), out);
  out->packet_count = counted.packet_count();
  out->byte_count = counted.byte_count();
  out->bitrate = counted.bitrate();
}

AnnouncedLayer AnnouncedOf(const FBS::RtpStream::AnnouncedLayer& layer) {
  AnnouncedLayer out;
  out.spatial_layer = layer.spatial_layer();
  if (layer.bitrates()) out.bitrates.assign(layer.bitrates()->begin(), layer.bitrates()->end());
  out.width = layer.width();
  out.height = layer.height();
  out.frame_rate = layer.frame_rate();
  return out;
}

RtpStreamStats StreamOf(const FBS::RtpStream::Stats& stats) {
  RtpStreamStats out;
  if (const auto* received = stats.data_as_RecvStats()) {
    out.inbound = true;
    FillCounts(*received, &out);
    for (const auto* layer : *received->bitrate_by_layer()) {
      out.bitrate_by_layer.emplace_back(layer->layer()->str(), layer->bitrate());
    }
    if (received->announced_layers()) {
      for (const auto* layer : *received->announced_layers()) {
        out.announced_layers.push_back(AnnouncedOf(*layer));
      }
    }
  } else if (const auto* sent = stats.data_as_SendStats()) {
    FillCounts(*sent, &out);
  }
  return out;
}

template <typename Counted>
DataStats DataOf(const Counted& counted) {
  DataStats stats;
  stats.timestamp = counted.timestamp();
  stats.label = LabelText(counted.label());
  stats.protocol = LabelText(counted.protocol());
  stats.buffered_amount = counted.buffered_amount();
  return stats;
}

Status NoStats() { return Error("the worker answered without stats"); }

}  // namespace

Result<TransportStats> DecodeTransportStats(const FBS::Response::Response& response) {
  if (const auto* webrtc = response.body_as_WebRtcTransport_GetStatsResponse()) {
    TransportStats stats = BaseOf(*webrtc->base());
    TransportStats::WebRtc own;
    own.controlling = webrtc->ice_role() == FBS::WebRtcTransport::IceRole::CONTROLLING;
    own.ice_state = static_cast<IceState>(webrtc->ice_state());
    if (const auto* tuple = webrtc->ice_selected_tuple()) own.selected = TupleOf(*tuple);
    own.dtls_state = static_cast<DtlsState>(webrtc->dtls_state());
    stats.webrtc = std::move(own);
    return stats;
  }
  if (const auto* plain = response.body_as_PlainTransport_GetStatsResponse()) {
    TransportStats stats = BaseOf(*plain->base());
    TransportStats::Plain own{plain->rtcp_mux(), plain->comedia(), TupleOf(*plain->tuple()), {}};
    if (const auto* tuple = plain->rtcp_tuple()) own.rtcp_tuple = TupleOf(*tuple);
    stats.plain = std::move(own);
    return stats;
  }
  return NoStats();
}

Result<std::vector<RtpStreamStats>> DecodeStreamStats(const FBS::Response::Response& response) {
  const flatbuffers::Vector<flatbuffers::Offset<FBS::RtpStream::Stats>>* list = nullptr;
  if (const auto* producer = response.body_as_Producer_GetStatsResponse()) {
    list = producer->stats();
  } else if (const auto* consumer = response.body_as_Consumer_GetStatsResponse()) {
    list = consumer->stats();
  }
  if (!list) return NoStats();
  std::vector<RtpStreamStats> stats;
  for (const auto* entry : *list) stats.push_back(StreamOf(*entry));
  return stats;
}

Result<DataStats> DecodeDataStats(const FBS::Response::Response& response) {
  if (const auto* producer = response.body_as_DataProducer_GetStatsResponse()) {
    DataStats stats = DataOf(*producer);
    stats.producer = true;
    stats.messages = producer->messages_received();
    stats.bytes = producer->bytes_received();
    return stats;
  }
  if (const auto* consumer = response.body_as_DataConsumer_GetStatsResponse()) {
    DataStats stats = DataOf(*consumer);
    stats.messages = consumer->messages_sent();
    stats.bytes = consumer->bytes_sent();
    return stats;
  }
  return NoStats();
}

}  // namespace sluice::controller
