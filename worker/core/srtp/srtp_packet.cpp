#include "worker/core/srtp/srtp_packet.h"

#include <cstring>

namespace sluice {
namespace {

constexpr uint8_t kExtensionBit = 0x10;
constexpr uint8_t kCsrcCountMask = 0x0f;
constexpr size_t kWord = 4;

void XorSalt(SrtpIv& iv, const uint8_t* salt, size_t size) {
  for (size_t i = 0; i < size; ++i) iv.bytes[i] = static_cast<uint8_t>(iv.bytes[i] ^ salt[i]);
}

}  // namespace

std::optional<size_t> RtpHeaderSize(std::span<const uint8_t> packet) {
  if (packet.size() < kRtpFixedHeader) return std::nullopt;
  size_t size = kRtpFixedHeader + kWord * (packet[0] & kCsrcCountMask);
  if ((packet[0] & kExtensionBit) != 0) {
    if (packet.size() < size + kWord) return std::nullopt;
    size += kWord + kWord * LoadBig16(packet.data() + size + 2);
  }
  if (packet.size() < size) return std::nullopt;
  return size;
}

SrtpIv GcmRtpIv(const uint8_t* salt, Ssrc ssrc, uint64_t index) {
  SrtpIv iv{};  // 00 00 SSRC ROC SEQ
  StoreBig32(iv.bytes.data() + 2, ssrc.value());
  StoreBig32(iv.bytes.data() + 6, static_cast<uint32_t>(index >> 16));
  iv.bytes[10] = static_cast<uint8_t>(index >> 8);
  iv.bytes[11] = static_cast<uint8_t>(index);
  XorSalt(iv, salt, 12);
  return iv;
}

SrtpIv GcmRtcpIv(const uint8_t* salt, Ssrc ssrc, uint32_t index) {
  SrtpIv iv{};  // 00 00 SSRC 00 00 index
  StoreBig32(iv.bytes.data() + 2, ssrc.value());
  StoreBig32(iv.bytes.data() + 8, index);
  XorSalt(iv, salt, 12);
  return iv;
}

SrtpIv CounterIv(const uint8_t* salt, Ssrc ssrc, uint64_t index) {
  SrtpIv iv{};  // 00×4 SSRC index(48) counter(16)
  StoreBig32(iv.bytes.data() + 4, ssrc.value());
  StoreBig32(iv.bytes.data() + 8, static_cast<uint32_t>(index >> 16));
  iv.bytes[12] = static_cast<uint8_t>(index >> 8);
  iv.bytes[13] = static_cast<uint8_t>(index);
  XorSalt(iv, salt, 14);
  return iv;
}

}  // namespace sluice
