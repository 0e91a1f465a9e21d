#include "worker/media/rtp_parameters_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <bitset>
#include <cmath>
#include <optional>
#include <string>
#include <string_view>

namespace sluice::worker {
namespace {

enum class CodecRole : uint8_t { kMedia, kComplementary, kFeature };

struct KnownCodec {
  const char* subtype;  ///< canonical case
  bool audio;
  bool video;
  CodecRole role;
};

constexpr KnownCodec kKnownCodecs[] = {
    {"opus", true, false, CodecRole::kMedia},
    {"multiopus", true, false, CodecRole::kMedia},
    {"PCMA", true, false, CodecRole::kMedia},
    {"PCMU", true, false, CodecRole::kMedia},
    {"ISAC", true, false, CodecRole::kMedia},
    {"G722", true, false, CodecRole::kMedia},
    {"iLBC", true, false, CodecRole::kMedia},
    {"SILK", true, false, CodecRole::kMedia},
    {"VP8", false, true, CodecRole::kMedia},
    {"VP9", false, true, CodecRole::kMedia},
    {"H264", false, true, CodecRole::kMedia},
    {"H265", false, true, CodecRole::kMedia},
    {"AV1", false, true, CodecRole::kMedia},
    {"CN", true, false, CodecRole::kComplementary},
    {"telephone-event", true, false, CodecRole::kComplementary},
    {"rtx", true, true, CodecRole::kFeature},
    {"ulpfec", true, true, CodecRole::kFeature},
    {"flexfec", true, true, CodecRole::kFeature},
    {"flexfec-03", false, true, CodecRole::kFeature},
    {"x-ulpfecuc", true, true, CodecRole::kFeature},
    {"red", true, true, CodecRole::kFeature},
};

constexpr uint8_t kMaxPayloadType = 127;  // RFC 3550 §5.1: 7 bits

bool EqualsIgnoreCase(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : int{c}; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&lower](char x, char y) { return lower(x) == lower(y); });
}

const KnownCodec* FindCodec(std::string_view mime_type, bool* is_video) {
  const size_t slash = mime_type.find('/');
  if (slash == std::string_view::npos) return nullptr;
  const std::string_view type = mime_type.substr(0, slash);
  const std::string_view subtype = mime_type.substr(slash + 1);
  const bool audio = EqualsIgnoreCase(type, "audio");
  *is_video = EqualsIgnoreCase(type, "video");
  if (!audio && !*is_video) return nullptr;
  for (const KnownCodec& known : kKnownCodecs) {
    if (!EqualsIgnoreCase(subtype, known.subtype)) continue;
    return (audio ? known.audio : known.video) ? &known : nullptr;
  }
  return nullptr;
}

std::optional<int64_t> IntegerParameter(const Parameters& parameters, const char* name) {
  const auto it = parameters.find(name);
  if (it == parameters.end()) return std::nullopt;
  if (const auto* integer = std::get_if<int32_t>(&it->second)) return *integer;
  if (const auto* number = std::get_if<double>(&it->second)) {
    if (std::trunc(*number) == *number && std::abs(*number) < 1e9) {
      return static_cast<int64_t>(*number);
    }
  }
  return std::nullopt;
}

bool IsFlagSet(const Parameters& parameters, const char* name) {
  return IntegerParameter(parameters, name).value_or(0) == 1;
}

Status CheckCodec(RtpCodecParameters* codec, size_t index) {
  bool is_video = false;
  const KnownCodec* known = FindCodec(codec->mime_type, &is_video);
  if (known == nullptr) {
    return TypeError(fmt::format("rtpParameters.codecs[{}].mimeType \"{}\" is not a known codec",
                                 index, codec->mime_type));
  }
  codec->mime_type = fmt::format("{}/{}", is_video ? "video" : "audio", known->subtype);
  if (codec->payload_type > kMaxPayloadType) {
    return TypeError(fmt::format("rtpParameters.codecs[{}].payloadType {} is not within 0 to {}",
                                 index, codec->payload_type, kMaxPayloadType));
  }
  if (codec->clock_rate == 0) {
    return TypeError(
        fmt::format("rtpParameters.codecs[{}].clockRate 0 is wrong: must be positive", index));
  }
  // The library of the router protocol writes 0 for video (docs/protocols/router-protocol.md §9).
  if (codec->channels == 0) codec->channels = 1;
  return {};
}

