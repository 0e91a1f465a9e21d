#include "worker/media/data_producer.h"

namespace sluice::worker {

DataProducer::~DataProducer() {
  if (early_ != nullptr) early_->Forget(*this);
}

void DataProducer::KeepEarly(EarlyMessages& early, Timestamp now) {
  early_ = &early;
  early_until_ = now + EarlyMessages::kFor;
}

void DataProducer::SendEarly(DataConsumer& consumer, Timestamp now) const {
  if (early_ == nullptr || options_.paused || now >= early_until_) return;
  for (const DataMessage& message : early_->Of(*this, now)) consumer.OnMessage(message);
}

void DataProducer::Receive(const DataMessage& message, Timestamp now) {
  ++messages_received_;
  bytes_received_ += message.payload->size();
  if (options_.paused) return;
  if (early_ != nullptr && now < early_until_) early_->Keep(*this, message, now);
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
