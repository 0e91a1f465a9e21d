#include "worker/wire/video_layers_allocation.h"

#include "worker/wire/bounded_reader.h"

namespace sluice::worker {

namespace {

constexpr size_t kBytesPerSize = 5;      // width - 1, height - 1, frame rate
constexpr int kMaxAllocationLeb128 = 5;  // bytes of 32 bits

/// kbit/s; more than 32 bits of it fail the reader.
uint32_t ReadBitrate(BoundedReader& reader) {
  uint64_t value = 0;
  for (int i = 0; i < kMaxAllocationLeb128; ++i) {
    const uint8_t byte = reader.ReadU8();
    value |= static_cast<uint64_t>(byte & 0x7f) << (7 * i);
    if ((byte & 0x80) != 0) continue;
    if (value > UINT32_MAX) break;
    return static_cast<uint32_t>(value);
  }
  reader.Fail();
  return 0;
}

/// The masks of active spatial layers: one for all streams, or one each, two in a byte.
void ReadMasks(BoundedReader& reader, uint8_t shared, VideoLayersAllocation* out) {
  uint8_t pair = 0;
  for (uint8_t stream = 0; stream < out->stream_count; ++stream) {
    uint8_t mask = shared;
    if (shared == 0) {
      if (stream % 2 == 0) pair = reader.ReadU8();
      mask = stream % 2 == 0 ? static_cast<uint8_t>(pair >> 4) : static_cast<uint8_t>(pair & 0x0f);
    }
    for (uint8_t layer = 0; layer < VideoLayersAllocation::kMaxSpatialLayers; ++layer) {
      if ((mask >> layer & 1) == 0) continue;
      VideoLayersAllocation::Layer& each = out->layers[out->layer_count++];
      each.stream = stream;
      each.spatial_layer = layer;
    }
  }
}

}  // namespace

std::optional<VideoLayersAllocation> ParseVideoLayersAllocation(
    std::span<const uint8_t> extension) {
  BoundedReader reader(extension);
  VideoLayersAllocation out;
  const uint8_t head = reader.ReadU8();
  if (!reader.ok()) return std::nullopt;
  if (head == 0 && reader.empty()) return out;  // every layer is switched off
  out.own_stream = static_cast<uint8_t>(head >> 6);
  out.stream_count = static_cast<uint8_t>((head >> 4 & 0x03) + 1);
  ReadMasks(reader, head & 0x0f, &out);
  // The counts of temporal layers less one, four in a byte.
  uint8_t counts = 0;
  for (size_t i = 0; i < out.layer_count; ++i) {
    if (i % 4 == 0) counts = reader.ReadU8();
    out.layers[i].temporal_layers = static_cast<uint8_t>((counts >> (6 - 2 * (i % 4)) & 0x03) + 1);
  }
  for (size_t i = 0; i < out.layer_count; ++i) {
    VideoLayersAllocation::Layer& layer = out.layers[i];
    for (size_t k = 0; k < layer.temporal_layers; ++k) layer.bitrates_kbps[k] = ReadBitrate(reader);
  }
  if (!reader.ok()) return std::nullopt;
  if (reader.remaining() < out.layer_count * kBytesPerSize) return out;  // sizes are optional
  for (size_t i = 0; i < out.layer_count; ++i) {
    VideoLayersAllocation::Layer& layer = out.layers[i];
    // A size of 65,536 does not fit, and is nobody's.
    layer.width = static_cast<uint16_t>(reader.ReadU16() + 1);
    layer.height = static_cast<uint16_t>(reader.ReadU16() + 1);
    layer.frame_rate = reader.ReadU8();
  }
  return out;
}

}  // namespace sluice::worker
