#include "worker/core/dtls/openssl_dtls_context.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>

#include <array>
#include <utility>

#include "worker/core/dtls/dtls_fingerprint.h"
#include "worker/core/dtls/openssl_dtls_session.h"

namespace sluice::worker {
namespace {

constexpr long kSecondsPerDay = 24 * 60 * 60;
constexpr int kValidDays = 3650;     // ten years: a worker does not live longer
constexpr size_t kNameBytes = 8;     // common name, 16 hex digits
constexpr size_t kSerialBytes = 16;  // RFC 5280 §4.1.2.2 allows 20
/// Bits of security that the key of a certificate must give, whatever the machine's OpenSSL is
/// configured to: RSA 2048, or EC P-224 (NIST SP 800-57 part 1, table 2; browsers ask no less).
constexpr int kMinSecurityBits = 112;

Status OpenSslError(std::string_view what) {
  return Error(fmt::format("{}: {}", what, TakeOpenSslError()));
}

/// A terminal must never be asked for the pass phrase of a key.
int NoPassPhrase(char*, int, int, void*) { return -1; }

Status SetNameAndSerial(X509& certificate) {
  std::array<uint8_t, kNameBytes + kSerialBytes> random{};
  if (RAND_bytes(random.data(), static_cast<int>(random.size())) != 1)
    return OpenSslError("no random bytes for the DTLS certificate");
  std::string common_name;
  for (size_t i = 0; i < kNameBytes; ++i) common_name += fmt::format("{:02x}", random[i]);
  random[kNameBytes] &= 0x7f;  // a serial number is positive
  BIGNUM* serial = BN_bin2bn(random.data() + kNameBytes, kSerialBytes, nullptr);
  const bool serial_set =
      serial != nullptr &&
      BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(&certificate)) != nullptr;
  BN_free(serial);
  X509_NAME* name = X509_get_subject_name(&certificate);
  if (!serial_set ||
      X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                 reinterpret_cast<const unsigned char*>(common_name.c_str()), -1,
                                 -1, 0) != 1 ||
      X509_set_issuer_name(&certificate, name) != 1) {
    return OpenSslError("cannot name the DTLS certificate");
  }
  return absl::OkStatus();
}

Result<X509Ptr> SelfSign(EVP_PKEY& key) {
  constexpr long kVersion3 = 2;
  X509Ptr certificate(X509_new());
  if (!certificate || X509_set_version(certificate.get(), kVersion3) != 1)
    return OpenSslError("cannot make a DTLS certificate");
  SLUICE_RETURN_IF_ERROR(SetNameAndSerial(*certificate));
  // A day into the past, for peers whose clock is behind.
  if (X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -kSecondsPerDay) == nullptr ||
      X509_time_adj_ex(X509_getm_notAfter(certificate.get()), kValidDays, 0, nullptr) == nullptr ||
      X509_set_pubkey(certificate.get(), &key) != 1 ||
      X509_sign(certificate.get(), &key, EVP_sha256()) == 0) {
    return OpenSslError("cannot sign the DTLS certificate");
  }
  return certificate;
}

Status CheckKeyStrength(const EVP_PKEY& key, const std::string& file) {
  if (EVP_PKEY_get_security_bits(&key) >= kMinSecurityBits) return absl::OkStatus();
  return Error(fmt::format(
      "the DTLS certificate file \"{}\" has an {} key of {} bits, which is too weak: RSA "
      "needs 2048 bits at least, EC 224",
      file, EVP_PKEY_get0_type_name(&key), EVP_PKEY_get_bits(&key)));
}

Result<BioPtr> OpenFile(const char* what, const std::string& path) {
  ERR_clear_error();
  BioPtr file(BIO_new_file(path.c_str(), "r"));
  if (!file) {
    return OpenSslError(fmt::format("cannot open the DTLS {} file \"{}\"", what, path));
  }
  return file;
}

/// Runs instead of OpenSSL's chain verification: certificates are self-signed, only the fingerprint
/// counts, and walking a hostile chain costs time.
int VerifyCertificate(X509_STORE_CTX* store, void*) {
  const auto* ssl = static_cast<const SSL*>(
      X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  auto* session = static_cast<OpenSslDtlsSession*>(SSL_get_app_data(ssl));
  const X509* leaf = X509_STORE_CTX_get0_cert(store);
  if (leaf != nullptr && session != nullptr && session->AcceptsCertificate(*leaf)) {
    X509_STORE_CTX_set_error(store, X509_V_OK);
    return 1;
  }
  X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
  return 0;
}

}  // namespace

