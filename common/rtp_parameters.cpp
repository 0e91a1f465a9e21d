#include "common/rtp_parameters.h"

#include <array>
#include <cctype>

namespace sluice {

namespace {
constexpr std::array<const char*, kRtpExtensionUriCount> kUris = {
    "urn:ietf:params:rtp-hdrext:sdes:mid",
    "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
    "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
    "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
    "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
    "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension",
    "urn:3gpp:video-orientation",
    "urn:ietf:params:rtp-hdrext:toffset",
    "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time",
    "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",
    "urn:mediasoup:params:rtp-hdrext:packet-id",
    "http://www.webrtc.org/experiments/rtp-hdrext/video-layers-allocation00",
    "http://www.webrtc.org/experiments/rtp-hdrext/video-content-type",
    "http://www.webrtc.org/experiments/rtp-hdrext/video-timing",
    "http://www.webrtc.org/experiments/rtp-hdrext/color-space",
};

/// Reads one or two digits at `pos`, value 1..99; 0 when there is none.
uint8_t ReadLayerCount(const std::string& text, size_t* pos) {
  int value = 0;
  size_t digits = 0;
  while (*pos < text.size() && digits < 2 &&
         std::isdigit(static_cast<unsigned char>(text[*pos])) != 0) {
    value = value * 10 + (text[*pos] - '0');
    ++*pos;
    ++digits;
  }
  return static_cast<uint8_t>(value);
}
}  // namespace

const char* ToString(RtpExtensionUri uri) { return kUris[static_cast<size_t>(uri)]; }

std::optional<RtpExtensionUri> ParseRtpExtensionUri(const std::string& uri) {
  for (size_t i = 0; i < kUris.size(); ++i) {
    if (uri == kUris[i]) return static_cast<RtpExtensionUri>(i);
  }
  return std::nullopt;
}

ScalabilityMode ParseScalabilityMode(const std::string& text) {
  const ScalabilityMode none;
  if (text.empty() || (text[0] != 'L' && text[0] != 'S')) return none;
  size_t pos = 1;
  ScalabilityMode mode;
  mode.spatial_layers = ReadLayerCount(text, &pos);
  if (mode.spatial_layers == 0 || pos >= text.size() || text[pos] != 'T') return none;
  ++pos;
  mode.temporal_layers = ReadLayerCount(text, &pos);
  if (mode.temporal_layers == 0) return none;
  mode.k_svc = text.compare(pos, 4, "_KEY") == 0;
  mode.valid = true;
  return mode;
}

}  // namespace sluice
