// Peers that are not ours.
#include <fmt/format.h>
#include <openssl/ec.h>
#include <openssl/srtp.h>

#include "tests/unit/dtls/raw_peer.h"

namespace sluice::worker {

using States = DtlsEnd::States;

namespace {

/// A session of ours against a raw peer, our side started in `role`.
struct Duel {
  explicit Duel(DtlsRole role, const std::function<void(SSL_CTX*)>& configure,
                const char* srtp_profiles = "SRTP_AES128_CM_SHA1_80:SRTP_AEAD_AES_128_GCM")
      : ours(SharedDtlsContext(0), environment),
        theirs(role == DtlsRole::kServer, configure, srtp_profiles) {
    theirs.Attach(ours);
    ours.session->Start(role);
    theirs.Run(ours);
  }
  /// Takes their certificate for the announced one.
  void Believe() {
    const X509* certificate = SSL_get_certificate(theirs.ssl());
    REQUIRE(certificate != nullptr);
    Bytes digest(32);
    X509_digest(certificate, EVP_sha256(), digest.data(), nullptr);
    std::string text;
    for (const uint8_t byte : digest)
      text += fmt::format("{}{:02x}", text.empty() ? "" : ":", byte);
    ours.session->SetRemoteFingerprint({FingerprintAlgorithm::kSha256, text});
  }

