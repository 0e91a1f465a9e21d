#pragma once

#include "common/status.h"
#include "proto/message_generated.h"
#include "worker/channel/router_encode.h"
#include "worker/media/data_message.h"
#include "worker/media/options.h"
#include "worker/media/reports.h"

/// What the router protocol says of data channels (docs/protocols/router-protocol.md §13), to and
/// from the engine's plain values.
namespace sluice::worker::router_protocol {

Result<ProduceDataOptions> DecodeProduceData(const FBS::Transport::ProduceDataRequest& request);
Result<ConsumeDataOptions> DecodeConsumeData(const FBS::Transport::ConsumeDataRequest& request);
DataMessage DecodeMessage(const FBS::DataProducer::SendNotification& notification);

Offset<FBS::DataProducer::DumpResponse> Encode(Builder& b, const DataProducerDump& dump);
Offset<FBS::Transport::DataChannelOpenNotification> EncodeChannelOpen(Builder& b,
                                                                      const DataProducerDump& dump);
Offset<FBS::DataProducer::GetStatsResponse> Encode(Builder& b, const DataProducerStats& stats);
Offset<FBS::DataConsumer::DumpResponse> Encode(Builder& b, const DataConsumerDump& dump);
Offset<FBS::DataConsumer::GetStatsResponse> Encode(Builder& b, const DataConsumerStats& stats);

/// The SCTP fields of a transport's dump; empty offsets without SCTP.
struct SctpDumpOffsets {
  Offset<FBS::SctpParameters::SctpParameters> parameters;
  flatbuffers::Optional<FBS::SctpAssociation::SctpState> state;
  Offset<FBS::SctpAssociation::SctpNegotiatedCapabilities> negotiated;
  Offset<FBS::Transport::SctpListener> listener;
};
SctpDumpOffsets EncodeSctp(Builder& b, const TransportDump& dump);
Offset<FBS::SctpAssociation::SctpNegotiatedCapabilities> Encode(Builder& b,
                                                                const SctpStreamCounts& streams);

}  // namespace sluice::worker::router_protocol
