// Our certificate: docs/protocols/ice-dtls-srtp.md §4; the MTU with a large one.
#include "tests/unit/dtls/certificate_files.h"

namespace sluice::worker {

namespace {

Result<std::shared_ptr<DtlsContext>> Load(const CertificateFiles& files) {
  return DtlsContext::FromFiles(files.certificate.path(), files.key.path());
}

std::shared_ptr<DtlsContext> LoadWithFiller(size_t filler_bytes) {
  auto context = Load(CertificateFiles(EvpKeyPtr(RawPeer::EcKey()), filler_bytes));
  REQUIRE(context.ok());
  return *context;
}

std::string ErrorOf(const Result<std::shared_ptr<DtlsContext>>& result) {
  REQUIRE_FALSE(result.ok());
  return std::string(result.status().message());
}

}  // namespace

TEST_CASE("a generated certificate: EC P-256, a day old, ten years valid, its own names") {
  DtlsPair pair;
  pair.Connect();
  const BioPtr memory(BIO_new_mem_buf(pair.server.remote_pem.data(), -1));
  const X509Ptr certificate(PEM_read_bio_X509(memory.get(), nullptr, nullptr, nullptr));
  REQUIRE(certificate);
  char group[32] = {};
  EVP_PKEY_get_group_name(X509_get0_pubkey(certificate.get()), group, sizeof(group), nullptr);
  CHECK(std::string(group) == "prime256v1");
  int days = 0;
  int seconds = 0;
  ASN1_TIME_diff(&days, &seconds, X509_get0_notBefore(certificate.get()), nullptr);
  CHECK(days == 1);
  ASN1_TIME_diff(&days, &seconds, nullptr, X509_get0_notAfter(certificate.get()));
  CHECK(days >= 3649);
  CHECK(X509_verify(certificate.get(), X509_get0_pubkey(certificate.get())) == 1);
  char name[64] = {};
  X509_NAME_get_text_by_NID(X509_get_subject_name(certificate.get()), NID_commonName, name,
                            sizeof(name));
  CHECK(std::string(name).size() == 16);
  CHECK(MakeDtlsContext()->fingerprints()[2].value != MakeDtlsContext()->fingerprints()[2].value);
}

TEST_CASE("fingerprints come in order with their lengths") {
  const auto& fingerprints = SharedDtlsContext(0)->fingerprints();
  REQUIRE(fingerprints.size() == 5);
  const size_t sizes[] = {20, 28, 32, 48, 64};
  for (size_t i = 0; i < 5; ++i) CHECK(fingerprints[i].value.size() == sizes[i] * 3 - 1);
}

TEST_CASE("every datagram stays within the MTU with certificates of any size on our side") {
  // The sizes move the end of the flight, and with it the Finished message, over the MTU's edge.
  for (size_t filler = 0; filler <= 1300; filler += 13) {
    const auto context = LoadWithFiller(filler);
    DtlsPair pair(1, {}, context, context);
    pair.Connect();  // DtlsEnd checks each datagram
  }
  const auto large = LoadWithFiller(9000);
  DtlsNetwork network;
  network.loss = 5;
  network.duplicate = 20;
  network.max_delay_ms = 60;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    DtlsPair pair(seed, network, large, large);
    pair.Connect();
    CHECK(pair.server.sent >= 9);
  }
}

TEST_CASE("a path that drops what is larger than the MTU does not matter") {
  DtlsPair pair;
  const auto black_hole = [&](DtlsEnd* to) {
    return [&pair, to](Bytes datagram) {
      if (datagram.size() <= DtlsSession::kMtu) pair.Carry(std::move(datagram), to);
    };
  };
  pair.client.send = black_hole(&pair.server);
  pair.server.send = black_hole(&pair.client);
  pair.Connect();
}

TEST_CASE("errors of certificate files name the file and what is wrong") {
  const EvpKeyPtr key(RawPeer::EcKey());
  const CertificateFiles files(key);
  const CertificateFiles other{EvpKeyPtr(RawPeer::EcKey())};
  const std::string& certificate_file = files.certificate.path();
  const auto error = [&](const std::string& key_file) {
    return ErrorOf(DtlsContext::FromFiles(certificate_file, key_file));
  };
  CHECK_THAT(ErrorOf(DtlsContext::FromFiles("/nonexistent/c.pem", files.key.path())),
             Catch::StartsWith("cannot open the DTLS certificate file \"/nonexistent/c.pem\""));
  CHECK_THAT(error("/nonexistent/k.pem"),
             Catch::StartsWith("cannot open the DTLS private key file \"/nonexistent/k.pem\""));
  CHECK_THAT(error(certificate_file), Catch::Contains("must hold a private key in PEM"));
  CHECK_THAT(error(other.key.path()), Catch::Contains("is not the one of the certificate"));
  files.key.Write(CertificateFiles::Pem([&](BIO* out) {
    PEM_write_bio_PrivateKey(out, key.get(), EVP_aes_128_cbc(),
                             reinterpret_cast<const unsigned char*>("pass"), 4, nullptr, nullptr);
  }));
  CHECK_THAT(error(files.key.path()), Catch::Contains("without pass phrase"));
  files.certificate.Write("not a certificate");
  CHECK_THAT(error(files.key.path()), Catch::Contains("must hold a certificate in PEM"));
}

TEST_CASE("a weak key is refused with its file, its size and the least size") {
  const CertificateFiles weak(EvpKeyPtr(RawPeer::RsaKey(1024)));
  const std::string error = ErrorOf(Load(weak));
  CHECK_THAT(error, Catch::Contains(weak.certificate.path() + "\" has an RSA key of 1024 bits"));
  CHECK_THAT(error, Catch::Contains("2048"));
  CHECK(Load(CertificateFiles(EvpKeyPtr(RawPeer::RsaKey(2048)))).ok());
}

}  // namespace sluice::worker
