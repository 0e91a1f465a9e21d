#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace sluice::worker {

/// SRTP protection profiles; the values are the wire enum of the router protocol
/// (SrtpParameters.SrtpCryptoSuite).
enum class SrtpProfile : uint8_t {
  kAeadAes256Gcm = 0,        // RFC 7714, DTLS 0x0008
  kAeadAes128Gcm = 1,        // RFC 7714, DTLS 0x0007
  kAesCm128HmacSha1_80 = 2,  // RFC 3711, DTLS 0x0001
  kAesCm128HmacSha1_32 = 3,  // RFC 3711, DTLS 0x0002; its SRTCP tag is 80 bits
};

constexpr size_t SrtpKeyLength(SrtpProfile p) { return p == SrtpProfile::kAeadAes256Gcm ? 32 : 16; }
constexpr size_t SrtpSaltLength(SrtpProfile p) {
  return p <= SrtpProfile::kAeadAes128Gcm ? 12 : 14;
}
/// Bytes that protection adds to an RTP packet.
constexpr size_t SrtpTagLength(SrtpProfile p) {
  switch (p) {
    case SrtpProfile::kAesCm128HmacSha1_80:
      return 10;
    case SrtpProfile::kAesCm128HmacSha1_32:
      return 4;
    default:
      return 16;
  }
}
constexpr size_t kMaxSrtpTag = 16;
/// Bytes that protection adds at most to an RTCP packet: tag and E|index word.
constexpr size_t kMaxSrtcpTrailer = 20;

/// Master key and salt, concatenated, for one direction.
struct SrtpMasterKey {
  SrtpProfile profile = SrtpProfile::kAeadAes128Gcm;
  std::vector<uint8_t> key_and_salt;  ///< SrtpKeyLength + SrtpSaltLength bytes
};

}  // namespace sluice::worker
