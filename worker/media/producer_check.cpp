#include "worker/media/producer_check.h"

#include <fmt/format.h>

#include <string>

#include "worker/media/rtp_parameters_check.h"

namespace sluice::worker {
namespace {

constexpr uint8_t kMaxPayloadType = 127;  // RFC 3550 §5.1: 7 bits

/// `by_payload_type`: packets without a name are found too.
Status CheckMapping(const RtpMapping& mapping, const RtpParameters& parameters,
                    bool by_payload_type) {
  for (size_t i = 0; i < mapping.codecs.size(); ++i) {
    const RtpCodecMapping& codec = mapping.codecs[i];
    if (codec.payload_type > kMaxPayloadType || codec.mapped_payload_type > kMaxPayloadType) {
      return TypeError(fmt::format(
          "rtpMapping.codecs[{}] maps payload type {} to {}: both must be within 0 to {}", i,
          codec.payload_type, codec.mapped_payload_type, kMaxPayloadType));
    }
  }
  if (mapping.encodings.size() != parameters.encodings.size()) {
    return TypeError(
        fmt::format("rtpMapping.encodings has {} entries: rtpParameters.encodings has {}",
                    mapping.encodings.size(), parameters.encodings.size()));
  }
  for (size_t i = 0; i < mapping.encodings.size(); ++i) {
    const RtpEncodingMapping& encoding = mapping.encodings[i];
    if (encoding.mapped_ssrc == 0) {
      return TypeError(fmt::format("rtpMapping.encodings[{}].mappedSsrc is missing or 0", i));
    }
    const bool is_named = encoding.ssrc.value_or(0) != 0 || !encoding.rid.empty();
    const bool tells_apart = !parameters.mid.empty() || by_payload_type;
    if (!is_named && (mapping.encodings.size() > 1 || !tells_apart)) {
      return TypeError(fmt::format(
          "rtpMapping.encodings[{}] has neither ssrc nor rid{}", i,
          mapping.encodings.size() > 1 ? "" : ", and rtpParameters has no mid: one is needed"));
    }
  }
  return {};
}

Status CheckEncodings(const RtpParameters& parameters, MediaKind kind, bool by_payload_type) {
  for (size_t i = 0; i < parameters.encodings.size(); ++i) {
    const RtpEncodingParameters& encoding = parameters.encodings[i];
    const std::string& mime_type = CodecOf(parameters, encoding)->mime_type;
    if (mime_type.starts_with("video/") != (kind == MediaKind::kVideo)) {
      return TypeError(fmt::format("rtpParameters.encodings[{}] has codec {}: kind is {}", i,
                                   mime_type, kind == MediaKind::kVideo ? "video" : "audio"));
    }
    if (!encoding.ssrc && encoding.rid.empty() && parameters.mid.empty() && !by_payload_type) {
      return TypeError(fmt::format(
          "rtpParameters.encodings[{}] has neither ssrc nor rid, and rtpParameters has no mid: one "
          "is needed to know its packets",
          i));
    }
  }
  return {};
}

Status CheckSupported(const RtpParameters& parameters) {
  if (parameters.encodings.size() > 1) {
    return UnsupportedError(fmt::format(
        "rtpParameters.encodings has {} entries: simulcast is not supported yet, send one encoding",
        parameters.encodings.size()));
  }
  const std::string& mode = parameters.encodings.front().scalability_mode;
  if (ParseScalabilityMode(mode).spatial_layers > 1) {
    return UnsupportedError(
        fmt::format("rtpParameters.encodings[0].scalabilityMode \"{}\" has several spatial layers: "
                    "SVC is not supported yet, use L1T1, L1T2 or L1T3",
                    mode));
  }
  return {};
}

}  // namespace

Status CheckProduceOptions(const ProduceOptions& options, RtpParameters* parameters) {
  SLUICE_RETURN_IF_ERROR(CheckRtpParameters(parameters));
  SLUICE_RETURN_IF_ERROR(
      CheckMapping(options.rtp_mapping, *parameters, options.route_by_payload_type.media));
  SLUICE_RETURN_IF_ERROR(
      CheckEncodings(*parameters, options.kind, options.route_by_payload_type.media));
  return CheckSupported(*parameters);
}

}  // namespace sluice::worker
