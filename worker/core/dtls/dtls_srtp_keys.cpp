#include "worker/core/dtls/dtls_srtp_keys.h"

#include <openssl/crypto.h>
#include <openssl/srtp.h>

#include <array>
#include <optional>
#include <string_view>

#include "worker/core/dtls/openssl_ptr.h"

namespace sluice::worker {
namespace {

constexpr std::string_view kExporterLabel = "EXTRACTOR-dtls_srtp";
constexpr size_t kMaxKeyBlock = 2 * (32 + 14);  // two keys and two salts of the longest profiles

std::optional<SrtpProfile> NegotiatedProfile(SSL& ssl) {
  const SRTP_PROTECTION_PROFILE* profile = SSL_get_selected_srtp_profile(&ssl);
  if (profile == nullptr) return std::nullopt;
  switch (profile->id) {
    case SRTP_AEAD_AES_128_GCM:
      return SrtpProfile::kAeadAes128Gcm;
    case SRTP_AEAD_AES_256_GCM:
      return SrtpProfile::kAeadAes256Gcm;
    case SRTP_AES128_CM_SHA1_80:
      return SrtpProfile::kAesCm128HmacSha1_80;
    default:
      return std::nullopt;
  }
}

}  // namespace

Result<DtlsSrtpKeys> ExportSrtpKeys(SSL& ssl) {
  const std::optional<SrtpProfile> profile = NegotiatedProfile(ssl);
  if (!profile)
    return Error("no SRTP profile in common: use_srtp is missing or offers none of ours");
  const size_t key_size = SrtpKeyLength(*profile);
  const size_t salt_size = SrtpSaltLength(*profile);
  std::array<uint8_t, kMaxKeyBlock> block{};
  if (SSL_export_keying_material(&ssl, block.data(), 2 * (key_size + salt_size),
                                 kExporterLabel.data(), kExporterLabel.size(), nullptr, 0,
                                 0) != 1) {
    return Error("cannot export the SRTP keys: " + TakeOpenSslError());
  }
  // client key, server key, client salt, server salt
  const auto make = [&](size_t index) {
    SrtpMasterKey master{*profile, {}};
    const uint8_t* key = block.data() + index * key_size;
    const uint8_t* salt = block.data() + 2 * key_size + index * salt_size;
    master.key_and_salt.reserve(key_size + salt_size);
    master.key_and_salt.insert(master.key_and_salt.end(), key, key + key_size);
    master.key_and_salt.insert(master.key_and_salt.end(), salt, salt + salt_size);
    return master;
  };
  DtlsSrtpKeys keys{make(0), make(1)};
  OPENSSL_cleanse(block.data(), block.size());
  return keys;
}

}  // namespace sluice::worker
