// Channels that a peer opens, and that are opened towards it, by DCEP (RFC 8832): the part of a
// DataCore that runs where TransportOptions::terminate_dcep asks for it.
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>
#include <variant>

#include "common/log.h"
#include "worker/media/data_core.h"
#include "worker/media/engine_context.h"
#include "worker/wire/dcep.h"
#include "worker/wire/sctp.h"

namespace sluice::worker {

namespace {

std::optional<uint16_t> Clamped(const std::optional<uint32_t>& value) {
  if (!value) return std::nullopt;
  constexpr uint32_t kMost = std::numeric_limits<uint16_t>::max();
  return static_cast<uint16_t>(std::min(*value, kMost));
}

DataCore::Parity ParityOf(uint16_t stream) {
  return stream % 2 == 0 ? DataCore::Parity::kEven : DataCore::Parity::kOdd;
}

}  // namespace

void DataCore::OnDcep(uint16_t stream, std::span<const uint8_t> message) {
  if (!core_.options().terminate_dcep) {
    ++counters_.dcep;  // the application says by itself which stream is which channel
    return;
  }
  const std::optional<dcep::Message> parsed = dcep::Parse(message);
  if (parsed && std::holds_alternative<dcep::Ack>(*parsed)) {
    if (unacked_streams_.erase(stream) == 0) ++counters_.dcep_refused;
    return;
  }
  Status refused = TypeError("no message of DCEP, or a label or protocol over 1024 bytes");
  if (parsed) {
    refused = CheckChannel(stream);
    if (refused.ok()) return OnChannelOpen(stream, std::get<dcep::Open>(*parsed));
  }
  ++counters_.dcep_refused;
  SLUICE_DEBUG(kSctp, "transport {}: the peer's channel on stream {}: {}", id(), stream,
               refused.ToString());
  // A channel that cannot be is closed (RFC 8832 §6); one that is open already stays as it is.
  const bool in_use = producer_by_stream_.contains(stream) || consumer_by_stream_.contains(stream);
  if (!in_use) ResetStream(stream);
}

Status DataCore::CheckChannel(uint16_t stream) const {
  if (stream > kMaxStreamId) return TypeError("the number is reserved");
  if (producer_by_stream_.contains(stream) || consumer_by_stream_.contains(stream)) {
    return Error("the stream is in use");
  }
  const bool ours = peer_parity_ != Parity::kUnknown && ParityOf(stream) != peer_parity_;
  if (ours && channel_serial_ > 0) return Error("the number is one of ours");
  return CheckRoomFor("data producers", producers_.size());
}

void DataCore::OnChannelOpen(uint16_t stream, const dcep::Open& open) {
  // Its first channel: it counts by other rules than RFC 8832 §6. aiortc up to 1.4 does, by its
  // role in ICE. Then either side may have any number that is free.
  if (ParityOf(stream) != peer_parity_) peer_parity_ = Parity::kUnknown;
  ProduceDataOptions options;
  do {
    options.data_producer_id = fmt::format("{}/channel{}", id(), channel_serial_++);
  } while (context_.objects.Find(options.data_producer_id) != nullptr);
  options.sctp_stream_parameters = SctpStreamParameters{
      stream, open.ordered, Clamped(open.max_packet_life_time), Clamped(open.max_retransmits)};
  options.label = open.label;
  options.protocol = open.protocol;
  // What waits for a peer that reads nothing is bounded: then it is not answered, nor listened to.
  if (SendDcep(stream, dcep::Serialize(dcep::Ack())) != SctpSendResult::kQueued) {
    ++counters_.dcep_refused;
    ResetStream(stream);
    return;
  }
  DataProducer& producer = AddProducer(options);
  producer.KeepEarly(early_, context_.environment.Now());
  peer_channels_.insert(stream);
  context_.events.OnDataChannelOpen(id(), producer.Dump());
}

bool DataCore::CloseChannel(uint16_t stream) {
  if (!peer_channels_.contains(stream)) return false;
  DataProducer& producer = *producer_by_stream_.at(stream);
  const std::string producer_id = producer.id();
  CloseDataProducer(producer);
  context_.events.OnDataChannelClose(id(), producer_id);
  return true;
}

Status DataCore::CheckOpenChannel(const ConsumeDataOptions& options) const {
  if (!options.open_channel) return absl::OkStatus();
  if (!core_.options().terminate_dcep || !options.sctp_stream_parameters) {
    return TypeError("openChannel true: this transport was made with terminateDcep false");
  }
  const uint16_t stream = options.sctp_stream_parameters->stream_id;
  // A data producer of the application's may be there: what the peer answers in our channel.
  if (peer_channels_.contains(stream)) {
    return Error(
        fmt::format("sctpStreamParameters.streamId {} is that of a channel of the peer", stream));
  }
  if (peer_parity_ != Parity::kUnknown && ParityOf(stream) == peer_parity_) {
    return TypeError(fmt::format(
        "sctpStreamParameters.streamId {}: channels that we open have {} numbers (RFC 8832 §6)",
        stream, peer_parity_ == Parity::kEven ? "odd" : "even"));
  }
  for (const std::string* text : {&options.label, &options.protocol}) {
    if (text->size() <= dcep::kMaxText) continue;
    return TypeError(
        fmt::format("label and protocol of a channel: at most {} bytes each", dcep::kMaxText));
  }
  return absl::OkStatus();
}

void DataCore::OpenChannel(const ConsumeDataOptions& options) {
  const SctpStreamParameters& stream = *options.sctp_stream_parameters;
  dcep::Open open;
  open.ordered = stream.ordered.value_or(true);
  if (stream.max_packet_life_time.value_or(0) != 0) {
    open.max_packet_life_time = *stream.max_packet_life_time;
  } else if (stream.max_retransmits && !open.ordered) {
    open.max_retransmits = *stream.max_retransmits;
  }
  open.label = options.label;
  open.protocol = options.protocol;
  unacked_streams_.insert(stream.stream_id);
  SendDcep(stream.stream_id, dcep::Serialize(open));
}

SctpSendResult DataCore::SendDcep(uint16_t stream, std::vector<uint8_t> message) {
  const SctpSendResult result =
      association_->Send({stream,
                          static_cast<uint32_t>(sctp::Ppid::kDcep),
                          {},
                          std::make_shared<const std::vector<uint8_t>>(std::move(message)),
                          SctpReliability{}});
  Drain();
  return result;
}

}  // namespace sluice::worker