Result<std::shared_ptr<DtlsContext>> DtlsContext::Generate() {
  EvpKeyPtr key(EVP_EC_gen("P-256"));
  if (!key) return OpenSslError("cannot make an EC P-256 key for DTLS");
  Result<X509Ptr> certificate = SelfSign(*key);
  if (!certificate.ok()) return certificate.status();
  return OpenSslDtlsContext::Make(*std::move(certificate), std::move(key));
}

Result<std::shared_ptr<DtlsContext>> DtlsContext::FromFiles(const std::string& certificate_file,
                                                            const std::string& private_key_file) {
  Result<BioPtr> file = OpenFile("certificate", certificate_file);
  if (!file.ok()) return file.status();
  X509Ptr certificate(PEM_read_bio_X509(file->get(), nullptr, NoPassPhrase, nullptr));
  if (!certificate) {
    return OpenSslError(fmt::format(
        "the DTLS certificate file \"{}\" must hold a certificate in PEM", certificate_file));
  }
  const EVP_PKEY* const public_key = X509_get0_pubkey(certificate.get());
  if (public_key == nullptr) {
    return OpenSslError(fmt::format("the DTLS certificate file \"{}\" has a key of no known kind",
                                    certificate_file));
  }
  SLUICE_RETURN_IF_ERROR(CheckKeyStrength(*public_key, certificate_file));
  file = OpenFile("private key", private_key_file);
  if (!file.ok()) return file.status();
  EvpKeyPtr key(PEM_read_bio_PrivateKey(file->get(), nullptr, NoPassPhrase, nullptr));
  if (!key) {
    return OpenSslError(fmt::format(
        "the DTLS private key file \"{}\" must hold a private key in PEM without pass phrase",
        private_key_file));
  }
  if (X509_check_private_key(certificate.get(), key.get()) != 1) {
    return OpenSslError(
        fmt::format("the DTLS private key in \"{}\" is not the one of the certificate in \"{}\"",
                    private_key_file, certificate_file));
  }
  auto context = OpenSslDtlsContext::Make(std::move(certificate), std::move(key));
  if (!context.ok()) {
    return Error(fmt::format("the DTLS certificate file \"{}\": {}", certificate_file,
                             std::string(context.status().message())));
  }
  return context;
}

Result<std::shared_ptr<DtlsContext>> OpenSslDtlsContext::Make(X509Ptr certificate, EvpKeyPtr key) {
  auto context = std::shared_ptr<OpenSslDtlsContext>(new OpenSslDtlsContext());
  context->certificate_ = std::move(certificate);
  context->key_ = std::move(key);
  SLUICE_RETURN_IF_ERROR(context->Configure());
  return std::shared_ptr<DtlsContext>(std::move(context));
}

Status OpenSslDtlsContext::Configure() {
  ERR_clear_error();
  bio_method_ = MakeDatagramBioMethod();
  ssl_ctx_.reset(SSL_CTX_new(DTLS_method()));
  SSL_CTX* ctx = ssl_ctx_.get();
  if (!bio_method_ || ctx == nullptr) return OpenSslError("cannot make a DTLS context");
  if (SSL_CTX_set_min_proto_version(ctx, DTLS1_2_VERSION) != 1 ||
      SSL_CTX_set_cipher_list(ctx, kCiphers) != 1 || SSL_CTX_set1_groups_list(ctx, kGroups) != 1 ||
      SSL_CTX_set_tlsext_use_srtp(ctx, kSrtpProfiles) != 0) {  // 0 is success, here alone
    return OpenSslError("cannot configure DTLS");
  }
  if (SSL_CTX_use_certificate(ctx, certificate_.get()) != 1 ||
      SSL_CTX_use_PrivateKey(ctx, key_.get()) != 1) {
    return OpenSslError("cannot use the DTLS certificate and its key");
  }
  SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  SSL_CTX_set_cert_verify_callback(ctx, VerifyCertificate, nullptr);
  SSL_CTX_set_max_cert_list(ctx, kMaxCertificateList);
  SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_QUERY_MTU | SSL_OP_NO_TICKET |
                               SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_max_send_fragment(ctx, DtlsSession::kMtu);  // sizes the write buffer
  for (const auto algorithm :
       {FingerprintAlgorithm::kSha1, FingerprintAlgorithm::kSha224, FingerprintAlgorithm::kSha256,
        FingerprintAlgorithm::kSha384, FingerprintAlgorithm::kSha512}) {
    Result<DtlsFingerprint> fingerprint = MakeFingerprint(*certificate_, algorithm);
    if (!fingerprint.ok()) return fingerprint.status();
    fingerprints_.push_back(*std::move(fingerprint));
  }
  return absl::OkStatus();
}

}  // namespace sluice::worker
