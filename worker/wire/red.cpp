#include "worker/wire/red.h"

#include "worker/wire/bounded_reader.h"

namespace sluice::worker {

namespace {

constexpr uint8_t kFollows = 0x80;      // F: another block header comes behind this one
constexpr size_t kRedBlockHeader = 4;   // bytes, of a redundant block; that of the primary has one
constexpr uint8_t kRedTypeMask = 0x7f;  // RFC 3550 §5.1

}  // namespace

std::optional<RedPayload> ParseRed(std::span<const uint8_t> payload) {
  BoundedReader reader(payload);
  RedPayload red;
  std::array<uint16_t, RedPayload::kMaxBlocks> lengths{};
  for (bool follows = true; follows;) {
    const uint8_t head = reader.ReadU8();
    if (!reader.ok() || red.count == RedPayload::kMaxBlocks) return std::nullopt;
    follows = (head & kFollows) != 0;
    RedBlock& block = red.blocks[red.count];
    block.payload_type = PayloadType(head & kRedTypeMask);
    if (follows) {
      const uint32_t rest = reader.ReadU24();  // 14 bits of offset, 10 of length
      block.timestamp_offset = static_cast<uint16_t>(rest >> 10);
      lengths[red.count] = static_cast<uint16_t>(rest & 0x3ff);
    }
    ++red.count;
  }
  for (size_t i = 0; i + 1 < red.count; ++i) red.blocks[i].data = reader.ReadBytes(lengths[i]);
  if (!reader.ok()) return std::nullopt;
  red.primary_offset = reader.position();
  red.blocks[red.count - 1].data = reader.Rest();
  return red;
}

void SetRedBlockType(std::span<uint8_t> payload, size_t index, PayloadType type) {
  uint8_t& head = payload[index * kRedBlockHeader];
  head = static_cast<uint8_t>((head & kFollows) | (type.value() & kRedTypeMask));
}

}  // namespace sluice::worker