Status CheckRtxCodec(const RtpParameters& parameters, size_t index) {
  const RtpCodecParameters& rtx = parameters.codecs[index];
  const auto apt = IntegerParameter(rtx.parameters, "apt");
  if (!apt || *apt < 0) {
    return TypeError(fmt::format(
        "rtpParameters.codecs[{}].parameters.apt is missing or not a non-negative integer: "
        "{} needs the payload type that it repairs",
        index, rtx.mime_type));
  }
  const auto associated =
      std::find_if(parameters.codecs.begin(), parameters.codecs.end(),
                   [&apt](const auto& codec) { return codec.payload_type == *apt; });
  if (associated == parameters.codecs.end()) {
    return TypeError(
        fmt::format("rtpParameters.codecs[{}].parameters.apt {} names no codec", index, *apt));
  }
  bool is_video = false;
  const std::string_view subtype = FindCodec(associated->mime_type, &is_video)->subtype;
  if (subtype == "rtx" || subtype == "ulpfec" || subtype.starts_with("flexfec")) {
    return TypeError(fmt::format(
        "rtpParameters.codecs[{}].parameters.apt {} names {}, which cannot be retransmitted", index,
        *apt, associated->mime_type));
  }
  return {};
}

Status CheckCodecs(RtpParameters* parameters) {
  std::bitset<kMaxPayloadType + 1> used;
  bool has_media = false;
  for (size_t i = 0; i < parameters->codecs.size(); ++i) {
    RtpCodecParameters& codec = parameters->codecs[i];
    SLUICE_RETURN_IF_ERROR(CheckCodec(&codec, i));
    if (used[codec.payload_type]) {
      return TypeError(fmt::format("rtpParameters.codecs[{}].payloadType {} is there twice", i,
                                   codec.payload_type));
    }
    used.set(codec.payload_type);
    has_media = has_media || IsMediaCodec(codec);
  }
  if (!has_media) return TypeError("rtpParameters.codecs has no media codec: one is needed");
  for (size_t i = 0; i < parameters->codecs.size(); ++i) {
    if (!IsRtxCodec(parameters->codecs[i])) continue;
    SLUICE_RETURN_IF_ERROR(CheckRtxCodec(*parameters, i));
  }
  return {};
}

Status CheckEncoding(const RtpParameters& parameters, RtpEncodingParameters* encoding,
                     size_t index) {
  if (encoding->ssrc == 0u) encoding->ssrc.reset();
  if (encoding->rtx_ssrc == 0u) encoding->rtx_ssrc.reset();
  if (encoding->ssrc && encoding->ssrc == encoding->rtx_ssrc) {
    return TypeError(fmt::format("rtpParameters.encodings[{}].rtx.ssrc {} is its own media ssrc",
                                 index, *encoding->rtx_ssrc));
  }
  if (encoding->fec_ssrc == 0u) encoding->fec_ssrc.reset();
  if (encoding->fec_ssrc &&
      (encoding->fec_ssrc == encoding->ssrc || encoding->fec_ssrc == encoding->rtx_ssrc)) {
    return TypeError(
        fmt::format("rtpParameters.encodings[{}].fec.ssrc {} is its own media or rtx ssrc", index,
                    *encoding->fec_ssrc));
  }
  if (!ParseScalabilityMode(encoding->scalability_mode).valid) encoding->scalability_mode.clear();
  const auto first_media =
      std::find_if(parameters.codecs.begin(), parameters.codecs.end(), IsMediaCodec);
  if (!encoding->codec_payload_type) encoding->codec_payload_type = first_media->payload_type;
  const auto codec =
      std::find_if(parameters.codecs.begin(), parameters.codecs.end(), [&](const auto& candidate) {
        return candidate.payload_type == *encoding->codec_payload_type;
      });
  if (codec == parameters.codecs.end() || !IsMediaCodec(*codec)) {
    return TypeError(
        fmt::format("rtpParameters.encodings[{}].codecPayloadType {} names no media codec", index,
                    *encoding->codec_payload_type));
  }
  if (parameters.encodings.size() > 1 &&
      ParseScalabilityMode(encoding->scalability_mode).spatial_layers > 1) {
    return TypeError(
        fmt::format("rtpParameters.encodings[{}].scalabilityMode \"{}\" has several spatial "
                    "layers: with several encodings each must have one",
                    index, encoding->scalability_mode));
  }
  return {};
}

}  // namespace

bool IsMediaCodec(const RtpCodecParameters& codec) {
  bool is_video = false;
  const KnownCodec* known = FindCodec(codec.mime_type, &is_video);
  return known != nullptr && known->role == CodecRole::kMedia;
}

bool IsRtxCodec(const RtpCodecParameters& codec) {
  const std::string_view mime_type = codec.mime_type;
  const size_t slash = mime_type.find('/');
  return slash != std::string_view::npos && EqualsIgnoreCase(mime_type.substr(slash), "/rtx");
}

bool IsAudioRedCodec(const RtpCodecParameters& codec) {
  return EqualsIgnoreCase(codec.mime_type, "audio/red");
}

