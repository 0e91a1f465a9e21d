#include "worker/core/srtp/srtp_packet.h"

namespace sluice::worker {
namespace {

constexpr uint8_t kSrtpExtensionBit = 0x10;
constexpr uint8_t kCsrcCountMask = 0x0f;
constexpr size_t kWord = 4;

}  // namespace

std::optional<size_t> RtpHeaderSize(std::span<const uint8_t> packet) {
  if (packet.size() < kRtpFixedHeader) return std::nullopt;
  size_t size = kRtpFixedHeader + kWord * (packet[0] & kCsrcCountMask);
  if ((packet[0] & kSrtpExtensionBit) != 0) {
    if (packet.size() < size + kWord) return std::nullopt;
    size += kWord + kWord * LoadBig16(packet.data() + size + 2);
  }
  if (packet.size() < size) return std::nullopt;
  return size;
}

}  // namespace sluice::worker
