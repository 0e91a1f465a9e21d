#pragma once

#include <string>
#include <utility>
#include <vector>

#include "proto/message_generated.h"
#include "worker/channel/metrics_report.h"
#include "worker/media/reports.h"

/// The engine's plain reports → FlatBuffers of the router protocol. What the fields mean:
/// docs/protocols/router-protocol.md §16 to §18.
namespace sluice::worker::router_protocol {

using Builder = flatbuffers::FlatBufferBuilder;
template <typename T>
using Offset = flatbuffers::Offset<T>;

Offset<FBS::Worker::DumpResponse> Encode(Builder& b, const WorkerDump& dump);
Offset<FBS::Worker::GetCountersResponse> Encode(Builder& b, const MetricsReport& report);
Offset<FBS::WebRtcServer::DumpResponse> Encode(Builder& b, const WebRtcServerDump& dump);
Offset<FBS::Router::DumpResponse> Encode(Builder& b, const RouterDump& dump);
Offset<FBS::WebRtcTransport::DumpResponse> Encode(Builder& b, const WebRtcTransportDump& dump);
Offset<FBS::WebRtcTransport::GetStatsResponse> Encode(Builder& b,
                                                      const WebRtcTransportStats& stats);
Offset<FBS::PlainTransport::DumpResponse> Encode(Builder& b, const PlainTransportDump& dump);
Offset<FBS::PlainTransport::GetStatsResponse> Encode(Builder& b, const PlainTransportStats& stats);
Offset<FBS::PlainTransport::ConnectResponse> Encode(Builder& b, const PlainConnectReport& report);
Offset<FBS::PipeTransport::DumpResponse> Encode(Builder& b, const PipeTransportDump& dump);
Offset<FBS::PipeTransport::GetStatsResponse> Encode(Builder& b, const PipeTransportStats& stats);
Offset<FBS::PipeTransport::ConnectResponse> Encode(Builder& b, const PipeConnectReport& report);
Offset<FBS::DirectTransport::DumpResponse> Encode(Builder& b, const DirectTransportDump& dump);
Offset<FBS::DirectTransport::GetStatsResponse> Encode(Builder& b,
                                                      const DirectTransportStats& stats);
Offset<FBS::Transport::ConsumeResponse> Encode(Builder& b, const ConsumeReport& report);
Offset<FBS::Transport::Tuple> Encode(Builder& b, const TupleReport& tuple);
Offset<FBS::Producer::DumpResponse> Encode(Builder& b, const ProducerDump& dump);
Offset<FBS::Consumer::DumpResponse> Encode(Builder& b, const ConsumerDump& dump);
Offset<FBS::Consumer::ConsumerScore> Encode(Builder& b, const ConsumerScore& score);
Offset<FBS::Consumer::ConsumerLayers> Encode(Builder& b, const ConsumerLayers& layers);
Offset<flatbuffers::Vector<Offset<FBS::RtpStream::Stats>>> Encode(
    Builder& b, const std::vector<RtpStreamStats>& stats);
Offset<FBS::Producer::ScoreNotification> Encode(Builder& b,
                                                const std::vector<ProducerScoreEntry>& scores);
Offset<FBS::Transport::TraceNotification> EncodeTransportTrace(Builder& b,
                                                               const TransportTraceReport& trace);
Offset<FBS::Producer::TraceNotification> EncodeProducerTrace(Builder& b, const TraceReport& trace);
Offset<FBS::Consumer::TraceNotification> EncodeConsumerTrace(Builder& b, const TraceReport& trace);
Offset<FBS::AudioLevelObserver::VolumesNotification> EncodeVolumes(
    Builder& b, const std::vector<std::pair<std::string, int8_t>>& volumes);

}  // namespace sluice::worker::router_protocol
