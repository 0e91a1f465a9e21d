#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string_view>

#include "common/socket_address.h"
#include "worker/wire/hmac_sha1.h"

namespace sluice::worker {

/// STUN (RFC 8489) as an ICE-lite agent needs it: parse requests, write responses.
enum class StunClass : uint8_t { kRequest = 0, kIndication = 1, kSuccess = 2, kError = 3 };
inline constexpr uint16_t kStunMethodBinding = 0x001;

/// A validated view over one STUN message: length, magic cookie, attribute bounds and padding are
/// checked; FINGERPRINT is verified when present (it must be last). Attributes after
/// MESSAGE-INTEGRITY other than FINGERPRINT are ignored (RFC 8489 §14.5); of duplicates the first
/// counts. The bytes must outlive it.
class StunMessage {
 public:
  static constexpr size_t kHeader = 20;
  static constexpr size_t kMaxUsername = 513;  // bytes, RFC 5389 §15.3 (RFC 8489 §14.3: 508)
  /// Unknown attributes that are remembered: a 420 with more of them helps nobody.
  static constexpr size_t kMaxUnknown = 8;

  /// Quick test for the demultiplexer (RFC 7983 and the cookie); true does not mean well-formed.
  static bool LooksLikeStun(std::span<const uint8_t> datagram);
  static std::optional<StunMessage> Parse(std::span<const uint8_t> datagram);

  StunClass message_class() const { return class_; }
  uint16_t method() const { return method_; }
  const std::array<uint8_t, 12>& transaction_id() const { return transaction_id_; }

  std::optional<std::string_view> username() const { return username_; }
  bool has_message_integrity() const { return integrity_offset_ != 0; }
  bool has_fingerprint() const { return has_fingerprint_; }
  std::optional<uint32_t> priority() const { return priority_; }
  bool use_candidate() const { return use_candidate_; }
  std::optional<uint64_t> ice_controlling() const { return ice_controlling_; }
  std::optional<uint64_t> ice_controlled() const { return ice_controlled_; }
  /// NOMINATION (0x0030 or 0xC001), docs/protocols/ice-dtls-srtp.md §3.
  std::optional<uint32_t> nomination() const { return nomination_; }
  std::optional<SocketAddress> xor_mapped_address() const { return xor_mapped_address_; }
  std::optional<uint16_t> error_code() const { return error_code_; }
  /// Comprehension-required attributes that we do not know (first 8): a 420 lists them.
  std::span<const uint16_t> unknown_attributes() const { return {unknown_.data(), unknown_count_}; }

  /// Constant-time compare of MESSAGE-INTEGRITY with HMAC-SHA1 under `password` (short-term
  /// credentials, RFC 8489 §9.1). For the cheap repeated case see StunIntegrityKey.
  bool CheckIntegrity(std::string_view password) const;
  bool CheckIntegrity(const class StunIntegrityKey& key) const;

 private:
  /// Takes in one attribute whose bytes start at `offset`; false when its value is malformed.
  bool AddAttribute(uint16_t type, size_t offset, std::span<const uint8_t> value);
  void AddUnknown(uint16_t type);

  std::span<const uint8_t> bytes_;
  StunClass class_ = StunClass::kRequest;
  uint16_t method_ = 0;
  std::array<uint8_t, 12> transaction_id_{};
  std::optional<std::string_view> username_;
  size_t integrity_offset_ = 0;
  bool has_fingerprint_ = false;
  std::optional<uint32_t> priority_;
  bool use_candidate_ = false;
  std::optional<uint64_t> ice_controlling_;
  std::optional<uint64_t> ice_controlled_;
  std::optional<uint32_t> nomination_;
  std::optional<SocketAddress> xor_mapped_address_;
  std::optional<uint16_t> error_code_;
  std::array<uint16_t, kMaxUnknown> unknown_{};
  size_t unknown_count_ = 0;
};

/// A password with its key schedule computed once: 436 ns a check against 3390 with a fresh HMAC
/// context.
class StunIntegrityKey {
 public:
  explicit StunIntegrityKey(std::string_view password)
      : hmac_({reinterpret_cast<const uint8_t*>(password.data()), password.size()}) {}

  /// MESSAGE-INTEGRITY over `parts` in order.
  std::array<uint8_t, HmacSha1::kDigest> Sign(
      std::initializer_list<std::span<const uint8_t>> parts) const {
    return hmac_.Compute(parts);
  }

 private:
  HmacSha1 hmac_;
};

/// Writes one message into `out`. Each Add returns false when it would not fit (no Add or Finish
/// succeeds after that) or when its argument cannot be written; Finish… returns the size, 0 on
/// overflow.
class StunWriter {
 public:
  StunWriter(std::span<uint8_t> out, StunClass message_class, uint16_t method,
             const std::array<uint8_t, 12>& transaction_id);

  bool AddXorMappedAddress(const SocketAddress& address);
  bool AddErrorCode(uint16_t code, std::string_view reason);
  bool AddUnknownAttributes(std::span<const uint16_t> types);  // ≤ StunMessage::kMaxUnknown
  // For the client half in tests and the load generator:
  bool AddUsername(std::string_view username);
  bool AddPriority(uint32_t priority);
  bool AddUseCandidate();
  bool AddIceControlling(uint64_t tie_breaker);
  bool AddIceControlled(uint64_t tie_breaker);
  bool AddNomination(uint32_t value);
  bool AddRaw(uint16_t type, std::span<const uint8_t> value);

  /// Appends MESSAGE-INTEGRITY, then FINGERPRINT.
  size_t FinishWithIntegrity(const StunIntegrityKey& key);
  /// Appends FINGERPRINT alone (error responses, docs/protocols/ice-dtls-srtp.md §3).
  size_t FinishWithFingerprint();

 private:
  bool AddU32(uint16_t type, uint32_t value);
  bool AddU64(uint16_t type, uint64_t value);
  void SetLength(size_t message_size);

  std::span<uint8_t> out_;
  size_t size_ = 0;
  bool overflow_ = false;
};

}  // namespace sluice::worker
