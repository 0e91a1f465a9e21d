#include "worker/core/dtls/dtls_fingerprint.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <array>
#include <optional>
#include <string>

#include "common/fingerprint_names.h"

namespace sluice::worker {
namespace {

/// A digest in bytes; `size` of them count.
struct Digest {
  std::array<uint8_t, EVP_MAX_MD_SIZE> bytes{};
  size_t size = 0;
};

const EVP_MD* DigestOf(FingerprintAlgorithm algorithm) {
  switch (algorithm) {
    case FingerprintAlgorithm::kSha1:
      return EVP_sha1();
    case FingerprintAlgorithm::kSha224:
      return EVP_sha224();
    case FingerprintAlgorithm::kSha256:
      return EVP_sha256();
    case FingerprintAlgorithm::kSha384:
      return EVP_sha384();
    case FingerprintAlgorithm::kSha512:
      return EVP_sha512();
  }
  return nullptr;
}

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// "AB:cd:…" to bytes; nullopt unless it is `size` pairs.
std::optional<Digest> ParsePairs(std::string_view text, size_t size) {
  if (size > EVP_MAX_MD_SIZE || text.size() != size * 3 - 1) return std::nullopt;
  Digest digest;
  digest.size = size;
  for (size_t i = 0; i < size; ++i) {
    const int high = HexValue(text[i * 3]);
    const int low = HexValue(text[i * 3 + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    if (i + 1 < size && text[i * 3 + 2] != ':') return std::nullopt;
    digest.bytes[i] = static_cast<uint8_t>(high * 16 + low);
  }
  return digest;
}

std::optional<Digest> DigestCertificate(const X509& certificate, FingerprintAlgorithm algorithm) {
  const EVP_MD* md = DigestOf(algorithm);
  if (md == nullptr) return std::nullopt;
  Digest digest;
  unsigned int size = 0;
  if (X509_digest(&certificate, md, digest.bytes.data(), &size) != 1) return std::nullopt;
  digest.size = size;
  return digest;
}

}  // namespace

std::string_view ToString(FingerprintAlgorithm algorithm) { return FingerprintName(algorithm); }

Status CheckFingerprint(const DtlsFingerprint& fingerprint) {
  const EVP_MD* md = DigestOf(fingerprint.algorithm);
  if (md == nullptr) {
    return TypeError(fmt::format("fingerprint algorithm {} is unknown: use {}",
                                 static_cast<int>(fingerprint.algorithm), kFingerprintList));
  }
  const auto size = static_cast<size_t>(EVP_MD_get_size(md));
  if (ParsePairs(fingerprint.value, size)) return absl::OkStatus();
  return TypeError(fmt::format(
      "fingerprint value \"{}\" is not a {} digest: it must be {} pairs of hex digits with colons "
      "between them",
      fingerprint.value, ToString(fingerprint.algorithm), size));
}

Result<DtlsFingerprint> MakeFingerprint(const X509& certificate, FingerprintAlgorithm algorithm) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  const std::optional<Digest> digest = DigestCertificate(certificate, algorithm);
  if (!digest) {
    return Error(
        fmt::format("cannot make the {} fingerprint of the DTLS certificate", ToString(algorithm)));
  }
  DtlsFingerprint fingerprint{algorithm, {}};
  fingerprint.value.reserve(digest->size * 3);
  for (size_t i = 0; i < digest->size; ++i) {
    if (i > 0) fingerprint.value.push_back(':');
    fingerprint.value.push_back(kHex[digest->bytes[i] >> 4]);
    fingerprint.value.push_back(kHex[digest->bytes[i] & 0x0f]);
  }
  return fingerprint;
}

bool MatchesFingerprint(const X509& certificate, const DtlsFingerprint& fingerprint) {
  const std::optional<Digest> actual = DigestCertificate(certificate, fingerprint.algorithm);
  if (!actual) return false;
  const std::optional<Digest> wanted = ParsePairs(fingerprint.value, actual->size);
  return wanted && CRYPTO_memcmp(actual->bytes.data(), wanted->bytes.data(), actual->size) == 0;
}

}  // namespace sluice::worker
