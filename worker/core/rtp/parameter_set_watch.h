#pragma once

#include <cstdint>

#include "common/rtp_types.h"
#include "worker/wire/payload_descriptor.h"

namespace sluice::worker {

/// Learns whether an H264 or H265 sender puts its parameter sets in front of each random-access
/// picture, or leaves them to the signalling. Where they are in front, a receiver must start with
/// them: the picture alone would be one whose parameter sets are late or lost. Where they are not,
/// it starts with the picture.
///
/// Owned by the receive stream, which asks for each packet of these codecs.
class ParameterSetWatch {
 public:
  /// Pictures in a row without parameter sets, after which none are expected.
  static constexpr uint8_t kBarePictures = 2;

  /// True when a decoder can start with this packet.
  bool IsKeyFrame(const PayloadInfo& info, RtpTimestamp timestamp) {
    if (info.key_frame) {
      in_band_ = true;
      bare_pictures_ = 0;
      picture_ = timestamp;
      return true;
    }
    if (!info.bare_random_access) return false;
    if (in_band_ && timestamp == picture_) return false;  // they came in packets of their own
    if (bare_pictures_ < kBarePictures && (bare_pictures_ == 0 || timestamp != picture_)) {
      ++bare_pictures_;
    }
    picture_ = timestamp;
    return !in_band_ || bare_pictures_ >= kBarePictures;
  }

 private:
  bool in_band_ = false;
  uint8_t bare_pictures_ = 0;
  RtpTimestamp picture_;  ///< the last random-access picture
};

}  // namespace sluice::worker
