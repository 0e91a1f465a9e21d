#include "worker/media/data_producer.h"

namespace sluice::worker {

void DataProducer::Receive(const DataMessage& message) {
  ++messages_received_;
  bytes_received_ += message.payload->size();
  if (options_.paused) return;
  for (DataConsumer* consumer : consumers_) consumer->OnMessage(message);
}

void DataProducer::SetPaused(bool paused) {
  if (options_.paused == paused) return;
  options_.paused = paused;
  for (DataConsumer* consumer : consumers_) consumer->OnProducerPaused(paused);
}

DataProducerDump DataProducer::Dump() const {
  return {
      options_.data_producer_id, options_.type,  options_.sctp_stream_parameters, options_.label,
      options_.protocol,         options_.paused};
}

DataProducerStats DataProducer::GetStats(Timestamp now) const {
  return {now.ms(), options_.label, options_.protocol, messages_received_, bytes_received_};
}

}  // namespace sluice::worker