bool IsFlexfecCodec(const RtpCodecParameters& codec) {
  return EqualsIgnoreCase(codec.mime_type, "video/flexfec-03");
}

bool IsOfKind(const RtpCodecParameters& codec, MediaKind kind) {
  return codec.mime_type.starts_with("video/") == (kind == MediaKind::kVideo);
}

Status CheckRtpParameters(RtpParameters* parameters) {
  SLUICE_RETURN_IF_ERROR(CheckCodecs(parameters));
  if (parameters->encodings.empty()) {
    return TypeError("rtpParameters.encodings is empty: one is needed");
  }
  for (size_t i = 0; i < parameters->encodings.size(); ++i) {
    SLUICE_RETURN_IF_ERROR(CheckEncoding(*parameters, &parameters->encodings[i], i));
  }
  for (size_t i = 0; i < parameters->header_extensions.size(); ++i) {
    if (parameters->header_extensions[i].id == 0) {
      return TypeError(
          fmt::format("rtpParameters.headerExtensions[{}].id 0 is not within 1 to 255", i));
    }
  }
  if (parameters->rtcp.cname.empty()) {
    return TypeError("rtpParameters.rtcp.cname is missing or empty");
  }
  return {};
}

const RtpCodecParameters* CodecOf(const RtpParameters& parameters,
                                  const RtpEncodingParameters& encoding) {
  const auto codec =
      std::find_if(parameters.codecs.begin(), parameters.codecs.end(), [&](const auto& candidate) {
        return encoding.codec_payload_type ? candidate.payload_type == *encoding.codec_payload_type
                                           : IsMediaCodec(candidate);
      });
  return codec == parameters.codecs.end() ? &parameters.codecs.front() : &*codec;
}

const RtpCodecParameters* RtxCodecOf(const RtpParameters& parameters, uint8_t payload_type) {
  for (const RtpCodecParameters& codec : parameters.codecs) {
    if (IsRtxCodec(codec) && IntegerParameter(codec.parameters, "apt") == payload_type) {
      return &codec;
    }
  }
  return nullptr;
}

bool HasFeedback(const RtpCodecParameters& codec, const char* type, const char* parameter) {
  return std::any_of(codec.rtcp_feedback.begin(), codec.rtcp_feedback.end(),
                     [&](const RtcpFeedback& feedback) {
                       return feedback.type == type && feedback.parameter == parameter;
                     });
}

RtpStreamParams StreamParamsOf(const RtpParameters& parameters, size_t index) {
  const RtpEncodingParameters& encoding = parameters.encodings[index];
  const ScalabilityMode mode = ParseScalabilityMode(encoding.scalability_mode);
  RtpStreamParams params;
  params.encoding_idx = static_cast<uint32_t>(index);
  params.ssrc = encoding.ssrc.value_or(0);
  params.rid = encoding.rid;
  params.cname = parameters.rtcp.cname;
  params.spatial_layers = mode.spatial_layers;
  params.temporal_layers = mode.temporal_layers;
  SetCodec(parameters, encoding, *CodecOf(parameters, encoding), &params);
  return params;
}

void SetCodec(const RtpParameters& parameters, const RtpEncodingParameters& encoding,
              const RtpCodecParameters& codec, RtpStreamParams* params) {
  params->payload_type = codec.payload_type;
  params->mime_type = codec.mime_type;
  params->clock_rate = codec.clock_rate;
  params->use_nack = HasFeedback(codec, "nack");
  params->use_pli = HasFeedback(codec, "nack", "pli");
  params->use_fir = HasFeedback(codec, "ccm", "fir");
  params->use_in_band_fec = IsFlagSet(codec.parameters, "useinbandfec");
  params->use_dtx = encoding.dtx || IsFlagSet(codec.parameters, "usedtx");
  params->rtx_payload_type.reset();
  if (const RtpCodecParameters* rtx = RtxCodecOf(parameters, codec.payload_type)) {
    params->rtx_payload_type = rtx->payload_type;
    if (!params->rtx_ssrc) params->rtx_ssrc = encoding.rtx_ssrc;
  }
  params->red_payload_type.reset();
  params->fec_payload_type.reset();
  for (const RtpCodecParameters& other : parameters.codecs) {
    if (IsAudioRedCodec(other) && codec.mime_type.starts_with("audio/") &&
        other.clock_rate == codec.clock_rate) {
      if (!params->red_payload_type) params->red_payload_type = other.payload_type;
    } else if (IsFlexfecCodec(other) && codec.mime_type.starts_with("video/")) {
      if (!params->fec_payload_type) params->fec_payload_type = other.payload_type;
    }
  }
  if (params->fec_payload_type && !params->fec_ssrc) params->fec_ssrc = encoding.fec_ssrc;
}

}  // namespace sluice::worker
