#pragma once

#include <array>
#include <cstddef>
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
  /// A decoder can start with this packet, or with it and those in front of it
  /// (`packets_in_front`): it begins a key frame.
  bool key_frame = false;
  /// H264, H265: a random-access picture begins here, without parameter sets in this packet. A
  /// decoder can start with it if it has those from elsewhere (see ParameterSetWatch).
  bool bare_random_access = false;
  bool parameter_sets = false;  ///< H264: an SPS; H265: a VPS or SPS
  bool recovery_point = false;  ///< H264: says that decoders can start at its picture
  bool other_picture = false;   ///< H264, H265: a slice of another picture begins here
  /// With key_frame: the parameter sets begin so many packets before. Not in the payload:
  /// ParameterSetWatch finds it.
  uint8_t packets_in_front = 0;
  bool start_of_frame = false;  ///< first packet of a frame, where the codec tells
  bool end_of_frame = false;    ///< last packet of a frame, where the codec tells (VP9 E)
  uint8_t spatial_layer = 0;
  uint8_t temporal_layer = 0;
  bool layer_sync = false;  ///< temporal switching point (VP8 Y, VP9 U, H265 TSA and STSA)
  /// Nothing in this packet says what layers it is of: those of the packet before it (AV1: it
  /// continues an OBU).
  bool continues_layers = false;
  /// Frames of this layer refer to earlier pictures. Only VP9 says that they do not.
  bool inter_picture = true;
  bool inter_layer = false;    ///< refers to the spatial layer below in the same picture (VP9 D)
  bool not_for_upper = false;  ///< upper spatial layers do without this frame (VP9 Z)
  bool discardable = false;    ///< nothing refers to it (H264 nal_ref_idc 0)
  bool has_structure = false;  ///< VP9: a scalability structure, see ParseVp9Structure
  /// What `references` lists is all that the frame refers to in earlier pictures. VP9 says it in
  /// flexible mode; outside of it, the structure of the stream may.
  bool references_known = false;
  /// VP9: distances of picture ids to the pictures that this frame refers to, in its own spatial
  /// layer.
  static constexpr size_t kMaxReferences = 3;
  uint8_t reference_count = 0;
  std::array<uint8_t, kMaxReferences> references{};
  // Continuity fields of VP8 and VP9: value and byte offset in the payload, for rewriting. 0 offset
  // = absent.
  uint8_t picture_id_offset = 0;
  uint8_t tl0_picture_index_offset = 0;
  uint8_t key_index_offset = 0;
  bool picture_id_long = false;  ///< 15 bits, else 7
  std::optional<uint16_t> picture_id;
  std::optional<uint8_t> tl0_picture_index;
  std::optional<uint8_t> key_index;  ///< VP8 KEYIDX, 5 bits
};

/// What a VP9 sender outside flexible mode says of the pictures of a group (RFC 9628 §4.2.1), from
/// the picture with the structure on, over and over.
struct Vp9Structure {
  static constexpr size_t kMaxPictures = 255;
  struct Picture {
    uint8_t temporal_layer = 0;
    bool switching_point = false;
    uint8_t reference_count = 0;
    std::array<uint8_t, PayloadInfo::kMaxReferences> references{};  ///< distances of picture ids
  };
  struct Resolution {
    uint16_t width = 0;
    uint16_t height = 0;
  };
  uint8_t spatial_layers = 1;
  std::array<Resolution, 8> resolutions{};  ///< 0×0 when not said
  uint8_t picture_count = 0;                ///< 0: no group is announced
  std::array<Picture, kMaxPictures> pictures{};
};

/// nullopt when the descriptor is malformed or truncated: such a packet is forwarded as opaque,
/// never as a key frame. kOther and kOpus give an empty PayloadInfo.
std::optional<PayloadInfo> ParsePayload(CodecKind codec, std::span<const uint8_t> payload);

/// Reads the scalability structure of a VP9 payload with `has_structure` into `out`; false when
/// there is none, or it is truncated.
bool ParseVp9Structure(std::span<const uint8_t> payload, Vp9Structure* out);

/// Values for the continuity fields of a payload; each is cut to its field's width.
struct ContinuityFields {
  uint16_t picture_id = 0;
  uint8_t tl0_picture_index = 0;
  uint8_t key_index = 0;
};
/// Overwrites those fields that `info` found in a VP8 or VP9 payload, in place; what has no field
/// is left out.
void RewriteContinuity(std::span<uint8_t> payload, const PayloadInfo& info,
                       const ContinuityFields& fields);

/// How an AV1 packet is to hang together with its neighbours (JoinAv1).
struct Av1Joint {
  bool to_previous = false;
  bool to_next = false;
  explicit operator bool() const { return to_previous || to_next; }
};
/// By how many bytes JoinAv1() may make a packet longer.
inline constexpr size_t kMaxAv1JoinGrowth = 1 + 3;
/// Copies an AV1 payload of at most 65,535 bytes to `out`, so that its last OBU goes on in the next
/// packet, or its first continues that of the packet before: by a fragment without bytes, at the
/// start of the second. The OBUs stay as they are. For receivers that take what hangs together for
/// one frame. Returns the size; what is malformed is copied as it is.
size_t JoinAv1(std::span<const uint8_t> payload, Av1Joint joint, uint8_t* out);

/// True for an Opus packet that carries no speech (DTX): code 0/1 with one byte of payload, code 2
/// with two at most (RFC 6716 §3.2).
bool IsOpusDtx(std::span<const uint8_t> payload);

}  // namespace sluice::worker
