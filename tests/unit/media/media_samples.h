#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/rtp_parameters.h"
#include "worker/media/options.h"

/// Parameters and packets that the media tests and simulations send.
namespace sluice::worker::samples {

inline constexpr uint8_t kVp8 = 96;  // producer's payload types
inline constexpr uint8_t kVp8Rtx = 97;
inline constexpr uint8_t kOpus = 111;
inline constexpr uint8_t kRoutedOpus = 100;  // the router's
inline constexpr uint8_t kRoutedVp8 = 101;
inline constexpr uint8_t kRoutedRtx = 102;
inline constexpr uint8_t kTransportCcId = 5;  // header extension id of the sender
inline constexpr uint8_t kMidId = 1;

inline RtpCodecParameters Vp8(uint8_t payload_type) {
  RtpCodecParameters codec;
  codec.mime_type = "video/VP8";
  codec.payload_type = payload_type;
  codec.clock_rate = 90'000;
  codec.rtcp_feedback = {{"nack", ""}, {"nack", "pli"}, {"ccm", "fir"}, {"transport-cc", ""}};
  return codec;
}
inline RtpCodecParameters Rtx(uint8_t payload_type, uint8_t apt) {
  RtpCodecParameters codec;
  codec.mime_type = "video/rtx";
  codec.payload_type = payload_type;
  codec.clock_rate = 90'000;
  codec.parameters["apt"] = int32_t{apt};
  return codec;
}
inline RtpCodecParameters Opus(uint8_t payload_type) {
  RtpCodecParameters codec;
  codec.mime_type = "audio/opus";
  codec.payload_type = payload_type;
  codec.clock_rate = 48'000;
  codec.channels = 2;
  return codec;
}

inline ProduceOptions Video(const std::string& id, uint32_t ssrc, uint32_t rtx_ssrc = 0) {
  ProduceOptions options;
  options.producer_id = id;
  options.kind = MediaKind::kVideo;
  options.rtp_parameters.codecs = {Vp8(kVp8), Rtx(kVp8Rtx, kVp8)};
  options.rtp_parameters.rtcp.cname = "cname-" + id;
  RtpEncodingParameters encoding;
  encoding.ssrc = ssrc;
  if (rtx_ssrc != 0) encoding.rtx_ssrc = rtx_ssrc;
  options.rtp_parameters.encodings = {encoding};
  options.rtp_mapping.codecs = {{kVp8, kRoutedVp8}, {kVp8Rtx, kRoutedRtx}};
  options.rtp_mapping.encodings = {{"", ssrc, ssrc + 5'000'000}};
  return options;
}
inline ProduceOptions Audio(const std::string& id, uint32_t ssrc) {
  ProduceOptions options;
  options.producer_id = id;
  options.kind = MediaKind::kAudio;
  options.rtp_parameters.codecs = {Opus(kOpus)};
  options.rtp_parameters.rtcp.cname = "cname-" + id;
  RtpEncodingParameters encoding;
  encoding.ssrc = ssrc;
  options.rtp_parameters.encodings = {encoding};
  options.rtp_mapping.codecs = {{kOpus, kRoutedOpus}};
  options.rtp_mapping.encodings = {{"", ssrc, ssrc + 5'000'000}};
  return options;
}
/// A consumer of what `produced` announced, sent as `ssrc` (RTX as ssrc + 1).
inline ConsumeOptions ConsumerOf(const ProduceOptions& produced, const std::string& id,
                                 uint32_t ssrc) {
  ConsumeOptions options;
  options.consumer_id = id;
  options.producer_id = produced.producer_id;
  options.kind = produced.kind;
  RtpEncodingParameters encoding;
  encoding.ssrc = ssrc;
  if (produced.kind == MediaKind::kVideo) {
    options.rtp_parameters.codecs = {Vp8(kRoutedVp8), Rtx(kRoutedRtx, kRoutedVp8)};
    encoding.rtx_ssrc = ssrc + 1;
  } else {
    options.rtp_parameters.codecs = {Opus(kRoutedOpus)};
  }
  options.rtp_parameters.encodings = {encoding};
  options.rtp_parameters.rtcp.cname = produced.rtp_parameters.rtcp.cname;
  RtpEncodingParameters consumable;
  consumable.ssrc = produced.rtp_mapping.encodings[0].mapped_ssrc;
  options.consumable_rtp_encodings = {consumable};
  return options;
}

/// A pipe consumer of what `produced` announced: one stream for each encoding, sent as `ssrc`,
/// `ssrc` + 1 …; RTX, where asked for, from `ssrc` + 100 on.
inline ConsumeOptions PipeConsumerOf(const ProduceOptions& produced, const std::string& id,
                                     uint32_t ssrc, bool rtx = false) {
  ConsumeOptions options = ConsumerOf(produced, id, ssrc);
  options.type = RtpType::kPipe;
  options.rtp_parameters.encodings.clear();
  options.consumable_rtp_encodings.clear();
  for (const RtpEncodingMapping& mapping : produced.rtp_mapping.encodings) {
    RtpEncodingParameters encoding;
    encoding.ssrc = ssrc++;
    if (rtx) encoding.rtx_ssrc = *encoding.ssrc + 100;
    options.rtp_parameters.encodings.push_back(encoding);
    RtpEncodingParameters consumable;
    consumable.ssrc = mapping.mapped_ssrc;
    options.consumable_rtp_encodings.push_back(consumable);
  }
  return options;
}
/// The producer at the other end of the pipe.
inline ProduceOptions PipeProducerOf(const ConsumeOptions& consumed, const std::string& id) {
  ProduceOptions options;
  options.producer_id = id;
  options.kind = consumed.kind;
  options.rtp_parameters = consumed.rtp_parameters;
  for (const RtpCodecParameters& codec : consumed.rtp_parameters.codecs) {
    options.rtp_mapping.codecs.push_back({codec.payload_type, codec.payload_type});
  }
  for (const RtpEncodingParameters& encoding : consumed.rtp_parameters.encodings) {
    options.rtp_mapping.encodings.push_back({"", *encoding.ssrc, *encoding.ssrc + 7'000'000});
  }
  return options;
}

/// One RTP packet without header extensions.
inline std::vector<uint8_t> Rtp(uint8_t payload_type, uint32_t ssrc, uint16_t sequence,
                                uint32_t timestamp, const std::vector<uint8_t>& payload,
                                bool marker = false) {
  std::vector<uint8_t> packet = {0x80,
                                 static_cast<uint8_t>(payload_type | (marker ? 0x80 : 0)),
                                 static_cast<uint8_t>(sequence >> 8),
                                 static_cast<uint8_t>(sequence),
                                 static_cast<uint8_t>(timestamp >> 24),
                                 static_cast<uint8_t>(timestamp >> 16),
                                 static_cast<uint8_t>(timestamp >> 8),
                                 static_cast<uint8_t>(timestamp),
                                 static_cast<uint8_t>(ssrc >> 24),
                                 static_cast<uint8_t>(ssrc >> 16),
                                 static_cast<uint8_t>(ssrc >> 8),
                                 static_cast<uint8_t>(ssrc)};
  packet.insert(packet.end(), payload.begin(), payload.end());
  return packet;
}
/// Adds one one-byte-form header extension to a packet of Rtp().
inline std::vector<uint8_t> WithExtension(std::vector<uint8_t> packet, uint8_t id,
                                          const std::vector<uint8_t>& value) {
  std::vector<uint8_t> block = {
      0xBE, 0xDE, 0, 0, static_cast<uint8_t>((id << 4) + static_cast<int>(value.size()) - 1)};
  block.insert(block.end(), value.begin(), value.end());
  while (block.size() % 4 != 0) block.push_back(0);
  block[3] = static_cast<uint8_t>((block.size() - 4) / 4);
  packet[0] |= 0x10;
  packet.insert(packet.begin() + 12, block.begin(), block.end());
  return packet;
}
/// A VP8 payload (RFC 7741 §4): descriptor with a 15-bit picture id, then a payload header that is,
/// or is not, a key frame's; `size` bytes in all.
inline std::vector<uint8_t> Vp8Payload(bool key_frame, uint16_t picture_id, size_t size = 200) {
  std::vector<uint8_t> payload = {0x90, 0x80, static_cast<uint8_t>(0x80 | (picture_id >> 8 & 0x7f)),
                                  static_cast<uint8_t>(picture_id),
                                  static_cast<uint8_t>(key_frame ? 0x10 : 0x11)};
  while (payload.size() < size) payload.push_back(static_cast<uint8_t>(payload.size() * 7));
  return payload;
}

}  // namespace sluice::worker::samples
