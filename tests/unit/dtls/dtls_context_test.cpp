// Our certificate: router-protocol §5.4; the MTU with a large one.
#include <openssl/pem.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "tests/unit/dtls/raw_peer.h"

namespace sluice {

namespace {

/// A file of the test's own, removed with it.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& name)
      : path_((std::filesystem::temp_directory_path() /
               ("sluice-dtls-test-" + std::to_string(reinterpret_cast<uintptr_t>(this)) + name))
                  .string()) {}
  ~TemporaryFile() { std::filesystem::remove(path_); }
  const std::string& path() const { return path_; }
  void Write(const std::string& text) const { std::ofstream(path_) << text; }
  template <typename F>
  void WritePem(F write) const {
    std::FILE* file = std::fopen(path_.c_str(), "w");
    REQUIRE(file != nullptr);
    write(file);
    std::fclose(file);
  }

 private:
  std::string path_;
};

std::shared_ptr<DtlsContext> LoadWithFiller(size_t filler_bytes) {
  const TemporaryFile certificate_file("cert.pem");
  const TemporaryFile key_file("key.pem");
  const EvpKeyPtr key(RawPeer::EcKey());
  const X509Ptr certificate = MakeCertificate(key.get(), filler_bytes);
  certificate_file.WritePem([&](std::FILE* f) { PEM_write_X509(f, certificate.get()); });
  key_file.WritePem([&](std::FILE* f) {
    PEM_write_PrivateKey(f, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  });
  auto context = DtlsContext::FromFiles(certificate_file.path(), key_file.path());
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
  const TemporaryFile certificate_file("cert.pem");
  const TemporaryFile key_file("key.pem");
  CHECK(ErrorOf(DtlsContext::FromFiles("/nonexistent/c.pem", "/nonexistent/k.pem"))
            .find("cannot open the DTLS certificate file \"/nonexistent/c.pem\"") == 0);
  certificate_file.Write("not a certificate");
  CHECK(ErrorOf(DtlsContext::FromFiles(certificate_file.path(), key_file.path()))
            .find("must hold a certificate in PEM") != std::string::npos);
  const EvpKeyPtr key(RawPeer::EcKey());
  const EvpKeyPtr other(RawPeer::EcKey());
  const X509Ptr certificate = MakeCertificate(key.get());
  certificate_file.WritePem([&](std::FILE* f) { PEM_write_X509(f, certificate.get()); });
  CHECK(ErrorOf(DtlsContext::FromFiles(certificate_file.path(), "/nonexistent/k.pem"))
            .find("cannot open the DTLS private key file") == 0);
  key_file.Write("not a key");
  CHECK(ErrorOf(DtlsContext::FromFiles(certificate_file.path(), key_file.path()))
            .find("must hold a private key in PEM") != std::string::npos);
  key_file.WritePem([&](std::FILE* f) {
    PEM_write_PrivateKey(f, key.get(), EVP_aes_128_cbc(),
                         reinterpret_cast<const unsigned char*>("pass"), 4, nullptr, nullptr);
  });
  CHECK(ErrorOf(DtlsContext::FromFiles(certificate_file.path(), key_file.path()))
            .find("without pass phrase") != std::string::npos);
  key_file.WritePem([&](std::FILE* f) {
    PEM_write_PrivateKey(f, other.get(), nullptr, nullptr, 0, nullptr, nullptr);
  });
  CHECK(ErrorOf(DtlsContext::FromFiles(certificate_file.path(), key_file.path()))
            .find("is not the one of the certificate") != std::string::npos);
}

}  // namespace sluice
