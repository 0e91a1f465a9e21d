#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace sluice::worker {

/// What a sender says that it sends: for each encoding (RTP stream) and spatial layer the bitrates
/// of the temporal layers, and picture size and rate where it says them. The header extension
/// http://www.webrtc.org/experiments/rtp-hdrext/video-layers-allocation00.
struct VideoLayersAllocation {
  static constexpr size_t kMaxStreams = 4;         // 2 bits
  static constexpr size_t kMaxSpatialLayers = 4;   // a mask of 4 bits
  static constexpr size_t kMaxTemporalLayers = 4;  // 2 bits

  struct Layer {
    uint8_t stream = 0;  ///< index of the encoding
    uint8_t spatial_layer = 0;
    uint8_t temporal_layers = 1;
    /// kbit/s, of each temporal layer with those below it.
    std::array<uint32_t, kMaxTemporalLayers> bitrates_kbps{};
    // 0: not said.
    uint16_t width = 0;
    uint16_t height = 0;
    uint8_t frame_rate = 0;  ///< pictures a second
  };

  uint8_t own_stream = 0;  ///< the encoding that carries the extension
  uint8_t stream_count = 0;
  size_t layer_count = 0;                                       ///< 0: nothing is sent
  std::array<Layer, kMaxStreams * kMaxSpatialLayers> layers{};  ///< the active ones, in order
};

/// nullopt when the extension is malformed.
std::optional<VideoLayersAllocation> ParseVideoLayersAllocation(std::span<const uint8_t> extension);

}  // namespace sluice::worker
