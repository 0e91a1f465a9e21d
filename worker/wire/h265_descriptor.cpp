#include "worker/wire/bounded_reader.h"
#include "worker/wire/descriptors.h"

namespace sluice::worker {
namespace {

// NAL unit types (ITU-T H.265 §7.4.2.2) and the payload's own (RFC 7798 §4.4).
constexpr uint8_t kFirstIrap = 16;
constexpr uint8_t kLastIrap = 23;
constexpr uint8_t kVps = 32;
constexpr uint8_t kSps = 33;
constexpr uint8_t kAggregation = 48;
constexpr uint8_t kFragmentation = 49;
constexpr uint8_t kLastDefined = 50;  // PACI
constexpr size_t kNalHeader = 2;      // bytes

// Unlike H264, H265 senders often keep their parameter sets out of band, so a random-access picture
// counts too; but only its first slice, or a receiver could start in the middle of it.
// `slice` is what follows the NAL header; its first bit is first_slice_segment_in_pic_flag.
bool IsKey(uint8_t type, std::span<const uint8_t> slice) {
  if (type == kVps || type == kSps) return true;
  return type >= kFirstIrap && type <= kLastIrap && !slice.empty() && (slice[0] & 0x80) != 0;
}

uint8_t NalType(uint8_t first_byte) { return static_cast<uint8_t>(first_byte >> 1 & 0x3f); }

bool ParseAggregate(BoundedReader& reader, PayloadInfo& info) {
  if (reader.empty()) return false;
  while (!reader.empty()) {
    const auto nal = reader.ReadBytes(reader.ReadU16());
    if (!reader.ok() || nal.size() < kNalHeader) return false;
    info.key_frame |= IsKey(NalType(nal[0]), nal.subspan(kNalHeader));
  }
  return true;
}

bool ParseFragment(BoundedReader& reader, PayloadInfo& info) {
  const uint8_t header = reader.ReadU8();
  if (!reader.ok()) return false;
  const bool start = (header & 0x80) != 0;
  const bool end = (header & 0x40) != 0;
  if (start && end) return false;  // forbidden by RFC 7798 §4.4.3
  info.key_frame = start && IsKey(header & 0x3f, reader.Rest());
  return true;
}

}  // namespace

std::optional<PayloadInfo> ParseH265(std::span<const uint8_t> payload) {
  BoundedReader reader(payload);
  PayloadInfo info;
  const uint8_t type = NalType(reader.ReadU8());
  const int temporal_id_plus1 = reader.ReadU8() & 0x07;
  if (!reader.ok() || temporal_id_plus1 == 0 || type > kLastDefined) return std::nullopt;
  info.temporal_layer = static_cast<uint8_t>(temporal_id_plus1 - 1);
  bool well_formed = true;
  if (type == kAggregation) {
    well_formed = ParseAggregate(reader, info);
  } else if (type == kFragmentation) {
    well_formed = ParseFragment(reader, info);
  } else {
    info.key_frame = IsKey(type, reader.Rest());
  }
  if (!well_formed) return std::nullopt;
  return info;
}

}  // namespace sluice::worker
