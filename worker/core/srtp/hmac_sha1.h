#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace sluice {

/// HMAC-SHA1 with the key blocks hashed once (RFC 2104 §4): 40 bytes a key, no allocation per
/// message. OpenSSL's EVP_MAC costs as much again per packet in context copies, so this sits on its
/// block function instead. Wiped when destroyed.
class HmacSha1 {
 public:
  static constexpr size_t kDigest = 20;

  /// `key` has at most 64 bytes.
  explicit HmacSha1(std::span<const uint8_t> key);
  ~HmacSha1();

  /// HMAC of `first` followed by `second`.
  std::array<uint8_t, kDigest> Compute(std::span<const uint8_t> first,
                                       std::span<const uint8_t> second = {}) const;

  /// SHA-1 chaining values after the key block, words in host order: the form that ipsec-mb takes.
  const uint8_t* inner_state() const { return reinterpret_cast<const uint8_t*>(inner_.data()); }
  const uint8_t* outer_state() const { return reinterpret_cast<const uint8_t*>(outer_.data()); }

 private:
  std::array<uint32_t, 5> inner_;
  std::array<uint32_t, 5> outer_;
};

}  // namespace sluice
