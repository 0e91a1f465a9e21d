#include "worker/core/rtp/rtx.h"

#include <cstdint>
#include <cstring>

namespace sluice::worker {

std::optional<RtpPacket> UnwrapRtx(RtpPacket& rtx, PayloadType payload_type, Ssrc ssrc) {
  const auto payload = rtx.payload();
  if (payload.size() <= kRtxHeader) return std::nullopt;
  const SeqNumber original(static_cast<uint16_t>(payload[0] << 8 | payload[1]));
  const auto bytes = rtx.bytes();
  std::memmove(bytes.data() + kRtxHeader, bytes.data(), rtx.header_size());
  auto packet = RtpPacket::Parse(bytes.subspan(kRtxHeader));
  if (!packet) return std::nullopt;  // cannot be: the header is that of a parsed packet
  packet->set_payload_type(payload_type);
  packet->set_sequence_number(original);
  packet->set_ssrc(ssrc);
  return packet;
}

}  // namespace sluice::worker