  VirtualEnvironment environment;
  DtlsEnd ours;
  RawPeer theirs;
};

}  // namespace

TEST_CASE("as a server we choose the SRTP profile by our order, not the client's") {
  const auto chosen = [&](const char* profiles) {
    Duel duel(DtlsRole::kServer, RawPeer::WithKey(RawPeer::EcKey()), profiles);
    duel.Believe();
    REQUIRE(duel.ours.connected());
    return duel.ours.local_key.profile;
  };
  CHECK(chosen("SRTP_AES128_CM_SHA1_80:SRTP_AEAD_AES_256_GCM:SRTP_AEAD_AES_128_GCM") ==
        SrtpProfile::kAeadAes128Gcm);
  CHECK(chosen("SRTP_AES128_CM_SHA1_80:SRTP_AEAD_AES_256_GCM") == SrtpProfile::kAeadAes256Gcm);
  CHECK(chosen("SRTP_AES128_CM_SHA1_32:SRTP_AES128_CM_SHA1_80") ==
        SrtpProfile::kAesCm128HmacSha1_80);
}

TEST_CASE("as a client we take whichever of our profiles the server picks, with its key lengths") {
  for (const auto& [name, profile] :
       {std::pair{"SRTP_AEAD_AES_256_GCM", SrtpProfile::kAeadAes256Gcm},
        std::pair{"SRTP_AES128_CM_SHA1_80", SrtpProfile::kAesCm128HmacSha1_80}}) {
    Duel duel(DtlsRole::kClient, RawPeer::WithKey(RawPeer::EcKey()), name);
    duel.Believe();
    REQUIRE(duel.ours.connected());
    CHECK(duel.ours.local_key.profile == profile);
    CHECK(duel.ours.local_key.key_and_salt.size() ==
          SrtpKeyLength(profile) + SrtpSaltLength(profile));
    // The exporter's block is client key, server key, client salt, server salt.
    Bytes block(2 * duel.ours.local_key.key_and_salt.size());
    SSL_export_keying_material(duel.theirs.ssl(), block.data(), block.size(), "EXTRACTOR-dtls_srtp",
                               19, nullptr, 0, 0);
    const size_t key = SrtpKeyLength(profile);
    CHECK(std::equal(block.begin(), block.begin() + static_cast<std::ptrdiff_t>(key),
                     duel.ours.local_key.key_and_salt.begin()));
    CHECK(std::equal(block.end() - static_cast<std::ptrdiff_t>(SrtpSaltLength(profile)),
                     block.end(),
                     duel.ours.remote_key.key_and_salt.begin() + static_cast<std::ptrdiff_t>(key)));
  }
}

TEST_CASE("no SRTP profile in common fails, in both roles") {
  for (const DtlsRole role : {DtlsRole::kServer, DtlsRole::kClient}) {
    for (const char* profiles : {static_cast<const char*>(nullptr), "SRTP_AES128_CM_SHA1_32"}) {
      Duel duel(role, RawPeer::WithKey(RawPeer::EcKey()), profiles);
      CHECK(duel.ours.states == States{DtlsState::kConnecting, DtlsState::kFailed});
    }
  }
}

TEST_CASE("a client without a certificate is refused") {
  Duel duel(DtlsRole::kServer, [](SSL_CTX*) {});
  CHECK(duel.ours.states == States{DtlsState::kConnecting, DtlsState::kFailed});
}

TEST_CASE("DTLS 1.0 is refused in both roles") {
  for (const DtlsRole role : {DtlsRole::kServer, DtlsRole::kClient}) {
    Duel duel(role, [](SSL_CTX* ctx) {
      RawPeer::WithKey(RawPeer::EcKey())(ctx);
      SSL_CTX_set_min_proto_version(ctx, DTLS1_VERSION);
      SSL_CTX_set_max_proto_version(ctx, DTLS1_VERSION);
      SSL_CTX_set_cipher_list(ctx, "ALL:@SECLEVEL=0");
    });
    CHECK_FALSE(duel.theirs.finished());
    CHECK(duel.ours.states == States{DtlsState::kConnecting});  // a better one may come
    duel.environment.AdvanceBy(DtlsSession::kAlertGrace);
    CHECK(duel.ours.states == States{DtlsState::kConnecting, DtlsState::kFailed});
  }
}

TEST_CASE("ciphers without encryption, forward secrecy or AEAD are refused") {
  for (const char* ciphers : {"eNULL:@SECLEVEL=0", "kRSA:@SECLEVEL=0", "ECDHE+SHA1:@SECLEVEL=0"}) {
    Duel duel(DtlsRole::kServer, [ciphers](SSL_CTX* ctx) {
      RawPeer::WithKey(RawPeer::EcKey())(ctx);
      SSL_CTX_set_cipher_list(ctx, ciphers);
    });
    duel.environment.AdvanceBy(DtlsSession::kAlertGrace);
    CHECK(duel.ours.states.back() == DtlsState::kFailed);
    CHECK(duel.ours.session->stats().refused_hellos == 1);
  }
}

TEST_CASE("RSA certificates of 2048 bits are taken, of 512 bits never") {
  Duel good(DtlsRole::kServer, RawPeer::WithKey(RawPeer::RsaKey(2048)));
  good.Believe();
  CHECK(good.ours.connected());
  Duel weak(DtlsRole::kServer, RawPeer::WithKey(RawPeer::RsaKey(512)));
  CHECK(weak.ours.states.back() == DtlsState::kFailed);
}

TEST_CASE("a key with explicit curve parameters neither hangs nor connects unverified") {
  Duel duel(DtlsRole::kServer, [](SSL_CTX* ctx) {
    EVP_PKEY* key = RawPeer::EcKey();
    EVP_PKEY_set_utf8_string_param(key, "encoding", "explicit");
    RawPeer::WithKey(key)(ctx);
  });
  CHECK_FALSE(duel.ours.connected());
}

TEST_CASE("a large certificate of the peer arrives in fragments, one over the limit is refused") {
  Duel large(DtlsRole::kServer, RawPeer::WithKey(RawPeer::EcKey(), 20'000));
  large.Believe();
  CHECK(large.ours.connected());
  Duel huge(DtlsRole::kServer, RawPeer::WithKey(RawPeer::EcKey(), 60'000));
  huge.environment.AdvanceBy(Duration::Seconds(31));
  CHECK(huge.ours.states.back() == DtlsState::kFailed);
}

TEST_CASE("a chain of certificates costs what it weighs, and over the limit is refused") {
  const auto chain = [](int count) {
    return [count](SSL_CTX* ctx) {
      RawPeer::WithKey(RawPeer::EcKey(), 300)(ctx);
      X509* const own = SSL_CTX_get0_certificate(ctx);
      for (int i = 0; i < count; ++i) SSL_CTX_add1_chain_cert(ctx, own);
    };
  };
  Duel some(DtlsRole::kServer, chain(10));
  some.Believe();
  CHECK(some.ours.connected());
  Duel hundred(DtlsRole::kServer, chain(100));  // some 60 KB
  hundred.environment.AdvanceBy(Duration::Seconds(31));
  CHECK(hundred.ours.states.back() == DtlsState::kFailed);
}

TEST_CASE("a peer's wish to renegotiate changes nothing") {
  for (const DtlsRole role : {DtlsRole::kServer, DtlsRole::kClient}) {
    Duel duel(role, RawPeer::WithKey(RawPeer::EcKey()));
    duel.Believe();
    REQUIRE(duel.ours.connected());
    SSL_renegotiate(duel.theirs.ssl());
    SSL_do_handshake(duel.theirs.ssl());
    duel.theirs.Exchange(duel.ours);  // their wish, our warning alert
    CHECK(duel.ours.connected());
    CHECK(duel.ours.states.size() == 2);
  }
}

TEST_CASE("a peer's close_notify is answered, its fatal alert ends the session") {
  Duel polite(DtlsRole::kServer, RawPeer::WithKey(RawPeer::EcKey()));
  polite.Believe();
  SSL_shutdown(polite.theirs.ssl());
  polite.theirs.Exchange(polite.ours);
  CHECK(polite.ours.states.back() == DtlsState::kClosed);
  CHECK(SSL_shutdown(polite.theirs.ssl()) == 1);  // theirs and ours have crossed
}

TEST_CASE("a ClientHello of 1413 bytes in two datagrams, fragments late, twice and reversed") {
  const auto grown = [](SSL_CTX* ctx) {
    RawPeer::WithKey(RawPeer::EcKey())(ctx);
    // What makes Chromium's large are key shares: here a list of protocols does.
    Bytes protocols;
    for (int i = 0; i < 6; ++i) {
      protocols.push_back(200);
      protocols.insert(protocols.end(), 200, static_cast<uint8_t>('a' + i));
    }
    SSL_CTX_set_alpn_protos(ctx, protocols.data(), static_cast<unsigned int>(protocols.size()));
  };
  for (const bool reversed : {false, true}) {
    VirtualEnvironment environment;
    DtlsEnd ours(SharedDtlsContext(0), environment);
    RawPeer theirs(true, grown);
    ours.session->Start(DtlsRole::kServer);
    SSL_do_handshake(theirs.ssl());
    REQUIRE(theirs.to_them_.size() == 2);
    const Bytes first = theirs.to_them_[0];
    if (reversed) std::swap(theirs.to_them_[0], theirs.to_them_[1]);
    theirs.to_them_.push_back(first);
    theirs.Run(ours);
    CHECK(theirs.finished());
  }
}

TEST_CASE("lying fragments of a ClientHello are survived") {
  const auto record = [](Bytes handshake) {
    Bytes bytes = {22,
                   0xfe,
                   0xfd,
                   0,
                   0,
                   0,
                   0,
                   0,
                   0,
                   0,
                   1,
                   static_cast<uint8_t>(handshake.size() >> 8),
                   static_cast<uint8_t>(handshake.size())};
    bytes.insert(bytes.end(), handshake.begin(), handshake.end());
    return bytes;
  };
  const std::vector<Bytes> handshakes = {
      {1, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 1, 7},                  // 16 MiB announced
      {1, 0, 0, 10, 0, 0, 0, 0, 9, 0, 0, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9},  // beyond the total
      {1, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0, 0},                             // zero-length fragment
      {1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},                              // zero-length message
      {1, 0, 0, 10, 0xff, 0xff, 0, 0, 0, 0, 0, 1, 7},                    // far message_seq
      {14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},                             // ServerHelloDone
      {20, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0, 12, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12},  // Finished
  };
  for (const Bytes& handshake : handshakes) {
    VirtualEnvironment environment;
    DtlsEnd ours(SharedDtlsContext(0), environment);
    ours.session->Start(DtlsRole::kServer);
    for (int i = 0; i < 3; ++i) ours.session->OnDatagram(record(handshake));
    CHECK_FALSE(ours.connected());
    environment.AdvanceBy(Duration::Seconds(60));
  }
}

TEST_CASE("a ClientHello that we cannot answer does not keep a good one out") {
  VirtualEnvironment environment;
  DtlsEnd ours(SharedDtlsContext(0), environment);
  ours.session->Start(DtlsRole::kServer);
  for (int i = 0; i < 30; ++i) {
    RawPeer bad(true, [](SSL_CTX* ctx) {
      RawPeer::WithKey(RawPeer::EcKey())(ctx);
      SSL_CTX_set_cipher_list(ctx, "kRSA:@SECLEVEL=0");
    });
    SSL_do_handshake(bad.ssl());
    bad.Exchange(ours);
    environment.AdvanceBy(Duration::Millis(5));
  }
  // 30 in 150 ms, of which one in 20 ms is looked at.
  CHECK(ours.session->stats().refused_hellos >= 7);
  CHECK(ours.session->stats().refused_hellos <= 9);
  environment.AdvanceBy(Duration::Millis(20));
  RawPeer good(true, RawPeer::WithKey(RawPeer::EcKey()));
  good.Run(ours);
  CHECK(good.finished());
  environment.AdvanceBy(Duration::Seconds(60));
  CHECK(ours.states == States{DtlsState::kConnecting});  // and now waits for a fingerprint
}

TEST_CASE("a flood of ClientHellos into one session costs one flight") {
  VirtualEnvironment environment;
  DtlsEnd ours(SharedDtlsContext(0), environment);
  ours.session->Start(DtlsRole::kServer);
  for (int i = 0; i < 50; ++i) {
    RawPeer theirs(true, RawPeer::WithKey(RawPeer::EcKey()));
    SSL_do_handshake(theirs.ssl());
    theirs.Exchange(ours);
  }
  CHECK(ours.sent <= 2);
}

}  // namespace sluice::worker
