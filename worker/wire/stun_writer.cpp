#include <algorithm>

#include "worker/wire/bounded_writer.h"
#include "worker/wire/crc32.h"
#include "worker/wire/stun.h"
#include "worker/wire/stun_attributes.h"

namespace sluice::worker {
namespace {

/// Longest reason phrase that RFC 8489 §14.8 lets a sender write, bytes.
constexpr size_t kMaxReason = 509;
/// The header counts the bytes after it in 16 bits, in whole words.
constexpr size_t kMaxBody = 0xfffc;
/// Room for the longest fixed-size attribute value, XOR-MAPPED-ADDRESS with IPv6.
constexpr size_t kMaxAddressValue = 20;

}  // namespace

StunWriter::StunWriter(std::span<uint8_t> out, StunClass message_class, uint16_t method,
                       const std::array<uint8_t, 12>& transaction_id)
    : out_(out.first(std::min(out.size(), StunMessage::kHeader + kMaxBody))) {
  const auto bits = static_cast<uint16_t>(message_class);
  const auto type =
      static_cast<uint16_t>((method & 0x000f) | (bits & 1) << 4 | (method & 0x0070) << 1 |
                            (bits & 2) << 7 | (method & 0x0f80) << 2);
  BoundedWriter writer(out_);
  writer.WriteU16(type);
  writer.WriteU16(0);  // length: SetLength()
  writer.WriteU32(stun::kMagicCookie);
  writer.WriteBytes(transaction_id);
  overflow_ = !writer.ok();
  size_ = writer.size();
}

bool StunWriter::AddRaw(uint16_t type, std::span<const uint8_t> value) {
  if (overflow_) return false;
  BoundedWriter writer(out_.subspan(size_));
  writer.WriteU16(type);
  writer.WriteU16(static_cast<uint16_t>(value.size()));
  writer.WriteBytes(value);
  writer.WriteZeros(stun::Padded(value.size()) - value.size());
  overflow_ = !writer.ok();
  if (overflow_) return false;
  size_ += writer.size();
  return true;
}

bool StunWriter::AddXorMappedAddress(const SocketAddress& address) {
  if (address.ip.family() == IpAddress::Family::kUnspecified || overflow_) return false;
  std::array<uint8_t, kMaxAddressValue> value;
  BoundedWriter writer(value);
  writer.WriteU8(0);
  writer.WriteU8(address.ip.is_v4() ? stun::kFamilyIpv4 : stun::kFamilyIpv6);
  writer.WriteU16(static_cast<uint16_t>(address.port ^ stun::kMagicCookieHigh));
  const auto cookie_and_id = out_.subspan(4, 16);
  const size_t length = address.ip.is_v4() ? 4 : 16;
  for (size_t i = 0; i < length; ++i) {
    writer.WriteU8(static_cast<uint8_t>(address.ip.bytes()[i] ^ cookie_and_id[i]));
  }
  return AddRaw(stun::kXorMappedAddress, std::span(value).first(writer.size()));
}

bool StunWriter::AddErrorCode(uint16_t code, std::string_view reason) {
  if (code < 300 || code > 699 || reason.size() > kMaxReason) return false;
  std::array<uint8_t, 4 + kMaxReason> value;
  BoundedWriter writer(value);
  writer.WriteU16(0);
  writer.WriteU8(static_cast<uint8_t>(code / 100));
  writer.WriteU8(static_cast<uint8_t>(code % 100));
  writer.WriteBytes({reinterpret_cast<const uint8_t*>(reason.data()), reason.size()});
  return AddRaw(stun::kErrorCode, std::span(value).first(writer.size()));
}

bool StunWriter::AddUnknownAttributes(std::span<const uint16_t> types) {
  std::array<uint8_t, 2 * StunMessage::kMaxUnknown> value;
  BoundedWriter writer(value);
  for (const uint16_t type : types) writer.WriteU16(type);
  return writer.ok() && AddRaw(stun::kUnknownAttributes, std::span(value).first(writer.size()));
}

bool StunWriter::AddUsername(std::string_view username) {
  if (username.size() > StunMessage::kMaxUsername) return false;
  return AddRaw(stun::kUsername,
                {reinterpret_cast<const uint8_t*>(username.data()), username.size()});
}

bool StunWriter::AddU32(uint16_t type, uint32_t value) {
  std::array<uint8_t, 4> bytes;
  BoundedWriter(bytes).WriteU32(value);
  return AddRaw(type, bytes);
}

bool StunWriter::AddU64(uint16_t type, uint64_t value) {
  std::array<uint8_t, 8> bytes;
  BoundedWriter(bytes).WriteU64(value);
  return AddRaw(type, bytes);
}

bool StunWriter::AddPriority(uint32_t priority) { return AddU32(stun::kPriority, priority); }
bool StunWriter::AddUseCandidate() { return AddRaw(stun::kUseCandidate, {}); }
bool StunWriter::AddIceControlling(uint64_t tie_breaker) {
  return AddU64(stun::kIceControlling, tie_breaker);
}
bool StunWriter::AddIceControlled(uint64_t tie_breaker) {
  return AddU64(stun::kIceControlled, tie_breaker);
}
bool StunWriter::AddNomination(uint32_t value) { return AddU32(stun::kNomination, value); }

size_t StunWriter::FinishWithIntegrity(const StunIntegrityKey& key) {
  if (overflow_) return 0;
  SetLength(size_ + stun::kIntegrityAttribute);
  const auto tag = key.Sign({out_.first(size_)});
  if (!AddRaw(stun::kMessageIntegrity, tag)) return 0;
  return FinishWithFingerprint();
}

size_t StunWriter::FinishWithFingerprint() {
  if (overflow_) return 0;
  SetLength(size_ + stun::kFingerprintAttribute);
  const uint32_t crc = Crc32(out_.first(size_)) ^ stun::kFingerprintXor;
  return AddU32(stun::kFingerprint, crc) ? size_ : 0;
}

void StunWriter::SetLength(size_t message_size) {
  BoundedWriter(out_.subspan(2, 2))
      .WriteU16(static_cast<uint16_t>(message_size - StunMessage::kHeader));
}

}  // namespace sluice::worker
