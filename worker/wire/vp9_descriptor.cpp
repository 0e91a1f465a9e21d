#include "worker/wire/bounded_reader.h"
#include "worker/wire/descriptors.h"

namespace sluice::worker {
namespace {

/// Layer indices, and TL0PICIDX outside flexible mode.
void ReadLayerIndices(BoundedReader& reader, bool flexible, PayloadInfo& info) {
  const uint8_t layers = reader.ReadU8();
  info.temporal_layer = static_cast<uint8_t>(layers >> 5);
  info.layer_sync = (layers & 0x10) != 0;
  info.spatial_layer = static_cast<uint8_t>(layers >> 1 & 0x07);
  info.inter_layer = (layers & 0x01) != 0;
  if (flexible) return;
  info.tl0_picture_index_offset = static_cast<uint8_t>(reader.position());
  info.tl0_picture_index = reader.ReadU8();
}

/// P_DIFF, and N: another one follows.
void ReadReferences(BoundedReader& reader, PayloadInfo& info) {
  while (info.reference_count < PayloadInfo::kMaxReferences) {
    const uint8_t byte = reader.ReadU8();
    info.references[info.reference_count++] = static_cast<uint8_t>(byte >> 1);
    if ((byte & 0x01) == 0) return;
  }
  reader.Fail();  // a fourth was announced
}

void ReadVp9PictureId(BoundedReader& reader, PayloadInfo& info) {
  info.picture_id_offset = static_cast<uint8_t>(reader.position());
  const uint8_t first = reader.ReadU8();
  info.picture_id_long = (first & 0x80) != 0;
  uint16_t id = first & 0x7f;
  if (info.picture_id_long) id = static_cast<uint16_t>(id << 8 | reader.ReadU8());
  info.picture_id = id;
}

/// The structure's size is all that matters where `out` is null.
void ReadScalabilityStructure(BoundedReader& reader, Vp9Structure* out) {
  const uint8_t head = reader.ReadU8();
  const size_t spatial_layers = size_t{1} + (head >> 5);
  const bool has_sizes = (head & 0x10) != 0;
  const bool has_pictures = (head & 0x08) != 0;
  if (out != nullptr) out->spatial_layers = static_cast<uint8_t>(spatial_layers);
  if (has_sizes && out == nullptr) reader.Skip(spatial_layers * 4);
  if (has_sizes && out != nullptr) {
    for (size_t i = 0; i < spatial_layers; ++i) {
      out->resolutions[i].width = reader.ReadU16();
      out->resolutions[i].height = reader.ReadU16();
    }
  }
  if (!has_pictures) return;
  const uint8_t pictures = reader.ReadU8();
  if (out != nullptr) out->picture_count = pictures;
  for (size_t i = 0; i < pictures && reader.ok(); ++i) {
    const uint8_t bits = reader.ReadU8();
    const auto references = static_cast<uint8_t>(bits >> 2 & 0x03);
    const auto distances = reader.ReadBytes(references);
    if (out == nullptr || !reader.ok()) continue;
    Vp9Structure::Picture& picture = out->pictures[i];
    picture.temporal_layer = static_cast<uint8_t>(bits >> 5);
    picture.switching_point = (bits & 0x10) != 0;
    picture.reference_count = references;
    for (size_t k = 0; k < references; ++k) picture.references[k] = distances[k];
  }
}

/// Everything in front of the frame, up to and with the structure. `structure` may be null.
PayloadInfo ReadDescriptor(BoundedReader& reader, Vp9Structure* structure) {
  PayloadInfo info;
  const uint8_t first = reader.ReadU8();
  const bool has_picture_id = (first & 0x80) != 0;
  const bool has_layers = (first & 0x20) != 0;
  info.inter_picture = (first & 0x40) != 0;
  const bool flexible = (first & 0x10) != 0;
  info.references_known = flexible || !info.inter_picture;
  info.start_of_frame = (first & 0x08) != 0;
  info.end_of_frame = (first & 0x04) != 0;
  info.has_structure = (first & 0x02) != 0;
  info.not_for_upper = (first & 0x01) != 0;
  if (has_picture_id) ReadVp9PictureId(reader, info);
  if (has_layers) ReadLayerIndices(reader, flexible, info);
  if (flexible && info.inter_picture) ReadReferences(reader, info);
  if (info.has_structure) ReadScalabilityStructure(reader, structure);
  return info;
}

/// What the first byte of the uncompressed header says (VP9 bitstream specification §6.2).
enum class FrameKind : uint8_t {
  kKey,
  kOther,       ///< inter, intra-only, or a stored frame that is shown again
  kUnreadable,  ///< no frame marker: encrypted from end to end
};

FrameKind ReadFrameKind(uint8_t first) {
  constexpr uint8_t kFrameMarker = 2;
  if (first >> 6 != kFrameMarker) return FrameKind::kUnreadable;
  const bool profile_3 = (first & 0x30) == 0x30;  // one reserved bit more
  const int show_existing_frame_bit = profile_3 ? 2 : 3;
  const bool show_existing = (first >> show_existing_frame_bit & 1) != 0;
  const bool non_key = (first >> (show_existing_frame_bit - 1) & 1) != 0;
  return show_existing || non_key ? FrameKind::kOther : FrameKind::kKey;
}

}  // namespace

std::optional<PayloadInfo> ParseVp9(std::span<const uint8_t> payload) {
  BoundedReader reader(payload);
  PayloadInfo info = ReadDescriptor(reader, nullptr);
  if (!reader.ok() || reader.empty()) return std::nullopt;
  // A frame of an upper spatial layer predicts from the layer below, so a key picture starts with
  // the lowest one. The P bit alone will not do: some senders (ffmpeg) never set it.
  info.key_frame = info.start_of_frame && !info.inter_picture && info.spatial_layer == 0 &&
                   ReadFrameKind(reader.ReadU8()) != FrameKind::kOther;
  return info;
}

bool ParseVp9Structure(std::span<const uint8_t> payload, Vp9Structure* out) {
  BoundedReader reader(payload);
  *out = Vp9Structure();
  const PayloadInfo info = ReadDescriptor(reader, out);
  return reader.ok() && info.has_structure;
}

}  // namespace sluice::worker
