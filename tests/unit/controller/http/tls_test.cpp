#include "controller/http/tls.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace sluice::controller {
namespace {

namespace fs = std::filesystem;

struct Folder {
  Folder() { fs::remove_all(path); }
  ~Folder() { fs::remove_all(path); }
  fs::path path = fs::temp_directory_path() / "sluice-tls-test";
};

struct CertificateFree {
  void operator()(X509* certificate) const { X509_free(certificate); }
};
using Certificate = std::unique_ptr<X509, CertificateFree>;

Certificate Read(const std::string& path) {
  const std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(path.c_str(), "r"), std::fclose);
  REQUIRE(file);
  Certificate certificate(PEM_read_X509(file.get(), nullptr, nullptr, nullptr));
  REQUIRE(certificate);
  return certificate;
}

bool IsFor(const Certificate& certificate, const std::string& name) {
  if (IpAddress::Parse(name)) return X509_check_ip_asc(certificate.get(), name.c_str(), 0) == 1;
  return X509_check_host(certificate.get(), name.data(), name.size(), 0, nullptr) == 1;
}

TEST_CASE("tls: a self-signed certificate is made once and kept") {
  const Folder folder;
  const std::string state = (folder.path / "state").string();
  const auto made = EnsureSelfSigned(state, {"192.0.2.1", "example.org", "::1"});
  REQUIRE(made.ok());
  CHECK(LoadTls(*made).ok());
  const auto owner_only = fs::perms::owner_read | fs::perms::owner_write;
  CHECK(fs::status(made->key).permissions() == owner_only);
  const auto written = fs::last_write_time(made->certificate);
  REQUIRE(EnsureSelfSigned(state, {}).ok());
  CHECK(fs::last_write_time(made->certificate) == written);
  // Half of it is of no use.
  fs::remove(made->key);
  REQUIRE(EnsureSelfSigned(state, {}).ok());
  CHECK(LoadTls(*made).ok());
  CHECK_FALSE(IsFor(Read(made->certificate), "example.org"));
}

TEST_CASE("tls: a self-signed certificate is for this machine and the names that are given") {
  const Folder folder;
  const auto made = EnsureSelfSigned(folder.path.string(),
                                     {"0.0.0.0", "::", "a.example,IP:192.0.2.66", "fe80::1%eth0",
                                      "192.0.2.1", "2001:db8::1", "example.org"});
  REQUIRE(made.ok());
  const Certificate certificate = Read(made->certificate);
  for (const char* name :
       {"localhost", "127.0.0.1", "::1", "192.0.2.1", "2001:db8::1", "example.org"}) {
    INFO(name);
    CHECK(IsFor(certificate, name));
  }
  for (const char* name : {"0.0.0.0", "::", "a.example", "192.0.2.66", "192.0.2.2"}) {
    INFO(name);
    CHECK_FALSE(IsFor(certificate, name));
  }
  CHECK((X509_get_extension_flags(certificate.get()) & EXFLAG_CA) != 0);
  CHECK(X509_get_extended_key_usage(certificate.get()) == XKU_SSL_SERVER);
  CHECK(X509_cmp_current_time(X509_get0_notBefore(certificate.get())) < 0);
  CHECK(X509_cmp_current_time(X509_get0_notAfter(certificate.get())) > 0);
}

TEST_CASE("tls: files that are none are refused by name") {
  const Folder folder;
  const auto made = EnsureSelfSigned(folder.path.string(), {});
  REQUIRE(made.ok());
  const auto certificate = LoadTls({"/nonexistent.pem", made->key});
  REQUIRE_FALSE(certificate.ok());
  CHECK_THAT(std::string(certificate.status().message()),
             Catch::Contains("tlsCert \"/nonexistent.pem\""));
  const auto key = LoadTls({made->certificate, made->certificate});
  REQUIRE_FALSE(key.ok());
  CHECK_THAT(std::string(key.status().message()), Catch::Contains("tlsKey \""));
  const auto nowhere = EnsureSelfSigned(made->key + "/below", {});
  REQUIRE_FALSE(nowhere.ok());
  CHECK_THAT(std::string(nowhere.status().message()), Catch::Contains("stateDir \""));
}

TEST_CASE("tls: which addresses are link-local") {
  const auto is_link_local = [](const char* text) {
    const auto ip = IpAddress::Parse(text);
    REQUIRE(ip);
    return IsIpv6LinkLocal(*ip);
  };
  for (const char* text : {"fe80::1", "fe80::", "febf:ffff::1"}) {
    INFO(text);
    CHECK(is_link_local(text));
  }
  for (const char* text :
       {"fe7f::1", "fec0::1", "fd80::1", "2080::1", "::1", "254.128.0.1", "169.254.0.1"}) {
    INFO(text);
    CHECK_FALSE(is_link_local(text));
  }
}

TEST_CASE("tls: of the addresses of this machine those of loopback are last") {
  const std::vector<std::string> all = LocalAddresses();
  const auto is_loopback = [](const std::string& text) {
    return text.starts_with("127.") || text == "::1";
  };
  CHECK(std::is_partitioned(all.begin(), all.end(),
                            [&](const std::string& text) { return !is_loopback(text); }));
  CHECK(std::any_of(all.begin(), all.end(), is_loopback));
  for (const std::string& text : all) {
    INFO(text);
    const auto ip = IpAddress::Parse(text);
    REQUIRE(ip);
    CHECK_FALSE(IsIpv6LinkLocal(*ip));
  }
}

}  // namespace
}  // namespace sluice::controller
