#pragma once

#include <openssl/pem.h>

#include <string>

#include "tests/temporary_file.h"
#include "tests/unit/dtls/raw_peer.h"

namespace sluice::worker {

/// Files as --dtlsCertificateFile and --dtlsPrivateKeyFile want them.
struct CertificateFiles {
  explicit CertificateFiles(const EvpKeyPtr& of, size_t filler_bytes = 0) {
    const X509Ptr made = MakeCertificate(of.get(), filler_bytes);
    certificate.Write(Pem([&](BIO* out) { PEM_write_bio_X509(out, made.get()); }));
    key.Write(Pem([&](BIO* out) {
      PEM_write_bio_PrivateKey(out, of.get(), nullptr, nullptr, 0, nullptr, nullptr);
    }));
  }

  template <typename F>
  static std::string Pem(F write) {
    const BioPtr memory(BIO_new(BIO_s_mem()));
    write(memory.get());
    char* text = nullptr;
    const long size = BIO_get_mem_data(memory.get(), &text);
    return {text, static_cast<size_t>(size)};
  }

  TemporaryFile certificate;
  TemporaryFile key;
};

}  // namespace sluice::worker
