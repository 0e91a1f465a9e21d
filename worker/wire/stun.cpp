#include "worker/wire/stun.h"

#include <openssl/crypto.h>

#include <algorithm>

#include "worker/wire/bounded_reader.h"
#include "worker/wire/crc32.h"
#include "worker/wire/stun_attributes.h"

namespace sluice::worker {
namespace {

/// The family's address bytes of XOR-MAPPED-ADDRESS, un-XORed with cookie and transaction id.
std::optional<SocketAddress> ParseXorMappedAddress(std::span<const uint8_t> value,
                                                   std::span<const uint8_t> cookie_and_id) {
  BoundedReader reader(value);
  reader.Skip(1);  // reserved
  const uint8_t family = reader.ReadU8();
  SocketAddress address;
  address.port = static_cast<uint16_t>(reader.ReadU16() ^ stun::kMagicCookieHigh);
  const auto bytes = reader.Rest();
  if (!reader.ok()) return std::nullopt;
  std::array<uint8_t, 16> plain{};
  if (bytes.size() > plain.size()) return std::nullopt;
  for (size_t i = 0; i < bytes.size(); ++i) {
    plain[i] = static_cast<uint8_t>(bytes[i] ^ cookie_and_id[i]);
  }
  if (family == stun::kFamilyIpv4 && bytes.size() == 4) {
    address.ip = IpAddress::V4({plain[0], plain[1], plain[2], plain[3]});
    return address;
  }
  if (family == stun::kFamilyIpv6 && bytes.size() == 16) {
    address.ip = IpAddress::V6(plain);
    return address;
  }
  return std::nullopt;
}

std::optional<uint16_t> ParseErrorCode(std::span<const uint8_t> value) {
  BoundedReader reader(value);
  reader.Skip(2);  // reserved
  const int hundreds = reader.ReadU8() & 0x07;
  const int rest = reader.ReadU8();
  if (!reader.ok() || hundreds < 3 || hundreds > 6 || rest > 99) return std::nullopt;
  return static_cast<uint16_t>(hundreds * 100 + rest);
}

std::optional<uint32_t> ParseU32(std::span<const uint8_t> value) {
  if (value.size() != 4) return std::nullopt;
  return BoundedReader(value).ReadU32();
}

std::optional<uint64_t> ParseU64(std::span<const uint8_t> value) {
  if (value.size() != 8) return std::nullopt;
  return BoundedReader(value).ReadU64();
}

/// Keeps the first of duplicates; false when the value was malformed.
template <typename T>
bool Keep(std::optional<T>& field, std::optional<T> parsed) {
  if (!parsed) return false;
  if (!field) field = parsed;
  return true;
}

}  // namespace

bool StunMessage::LooksLikeStun(std::span<const uint8_t> datagram) {
  if (datagram.size() < kHeader || datagram[0] > 3) return false;
  BoundedReader reader(datagram.subspan(4));
  return reader.ReadU32() == stun::kMagicCookie;
}

std::optional<StunMessage> StunMessage::Parse(std::span<const uint8_t> datagram) {
  if (!LooksLikeStun(datagram)) return std::nullopt;
  StunMessage message;
  message.bytes_ = datagram;
  BoundedReader reader(datagram);
  const uint16_t type = reader.ReadU16();
  const uint16_t length = reader.ReadU16();
  reader.Skip(4);  // the cookie, checked above
  const auto id = reader.ReadBytes(message.transaction_id_.size());
  std::copy(id.begin(), id.end(), message.transaction_id_.begin());
  if (length % 4 != 0 || reader.remaining() != length) return std::nullopt;

  // The two class bits sit at 4 and 8 of the type, between the bits of the method (RFC 8489 §5).
  message.class_ = static_cast<StunClass>((type >> 4 & 1) | (type >> 7 & 2));
  message.method_ =
      static_cast<uint16_t>((type & 0x000f) | (type >> 1 & 0x0070) | (type >> 2 & 0x0f80));

  while (!reader.empty()) {
    if (message.has_fingerprint_) return std::nullopt;  // it must be the last one
    const size_t offset = reader.position();
    const uint16_t attribute = reader.ReadU16();
    const size_t size = reader.ReadU16();
    const auto value = reader.ReadBytes(size);
    reader.Skip(stun::Padded(size) - size);
    if (!reader.ok() || !message.AddAttribute(attribute, offset, value)) return std::nullopt;
  }
  return message;
}

bool StunMessage::AddAttribute(uint16_t type, size_t offset, std::span<const uint8_t> value) {
  if (type == stun::kFingerprint) {
    const auto sent = ParseU32(value);
    has_fingerprint_ = sent && *sent == (Crc32(bytes_.first(offset)) ^ stun::kFingerprintXor);
    return has_fingerprint_;
  }
  if (has_message_integrity()) return true;  // ignored: nothing protects it
  switch (type) {
    case stun::kMessageIntegrity:
      integrity_offset_ = offset;
      return value.size() == HmacSha1::kDigest;
    case stun::kUsername:
      if (value.size() > kMaxUsername) return false;
      if (!username_) username_.emplace(reinterpret_cast<const char*>(value.data()), value.size());
      return true;
    case stun::kPriority:
      return Keep(priority_, ParseU32(value));
    case stun::kUseCandidate:
      use_candidate_ = true;
      return value.empty();
    case stun::kIceControlling:
      return Keep(ice_controlling_, ParseU64(value));
    case stun::kIceControlled:
      return Keep(ice_controlled_, ParseU64(value));
    case stun::kNomination:
    case stun::kNominationGoogle:
      return Keep(nomination_, ParseU32(value));
    case stun::kXorMappedAddress:
      return Keep(xor_mapped_address_, ParseXorMappedAddress(value, bytes_.subspan(4, 16)));
    case stun::kErrorCode:
      return Keep(error_code_, ParseErrorCode(value));
    case stun::kMappedAddress:
    case stun::kUnknownAttributes:
    case stun::kRealm:
    case stun::kNonce:
      return true;  // understood, of no use here
    default:
      AddUnknown(type);
      return true;
  }
}

void StunMessage::AddUnknown(uint16_t type) {
  if (type >= stun::kFirstOptionalAttribute || unknown_count_ == unknown_.size()) return;
  const auto listed = unknown_attributes();
  if (std::find(listed.begin(), listed.end(), type) == listed.end()) {
    unknown_[unknown_count_++] = type;
  }
}

bool StunMessage::CheckIntegrity(std::string_view password) const {
  return has_message_integrity() && CheckIntegrity(StunIntegrityKey(password));
}

bool StunMessage::CheckIntegrity(const StunIntegrityKey& key) const {
  if (!has_message_integrity()) return false;
  // The HMAC covers a header whose length ends with MESSAGE-INTEGRITY (RFC 8489 §14.5).
  std::array<uint8_t, kHeader> header;
  std::copy_n(bytes_.begin(), kHeader, header.begin());
  const size_t length = integrity_offset_ + stun::kIntegrityAttribute - kHeader;
  header[2] = static_cast<uint8_t>(length >> 8);
  header[3] = static_cast<uint8_t>(length);
  const auto tag = key.Sign({header, bytes_.subspan(kHeader, integrity_offset_ - kHeader)});
  const auto sent = bytes_.subspan(integrity_offset_ + stun::kAttributeHeader, tag.size());
  return CRYPTO_memcmp(tag.data(), sent.data(), tag.size()) == 0;
}

}  // namespace sluice::worker
