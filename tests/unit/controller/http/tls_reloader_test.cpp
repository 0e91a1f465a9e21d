#include "controller/http/tls_reloader.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <memory>

namespace sluice::controller {
namespace {

namespace fs = std::filesystem;
using Outcome = TlsReloader::Outcome;

/// Two certificates with their keys: the one in use and one to replace it with.
struct CertificatesFixture {
  CertificatesFixture() {
    fs::remove_all(folder);
    files = *EnsureSelfSigned((folder / "used").string(), {});
    other = *EnsureSelfSigned((folder / "other").string(), {});
  }
  ~CertificatesFixture() { fs::remove_all(folder); }
  /// Puts a file in the place of another, as tools that renew certificates do.
  static void Replace(const std::string& path, const std::string& with) {
    fs::copy_file(with, path + ".tmp", fs::copy_options::overwrite_existing);
    fs::rename(path + ".tmp", path);
  }

  fs::path folder = fs::temp_directory_path() / "sluice-tls-reloader-test";
  TlsFiles files;
  TlsFiles other;
  int loaded = 0;
  TlsReloader MakeReloader() {
    return TlsReloader(files, [this](const auto& context) { loaded += context ? 1 : 0; });
  }
};

TEST_CASE_METHOD(CertificatesFixture, "TLS: changed files are noticed, unchanged ones left alone") {
  TlsReloader reloader = MakeReloader();
  CHECK(*reloader.Check(false) == Outcome::kUnchanged);
  CHECK(loaded == 0);
  Replace(files.key, other.key);
  Replace(files.certificate, other.certificate);
  CHECK(*reloader.Check(false) == Outcome::kLoaded);
  CHECK(*reloader.Check(false) == Outcome::kUnchanged);
  CHECK(loaded == 1);
  CHECK(*reloader.Check(true) == Outcome::kLoaded);
  CHECK(loaded == 2);
}

TEST_CASE_METHOD(CertificatesFixture, "TLS: files that cannot be used leave what is in use") {
  TlsReloader reloader = MakeReloader();
  // The certificate is new, its key not here yet.
  Replace(files.certificate, other.certificate);
  const auto half = reloader.Check(false);
  REQUIRE_FALSE(half.ok());
  CHECK(std::string(half.status().message()).find(files.key) != std::string::npos);
  CHECK(loaded == 0);
  // It is said once, not at every look.
  CHECK(*reloader.Check(false) == Outcome::kUnchanged);
  Replace(files.key, other.key);
  CHECK(*reloader.Check(false) == Outcome::kLoaded);
  CHECK(loaded == 1);
  fs::remove(files.certificate);
  CHECK_FALSE(reloader.Check(false).ok());
  CHECK_FALSE(reloader.Check(true).ok());
  CHECK(loaded == 1);
}

}  // namespace
}  // namespace sluice::controller
