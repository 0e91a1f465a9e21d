#pragma once

#include <boost/json/fwd.hpp>
#include <cstdint>
#include <string_view>
#include <vector>

#include "common/rtp_parameters.h"
#include "common/status.h"
#include "controller/ortc/capabilities.h"

/// The ORTC algorithms of the room API: pure functions, no state, no random (the caller draws the
/// SSRCs). Errors name the field, the value and what would be right; TypeError = malformed input,
/// UnsupportedError = well-formed but not possible with these capabilities.
namespace sluice::controller {

/// Base SSRCs are drawn from here, so that base + count never wraps.
inline constexpr uint32_t kFirstRandomSsrc = 100'000'000;
inline constexpr uint32_t kLastRandomSsrc = 999'999'999;

// ---- JSON ⇄ structs (normalising: defaults filled in, types checked)

/// A peer's capabilities as JSON (the `rtpCapabilities` object). What is sent by them has the
/// router's ids of header extensions: those above 14 may need a form of them that the peer does not
/// take, and are left out.
Result<RtpCapabilities> ParseRtpCapabilities(const boost::json::value& json);
/// A producer's `rtpParameters`. Header extensions with a URI that we do not know are left out.
/// Empty or missing encodings become one empty encoding.
Result<RtpParameters> ParseRtpParameters(const boost::json::value& json);
/// "audio" or "video"; anything else is TypeError `invalid kind "x"`.
Result<MediaKind> ParseMediaKind(std::string_view text);

/// For peers, who send what they read with this name (ParseRtpCapabilities): to them the router
/// only receives the header extensions whose ids are above 14.
boost::json::value ToJson(const RtpCapabilities& capabilities);
boost::json::value ToJson(const RtpParameters& parameters);
boost::json::array ToJson(const std::vector<RtpEncodingParameters>& encodings);
/// "audio" or "video".
std::string_view ToString(MediaKind kind);

// ---- Algorithms (docs/protocols/ortc.md)

/// What a router with these media codecs offers: payload types allocated, RTX added to video, all
/// supported header extensions (docs/protocols/ortc.md §2). Redundant audio and FEC are offered
/// where they are among the media codecs. UnsupportedError for a codec that we do not know.
Result<RtpCapabilities> MakeRouterRtpCapabilities(
    const std::vector<RtpCodecCapability>& media_codecs);

/// How a producer's payload types and SSRCs map to the router's (docs/protocols/ortc.md §3). Mapped
/// SSRCs are consecutive from `first_mapped_ssrc` (draw from kFirstRandomSsrc..kLastRandomSsrc).
Result<RtpMapping> GetProducerRtpMapping(const RtpParameters& parameters,
                                         const RtpCapabilities& router_capabilities,
                                         uint32_t first_mapped_ssrc);

/// What consumers of that producer can choose from (docs/protocols/ortc.md §4).
RtpParameters GetConsumableRtpParameters(MediaKind kind, const RtpParameters& parameters,
                                         const RtpCapabilities& router_capabilities,
                                         const RtpMapping& mapping);

/// What of a peer's capabilities can matter in a router: those of the router that the peer has,
/// too. Consumers get the same parameters with the result as with the whole.
RtpCapabilities ReduceCapabilities(const RtpCapabilities& peer, const RtpCapabilities& router);

/// True when a peer with `capabilities` can consume it.
bool CanConsume(const RtpParameters& consumable, const RtpCapabilities& capabilities);

/// Parameters of a consumer (docs/protocols/ortc.md §5), with `mid` left empty: it is the
/// transport's to number. SSRCs are consecutive from `first_ssrc`; RTX SSRCs follow, FEC SSRCs
/// behind the place of these. UnsupportedError `no compatible media codecs`.
Result<RtpParameters> GetConsumerRtpParameters(const RtpParameters& consumable,
                                               const RtpCapabilities& capabilities, bool pipe,
                                               bool enable_rtx, uint32_t first_ssrc);

}  // namespace sluice::controller
