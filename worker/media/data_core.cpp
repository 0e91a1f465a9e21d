#include "worker/media/data_core.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <variant>

#include "common/log.h"
#include "worker/media/engine_context.h"
#include "worker/media/router.h"
#include "worker/wire/pipe_header.h"

namespace sluice::worker {
namespace {

/// Messages of up to so many bytes whatever the buffer: what waits is bounded by the buffer and
/// one message.
Status CheckSizes(const TransportOptions& options) {
  const auto check = [](const char* field, uint32_t bytes) {
    if (bytes <= DataCore::kMaxBuffer) return absl::OkStatus();
    return TypeError(fmt::format("{} {}: at most {} bytes", field, bytes, DataCore::kMaxBuffer));
  };
  SLUICE_RETURN_IF_ERROR(check("maxSendMessageSize", options.max_send_message_size));
  SLUICE_RETURN_IF_ERROR(check("maxReceiveMessageSize", options.max_receive_message_size));
  SLUICE_RETURN_IF_ERROR(check("sctpSendBufferSize", options.sctp_send_buffer_size));
  SLUICE_RETURN_IF_ERROR(
      check("sctpPerStreamSendQueueLimit", options.sctp_per_stream_send_queue_limit));
  return check("sctpMaxReceiverWindowBufferSize", options.sctp_max_receiver_window_buffer_size);
}

/// The engine's SCTP stack, made when the first transport needs it.
Result<SctpStack*> StackOf(EngineContext& context) {
  if (context.sctp == nullptr) {
    Result<std::unique_ptr<SctpStack>> created = SctpStack::Create(context.environment);
    if (!created.ok()) return created.status();
    context.sctp = *std::move(created);
  }
  return context.sctp.get();
}

SctpOptions ToSctpOptions(const TransportOptions& options, const DataCore::Path& path) {
  SctpOptions sctp;
  const auto set = [](auto* to, uint32_t bytes) {
    if (bytes != 0) *to = bytes;  // 0: not given
  };
  sctp.path_mtu = path.mtu;
  sctp.authenticated_path = path.authenticated_path;
  set(&sctp.max_receive_message_size, options.max_receive_message_size);
  set(&sctp.send_buffer_size, options.sctp_send_buffer_size);
  set(&sctp.per_stream_send_limit, options.sctp_per_stream_send_queue_limit);
  set(&sctp.receive_window, options.sctp_max_receiver_window_buffer_size);
  sctp.buffered_amount_low_threshold = options.sctp_default_stream_buffered_amount_low_threshold;
  return sctp;
}

SctpReliability ToReliability(const SctpStreamParameters& parameters) {
  SctpReliability reliability;
  reliability.ordered = parameters.ordered.value_or(true);
  if (reliability.ordered) return reliability;
  reliability.max_retransmits = parameters.max_retransmits;
  if (parameters.max_packet_life_time.value_or(0) != 0) {
    reliability.max_life_time = parameters.max_packet_life_time;
    reliability.max_retransmits.reset();
  }
  return reliability;
}

void AddConsumer(const DataConsumer& consumer, DataCounters* counters) {
  const DataConsumerCounters& from = consumer.counters();
  counters->messages_sent += from.messages_sent;
  counters->bytes_sent += from.bytes_sent;
  counters->not_subscribed += from.not_subscribed;
  counters->too_large += from.too_large;
  counters->send_buffer_full += from.send_buffer_full;
  counters->not_open += from.not_open;
}

/// How many lines were left out before this one, to end it with.
std::string MoreLines(LineLimit& limit) {
  const uint64_t left_out = limit.TakeLeftOut();
  return left_out == 0 ? "" : fmt::format(" (and {} more like it before)", left_out);
}

void AddAssociation(const SctpStats& from, DataCounters* data, SctpCounters* sctp) {
  data->oversized += from.messages_oversized;
  data->expired += from.messages_expired;
  data->no_such_stream += from.messages_unsendable;
  const SctpRefusals& refusals = from.refusals;
  AddCounters(sctp, SctpCounters{from.packets_received, from.packets_sent, from.restarts,
                                 from.dropped_outputs, refusals.malformed, refusals.bad_checksum,
                                 refusals.wrong_port, refusals.wrong_tag, refusals.unexpected_init,
                                 refusals.extensions, refusals.too_many_resets,
                                 from.streams_refused, from.fragments_refused});
}

}  // namespace

DataCore::DataCore(TransportCore& core, DataLink* link, const Path& path)
    : core_(core), context_(core.context()), link_(link), path_(path) {}

DataCore::~DataCore() {
  context_.turn.ForgetOwner(this);
  DropConsumers();
  DropProducers();
  AddCounters(&context_.closed.data, counters_);
  if (association_ == nullptr) return;
  AddAssociation(association_->stats(), &context_.closed.data, &context_.closed.sctp);
}

Status DataCore::Open() {
  const TransportOptions& options = core_.options();
  if (path_.kind == Kind::kDirect || !options.enable_sctp) return absl::OkStatus();
  SLUICE_RETURN_IF_ERROR(CheckSizes(options));
  const Result<SctpStack*> stack = StackOf(context_);
  if (!stack.ok()) return stack.status();
  association_ = (*stack)->CreateAssociation(ToSctpOptions(options, path_), [this] { Drain(); });
  return absl::OkStatus();
}

// ---- The association --------------------------------------------------------------------------

void DataCore::OnConnected(bool connected) {
  connected_ = connected;
  StartSctp();
}

void DataCore::StartSctp() {
  if (association_ == nullptr || !connected_) return;
  if (association_->state() != SctpState::kNew) return;
  // A peer that opens channels by DCEP may do so at any time.
  const bool waits = !core_.options().terminate_dcep;
  if (waits && producers_.all().empty() && consumers_.all().empty()) return;
  association_->Start();
  Drain();
}

void DataCore::StartSctpAfterResponse() {
  if (association_ == nullptr || association_->state() != SctpState::kNew) return;
  context_.turn.AfterResponse(this, [this](Timestamp) { StartSctp(); });
}

void DataCore::OnSctpPacket(std::span<const uint8_t> packet) {
  if (association_ == nullptr) {
    ++core_.counters().unclassified;  // which we did not offer
    return;
  }
  association_->OnPacket(packet);
  Drain();
}

void DataCore::CloseAssociation() {
  if (association_ == nullptr) return;
  association_->Close();
  Drain();
}

void DataCore::Seal() {
  context_.turn.ForgetOwner(this);
  sealed_ = true;
  CloseAssociation();
}

void DataCore::Drain() {
  if (draining_) return;  // from inside of the loop below, which takes it
  draining_ = true;
  while (std::optional<SctpOutput> output = association_->TakeOutput()) {
    if (sealed_ && !std::holds_alternative<SctpPacket>(*output)) continue;
    std::visit([this](auto& what) { Handle(what); }, *output);
  }
  draining_ = false;
  if (std::exchange(packets_sent_, false)) link_->FlushSctp();
}

void DataCore::Handle(const SctpPacket& packet) {
  link_->SendSctp(packet.bytes);
  packets_sent_ = true;
}

void DataCore::Handle(const SctpStateChange& change) {
  context_.events.OnSctpState(id(), change.state);
}

void DataCore::Handle(const SctpNegotiated& negotiated) {
  context_.events.OnSctpNegotiated(id(), negotiated.streams);
  const auto beyond = consumer_by_stream_.lower_bound(negotiated.streams.outbound);
  if (beyond == consumer_by_stream_.end()) return;
  context_.turn.AfterResponse(this, [this](Timestamp) { CloseUntaken(); });
}

/// Closes data consumers that were made before it was known how many streams the peer takes, and
/// that are beyond them. The application is told as of a data producer that has ended, which it
/// understands.
void DataCore::CloseUntaken() {
  const uint16_t taken = association_->streams().outbound;
  for (auto it = consumer_by_stream_.lower_bound(taken); it != consumer_by_stream_.end();
       it = consumer_by_stream_.lower_bound(taken)) {
    DataConsumer& consumer = *it->second;
    if (context_.data_lines.untaken.Allows(context_.environment.Now())) {
      SLUICE_WARN(kNone,
                  "transport {}: the peer takes {} streams; data consumer {} of stream {} is "
                  "closed{}",
                  id(), taken, consumer.id(), it->first, MoreLines(context_.data_lines.untaken));
    }
    consumer.OnProducerClosed();
    CloseDataConsumer(consumer);
  }
}

void DataCore::Handle(SctpReceived& received) {
  if (received.ppid == static_cast<uint32_t>(sctp::Ppid::kDcep)) {
    OnDcep(received.stream, received.bytes);
    return;
  }
  const auto it = producer_by_stream_.find(received.stream);
  if (it == producer_by_stream_.end()) {
    ++counters_.no_producer;
    LogNoProducer(received);
    return;
  }
  ++counters_.messages_received;
  counters_.bytes_received += received.bytes.size();
  DataMessage message;
  message.ppid = received.ppid;
  if (path_.kind == Kind::kPipe) {
    PipeMessage piped = ParsePipeMessage(received.bytes);
    message.subchannels = std::move(piped.header.subchannels);
    message.required_subchannel = piped.header.required_subchannel;
    message.ignored_subchannel = piped.header.ignored_subchannel;
    const auto prefix = received.bytes.size() - piped.payload.size();
    received.bytes.erase(received.bytes.begin(),
                         received.bytes.begin() + static_cast<std::ptrdiff_t>(prefix));
    if (received.bytes.empty()) return;  // a header alone: no worker sends that
  }
  message.payload = std::make_shared<const std::vector<uint8_t>>(std::move(received.bytes));
  it->second->Receive(message, context_.environment.Now());
}

void DataCore::LogNoProducer(const SctpReceived& received) {
  if (!context_.data_lines.stray.Allows(context_.environment.Now())) return;
  SLUICE_WARN(kNone,
              "transport {}: dropped a message of {} bytes on SCTP stream {}, which is no data "
              "producer's{}",
              id(), received.bytes.size(), received.stream, MoreLines(context_.data_lines.stray));
}

void DataCore::Handle(const SctpStreamsReset& reset) {
  if (!core_.options().is_data_channel) return;
  context_.turn.AfterResponse(
      this, [this, streams = reset.streams](Timestamp) { OnStreamsReset(streams); });
}

void DataCore::OnStreamsReset(const std::vector<uint16_t>& streams) {
  // A channel is closed by a reset of both directions (RFC 8831 §6.7).
  std::vector<uint16_t> closing = streams;
  if (closing.empty()) {
    for (const auto& [stream, consumer] : consumer_by_stream_) closing.push_back(stream);
    closing.insert(closing.end(), peer_channels_.begin(), peer_channels_.end());
  }
  for (const uint16_t stream : closing) {
    const bool was_channel = CloseChannel(stream);
    for (auto it = consumer_by_stream_.find(stream); it != consumer_by_stream_.end();
         it = consumer_by_stream_.find(stream)) {
      DataConsumer& consumer = *it->second;
      consumer.OnProducerClosed();  // what the application understands
      CloseDataConsumer(consumer);
    }
    if (!was_channel) ResetStream(stream);
  }
}

void DataCore::Handle(const SctpBufferedAmountLow& low) {
  const auto [first, last] = consumer_by_stream_.equal_range(low.stream);
  for (auto it = first; it != last; ++it) {
    context_.events.OnDataConsumerBufferedAmountLow(it->second->id(),
                                                    static_cast<uint32_t>(low.bytes));
  }
}

void DataCore::ResetStream(uint16_t stream) {
  if (association_ == nullptr || !closed_streams_.insert(stream).second) return;
  association_->ResetStream(stream);
  Drain();
}

// ---- DataEgress -------------------------------------------------------------------------------

std::vector<uint8_t> DataCore::Prefix(const DataConsumer& consumer,
                                      const DataMessage& message) const {
  if (path_.kind != Kind::kPipe) return {};
  PipeHeader header{{}, message.required_subchannel, message.ignored_subchannel};
  const std::set<uint16_t>& wanted = consumer.subchannels();
  for (const uint16_t subchannel : message.subchannels) {
    if (header.subchannels.size() == PipeHeader::kMaxSubchannels) break;
    if (wanted.empty() || wanted.contains(subchannel)) header.subchannels.push_back(subchannel);
  }
  return MakePipePrefix(header, *message.payload);
}

size_t DataCore::PrefixSize(const DataConsumer& consumer, const DataMessage& message) const {
  return path_.kind == Kind::kPipe ? Prefix(consumer, message).size() : 0;
}

SctpSendResult DataCore::Send(DataConsumer& consumer, const DataMessage& message) {
  if (association_ == nullptr) return SctpSendResult::kClosed;
  const SctpStreamParameters& stream = *consumer.options().sctp_stream_parameters;
  SctpReliability reliability = ToReliability(stream);
  // Nothing may overtake the request to open the channel (RFC 8832 §6).
  if (unacked_streams_.contains(stream.stream_id)) reliability.ordered = true;
  const SctpSendResult result = association_->Send(
      {stream.stream_id, message.ppid, Prefix(consumer, message), message.payload, reliability});
  Drain();
  return result;
}

size_t DataCore::BufferedAmount(const DataConsumer& consumer) const {
  if (association_ == nullptr) return 0;
  return association_->BufferedAmount(consumer.options().sctp_stream_parameters->stream_id);
}

void DataCore::SetLowThreshold(const DataConsumer& consumer, uint32_t bytes) {
  if (association_ == nullptr) return;
  association_->SetBufferedAmountLowThreshold(consumer.options().sctp_stream_parameters->stream_id,
                                              bytes);
  Drain();
}

void DataCore::TellSendBufferFull(const DataConsumer& consumer) {
  context_.turn.AfterResponse(this, [this, id = consumer.id()](Timestamp) {
    context_.events.OnDataConsumerSendBufferFull(id);
  });
}

void DataCore::LogUnread(const DataConsumer& consumer) {
  if (!context_.data_lines.unread.Allows(context_.environment.Now())) return;
  SLUICE_WARN(kNone, "data consumer {}: refused a message: the controller does not read{}",
              consumer.id(), MoreLines(context_.data_lines.unread));
}

// ---- Data producers and data consumers --------------------------------------------------------

Status DataCore::CheckType(DataType type) const {
  if (path_.kind == Kind::kDirect) {
    if (type == DataType::kDirect) return absl::OkStatus();
    return TypeError("type sctp: a DirectTransport has data of type direct only");
  }
  if (type == DataType::kDirect) {
    return TypeError("type direct: only a DirectTransport has it; use sctp");
  }
  if (association_ != nullptr) return absl::OkStatus();
  return Error("this transport was made with enableSctp false");
}

Result<std::optional<SctpStreamParameters>> DataCore::CheckStream(
    DataType type, const std::optional<SctpStreamParameters>& parameters) const {
  if (type == DataType::kDirect) return std::optional<SctpStreamParameters>();
  if (!parameters) return TypeError("sctpStreamParameters is missing");
  SctpStreamParameters checked = *parameters;
  if (checked.stream_id > kMaxStreamId) {
    return TypeError(fmt::format("sctpStreamParameters.streamId {}: at most {}", checked.stream_id,
                                 kMaxStreamId));
  }
  const bool timed = checked.max_packet_life_time.value_or(0) != 0;
  const bool counted = checked.max_retransmits.value_or(0) != 0;
  if (timed && counted) {
    return TypeError(
        "sctpStreamParameters has maxPacketLifeTime and maxRetransmits; give one of them");
  }
  if (checked.ordered.value_or(false) && (timed || counted)) {
    return TypeError(
        "sctpStreamParameters.ordered true with maxPacketLifeTime or maxRetransmits; leave one "
        "out");
  }
  if (!checked.ordered) {
    checked.ordered = !checked.max_packet_life_time && !checked.max_retransmits;
  }
  return std::optional<SctpStreamParameters>(checked);
}

Status DataCore::CheckRoomForStream(uint16_t stream) const {
  const uint16_t outbound = association_->streams().outbound;  // 0: not known yet
  if (outbound != 0 && stream >= outbound) {
    return Error(
        fmt::format("sctpStreamParameters.streamId {}: the peer takes {} streams; use 0 to {}",
                    stream, outbound, outbound - 1));
  }
  constexpr size_t kMost = SctpAssociation::kMaxStreamsInUse;
  // Channels of the peer's are answered on their streams (DCEP).
  const auto others = std::count_if(peer_channels_.begin(), peer_channels_.end(), [&](uint16_t id) {
    return id != stream && !consumer_by_stream_.contains(id);
  });
  if (consumer_by_stream_.size() + static_cast<size_t>(others) < kMost) return absl::OkStatus();
  return Error(
      fmt::format("this transport sends on {} streams, the most of one SCTP association; close "
                  "data consumers, or use another transport",
                  kMost));
}

Result<DataProducerDump> DataCore::ProduceData(const ProduceDataOptions& options) {
  SLUICE_RETURN_IF_ERROR(context_.objects.CheckFree(options.data_producer_id));
  SLUICE_RETURN_IF_ERROR(CheckType(options.type));
  const auto stream = CheckStream(options.type, options.sctp_stream_parameters);
  if (!stream.ok()) return stream.status();
  if (*stream && producer_by_stream_.contains((*stream)->stream_id)) {
    return Error(fmt::format("sctpStreamParameters.streamId {} is another data producer's",
                             (*stream)->stream_id));
  }
  SLUICE_RETURN_IF_ERROR(CheckRoomFor("data producers", producers_.size()));
  ProduceDataOptions checked = options;
  checked.sctp_stream_parameters = *stream;
  const DataProducer& producer = AddProducer(checked);
  StartSctpAfterResponse();
  return producer.Dump();
}

Status DataCore::CheckRoomFor(const char* what, size_t count) const {
  const size_t most = context_.limits.data_channels;
  if (count < most) return absl::OkStatus();
  ++context_.closed.limits.data_channels;
  return Error(fmt::format(
      "this transport has {} {}, the most it takes (maxDataChannelsPerTransport)", most, what));
}

DataProducer& DataCore::AddProducer(const ProduceDataOptions& checked) {
  auto created = std::make_unique<DataProducer>(checked);
  DataProducer& producer = *created;
  producers_.Add(std::move(created));
  if (const auto& stream = checked.sctp_stream_parameters) {
    producer_by_stream_[stream->stream_id] = &producer;
    closed_streams_.erase(stream->stream_id);
  }
  context_.objects.Register(producer.id(), DataProducerEntry{&producer, this}, core_.closed_flag());
  core_.router().AddDataProducer(producer);
  return producer;
}

Result<DataConsumerDump> DataCore::ConsumeData(const ConsumeDataOptions& options) {
  CloseOrphans(options);
  SLUICE_RETURN_IF_ERROR(context_.objects.CheckFree(options.data_consumer_id));
  DataProducer* const producer = core_.router().FindDataProducer(options.data_producer_id);
  if (producer == nullptr) {
    return NotFoundError(fmt::format("dataProducerId '{}' names no data producer of this router",
                                     options.data_producer_id));
  }
  SLUICE_RETURN_IF_ERROR(CheckType(options.type));
  const auto stream = CheckStream(options.type, options.sctp_stream_parameters);
  if (!stream.ok()) return stream.status();
  if (*stream && !MayUse((*stream)->stream_id, options)) {
    return Error(fmt::format("sctpStreamParameters.streamId {} is another data consumer's",
                             (*stream)->stream_id));
  }
  if (*stream) SLUICE_RETURN_IF_ERROR(CheckRoomForStream((*stream)->stream_id));
  SLUICE_RETURN_IF_ERROR(CheckOpenChannel(options));
  SLUICE_RETURN_IF_ERROR(CheckRoomFor("data consumers", consumers_.size()));
  ConsumeDataOptions checked = options;
  checked.sctp_stream_parameters = *stream;
  auto created = std::make_unique<DataConsumer>(
      std::move(checked), *producer, *this,
      core_.options().sctp_default_stream_buffered_amount_low_threshold, context_.events);
  DataConsumer& consumer = *created;
  consumers_.Add(std::move(created));
  producer->Attach(consumer);
  if (*stream) {
    consumer_by_stream_.emplace((*stream)->stream_id, &consumer);
    closed_streams_.erase((*stream)->stream_id);
  }
  context_.objects.Register(consumer.id(), DataConsumerEntry{&consumer, this}, core_.closed_flag());
  if (options.open_channel) OpenChannel(consumer.options());
  producer->SendEarly(consumer, context_.environment.Now());
  StartSctpAfterResponse();
  return consumer.Dump();
}

Status DataCore::CloseDataProducer(const std::string& data_producer_id) {
  const auto* entry = context_.objects.FindAs<DataProducerEntry>(data_producer_id);
  if (entry == nullptr || entry->transport != this) {
    return NotFoundError(fmt::format("dataProducerId '{}' names no data producer of transport '{}'",
                                     data_producer_id, id()));
  }
  CloseDataProducer(*entry->producer);
  return absl::OkStatus();
}

Status DataCore::CloseDataConsumer(const std::string& data_consumer_id) {
  const auto* entry = context_.objects.FindAs<DataConsumerEntry>(data_consumer_id);
  if (entry == nullptr || entry->transport != this) {
    return NotFoundError(fmt::format("dataConsumerId '{}' names no data consumer of transport '{}'",
                                     data_consumer_id, id()));
  }
  CloseDataConsumer(*entry->consumer);
  return absl::OkStatus();
}

void DataCore::CloseConsumersOf(DataProducer& producer, size_t* effort) {
  const std::vector<DataConsumer*>& all = producer.consumers();
  const size_t count = std::min(*effort, all.size());
  const std::vector<DataConsumer*> some(all.begin(),
                                        all.begin() + static_cast<std::ptrdiff_t>(count));
  for (DataConsumer* consumer : some) {
    // Those whose transports are closing have left.
    const auto* entry = context_.objects.FindAs<DataConsumerEntry>(consumer->id());
    entry->transport->CloseOrphan(*consumer);
  }
  *effort -= count;
}

void DataCore::CloseOrphan(DataConsumer& consumer) {
  consumer.OnProducerClosed();
  CloseDataConsumer(consumer);
}

void DataCore::CloseOrphans(const ConsumeDataOptions& options) {
  const auto* same_id = context_.objects.FindAs<DataConsumerEntry>(options.data_consumer_id);
  if (same_id != nullptr && same_id->consumer->is_orphan()) {
    same_id->transport->CloseOrphan(*same_id->consumer);
  }
  if (!options.sctp_stream_parameters) return;
  const auto [first, last] =
      consumer_by_stream_.equal_range(options.sctp_stream_parameters->stream_id);
  std::vector<DataConsumer*> orphans;
  for (auto it = first; it != last; ++it) {
    if (it->second->is_orphan()) orphans.push_back(it->second);
  }
  for (DataConsumer* orphan : orphans) CloseOrphan(*orphan);
}

void DataCore::CloseDataProducer(DataProducer& producer) {
  size_t effort = SIZE_MAX;
  CloseConsumersOf(producer, &effort);
  core_.router().RemoveDataProducer(producer);
  context_.objects.Unregister(producer.id(), core_.closed_flag());
  const std::optional<SctpStreamParameters> stream = producer.options().sctp_stream_parameters;
  if (stream) {
    producer_by_stream_.erase(stream->stream_id);
    peer_channels_.erase(stream->stream_id);
  }
  producers_.Take(producer);
  // The peer's channel ends in both directions.
  if (stream && core_.options().is_data_channel) ResetStream(stream->stream_id);
}

void DataCore::CloseDataConsumer(DataConsumer& consumer) {
  consumer.Detach();
  context_.objects.Unregister(consumer.id(), core_.closed_flag());
  AddConsumer(consumer, &counters_);
  const std::optional<SctpStreamParameters> stream = consumer.options().sctp_stream_parameters;
  const bool joins = Joins(consumer.options());
  if (stream) {
    const auto [first, last] = consumer_by_stream_.equal_range(stream->stream_id);
    const auto entry =
        std::find_if(first, last, [&](const auto& each) { return each.second == &consumer; });
    if (entry != last) consumer_by_stream_.erase(entry);
    unacked_streams_.erase(stream->stream_id);
  }
  consumers_.Take(consumer);
  if (!stream || association_ == nullptr) return;
  if (consumer_by_stream_.contains(stream->stream_id)) return;  // others go on there
  association_->ForgetStream(stream->stream_id);
  if (!joins) ResetStream(stream->stream_id);
}

bool DataCore::Joins(const ConsumeDataOptions& options) const {
  return core_.options().terminate_dcep && !options.open_channel;
}

bool DataCore::MayUse(uint16_t stream, const ConsumeDataOptions& options) const {
  const auto [first, last] = consumer_by_stream_.equal_range(stream);
  return std::all_of(first, last, [&](const auto& each) {
    return Joins(options) && Joins(each.second->options());
  });
}

void DataCore::CloseChildren() {
  const std::vector<DataProducer*> producers = [this] {
    std::vector<DataProducer*> all;
    for (const auto& producer : producers_) all.push_back(producer.get());
    return all;
  }();
  for (DataProducer* producer : producers) CloseDataProducer(*producer);
  DropConsumers();
}

size_t DataCore::size() const {
  size_t size = producers_.size() + consumers_.size();
  for (const auto& producer : producers_) size += producer->consumers().size();
  return size;
}

void DataCore::LeaveRouter() {
  for (const auto& consumer : consumers_) consumer->Detach();
  for (const auto& producer : producers_) {
    producer->Seal();
    core_.router().RemoveDataProducer(*producer);
  }
}

bool DataCore::CloseSome(size_t* effort) {
  while (!producers_.empty()) {
    DataProducer& producer = *producers_.all().back();
    CloseConsumersOf(producer, effort);
    if (*effort == 0) return false;
    --*effort;
    CloseDataProducer(producer);
  }
  while (!consumers_.empty()) {
    if (*effort == 0) return false;
    --*effort;
    CloseDataConsumer(*consumers_.all().back());
  }
  return true;
}

void DataCore::DropConsumers() {
  for (const auto& consumer : consumers_) {
    consumer->Detach();
    context_.objects.Unregister(consumer->id(), core_.closed_flag());
    AddConsumer(*consumer, &counters_);
  }
  consumer_by_stream_.clear();
  consumers_.TakeAll();
}

void DataCore::DropProducers() {
  for (const auto& producer : producers_) {
    core_.router().RemoveDataProducer(*producer);
    context_.objects.Unregister(producer->id(), core_.closed_flag());
  }
  producer_by_stream_.clear();
  peer_channels_.clear();
  producers_.TakeAll();
}

Status DataCore::Inject(DataProducer& producer, const DataMessage& message) {
  if (message.payload->empty()) return TypeError("data is empty");
  const size_t size = message.payload->size();
  if (size > core_.options().max_receive_message_size) {
    return TypeError(fmt::format("data has {} bytes; maxReceiveMessageSize of the transport is {}",
                                 size, core_.options().max_receive_message_size));
  }
  ++counters_.messages_received;
  counters_.bytes_received += size;
  producer.Receive(message, context_.environment.Now());
  return absl::OkStatus();
}

// ---- Reports ----------------------------------------------------------------------------------

void DataCore::AddTo(EngineCounters* counters, ObjectCounts* alive) const {
  AddCounters(&counters->data, counters_);
  for (const auto& consumer : consumers_) AddConsumer(*consumer, &counters->data);
  alive->data_producers += producers_.size();
  alive->data_consumers += consumers_.size();
  if (association_ == nullptr) return;
  ++alive->sctp_associations;
  AddAssociation(association_->stats(), &counters->data, &counters->sctp);
}

void DataCore::FillDump(TransportDump* dump) const {
  for (const auto& producer : producers_) dump->data_producer_ids.push_back(producer->id());
  for (const auto& consumer : consumers_) dump->data_consumer_ids.push_back(consumer->id());
  if (association_ == nullptr) return;
  const TransportOptions& options = core_.options();
  SctpDump sctp;
  sctp.send_buffer_size = options.sctp_send_buffer_size;
  sctp.per_stream_send_queue_limit = options.sctp_per_stream_send_queue_limit;
  sctp.max_receiver_window_buffer_size = options.sctp_max_receiver_window_buffer_size;
  sctp.is_data_channel = options.is_data_channel;
  // FAILED never appears in a dump (docs/protocols/router-protocol.md §16).
  sctp.state =
      association_->state() == SctpState::kFailed ? SctpState::kClosed : association_->state();
  sctp.negotiated = association_->streams();
  for (const auto& [stream, producer] : producer_by_stream_) {
    sctp.stream_ids.emplace_back(stream, producer->id());
  }
  dump->sctp = std::move(sctp);
}

void DataCore::FillStats(TransportStats* stats) const {
  if (association_ == nullptr) return;
  stats->sctp_state =
      association_->state() == SctpState::kFailed ? SctpState::kClosed : association_->state();
}

}  // namespace sluice::worker
