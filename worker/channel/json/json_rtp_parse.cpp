#include "worker/channel/json/json_rtp_parse.h"

#include <fmt/format.h>

#include <bitset>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "worker/channel/json/json_codecs.h"
#include "worker/channel/json/json_negotiation.h"
#include "worker/channel/json/json_reader.h"

namespace sluice::worker::json_protocol {

namespace json = boost::json;

namespace {

using Presence = JsonReader::Presence;
constexpr Presence kOptional = Presence::kOptional;
constexpr Presence kRequired = Presence::kRequired;

constexpr uint32_t kMaxUint32 = std::numeric_limits<uint32_t>::max();
constexpr uint32_t kMaxPayloadType = 127;  // RFC 3550 §5.1: 7 bits
constexpr uint32_t kMaxExtensionId = 255;  // RFC 8285 §4.3: 8 bits
constexpr uint32_t kMaxChannels = 255;     // 8 bits, as everywhere in the engine
constexpr uint32_t kMinOpusChannels = 2;   // RFC 7587 §7: its rtpmap always says 2

/// Where a codec stands, which decides what it must have (docs/protocols/json-protocol.md §3).
enum class CodecScope : uint8_t { kRoom, kPeer, kReceive };

std::string ElementPath(const std::string& list, size_t index) {
  return fmt::format("{}[{}]", list, index);
}

std::optional<int32_t> Int32(const json::value& value) {
  if (!value.is_int64()) return std::nullopt;
  const int64_t integer = value.get_int64();
  if (integer < std::numeric_limits<int32_t>::min() ||
      integer > std::numeric_limits<int32_t>::max()) {
    return std::nullopt;
  }
  return static_cast<int32_t>(integer);
}

/// A non-empty array of 32-bit integers.
std::optional<std::vector<int32_t>> Int32Array(const json::array& array) {
  if (array.empty()) return std::nullopt;
  std::vector<int32_t> integers;
  for (const json::value& element : array) {
    const auto integer = Int32(element);
    if (!integer) return std::nullopt;
    integers.push_back(*integer);
  }
  return integers;
}

/// nullopt for a value of a type that parameters do not have: it is left out
/// (docs/protocols/json-protocol.md §3).
std::optional<ParameterValue> ToParameterValue(const json::value& value) {
  if (value.is_bool()) return value.get_bool();
  if (value.is_string()) return std::string(std::string_view(value.get_string()));
  if (const auto integer = Int32(value)) return *integer;
  if (value.is_double() && std::isfinite(value.get_double())) return value.get_double();
  if (!value.is_array()) return std::nullopt;
  auto integers = Int32Array(value.get_array());
  if (!integers) return std::nullopt;
  return *std::move(integers);
}

Status ParseParameters(const JsonReader& reader, Parameters* out) {
  const auto object = reader.Object("parameters", kOptional);
  if (!object.ok()) return object.status();
  if (*object == nullptr) return {};
  if ((*object)->size() > kMaxParameters) {
    return TypeError(fmt::format("{} has {} members: must be at most {}",
                                 reader.PathOf("parameters"), (*object)->size(), kMaxParameters));
  }
  for (const auto& member : **object) {
    auto value = ToParameterValue(member.value());
    if (value) out->insert_or_assign(std::string(member.key()), *std::move(value));
  }
  return {};
}

Status ParseKindField(const JsonReader& reader, Kind* out) {
  std::string text;
  SLUICE_RETURN_IF_ERROR(reader.String("kind", kRequired, &text));
  const auto kind = ParseKind(text);
  if (!kind) {
    return JsonReader::Wrong(reader.PathOf("kind"), reader.Find("kind"),
                             "audio, video, depth or \"\"");
  }
  *out = *kind;
  return {};
}

/// Calls `parse(reader, index)` with every element of the list, each an object.
template <typename Parse>
Status ForEachObject(const JsonReader& reader, std::string_view name, Presence presence,
                     size_t max_size, Parse parse) {
  const auto array = reader.Array(name, presence, max_size);
  if (!array.ok()) return array.status();
  if (*array == nullptr) return {};
  for (size_t i = 0; i < (*array)->size(); ++i) {
    const auto element = JsonReader::Of((**array)[i], ElementPath(reader.PathOf(name), i));
    if (!element.ok()) return element.status();
    SLUICE_RETURN_IF_ERROR(parse(*element));
  }
  return {};
}

Status ParseStrings(const JsonReader& reader, std::string_view name, size_t max_size,
                    std::vector<std::string>* out) {
  const auto array = reader.Array(name, kOptional, max_size);
  if (!array.ok()) return array.status();
  if (*array == nullptr) return {};
  for (size_t i = 0; i < (*array)->size(); ++i) {
    const json::value& element = (**array)[i];
    if (!element.is_string()) {
      return JsonReader::Wrong(ElementPath(reader.PathOf(name), i), &element, "a string");
    }
    out->emplace_back(std::string_view(element.get_string()));
  }
  return {};
}

Status ParseFeedback(const JsonReader& reader, std::vector<RtcpFeedback>* out) {
  return ForEachObject(
      reader, "rtcpFeedback", kOptional, kMaxRtcpFeedback,
      [out](const JsonReader& element) -> Status {
        RtcpFeedback& feedback = out->emplace_back();
        SLUICE_RETURN_IF_ERROR(element.NonEmptyString("type", kRequired, &feedback.type));
        return element.String("parameter", kOptional, &feedback.parameter);
      });
}

/// What a codec has by its name: channels of opus, parameters of rtx and H264.
Status CompleteCodec(const JsonReader& reader, Codec* codec) {
  if (codec->name == "audio/opus" && codec->num_channels < kMinOpusChannels) {
    codec->num_channels = kMinOpusChannels;
  }
  if (IsRtx(codec->name) && !IntegerParameter(codec->parameters, "apt")) {
    return TypeError(fmt::format(
        "{}.apt is missing or not an integer: {} needs the payload type that it repairs",
        reader.PathOf("parameters"), codec->name));
  }
  if (codec->name.ends_with("/H264") && !IntegerParameter(codec->parameters, "packetizationMode")) {
    codec->parameters.insert_or_assign("packetizationMode", int32_t{0});
  }
  return {};
}

Status ParseCodec(const JsonReader& reader, CodecScope scope, Codec* codec) {
  if (scope != CodecScope::kReceive) SLUICE_RETURN_IF_ERROR(ParseKindField(reader, &codec->kind));
  std::string name;
  SLUICE_RETURN_IF_ERROR(reader.String("name", kRequired, &name));
  auto canonical = CanonicalCodecName(name);
  if (!canonical) {
    return JsonReader::Wrong(reader.PathOf("name"), reader.Find("name"),
                             "audio/… or video/… with a known codec");
  }
  codec->name = *std::move(canonical);

  uint32_t payload_type = 0;
  SLUICE_RETURN_IF_ERROR(reader.Uint("payloadType",
                                     scope == CodecScope::kRoom ? kOptional : kRequired,
                                     kMaxPayloadType, &payload_type));
  if (reader.Find("payloadType") != nullptr) {
    codec->payload_type = static_cast<uint8_t>(payload_type);
  }
  SLUICE_RETURN_IF_ERROR(reader.Uint("clockRate", kRequired, kMaxUint32, &codec->clock_rate));
  SLUICE_RETURN_IF_ERROR(reader.Uint("maxptime", kOptional, kMaxUint32, &codec->maxptime));
  SLUICE_RETURN_IF_ERROR(reader.Uint("ptime", kOptional, kMaxUint32, &codec->ptime));
  SLUICE_RETURN_IF_ERROR(reader.Uint("numChannels", kOptional, kMaxChannels, &codec->num_channels));
  if (codec->num_channels == 0) codec->num_channels = 1;
  SLUICE_RETURN_IF_ERROR(ParseParameters(reader, &codec->parameters));
  SLUICE_RETURN_IF_ERROR(ParseFeedback(reader, &codec->rtcp_feedback));
  return CompleteCodec(reader, codec);
}

Status ParseCodecs(const JsonReader& reader, std::string_view name, CodecScope scope,
                   std::vector<Codec>* out) {
  return ForEachObject(
      reader, name, scope == CodecScope::kReceive ? kRequired : kOptional, kMaxCodecs,
      [&](const JsonReader& element) { return ParseCodec(element, scope, &out->emplace_back()); });
}

Status CheckUniquePayloadTypes(const std::vector<Codec>& codecs) {
  std::bitset<kMaxPayloadType + 1> used;
  for (size_t i = 0; i < codecs.size(); ++i) {
    const uint8_t payload_type = *codecs[i].payload_type;
    if (used[payload_type]) {
      return TypeError(
          fmt::format("codecs[{}].payloadType {} is there twice: must be unique", i, payload_type));
    }
    used.set(payload_type);
  }
  return {};
}

/// nullopt in `out`: a header extension that is not known here.
Status ParseUri(const JsonReader& reader, std::optional<RtpExtensionUri>* out) {
  std::string uri;
  SLUICE_RETURN_IF_ERROR(reader.NonEmptyString("uri", kRequired, &uri));
  *out = ParseHeaderExtensionUri(uri);
  return {};
}

Status ParseHeaderExtension(const JsonReader& reader, std::vector<HeaderExtension>* out) {
  HeaderExtension extension;
  std::optional<RtpExtensionUri> uri;
  uint32_t id = 0;
  SLUICE_RETURN_IF_ERROR(ParseKindField(reader, &extension.kind));
  SLUICE_RETURN_IF_ERROR(ParseUri(reader, &uri));
  SLUICE_RETURN_IF_ERROR(reader.Uint("preferredId", kRequired, kMaxExtensionId, &id));
  SLUICE_RETURN_IF_ERROR(reader.Bool("preferredEncrypt", kOptional, &extension.preferred_encrypt));
  if (!uri) return {};
  extension.uri = *uri;
  extension.preferred_id = static_cast<uint8_t>(id);
  out->push_back(extension);
  return {};
}

Status ParseHeaderExtensionUse(const JsonReader& reader, std::vector<HeaderExtensionUse>* out) {
  HeaderExtensionUse extension;
  std::optional<RtpExtensionUri> uri;
  uint32_t id = 0;
  SLUICE_RETURN_IF_ERROR(ParseUri(reader, &uri));
  SLUICE_RETURN_IF_ERROR(reader.Uint("id", kRequired, kMaxExtensionId, &id));
  SLUICE_RETURN_IF_ERROR(reader.Bool("encrypt", kOptional, &extension.encrypt));
  SLUICE_RETURN_IF_ERROR(ParseParameters(reader, &extension.parameters));
  if (!uri) return {};
  extension.uri = *uri;
  extension.id = static_cast<uint8_t>(id);
  out->push_back(std::move(extension));
  return {};
}

Status ParseFec(const JsonReader& encoding, std::optional<EncodingFec>* out) {
  const auto object = encoding.Object("fec", kOptional);
  if (!object.ok()) return object.status();
  if (*object == nullptr) return {};
  const JsonReader reader(**object, encoding.PathOf("fec"));
  EncodingFec& fec = out->emplace();
  SLUICE_RETURN_IF_ERROR(reader.NonEmptyString("mechanism", kRequired, &fec.mechanism));
  return reader.Uint("ssrc", kOptional, kMaxUint32, &fec.ssrc);
}

Status ParseRtx(const JsonReader& encoding, std::optional<EncodingRtx>* out) {
  const auto object = encoding.Object("rtx", kOptional);
  if (!object.ok()) return object.status();
  if (*object == nullptr) return {};
  const JsonReader reader(**object, encoding.PathOf("rtx"));
  return reader.Uint("ssrc", kOptional, kMaxUint32, &out->emplace().ssrc);
}

Status ParseEncoding(const JsonReader& reader, Encoding* out) {
  uint32_t payload_type = 0;
  SLUICE_RETURN_IF_ERROR(
      reader.Uint("codecPayloadType", kOptional, kMaxPayloadType, &payload_type));
  if (reader.Find("codecPayloadType") != nullptr) {
    out->codec_payload_type = static_cast<uint8_t>(payload_type);
  }
  SLUICE_RETURN_IF_ERROR(reader.Uint("ssrc", kOptional, kMaxUint32, &out->ssrc));
  SLUICE_RETURN_IF_ERROR(ParseFec(reader, &out->fec));
  SLUICE_RETURN_IF_ERROR(ParseRtx(reader, &out->rtx));
  SLUICE_RETURN_IF_ERROR(
      reader.PositiveNumber("resolutionScale", kOptional, &out->resolution_scale));
  SLUICE_RETURN_IF_ERROR(reader.PositiveNumber("framerateScale", kOptional, &out->framerate_scale));
  SLUICE_RETURN_IF_ERROR(reader.Uint("maxFramerate", kOptional, kMaxUint32, &out->max_framerate));
  SLUICE_RETURN_IF_ERROR(reader.Bool("active", kOptional, &out->active));
  SLUICE_RETURN_IF_ERROR(reader.String("encodingId", kOptional, &out->encoding_id));
  return ParseStrings(reader, "dependencyEncodingIds", kMaxDependencies,
                      &out->dependency_encoding_ids);
}

Status ParseRtcp(const JsonReader& parameters, std::optional<Rtcp>* out) {
  const auto object = parameters.Object("rtcp", kOptional);
  if (!object.ok()) return object.status();
  if (*object == nullptr) return {};
  const JsonReader reader(**object, "rtcp");
  Rtcp& rtcp = out->emplace();
  SLUICE_RETURN_IF_ERROR(reader.NonEmptyString("cname", kOptional, &rtcp.cname));
  SLUICE_RETURN_IF_ERROR(reader.Uint("ssrc", kOptional, kMaxUint32, &rtcp.ssrc));
  return reader.Bool("reducedSize", kOptional, &rtcp.reduced_size);
}

Status ParseRtpParametersInto(const JsonReader& reader, JsonRtpParameters* out) {
  SLUICE_RETURN_IF_ERROR(reader.NonEmptyString("muxId", kOptional, &out->mux_id));
  SLUICE_RETURN_IF_ERROR(ParseCodecs(reader, "codecs", CodecScope::kReceive, &out->codecs));
  SLUICE_RETURN_IF_ERROR(ForEachObject(
      reader, "encodings", kOptional, kMaxEncodings, [out](const JsonReader& element) {
        return ParseEncoding(element, &out->encodings.emplace_back());
      }));
  SLUICE_RETURN_IF_ERROR(ForEachObject(reader, "headerExtensions", kOptional, kMaxHeaderExtensions,
                                       [out](const JsonReader& element) {
                                         return ParseHeaderExtensionUse(element,
                                                                        &out->header_extensions);
                                       }));
  SLUICE_RETURN_IF_ERROR(ParseRtcp(reader, &out->rtcp));
  const auto user_parameters = reader.Object("userParameters", kOptional);
  if (!user_parameters.ok()) return user_parameters.status();
  if (*user_parameters != nullptr) out->user_parameters = **user_parameters;
  return CheckParameters(out);
}

}  // namespace

Result<std::vector<Codec>> ParseMediaCodecs(const json::object& data) {
  std::vector<Codec> codecs;
  SLUICE_RETURN_IF_ERROR(
      ParseCodecs(JsonReader(data, ""), "mediaCodecs", CodecScope::kRoom, &codecs));
  return codecs;
}

Result<RtpCapabilities> ParseCapabilities(const json::object& data) {
  const JsonReader reader(data, "");
  RtpCapabilities capabilities;
  SLUICE_RETURN_IF_ERROR(ParseCodecs(reader, "codecs", CodecScope::kPeer, &capabilities.codecs));
  SLUICE_RETURN_IF_ERROR(CheckUniquePayloadTypes(capabilities.codecs));
  SLUICE_RETURN_IF_ERROR(ForEachObject(
      reader, "headerExtensions", kOptional, kMaxHeaderExtensions, [&](const JsonReader& element) {
        return ParseHeaderExtension(element, &capabilities.header_extensions);
      }));
  SLUICE_RETURN_IF_ERROR(
      ParseStrings(reader, "fecMechanisms", kMaxFecMechanisms, &capabilities.fec_mechanisms));
  return capabilities;
}

Result<JsonRtpParameters> ParseRtpParameters(const json::object& data) {
  JsonRtpParameters parameters;
  SLUICE_RETURN_IF_ERROR(ParseRtpParametersInto(JsonReader(data, ""), &parameters));
  return parameters;
}

}  // namespace sluice::worker::json_protocol
