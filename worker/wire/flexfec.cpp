#include "worker/wire/flexfec.h"

#include "worker/wire/bounded_reader.h"

namespace sluice::worker {

namespace {

// Bytes from the start of the header.
constexpr size_t kTypeRecovery = 1;  // M bit, and 7 bits of payload type
constexpr size_t kSsrc = 12;
constexpr size_t kBase = 16;
constexpr uint8_t kUnsupported = 0xc0;  // R, F
constexpr uint8_t kTypeMask = 0x7f;

/// The parts of the mask: a bit that says whether it is the last, and the bits of the mask.
constexpr size_t kPartBytes[] = {2, 4, 8};

}  // namespace

std::optional<FlexfecHeader> ParseFlexfec(std::span<const uint8_t> payload) {
  BoundedReader reader(payload);
  FlexfecHeader header;
  const uint8_t flags = reader.ReadU8();
  reader.Skip(7);  // recovery of marker, type, length and time
  const uint8_t streams = reader.ReadU8();
  reader.Skip(3);  // reserved
  header.ssrc = Ssrc(reader.ReadU32());
  header.base = SeqNumber(reader.ReadU16());
  if (!reader.ok() || (flags & kUnsupported) != 0 || streams != 1) return std::nullopt;
  size_t distance = 0;
  bool last = false;
  for (const size_t bytes : kPartBytes) {
    uint64_t part = 0;
    for (size_t i = 0; i < bytes; ++i) part = part << 8 | reader.ReadU8();
    if (!reader.ok()) return std::nullopt;
    const size_t bits = bytes * 8 - 1;
    last = (part >> bits) != 0;
    for (size_t bit = bits; bit-- > 0; ++distance) {
      if ((part >> bit & 1) == 0) continue;
      header.distances[header.protected_count++] = static_cast<uint8_t>(distance);
    }
    if (last) break;
  }
  if (!last || header.protected_count == 0) return std::nullopt;
  header.header_size = reader.position();
  return header;
}

void RewriteFlexfec(std::span<uint8_t> payload, const FlexfecHeader& header, Ssrc ssrc,
                    SeqNumber base, uint8_t type_change) {
  if (payload.size() < header.header_size || header.header_size <= kBase + 1) return;
  // What an even number of packets have in common is not in an XOR of them.
  if (header.protected_count % 2 != 0) payload[kTypeRecovery] ^= type_change & kTypeMask;
  for (size_t i = 0; i < 4; ++i) {
    payload[kSsrc + i] = static_cast<uint8_t>(ssrc.value() >> (24 - 8 * i));
  }
  payload[kBase] = static_cast<uint8_t>(base.value() >> 8);
  payload[kBase + 1] = static_cast<uint8_t>(base.value());
}

}  // namespace sluice::worker
