#include "worker/channel/router_data_codec.h"

#include <fmt/format.h>

#include <memory>
#include <utility>

#include "worker/channel/frame_fields.h"
#include "worker/channel/router_encode_rtp.h"

namespace sluice::worker::router_protocol {
namespace {

std::optional<SctpStreamParameters> DecodeStream(
    const FBS::SctpParameters::SctpStreamParameters* stream) {
  if (stream == nullptr) return std::nullopt;
  return SctpStreamParameters{stream->stream_id(), Optional(stream->ordered()),
                              Optional(stream->max_packet_life_time()),
                              Optional(stream->max_retransmits())};
}

/// What a request to produce and one to consume have in common.
template <typename Request, typename Options>
Status DecodeCommon(const Request& request, Options* options) {
  const auto type = static_cast<uint8_t>(request.type());
  if (type > static_cast<uint8_t>(DataType::kDirect)) {
    return TypeError(fmt::format("type is {}; it is 0 (sctp) or 1 (direct)", type));
  }
  options->type = static_cast<DataType>(type);
  options->data_producer_id = Text(request.data_producer_id());
  options->sctp_stream_parameters = DecodeStream(request.sctp_stream_parameters());
  options->label = Text(request.label());
  options->protocol = Text(request.protocol());
  options->paused = request.paused();
  return absl::OkStatus();
}

Offset<FBS::SctpParameters::SctpStreamParameters> EncodeStream(
    Builder& b, const std::optional<SctpStreamParameters>& stream) {
  if (!stream) return {};
  return FBS::SctpParameters::CreateSctpStreamParameters(
      b, stream->stream_id, ToFlat(stream->ordered), ToFlat(stream->max_packet_life_time),
      ToFlat(stream->max_retransmits));
}

}  // namespace

Result<ProduceDataOptions> DecodeProduceData(const FBS::Transport::ProduceDataRequest& request) {
  ProduceDataOptions options;
  SLUICE_RETURN_IF_ERROR(DecodeCommon(request, &options));
  return options;
}

Result<ConsumeDataOptions> DecodeConsumeData(const FBS::Transport::ConsumeDataRequest& request) {
  ConsumeDataOptions options;
  SLUICE_RETURN_IF_ERROR(DecodeCommon(request, &options));
  options.data_consumer_id = Text(request.data_consumer_id());
  options.open_channel = request.open_channel();
  if (request.subchannels() != nullptr) {
    options.subchannels.assign(request.subchannels()->begin(), request.subchannels()->end());
  }
  return options;
}

DataMessage DecodeMessage(const FBS::DataProducer::SendNotification& notification) {
  DataMessage message;
  message.ppid = notification.ppid();
  message.payload = std::make_shared<const std::vector<uint8_t>>(notification.data()->begin(),
                                                                 notification.data()->end());
  if (notification.subchannels() != nullptr) {
    message.subchannels.assign(notification.subchannels()->begin(),
                               notification.subchannels()->end());
  }
  message.required_subchannel = Optional(notification.required_subchannel());
  message.ignored_subchannel = Optional(notification.ignored_subchannel());
  return message;
}

Offset<FBS::DataProducer::DumpResponse> Encode(Builder& b, const DataProducerDump& dump) {
  const auto id = b.CreateString(dump.id);
  const auto stream = EncodeStream(b, dump.sctp_stream_parameters);
  const auto label = b.CreateString(dump.label);
  const auto protocol = b.CreateString(dump.protocol);
  return FBS::DataProducer::CreateDumpResponse(
      b, id, static_cast<FBS::DataProducer::Type>(dump.type), stream, label, protocol, dump.paused);
}

Offset<FBS::Transport::DataChannelOpenNotification> EncodeChannelOpen(
    Builder& b, const DataProducerDump& dump) {
  const auto id = b.CreateString(dump.id);
  const auto stream = EncodeStream(b, dump.sctp_stream_parameters);
  const auto label = b.CreateString(dump.label);
  const auto protocol = b.CreateString(dump.protocol);
  return FBS::Transport::CreateDataChannelOpenNotification(b, id, stream, label, protocol);
}

Offset<FBS::DataProducer::GetStatsResponse> Encode(Builder& b, const DataProducerStats& stats) {
  const auto label = b.CreateString(stats.label);
  const auto protocol = b.CreateString(stats.protocol);
  return FBS::DataProducer::CreateGetStatsResponse(b, static_cast<uint64_t>(stats.timestamp_ms),
                                                   label, protocol, stats.messages_received,
                                                   stats.bytes_received);
}

Offset<FBS::DataConsumer::DumpResponse> Encode(Builder& b, const DataConsumerDump& dump) {
  const auto id = b.CreateString(dump.id);
  const auto producer = b.CreateString(dump.data_producer_id);
  const auto stream = EncodeStream(b, dump.sctp_stream_parameters);
  const auto label = b.CreateString(dump.label);
  const auto protocol = b.CreateString(dump.protocol);
  const auto subchannels = b.CreateVector(dump.subchannels);
  return FBS::DataConsumer::CreateDumpResponse(
      b, id, producer, static_cast<FBS::DataConsumer::Type>(dump.type), stream, label, protocol,
      dump.buffered_amount, dump.buffered_amount_low_threshold, dump.paused,
      dump.data_producer_paused, subchannels);
}

Offset<FBS::DataConsumer::GetStatsResponse> Encode(Builder& b, const DataConsumerStats& stats) {
  const auto label = b.CreateString(stats.label);
  const auto protocol = b.CreateString(stats.protocol);
  return FBS::DataConsumer::CreateGetStatsResponse(b, static_cast<uint64_t>(stats.timestamp_ms),
                                                   label, protocol, stats.messages_sent,
                                                   stats.bytes_sent, stats.buffered_amount);
}

SctpDumpOffsets EncodeSctp(Builder& b, const TransportDump& dump) {
  SctpDumpOffsets offsets;
  if (!dump.sctp) return offsets;
  const SctpDump& sctp = *dump.sctp;
  offsets.parameters = FBS::SctpParameters::CreateSctpParameters(
      b, sctp.port, dump.max_send_message_size, dump.max_receive_message_size,
      sctp.send_buffer_size, sctp.per_stream_send_queue_limit, sctp.max_receiver_window_buffer_size,
      sctp.is_data_channel);
  offsets.state = static_cast<FBS::SctpAssociation::SctpState>(sctp.state);
  offsets.negotiated = Encode(b, sctp.negotiated);
  using Entry = std::pair<uint16_t, std::string>;
  const auto table =
      EncodeAll<FBS::Common::Uint16String>(b, sctp.stream_ids, [](Builder& bb, const Entry& e) {
        return FBS::Common::CreateUint16String(bb, e.first, bb.CreateString(e.second));
      });
  offsets.listener = FBS::Transport::CreateSctpListener(b, table);
  return offsets;
}

Offset<FBS::SctpAssociation::SctpNegotiatedCapabilities> Encode(Builder& b,
                                                                const SctpStreamCounts& streams) {
  return FBS::SctpAssociation::CreateSctpNegotiatedCapabilities(b, streams.outbound,
                                                                streams.inbound);
}

}  // namespace sluice::worker::router_protocol
