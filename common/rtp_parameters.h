#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/rtp_types.h"

/// ORTC RTP dictionaries as plain values, shared by the worker, its codecs and the controller.
/// Their fields mean what those of ORTC §9 do; what the worker adds and demands:
/// docs/protocols/router-protocol.md §9.
namespace sluice {

enum class MediaKind : uint8_t { kAudio, kVideo };

/// Value of a codec-specific parameter (fmtp).
using ParameterValue = std::variant<bool, int32_t, double, std::string, std::vector<int32_t>>;
/// Ordered by name, so that output is stable.
using Parameters = std::map<std::string, ParameterValue>;

struct RtcpFeedback {
  std::string type;
  std::string parameter;  ///< "" when none
  friend bool operator==(const RtcpFeedback&, const RtcpFeedback&) = default;
};

struct RtpCodecParameters {
  std::string mime_type;  ///< "video/VP8"; compared without case
  uint8_t payload_type = 0;
  uint32_t clock_rate = 0;
  uint8_t channels = 1;  ///< audio only; 1 for video
  Parameters parameters;
  std::vector<RtcpFeedback> rtcp_feedback;
  friend bool operator==(const RtpCodecParameters&, const RtpCodecParameters&) = default;
};

/// The header extensions we know; the values are the wire enum of the router protocol.
enum class RtpExtensionUri : uint8_t {
  kMid = 0,
  kRtpStreamId = 1,
  kRepairedRtpStreamId = 2,
  kAbsSendTime = 3,
  kTransportWideCc = 4,
  kAudioLevel = 5,
  kDependencyDescriptor = 6,
  kVideoOrientation = 7,
  kTimeOffset = 8,
  kAbsCaptureTime = 9,
  kPlayoutDelay = 10,
  kPacketId = 11,
  kVideoLayersAllocation = 12,
  kVideoContentType = 13,
  kVideoTiming = 14,
  kColorSpace = 15,
};
inline constexpr size_t kRtpExtensionUriCount = 16;

/// The last id that the one-byte form of header extensions has (RFC 8285 §4.2).
inline constexpr uint8_t kMaxOneByteExtensionId = 14;

/// The router's id of an extension, by RtpExtensionUri (docs/protocols/router-protocol.md §11). The
/// first twelve have the numbers that the library gives them. Ids of the one-byte form are too few
/// for all: above are the allocation of layers, which nobody is sent, and the timing.
inline constexpr std::array<uint8_t, kRtpExtensionUriCount> kRouterExtensionIds = {
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, /*kVideoLayersAllocation*/ 15, 13, /*kVideoTiming*/ 16,
    14};
constexpr uint8_t RouterExtensionId(RtpExtensionUri uri) {
  return kRouterExtensionIds[static_cast<size_t>(uri)];
}

/// The URI text, e.g. "urn:ietf:params:rtp-hdrext:sdes:mid".
const char* ToString(RtpExtensionUri uri);
std::optional<RtpExtensionUri> ParseRtpExtensionUri(const std::string& uri);

struct RtpHeaderExtensionParameters {
  RtpExtensionUri uri = RtpExtensionUri::kMid;
  uint8_t id = 0;
  bool encrypt = false;
  Parameters parameters;
  friend bool operator==(const RtpHeaderExtensionParameters&,
                         const RtpHeaderExtensionParameters&) = default;
};

struct RtpEncodingParameters {
  std::optional<uint32_t> ssrc;  ///< absent when announced by RID only
  std::string rid;               ///< "" when none
  std::optional<uint8_t> codec_payload_type;
  std::optional<uint32_t> rtx_ssrc;
  std::optional<uint32_t> fec_ssrc;  ///< of its FlexFEC repair stream (SDP: ssrc-group FEC-FR)
  bool dtx = false;
  std::string scalability_mode;         ///< "" when none
  std::optional<uint64_t> max_bitrate;  ///< bps
  friend bool operator==(const RtpEncodingParameters&, const RtpEncodingParameters&) = default;
};

struct RtcpParameters {
  std::string cname;
  bool reduced_size = true;
  friend bool operator==(const RtcpParameters&, const RtcpParameters&) = default;
};

struct RtpParameters {
  std::string mid;  ///< "" when none
  std::vector<RtpCodecParameters> codecs;
  std::vector<RtpHeaderExtensionParameters> header_extensions;
  std::vector<RtpEncodingParameters> encodings;
  RtcpParameters rtcp;
  std::string msid;  ///< "" when none
  friend bool operator==(const RtpParameters&, const RtpParameters&) = default;
};

/// How a producer's payload types and SSRCs map to the router's (docs/protocols/router-protocol.md
/// §10).
struct RtpCodecMapping {
  uint8_t payload_type = 0;
  uint8_t mapped_payload_type = 0;
};
struct RtpEncodingMapping {
  std::string rid;
  std::optional<uint32_t> ssrc;
  uint32_t mapped_ssrc = 0;
};
struct RtpMapping {
  std::vector<RtpCodecMapping> codecs;
  std::vector<RtpEncodingMapping> encodings;
};

/// What kind of stream a producer or consumer carries; the values are the wire enum.
enum class RtpType : uint8_t { kSimple = 0, kSimulcast = 1, kSvc = 2, kPipe = 3 };

/// "L3T2_KEY" taken apart. Grammar: [LS]n T m with n, m in 1..99, optional _KEY; anything else is
/// 1x1 (docs/protocols/router-protocol.md §9).
struct ScalabilityMode {
  uint8_t spatial_layers = 1;
  uint8_t temporal_layers = 1;
  bool k_svc = false;
  bool valid = false;  ///< false when the text did not parse
};
ScalabilityMode ParseScalabilityMode(const std::string& text);

}  // namespace sluice
