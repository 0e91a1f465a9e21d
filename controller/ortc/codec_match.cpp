#include "controller/ortc/codec_match.h"

#include <algorithm>
#include <cctype>

#include "controller/ortc/h264_profile.h"

namespace sluice::controller {

namespace {

/// The parameter, or integer `fallback` when absent. Types are not coerced: "1" is not 1.
ParameterValue ParameterOr(const Parameters& parameters, const char* name, int32_t fallback) {
  const auto it = parameters.find(name);
  return it == parameters.end() ? ParameterValue(fallback) : it->second;
}

bool SameParameter(const CodecView& a, const CodecView& b, const char* name) {
  return ParameterOr(*a.parameters, name, 0) == ParameterOr(*b.parameters, name, 0);
}

}  // namespace

CodecView ViewOf(const RtpCodecCapability& codec) {
  return {codec.mime_type, codec.clock_rate, codec.channels, &codec.parameters};
}

CodecView ViewOf(const RtpCodecParameters& codec) {
  return {codec.mime_type, codec.clock_rate, codec.channels, &codec.parameters};
}

bool EqualsIgnoringCase(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](unsigned char x, unsigned char y) {
    return std::tolower(x) == std::tolower(y);
  });
}

bool IsRtx(std::string_view mime_type) {
  return EqualsIgnoringCase(mime_type, "video/rtx") || EqualsIgnoringCase(mime_type, "audio/rtx");
}

bool IsAudioRed(std::string_view mime_type) { return EqualsIgnoringCase(mime_type, "audio/red"); }

bool IsFlexfec(std::string_view mime_type) {
  return EqualsIgnoringCase(mime_type, "video/flexfec-03");
}

bool IsFeature(std::string_view mime_type) {
  return IsRtx(mime_type) || IsAudioRed(mime_type) || IsFlexfec(mime_type);
}

std::optional<uint8_t> AssociatedPayloadType(const Parameters& parameters) {
  const auto it = parameters.find("apt");
  if (it == parameters.end()) return std::nullopt;
  const auto* apt = std::get_if<int32_t>(&it->second);
  if (apt == nullptr || *apt < 0 || *apt > 127) return std::nullopt;
  return static_cast<uint8_t>(*apt);
}

bool MatchCodecs(const CodecView& a, const CodecView& b, CodecMatch match) {
  if (!EqualsIgnoringCase(a.mime_type, b.mime_type) || a.clock_rate != b.clock_rate ||
      a.channels != b.channels) {
    return false;
  }
  if (EqualsIgnoringCase(a.mime_type, "audio/multiopus")) {
    return SameParameter(a, b, "num_streams") && SameParameter(a, b, "coupled_streams");
  }
  if (match == CodecMatch::kLoose) return true;
  if (EqualsIgnoringCase(a.mime_type, "video/H264")) {
    return SameParameter(a, b, "packetization-mode") &&
           H264ProfileLevelIdForAnswer(*a.parameters, *b.parameters).ok();
  }
  if (EqualsIgnoringCase(a.mime_type, "video/VP9")) return SameParameter(a, b, "profile-id");
  return true;
}

}  // namespace sluice::controller
