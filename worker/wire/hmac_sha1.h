#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>

namespace sluice::worker {

/// HMAC-SHA1 with the key blocks hashed once (RFC 2104 §4): 40 bytes a key, no allocation per
/// message. OpenSSL's EVP_MAC costs as much again per packet in context copies, and eight times
/// that with a fresh context, so this sits on its block function instead. Wiped when destroyed.
class HmacSha1 {
 public:
  static constexpr size_t kDigest = 20;

  /// Of any size: what is longer than 64 bytes is hashed first.
  explicit HmacSha1(std::span<const uint8_t> key);
  ~HmacSha1();

  /// HMAC of `parts`, one after the other.
  std::array<uint8_t, kDigest> Compute(std::initializer_list<std::span<const uint8_t>> parts) const;

  /// SHA-1 chaining values after the key block, words in host order: the form that ipsec-mb takes.
  const uint8_t* inner_state() const { return reinterpret_cast<const uint8_t*>(inner_.data()); }
  const uint8_t* outer_state() const { return reinterpret_cast<const uint8_t*>(outer_.data()); }

 private:
  std::array<uint32_t, 5> inner_;
  std::array<uint32_t, 5> outer_;
};

}  // namespace sluice::worker
