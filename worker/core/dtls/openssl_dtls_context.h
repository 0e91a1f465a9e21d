#pragma once

#include <memory>
#include <vector>

#include "worker/core/dtls/datagram_bio.h"
#include "worker/core/dtls/dtls_session.h"
#include "worker/core/dtls/openssl_ptr.h"

namespace sluice::worker {

/// DtlsContext over OpenSSL: settings that all sessions of a worker share.
class OpenSslDtlsContext final : public DtlsContext {
 public:
  static constexpr const char* kCiphers = "ECDHE+AESGCM:ECDHE+CHACHA20";
  static constexpr const char* kGroups = "X25519:P-256:P-384";
  /// In our order of preference; a server of OpenSSL goes by its own list.
  static constexpr const char* kSrtpProfiles =
      "SRTP_AEAD_AES_128_GCM:SRTP_AEAD_AES_256_GCM:SRTP_AES128_CM_SHA1_80";
  /// Largest certificate message taken: those of browsers have 300 to 1500 bytes.
  static constexpr long kMaxCertificateList = 32 * 1024;

  static Result<std::shared_ptr<DtlsContext>> Make(X509Ptr certificate, EvpKeyPtr key);

  const std::vector<DtlsFingerprint>& fingerprints() const override { return fingerprints_; }
  SSL_CTX* ssl_ctx() const { return ssl_ctx_.get(); }
  const BIO_METHOD& bio_method() const { return *bio_method_; }

 private:
  OpenSslDtlsContext() = default;
  Status Configure();

  X509Ptr certificate_;
  EvpKeyPtr key_;
  SslCtxPtr ssl_ctx_;
  BioMethodPtr bio_method_;
  std::vector<DtlsFingerprint> fingerprints_;
};

}  // namespace sluice::worker
