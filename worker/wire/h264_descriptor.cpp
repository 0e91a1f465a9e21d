#include "worker/wire/bounded_reader.h"
#include "worker/wire/descriptors.h"

namespace sluice::worker {
namespace {

// NAL unit types (ITU-T H.264 §7.4.1) and the payload's own (RFC 6184 §5.2).
constexpr uint8_t kLastSingleNal = 23;
constexpr uint8_t kSps = 7;
constexpr uint8_t kStapA = 24;
constexpr uint8_t kStapB = 25;
constexpr uint8_t kMtap16 = 26;
constexpr uint8_t kMtap24 = 27;
constexpr uint8_t kFuA = 28;
constexpr uint8_t kFuB = 29;

// A key frame is an SPS, and nothing else. An IDR slice alone would let a receiver start where it
// cannot decode: behind a lost SPS that is about to be repaired, or in the middle of a picture of
// several slices. Every packetiser that repeats its parameter sets sends the SPS first.
bool IsKey(uint8_t nal_header) { return (nal_header & 0x1f) == kSps; }

/// The units of a STAP or MTAP. Before each come its 16-bit size and `prefix` bytes of MTAP fields
/// (order number and timestamp offset) that the size does not count.
bool ParseAggregate(BoundedReader& reader, size_t prefix, PayloadInfo& info) {
  if (reader.empty()) return false;
  while (!reader.empty()) {
    const size_t size = reader.ReadU16();
    reader.Skip(prefix);
    const auto nal = reader.ReadBytes(size);
    if (!reader.ok() || nal.empty()) return false;
    info.key_frame |= IsKey(nal[0]);
  }
  return true;
}

bool ParseFragment(BoundedReader& reader, PayloadInfo& info) {
  const uint8_t header = reader.ReadU8();
  if (!reader.ok()) return false;
  const bool start = (header & 0x80) != 0;
  const bool end = (header & 0x40) != 0;
  if (start && end) return false;  // forbidden by RFC 6184 §5.8
  info.key_frame = start && IsKey(header);
  return true;
}

}  // namespace

std::optional<PayloadInfo> ParseH264(std::span<const uint8_t> payload) {
  BoundedReader reader(payload);
  PayloadInfo info;
  const uint8_t header = reader.ReadU8();
  if (!reader.ok()) return std::nullopt;
  const uint8_t type = header & 0x1f;
  bool well_formed = false;
  switch (type) {
    case kStapA:
      well_formed = ParseAggregate(reader, 0, info);
      break;
    case kStapB:
      reader.Skip(2);  // decoding order number
      well_formed = ParseAggregate(reader, 0, info);
      break;
    case kMtap16:
      reader.Skip(2);
      well_formed = ParseAggregate(reader, 3, info);
      break;
    case kMtap24:
      reader.Skip(2);
      well_formed = ParseAggregate(reader, 4, info);
      break;
    case kFuA:
    case kFuB:
      well_formed = ParseFragment(reader, info);
      break;
    default:
      well_formed = type >= 1 && type <= kLastSingleNal;
      info.key_frame = IsKey(header);
      break;
  }
  if (!well_formed) return std::nullopt;
  return info;
}

}  // namespace sluice::worker
