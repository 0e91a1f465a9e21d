#include "worker/core/srtp/srtp_kdf.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <algorithm>
#include <memory>
#include <string>

namespace sluice::worker {
namespace {

// RFC 3711 §4.3.2: labels of the cipher key, authentication key and salt of SRTP; SRTCP has the
// same three from kRtcpLabelOffset on.
constexpr uint8_t kCipherKeyLabel = 0;
constexpr uint8_t kAuthKeyLabel = 1;
constexpr uint8_t kSaltLabel = 2;
constexpr uint8_t kRtcpLabelOffset = 3;
constexpr size_t kLabelPosition = 7;  // of the 112-bit salt: label‖r is 56 bits, right-aligned

const char* ProfileName(SrtpProfile profile) {
  switch (profile) {
    case SrtpProfile::kAeadAes256Gcm:
      return "AEAD_AES_256_GCM";
    case SrtpProfile::kAeadAes128Gcm:
      return "AEAD_AES_128_GCM";
    case SrtpProfile::kAesCm128HmacSha1_80:
      return "AES_CM_128_HMAC_SHA1_80";
    case SrtpProfile::kAesCm128HmacSha1_32:
      return "AES_CM_128_HMAC_SHA1_32";
  }
  return nullptr;
}

bool Derive(const SrtpMasterKey& key, uint8_t label, std::span<uint8_t> out) {
  const size_t key_length = SrtpKeyLength(key.profile);
  const std::span<const uint8_t> bytes(key.key_and_salt);
  std::array<uint8_t, 16> x{};  // the 96-bit salt of GCM is padded with zeros on the right
  std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(key_length), SrtpSaltLength(key.profile),
              x.begin());
  x[kLabelPosition] = static_cast<uint8_t>(x[kLabelPosition] ^ label);
  return AesCounterKeystream(bytes.first(key_length), x, out);
}

}  // namespace

SrtpSessionKeys::~SrtpSessionKeys() {
  OPENSSL_cleanse(cipher_key.data(), cipher_key.size());
  OPENSSL_cleanse(auth_key.data(), auth_key.size());
  OPENSSL_cleanse(salt.data(), salt.size());
}

Status CheckMasterKey(const SrtpMasterKey& key) {
  const char* name = ProfileName(key.profile);
  if (name == nullptr) {
    return TypeError("srtp profile " + std::to_string(static_cast<int>(key.profile)) +
                     " is unknown; 0 to 3 are");
  }
  const size_t expected = SrtpKeyLength(key.profile) + SrtpSaltLength(key.profile);
  if (key.key_and_salt.size() == expected) return absl::OkStatus();
  return TypeError("srtp key and salt have " + std::to_string(key.key_and_salt.size()) +
                   " bytes; " + name + " needs " + std::to_string(expected));
}

bool AesCounterKeystream(std::span<const uint8_t> key, std::span<const uint8_t, 16> iv,
                         std::span<uint8_t> out) {
  if (out.empty()) return true;
  const std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)> context(
      EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free);
  if (context == nullptr) return false;
  const EVP_CIPHER* cipher = key.size() == 32 ? EVP_aes_256_ctr() : EVP_aes_128_ctr();
  std::fill(out.begin(), out.end(), uint8_t{0});
  int written = 0;
  return EVP_EncryptInit_ex(context.get(), cipher, nullptr, key.data(), iv.data()) == 1 &&
         EVP_EncryptUpdate(context.get(), out.data(), &written, out.data(),
                           static_cast<int>(out.size())) == 1;
}

Result<SrtpSessionKeys> DeriveSessionKeys(const SrtpMasterKey& key, SrtpDomain domain) {
  SLUICE_RETURN_IF_ERROR(CheckMasterKey(key));
  const uint8_t offset = domain == SrtpDomain::kRtcp ? kRtcpLabelOffset : uint8_t{0};
  const auto label = [offset](uint8_t base) { return static_cast<uint8_t>(base + offset); };
  SrtpSessionKeys keys;
  keys.profile = key.profile;
  const std::span<uint8_t> cipher(keys.cipher_key.data(), SrtpKeyLength(key.profile));
  const std::span<uint8_t> salt(keys.salt.data(), SrtpSaltLength(key.profile));
  if (!Derive(key, label(kCipherKeyLabel), cipher) ||
      !Derive(key, label(kAuthKeyLabel), keys.auth_key) || !Derive(key, label(kSaltLabel), salt)) {
    return Error("srtp key derivation failed in OpenSSL");
  }
  return keys;
}

}  // namespace sluice::worker
