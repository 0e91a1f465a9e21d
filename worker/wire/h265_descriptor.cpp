#include "worker/wire/bounded_reader.h"
#include "worker/wire/descriptors.h"

namespace sluice::worker {
namespace {

// NAL unit types (ITU-T H.265 §7.4.2.2) and the payload's own (RFC 7798 §4.4).
constexpr uint8_t kFirstSubLayerAccess = 2;  // TSA_N, TSA_R, STSA_N, STSA_R
constexpr uint8_t kLastSubLayerAccess = 5;
constexpr uint8_t kFirstIrap = 16;
constexpr uint8_t kLastIrap = 23;
constexpr uint8_t kVps = 32;
constexpr uint8_t kHevcSps = 33;
constexpr uint8_t kAggregation = 48;
constexpr uint8_t kFragmentation = 49;
constexpr uint8_t kLastDefined = 50;  // PACI
constexpr size_t kNalHeader = 2;      // bytes

/// What the NAL units of one packet say together.
struct HevcSeen {
  bool parameter_sets = false;    ///< VPS or SPS
  bool irap_start = false;        ///< the first slice of a random-access picture (IDR, CRA, BLA)
  bool other_slice = false;       ///< a slice of another picture
  bool sub_layer_access = false;  ///< its temporal layer may be switched to here
};

/// `slice` is what follows the NAL header; its first bit is first_slice_segment_in_pic_flag.
void LookHevc(uint8_t type, std::span<const uint8_t> slice, HevcSeen& seen) {
  if (type == kVps || type == kHevcSps) {
    seen.parameter_sets = true;
  } else if (type < kFirstIrap) {
    seen.other_slice = true;
    seen.sub_layer_access |= type >= kFirstSubLayerAccess && type <= kLastSubLayerAccess;
  } else if (type <= kLastIrap) {
    // Only its first slice, or a receiver could start in the middle of the picture.
    seen.irap_start |= !slice.empty() && (slice[0] & 0x80) != 0;
  }
}

uint8_t NalType(uint8_t first_byte) { return static_cast<uint8_t>(first_byte >> 1 & 0x3f); }

bool ParseAggregate(BoundedReader& reader, HevcSeen& seen) {
  if (reader.empty()) return false;
  while (!reader.empty()) {
    const auto nal = reader.ReadBytes(reader.ReadU16());
    if (!reader.ok() || nal.size() < kNalHeader) return false;
    LookHevc(NalType(nal[0]), nal.subspan(kNalHeader), seen);
  }
  return true;
}

bool ParseFragment(BoundedReader& reader, HevcSeen& seen) {
  const uint8_t header = reader.ReadU8();
  if (!reader.ok()) return false;
  const bool start = (header & 0x80) != 0;
  const bool end = (header & 0x40) != 0;
  if (start && end) return false;  // forbidden by RFC 7798 §4.4.3
  const auto type = static_cast<uint8_t>(header & 0x3f);
  if (start) {
    LookHevc(type, reader.Rest(), seen);
  } else {
    seen.sub_layer_access = type >= kFirstSubLayerAccess && type <= kLastSubLayerAccess;
  }
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
  HevcSeen seen;
  bool well_formed = true;
  if (type == kAggregation) {
    well_formed = ParseAggregate(reader, seen);
  } else if (type == kFragmentation) {
    well_formed = ParseFragment(reader, seen);
  } else {
    LookHevc(type, reader.Rest(), seen);
  }
  if (!well_formed) return std::nullopt;
  info.key_frame = seen.parameter_sets && seen.irap_start;
  info.bare_random_access = seen.irap_start && !seen.parameter_sets;
  info.parameter_sets = seen.parameter_sets;
  info.other_picture = seen.other_slice && !seen.irap_start;
  info.layer_sync = seen.sub_layer_access;
  return info;
}

}  // namespace sluice::worker
