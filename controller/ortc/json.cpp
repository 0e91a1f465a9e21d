#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <cmath>
#include <limits>

#include "common/printable.h"
#include "common/utf8.h"
#include "controller/ortc/codec_match.h"
#include "controller/ortc/ortc.h"

/// Normalising parsers and writers of RTP dictionaries.
namespace sluice::controller {

namespace {

namespace json = boost::json;

/// Caps on lists that a stranger sends; real clients stay an order of magnitude below.
constexpr size_t kMaxCodecs = 128;
constexpr size_t kMaxExtensions = 128;
constexpr size_t kMaxEncodings = 16;
constexpr size_t kMaxParameters = 64;
/// Bytes of a text that RTP or RTCP carry with a length of one byte: an SDES item such as the CNAME
/// (RFC 3550 §6.5), a header extension such as MID and RID (RFC 8285 §4.3).
constexpr size_t kMaxOneByteText = 255;

/// The value as text for an error, cut to a readable length.
std::string Shown(const json::value& value) {
  constexpr size_t kMaxShown = 40;
  const std::string text = json::serialize(value);
  const std::string shown(Utf8Prefix(text, kMaxShown));
  return shown.size() < text.size() ? shown + "…" : shown;
}

const json::value* Find(const json::object& object, std::string_view name) {
  const auto* value = object.if_contains({name.data(), name.size()});
  return value == nullptr || value->is_null() ? nullptr : value;
}

Result<const json::array*> OptionalArray(const json::object& object, std::string_view name,
                                         std::string_view path, size_t limit) {
  static const json::array empty;
  const json::value* value = Find(object, name);
  if (value == nullptr) return &empty;
  if (!value->is_array()) {
    return TypeError(fmt::format("{}.{} is {}: expected an array", path, name, Shown(*value)));
  }
  if (value->get_array().size() > limit) {
    return TypeError(fmt::format("{}.{} has {} entries: at most {} are taken", path, name,
                                 value->get_array().size(), limit));
  }
  return &value->get_array();
}

/// A JSON number as an integer in [min, max].
std::optional<int64_t> AsInteger(const json::value& value, int64_t min, int64_t max) {
  int64_t number = 0;
  if (value.is_int64()) {
    number = value.get_int64();
  } else if (value.is_uint64()) {
    if (value.get_uint64() > static_cast<uint64_t>(max)) return std::nullopt;
    number = static_cast<int64_t>(value.get_uint64());
  } else if (value.is_double()) {
    const double real = value.get_double();
    if (!(std::trunc(real) == real) || std::abs(real) > 9e15) return std::nullopt;
    number = static_cast<int64_t>(real);
  } else {
    return std::nullopt;
  }
  return number < min || number > max ? std::nullopt : std::optional<int64_t>(number);
}

/// A mandatory integer: `missing PATH.NAME` or an error with the range.
Result<int64_t> Integer(const json::object& object, std::string_view name, std::string_view path,
                        int64_t min, int64_t max) {
  const json::value* value = Find(object, name);
  if (value == nullptr) return TypeError(fmt::format("missing {}.{}", path, name));
  const auto number = AsInteger(*value, min, max);
  if (!number) {
    return TypeError(fmt::format("invalid {}.{} {}: expected an integer from {} to {}", path, name,
                                 Shown(*value), min, max));
  }
  return *number;
}

/// These texts go into lines of SDP that others read.
Status OneLine(std::string_view path, std::string_view name, const json::value& value) {
  return TypeError(
      fmt::format("invalid {}.{} {}: expected no control characters", path, name, Shown(value)));
}

Result<std::string> OptionalString(const json::object& object, std::string_view name,
                                   std::string_view path) {
  const json::value* value = Find(object, name);
  if (value == nullptr) return std::string();
  if (!value->is_string()) {
    return TypeError(fmt::format("invalid {}.{} {}: expected a string", path, name, Shown(*value)));
  }
  if (HasControls(value->get_string())) return OneLine(path, name, *value);
  return std::string(value->get_string());
}

/// One that is sent where its length is one byte.
Result<std::string> OneByteString(const json::object& object, std::string_view name,
                                  std::string_view path) {
  Result<std::string> text = OptionalString(object, name, path);
  if (text.ok() && text->size() > kMaxOneByteText) {
    return TypeError(fmt::format("{}.{} has {} bytes, at most {} are allowed", path, name,
                                 text->size(), kMaxOneByteText));
  }
  return text;
}

Result<bool> OptionalBool(const json::object& object, std::string_view name, std::string_view path,
                          bool fallback) {
  const json::value* value = Find(object, name);
  if (value == nullptr) return fallback;
  if (!value->is_bool()) {
    return TypeError(
        fmt::format("invalid {}.{} {}: expected true or false", path, name, Shown(*value)));
  }
  return value->get_bool();
}

Result<const json::object*> AsObject(const json::value& value, std::string_view path) {
  if (!value.is_object()) {
    return TypeError(fmt::format("{} is {}: expected an object", path, Shown(value)));
  }
  return &value.get_object();
}

Result<ParameterValue> ParseParameterValue(std::string_view name, const json::value& value,
                                           std::string_view path) {
  if (value.is_string()) return ParameterValue(std::string(value.get_string()));
  if (value.is_null()) return ParameterValue(std::string());
  if (const auto number = AsInteger(value, std::numeric_limits<int32_t>::min(),
                                    std::numeric_limits<int32_t>::max())) {
    return ParameterValue(static_cast<int32_t>(*number));
  }
  if (value.is_double()) return ParameterValue(value.get_double());
  return TypeError(
      fmt::format("invalid {} parameter [key:{}, value:{}]: expected a string or a "
                  "number in the range of int32",
                  path, name, Shown(value)));
}

Result<Parameters> ParseParameters(const json::object& object, std::string_view path) {
  Parameters parameters;
  const json::value* value = Find(object, "parameters");
  if (value == nullptr) return parameters;
  auto members = AsObject(*value, fmt::format("{}.parameters", path));
  if (!members.ok()) return members.status();
  if ((*members)->size() > kMaxParameters) {
    return TypeError(fmt::format("{}.parameters has {} entries: at most {} are taken", path,
                                 (*members)->size(), kMaxParameters));
  }
  for (const auto& member : **members) {
    const std::string name(member.key());
    const json::value& given = member.value();
    if (HasControls(name) || (given.is_string() && HasControls(given.get_string()))) {
      return OneLine(fmt::format("{}.parameters", path), Printable(name), given);
    }
    auto parsed = ParseParameterValue(name, member.value(), path);
    if (!parsed.ok()) return parsed.status();
    parameters.insert_or_assign(name, *std::move(parsed));
  }
  if (const auto apt = parameters.find("apt"); apt != parameters.end()) {
    if (!std::holds_alternative<int32_t>(apt->second)) {
      return TypeError(
          fmt::format("invalid {} apt parameter: expected a payload type number", path));
    }
  }
  return parameters;
}

Result<std::vector<RtcpFeedback>> ParseFeedback(const json::object& object, std::string_view path) {
  auto entries = OptionalArray(object, "rtcpFeedback", path, kMaxParameters);
  if (!entries.ok()) return entries.status();
  std::vector<RtcpFeedback> result;
  for (const json::value& entry : **entries) {
    auto feedback = AsObject(entry, "rtcpFeedback[]");
    if (!feedback.ok()) return feedback.status();
    if (Find(**feedback, "type") == nullptr) return TypeError("missing fb.type");
    auto type = OptionalString(**feedback, "type", "fb");
    if (!type.ok()) return type.status();
    auto parameter = OptionalString(**feedback, "parameter", "fb");
    if (!parameter.ok()) return parameter.status();
    result.push_back({*std::move(type), *std::move(parameter)});
  }
  return result;
}

struct MimeType {
  std::string text;
  MediaKind kind = MediaKind::kAudio;
};

Result<MimeType> ParseMimeType(const json::object& object) {
  if (Find(object, "mimeType") == nullptr) return TypeError("missing codec.mimeType");
  auto text = OptionalString(object, "mimeType", "codec");
  if (!text.ok()) return text.status();
  constexpr size_t kPrefix = 6;  // "audio/", "video/"
  const std::string_view prefix = std::string_view(*text).substr(0, kPrefix);
  if (text->size() > kPrefix && EqualsIgnoringCase(prefix, "audio/")) {
    return MimeType{*std::move(text), MediaKind::kAudio};
  }
  if (text->size() > kPrefix && EqualsIgnoringCase(prefix, "video/")) {
    return MimeType{*std::move(text), MediaKind::kVideo};
  }
  return TypeError(
      fmt::format("invalid codec.mimeType \"{}\": expected \"audio/…\" or \"video/…\"", *text));
}

/// What capability and parameter codecs have in common.
struct CommonCodec {
  MimeType mime_type;
  uint32_t clock_rate = 0;
  uint8_t channels = 1;
  Parameters parameters;
  std::vector<RtcpFeedback> feedback;
};

Result<CommonCodec> ParseCommonCodec(const json::object& object) {
  CommonCodec codec;
  auto mime_type = ParseMimeType(object);
  if (!mime_type.ok()) return mime_type.status();
  codec.mime_type = *std::move(mime_type);
  auto clock_rate = Integer(object, "clockRate", "codec", 1, 1'000'000);
  if (!clock_rate.ok()) return clock_rate.status();
  codec.clock_rate = static_cast<uint32_t>(*clock_rate);
  if (codec.mime_type.kind == MediaKind::kAudio && Find(object, "channels") != nullptr) {
    auto channels = Integer(object, "channels", "codec", 1, 255);
    if (!channels.ok()) return channels.status();
    codec.channels = static_cast<uint8_t>(*channels);
  }
  auto parameters = ParseParameters(object, "codec");
  if (!parameters.ok()) return parameters.status();
  codec.parameters = *std::move(parameters);
  auto feedback = ParseFeedback(object, "codec");
  if (!feedback.ok()) return feedback.status();
  codec.feedback = *std::move(feedback);
  return codec;
}

Result<RtpCodecCapability> ParseCodecCapability(const json::value& value) {
  auto object = AsObject(value, "codec");
  if (!object.ok()) return object.status();
  auto common = ParseCommonCodec(**object);
  if (!common.ok()) return common.status();
  RtpCodecCapability codec{
      common->mime_type.kind,     common->mime_type.text, std::nullopt,
      common->clock_rate,         common->channels,       std::move(common->parameters),
      std::move(common->feedback)};
  if (Find(**object, "preferredPayloadType") != nullptr) {
    auto type = Integer(**object, "preferredPayloadType", "codec", 0, 127);
    if (!type.ok()) return type.status();
    codec.preferred_payload_type = static_cast<uint8_t>(*type);
  }
  return codec;
}

Result<RtpHeaderExtension> ParseExtensionCapability(const json::value& value) {
  auto object = AsObject(value, "ext");
  if (!object.ok()) return object.status();
  RtpHeaderExtension extension;
  auto kind = OptionalString(**object, "kind", "ext");
  if (!kind.ok()) return kind.status();
  if (!kind->empty()) {
    auto parsed = ParseMediaKind(*kind);
    if (!parsed.ok()) return parsed.status();
    extension.kind = *parsed;
  }
  if (Find(**object, "uri") == nullptr) return TypeError("missing ext.uri");
  auto uri = OptionalString(**object, "uri", "ext");
  if (!uri.ok()) return uri.status();
  extension.uri = *std::move(uri);
  auto id = Integer(**object, "preferredId", "ext", 1, 255);
  if (!id.ok()) return id.status();
  extension.preferred_id = static_cast<uint8_t>(*id);
  auto encrypt = OptionalBool(**object, "preferredEncrypt", "ext", false);
  if (!encrypt.ok()) return encrypt.status();
  extension.preferred_encrypt = *encrypt;
  auto direction = OptionalString(**object, "direction", "ext");
  if (!direction.ok()) return direction.status();
  if (*direction == "sendonly") {
    extension.direction = RtpExtensionDirection::kSendOnly;
  } else if (*direction == "recvonly") {
    extension.direction = RtpExtensionDirection::kRecvOnly;
  } else if (*direction == "inactive") {
    extension.direction = RtpExtensionDirection::kInactive;
  } else if (!direction->empty() && *direction != "sendrecv") {
    return TypeError(
        fmt::format("invalid ext.direction \"{}\": expected sendrecv, sendonly, "
                    "recvonly or inactive",
                    *direction));
  }
  return extension;
}

Result<RtpCodecParameters> ParseCodecParameters(const json::value& value) {
  auto object = AsObject(value, "codec");
  if (!object.ok()) return object.status();
  auto common = ParseCommonCodec(**object);
  if (!common.ok()) return common.status();
  auto type = Integer(**object, "payloadType", "codec", 0, 127);
  if (!type.ok()) return type.status();
  return RtpCodecParameters{
      common->mime_type.text, static_cast<uint8_t>(*type),   common->clock_rate,
      common->channels,       std::move(common->parameters), std::move(common->feedback)};
}

/// nullopt for a URI that we do not know.
Result<std::optional<RtpHeaderExtensionParameters>> ParseExtensionParameters(
    const json::value& value) {
  auto object = AsObject(value, "ext");
  if (!object.ok()) return object.status();
  if (Find(**object, "uri") == nullptr) return TypeError("missing ext.uri");
  auto uri = OptionalString(**object, "uri", "ext");
  if (!uri.ok()) return uri.status();
  auto id = Integer(**object, "id", "ext", 1, 255);
  if (!id.ok()) return id.status();
  auto encrypt = OptionalBool(**object, "encrypt", "ext", false);
  if (!encrypt.ok()) return encrypt.status();
  auto parameters = ParseParameters(**object, "ext");
  if (!parameters.ok()) return parameters.status();
  const auto known = ParseRtpExtensionUri(*uri);
  if (!known) return std::optional<RtpHeaderExtensionParameters>();
  return std::optional<RtpHeaderExtensionParameters>(
      {*known, static_cast<uint8_t>(*id), *encrypt, *std::move(parameters)});
}

constexpr int64_t kMaxUint32 = std::numeric_limits<uint32_t>::max();

/// Of the stream beside the media that is called `name`: rtx, fec.
Result<std::optional<uint32_t>> ParseRepairSsrc(const json::object& encoding, const char* name) {
  const json::value* repair = Find(encoding, name);
  if (repair == nullptr) return std::optional<uint32_t>();
  const std::string path = std::string("encoding.") + name;
  auto object = AsObject(*repair, path.c_str());
  if (!object.ok()) return object.status();
  auto ssrc = Integer(**object, "ssrc", path.c_str(), 0, kMaxUint32);
  if (!ssrc.ok()) return ssrc.status();
  return std::optional<uint32_t>(static_cast<uint32_t>(*ssrc));
}

Result<RtpEncodingParameters> ParseEncoding(const json::value& value) {
  auto object = AsObject(value, "encoding");
  if (!object.ok()) return object.status();
  RtpEncodingParameters encoding;
  if (Find(**object, "ssrc") != nullptr) {
    auto ssrc = Integer(**object, "ssrc", "encoding", 0, kMaxUint32);
    if (!ssrc.ok()) return ssrc.status();
    encoding.ssrc = static_cast<uint32_t>(*ssrc);
  }
  auto rid = OneByteString(**object, "rid", "encoding");
  if (!rid.ok()) return rid.status();
  encoding.rid = *std::move(rid);
  auto rtx_ssrc = ParseRepairSsrc(**object, "rtx");
  if (!rtx_ssrc.ok()) return rtx_ssrc.status();
  encoding.rtx_ssrc = *rtx_ssrc;
  auto fec_ssrc = ParseRepairSsrc(**object, "fec");
  if (!fec_ssrc.ok()) return fec_ssrc.status();
  encoding.fec_ssrc = *fec_ssrc;
  auto dtx = OptionalBool(**object, "dtx", "encoding", false);
  if (!dtx.ok()) return dtx.status();
  encoding.dtx = *dtx;
  auto mode = OptionalString(**object, "scalabilityMode", "encoding");
  if (!mode.ok()) return mode.status();
  encoding.scalability_mode = *std::move(mode);
  if (Find(**object, "codecPayloadType") != nullptr) {
    auto type = Integer(**object, "codecPayloadType", "encoding", 0, 127);
    if (!type.ok()) return type.status();
    encoding.codec_payload_type = static_cast<uint8_t>(*type);
  }
  if (Find(**object, "maxBitrate") != nullptr) {
    auto bitrate = Integer(**object, "maxBitrate", "encoding", 0, int64_t{1} << 52);
    if (!bitrate.ok()) return bitrate.status();
    encoding.max_bitrate = static_cast<uint64_t>(*bitrate);
  }
  return encoding;
}

Result<RtcpParameters> ParseRtcp(const json::object& parameters) {
  RtcpParameters rtcp;
  const json::value* value = Find(parameters, "rtcp");
  if (value == nullptr) return rtcp;
  auto object = AsObject(*value, "params.rtcp");
  if (!object.ok()) return object.status();
  auto cname = OneByteString(**object, "cname", "rtcp");
  if (!cname.ok()) return cname.status();
  rtcp.cname = *std::move(cname);
  return rtcp;
}

json::object ToJson(const Parameters& parameters) {
  json::object result;
  for (const auto& [name, value] : parameters) {
    std::visit(
        [&result, key = name](const auto& v) {
          using V = std::decay_t<decltype(v)>;
          if constexpr (std::is_same_v<V, std::vector<int32_t>>) {
            result[key] = json::array(v.begin(), v.end());
          } else if constexpr (std::is_same_v<V, std::string>) {
            result[key] = json::string(v);
          } else {
            result[key] = v;
          }
        },
        value);
  }
  return result;
}

json::array ToJson(const std::vector<RtcpFeedback>& feedback) {
  json::array result;
  for (const RtcpFeedback& entry : feedback) {
    result.push_back({{"type", entry.type}, {"parameter", entry.parameter}});
  }
  return result;
}

std::string_view ToString(RtpExtensionDirection direction) {
  switch (direction) {
    case RtpExtensionDirection::kSendRecv:
      return "sendrecv";
    case RtpExtensionDirection::kSendOnly:
      return "sendonly";
    case RtpExtensionDirection::kRecvOnly:
      return "recvonly";
    case RtpExtensionDirection::kInactive:
      return "inactive";
  }
  return "inactive";
}

json::object EncodingToJson(const RtpEncodingParameters& encoding) {
  json::object result;
  if (encoding.ssrc) result["ssrc"] = *encoding.ssrc;
  if (!encoding.rid.empty()) result["rid"] = encoding.rid;
  if (encoding.codec_payload_type) result["codecPayloadType"] = *encoding.codec_payload_type;
  if (encoding.rtx_ssrc) result["rtx"] = {{"ssrc", *encoding.rtx_ssrc}};
  if (encoding.fec_ssrc) {
    result["fec"] = {{"ssrc", *encoding.fec_ssrc}, {"mechanism", "flexfec-03"}};
  }
  if (encoding.dtx) result["dtx"] = true;
  if (!encoding.scalability_mode.empty()) result["scalabilityMode"] = encoding.scalability_mode;
  if (encoding.max_bitrate) result["maxBitrate"] = *encoding.max_bitrate;
  return result;
}

bool IsAudio(const std::string& mime_type) {
  return EqualsIgnoringCase(std::string_view(mime_type).substr(0, 6), "audio/");
}

}  // namespace

Result<MediaKind> ParseMediaKind(std::string_view text) {
  if (text == "audio") return MediaKind::kAudio;
  if (text == "video") return MediaKind::kVideo;
  return TypeError(fmt::format("invalid kind \"{}\": expected \"audio\" or \"video\"", text));
}

std::string_view ToString(MediaKind kind) { return kind == MediaKind::kAudio ? "audio" : "video"; }

Result<RtpCapabilities> ParseRtpCapabilities(const json::value& value) {
  auto object = AsObject(value, "caps");
  if (!object.ok()) return object.status();
  RtpCapabilities capabilities;
  auto codecs = OptionalArray(**object, "codecs", "caps", kMaxCodecs);
  if (!codecs.ok()) return codecs.status();
  for (const json::value& entry : **codecs) {
    auto codec = ParseCodecCapability(entry);
    if (!codec.ok()) return codec.status();
    capabilities.codecs.push_back(*std::move(codec));
  }
  auto extensions = OptionalArray(**object, "headerExtensions", "caps", kMaxExtensions);
  if (!extensions.ok()) return extensions.status();
  for (const json::value& entry : **extensions) {
    auto extension = ParseExtensionCapability(entry);
    if (!extension.ok()) return extension.status();
    if (extension->preferred_id > kMaxOneByteExtensionId) continue;
    capabilities.header_extensions.push_back(*std::move(extension));
  }
  return capabilities;
}

Result<RtpParameters> ParseRtpParameters(const json::value& value) {
  auto object = AsObject(value, "params");
  if (!object.ok()) return object.status();
  RtpParameters parameters;
  auto mid = OneByteString(**object, "mid", "params");
  if (!mid.ok()) return mid.status();
  parameters.mid = *std::move(mid);
  if (Find(**object, "codecs") == nullptr) return TypeError("missing params.codecs");
  auto codecs = OptionalArray(**object, "codecs", "params", kMaxCodecs);
  if (!codecs.ok()) return codecs.status();
  for (const json::value& entry : **codecs) {
    auto codec = ParseCodecParameters(entry);
    if (!codec.ok()) return codec.status();
    parameters.codecs.push_back(*std::move(codec));
  }
  auto extensions = OptionalArray(**object, "headerExtensions", "params", kMaxExtensions);
  if (!extensions.ok()) return extensions.status();
  for (const json::value& entry : **extensions) {
    auto extension = ParseExtensionParameters(entry);
    if (!extension.ok()) return extension.status();
    if (*extension) parameters.header_extensions.push_back(**std::move(extension));
  }
  auto encodings = OptionalArray(**object, "encodings", "params", kMaxEncodings);
  if (!encodings.ok()) return encodings.status();
  for (const json::value& entry : **encodings) {
    auto encoding = ParseEncoding(entry);
    if (!encoding.ok()) return encoding.status();
    parameters.encodings.push_back(*std::move(encoding));
  }
  if (parameters.encodings.empty()) parameters.encodings.emplace_back();
  auto rtcp = ParseRtcp(**object);
  if (!rtcp.ok()) return rtcp.status();
  parameters.rtcp = *std::move(rtcp);
  auto msid = OneByteString(**object, "msid", "params");
  if (!msid.ok()) return msid.status();
  parameters.msid = *std::move(msid);
  return parameters;
}

json::value ToJson(const RtpCapabilities& capabilities) {
  json::array codecs;
  for (const RtpCodecCapability& codec : capabilities.codecs) {
    json::object entry{{"kind", ToString(codec.kind)},
                       {"mimeType", codec.mime_type},
                       {"clockRate", codec.clock_rate},
                       {"parameters", ToJson(codec.parameters)},
                       {"rtcpFeedback", ToJson(codec.rtcp_feedback)}};
    if (codec.preferred_payload_type) {
      entry["preferredPayloadType"] = *codec.preferred_payload_type;
    }
    if (codec.kind == MediaKind::kAudio) entry["channels"] = codec.channels;
    codecs.push_back(std::move(entry));
  }
  json::array extensions;
  for (const RtpHeaderExtension& extension : capabilities.header_extensions) {
    const auto direction = extension.preferred_id > kMaxOneByteExtensionId
                               ? RtpExtensionDirection::kRecvOnly
                               : extension.direction;
    extensions.push_back({{"kind", ToString(extension.kind)},
                          {"uri", extension.uri},
                          {"preferredId", extension.preferred_id},
                          {"preferredEncrypt", extension.preferred_encrypt},
                          {"direction", ToString(direction)}});
  }
  return json::object{{"codecs", std::move(codecs)}, {"headerExtensions", std::move(extensions)}};
}

json::array ToJson(const std::vector<RtpEncodingParameters>& encodings) {
  json::array result;
  for (const RtpEncodingParameters& encoding : encodings) {
    result.push_back(EncodingToJson(encoding));
  }
  return result;
}

json::value ToJson(const RtpParameters& parameters) {
  json::object result;
  if (!parameters.mid.empty()) result["mid"] = parameters.mid;
  json::array codecs;
  for (const RtpCodecParameters& codec : parameters.codecs) {
    json::object entry{{"mimeType", codec.mime_type},
                       {"payloadType", codec.payload_type},
                       {"clockRate", codec.clock_rate},
                       {"parameters", ToJson(codec.parameters)},
                       {"rtcpFeedback", ToJson(codec.rtcp_feedback)}};
    if (IsAudio(codec.mime_type)) entry["channels"] = codec.channels;
    codecs.push_back(std::move(entry));
  }
  result["codecs"] = std::move(codecs);
  json::array extensions;
  for (const RtpHeaderExtensionParameters& extension : parameters.header_extensions) {
    extensions.push_back({{"uri", ToString(extension.uri)},
                          {"id", extension.id},
                          {"encrypt", extension.encrypt},
                          {"parameters", ToJson(extension.parameters)}});
  }
  result["headerExtensions"] = std::move(extensions);
  result["encodings"] = ToJson(parameters.encodings);
  result["rtcp"] = {{"cname", parameters.rtcp.cname},
                    {"reducedSize", parameters.rtcp.reduced_size}};
  if (!parameters.msid.empty()) result["msid"] = parameters.msid;
  return result;
}

}  // namespace sluice::controller
