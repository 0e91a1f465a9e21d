#include <algorithm>

#include "worker/wire/bounded_reader.h"
#include "worker/wire/descriptors.h"

namespace sluice::worker {
namespace {

constexpr uint8_t kObuSequenceHeader = 1;  // AV1 §6.2.2
constexpr uint8_t kObuTemporalDelimiter = 2;
constexpr uint8_t kObuFrameHeader = 3;
constexpr uint8_t kObuFrame = 6;
constexpr int kMaxLeb128 = 8;  // bytes, AV1 §4.10.5

// The aggregation header (RTP Payload Format For AV1 §4.4).
constexpr uint8_t kContinuesBit = 0x80;    // Z
constexpr uint8_t kContinuedBit = 0x40;    // Y
constexpr uint8_t kNewSequenceBit = 0x08;  // N
constexpr int kCountShift = 4;             // W; 0: each element has its length
constexpr uint8_t kCountMask = 0x03;

/// AV1's variable-length integer; fails the reader when it has no end within eight bytes.
uint64_t ReadLeb128(BoundedReader& reader) {
  uint64_t value = 0;
  for (int i = 0; i < kMaxLeb128; ++i) {
    const uint8_t byte = reader.ReadU8();
    value |= static_cast<uint64_t>(byte & 0x7f) << (7 * i);
    if ((byte & 0x80) == 0) return value;
  }
  reader.Fail();
  return 0;
}

struct ObuHeader {
  uint8_t type = 0;
  bool has_size = false;  ///< the OBU's own size field follows; senders should leave it out
  uint8_t temporal_id = 0;
  uint8_t spatial_id = 0;
};

/// nullopt when it is truncated or its forbidden bit is set (AV1 §5.3).
std::optional<ObuHeader> ParseObuHeader(std::span<const uint8_t> obu) {
  BoundedReader reader(obu);
  const uint8_t first = reader.ReadU8();
  ObuHeader header;
  header.type = first >> 3 & 0x0f;
  header.has_size = (first & 0x02) != 0;
  if ((first & 0x04) != 0) {
    const uint8_t extension = reader.ReadU8();
    header.temporal_id = static_cast<uint8_t>(extension >> 5);
    header.spatial_id = extension >> 3 & 0x03;
  }
  if (!reader.ok() || (first & 0x80) != 0) return std::nullopt;
  return header;
}

/// True when a frame (header) OBU says that it is no key frame. Its first bits are
/// show_existing_frame and the frame type, 0 for a key frame (AV1 §5.9.2).
bool IsOtherFrame(const ObuHeader& header, std::span<const uint8_t> obu) {
  BoundedReader reader(obu);
  const bool extended = (reader.ReadU8() & 0x04) != 0;
  if (extended) reader.Skip(1);
  if (header.has_size) ReadLeb128(reader);
  const uint8_t bits = reader.ReadU8();
  return reader.ok() && (bits & 0xe0) != 0;
}

}  // namespace

std::optional<PayloadInfo> ParseAv1(std::span<const uint8_t> payload) {
  BoundedReader reader(payload);
  const uint8_t aggregation = reader.ReadU8();
  const bool continues = (aggregation & kContinuesBit) != 0;
  const int element_count = aggregation >> kCountShift & kCountMask;
  const bool new_sequence = (aggregation & kNewSequenceBit) != 0;
  if (!reader.ok() || reader.empty() || (continues && new_sequence)) return std::nullopt;

  PayloadInfo info;
  info.start_of_frame = !continues;
  bool first_header = true;
  bool has_sequence_header = false;
  bool has_frame = false;
  bool is_other_frame = false;    // the first frame is no key frame
  bool whole_frames = continues;  // what the last OBU is of ends with it
  for (int i = 1; !reader.empty() || i <= element_count; ++i) {
    const bool last = i == element_count;  // has no length of its own
    if (reader.empty()) return std::nullopt;
    const auto obu = reader.ReadBytes(last ? reader.remaining() : ReadLeb128(reader));
    if (!reader.ok()) return std::nullopt;
    const bool continuation = i == 1 && continues;
    if (continuation || obu.empty()) continue;
    const auto header = ParseObuHeader(obu);
    if (!header) return std::nullopt;
    if (header->type == kObuTemporalDelimiter) continue;
    whole_frames = header->type == kObuFrame;
    has_sequence_header |= header->type == kObuSequenceHeader && !continues;
    if ((header->type == kObuFrame || header->type == kObuFrameHeader) && !has_frame) {
      has_frame = true;
      is_other_frame = IsOtherFrame(*header, obu);
    }
    if (!first_header) continue;
    first_header = false;
    info.temporal_layer = header->temporal_id;
    info.spatial_layer = header->spatial_id;
  }
  // Some packetisers leave the N bit at 0, others set it with every sequence header. Encoders write
  // one in front of key frames; where it is repeated in front of another frame, nobody can start.
  info.key_frame = (new_sequence || has_sequence_header) && !is_other_frame;
  info.continues_layers = continues;
  info.end_of_frame = whole_frames && (aggregation & kContinuedBit) == 0;
  return info;
}

size_t JoinAv1(std::span<const uint8_t> payload, Av1Joint joint, uint8_t* out) {
  std::copy(payload.begin(), payload.end(), out);
  BoundedReader reader(payload);
  uint8_t aggregation = reader.ReadU8();
  if (!reader.ok()) return payload.size();
  if (joint.to_next) out[0] = aggregation |= kContinuedBit;
  if (!joint.to_previous || (aggregation & kContinuesBit) != 0) return payload.size();
  const int count = aggregation >> kCountShift & kCountMask;
  aggregation &= static_cast<uint8_t>(~(kCountMask << kCountShift | kNewSequenceBit));
  aggregation |= kContinuesBit;
  std::span<const uint8_t> rest = payload.subspan(1);
  // One more than three cannot be counted: then each has its length, the last one, too.
  const bool uncounted = count == kCountMask;
  for (int i = 1; uncounted && i < count; ++i) reader.Skip(ReadLeb128(reader));
  if (!reader.ok()) return payload.size();
  uint8_t* at = out + 1;
  *at++ = 0;  // the length of the fragment
  if (uncounted) {
    const size_t before = rest.size() - reader.remaining();
    at = std::copy_n(rest.begin(), before, at);
    rest = rest.subspan(before);
    size_t length = rest.size();
    for (; length > 0x7f; length >>= 7) *at++ = static_cast<uint8_t>(length | 0x80);
    *at++ = static_cast<uint8_t>(length);
  } else if (count > 0) {
    aggregation |= static_cast<uint8_t>((count + 1) << kCountShift);
  }
  at = std::copy(rest.begin(), rest.end(), at);
  out[0] = aggregation;
  return static_cast<size_t>(at - out);
}

}  // namespace sluice::worker
