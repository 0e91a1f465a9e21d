#include "controller/http/access_policy.h"

#include <catch2/catch.hpp>

namespace sluice::controller {
namespace {

HttpRequest Request(const std::string& method, const std::string& host, const std::string& origin,
                    bool secure = false) {
  HttpRequest request;
  request.method = method;
  request.host = host;
  request.origin = origin;
  request.secure = secure;
  request.local_ip = "192.0.2.10";
  return request;
}

TEST_CASE("access: hosts without TLS are localhost, our address and what is allowed") {
  AccessPolicy policy({{}, {"sluice.example.org", "203.0.113.5"}});
  for (const char* host :
       {"localhost", "localhost:3000", "LocalHost.", "app.localhost:3000", "127.0.0.1:3000",
        "127.9.9.9", "[::1]:3000", "192.0.2.10:3000", "Sluice.Example.org", "203.0.113.5:80", ""}) {
    INFO(host);
    CHECK_FALSE(policy.Refuse(Request("GET", host, ""), false));
  }
  for (const char* host : {"evil.example", "evil.example:3000", "localhost.evil.example",
                           "192.0.2.11", "127.0.0.1.evil.example", "evil@localhost"}) {
    INFO(host);
    const auto refused = policy.Refuse(Request("GET", host, ""), false);
    REQUIRE(refused);
    CHECK(refused->status == 403);
    CHECK(refused->body.find("allowedHosts") != std::string::npos);
  }
  CHECK(policy.counters().refused_hosts == 6);
  // A name that we have no certificate for cannot have come here over TLS.
  CHECK_FALSE(policy.Refuse(Request("GET", "evil.example", "", true), false));
  AccessPolicy any({{}, {"*"}});
  CHECK_FALSE(any.Refuse(Request("GET", "evil.example", ""), false));
}

TEST_CASE("access: pages of other origins open no WebSocket and change nothing") {
  AccessPolicy policy({{"https://app.example.com"}, {"sluice.example.org"}});
  struct Row {
    const char* host;
    const char* origin;
    bool secure;
    bool allowed;
  };
  const Row rows[] = {
      {"localhost:3000", "", false, true},  // no browser
      {"localhost:3000", "http://localhost:3000", false, true},
      {"LOCALHOST:3000", "http://localhost:3000", false, true},
      {"localhost:3000", "http://localhost:3001", false, false},
      {"localhost:3000", "http://evil.example", false, false},
      {"localhost:3000", "http://127.0.0.1:3000", false, false},
      {"localhost:3000", "null", false, false},
      {"localhost:3000", "file://", false, false},
      {"localhost:3000", "http://localhost:3000@evil.example", false, false},
      {"localhost:3000", "https://app.example.com", false, true},
      {"localhost:3000", "https://APP.example.com", false, true},
      {"localhost:3000", "https://app.example.com.evil.example", false, false},
      // Behind a proxy that does TLS.
      {"sluice.example.org", "https://sluice.example.org", false, true},
      {"sluice.example.org", "http://sluice.example.org", false, true},
      {"192.0.2.10:4443", "https://192.0.2.10:4443", true, true},
      {"192.0.2.10", "https://192.0.2.10:443", true, true},
      {"[2001:db8::1]:4443", "https://[2001:db8::1]:4443", true, true},
      {"192.0.2.10", "http://192.0.2.10", true, false},
      {"192.0.2.10:4443", "https://evil.example", true, false},
  };
  for (const Row& row : rows) {
    INFO(row.host << " from " << row.origin);
    CHECK(policy.Refuse(Request("POST", row.host, row.origin, row.secure), false).has_value() !=
          row.allowed);
    CHECK(policy.Refuse(Request("GET", row.host, row.origin, row.secure), true).has_value() !=
          row.allowed);
    CHECK_FALSE(policy.Refuse(Request("GET", row.host, row.origin, row.secure), false));
  }
  CHECK(policy.counters().refused_origins == 18);
  AccessPolicy any({{"*"}, {}});
  CHECK_FALSE(any.Refuse(Request("DELETE", "localhost", "https://evil.example"), false));
}

TEST_CASE("access: what is refused is quoted harmlessly") {
  AccessPolicy policy({});
  const auto refused =
      policy.Refuse(Request("POST", "localhost", "http://<script>\x1b[31m"), false);
  REQUIRE(refused);
  CHECK(refused->content_type == "application/json; charset=utf-8");
  CHECK(refused->body.find('<') == std::string::npos);
  CHECK(refused->body.find('\x1b') == std::string::npos);
}

TEST_CASE("access: where a token is needed, who brings one is no visitor of a foreign page") {
  const auto bearing = [](const std::string& method) {
    HttpRequest request = Request(method, "localhost", "https://evil.example");
    request.authorization = "Bearer some";
    return request;
  };
  AccessPolicy open({});
  CHECK(open.Refuse(bearing("POST"), false));
  CHECK_FALSE(open.MayRead(bearing("GET")));
  CHECK(open.MayRead(Request("GET", "localhost", "")));
  AccessPolicy guarded({{}, {}, /*needs_token=*/true});
  CHECK_FALSE(guarded.Refuse(bearing("POST"), false));
  CHECK(guarded.MayRead(Request("OPTIONS", "localhost", "https://evil.example")));
  // Without one, by a WebSocket or to another host it is as ever.
  CHECK(guarded.Refuse(Request("POST", "localhost", "https://evil.example"), false));
  CHECK(guarded.Refuse(bearing("GET"), true));
  HttpRequest rebound = bearing("POST");
  rebound.host = "evil.example";
  CHECK(guarded.Refuse(rebound, false));
}

}  // namespace
}  // namespace sluice::controller
