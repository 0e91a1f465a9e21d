#include "worker/wire/bounded_reader.h"
#include "worker/wire/descriptors.h"

namespace sluice::worker {
namespace {

// NAL unit types (ITU-T H.264 §7.4.1) and the payload's own (RFC 6184 §5.2).
constexpr uint8_t kLastSingleNal = 23;
constexpr uint8_t kSlice = 1;
constexpr uint8_t kSlicePartitionA = 2;
constexpr uint8_t kIdrSlice = 5;
constexpr uint8_t kSei = 6;
constexpr uint8_t kSps = 7;
constexpr uint8_t kStapA = 24;
constexpr uint8_t kStapB = 25;
constexpr uint8_t kMtap16 = 26;
constexpr uint8_t kMtap24 = 27;
constexpr uint8_t kFuA = 28;
constexpr uint8_t kFuB = 29;

/// What the NAL units of one packet say together.
struct Seen {
  bool sps = false;
  bool idr_start = false;       ///< the first slice of an IDR picture
  bool other_slice = false;     ///< a slice of another picture
  bool recovery_point = false;  ///< SEI: decoders may start at a picture that is no IDR
};

/// True when one of the messages of an SEI unit announces a recovery point (ITU-T H.264 §D.1.8).
/// `body`: what follows the NAL header.
bool HasRecoveryPoint(std::span<const uint8_t> body) {
  BoundedReader reader(body);
  constexpr uint8_t kRecoveryPoint = 6;
  constexpr size_t kMessages = 8;  // more are not looked at
  for (size_t i = 0; i < kMessages && reader.remaining() > 2; ++i) {
    // ITU-T H.264 §7.3.2.3.1: 255 for each byte 255, then the rest.
    const auto read = [&reader] {
      size_t value = 0;
      uint8_t byte = 0xff;
      while (byte == 0xff && reader.ok()) value += byte = reader.ReadU8();
      return value;
    };
    const size_t type = read();
    const size_t size = read();
    if (!reader.ok()) return false;
    if (type == kRecoveryPoint) return true;
    reader.Skip(size);
  }
  return false;
}

/// `header`: the NAL unit's own; `body`: as much of what follows as the packet has.
void Look(uint8_t header, std::span<const uint8_t> body, Seen& seen) {
  // The first field of a slice header is first_mb_in_slice; 0 is coded as a single 1 bit.
  const bool first_slice = !body.empty() && (body[0] & 0x80) != 0;
  switch (header & 0x1f) {
    case kSps:
      seen.sps = true;
      break;
    case kIdrSlice:
      seen.idr_start |= first_slice;
      break;
    case kSlice:
    case kSlicePartitionA:
      seen.other_slice = true;
      break;
    case kSei:
      seen.recovery_point |= HasRecoveryPoint(body);
      break;
    default:
      break;
  }
}

/// The units of a STAP or MTAP. Before each come its 16-bit size and `prefix` bytes of MTAP fields
/// (order number and timestamp offset) that the size does not count.
bool ParseAggregate(BoundedReader& reader, size_t prefix, Seen& seen) {
  if (reader.empty()) return false;
  while (!reader.empty()) {
    const size_t size = reader.ReadU16();
    reader.Skip(prefix);
    const auto nal = reader.ReadBytes(size);
    if (!reader.ok() || nal.empty()) return false;
    Look(nal[0], nal.subspan(1), seen);
  }
  return true;
}

bool ParseFragment(BoundedReader& reader, size_t prefix, Seen& seen) {
  const uint8_t header = reader.ReadU8();
  reader.Skip(prefix);
  if (!reader.ok()) return false;
  const bool start = (header & 0x80) != 0;
  const bool end = (header & 0x40) != 0;
  if (start && end) return false;  // forbidden by RFC 6184 §5.8
  if (start) Look(header, reader.Rest(), seen);
  return true;
}

}  // namespace

std::optional<PayloadInfo> ParseH264(std::span<const uint8_t> payload) {
  BoundedReader reader(payload);
  PayloadInfo info;
  const uint8_t header = reader.ReadU8();
  if (!reader.ok()) return std::nullopt;
  const uint8_t type = header & 0x1f;
  Seen seen;
  bool well_formed = false;
  switch (type) {
    case kStapA:
      well_formed = ParseAggregate(reader, 0, seen);
      break;
    case kStapB:
      reader.Skip(2);  // decoding order number
      well_formed = ParseAggregate(reader, 0, seen);
      break;
    case kMtap16:
      reader.Skip(2);
      well_formed = ParseAggregate(reader, 3, seen);
      break;
    case kMtap24:
      reader.Skip(2);
      well_formed = ParseAggregate(reader, 4, seen);
      break;
    case kFuA:
      well_formed = ParseFragment(reader, 0, seen);
      break;
    case kFuB:
      well_formed = ParseFragment(reader, 2, seen);  // decoding order number
      break;
    default:
      well_formed = type >= 1 && type <= kLastSingleNal;
      Look(header, reader.Rest(), seen);
      break;
  }
  if (!well_formed) return std::nullopt;
  // An SPS in front of a picture that is neither IDR nor recovery point helps nobody to start.
  // Where it comes without a slice, what follows it tells (ParameterSetWatch).
  info.key_frame = seen.sps && (seen.idr_start || (seen.other_slice && seen.recovery_point));
  info.bare_random_access = seen.idr_start && !seen.sps;
  info.parameter_sets = seen.sps;
  info.recovery_point = seen.recovery_point;
  info.other_picture = seen.other_slice && !seen.idr_start;
  info.discardable = (header & 0x60) == 0;  // nal_ref_idc; RFC 6184 §5.3 for aggregates
  return info;
}

}  // namespace sluice::worker
