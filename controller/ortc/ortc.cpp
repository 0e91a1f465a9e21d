#include "controller/ortc/ortc.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "controller/ortc/codec_match.h"
#include "controller/ortc/h264_profile.h"
#include "controller/ortc/supported_capabilities.h"

namespace sluice::controller {

namespace {

/// Payload types that the router hands out, in order (docs/protocols/ortc.md §2).
std::vector<uint8_t> DynamicPayloadTypes() {
  std::vector<uint8_t> pool;
  for (uint8_t type = 100; type <= 127; ++type) pool.push_back(type);
  for (uint8_t type = 96; type <= 99; ++type) pool.push_back(type);
  return pool;
}

class PayloadTypeAllocator {
 public:
  Result<uint8_t> Next() {
    if (pool_.empty()) {
      return Error("cannot allocate more dynamic codec payload types: all 32 are in use");
    }
    const uint8_t type = pool_.front();
    pool_.erase(pool_.begin());
    return type;
  }
  void Take(uint8_t type) { std::erase(pool_, type); }

 private:
  std::vector<uint8_t> pool_ = DynamicPayloadTypes();
};

Parameters Overlaid(Parameters base, const Parameters& over) {
  for (const auto& [name, value] : over) base.insert_or_assign(name, value);
  return base;
}

const RtpCodecCapability* FindMediaCodec(const RtpCapabilities& capabilities,
                                         const CodecView& wanted, CodecMatch match) {
  for (const RtpCodecCapability& codec : capabilities.codecs) {
    if (!IsRtx(codec.mime_type) && MatchCodecs(wanted, ViewOf(codec), match)) return &codec;
  }
  return nullptr;
}

const RtpCodecCapability* FindRtx(const RtpCapabilities& capabilities, uint8_t media_type) {
  for (const RtpCodecCapability& codec : capabilities.codecs) {
    if (IsRtx(codec.mime_type) && AssociatedPayloadType(codec.parameters) == media_type) {
      return &codec;
    }
  }
  return nullptr;
}

bool Negotiated(const RtpParameters& parameters, RtpExtensionUri uri) {
  return std::any_of(parameters.header_extensions.begin(), parameters.header_extensions.end(),
                     [uri](const auto& extension) { return extension.uri == uri; });
}

/// Producer parameters, with the profile-level-id in its canonical form for the router's codec.
Parameters ConsumableCodecParameters(const RtpCodecParameters& codec,
                                     const RtpCodecCapability& router_codec) {
  // The blocks of redundant audio name payload types of their sender there (RFC 2198 §4).
  if (IsAudioRed(codec.mime_type)) return {};
  Parameters parameters = codec.parameters;
  if (!EqualsIgnoringCase(codec.mime_type, "video/H264")) return parameters;
  const auto answer = H264ProfileLevelIdForAnswer(codec.parameters, router_codec.parameters);
  if (answer.ok() && !answer->empty()) {
    parameters.insert_or_assign("profile-level-id", *answer);
  } else {
    parameters.erase("profile-level-id");
  }
  return parameters;
}

void RemoveFeedback(std::vector<RtpCodecParameters>* codecs, std::string_view type) {
  for (RtpCodecParameters& codec : *codecs) {
    std::erase_if(codec.rtcp_feedback, [type](const RtcpFeedback& f) { return f.type == type; });
  }
}

/// One congestion feedback only: transport-cc where its extension is negotiated, else REMB with
/// abs-send-time, else none (docs/protocols/ortc.md §5, step 4).
void ReduceFeedback(RtpParameters* parameters) {
  if (Negotiated(*parameters, RtpExtensionUri::kTransportWideCc)) {
    RemoveFeedback(&parameters->codecs, "goog-remb");
  } else if (Negotiated(*parameters, RtpExtensionUri::kAbsSendTime)) {
    RemoveFeedback(&parameters->codecs, "transport-cc");
  } else {
    RemoveFeedback(&parameters->codecs, "transport-cc");
    RemoveFeedback(&parameters->codecs, "goog-remb");
  }
}

/// Steps 1 and 2 of docs/protocols/ortc.md §5: the consumable codecs that the peer can take, RTX
/// only with its media codec.
Result<std::vector<RtpCodecParameters>> ConsumerCodecs(const RtpParameters& consumable,
                                                       const RtpCapabilities& capabilities,
                                                       bool enable_rtx) {
  std::vector<RtpCodecParameters> codecs;
  for (const RtpCodecParameters& codec : consumable.codecs) {
    if (IsRtx(codec.mime_type) && !enable_rtx) continue;
    const auto match = std::find_if(
        capabilities.codecs.begin(), capabilities.codecs.end(), [&](const auto& capability) {
          return MatchCodecs(ViewOf(capability), ViewOf(codec), CodecMatch::kStrict);
        });
    if (match == capabilities.codecs.end()) continue;
    RtpCodecParameters kept = codec;
    kept.rtcp_feedback = match->rtcp_feedback;
    if (!enable_rtx) {
      std::erase(kept.rtcp_feedback, RtcpFeedback{"nack", ""});
    }
    codecs.push_back(std::move(kept));
  }
  const auto present = [&codecs](uint8_t type) {
    return std::any_of(codecs.begin(), codecs.end(), [type](const RtpCodecParameters& c) {
      return !IsRtx(c.mime_type) && c.payload_type == type;
    });
  };
  std::erase_if(codecs, [&present](const RtpCodecParameters& codec) {
    if (!IsRtx(codec.mime_type)) return false;
    const auto apt = AssociatedPayloadType(codec.parameters);
    return !apt || !present(*apt);
  });
  // What goes beside a media codec stands behind it: clients take the first for what is sent.
  std::stable_partition(codecs.begin(), codecs.end(), [](const RtpCodecParameters& codec) {
    return !IsAudioRed(codec.mime_type) && !IsFlexfec(codec.mime_type);
  });
  if (codecs.empty() || IsFeature(codecs.front().mime_type)) {
    return UnsupportedError("no compatible media codecs");
  }
  return codecs;
}

bool HasFlexfec(const std::vector<RtpCodecParameters>& codecs) {
  return std::any_of(codecs.begin(), codecs.end(),
                     [](const RtpCodecParameters& c) { return IsFlexfec(c.mime_type); });
}

bool HasRtx(const std::vector<RtpCodecParameters>& codecs) {
  return std::any_of(codecs.begin(), codecs.end(),
                     [](const RtpCodecParameters& c) { return IsRtx(c.mime_type); });
}

/// Step 5 of docs/protocols/ortc.md §5, for a consumer that sends one stream.
RtpEncodingParameters SingleEncoding(const RtpParameters& consumable, uint32_t ssrc, bool rtx,
                                     bool fec) {
  RtpEncodingParameters encoding;
  encoding.ssrc = ssrc;
  if (rtx) encoding.rtx_ssrc = ssrc + 1;
  if (fec) encoding.fec_ssrc = ssrc + 2;
  for (const RtpEncodingParameters& source : consumable.encodings) {
    if (encoding.scalability_mode.empty()) encoding.scalability_mode = source.scalability_mode;
    if (source.max_bitrate) {
      encoding.max_bitrate = std::max(encoding.max_bitrate.value_or(0), *source.max_bitrate);
    }
  }
  if (consumable.encodings.size() > 1) {
    const ScalabilityMode mode = ParseScalabilityMode(encoding.scalability_mode);
    encoding.scalability_mode =
        fmt::format("L{}T{}", consumable.encodings.size(), mode.temporal_layers);
  }
  return encoding;
}

std::vector<RtpEncodingParameters> PipeEncodings(const RtpParameters& consumable,
                                                 uint32_t first_ssrc, bool rtx, bool fec) {
  std::vector<RtpEncodingParameters> encodings = consumable.encodings;
  const auto count = static_cast<uint32_t>(encodings.size());
  for (uint32_t i = 0; i < count; ++i) {
    encodings[i].ssrc = first_ssrc + i;
    encodings[i].rtx_ssrc.reset();
    if (rtx) encodings[i].rtx_ssrc = first_ssrc + count + i;
    if (fec) encodings[i].fec_ssrc = first_ssrc + 2 * count + i;
  }
  return encodings;
}

}  // namespace

Result<RtpCapabilities> MakeRouterRtpCapabilities(
    const std::vector<RtpCodecCapability>& media_codecs) {
  const RtpCapabilities& supported = SupportedRtpCapabilities();
  PayloadTypeAllocator payload_types;
  for (const RtpCodecCapability& codec : media_codecs) {
    if (codec.preferred_payload_type) payload_types.Take(*codec.preferred_payload_type);
  }
  RtpCapabilities result;
  std::set<uint8_t> used;
  for (const RtpCodecCapability& wanted : media_codecs) {
    const RtpCodecCapability* known = FindMediaCodec(supported, ViewOf(wanted), CodecMatch::kLoose);
    if (known == nullptr) {
      return UnsupportedError(
          fmt::format("media codec not supported [mimeType:{}, clockRate:{}, channels:{}]",
                      wanted.mime_type, wanted.clock_rate, wanted.channels));
    }
    RtpCodecCapability codec = *known;
    if (wanted.preferred_payload_type) codec.preferred_payload_type = wanted.preferred_payload_type;
    if (!codec.preferred_payload_type) {
      auto next = payload_types.Next();
      if (!next.ok()) return next.status();
      codec.preferred_payload_type = *next;
    }
    if (!used.insert(*codec.preferred_payload_type).second) {
      return TypeError(fmt::format("duplicated codec.preferredPayloadType {} [mimeType:{}]",
                                   *codec.preferred_payload_type, codec.mime_type));
    }
    codec.parameters = Overlaid(std::move(codec.parameters), wanted.parameters);
    const bool repaired = codec.kind == MediaKind::kVideo && !IsFeature(codec.mime_type);
    const auto media_type = *codec.preferred_payload_type;
    const uint32_t clock_rate = codec.clock_rate;
    result.codecs.push_back(std::move(codec));
    if (!repaired) continue;
    auto rtx_type = payload_types.Next();
    if (!rtx_type.ok()) return rtx_type.status();
    used.insert(*rtx_type);
    result.codecs.push_back({MediaKind::kVideo,
                             "video/rtx",
                             *rtx_type,
                             clock_rate,
                             1,
                             {{"apt", static_cast<int32_t>(media_type)}},
                             {}});
  }
  result.header_extensions = supported.header_extensions;
  return result;
}

Result<RtpMapping> GetProducerRtpMapping(const RtpParameters& parameters,
                                         const RtpCapabilities& router_capabilities,
                                         uint32_t first_mapped_ssrc) {
  RtpMapping mapping;
  for (const RtpCodecParameters& codec : parameters.codecs) {
    if (IsRtx(codec.mime_type)) continue;
    const RtpCodecCapability* router_codec =
        FindMediaCodec(router_capabilities, ViewOf(codec), CodecMatch::kStrict);
    if (router_codec == nullptr) {
      return UnsupportedError(fmt::format("unsupported codec [mimeType:{}, payloadType:{}]",
                                          codec.mime_type, codec.payload_type));
    }
    mapping.codecs.push_back({codec.payload_type, *router_codec->preferred_payload_type});
  }
  for (const RtpCodecParameters& codec : parameters.codecs) {
    if (!IsRtx(codec.mime_type)) continue;
    const auto apt = AssociatedPayloadType(codec.parameters);
    const auto media =
        std::find_if(mapping.codecs.begin(), mapping.codecs.end(),
                     [&apt](const RtpCodecMapping& m) { return apt == m.payload_type; });
    if (media == mapping.codecs.end()) {
      return TypeError(fmt::format(
          "missing media codec found for RTX PT {}: its parameter apt must name the payload type "
          "of a media codec of the list",
          codec.payload_type));
    }
    const RtpCodecCapability* rtx = FindRtx(router_capabilities, media->mapped_payload_type);
    if (rtx == nullptr) {
      return UnsupportedError(
          fmt::format("no RTX codec for capability codec PT {}", media->mapped_payload_type));
    }
    mapping.codecs.push_back({codec.payload_type, *rtx->preferred_payload_type});
  }
  uint32_t mapped_ssrc = first_mapped_ssrc;
  for (const RtpEncodingParameters& encoding : parameters.encodings) {
    mapping.encodings.push_back({encoding.rid, encoding.ssrc, mapped_ssrc++});
  }
  return mapping;
}

RtpParameters GetConsumableRtpParameters(MediaKind kind, const RtpParameters& parameters,
                                         const RtpCapabilities& router_capabilities,
                                         const RtpMapping& mapping) {
  RtpParameters result;
  for (const RtpCodecParameters& codec : parameters.codecs) {
    if (IsRtx(codec.mime_type)) continue;
    const RtpCodecCapability* router_codec =
        FindMediaCodec(router_capabilities, ViewOf(codec), CodecMatch::kStrict);
    if (router_codec == nullptr) continue;  // GetProducerRtpMapping has refused it
    const uint8_t type = *router_codec->preferred_payload_type;
    result.codecs.push_back(
        {router_codec->mime_type, type, router_codec->clock_rate, router_codec->channels,
         ConsumableCodecParameters(codec, *router_codec), router_codec->rtcp_feedback});
    if (const RtpCodecCapability* rtx = FindRtx(router_capabilities, type)) {
      result.codecs.push_back({rtx->mime_type, *rtx->preferred_payload_type, rtx->clock_rate, 1,
                               rtx->parameters, rtx->rtcp_feedback});
    }
  }
  for (const RtpHeaderExtension& extension : router_capabilities.header_extensions) {
    if (extension.kind != kind || (extension.direction != RtpExtensionDirection::kSendRecv &&
                                   extension.direction != RtpExtensionDirection::kSendOnly)) {
      continue;
    }
    const auto uri = ParseRtpExtensionUri(extension.uri);
    if (!uri) continue;
    if (*uri == RtpExtensionUri::kAbsCaptureTime && !Negotiated(parameters, *uri)) continue;
    result.header_extensions.push_back({*uri, extension.preferred_id, false, {}});
  }
  for (size_t i = 0; i < parameters.encodings.size() && i < mapping.encodings.size(); ++i) {
    RtpEncodingParameters encoding = parameters.encodings[i];
    encoding.rid.clear();
    encoding.rtx_ssrc.reset();
    encoding.fec_ssrc.reset();
    encoding.codec_payload_type.reset();
    encoding.ssrc = mapping.encodings[i].mapped_ssrc;
    result.encodings.push_back(std::move(encoding));
  }
  result.rtcp = {parameters.rtcp.cname, true};
  result.msid = parameters.msid;
  return result;
}

RtpCapabilities ReduceCapabilities(const RtpCapabilities& peer, const RtpCapabilities& router) {
  RtpCapabilities result;
  for (const RtpCodecCapability& codec : router.codecs) {
    const auto match =
        std::find_if(peer.codecs.begin(), peer.codecs.end(), [&codec](const auto& capability) {
          return MatchCodecs(ViewOf(capability), ViewOf(codec), CodecMatch::kStrict);
        });
    if (match == peer.codecs.end()) continue;
    RtpCodecCapability kept = codec;
    std::erase_if(kept.rtcp_feedback, [&match](const RtcpFeedback& feedback) {
      const auto& theirs = match->rtcp_feedback;
      return std::find(theirs.begin(), theirs.end(), feedback) == theirs.end();
    });
    result.codecs.push_back(std::move(kept));
  }
  for (const RtpHeaderExtension& extension : router.header_extensions) {
    const bool known = std::any_of(peer.header_extensions.begin(), peer.header_extensions.end(),
                                   [&extension](const RtpHeaderExtension& theirs) {
                                     return theirs.preferred_id == extension.preferred_id &&
                                            theirs.uri == extension.uri;
                                   });
    if (known) result.header_extensions.push_back(extension);
  }
  return result;
}

bool CanConsume(const RtpParameters& consumable, const RtpCapabilities& capabilities) {
  for (const RtpCodecParameters& codec : consumable.codecs) {
    if (IsAudioRed(codec.mime_type) || IsFlexfec(codec.mime_type)) continue;
    const bool matched = std::any_of(
        capabilities.codecs.begin(), capabilities.codecs.end(), [&codec](const auto& capability) {
          return MatchCodecs(ViewOf(capability), ViewOf(codec), CodecMatch::kStrict);
        });
    if (matched) return !IsRtx(codec.mime_type);
  }
  return false;
}

Result<RtpParameters> GetConsumerRtpParameters(const RtpParameters& consumable,
                                               const RtpCapabilities& capabilities, bool pipe,
                                               bool enable_rtx, uint32_t first_ssrc) {
  auto codecs = ConsumerCodecs(consumable, capabilities, enable_rtx);
  if (!codecs.ok()) return codecs.status();
  RtpParameters result;
  result.codecs = *std::move(codecs);
  // Kinds are not compared: clients list an extension of both kinds once (docs/protocols/ortc.md
  // §5, step 3).
  for (const RtpHeaderExtensionParameters& extension : consumable.header_extensions) {
    const bool known =
        std::any_of(capabilities.header_extensions.begin(), capabilities.header_extensions.end(),
                    [&extension](const RtpHeaderExtension& capability) {
                      return capability.preferred_id == extension.id &&
                             capability.uri == ToString(extension.uri);
                    });
    if (known) result.header_extensions.push_back(extension);
  }
  ReduceFeedback(&result);
  const bool rtx = HasRtx(result.codecs);
  const bool fec = HasFlexfec(result.codecs);
  if (pipe) {
    result.encodings = PipeEncodings(consumable, first_ssrc, rtx, fec);
  } else {
    result.encodings.push_back(SingleEncoding(consumable, first_ssrc, rtx, fec));
  }
  result.rtcp = {consumable.rtcp.cname, true};
  result.msid = consumable.msid;
  return result;
}

}  // namespace sluice::controller
