#include "worker/channel/json/json_engine_values.h"

#include <algorithm>
#include <limits>
#include <span>
#include <utility>

#include "worker/channel/json/json_codecs.h"

namespace sluice::worker::json_protocol {
namespace {

/// Names of codec parameters here and in SDP, where they differ: only those that RFC 7587 and
/// RFC 6184 define.
constexpr std::pair<std::string_view, std::string_view> kParameterNames[] = {
    {"useInbandFec", "useinbandfec"},
    {"useDtx", "usedtx"},
    {"packetizationMode", "packetization-mode"},
    {"profileLevelId", "profile-level-id"},
    {"levelAsymmetryAllowed", "level-asymmetry-allowed"},
};

std::string SdpNameOf(const std::string& name) {
  for (const auto& [ours, sdp] : kParameterNames) {
    if (name == ours) return std::string(sdp);
  }
  return name;
}

RtpCodecParameters ToEngineCodec(const Codec& codec) {
  constexpr uint32_t kMaxChannels = std::numeric_limits<uint8_t>::max();
  RtpCodecParameters out;
  out.mime_type = codec.name;
  out.payload_type = codec.payload_type.value_or(0);
  out.clock_rate = codec.clock_rate;
  out.channels = IsVideo(codec.name)
                     ? uint8_t{1}
                     : static_cast<uint8_t>(std::min(codec.num_channels, kMaxChannels));
  for (const auto& [name, value] : codec.parameters) out.parameters[SdpNameOf(name)] = value;
  out.rtcp_feedback = codec.rtcp_feedback;
  return out;
}

/// What repairs the stream of encoding `index`: of the encodings with its SSRC, the first that
/// names an RTX SSRC, else the first that has RTX. Null: nothing.
const EncodingRtx* RtxOf(const JsonRtpParameters& parameters, size_t index) {
  const Encoding& own = parameters.encodings[index];
  const EncodingRtx* found = own.rtx ? &*own.rtx : nullptr;
  if (own.ssrc == 0) return found;
  for (const Encoding& encoding : parameters.encodings) {
    if (encoding.ssrc != own.ssrc || !encoding.rtx) continue;
    if (found == nullptr || (found->ssrc == 0 && encoding.rtx->ssrc != 0)) found = &*encoding.rtx;
  }
  return found;
}

RtpEncodingParameters ToEngineEncoding(const Encoding& encoding, const EncodingRtx* rtx) {
  RtpEncodingParameters out;
  if (encoding.ssrc != 0) out.ssrc = encoding.ssrc;
  if (rtx != nullptr && rtx->ssrc != 0) out.rtx_ssrc = rtx->ssrc;
  out.codec_payload_type = encoding.codec_payload_type;
  return out;
}

/// Of the encoding's codec.
MediaKind MediaKindOf(const JsonRtpParameters& parameters, const Encoding& encoding) {
  for (const Codec& codec : parameters.codecs) {
    if (codec.payload_type != encoding.codec_payload_type) continue;
    return IsVideo(codec.name) ? MediaKind::kVideo : MediaKind::kAudio;
  }
  return MediaKind::kAudio;  // no such codec: the engine's check says so
}

/// What the engine's checks take for these parameters, with this encoding only. Names of codec
/// parameters are turned into those of SDP, which the engine reads (useInbandFec: useinbandfec).
sluice::RtpParameters ToEngineParameters(const JsonRtpParameters& parameters,
                                         const RtpEncodingParameters& encoding,
                                         std::string_view fallback_cname) {
  sluice::RtpParameters out;
  // No MID: its header extension is not among those of this protocol, so that no packet has one.
  for (const Codec& codec : parameters.codecs) out.codecs.push_back(ToEngineCodec(codec));
  out.encodings.push_back(encoding);
  for (const HeaderExtensionUse& extension : parameters.header_extensions) {
    out.header_extensions.push_back(
        {extension.uri, extension.id, extension.encrypt, extension.parameters});
  }
  if (parameters.rtcp) {
    out.rtcp.cname = parameters.rtcp->cname;
    out.rtcp.reduced_size = parameters.rtcp->reduced_size;
  }
  if (out.rtcp.cname.empty()) out.rtcp.cname = fallback_cname;
  return out;
}

bool LeavesRtxOpen(const JsonRtpParameters& parameters, size_t index) {
  const EncodingRtx* rtx = RtxOf(parameters, index);
  return rtx != nullptr && rtx->ssrc == 0;
}

/// For the stream of encoding `index`.
PayloadTypeRoutes RoutesOf(const JsonRtpParameters& parameters, size_t index) {
  size_t leave_rtx_open = 0;
  for (size_t i = 0; i < parameters.encodings.size(); ++i) {
    if (HasStream(parameters, i) && LeavesRtxOpen(parameters, i)) ++leave_rtx_open;
  }
  PayloadTypeRoutes routes;
  routes.media = parameters.encodings[index].ssrc == 0;
  if (leave_rtx_open == 0) {
    routes.rtx = routes.media && RtxOf(parameters, index) == nullptr;
  } else {
    routes.rtx = leave_rtx_open == 1 && LeavesRtxOpen(parameters, index);
  }
  return routes;
}

}  // namespace

bool LeavesSsrcOpen(const Encoding& encoding) {
  return encoding.ssrc == 0 || (encoding.rtx && encoding.rtx->ssrc == 0) ||
         (encoding.fec && encoding.fec->ssrc == 0);
}

bool HasStream(const JsonRtpParameters& parameters, size_t index) {
  const uint32_t ssrc = parameters.encodings[index].ssrc;
  const auto earlier = std::span<const Encoding>(parameters.encodings).first(index);
  return std::none_of(earlier.begin(), earlier.end(),
                      [ssrc](const Encoding& encoding) { return encoding.ssrc == ssrc; });
}

std::optional<ProduceOptions> ToProduceOptions(std::string producer_id,
                                               const JsonRtpParameters& parameters, size_t index,
                                               std::string_view fallback_cname) {
  if (index >= parameters.encodings.size() || !HasStream(parameters, index)) return std::nullopt;
  const Encoding& encoding = parameters.encodings[index];
  ProduceOptions options;
  options.producer_id = std::move(producer_id);
  options.kind = MediaKindOf(parameters, encoding);
  options.rtp_parameters = ToEngineParameters(
      parameters, ToEngineEncoding(encoding, RtxOf(parameters, index)), fallback_cname);
  for (const RtpCodecParameters& codec : options.rtp_parameters.codecs) {
    if (IsRtx(codec.mime_type)) continue;  // unwrapped before payload types are looked up
    options.rtp_mapping.codecs.push_back({codec.payload_type, codec.payload_type});
  }
  options.rtp_mapping.encodings.push_back(
      {/*rid=*/"", options.rtp_parameters.encodings.front().ssrc, kMappedSsrc});
  options.route_by_payload_type = RoutesOf(parameters, index);
  options.takes_any_codec = true;
  return options;
}

std::optional<ConsumeOptions> ToConsumeOptions(std::string consumer_id, std::string producer_id,
                                               const JsonRtpParameters& sender,
                                               std::string_view fallback_cname) {
  if (sender.encodings.empty() || sender.encodings.front().ssrc == 0) return std::nullopt;
  ConsumeOptions options;
  options.consumer_id = std::move(consumer_id);
  options.producer_id = std::move(producer_id);
  const Encoding& encoding = sender.encodings.front();
  options.kind = MediaKindOf(sender, encoding);
  options.rtp_parameters =
      ToEngineParameters(sender, ToEngineEncoding(encoding, RtxOf(sender, 0)), fallback_cname);
  options.type = RtpType::kSimple;
  RtpEncodingParameters& consumable = options.consumable_rtp_encodings.emplace_back();
  consumable.ssrc = kMappedSsrc;
  return options;
}

}  // namespace sluice::worker::json_protocol
