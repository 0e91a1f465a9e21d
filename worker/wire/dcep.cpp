#include "worker/wire/dcep.h"

#include <algorithm>

#include "worker/wire/bounded_reader.h"
#include "worker/wire/bounded_writer.h"

namespace sluice::worker::dcep {
namespace {

constexpr uint8_t kOpen = 0x03;
constexpr uint8_t kAck = 0x02;
// Channel types (RFC 8832 §5.1): how messages may be given up, and a bit for unordered ones.
constexpr uint8_t kReliable = 0x00;
constexpr uint8_t kLimitedRetransmits = 0x01;
constexpr uint8_t kLimitedLifeTime = 0x02;
constexpr uint8_t kUnordered = 0x80;
constexpr size_t kOpenHeader = 12;  // bytes before the label

std::optional<Message> ParseOpen(BoundedReader reader) {
  Open open;
  const uint8_t type = reader.ReadU8();
  open.priority = reader.ReadU16();
  const uint32_t reliability = reader.ReadU32();
  const size_t label = reader.ReadU16();
  const size_t protocol = reader.ReadU16();
  if (label > kMaxText || protocol > kMaxText) return std::nullopt;
  const auto label_bytes = reader.ReadBytes(label);
  const auto protocol_bytes = reader.ReadBytes(protocol);
  if (!reader.ok() || !reader.empty()) return std::nullopt;
  open.ordered = (type & kUnordered) == 0;
  switch (type & ~kUnordered) {
    case kReliable:
      break;
    case kLimitedRetransmits:
      open.max_retransmits = reliability;
      break;
    case kLimitedLifeTime:
      open.max_packet_life_time = reliability;
      break;
    default:
      return std::nullopt;
  }
  open.label.assign(label_bytes.begin(), label_bytes.end());
  open.protocol.assign(protocol_bytes.begin(), protocol_bytes.end());
  return open;
}

std::span<const uint8_t> Bytes(const std::string& text, size_t size) {
  return {reinterpret_cast<const uint8_t*>(text.data()), size};
}

}  // namespace

std::optional<Message> Parse(std::span<const uint8_t> message) {
  BoundedReader reader(message);
  const uint8_t type = reader.ReadU8();
  if (!reader.ok()) return std::nullopt;
  // RFC 8832 §5.2 has one byte; implementations differ in what follows.
  if (type == kAck) return Ack{};
  if (type != kOpen) return std::nullopt;
  return ParseOpen(reader);
}

std::vector<uint8_t> Serialize(const Open& open) {
  const size_t label = std::min(open.label.size(), kMaxText);
  const size_t protocol = std::min(open.protocol.size(), kMaxText);
  std::vector<uint8_t> bytes(kOpenHeader + label + protocol);
  BoundedWriter writer(bytes);
  uint8_t type = open.ordered ? kReliable : kUnordered;
  if (open.max_retransmits) type |= kLimitedRetransmits;
  if (open.max_packet_life_time) type |= kLimitedLifeTime;
  writer.WriteU8(kOpen);
  writer.WriteU8(type);
  writer.WriteU16(open.priority);
  writer.WriteU32(open.max_retransmits.value_or(open.max_packet_life_time.value_or(0)));
  writer.WriteU16(static_cast<uint16_t>(label));
  writer.WriteU16(static_cast<uint16_t>(protocol));
  writer.WriteBytes(Bytes(open.label, label));
  writer.WriteBytes(Bytes(open.protocol, protocol));
  return bytes;
}

std::vector<uint8_t> Serialize(const Ack& /*ack*/) { return {kAck}; }

}  // namespace sluice::worker::dcep
