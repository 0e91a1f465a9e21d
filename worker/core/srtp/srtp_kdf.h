#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "common/status.h"
#include "worker/core/srtp/srtp_types.h"

namespace sluice::worker {

/// Which half of a session a key belongs to: the key derivation labels differ.
enum class SrtpDomain : uint8_t { kRtp, kRtcp };

/// Session keys of one direction and domain (RFC 3711 §4.3, RFC 7714 §11). Wiped when destroyed.
struct SrtpSessionKeys {
  static constexpr size_t kMaxCipherKey = 32;  // bytes, AES-256
  static constexpr size_t kAuthKey = 20;       // bytes, HMAC-SHA1
  static constexpr size_t kMaxSalt = 14;       // bytes; the GCM profiles use the first 12

  SrtpProfile profile = SrtpProfile::kAeadAes128Gcm;
  std::array<uint8_t, kMaxCipherKey> cipher_key{};
  std::array<uint8_t, kAuthKey> auth_key{};  ///< unused by the GCM profiles
  std::array<uint8_t, kMaxSalt> salt{};

  SrtpSessionKeys() = default;
  SrtpSessionKeys(const SrtpSessionKeys&) = default;
  SrtpSessionKeys& operator=(const SrtpSessionKeys&) = default;
  ~SrtpSessionKeys();

  std::span<const uint8_t> cipher() const {
    return std::span<const uint8_t>(cipher_key).first(SrtpKeyLength(profile));
  }
};

/// TypeError that names the length when `key` is not as long as its profile wants.
Status CheckMasterKey(const SrtpMasterKey& key);

/// AES counter mode key stream (RFC 3711 §4.1.1; the PRF of RFC 3711 §4.3.3 and RFC 7714 §11):
/// fills `out` from counter block `iv`. `key` has 16 or 32 bytes. False when OpenSSL fails.
bool AesCounterKeystream(std::span<const uint8_t> key, std::span<const uint8_t, 16> iv,
                         std::span<uint8_t> out);

/// Derives the session keys with key derivation rate 0. `key` must pass CheckMasterKey.
Result<SrtpSessionKeys> DeriveSessionKeys(const SrtpMasterKey& key, SrtpDomain domain);

}  // namespace sluice::worker
