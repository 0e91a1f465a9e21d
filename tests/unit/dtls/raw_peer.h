#pragma once

#include <catch2/catch.hpp>
#include <functional>
#include <vector>

#include "tests/unit/dtls/dtls_pair.h"
#include "worker/core/dtls/datagram_bio.h"

namespace sluice::worker {

/// A bare OpenSSL endpoint that can be set up as no DtlsSession would be. Its writes reach the
/// other side at once; it never retransmits. `srtp_profiles` null: it does not offer use_srtp.
class RawPeer final : public DatagramBioPeer {
 public:
  explicit RawPeer(bool client, const std::function<void(SSL_CTX*)>& configure,
                   const char* srtp_profiles = "SRTP_AES128_CM_SHA1_80:SRTP_AEAD_AES_128_GCM")
      : method_(MakeDatagramBioMethod()), ctx_(SSL_CTX_new(DTLS_method())) {
    SSL_CTX_set_verify(ctx_.get(), SSL_VERIFY_PEER, [](int, X509_STORE_CTX*) { return 1; });
    SSL_CTX_set_security_level(ctx_.get(), 0);
    if (srtp_profiles != nullptr) SSL_CTX_set_tlsext_use_srtp(ctx_.get(), srtp_profiles);
    SSL_CTX_set_options(ctx_.get(), SSL_OP_NO_QUERY_MTU);
    configure(ctx_.get());
    ssl_.reset(SSL_new(ctx_.get()));
    BIO* bio = NewDatagramBio(*method_, *this);
    SSL_set_bio(ssl_.get(), bio, bio);
    SSL_set_mtu(ssl_.get(), 1100);
    client ? SSL_set_connect_state(ssl_.get()) : SSL_set_accept_state(ssl_.get());
  }

  /// Makes its own certificate with a key of this kind.
  static std::function<void(SSL_CTX*)> WithKey(EVP_PKEY* key, size_t filler_bytes = 0);
  static EVP_PKEY* EcKey() { return EVP_EC_gen("P-256"); }
  static EVP_PKEY* RsaKey(size_t bits) { return EVP_RSA_gen(bits); }

  /// Runs the handshake with `session` until neither has anything to say.
  void Run(DtlsEnd& other) {
    Attach(other);
    Exchange(other);
    for (int round = 0; round < 20; ++round) {
      SSL_do_handshake(ssl_.get());
      Exchange(other);
      if (to_us_.empty() && incoming_.empty()) break;
    }
  }
  /// Has what `other` sends come here.
  void Attach(DtlsEnd& other) {
    other.send = [this](Bytes datagram) { to_us_.push_back(std::move(datagram)); };
  }
  /// Carries what both have to say, once.
  void Exchange(DtlsEnd& other) {
    auto out = std::exchange(to_them_, {});
    for (const Bytes& datagram : out) other.session->OnDatagram(datagram);
    for (Bytes& datagram : std::exchange(to_us_, {})) incoming_.push_back(std::move(datagram));
  }
  int Read() {
    uint8_t buffer[4096];
    return SSL_read(ssl_.get(), buffer, sizeof(buffer));
  }
  bool finished() const { return SSL_is_init_finished(ssl_.get()); }
  SSL* ssl() { return ssl_.get(); }

  std::span<const uint8_t> TakeIncoming() override {
    if (incoming_.empty()) return {};
    reading_ = std::move(incoming_.front());
    incoming_.erase(incoming_.begin());
    return reading_;
  }
  void OnOutgoing(std::span<const uint8_t> records) override {
    to_them_.emplace_back(records.begin(), records.end());
  }
  void OnFlightTimer(timeval*) override {}

  std::vector<Bytes> to_them_;

 private:
  BioMethodPtr method_;
  SslCtxPtr ctx_;
  std::vector<Bytes> to_us_;
  std::vector<Bytes> incoming_;
  Bytes reading_;
  SslPtr ssl_;
};

/// A self-signed certificate, padded by `filler_bytes` of comment.
inline X509Ptr MakeCertificate(EVP_PKEY* key, size_t filler_bytes = 0) {
  X509Ptr certificate(X509_new());
  X509_set_version(certificate.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
  X509_set_pubkey(certificate.get(), key);
  if (filler_bytes > 0) {
    ASN1_OCTET_STRING* value = ASN1_OCTET_STRING_new();
    const Bytes filler(filler_bytes, 0x5a);
    ASN1_OCTET_STRING_set(value, filler.data(), static_cast<int>(filler.size()));
    ASN1_OBJECT* object = OBJ_txt2obj("1.3.6.1.4.1.99999.1", 1);
    X509_EXTENSION* extension = X509_EXTENSION_create_by_OBJ(nullptr, object, 0, value);
    X509_add_ext(certificate.get(), extension, -1);
    X509_EXTENSION_free(extension);
    ASN1_OBJECT_free(object);
    ASN1_OCTET_STRING_free(value);
  }
  X509_sign(certificate.get(), key, EVP_sha256());
  return certificate;
}

inline std::function<void(SSL_CTX*)> RawPeer::WithKey(EVP_PKEY* key, size_t filler_bytes) {
  return [key, filler_bytes](SSL_CTX* ctx) {
    const X509Ptr certificate = MakeCertificate(key, filler_bytes);
    SSL_CTX_use_certificate(ctx, certificate.get());
    SSL_CTX_use_PrivateKey(ctx, key);
    EVP_PKEY_free(key);
  };
}

}  // namespace sluice::worker
