#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace sluice::controller::broadcast {

enum class Codec : uint8_t { kOpus, kVp8, kVp9, kAv1, kH264 };

/// "Opus", "VP8", "VP9", "AV1", "H264".
std::string_view NameOf(Codec codec);

using Payload = std::vector<uint8_t>;

/// Cuts frames of one track into RTP payloads: VP8 (RFC 7741), VP9 (RFC 9628), H264
/// (RFC 6184, packetization mode 1), AV1 (RTP Payload Format For AV1 1.0), Opus (RFC 7587).
class Packetizer {
 public:
  /// `codec_data`: what the container has of the codec beside the frames: avcC or parameter sets
  /// for H264, av1C for AV1. No payload is larger than `max_payload` bytes, but those of Opus.
  Packetizer(Codec codec, std::span<const uint8_t> codec_data, size_t max_payload);

  /// The payloads of a frame, the last of which gets the RTP marker. A key frame of H264 and AV1
  /// gets the parameter sets or sequence header in front that it lacks. None for a frame that is
  /// not well formed.
  std::vector<Payload> Packetize(std::span<const uint8_t> frame, bool key);

 private:
  std::vector<Payload> Vpx(std::span<const uint8_t> frame, bool key);
  std::vector<Payload> H264(std::span<const uint8_t> frame, bool key);
  std::vector<Payload> Av1(std::span<const uint8_t> frame, bool key);

  Codec codec_;
  size_t max_payload_;
  uint16_t picture_id_ = 0;
  size_t length_size_ = 0;  ///< of H264's NAL units; 0: start codes
  std::vector<Payload> parameter_sets_;
};

/// How long a packet of Opus is, in samples of 48 kHz (RFC 6716 §3.1); 0 for one that is malformed.
uint32_t OpusSamples(std::span<const uint8_t> packet);

/// The RTP time of packets of Opus. Containers tell the time in whole milliseconds (MKV, FLV) or
/// round it otherwise, and a receiver conceals what is not there exactly when the last packet
/// ends: as long as the container's time is near, the next packet is where the last one ended.
class OpusClock {
 public:
  static constexpr int64_t kTolerance = 48 * 15;  // samples
  /// `time` in samples of 48 kHz, as the container says. The time to be used.
  int64_t TimeOf(int64_t time, uint32_t samples);

 private:
  bool started_ = false;
  int64_t next_ = 0;
};

}  // namespace sluice::controller::broadcast
