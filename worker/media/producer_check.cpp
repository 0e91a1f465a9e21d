#include "worker/media/producer_check.h"

#include <fmt/format.h>

#include <string>

#include "worker/media/rtp_parameters_check.h"
#include "worker/wire/payload_descriptor.h"

namespace sluice::worker {
namespace {

/// A browser sends three; the bits of masks over encodings are 32.
constexpr size_t kMaxEncodings = 8;
constexpr uint8_t kMaxMappedType = 127;  // RFC 3550 §5.1: 7 bits

/// `by_payload_type`: packets without a name are found too.
Status CheckMapping(const RtpMapping& mapping, const RtpParameters& parameters,
                    bool by_payload_type) {
  for (size_t i = 0; i < mapping.codecs.size(); ++i) {
    const RtpCodecMapping& codec = mapping.codecs[i];
    if (codec.payload_type > kMaxMappedType || codec.mapped_payload_type > kMaxMappedType) {
      return TypeError(fmt::format(
          "rtpMapping.codecs[{}] maps payload type {} to {}: both must be within 0 to {}", i,
          codec.payload_type, codec.mapped_payload_type, kMaxMappedType));
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

Status CheckProducerEncodings(const RtpParameters& parameters, MediaKind kind,
                              bool by_payload_type) {
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

Status CheckLayers(const RtpParameters& parameters, MediaKind kind) {
  const size_t encodings = parameters.encodings.size();
  if (kind == MediaKind::kAudio && encodings > 1) {
    return TypeError(
        fmt::format("rtpParameters.encodings has {} entries: audio has no simulcast, one is needed",
                    encodings));
  }
  if (encodings > kMaxEncodings) {
    return TypeError(fmt::format("rtpParameters.encodings has {} entries: at most {} are taken",
                                 encodings, kMaxEncodings));
  }
  if (ProducerTypeOf(parameters, kind) == RtpType::kSimple) return {};
  for (size_t i = 0; i < encodings; ++i) {
    const std::string& mime_type = CodecOf(parameters, parameters.encodings[i])->mime_type;
    if (HasKeyFrames(CodecKindFromMimeType(mime_type))) continue;
    return TypeError(fmt::format(
        "rtpParameters.encodings[{}] has codec {}, of which there are no layers", i, mime_type));
  }
  return {};
}

}  // namespace

Status CheckProduceOptions(const ProduceOptions& options, RtpParameters* parameters) {
  SLUICE_RETURN_IF_ERROR(CheckRtpParameters(parameters));
  SLUICE_RETURN_IF_ERROR(
      CheckMapping(options.rtp_mapping, *parameters, options.route_by_payload_type.media));
  SLUICE_RETURN_IF_ERROR(
      CheckProducerEncodings(*parameters, options.kind, options.route_by_payload_type.media));
  return CheckLayers(*parameters, options.kind);
}

RtpType ProducerTypeOf(const RtpParameters& parameters, MediaKind kind) {
  if (kind == MediaKind::kAudio) return RtpType::kSimple;
  if (parameters.encodings.size() > 1) return RtpType::kSimulcast;
  const ScalabilityMode mode = ParseScalabilityMode(parameters.encodings.front().scalability_mode);
  return mode.spatial_layers > 1 || mode.temporal_layers > 1 ? RtpType::kSvc : RtpType::kSimple;
}

}  // namespace sluice::worker
