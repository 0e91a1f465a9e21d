#include "controller/broadcast/server_url.h"

#include <catch2/catch.hpp>

namespace sluice::controller::broadcast::test {
namespace {

TEST_CASE("broadcast: addresses of servers, with IPv6 and behind a proxy") {
  const auto plain = ParseServerUrl("http://localhost:3000");
  REQUIRE(plain.ok());
  CHECK_FALSE(plain->tls);
  CHECK(plain->authority() == "localhost:3000");
  const auto v6 = ParseServerUrl("https://[::1]:4443");
  REQUIRE(v6.ok());
  CHECK(v6->tls);
  CHECK(v6->host == "::1");
  CHECK(v6->authority() == "[::1]:4443");
  const auto proxied = ParseServerUrl("https://example.org/media/");
  REQUIRE(proxied.ok());
  CHECK(proxied->port == "443");
  CHECK(proxied->prefix == "/media");
  for (const char* wrong : {"", "localhost:3000", "ftp://x", "http://", "http://::1:3000"}) {
    CHECK_FALSE(ParseServerUrl(wrong).ok());
  }
}

TEST_CASE("broadcast: a room is one segment of a path, whatever is in its name") {
  CHECK(PathSegment("demo-1_a.b~c") == "demo-1_a.b~c");
  CHECK(PathSegment("my room/x?y#\xC3\xA9") == "my%20room%2Fx%3Fy%23%C3%A9");
}

TEST_CASE("broadcast: passwords in addresses are not shown") {
  CHECK(WithoutPasswords("rtsp://user:pass@cam/1: Connection refused") ==
        "rtsp://cam/1: Connection refused");
  CHECK(WithoutPasswords("a rtmp://u@h/x and http://h/y@z") == "a rtmp://h/x and http://h/y@z");
  CHECK(WithoutPasswords("movie.mp4") == "movie.mp4");
}

}  // namespace
}  // namespace sluice::controller::broadcast::test
