#include "worker/channel/router_encode.h"

#include "worker/channel/router_data_codec.h"
#include "worker/channel/router_encode_rtp.h"

namespace sluice::worker::router_protocol {

namespace {

namespace tr = FBS::Transport;
namespace wt = FBS::WebRtcTransport;

using StringPair = std::pair<std::string, std::string>;
using StringList = std::pair<std::string, std::vector<std::string>>;
using SsrcEntry = std::pair<uint32_t, std::string>;

auto EncodeStringPairs(Builder& b, const std::vector<StringPair>& pairs) {
  return EncodeAll<FBS::Common::StringString>(b, pairs, [](Builder& bb, const StringPair& p) {
    const auto key = bb.CreateString(p.first);
    return FBS::Common::CreateStringString(bb, key, bb.CreateString(p.second));
  });
}

auto EncodeStringLists(Builder& b, const std::vector<StringList>& lists) {
  return EncodeAll<FBS::Common::StringStringArray>(b, lists, [](Builder& bb, const StringList& l) {
    const auto key = bb.CreateString(l.first);
    return FBS::Common::CreateStringStringArray(bb, key, bb.CreateVectorOfStrings(l.second));
  });
}

auto EncodeSsrcs(Builder& b, const std::vector<SsrcEntry>& entries) {
  return EncodeAll<FBS::Common::Uint32String>(b, entries, [](Builder& bb, const SsrcEntry& e) {
    return FBS::Common::CreateUint32String(bb, e.first, bb.CreateString(e.second));
  });
}

tr::Protocol ToFlat(TransportProtocol protocol) {
  return protocol == TransportProtocol::kTcp ? tr::Protocol::TCP : tr::Protocol::UDP;
}

Offset<tr::Tuple> EncodeOptionalTuple(Builder& b, const std::optional<TupleReport>& tuple) {
  return tuple ? Encode(b, *tuple) : Offset<tr::Tuple>();
}

Offset<tr::Dump> EncodeTransportDump(Builder& b, const TransportDump& dump) {
  const auto id = b.CreateString(dump.id);
  const auto producers = b.CreateVectorOfStrings(dump.producer_ids);
  const auto consumers = b.CreateVectorOfStrings(dump.consumer_ids);
  const auto ssrcs = EncodeSsrcs(b, dump.ssrc_consumer_ids);
  const auto rtx_ssrcs = EncodeSsrcs(b, dump.rtx_ssrc_consumer_ids);
  const auto data_producers = b.CreateVectorOfStrings(dump.data_producer_ids);
  const auto data_consumers = b.CreateVectorOfStrings(dump.data_consumer_ids);
  const auto extensions = tr::CreateRecvRtpHeaderExtensions(
      b, router_protocol::ToFlat(dump.mid_extension_id),
      router_protocol::ToFlat(dump.rid_extension_id),
      router_protocol::ToFlat(dump.rrid_extension_id),
      router_protocol::ToFlat(dump.abs_send_time_extension_id),
      router_protocol::ToFlat(dump.transport_wide_cc_extension_id));
  const auto ssrc_table = EncodeSsrcs(b, dump.listener_ssrcs);
  const auto mid_table = EncodeStringPairs(b, dump.listener_mids);
  const auto rid_table = EncodeStringPairs(b, dump.listener_rids);
  const auto listener = tr::CreateRtpListener(b, ssrc_table, mid_table, rid_table);
  const SctpDumpOffsets sctp = EncodeSctp(b, dump);
  const auto traces = EncodeTraceTypes<tr::TraceEventType>(b, dump.traces);
  return tr::CreateDump(b, id, dump.direct, producers, consumers, ssrcs, rtx_ssrcs, data_producers,
                        data_consumers, extensions, listener, dump.max_send_message_size,
                        dump.max_receive_message_size, sctp.parameters, sctp.state, sctp.negotiated,
                        sctp.listener, traces);
}

Offset<tr::Stats> EncodeTransportStats(Builder& b, const TransportStats& s) {
  using router_protocol::ToFlat;
  const auto id = b.CreateString(s.transport_id);
  flatbuffers::Optional<FBS::SctpAssociation::SctpState> sctp_state;
  if (s.sctp_state) sctp_state = static_cast<FBS::SctpAssociation::SctpState>(*s.sctp_state);
  return tr::CreateStats(b, id, static_cast<uint64_t>(s.timestamp_ms), sctp_state, s.bytes_received,
                         s.recv_bitrate, s.bytes_sent, s.send_bitrate, s.rtp_bytes_received,
                         s.rtp_recv_bitrate, s.rtp_bytes_sent, s.rtp_send_bitrate,
                         s.rtx_bytes_received, s.rtx_recv_bitrate, s.rtx_bytes_sent,
                         s.rtx_send_bitrate, s.probation_bytes_sent, s.probation_send_bitrate,
                         ToFlat(s.available_outgoing_bitrate), ToFlat(s.available_incoming_bitrate),
                         ToFlat(s.max_incoming_bitrate), ToFlat(s.max_outgoing_bitrate),
                         ToFlat(s.min_outgoing_bitrate), ToFlat(s.rtp_packet_loss_received),
                         ToFlat(s.rtp_packet_loss_sent));
}

Offset<FBS::SrtpParameters::SrtpParameters> EncodeSrtp(
    Builder& b, const std::optional<SrtpParameters>& parameters) {
  if (!parameters) return {};
  const auto key = b.CreateString(parameters->key_base64);
  return FBS::SrtpParameters::CreateSrtpParameters(
      b, static_cast<FBS::SrtpParameters::SrtpCryptoSuite>(parameters->crypto_suite), key);
}

Offset<FBS::WebRtcServer::IpPort> EncodeIpPort(Builder& b, const SocketAddress& address) {
  const auto ip = b.CreateString(address.ip.ToString());
  return FBS::WebRtcServer::CreateIpPort(b, ip, address.port);
}

Offset<wt::IceCandidate> EncodeCandidate(Builder& b, const IceCandidateReport& candidate) {
  const auto foundation = b.CreateString(candidate.foundation);
  const auto address = b.CreateString(candidate.address);
  const bool tcp = candidate.protocol == TransportProtocol::kTcp;
  return wt::CreateIceCandidate(
      b, foundation, candidate.priority, address, ToFlat(candidate.protocol), candidate.port,
      wt::IceCandidateType::HOST,
      tcp ? flatbuffers::Optional<wt::IceCandidateTcpType>(wt::IceCandidateTcpType::PASSIVE)
          : flatbuffers::nullopt);
}

Offset<FBS::RtpStream::Stats> EncodeStreamStats(Builder& b, const RtpStreamStats& s) {
  namespace rs = FBS::RtpStream;
  const auto mime_type = b.CreateString(s.mime_type);
  const auto rid = OptionalText(b, s.rid);
  const auto base_data = rs::CreateBaseStats(
      b, static_cast<uint64_t>(s.timestamp_ms), s.ssrc,
      static_cast<FBS::RtpParameters::MediaKind>(s.kind), mime_type, s.packets_lost,
      s.fraction_lost, s.jitter, s.packets_discarded, s.packets_retransmitted, s.packets_repaired,
      s.nack_count, s.nack_packet_count, s.pli_count, s.fir_count, rid,
      router_protocol::ToFlat(s.rtx_ssrc), s.rtx_packets_discarded, s.round_trip_time_ms, s.score);
  const auto base = rs::CreateStats(b, rs::StatsData::BaseStats, base_data.Union());
  if (s.direction == RtpStreamStats::Direction::kSend) {
    const auto send = rs::CreateSendStats(b, base, s.packet_count, s.byte_count, s.bitrate);
    return rs::CreateStats(b, rs::StatsData::SendStats, send.Union());
  }
  using Layer = std::pair<std::string, uint64_t>;
  const auto layers =
      EncodeAll<rs::BitrateByLayer>(b, s.bitrate_by_layer, [](Builder& bb, const Layer& layer) {
        return rs::CreateBitrateByLayer(bb, bb.CreateString(layer.first), layer.second);
      });
  Offset<flatbuffers::Vector<Offset<rs::AnnouncedLayer>>> announced;
  if (!s.announced_layers.empty()) {
    using Announced = std::pair<uint8_t, AnnouncedLayer>;
    announced = EncodeAll<rs::AnnouncedLayer>(
        b, s.announced_layers, [](Builder& bb, const Announced& each) {
          const AnnouncedLayer& layer = each.second;
          std::vector<uint64_t> bitrates;
          for (size_t i = 0; i < layer.temporal_layers; ++i) {
            bitrates.push_back(uint64_t{layer.bitrates_kbps[i]} * 1000);
          }
          return rs::CreateAnnouncedLayerDirect(bb, each.first, &bitrates, layer.width,
                                                layer.height, layer.frame_rate);
        });
  }
  const auto receive =
      rs::CreateRecvStats(b, base, s.packet_count, s.byte_count, s.bitrate, layers, announced);
  return rs::CreateStats(b, rs::StatsData::RecvStats, receive.Union());
}

FBS::Common::TraceDirection Direction(const TraceReport& trace) {
  return trace.incoming ? FBS::Common::TraceDirection::DIRECTION_IN
                        : FBS::Common::TraceDirection::DIRECTION_OUT;
}

}  // namespace

Offset<FBS::Worker::GetCountersResponse> Encode(Builder& b, const MetricsReport& report) {
  const auto metrics =
      EncodeAll<FBS::Worker::Metric>(b, report.metrics, [](Builder& bb, const Metric& metric) {
        const auto name = bb.CreateSharedString(metric.name);
        const auto help = bb.CreateSharedString(metric.help);
        const bool labelled = *metric.label != '\0';
        const auto label =
            labelled ? bb.CreateSharedString(metric.label) : Offset<flatbuffers::String>();
        const auto label_value =
            labelled ? bb.CreateString(metric.label_value) : Offset<flatbuffers::String>();
        return FBS::Worker::CreateMetric(bb, name, label, label_value,
                                         static_cast<FBS::Worker::MetricType>(metric.type), help,
                                         metric.value);
      });
  const auto histograms = EncodeAll<FBS::Worker::Histogram>(
      b, report.histograms, [](Builder& bb, const HistogramMetric& histogram) {
        return FBS::Worker::CreateHistogramDirect(bb, histogram.name, histogram.help,
                                                  &histogram.upper_bounds, &histogram.counts,
                                                  histogram.sum);
      });
  return FBS::Worker::CreateGetCountersResponse(b, metrics, histograms);
}

Offset<FBS::Worker::DumpResponse> Encode(Builder& b, const WorkerDump& dump) {
  const auto servers = b.CreateVectorOfStrings(dump.webrtc_server_ids);
  const auto routers = b.CreateVectorOfStrings(dump.router_ids);
  const auto requests = b.CreateVectorOfStrings(dump.request_handler_ids);
  const auto notifications = b.CreateVectorOfStrings(dump.notification_handler_ids);
  const auto handlers = FBS::Worker::CreateChannelMessageHandlers(b, requests, notifications);
  return FBS::Worker::CreateDumpResponse(b, dump.pid, servers, routers, handlers);
}

Offset<FBS::WebRtcServer::DumpResponse> Encode(Builder& b, const WebRtcServerDump& dump) {
  const auto id = b.CreateString(dump.id);
  const auto udp = EncodeAll<FBS::WebRtcServer::IpPort>(b, dump.udp_sockets, EncodeIpPort);
  const auto tcp = EncodeAll<FBS::WebRtcServer::IpPort>(b, dump.tcp_servers, EncodeIpPort);
  const auto transports = b.CreateVectorOfStrings(dump.transport_ids);
  const auto ufrags = EncodeAll<FBS::WebRtcServer::IceUserNameFragment>(
      b, dump.local_ice_ufrags, [](Builder& bb, const StringPair& p) {
        const auto ufrag = bb.CreateString(p.first);
        return FBS::WebRtcServer::CreateIceUserNameFragment(bb, ufrag, bb.CreateString(p.second));
      });
  return FBS::WebRtcServer::CreateDumpResponse(b, id, udp, tcp, transports, ufrags);
}

Offset<FBS::Router::DumpResponse> Encode(Builder& b, const RouterDump& dump) {
  const auto id = b.CreateString(dump.id);
  const auto transports = b.CreateVectorOfStrings(dump.transport_ids);
  const auto observers = b.CreateVectorOfStrings(dump.rtp_observer_ids);
  const auto producer_consumers = EncodeStringLists(b, dump.producer_consumer_ids);
  const auto consumer_producers = EncodeStringPairs(b, dump.consumer_producer_ids);
  const auto producer_observers = EncodeStringLists(b, dump.producer_observer_ids);
  const auto data_consumers = EncodeStringLists(b, dump.data_producer_consumer_ids);
  const auto data_producers = EncodeStringPairs(b, dump.data_consumer_producer_ids);
  return FBS::Router::CreateDumpResponse(b, id, transports, observers, producer_consumers,
                                         consumer_producers, producer_observers, data_consumers,
                                         data_producers);
}

Offset<tr::Tuple> Encode(Builder& b, const TupleReport& tuple) {
  const auto local = b.CreateString(tuple.local_address);
  const auto remote = OptionalText(b, tuple.remote_ip);
  return tr::CreateTuple(b, local, tuple.local_port, remote, tuple.remote_port,
                         ToFlat(tuple.protocol));
}

Offset<wt::DumpResponse> Encode(Builder& b, const WebRtcTransportDump& dump) {
  const auto base = EncodeTransportDump(b, dump.base);
  const auto ufrag = b.CreateString(dump.ice_parameters.username_fragment);
  const auto password = b.CreateString(dump.ice_parameters.password);
  const auto ice = wt::CreateIceParameters(b, ufrag, password, true);
  const auto candidates = EncodeAll<wt::IceCandidate>(b, dump.ice_candidates, EncodeCandidate);
  const auto tuple = EncodeOptionalTuple(b, dump.ice_selected_tuple);
  const auto fingerprints = EncodeAll<wt::Fingerprint>(
      b, dump.dtls_fingerprints, [](Builder& bb, const DtlsFingerprint& f) {
        return wt::CreateFingerprint(bb, static_cast<wt::FingerprintAlgorithm>(f.algorithm),
                                     bb.CreateString(f.value));
      });
  const auto dtls =
      wt::CreateDtlsParameters(b, fingerprints, static_cast<wt::DtlsRole>(dump.dtls_role));
  return wt::CreateDumpResponse(b, base, wt::IceRole::CONTROLLED, ice, candidates,
                                static_cast<wt::IceState>(dump.ice_state), tuple, dtls,
                                static_cast<wt::DtlsState>(dump.dtls_state));
}

Offset<wt::GetStatsResponse> Encode(Builder& b, const WebRtcTransportStats& stats) {
  const auto base = EncodeTransportStats(b, stats.base);
  const auto tuple = EncodeOptionalTuple(b, stats.ice_selected_tuple);
  return wt::CreateGetStatsResponse(b, base, wt::IceRole::CONTROLLED,
                                    static_cast<wt::IceState>(stats.ice_state), tuple,
                                    static_cast<wt::DtlsState>(stats.dtls_state));
}

Offset<FBS::PlainTransport::DumpResponse> Encode(Builder& b, const PlainTransportDump& dump) {
  const auto base = EncodeTransportDump(b, dump.base);
  const auto tuple = Encode(b, dump.tuple);
  const auto rtcp_tuple = EncodeOptionalTuple(b, dump.rtcp_tuple);
  const auto srtp = EncodeSrtp(b, dump.srtp_parameters);
  return FBS::PlainTransport::CreateDumpResponse(b, base, dump.rtcp_mux, dump.comedia, tuple,
                                                 rtcp_tuple, srtp);
}

Offset<FBS::PlainTransport::GetStatsResponse> Encode(Builder& b, const PlainTransportStats& stats) {
  const auto base = EncodeTransportStats(b, stats.base);
  const auto tuple = Encode(b, stats.tuple);
  const auto rtcp_tuple = EncodeOptionalTuple(b, stats.rtcp_tuple);
  return FBS::PlainTransport::CreateGetStatsResponse(b, base, stats.rtcp_mux, stats.comedia, tuple,
                                                     rtcp_tuple);
}

Offset<FBS::PlainTransport::ConnectResponse> Encode(Builder& b, const PlainConnectReport& report) {
  const auto tuple = EncodeOptionalTuple(b, report.tuple);
  const auto rtcp_tuple = EncodeOptionalTuple(b, report.rtcp_tuple);
  const auto srtp = EncodeSrtp(b, report.srtp_parameters);
  return FBS::PlainTransport::CreateConnectResponse(b, tuple, rtcp_tuple, srtp);
}

Offset<FBS::PipeTransport::DumpResponse> Encode(Builder& b, const PipeTransportDump& dump) {
  const auto base = EncodeTransportDump(b, dump.base);
  const auto tuple = Encode(b, dump.tuple);
  const auto srtp = EncodeSrtp(b, dump.srtp_parameters);
  return FBS::PipeTransport::CreateDumpResponse(b, base, tuple, dump.rtx, srtp);
}

Offset<FBS::PipeTransport::GetStatsResponse> Encode(Builder& b, const PipeTransportStats& stats) {
  const auto base = EncodeTransportStats(b, stats.base);
  return FBS::PipeTransport::CreateGetStatsResponse(b, base, Encode(b, stats.tuple));
}

Offset<FBS::PipeTransport::ConnectResponse> Encode(Builder& b, const PipeConnectReport& report) {
  return FBS::PipeTransport::CreateConnectResponse(b, Encode(b, report.tuple));
}

Offset<FBS::DirectTransport::DumpResponse> Encode(Builder& b, const DirectTransportDump& dump) {
  return FBS::DirectTransport::CreateDumpResponse(b, EncodeTransportDump(b, dump.base));
}

Offset<FBS::DirectTransport::GetStatsResponse> Encode(Builder& b,
                                                      const DirectTransportStats& stats) {
  return FBS::DirectTransport::CreateGetStatsResponse(b, EncodeTransportStats(b, stats.base));
}

Offset<FBS::Consumer::ConsumerScore> Encode(Builder& b, const ConsumerScore& score) {
  const auto producer_scores = b.CreateVector(score.producer_scores);
  return FBS::Consumer::CreateConsumerScore(b, score.score, score.producer_score, producer_scores);
}

Offset<FBS::Consumer::ConsumerLayers> Encode(Builder& b, const ConsumerLayers& layers) {
  return FBS::Consumer::CreateConsumerLayers(b, layers.spatial_layer,
                                             router_protocol::ToFlat(layers.temporal_layer));
}

Offset<tr::ConsumeResponse> Encode(Builder& b, const ConsumeReport& report) {
  const auto score = Encode(b, report.score);
  const auto layers = report.preferred_layers ? Encode(b, *report.preferred_layers)
                                              : Offset<FBS::Consumer::ConsumerLayers>();
  return tr::CreateConsumeResponse(b, report.paused, report.producer_paused, score, layers);
}

Offset<FBS::Producer::DumpResponse> Encode(Builder& b, const ProducerDump& dump) {
  const auto id = b.CreateString(dump.id);
  const auto parameters = EncodeRtpParameters(b, dump.rtp_parameters);
  const auto mapping = EncodeMapping(b, dump.rtp_mapping);
  const auto streams = EncodeAll<FBS::RtpStream::Dump>(b, dump.rtp_streams, EncodeStreamDump);
  const auto traces = EncodeTraceTypes<FBS::Producer::TraceEventType>(b, dump.traces);
  return FBS::Producer::CreateDumpResponse(b, id,
                                           static_cast<FBS::RtpParameters::MediaKind>(dump.kind),
                                           static_cast<FBS::RtpParameters::Type>(dump.type),
                                           parameters, mapping, streams, traces, dump.paused);
}

Offset<FBS::Consumer::DumpResponse> Encode(Builder& b, const ConsumerDump& dump) {
  const auto id = b.CreateString(dump.id);
  const auto producer_id = b.CreateString(dump.producer_id);
  const auto parameters = EncodeRtpParameters(b, dump.rtp_parameters);
  const auto consumable = EncodeAll<FBS::RtpParameters::RtpEncodingParameters>(
      b, dump.consumable_rtp_encodings, EncodeEncoding);
  const auto supported = b.CreateVector(dump.supported_codec_payload_types);
  const auto traces = EncodeTraceTypes<FBS::Consumer::TraceEventType>(b, dump.traces);
  const auto base = FBS::Consumer::CreateBaseConsumerDump(
      b, id, static_cast<FBS::RtpParameters::Type>(dump.type), producer_id,
      static_cast<FBS::RtpParameters::MediaKind>(dump.kind), parameters, consumable, supported,
      traces, dump.paused, dump.producer_paused, dump.priority);
  const auto streams = EncodeAll<FBS::RtpStream::Dump>(b, dump.rtp_streams, EncodeStreamDump);
  const auto data = FBS::Consumer::CreateConsumerDump(
      b, base, streams, dump.preferred_spatial_layer, dump.target_spatial_layer,
      dump.current_spatial_layer, dump.preferred_temporal_layer, dump.target_temporal_layer,
      dump.current_temporal_layer);
  return FBS::Consumer::CreateDumpResponse(b, data);
}

Offset<flatbuffers::Vector<Offset<FBS::RtpStream::Stats>>> Encode(
    Builder& b, const std::vector<RtpStreamStats>& stats) {
  return EncodeAll<FBS::RtpStream::Stats>(b, stats, EncodeStreamStats);
}

Offset<FBS::Producer::ScoreNotification> Encode(Builder& b,
                                                const std::vector<ProducerScoreEntry>& scores) {
  const auto entries =
      EncodeAll<FBS::Producer::Score>(b, scores, [](Builder& bb, const ProducerScoreEntry& entry) {
        const auto rid = OptionalText(bb, entry.rid);
        return FBS::Producer::CreateScore(bb, entry.encoding_idx, entry.ssrc, rid, entry.score);
      });
  return FBS::Producer::CreateScoreNotification(b, entries);
}

Offset<FBS::Transport::TraceNotification> EncodeTransportTrace(Builder& b,
                                                               const TransportTraceReport& trace) {
  const auto type = static_cast<tr::TraceEventType>(trace.type);
  const auto at = static_cast<uint64_t>(trace.timestamp_ms);
  if (!trace.bwe) {
    return tr::CreateTraceNotification(b, type, at, FBS::Common::TraceDirection::DIRECTION_OUT);
  }
  const BweTrace& bwe = *trace.bwe;
  const auto info = tr::CreateBweTraceInfo(b, static_cast<tr::BweType>(bwe.source), bwe.desired,
                                           bwe.effective_desired, bwe.min, bwe.max, bwe.start,
                                           bwe.max_padding, bwe.available);
  return tr::CreateTraceNotification(b, type, at, FBS::Common::TraceDirection::DIRECTION_OUT,
                                     tr::TraceInfo::BweTraceInfo, info.Union());
}

Offset<FBS::Producer::TraceNotification> EncodeProducerTrace(Builder& b, const TraceReport& trace) {
  namespace pr = FBS::Producer;
  pr::TraceInfo type = pr::TraceInfo::NONE;
  Offset<void> info;
  using Type = TraceReport::Type;
  if (trace.rtp_packet) {
    const auto packet = EncodePacket(b, *trace.rtp_packet);
    const bool key_frame = trace.type == Type::kKeyFrame;
    type = key_frame ? pr::TraceInfo::KeyFrameTraceInfo : pr::TraceInfo::RtpTraceInfo;
    info = key_frame ? pr::CreateKeyFrameTraceInfo(b, packet, trace.is_rtx).Union()
                     : pr::CreateRtpTraceInfo(b, packet, trace.is_rtx).Union();
  } else if (trace.type == Type::kFir) {
    type = pr::TraceInfo::FirTraceInfo;
    info = pr::CreateFirTraceInfo(b, trace.ssrc).Union();
  } else if (trace.type == Type::kPli) {
    type = pr::TraceInfo::PliTraceInfo;
    info = pr::CreatePliTraceInfo(b, trace.ssrc).Union();
  } else if (trace.sender_report) {
    const SenderReportReport& sr = *trace.sender_report;
    type = pr::TraceInfo::SrTraceInfo;
    info = pr::CreateSrTraceInfo(b, sr.ssrc, sr.ntp.seconds, sr.ntp.fraction, sr.rtp_timestamp,
                                 sr.packet_count, sr.octet_count)
               .Union();
  }
  return pr::CreateTraceNotification(b, static_cast<pr::TraceEventType>(trace.type),
                                     static_cast<uint64_t>(trace.timestamp_ms), Direction(trace),
                                     type, info);
}

Offset<FBS::Consumer::TraceNotification> EncodeConsumerTrace(Builder& b, const TraceReport& trace) {
  namespace co = FBS::Consumer;
  co::TraceInfo type = co::TraceInfo::NONE;
  Offset<void> info;
  using Type = TraceReport::Type;
  if (trace.rtp_packet) {
    const auto packet = EncodePacket(b, *trace.rtp_packet);
    const bool key_frame = trace.type == Type::kKeyFrame;
    type = key_frame ? co::TraceInfo::KeyFrameTraceInfo : co::TraceInfo::RtpTraceInfo;
    info = key_frame ? co::CreateKeyFrameTraceInfo(b, packet, trace.is_rtx).Union()
                     : co::CreateRtpTraceInfo(b, packet, trace.is_rtx).Union();
  } else if (trace.type == Type::kFir) {
    type = co::TraceInfo::FirTraceInfo;
    info = co::CreateFirTraceInfo(b, trace.ssrc).Union();
  } else if (trace.type == Type::kPli) {
    type = co::TraceInfo::PliTraceInfo;
    info = co::CreatePliTraceInfo(b, trace.ssrc).Union();
  }
  return co::CreateTraceNotification(b, static_cast<co::TraceEventType>(trace.type),
                                     static_cast<uint64_t>(trace.timestamp_ms), Direction(trace),
                                     type, info);
}

Offset<FBS::AudioLevelObserver::VolumesNotification> EncodeVolumes(
    Builder& b, const std::vector<std::pair<std::string, int8_t>>& volumes) {
  namespace al = FBS::AudioLevelObserver;
  const auto entries = EncodeAll<al::Volume>(
      b, volumes, [](Builder& bb, const std::pair<std::string, int8_t>& volume) {
        const auto id = bb.CreateString(volume.first);
        return al::CreateVolume(bb, id, volume.second);
      });
  return al::CreateVolumesNotification(b, entries);
}

}  // namespace sluice::worker::router_protocol
