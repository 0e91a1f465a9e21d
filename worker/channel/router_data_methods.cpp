#include "worker/channel/router_data_methods.h"

#include <vector>

#include "worker/channel/router_data_codec.h"
#include "worker/channel/router_reply.h"

namespace sluice::worker::router_protocol {
namespace {

Offset<flatbuffers::Vector<uint16_t>> Subchannels(MethodContext& c, const DataConsumer& consumer) {
  const std::vector<uint16_t> list(consumer.subchannels().begin(), consumer.subchannels().end());
  return c.builder.CreateVector(list);
}

}  // namespace

Result<Reply> ProduceData(DataCore& transport, const FBS::Transport::ProduceDataRequest& body,
                          MethodContext& c) {
  const auto options = DecodeProduceData(body);
  if (!options.ok()) return options.status();
  return Answer(c, transport.ProduceData(*options));
}

Result<Reply> ConsumeData(DataCore& transport, const FBS::Transport::ConsumeDataRequest& body,
                          MethodContext& c) {
  const auto options = DecodeConsumeData(body);
  if (!options.ok()) return options.status();
  return Answer(c, transport.ConsumeData(*options));
}

Result<Reply> CloseDataProducer(DataCore& transport,
                                const FBS::Transport::CloseDataProducerRequest& body,
                                MethodContext& /*c*/) {
  return Done(transport.CloseDataProducer(body.data_producer_id()->str()));
}

Result<Reply> CloseDataConsumer(DataCore& transport,
                                const FBS::Transport::CloseDataConsumerRequest& body,
                                MethodContext& /*c*/) {
  return Done(transport.CloseDataConsumer(body.data_consumer_id()->str()));
}

Result<Reply> DataProducerDumpMethod(DataProducer& producer, MethodContext& c) {
  return With(Encode(c.builder, producer.Dump()));
}

Result<Reply> DataProducerGetStats(DataProducer& producer, MethodContext& c) {
  return With(Encode(c.builder, producer.GetStats(c.engine.Now())));
}

Result<Reply> DataConsumerDumpMethod(DataConsumer& consumer, MethodContext& c) {
  return With(Encode(c.builder, consumer.Dump()));
}

Result<Reply> DataConsumerGetStats(DataConsumer& consumer, MethodContext& c) {
  return With(Encode(c.builder, consumer.GetStats(c.engine.Now())));
}

Result<Reply> DataConsumerGetBufferedAmount(DataConsumer& consumer, MethodContext& c) {
  const Result<uint32_t> amount = consumer.GetBufferedAmount();
  if (!amount.ok()) return amount.status();
  return With(FBS::DataConsumer::CreateGetBufferedAmountResponse(c.builder, *amount));
}

Result<Reply> DataConsumerSetBufferedAmountLowThreshold(
    DataConsumer& consumer, const FBS::DataConsumer::SetBufferedAmountLowThresholdRequest& body,
    MethodContext& /*c*/) {
  return Done(consumer.SetBufferedAmountLowThreshold(body.threshold()));
}

Result<Reply> DataConsumerSend(DataConsumer& consumer, const FBS::DataConsumer::SendRequest& body,
                               MethodContext& c) {
  SLUICE_RETURN_IF_ERROR(
      consumer.Send(body.ppid(), std::vector<uint8_t>(body.data()->begin(), body.data()->end())));
  return With(
      FBS::DataConsumer::CreateSendResponse(c.builder, consumer.GetBufferedAmount().value_or(0)));
}

Result<Reply> DataConsumerSetSubchannels(DataConsumer& consumer,
                                         const FBS::DataConsumer::SetSubchannelsRequest& body,
                                         MethodContext& c) {
  consumer.SetSubchannels({body.subchannels()->begin(), body.subchannels()->end()});
  return With(FBS::DataConsumer::CreateSetSubchannelsResponse(c.builder, Subchannels(c, consumer)));
}

Result<Reply> DataConsumerAddSubchannel(DataConsumer& consumer,
                                        const FBS::DataConsumer::AddSubchannelRequest& body,
                                        MethodContext& c) {
  consumer.AddSubchannel(body.subchannel());
  return With(FBS::DataConsumer::CreateAddSubchannelResponse(c.builder, Subchannels(c, consumer)));
}

Result<Reply> DataConsumerRemoveSubchannel(DataConsumer& consumer,
                                           const FBS::DataConsumer::RemoveSubchannelRequest& body,
                                           MethodContext& c) {
  consumer.RemoveSubchannel(body.subchannel());
  return With(
      FBS::DataConsumer::CreateRemoveSubchannelResponse(c.builder, Subchannels(c, consumer)));
}

}  // namespace sluice::worker::router_protocol
