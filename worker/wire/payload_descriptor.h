#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace sluice::worker {

/// Codecs whose payload header we look into; everything else is kOther (opaque, every packet
/// passes).
enum class CodecKind : uint8_t { kOther, kOpus, kVp8, kVp9, kH264, kH265, kAv1 };

/// From a MIME type ("video/VP8"), case-insensitive.
CodecKind CodecKindFromMimeType(std::string_view mime_type);
/// True for codecs that have key frames: a new receiver must start with one.
bool HasKeyFrames(CodecKind codec);

/// What forwarding needs to know of one payload, read from its descriptor and, where that does not
/// say it, from the first bytes of the frame: VP8 (RFC 7741 §4.2), VP9 (RFC 9628 §4.2 and the
/// uncompressed header), H264 (RFC 6184: SPS), H265 (RFC 7798: VPS, SPS), AV1 (AV1 RTP spec §4.4:
/// N bit of the aggregation header, or a sequence header OBU).
struct PayloadInfo {
  /// A decoder can start with this packet: it begins a key frame, or the parameter sets in front of
  /// one.
  bool key_frame = false;
  /// H264, H265: a random-access picture begins here, without parameter sets in this packet. A
  /// decoder can start with it if it has those from elsewhere (see ParameterSetWatch).
  bool bare_random_access = false;
  bool start_of_frame = false;  ///< first packet of a frame, where the codec tells
  bool end_of_frame = false;    ///< last packet of a frame, where the codec tells (VP9 E)
  uint8_t spatial_layer = 0;
  uint8_t temporal_layer = 0;
  bool layer_sync = false;  ///< temporal switching point (VP8 Y, VP9 U)
  // VP8 continuity fields: value and byte offset in the payload, for rewriting. 0 offset = absent.
  std::optional<uint16_t> picture_id;
  uint8_t picture_id_offset = 0;
  bool picture_id_long = false;  ///< 15 bits, else 7
  std::optional<uint8_t> tl0_picture_index;
  uint8_t tl0_picture_index_offset = 0;
};

/// nullopt when the descriptor is malformed or truncated: such a packet is forwarded as opaque,
/// never as a key frame. kOther and kOpus give an empty PayloadInfo.
std::optional<PayloadInfo> ParsePayload(CodecKind codec, std::span<const uint8_t> payload);

/// Overwrites picture id and TL0PICIDX of a VP8 payload at the offsets of `info`.
void RewriteVp8(std::span<uint8_t> payload, const PayloadInfo& info, uint16_t picture_id,
                uint8_t tl0_picture_index);

/// True for an Opus packet that carries no speech (DTX): code 0/1 with one byte of payload, code 2
/// with two at most (RFC 6716 §3.2).
bool IsOpusDtx(std::span<const uint8_t> payload);

}  // namespace sluice::worker
