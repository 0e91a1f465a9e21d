#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "worker/channel/json/protocol_types.h"

/// What the JSON protocol knows of codecs and header extensions (docs/protocols/json-protocol.md
/// §3).
namespace sluice::worker::json_protocol {

enum class CodecRole : uint8_t {
  kMedia,          ///< carries media by itself
  kComplementary,  ///< CN, telephone-event
  kFeature,        ///< rtx, FEC, red
};

/// "OPUS" in "Audio/OPUS" in its canonical spelling "audio/opus"; nullopt for an unknown type or
/// subtype.
std::optional<std::string> CanonicalCodecName(std::string_view name);

// The following take canonical names.
CodecRole RoleOf(std::string_view name);
bool IsRtx(std::string_view name);
bool IsVideo(std::string_view name);  ///< "video/…"

/// An integer parameter; nullopt when it is absent or something else.
std::optional<int32_t> IntegerParameter(const Parameters& parameters, const char* name);

/// Same codec for the JSON protocol: name and clock rate, channels when either is of kind audio,
/// packetizationMode for H264. Not compared: kind, payload type, profile-level-id.
bool Matches(const Codec& a, const Codec& b);

/// Codecs that a room can have, without payload types and parameters (but H264's
/// packetizationMode), with the feedback that the room's codecs get.
std::span<const Codec> SupportedCodecs();

/// The header extensions of every room, with the ids that all its endpoints use.
std::span<const HeaderExtension> SupportedHeaderExtensions();

/// By URI, without case; nullopt for one that this protocol does not know.
std::optional<RtpExtensionUri> ParseHeaderExtensionUri(std::string_view uri);

std::optional<Kind> ParseKind(std::string_view text);  ///< without case
const char* ToString(Kind kind);

}  // namespace sluice::worker::json_protocol
