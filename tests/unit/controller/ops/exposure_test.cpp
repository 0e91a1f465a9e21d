#include "controller/ops/exposure.h"

#include <catch2/catch.hpp>
#include <string>

namespace sluice::controller {
namespace {

/// Of a server that only this machine reaches.
Config Local() {
  Config config;
  config.http.listen_ip = "127.0.0.1";
  config.media.announced_address = "127.0.0.1";
  return config;
}

TEST_CASE("exposure: without a secret an operator hears who may come in") {
  CHECK(ExposureWarnings(Local()).empty());
  Config open = Local();
  open.http.listen_ip = "0.0.0.0";
  REQUIRE(ExposureWarnings(open).size() == 1);
  CHECK_THAT(ExposureWarnings(open).front(), Catch::Contains("0.0.0.0 port 4443"));
  open.security.auth_secret = Secret("0123456789abcdef0123456789abcdef");
  CHECK(ExposureWarnings(open).empty());
}

TEST_CASE("exposure: and that a proxy that does not name itself opens the management API") {
  const auto warns = [](const Config& config) {
    for (const std::string& warning : ExposureWarnings(config)) {
      if (warning.find("/api/v1") != std::string::npos) return true;
    }
    return false;
  };
  Config config = Local();
  config.http.trusted_proxies = {"127.0.0.1"};
  CHECK(warns(config));
  CHECK_THAT(ExposureWarnings(config).front(), Catch::Contains("port 3000"));
  config.http.plain_listen_port = 0;
  CHECK_FALSE(warns(config));
  config = Local();
  config.http.allowed_hosts = {"meet.example.com"};
  CHECK(warns(config));
  struct Row {
    const char* announced;
    bool is_public;
  };
  for (const Row& row :
       {Row{"203.0.113.5", true}, Row{"meet.example.com", true}, Row{"2001:db8::1", true},
        Row{"10.1.2.3", false}, Row{"172.31.0.1", false}, Row{"172.32.0.1", true},
        Row{"192.168.1.1", false}, Row{"100.64.0.1", false}, Row{"169.254.1.1", false},
        Row{"127.0.0.1", false}, Row{"::1", false}, Row{"fd00::1", false}, Row{"fe80::1", false},
        Row{"0.0.0.0", false}, Row{"", false}}) {
    INFO(row.announced);
    config = Local();
    config.media.announced_address = row.announced;
    CHECK(warns(config) == row.is_public);
    config.security.auth_secret = Secret("0123456789abcdef0123456789abcdef");
    CHECK_FALSE(warns(config));
  }
}

}  // namespace
}  // namespace sluice::controller
