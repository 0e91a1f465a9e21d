// Rates of one address: connections and bytes.

#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <vector>

#include "tests/unit/controller/http/server_fixture.h"

namespace sluice::controller {
namespace {

using test::Client;
using test::Frame;
using test::kText;
using test::PatientLimits;
using test::ServerFixture;

std::string Post(size_t size) {
  return "POST /b HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + std::to_string(size) +
         "\r\n\r\n" + std::string(size, 'x');
}

TEST_CASE("http: connections of one address have a rate") {
  HttpLimits limits = PatientLimits();
  limits.connections_per_second = 1;  // ten at once
  ServerFixture fixture(limits);
  std::vector<std::shared_ptr<Client>> clients;
  for (int i = 0; i < 40; ++i) clients.push_back(fixture.Connect());
  const auto ended = [&] {
    size_t count = 0;
    for (const auto& client : clients) count += client->ended ? 1 : 0;
    return count;
  };
  // A slow machine earns some meanwhile.
  REQUIRE(fixture.Until([&] { return ended() >= 20; }));
  CHECK(fixture.server.rate_counters().connections >= 20);
  CHECK(fixture.server.connections() >= 10);
}

TEST_CASE("http: connections through a trusted proxy count for their clients") {
  HttpLimits limits = PatientLimits();
  limits.connections_per_second = 1;  // ten at once
  ServerFixture fixture(limits, *TrustedProxies::Parse({"127.0.0.1"}));
  const auto ask = [&](const std::shared_ptr<Client>& client, const std::string& from) {
    client->received.clear();
    client->Send("GET / HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: " + from + "\r\n\r\n");
    REQUIRE(fixture.Until([&] { return client->Has("\r\n\r\n"); }));
    return client->received.substr(0, client->received.find("\r\n"));
  };
  // As many as it likes, of as many clients as there are.
  std::vector<std::shared_ptr<Client>> connections;
  for (int i = 0; i < 40; ++i) {
    connections.push_back(fixture.Connect());
    CHECK(ask(connections.back(), "198.51.100." + std::to_string(i)) == "HTTP/1.1 200 OK");
  }
  // More requests of the client that a connection is of are no new connections.
  const auto& own = connections.front();
  for (int i = 0; i < 40; ++i) CHECK(ask(own, "198.51.100.0") == "HTTP/1.1 200 OK");
  CHECK(fixture.server.rate_counters().connections == 0);

  int refused = 0;
  for (int i = 0; i < 40; ++i) {  // a slow machine earns some meanwhile
    const auto client = fixture.Connect();
    refused += ask(client, "203.0.113.9") == "HTTP/1.1 429 Too Many Requests" ? 1 : 0;
    if (refused == 1) {
      CHECK(client->Has("Retry-After: 1"));
      CHECK(client->Has("(maxConnectionsPerSecondPerIp)"));
    }
  }
  CHECK(refused >= 20);
  CHECK(fixture.server.rate_counters().connections == static_cast<uint64_t>(refused));
  // A connection that is there already does not get round it, and others are not held back.
  CHECK(ask(own, "203.0.113.9") == "HTTP/1.1 429 Too Many Requests");
  CHECK(ask(own, "198.51.100.1") == "HTTP/1.1 200 OK");
}

TEST_CASE("http: an address that sends far too much is refused before its body is looked at") {
  HttpLimits limits = PatientLimits();
  limits.bytes_per_second = 1'000;
  ServerFixture fixture(limits);
  const auto client = fixture.Connect();
  client->Send(Post(100));
  REQUIRE(fixture.Until([&] { return client->Has("POST /b xxx"); }));
  client->received.clear();
  client->Send(Post(100'000));
  REQUIRE(fixture.Until([&] { return client->Has("(maxBytesPerSecondPerIp)"); }));
  CHECK(client->received.starts_with("HTTP/1.1 429 "));
  CHECK(client->Has("Retry-After: "));
  CHECK(fixture.server.rate_counters().requests == 1);
}

TEST_CASE("websocket: an address that sends too much is read more slowly") {
  constexpr size_t kFrames = 3'000;
  HttpLimits limits = PatientLimits();
  limits.bytes_per_second = 200'000;  // 400,000 at once
  ServerFixture fixture(limits);
  const auto client = fixture.OpenWebSocket();
  const auto session = fixture.echo.session;
  const std::string frame = Frame(kText, std::string(100, 'x'));
  std::string many;
  for (size_t i = 0; i < 100; ++i) many += frame;
  for (size_t i = 0; i < kFrames; i += 100) client->Send(many);
  CHECK(fixture.Until([&] { return session->texts.size() == kFrames; }));
  CHECK(fixture.server.rate_counters().waits == 0);
  for (size_t i = 0; i < kFrames; i += 100) client->Send(many);
  REQUIRE(fixture.Until([&] { return fixture.server.rate_counters().waits > 0; }));
  CHECK(session->texts.size() < 2 * kFrames);
  CHECK(fixture.Until([&] { return session->texts.size() == 2 * kFrames; }));
  CHECK_FALSE(session->closed);
}

}  // namespace
}  // namespace sluice::controller
