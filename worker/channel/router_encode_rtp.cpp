#include "worker/channel/router_encode_rtp.h"

#include <type_traits>

namespace sluice::worker::router_protocol {

namespace {

namespace rp = FBS::RtpParameters;

Offset<rp::Parameter> EncodeParameter(Builder& b, const Parameters::value_type& parameter) {
  const auto name = b.CreateString(parameter.first);
  rp::Value type = rp::Value::NONE;
  Offset<void> value;
  std::visit(
      [&](const auto& v) {
        using V = std::decay_t<decltype(v)>;
        if constexpr (std::is_same_v<V, bool>) {
          type = rp::Value::Boolean;
          value = rp::CreateBoolean(b, v ? 1 : 0).Union();
        } else if constexpr (std::is_same_v<V, int32_t>) {
          type = rp::Value::Integer32;
          value = rp::CreateInteger32(b, v).Union();
        } else if constexpr (std::is_same_v<V, double>) {
          type = rp::Value::Double;
          value = rp::CreateDouble(b, v).Union();
        } else if constexpr (std::is_same_v<V, std::string>) {
          type = rp::Value::String;
          value = rp::CreateString(b, b.CreateString(v)).Union();
        } else {
          type = rp::Value::Integer32Array;
          value = rp::CreateInteger32Array(b, b.CreateVector(v)).Union();
        }
      },
      parameter.second);
  return rp::CreateParameter(b, name, type, value);
}

Offset<rp::RtpCodecParameters> EncodeCodec(Builder& b, const RtpCodecParameters& codec) {
  const auto mime_type = b.CreateString(codec.mime_type);
  const auto parameters = EncodeAll<rp::Parameter>(b, codec.parameters, EncodeParameter);
  const auto feedback =
      EncodeAll<rp::RtcpFeedback>(b, codec.rtcp_feedback, [](Builder& bb, const RtcpFeedback& f) {
        const auto type = bb.CreateString(f.type);
        return rp::CreateRtcpFeedback(bb, type, OptionalText(bb, f.parameter));
      });
  const auto channels =
      codec.channels > 1 ? flatbuffers::Optional<uint8_t>(codec.channels) : flatbuffers::nullopt;
  return rp::CreateRtpCodecParameters(b, mime_type, codec.payload_type, codec.clock_rate, channels,
                                      parameters, feedback);
}

Offset<rp::RtpHeaderExtensionParameters> EncodeExtension(
    Builder& b, const RtpHeaderExtensionParameters& extension) {
  const auto parameters = EncodeAll<rp::Parameter>(b, extension.parameters, EncodeParameter);
  return rp::CreateRtpHeaderExtensionParameters(
      b, static_cast<rp::RtpHeaderExtensionUri>(extension.uri), extension.id, extension.encrypt,
      parameters);
}

}  // namespace

Offset<rp::RtpEncodingParameters> EncodeEncoding(Builder& b,
                                                 const RtpEncodingParameters& encoding) {
  const auto rid = OptionalText(b, encoding.rid);
  const auto rtx = encoding.rtx_ssrc ? rp::CreateRtx(b, *encoding.rtx_ssrc) : Offset<rp::Rtx>();
  const bool valid = ParseScalabilityMode(encoding.scalability_mode).valid;
  const auto mode = b.CreateString(valid ? encoding.scalability_mode : std::string());
  // maxBitrate is not part of a dump (docs/protocols/router-protocol.md §16).
  return rp::CreateRtpEncodingParameters(b, ToFlat(encoding.ssrc), rid,
                                         ToFlat(encoding.codec_payload_type), rtx, encoding.dtx,
                                         mode, flatbuffers::nullopt, ToFlat(encoding.fec_ssrc));
}

Offset<rp::RtpParameters> EncodeRtpParameters(Builder& b, const RtpParameters& parameters) {
  const auto mid = b.CreateString(parameters.mid);
  const auto codecs = EncodeAll<rp::RtpCodecParameters>(b, parameters.codecs, EncodeCodec);
  const auto extensions =
      EncodeAll<rp::RtpHeaderExtensionParameters>(b, parameters.header_extensions, EncodeExtension);
  const auto encodings =
      EncodeAll<rp::RtpEncodingParameters>(b, parameters.encodings, EncodeEncoding);
  const auto cname = b.CreateString(parameters.rtcp.cname);
  const auto rtcp = rp::CreateRtcpParameters(b, cname, parameters.rtcp.reduced_size);
  const auto msid = b.CreateString(parameters.msid);
  return rp::CreateRtpParameters(b, mid, codecs, extensions, encodings, rtcp, msid);
}

Offset<rp::RtpMapping> EncodeMapping(Builder& b, const RtpMapping& mapping) {
  const auto codecs =
      EncodeAll<rp::CodecMapping>(b, mapping.codecs, [](Builder& bb, const RtpCodecMapping& m) {
        return rp::CreateCodecMapping(bb, m.payload_type, m.mapped_payload_type);
      });
  const auto encodings = EncodeAll<rp::EncodingMapping>(
      b, mapping.encodings, [](Builder& bb, const RtpEncodingMapping& m) {
        const auto rid = OptionalText(bb, m.rid);
        return rp::CreateEncodingMapping(bb, rid, ToFlat(m.ssrc), m.mapped_ssrc);
      });
  return rp::CreateRtpMapping(b, codecs, encodings);
}

Offset<FBS::RtpStream::Dump> EncodeStreamDump(Builder& b, const RtpStreamDump& dump) {
  const RtpStreamParams& p = dump.params;
  const auto mime_type = b.CreateString(p.mime_type);
  const auto rid = b.CreateString(p.rid);  // the library reads its length: never absent
  const auto cname = b.CreateString(p.cname);
  const auto params = FBS::RtpStream::CreateParams(
      b, p.encoding_idx, p.ssrc, p.payload_type, mime_type, p.clock_rate, rid, cname,
      ToFlat(p.rtx_ssrc), ToFlat(p.rtx_payload_type), p.use_nack, p.use_pli, p.use_fir,
      p.use_in_band_fec, p.use_dtx, p.spatial_layers, p.temporal_layers);
  Offset<FBS::RtxStream::RtxDump> rtx;
  if (dump.rtx) {
    const auto rtx_mime_type = b.CreateString(dump.rtx->mime_type);
    const auto rrid = b.CreateString(dump.rtx->rrid);
    const auto rtx_cname = b.CreateString(dump.rtx->cname);
    rtx = FBS::RtxStream::CreateRtxDump(
        b, FBS::RtxStream::CreateParams(b, dump.rtx->ssrc, dump.rtx->payload_type, rtx_mime_type,
                                        dump.rtx->clock_rate, rrid, rtx_cname));
  }
  return FBS::RtpStream::CreateDump(b, params, dump.score, rtx);
}

Offset<FBS::RtpPacket::Dump> EncodePacket(Builder& b, const RtpPacketReport& packet) {
  const auto mid = OptionalText(b, packet.mid);
  const auto rid = OptionalText(b, packet.rid);
  const auto rrid = OptionalText(b, packet.rrid);
  return FBS::RtpPacket::CreateDump(
      b, packet.payload_type, packet.sequence_number, packet.timestamp, packet.marker, packet.ssrc,
      packet.is_key_frame, packet.size, packet.payload_size, packet.spatial_layer,
      packet.temporal_layer, mid, rid, rrid, ToFlat(packet.wide_sequence_number));
}

}  // namespace sluice::worker::router_protocol
