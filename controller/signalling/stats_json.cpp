#include "controller/signalling/stats_json.h"

#include <array>
#include <boost/json/object.hpp>
#include <cstddef>
#include <string_view>
#include <utility>

#include "controller/ortc/ortc.h"

namespace sluice::controller {

namespace json = boost::json;

namespace {

template <size_t N, typename State>
std::string_view StateName(const std::array<std::string_view, N>& names, State state) {
  const auto index = static_cast<size_t>(state);
  return index < N ? names[index] : "new";
}

constexpr std::array<std::string_view, 4> kIceStates = {"new", "connected", "completed",
                                                        "disconnected"};
constexpr std::array<std::string_view, 5> kDtlsStates = {"new", "connecting", "connected", "failed",
                                                         "closed"};
constexpr std::array<std::string_view, 5> kSctpStates = kDtlsStates;

template <typename T>
void AddKnown(json::object& object, std::string_view name, const std::optional<T>& value) {
  if (value) object[{name.data(), name.size()}] = *value;
}

json::object TupleJson(const TransportStats::Tuple& tuple) {
  json::object object{{"localIp", tuple.local_address},
                      {"localAddress", tuple.local_address},
                      {"localPort", tuple.local_port}};
  if (!tuple.remote_ip.empty()) {
    object["remoteIp"] = tuple.remote_ip;
    object["remotePort"] = tuple.remote_port;
  }
  object["protocol"] = tuple.protocol == TransportProtocol::kTcp ? "tcp" : "udp";
  return object;
}

json::object LayerJson(const AnnouncedLayer& layer) {
  json::object object{{"spatialLayer", layer.spatial_layer},
                      {"bitrates", json::array(layer.bitrates.begin(), layer.bitrates.end())}};
  if (layer.width != 0) object["width"] = layer.width;
  if (layer.height != 0) object["height"] = layer.height;
  if (layer.frame_rate != 0) object["frameRate"] = layer.frame_rate;
  return object;
}

json::object StreamJson(const RtpStreamStats& stats) {
  json::object object{{"type", stats.inbound ? "inbound-rtp" : "outbound-rtp"},
                      {"timestamp", stats.timestamp},
                      {"ssrc", stats.ssrc}};
  AddKnown(object, "rtxSsrc", stats.rtx_ssrc);
  if (!stats.rid.empty()) object["rid"] = stats.rid;
  object["kind"] = ToString(stats.kind);
  object["mimeType"] = stats.mime_type;
  object["packetsLost"] = stats.packets_lost;
  object["fractionLost"] = stats.fraction_lost;
  object["jitter"] = stats.jitter;
  object["packetsDiscarded"] = stats.packets_discarded;
  object["packetsRetransmitted"] = stats.packets_retransmitted;
  object["packetsRepaired"] = stats.packets_repaired;
  object["nackCount"] = stats.nack_count;
  object["nackPacketCount"] = stats.nack_packet_count;
  object["pliCount"] = stats.pli_count;
  object["firCount"] = stats.fir_count;
  object["roundTripTime"] = stats.round_trip_time;
  object["rtxPacketsDiscarded"] = stats.rtx_packets_discarded;
  object["score"] = stats.score;
  object["packetCount"] = stats.packet_count;
  object["byteCount"] = stats.byte_count;
  object["bitrate"] = stats.bitrate;
  if (!stats.inbound) return object;
  json::object layers;
  for (const auto& [layer, bitrate] : stats.bitrate_by_layer) layers[layer] = bitrate;
  object["bitrateByLayer"] = std::move(layers);
  if (stats.announced_layers.empty()) return object;
  json::array announced;
  for (const AnnouncedLayer& layer : stats.announced_layers) announced.push_back(LayerJson(layer));
  object["announcedLayers"] = std::move(announced);
  return object;
}

}  // namespace

json::array StatsJson(const TransportStats& stats) {
  json::object object{{"type", stats.webrtc ? "webrtc-transport" : "plain-rtp-transport"},
                      {"transportId", stats.transport_id},
                      {"timestamp", stats.timestamp}};
  if (stats.sctp_state) object["sctpState"] = StateName(kSctpStates, *stats.sctp_state);
  object["bytesReceived"] = stats.bytes_received;
  object["recvBitrate"] = stats.recv_bitrate;
  object["bytesSent"] = stats.bytes_sent;
  object["sendBitrate"] = stats.send_bitrate;
  object["rtpBytesReceived"] = stats.rtp_bytes_received;
  object["rtpRecvBitrate"] = stats.rtp_recv_bitrate;
  object["rtpBytesSent"] = stats.rtp_bytes_sent;
  object["rtpSendBitrate"] = stats.rtp_send_bitrate;
  object["rtxBytesReceived"] = stats.rtx_bytes_received;
  object["rtxRecvBitrate"] = stats.rtx_recv_bitrate;
  object["rtxBytesSent"] = stats.rtx_bytes_sent;
  object["rtxSendBitrate"] = stats.rtx_send_bitrate;
  object["probationBytesSent"] = stats.probation_bytes_sent;
  object["probationSendBitrate"] = stats.probation_send_bitrate;
  AddKnown(object, "availableOutgoingBitrate", stats.available_outgoing_bitrate);
  AddKnown(object, "availableIncomingBitrate", stats.available_incoming_bitrate);
  AddKnown(object, "maxIncomingBitrate", stats.max_incoming_bitrate);
  AddKnown(object, "maxOutgoingBitrate", stats.max_outgoing_bitrate);
  AddKnown(object, "minOutgoingBitrate", stats.min_outgoing_bitrate);
  AddKnown(object, "rtpPacketLossReceived", stats.rtp_packet_loss_received);
  AddKnown(object, "rtpPacketLossSent", stats.rtp_packet_loss_sent);
  if (stats.webrtc) {
    const TransportStats::WebRtc& own = *stats.webrtc;
    object["iceRole"] = own.controlling ? "controlling" : "controlled";
    object["iceState"] = StateName(kIceStates, own.ice_state);
    if (own.selected) object["iceSelectedTuple"] = TupleJson(*own.selected);
    object["dtlsState"] = StateName(kDtlsStates, own.dtls_state);
  } else if (stats.plain) {
    const TransportStats::Plain& own = *stats.plain;
    object["rtcpMux"] = own.rtcp_mux;
    object["comedia"] = own.comedia;
    object["tuple"] = TupleJson(own.tuple);
    if (own.rtcp_tuple) object["rtcpTuple"] = TupleJson(*own.rtcp_tuple);
  }
  json::array list;
  list.push_back(std::move(object));
  return list;
}

json::array StatsJson(const std::vector<RtpStreamStats>& streams) {
  json::array list;
  for (const RtpStreamStats& stream : streams) list.push_back(StreamJson(stream));
  return list;
}

json::array StatsJson(const DataStats& stats) {
  json::object object{{"type", stats.producer ? "data-producer" : "data-consumer"},
                      {"timestamp", stats.timestamp},
                      {"label", stats.label},
                      {"protocol", stats.protocol},
                      {stats.producer ? "messagesReceived" : "messagesSent", stats.messages},
                      {stats.producer ? "bytesReceived" : "bytesSent", stats.bytes}};
  if (!stats.producer) object["bufferedAmount"] = stats.buffered_amount;
  json::array list;
  list.push_back(std::move(object));
  return list;
}

}  // namespace sluice::controller
