#include "worker/channel/json/json_rtp_write.h"

#include <string_view>
#include <type_traits>
#include <variant>

#include "worker/channel/json/json_codecs.h"

namespace sluice::worker::json_protocol {

namespace json = boost::json;

namespace {

json::value WriteParameterValue(const ParameterValue& value) {
  return std::visit(
      [](const auto& held) -> json::value {
        if constexpr (std::is_same_v<std::decay_t<decltype(held)>, std::vector<int32_t>>) {
          return json::array(held.begin(), held.end());
        } else {
          return json::value(held);
        }
      },
      value);
}

json::object WriteParameters(const Parameters& parameters) {
  json::object out;
  for (const auto& [name, value] : parameters) out[name] = WriteParameterValue(value);
  return out;
}

json::array WriteFeedback(const std::vector<RtcpFeedback>& feedback) {
  json::array out;
  for (const RtcpFeedback& entry : feedback) {
    json::object& object = out.emplace_back(json::object()).get_object();
    if (entry.parameter.empty()) {
      object["parameter"] = nullptr;
    } else {
      object["parameter"] = entry.parameter;
    }
    object["type"] = entry.type;
  }
  return out;
}

enum class CodecKind : uint8_t { kShown, kHidden };

json::object WriteCodec(const Codec& codec, CodecKind kind) {
  json::object out;
  out["clockRate"] = codec.clock_rate;
  if (kind == CodecKind::kShown) out["kind"] = ToString(codec.kind);
  if (codec.maxptime != 0) out["maxptime"] = codec.maxptime;
  out["name"] = codec.name;
  if (codec.num_channels > 1) out["numChannels"] = codec.num_channels;
  out["parameters"] = WriteParameters(codec.parameters);
  if (codec.payload_type) out["payloadType"] = *codec.payload_type;
  if (codec.ptime != 0) out["ptime"] = codec.ptime;
  out["rtcpFeedback"] = WriteFeedback(codec.rtcp_feedback);
  return out;
}

json::array WriteStrings(const std::vector<std::string>& strings) {
  return json::array(strings.begin(), strings.end());
}

json::object WriteEncoding(const Encoding& encoding) {
  json::object out;
  out["active"] = encoding.active;
  out["codecPayloadType"] = encoding.codec_payload_type.value_or(0);
  if (!encoding.dependency_encoding_ids.empty()) {
    out["dependencyEncodingIds"] = WriteStrings(encoding.dependency_encoding_ids);
  }
  if (!encoding.encoding_id.empty()) out["encodingId"] = encoding.encoding_id;
  if (encoding.fec) {
    json::object& fec = out["fec"].emplace_object();
    fec["mechanism"] = encoding.fec->mechanism;
    if (encoding.fec->ssrc != 0) fec["ssrc"] = encoding.fec->ssrc;
  }
  if (encoding.framerate_scale != 1.0) out["framerateScale"] = encoding.framerate_scale;
  if (encoding.max_framerate != 0) out["maxFramerate"] = encoding.max_framerate;
  if (encoding.resolution_scale != 1.0) out["resolutionScale"] = encoding.resolution_scale;
  if (encoding.rtx) {
    json::object& rtx = out["rtx"].emplace_object();
    if (encoding.rtx->ssrc != 0) rtx["ssrc"] = encoding.rtx->ssrc;
  }
  if (encoding.ssrc != 0) out["ssrc"] = encoding.ssrc;
  return out;
}

json::object WriteRtcp(const Rtcp& rtcp) {
  json::object out;
  if (!rtcp.cname.empty()) out["cname"] = rtcp.cname;
  out["reducedSize"] = rtcp.reduced_size;
  if (rtcp.ssrc != 0) out["ssrc"] = rtcp.ssrc;
  return out;
}

}  // namespace

json::object WriteCapabilities(const RtpCapabilities& capabilities) {
  json::object out;
  json::array& codecs = out["codecs"].emplace_array();
  for (const Codec& codec : capabilities.codecs) {
    codecs.push_back(WriteCodec(codec, CodecKind::kShown));
  }
  out["fecMechanisms"] = WriteStrings(capabilities.fec_mechanisms);
  json::array& extensions = out["headerExtensions"].emplace_array();
  for (const HeaderExtension& extension : capabilities.header_extensions) {
    json::object& object = extensions.emplace_back(json::object()).get_object();
    object["kind"] = ToString(extension.kind);
    object["preferredEncrypt"] = extension.preferred_encrypt;
    object["preferredId"] = extension.preferred_id;
    object["uri"] = sluice::ToString(extension.uri);
  }
  return out;
}

json::object WriteRtpParameters(const JsonRtpParameters& parameters) {
  json::object out;
  json::array& codecs = out["codecs"].emplace_array();
  for (const Codec& codec : parameters.codecs) {
    codecs.push_back(WriteCodec(codec, CodecKind::kHidden));
  }
  json::array& encodings = out["encodings"].emplace_array();
  for (const Encoding& encoding : parameters.encodings)
    encodings.push_back(WriteEncoding(encoding));
  json::array& extensions = out["headerExtensions"].emplace_array();
  for (const HeaderExtensionUse& extension : parameters.header_extensions) {
    json::object& object = extensions.emplace_back(json::object()).get_object();
    object["encrypt"] = extension.encrypt;
    object["id"] = extension.id;
    object["parameters"] = WriteParameters(extension.parameters);
    object["uri"] = sluice::ToString(extension.uri);
  }
  if (!parameters.mux_id.empty()) out["muxId"] = parameters.mux_id;
  if (parameters.rtcp) out["rtcp"] = WriteRtcp(*parameters.rtcp);
  out["userParameters"] = parameters.user_parameters;
  return out;
}

json::array WriteSupportedPayloadTypes(const JsonRtpParameters& parameters) {
  json::array out;
  for (const Codec& codec : parameters.codecs) {
    if (codec.payload_type) out.push_back(*codec.payload_type);
  }
  return out;
}

}  // namespace sluice::worker::json_protocol
