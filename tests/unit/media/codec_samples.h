#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "common/rtp_parameters.h"

namespace sluice::worker::samples {

/// Pictures of one packet, as encoders of a codec make them.
struct VideoCodec {
  const char* mime_type;
  std::vector<uint8_t> key;    ///< payload of a key frame
  std::vector<uint8_t> other;  ///< and of one that refers to pictures before it
  /// Where `key` has the two bytes of its last unit's size, which counts one byte more than there
  /// is; 0: it has none.
  size_t last_size_at = 0;
};

inline const VideoCodec kVideoCodecs[] = {
    {"video/VP8", {0x10, 0x10, 1, 2}, {0x10, 0x11, 1, 2}},
    {"video/VP9", {0x8C, 1, 0x82, 0x49, 0x83, 0x42}, {0xCC, 2, 0x86, 0, 0, 0}},
    {"video/H264", {0x78, 0, 2, 0x67, 1, 0, 3, 0x65, 0x88}, {0x61, 1, 2, 3}, 5},
    {"video/H265",
     {0x60, 0x01, 0, 3, 0x42, 0x01, 1, 0, 4, 0x26, 0x01, 0x80},
     {0x02, 0x01, 1, 2},
     7},
    {"video/AV1", {0x18, 0x08, 1, 2}, {0x10, 0x30, 1, 2}},
};

/// What is said of VP8 is said of this codec.
inline void SetCodec(const VideoCodec& codec, RtpParameters* parameters) {
  for (RtpCodecParameters& each : parameters->codecs) {
    if (each.mime_type == "video/VP8") each.mime_type = codec.mime_type;
  }
}
/// The payload of a packet of `size` bytes, or of as many as it needs: the first of a key frame, or
/// any other.
inline std::vector<uint8_t> PayloadOf(const VideoCodec& codec, bool key, size_t size) {
  std::vector<uint8_t> payload = key ? codec.key : codec.other;
  payload.resize(std::max(payload.size() + 1, size), 1);
  if (key && codec.last_size_at != 0) {
    const size_t last = payload.size() - codec.last_size_at - 2;
    payload[codec.last_size_at] = static_cast<uint8_t>(last >> 8);
    payload[codec.last_size_at + 1] = static_cast<uint8_t>(last);
  }
  return payload;
}

}  // namespace sluice::worker::samples
