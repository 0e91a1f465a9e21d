#include "worker/wire/bounded_reader.h"
#include "worker/wire/bounded_writer.h"
#include "worker/wire/descriptors.h"

namespace sluice::worker {
namespace {

constexpr uint16_t kLongPictureIdBit = 0x8000;
constexpr uint16_t kLongPictureIdMask = 0x7fff;
constexpr uint8_t kShortPictureIdMask = 0x7f;
constexpr uint8_t kKeyIndexMask = 0x1f;

void ReadPictureId(BoundedReader& reader, PayloadInfo& info) {
  info.picture_id_offset = static_cast<uint8_t>(reader.position());
  uint16_t id = reader.ReadU8();
  info.picture_id_long = (id & 0x80) != 0;
  if (info.picture_id_long) {
    id = static_cast<uint16_t>((id & kShortPictureIdMask) << 8 | reader.ReadU8());
  }
  info.picture_id = id;
}

/// The octet of extension bits and the fields that they announce (RFC 7741 §4.2).
void ReadExtensions(BoundedReader& reader, PayloadInfo& info) {
  const uint8_t bits = reader.ReadU8();
  const bool has_picture_id = (bits & 0x80) != 0;
  const bool has_tl0 = (bits & 0x40) != 0;
  const bool has_tid = (bits & 0x20) != 0;
  const bool has_key_index = (bits & 0x10) != 0;
  if (has_picture_id) ReadPictureId(reader, info);
  if (has_tl0) {
    info.tl0_picture_index_offset = static_cast<uint8_t>(reader.position());
    info.tl0_picture_index = reader.ReadU8();
  }
  if (has_tid || has_key_index) {
    const auto at = static_cast<uint8_t>(reader.position());
    const uint8_t layer = reader.ReadU8();
    if (has_key_index) {
      info.key_index_offset = at;
      info.key_index = static_cast<uint8_t>(layer & kKeyIndexMask);
    }
    if (has_tid) {
      info.temporal_layer = static_cast<uint8_t>(layer >> 6);
      info.layer_sync = (layer & 0x20) != 0;
    }
  }
}

}  // namespace

std::optional<PayloadInfo> ParseVp8(std::span<const uint8_t> payload) {
  BoundedReader reader(payload);
  PayloadInfo info;
  const uint8_t first = reader.ReadU8();
  const bool extended = (first & 0x80) != 0;
  const bool start_of_partition = (first & 0x10) != 0;
  const int partition = first & 0x07;
  if (extended) ReadExtensions(reader, info);
  const uint8_t frame_tag = reader.ReadU8();
  if (!reader.ok()) return std::nullopt;
  info.start_of_frame = start_of_partition && partition == 0;
  // The frame tag's lowest bit is 0 in a key frame (RFC 6386 §9.1).
  info.key_frame = info.start_of_frame && (frame_tag & 0x01) == 0;
  return info;
}

void RewriteContinuity(std::span<uint8_t> payload, const PayloadInfo& info,
                       const ContinuityFields& fields) {
  const size_t picture_id_size = info.picture_id_long ? 2 : 1;
  if (info.picture_id_offset != 0 && info.picture_id_offset + picture_id_size <= payload.size()) {
    BoundedWriter writer(payload.subspan(info.picture_id_offset));
    const uint16_t id = fields.picture_id;
    if (info.picture_id_long) {
      writer.WriteU16(static_cast<uint16_t>(kLongPictureIdBit | (id & kLongPictureIdMask)));
    } else {
      writer.WriteU8(static_cast<uint8_t>(id & kShortPictureIdMask));
    }
  }
  if (info.tl0_picture_index_offset != 0 && info.tl0_picture_index_offset < payload.size()) {
    payload[info.tl0_picture_index_offset] = fields.tl0_picture_index;
  }
  if (info.key_index_offset != 0 && info.key_index_offset < payload.size()) {
    uint8_t& byte = payload[info.key_index_offset];
    byte = static_cast<uint8_t>((byte & ~kKeyIndexMask) | (fields.key_index & kKeyIndexMask));
  }
}

}  // namespace sluice::worker
