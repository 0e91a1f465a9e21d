#include "worker/media/srtp_key.h"

#include <fmt/format.h>

#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/string_view.h"

namespace sluice::worker {
namespace {

size_t KeyAndSaltLength(SrtpProfile profile) {
  return SrtpKeyLength(profile) + SrtpSaltLength(profile);
}

}  // namespace

SrtpMasterKey GenerateSrtpKey(SrtpProfile profile, Environment& environment) {
  SrtpMasterKey key;
  key.profile = profile;
  key.key_and_salt.resize(KeyAndSaltLength(profile));
  environment.RandomBytes(key.key_and_salt);
  return key;
}

SrtpParameters ToSrtpParameters(const SrtpMasterKey& key) {
  const absl::string_view bytes(reinterpret_cast<const char*>(key.key_and_salt.data()),
                                key.key_and_salt.size());
  return {key.profile, absl::Base64Escape(bytes)};
}

Result<SrtpMasterKey> ParseSrtpParameters(const SrtpParameters& parameters) {
  if (parameters.crypto_suite > SrtpProfile::kAesCm128HmacSha1_32) {
    return TypeError(fmt::format("srtpParameters.cryptoSuite {}: no such suite",
                                 static_cast<int>(parameters.crypto_suite)));
  }
  const size_t wanted = KeyAndSaltLength(parameters.crypto_suite);
  std::string bytes;
  // The key itself stays out of the message: errors end up in logs.
  if (!absl::Base64Unescape(parameters.key_base64, &bytes)) {
    return TypeError(fmt::format(
        "srtpParameters.keyBase64 is not base64; give the base64 text of {} bytes", wanted));
  }
  if (bytes.size() != wanted) {
    return TypeError(fmt::format(
        "srtpParameters.keyBase64 holds {} bytes; this crypto suite needs {} (key and salt)",
        bytes.size(), wanted));
  }
  return SrtpMasterKey{parameters.crypto_suite, {bytes.begin(), bytes.end()}};
}

}  // namespace sluice::worker
