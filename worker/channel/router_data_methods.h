#pragma once

#include "common/status.h"
#include "proto/message_generated.h"
#include "worker/channel/router_methods.h"
#include "worker/media/data_consumer.h"
#include "worker/media/data_core.h"
#include "worker/media/data_producer.h"

/// Handlers of the methods of data channels (docs/protocols/router-protocol.md §13), for the table
/// in router_methods.cpp.
namespace sluice::worker::router_protocol {

Result<Reply> ProduceData(DataCore& transport, const FBS::Transport::ProduceDataRequest& body,
                          MethodContext& c);
Result<Reply> ConsumeData(DataCore& transport, const FBS::Transport::ConsumeDataRequest& body,
                          MethodContext& c);
Result<Reply> CloseDataProducer(DataCore& transport,
                                const FBS::Transport::CloseDataProducerRequest& body,
                                MethodContext& c);
Result<Reply> CloseDataConsumer(DataCore& transport,
                                const FBS::Transport::CloseDataConsumerRequest& body,
                                MethodContext& c);

Result<Reply> DataProducerDumpMethod(DataProducer& producer, MethodContext& c);
Result<Reply> DataProducerGetStats(DataProducer& producer, MethodContext& c);
Result<Reply> DataConsumerDumpMethod(DataConsumer& consumer, MethodContext& c);
Result<Reply> DataConsumerGetStats(DataConsumer& consumer, MethodContext& c);
Result<Reply> DataConsumerGetBufferedAmount(DataConsumer& consumer, MethodContext& c);
Result<Reply> DataConsumerSetBufferedAmountLowThreshold(
    DataConsumer& consumer, const FBS::DataConsumer::SetBufferedAmountLowThresholdRequest& body,
    MethodContext& c);
Result<Reply> DataConsumerSend(DataConsumer& consumer, const FBS::DataConsumer::SendRequest& body,
                               MethodContext& c);
Result<Reply> DataConsumerSetSubchannels(DataConsumer& consumer,
                                         const FBS::DataConsumer::SetSubchannelsRequest& body,
                                         MethodContext& c);
Result<Reply> DataConsumerAddSubchannel(DataConsumer& consumer,
                                        const FBS::DataConsumer::AddSubchannelRequest& body,
                                        MethodContext& c);
Result<Reply> DataConsumerRemoveSubchannel(DataConsumer& consumer,
                                           const FBS::DataConsumer::RemoveSubchannelRequest& body,
                                           MethodContext& c);

}  // namespace sluice::worker::router_protocol
