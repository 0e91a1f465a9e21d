#pragma once

#include <cstddef>
#include <cstdint>

/// STUN numbers that the parser and the writer share (RFC 8489 §5, §14, §18; RFC 8445 §16.1).
namespace sluice::worker::stun {

inline constexpr uint32_t kMagicCookie = 0x2112A442;
inline constexpr uint16_t kMagicCookieHigh = kMagicCookie >> 16;
/// XORed into the CRC-32 of a message ("STUN"), RFC 8489 §14.7.
inline constexpr uint32_t kFingerprintXor = 0x5354554E;

inline constexpr size_t kAttributeHeader = 4;  // bytes
inline constexpr size_t kIntegrityAttribute = kAttributeHeader + 20;
inline constexpr size_t kFingerprintAttribute = kAttributeHeader + 4;

inline constexpr uint8_t kFamilyIpv4 = 1;
inline constexpr uint8_t kFamilyIpv6 = 2;

/// Types below this one must be understood by the receiver, RFC 8489 §14.
inline constexpr uint16_t kFirstOptionalAttribute = 0x8000;

enum Attribute : uint16_t {
  kMappedAddress = 0x0001,
  kUsername = 0x0006,
  kMessageIntegrity = 0x0008,
  kErrorCode = 0x0009,
  kUnknownAttributes = 0x000A,
  kRealm = 0x0014,
  kNonce = 0x0015,
  kXorMappedAddress = 0x0020,
  kPriority = 0x0024,
  kUseCandidate = 0x0025,
  kNomination = 0x0030,  // draft-ietf-ice-renomination
  kFingerprint = 0x8028,
  kIceControlled = 0x8029,
  kIceControlling = 0x802A,
  kNominationGoogle = 0xC001,  // the number browsers send
};

inline constexpr size_t Padded(size_t size) { return (size + 3) & ~size_t{3}; }

}  // namespace sluice::worker::stun
