#include "controller/worker/rtp_encoding.h"

#include <string>
#include <variant>

namespace sluice::controller {

namespace fbs = FBS::RtpParameters;
using flatbuffers::FlatBufferBuilder;
using flatbuffers::Offset;

namespace {

/// nullptr writes no field at all: "" stands for "none" in our structs.
const char* OrNull(const std::string& text) { return text.empty() ? nullptr : text.c_str(); }

Offset<fbs::Parameter> EncodeParameter(FlatBufferBuilder& builder, const std::string& name,
                                       const ParameterValue& value) {
  if (const auto* boolean = std::get_if<bool>(&value)) {
    const auto encoded = fbs::CreateBoolean(builder, *boolean ? 1 : 0);
    return fbs::CreateParameterDirect(builder, name.c_str(), fbs::Value::Boolean, encoded.Union());
  }
  if (const auto* integer = std::get_if<int32_t>(&value)) {
    const auto encoded = fbs::CreateInteger32(builder, *integer);
    return fbs::CreateParameterDirect(builder, name.c_str(), fbs::Value::Integer32,
                                      encoded.Union());
  }
  if (const auto* number = std::get_if<double>(&value)) {
    const auto encoded = fbs::CreateDouble(builder, *number);
    return fbs::CreateParameterDirect(builder, name.c_str(), fbs::Value::Double, encoded.Union());
  }
  if (const auto* text = std::get_if<std::string>(&value)) {
    const auto encoded = fbs::CreateStringDirect(builder, text->c_str());
    return fbs::CreateParameterDirect(builder, name.c_str(), fbs::Value::String, encoded.Union());
  }
  const auto encoded =
      fbs::CreateInteger32ArrayDirect(builder, &std::get<std::vector<int32_t>>(value));
  return fbs::CreateParameterDirect(builder, name.c_str(), fbs::Value::Integer32Array,
                                    encoded.Union());
}

std::vector<Offset<fbs::Parameter>> EncodeParameters(FlatBufferBuilder& builder,
                                                     const Parameters& parameters) {
  std::vector<Offset<fbs::Parameter>> encoded;
  encoded.reserve(parameters.size());
  for (const auto& [name, value] : parameters) {
    encoded.push_back(EncodeParameter(builder, name, value));
  }
  return encoded;
}

Offset<fbs::RtpCodecParameters> EncodeCodec(FlatBufferBuilder& builder,
                                            const RtpCodecParameters& codec) {
  const auto parameters = EncodeParameters(builder, codec.parameters);
  std::vector<Offset<fbs::RtcpFeedback>> feedback;
  for (const RtcpFeedback& entry : codec.rtcp_feedback) {
    feedback.push_back(
        fbs::CreateRtcpFeedbackDirect(builder, entry.type.c_str(), OrNull(entry.parameter)));
  }
  flatbuffers::Optional<uint8_t> channels;
  if (codec.channels > 1) channels = codec.channels;
  return fbs::CreateRtpCodecParametersDirect(builder, codec.mime_type.c_str(), codec.payload_type,
                                             codec.clock_rate, channels, &parameters, &feedback);
}

}  // namespace

std::vector<Offset<fbs::RtpEncodingParameters>> Encode(
    FlatBufferBuilder& builder, const std::vector<RtpEncodingParameters>& encodings) {
  std::vector<Offset<fbs::RtpEncodingParameters>> encoded;
  for (const RtpEncodingParameters& encoding : encodings) {
    Offset<fbs::Rtx> rtx;
    if (encoding.rtx_ssrc) rtx = fbs::CreateRtx(builder, *encoding.rtx_ssrc);
    flatbuffers::Optional<uint32_t> ssrc;
    if (encoding.ssrc) ssrc = *encoding.ssrc;
    flatbuffers::Optional<uint8_t> payload_type;
    if (encoding.codec_payload_type) payload_type = *encoding.codec_payload_type;
    flatbuffers::Optional<uint64_t> max_bitrate;
    if (encoding.max_bitrate) max_bitrate = *encoding.max_bitrate;
    flatbuffers::Optional<uint32_t> fec_ssrc;
    if (encoding.fec_ssrc) fec_ssrc = *encoding.fec_ssrc;
    encoded.push_back(fbs::CreateRtpEncodingParametersDirect(
        builder, ssrc, OrNull(encoding.rid), payload_type, rtx, encoding.dtx,
        OrNull(encoding.scalability_mode), max_bitrate, fec_ssrc));
  }
  return encoded;
}

Offset<fbs::RtpParameters> Encode(FlatBufferBuilder& builder, const RtpParameters& parameters) {
  return Encode(builder, parameters, parameters.mid, parameters.encodings);
}

Offset<fbs::RtpParameters> Encode(FlatBufferBuilder& builder, const RtpParameters& parameters,
                                  const std::string& mid,
                                  const std::vector<RtpEncodingParameters>& encodings) {
  std::vector<Offset<fbs::RtpCodecParameters>> codecs;
  for (const RtpCodecParameters& codec : parameters.codecs) {
    codecs.push_back(EncodeCodec(builder, codec));
  }
  std::vector<Offset<fbs::RtpHeaderExtensionParameters>> extensions;
  for (const RtpHeaderExtensionParameters& extension : parameters.header_extensions) {
    const auto values = EncodeParameters(builder, extension.parameters);
    extensions.push_back(fbs::CreateRtpHeaderExtensionParametersDirect(
        builder, static_cast<fbs::RtpHeaderExtensionUri>(extension.uri), extension.id,
        extension.encrypt, &values));
  }
  const auto encoded_encodings = Encode(builder, encodings);
  const auto rtcp = fbs::CreateRtcpParametersDirect(builder, OrNull(parameters.rtcp.cname),
                                                    parameters.rtcp.reduced_size);
  return fbs::CreateRtpParametersDirect(builder, OrNull(mid), &codecs, &extensions,
                                        &encoded_encodings, rtcp, OrNull(parameters.msid));
}

Offset<fbs::RtpMapping> Encode(FlatBufferBuilder& builder, const RtpMapping& mapping) {
  std::vector<Offset<fbs::CodecMapping>> codecs;
  for (const RtpCodecMapping& codec : mapping.codecs) {
    codecs.push_back(
        fbs::CreateCodecMapping(builder, codec.payload_type, codec.mapped_payload_type));
  }
  std::vector<Offset<fbs::EncodingMapping>> encodings;
  for (const RtpEncodingMapping& encoding : mapping.encodings) {
    flatbuffers::Optional<uint32_t> ssrc;
    if (encoding.ssrc) ssrc = *encoding.ssrc;
    encodings.push_back(fbs::CreateEncodingMappingDirect(builder, OrNull(encoding.rid), ssrc,
                                                         encoding.mapped_ssrc));
  }
  return fbs::CreateRtpMappingDirect(builder, &codecs, &encodings);
}

}  // namespace sluice::controller
