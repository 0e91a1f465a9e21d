#include "worker/media/data_consumer.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "worker/media/data_producer.h"

namespace sluice::worker {

DataConsumer::DataConsumer(ConsumeDataOptions options, DataProducer& producer, DataEgress& egress,
                           uint32_t low_threshold, EngineEvents& events)
    : options_(std::move(options)),
      producer_(&producer),
      egress_(egress),
      events_(events),
      producer_paused_(producer.paused()),
      low_threshold_(low_threshold),
      subchannels_(options_.subchannels.begin(), options_.subchannels.end()) {}

void DataConsumer::Detach() {
  if (producer_ != nullptr) producer_->Detach(*this);
  producer_ = nullptr;
}

bool DataConsumer::is_orphan() const { return producer_ != nullptr && producer_->sealed(); }

// ---- Messages ---------------------------------------------------------------------------------

bool DataConsumer::Wants(const DataMessage& message) const {
  const auto subscribed = [this](uint16_t subchannel) { return subchannels_.contains(subchannel); };
  if (egress_.is_pipe() && subchannels_.empty()) return true;
  if (message.required_subchannel && !subscribed(*message.required_subchannel)) return false;
  if (!egress_.is_pipe() && message.ignored_subchannel && subscribed(*message.ignored_subchannel)) {
    return false;
  }
  if (message.subchannels.empty()) return true;
  return std::any_of(message.subchannels.begin(), message.subchannels.end(), subscribed);
}

void DataConsumer::OnMessage(const DataMessage& message) {
  if (options_.paused) return;
  if (!Wants(message)) {
    ++counters_.not_subscribed;
    return;
  }
  if (message.payload->size() + egress_.PrefixSize(*this, message) >
      egress_.max_send_message_size()) {
    ++counters_.too_large;
    return;
  }
  if (options_.type == DataType::kDirect) {
    if (message.payload->size() > events_.RoomForData()) {
      ++counters_.send_buffer_full;
      events_.OnDataConsumerSendBufferFull(id());
      egress_.LogUnread(*this);
      return;
    }
    events_.OnDataConsumerMessage(id(), message.ppid, message.payload);
  } else {
    const SctpSendResult result = egress_.Send(*this, message);
    if (result == SctpSendResult::kClosed) ++counters_.not_open;
    if (result == SctpSendResult::kBufferFull) {
      ++counters_.send_buffer_full;
      events_.OnDataConsumerSendBufferFull(id());
    }
    if (result != SctpSendResult::kQueued) return;
  }
  ++counters_.messages_sent;
  counters_.bytes_sent += message.payload->size();
}

void DataConsumer::OnProducerPaused(bool paused) {
  producer_paused_ = paused;
  if (paused) {
    events_.OnDataConsumerProducerPause(id());
  } else {
    events_.OnDataConsumerProducerResume(id());
  }
}

Status DataConsumer::Send(uint32_t ppid, std::vector<uint8_t> bytes) {
  if (options_.type == DataType::kDirect) {
    return TypeError("a data consumer on a DirectTransport sends nothing of its own");
  }
  const size_t size = bytes.size();
  const DataMessage message{
      ppid, std::make_shared<const std::vector<uint8_t>>(std::move(bytes)), {}, {}, {}};
  if (size + egress_.PrefixSize(*this, message) > egress_.max_send_message_size()) {
    return TypeError(fmt::format("data has {} bytes; maxSendMessageSize of the transport is {}",
                                 size, egress_.max_send_message_size()));
  }
  if (size == 0) return Error("data is empty; SCTP has no empty messages (use ppid 56 or 57)");
  if (options_.paused || producer_paused_) return Error("the data consumer is paused");
  switch (egress_.Send(*this, message)) {
    case SctpSendResult::kClosed:
      ++counters_.not_open;
      return Error("the SCTP association of the transport is over");
    case SctpSendResult::kBufferFull:
      ++counters_.send_buffer_full;
      egress_.TellSendBufferFull(*this);
      return Error("sctpsendbufferfull");
    case SctpSendResult::kQueued:
      break;
  }
  ++counters_.messages_sent;
  counters_.bytes_sent += size;
  return absl::OkStatus();
}

// ---- Settings and reports ---------------------------------------------------------------------

uint32_t DataConsumer::buffered_amount() const {
  if (options_.type == DataType::kDirect) return 0;
  return static_cast<uint32_t>(std::min<size_t>(egress_.BufferedAmount(*this), UINT32_MAX));
}

Result<uint32_t> DataConsumer::GetBufferedAmount() const {
  if (options_.type == DataType::kDirect) {
    return TypeError("a data consumer on a DirectTransport buffers nothing");
  }
  return buffered_amount();
}

Status DataConsumer::SetBufferedAmountLowThreshold(uint32_t bytes) {
  if (options_.type == DataType::kDirect) {
    return TypeError("a data consumer on a DirectTransport buffers nothing");
  }
  low_threshold_ = bytes;
  egress_.SetLowThreshold(*this, bytes);
  return absl::OkStatus();
}

void DataConsumer::SetSubchannels(const std::vector<uint16_t>& subchannels) {
  subchannels_ = {subchannels.begin(), subchannels.end()};
}

DataConsumerDump DataConsumer::Dump() const {
  DataConsumerDump dump;
  dump.id = id();
  dump.data_producer_id = options_.data_producer_id;
  dump.type = options_.type;
  dump.sctp_stream_parameters = options_.sctp_stream_parameters;
  dump.label = options_.label;
  dump.protocol = options_.protocol;
  dump.buffered_amount = buffered_amount();
  dump.buffered_amount_low_threshold = low_threshold_;
  dump.paused = options_.paused;
  dump.data_producer_paused = producer_paused_;
  dump.subchannels = {subchannels_.begin(), subchannels_.end()};
  return dump;
}

DataConsumerStats DataConsumer::GetStats(Timestamp now) const {
  return {now.ms(),
          options_.label,
          options_.protocol,
          counters_.messages_sent,
          counters_.bytes_sent,
          buffered_amount()};
}

}  // namespace sluice::worker
