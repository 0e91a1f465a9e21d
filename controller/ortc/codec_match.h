#pragma once

#include <string_view>

#include "common/rtp_parameters.h"
#include "controller/ortc/capabilities.h"

namespace sluice::controller {

/// What codec comparison looks at, of a capability or of a parameter entry.
struct CodecView {
  std::string_view mime_type;
  uint32_t clock_rate = 0;
  uint8_t channels = 1;
  const Parameters* parameters = nullptr;
};
CodecView ViewOf(const RtpCodecCapability& codec);
CodecView ViewOf(const RtpCodecParameters& codec);

bool EqualsIgnoringCase(std::string_view a, std::string_view b);
/// "audio/rtx" or "video/rtx".
bool IsRtx(std::string_view mime_type);
bool IsAudioRed(std::string_view mime_type);  ///< redundant audio, RFC 2198
bool IsFlexfec(std::string_view mime_type);   ///< "video/flexfec-03"
/// Goes beside a media codec and is nothing without one: RTX, redundant audio, FEC.
bool IsFeature(std::string_view mime_type);
/// The `apt` parameter of an RTX codec; nullopt when missing or not 0…127.
std::optional<uint8_t> AssociatedPayloadType(const Parameters& parameters);

/// Loose: MIME type, clock rate, channels (and the streams of multiopus). Strict adds H264
/// packetization-mode and profile, and VP9 profile-id (docs/protocols/ortc.md §1).
enum class CodecMatch : uint8_t { kLoose, kStrict };
bool MatchCodecs(const CodecView& a, const CodecView& b, CodecMatch match);

}  // namespace sluice::controller
