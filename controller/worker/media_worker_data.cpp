// The calls of MediaWorker that are about data channels.

#include <utility>
#include <vector>

#include "controller/worker/media_worker.h"
#include "controller/worker/stats_decoding.h"
#include "controller/worker/worker_channel.h"

namespace sluice::controller {

namespace {

using FBS::Request::Method;
using flatbuffers::FlatBufferBuilder;
using flatbuffers::Offset;
using Kind = FBS::Request::Body;

Offset<FBS::SctpParameters::SctpStreamParameters> EncodeStream(
    FlatBufferBuilder& builder, const std::optional<SctpStreamParameters>& stream) {
  if (!stream) return 0;
  const auto optional = [](const std::optional<uint16_t>& value) {
    flatbuffers::Optional<uint16_t> encoded;
    if (value) encoded = *value;
    return encoded;
  };
  flatbuffers::Optional<bool> ordered;
  ordered = stream->ordered;
  return FBS::SctpParameters::CreateSctpStreamParameters(builder, stream->stream_id, ordered,
                                                         optional(stream->max_packet_life_time),
                                                         optional(stream->max_retransmits));
}

}  // namespace

Task<Status> MediaWorker::CreateDirectTransport(std::string router_id, std::string id,
                                                uint32_t max_sent, uint32_t max_heard) {
  return Call(
      Method::ROUTER_CREATE_DIRECTTRANSPORT, std::move(router_id),
      [id = std::move(id), max_sent, max_heard](FlatBufferBuilder& builder) {
        const auto base =
            FBS::Transport::CreateOptions(builder, /*direct=*/true, {}, /*enable_sctp=*/false,
                                          /*max_send_message_size=*/max_heard,
                                          /*max_receive_message_size=*/max_sent);
        const auto options = FBS::DirectTransport::CreateDirectTransportOptions(builder, base);
        return Finish(
            Kind::Router_CreateDirectTransportRequest,
            FBS::Router::CreateCreateDirectTransportRequestDirect(builder, id.c_str(), options));
      });
}

Task<Status> MediaWorker::ProduceData(std::string transport_id, ProduceDataOptions options) {
  return Call(Method::TRANSPORT_PRODUCE_DATA, std::move(transport_id),
              [options = std::move(options)](FlatBufferBuilder& builder) {
                const auto stream = EncodeStream(builder, options.stream);
                return Finish(Kind::Transport_ProduceDataRequest,
                              FBS::Transport::CreateProduceDataRequestDirect(
                                  builder, options.data_producer_id.c_str(),
                                  options.stream ? FBS::DataProducer::Type::SCTP
                                                 : FBS::DataProducer::Type::DIRECT,
                                  stream, options.label.c_str(), options.protocol.c_str()));
              });
}

Task<Status> MediaWorker::ConsumeData(std::string transport_id, ConsumeDataOptions options) {
  return Call(
      Method::TRANSPORT_CONSUME_DATA, std::move(transport_id),
      [options = std::move(options)](FlatBufferBuilder& builder) {
        const auto stream = EncodeStream(builder, options.stream);
        return Finish(
            Kind::Transport_ConsumeDataRequest,
            FBS::Transport::CreateConsumeDataRequestDirect(
                builder, options.data_consumer_id.c_str(), options.data_producer_id.c_str(),
                options.stream ? FBS::DataConsumer::Type::SCTP : FBS::DataConsumer::Type::DIRECT,
                stream, options.label.c_str(), options.protocol.c_str(), /*paused=*/false,
                /*subchannels=*/nullptr, options.open_channel));
      });
}

void MediaWorker::SendData(const std::string& data_producer_id, uint32_t ppid,
                           std::string_view bytes) {
  channel_->Notify(FBS::Notification::Event::DATAPRODUCER_SEND, data_producer_id,
                   [&](FlatBufferBuilder& builder) {
                     const auto data = builder.CreateVector(
                         reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
                     const auto body =
                         FBS::DataProducer::CreateSendNotification(builder, ppid, data);
                     return NotificationBody{FBS::Notification::Body::DataProducer_SendNotification,
                                             body.Union()};
                   });
}

Task<Status> MediaWorker::PauseDataProducer(std::string id) {
  return Call(Method::DATAPRODUCER_PAUSE, std::move(id), {});
}

Task<Status> MediaWorker::ResumeDataProducer(std::string id) {
  return Call(Method::DATAPRODUCER_RESUME, std::move(id), {});
}

Task<Result<DataStats>> MediaWorker::GetDataProducerStats(std::string id) {
  Body none;
  const Result<WorkerResponse> response =
      co_await Ask(Method::DATAPRODUCER_GET_STATS, std::move(id), std::move(none));
  if (!response.ok()) co_return response.status();
  co_return DecodeDataStats(*response->message);
}

Task<Result<DataStats>> MediaWorker::GetDataConsumerStats(std::string id) {
  Body none;
  const Result<WorkerResponse> response =
      co_await Ask(Method::DATACONSUMER_GET_STATS, std::move(id), std::move(none));
  if (!response.ok()) co_return response.status();
  co_return DecodeDataStats(*response->message);
}

}  // namespace sluice::controller
