#pragma once

#include <cstdint>
#include <span>

#include "worker/wire/stun.h"

namespace sluice::worker {

/// What a datagram on a media port is.
enum class DatagramKind : uint8_t { kStun, kRtcp, kRtp, kDtls, kUnknown };

/// Tells by the first bytes alone (RFC 7983 §7, RFC 5761 §4; order of tests:
/// docs/protocols/ice-dtls-srtp.md §1). The answer says nothing about the datagram being
/// well-formed.
inline DatagramKind ClassifyDatagram(std::span<const uint8_t> datagram) {
  constexpr size_t kRtpHeader = 12;   // bytes, RFC 3550 §5.1
  constexpr size_t kRtcpHeader = 4;   // bytes, RFC 3550 §6.4
  constexpr size_t kDtlsHeader = 13;  // bytes, RFC 6347 §4.1
  if (datagram.size() < kRtcpHeader) return DatagramKind::kUnknown;
  const uint8_t first = datagram[0];
  if (first >= 128 && first <= 191) {
    if (datagram[1] >= 192 && datagram[1] <= 223) return DatagramKind::kRtcp;
    return datagram.size() >= kRtpHeader ? DatagramKind::kRtp : DatagramKind::kUnknown;
  }
  if (first < 3) {
    return StunMessage::LooksLikeStun(datagram) ? DatagramKind::kStun : DatagramKind::kUnknown;
  }
  if (first >= 20 && first <= 63 && datagram.size() >= kDtlsHeader) return DatagramKind::kDtls;
  return DatagramKind::kUnknown;
}

}  // namespace sluice::worker
