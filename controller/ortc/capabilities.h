#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/rtp_parameters.h"

/// What a router or a peer can handle (ORTC §9.3 RTCRtpCapabilities), as plain values.
/// RtpParameters, the other half of ORTC, live in common/rtp_parameters.h.
namespace sluice::controller {

/// One codec that a router offers or a peer accepts.
struct RtpCodecCapability {
  MediaKind kind = MediaKind::kAudio;
  std::string mime_type;  ///< "audio/opus"; compared without case
  /// 0..127. Always set in the capabilities of a router; optional in configured media codecs.
  std::optional<uint8_t> preferred_payload_type;
  uint32_t clock_rate = 0;  ///< Hz
  uint8_t channels = 1;     ///< audio only; 1 for video
  Parameters parameters;
  std::vector<RtcpFeedback> rtcp_feedback;
};

/// Direction of a header extension, seen from the owner of the capabilities.
enum class RtpExtensionDirection : uint8_t { kSendRecv, kSendOnly, kRecvOnly, kInactive };

/// One header extension that a router offers or a peer accepts. The URI is text because peers may
/// list extensions that we do not know.
struct RtpHeaderExtension {
  /// Not compared when a consumer's extensions are chosen: clients list shared ones only once.
  MediaKind kind = MediaKind::kAudio;
  std::string uri;
  uint8_t preferred_id = 0;
  bool preferred_encrypt = false;
  RtpExtensionDirection direction = RtpExtensionDirection::kSendRecv;
};

struct RtpCapabilities {
  std::vector<RtpCodecCapability> codecs;
  std::vector<RtpHeaderExtension> header_extensions;
};

}  // namespace sluice::controller
