// How a WebSocket begins: what is no handshake is answered before anybody is asked for a room.

#include <catch2/catch.hpp>
#include <string>

#include "tests/unit/controller/http/server_fixture.h"

namespace sluice::controller {
namespace {

using test::PatientLimits;
using test::ServerFixture;

std::string Handshake(const std::string& fields) {
  return "GET /?roomId=r&peerId=p HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
         "Upgrade: websocket\r\n" +
         fields + "\r\n";
}

std::string Key() { return "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"; }
std::string Version13() { return "Sec-WebSocket-Version: 13\r\n"; }

TEST_CASE("websocket: a malformed handshake never reaches the service") {
  struct Case {
    std::string fields;
    std::string status;
  };
  const Case bad = GENERATE(
      Case{Version13(), "400 Bad Request"}, Case{Version13() + Key() + Key(), "400 Bad Request"},
      Case{Version13() + "Sec-WebSocket-Key: short\r\n", "400 Bad Request"},
      Case{Version13() + "Sec-WebSocket-Key: AAAAAAAAAAA<script>AAA==\r\n", "400 Bad Request"},
      Case{Key(), "426 Upgrade Required"},
      Case{Key() + Version13() + Version13(), "426 Upgrade Required"},
      Case{Key() + "Sec-WebSocket-Version: 12\r\n", "426 Upgrade Required"});
  ServerFixture fixture(PatientLimits());
  const auto client = fixture.Connect();
  client->Send(Handshake(bad.fields));
  REQUIRE(fixture.Until([&] { return client->Has("\r\n\r\n{\"error\":{"); }));
  INFO(client->received);
  CHECK(client->received.starts_with("HTTP/1.1 " + bad.status));
  CHECK(client->Has("X-Content-Type-Options: nosniff\r\n"));
  CHECK(client->Has("Content-Security-Policy: "));
  if (bad.status.starts_with("426")) CHECK(client->Has("Sec-WebSocket-Version: 13\r\n"));
  CHECK_FALSE(client->Has("<script"));
  CHECK_FALSE(fixture.echo.session);
  CHECK(fixture.server.request_counters().malformed == 1);
}

TEST_CASE("websocket: a good handshake's answer says what browsers may make of it") {
  ServerFixture fixture(PatientLimits());
  const auto client = fixture.Connect();
  client->Send(Handshake(Version13() + Key()));
  REQUIRE(fixture.Until([&] { return client->Has("\r\n\r\n"); }));
  CHECK(client->received.starts_with("HTTP/1.1 101 "));
  CHECK(client->Has("X-Content-Type-Options: nosniff\r\n"));
}

}  // namespace
}  // namespace sluice::controller
