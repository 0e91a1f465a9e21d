#include "worker/wire/bounded_reader.h"
#include "worker/wire/descriptors.h"

namespace sluice::worker {
namespace {

/// References that one flexible-mode descriptor may list (RFC 9628 §4.2).
constexpr int kMaxReferences = 3;

/// Layer indices, and TL0PICIDX outside flexible mode.
void ReadLayerIndices(BoundedReader& reader, bool flexible, PayloadInfo& info) {
  const uint8_t layers = reader.ReadU8();
  info.temporal_layer = static_cast<uint8_t>(layers >> 5);
  info.layer_sync = (layers & 0x10) != 0;
  info.spatial_layer = static_cast<uint8_t>(layers >> 1 & 0x07);
  if (!flexible) reader.Skip(1);
}

void SkipReferences(BoundedReader& reader) {
  for (int i = 0; i < kMaxReferences; ++i) {
    const bool more = (reader.ReadU8() & 0x01) != 0;
    if (!more) return;
  }
  reader.Fail();  // a fourth was announced
}

void SkipScalabilityStructure(BoundedReader& reader) {
  const uint8_t head = reader.ReadU8();
  const size_t spatial_layers = size_t{1} + (head >> 5);
  const bool has_sizes = (head & 0x10) != 0;
  const bool has_pictures = (head & 0x08) != 0;
  if (has_sizes) reader.Skip(spatial_layers * 4);
  if (!has_pictures) return;
  const size_t pictures = reader.ReadU8();
  for (size_t i = 0; i < pictures && reader.ok(); ++i) {
    const size_t references = reader.ReadU8() >> 2 & 0x03;
    reader.Skip(references);
  }
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
  PayloadInfo info;
  const uint8_t first = reader.ReadU8();
  const bool has_picture_id = (first & 0x80) != 0;
  const bool inter_predicted = (first & 0x40) != 0;
  const bool has_layers = (first & 0x20) != 0;
  const bool flexible = (first & 0x10) != 0;
  const bool start_of_frame = (first & 0x08) != 0;
  const bool has_structure = (first & 0x02) != 0;
  if (has_picture_id && (reader.ReadU8() & 0x80) != 0) reader.Skip(1);  // 15-bit form
  if (has_layers) ReadLayerIndices(reader, flexible, info);
  if (flexible && inter_predicted) SkipReferences(reader);
  if (has_structure) SkipScalabilityStructure(reader);
  if (!reader.ok() || reader.empty()) return std::nullopt;
  info.start_of_frame = start_of_frame;
  info.end_of_frame = (first & 0x04) != 0;
  // A frame of an upper spatial layer predicts from the layer below, so a key picture starts with
  // the lowest one. The P bit alone will not do: some senders (ffmpeg) never set it.
  info.key_frame = start_of_frame && !inter_predicted && info.spatial_layer == 0 &&
                   ReadFrameKind(reader.ReadU8()) != FrameKind::kOther;
  return info;
}

}  // namespace sluice::worker
