#include "controller/http/http_server.h"

#include <boost/asio/steady_timer.hpp>
#include <catch2/catch.hpp>
#include <memory>

#include "tests/unit/controller/http/server_fixture.h"

namespace sluice::controller {
namespace {

using namespace test;  // NOLINT(google-build-using-namespace)
using std::chrono::milliseconds;

TEST_CASE("http: requests on one connection, HEAD, and what is no HTTP") {
  ServerFixture fixture(PatientLimits());
  const auto client = fixture.Connect();
  client->Send(
      "GET /a HTTP/1.1\r\nHost: localhost\r\n\r\nPOST /b HTTP/1.1\r\nHost: "
      "localhost\r\nContent-Length: 2\r\n\r\nhi");
  CHECK(fixture.Until([&] { return client->Has("GET /a ") && client->Has("POST /b hi"); }));
  client->received.clear();
  client->Send("HEAD /c HTTP/1.1\r\nHost: localhost\r\n\r\n");
  REQUIRE(fixture.Until([&] { return client->Has("\r\n\r\n"); }));
  CHECK(client->Has("Content-Length: 8"));
  CHECK_FALSE(client->Has("HEAD /c"));
  client->Send("junk\r\n\r\n");
  CHECK(fixture.Until([&] { return client->ended; }));
  CHECK(client->Has("HTTP/1.1 400 "));
}

TEST_CASE("http: a body without a known end is written as it comes, and ends the connection") {
  ServerFixture fixture(PatientLimits());
  const auto client = fixture.Connect();
  client->Send("GET /match HTTP/1.1\r\nHost: localhost\r\nIf-Match: \"one\", *\r\n\r\n");
  CHECK(fixture.Until([&] { return client->Has("\"one\", *"); }));
  client->received.clear();
  client->Send("GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n");
  REQUIRE(fixture.Until([&] { return client->Has("\r\n\r\n"); }));
  CHECK(client->Has("Connection: close\r\n"));
  CHECK_FALSE(client->Has("Content-Length"));
  fixture.echo.stream->pieces = {"one ", "two "};
  CHECK(fixture.Until([&] { return client->Has("one two "); }));
  CHECK_FALSE(client->ended);
  fixture.echo.stream->pieces = {"three", ""};
  CHECK(fixture.Until([&] { return client->ended; }));
  CHECK(client->Has("one two three"));
}

TEST_CASE("http: limits of body and header") {
  HttpLimits limits = PatientLimits();
  limits.max_body = 10;
  limits.max_header = 200;
  ServerFixture fixture(limits);
  const auto body = fixture.Connect();
  body->Send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 11\r\n\r\n");
  CHECK(fixture.Until([&] { return body->ended; }));
  CHECK(body->Has("HTTP/1.1 413 "));
  CHECK(body->Has("at most 10 bytes"));
  const auto chunked = fixture.Connect();
  chunked->Send(
      "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nb\r\nhello "
      "world\r\n");
  CHECK(fixture.Until([&] { return chunked->ended; }));
  CHECK(chunked->Has("HTTP/1.1 413 "));
  const auto header = fixture.Connect();
  header->Send("GET / HTTP/1.1\r\nHost: localhost\r\nX: " + std::string(300, 'x') + "\r\n\r\n");
  CHECK(fixture.Until([&] { return header->ended; }));
  CHECK(header->Has("HTTP/1.1 431 "));
}

TEST_CASE("http: a request that arrives slowly is cut off") {
  HttpLimits limits = PatientLimits();
  limits.request_time = kShort;
  ServerFixture fixture(limits);
  for (const char* part :
       {"", "GET / HT", "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nab"}) {
    const auto client = fixture.Connect();
    client->Send(part);
    INFO(part);
    CHECK(fixture.Until([&] { return client->ended; }));
  }
  CHECK(fixture.Until([&] { return fixture.server.connections() == 0; }));
}

TEST_CASE("http: an idle connection is closed") {
  HttpLimits limits = PatientLimits();
  limits.idle_time = kShort;
  ServerFixture fixture(limits);
  const auto client = fixture.Connect();
  client->Send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  CHECK(fixture.Until([&] { return client->ended; }));
  CHECK(client->Has("200 OK"));
}

TEST_CASE("http: who has shown a token stays, idle or not, where one without makes way") {
  HttpLimits limits = PatientLimits();
  limits.max_connections = 2;
  ServerFixture fixture(limits);
  const auto ask = [&](const std::string& token) {
    const auto client = fixture.Connect();
    client->Send("GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + token +
                 "\r\n\r\n");
    REQUIRE(fixture.Until([&] { return client->Has("200 OK"); }));
    return client;
  };
  const auto first = ask("good");
  const auto second = ask("forged");
  const auto third = ask("good");
  CHECK(fixture.Until([&] { return second->ended; }));
  CHECK(fixture.server.connection_counters().evicted_idle == 1);
  const auto refused = fixture.Connect();
  CHECK(fixture.Until([&] { return refused->ended; }));
  CHECK(fixture.server.connection_counters().refused_full == 1);
  first->Send("GET / HT");  // a request that is not complete
  const auto again = fixture.Connect();
  CHECK(fixture.Until([&] { return again->ended; }));
  CHECK_FALSE(first->ended);
  CHECK_FALSE(third->ended);
}

TEST_CASE("http: a full address makes room by its longest unfinished connection") {
  HttpLimits limits = PatientLimits();
  limits.max_connections_per_ip = 2;
  ServerFixture fixture(limits);
  const auto joined = fixture.OpenWebSocket();
  fixture.echo.session->link->Keep();
  const auto slow = fixture.Connect();
  slow->Send("GET / HT");
  REQUIRE(fixture.Until([&] { return fixture.server.connections() == 2; }));
  const auto visitor = fixture.OpenWebSocket();
  CHECK(fixture.Until([&] { return slow->ended; }));
  CHECK(fixture.server.connection_counters().evicted_unfinished == 1);
  // Now both have joined, and nobody goes for who has not.
  fixture.echo.session->link->Keep();
  const auto refused = fixture.Connect();
  CHECK(fixture.Until([&] { return refused->ended; }));
  CHECK(fixture.server.connection_counters().refused_source_full == 1);
  CHECK_FALSE(joined->ended);
  CHECK_FALSE(visitor->ended);
}

TEST_CASE("http: the body of a request must come at a rate") {
  HttpLimits limits = PatientLimits();
  limits.request_time = kShort;
  limits.min_body_rate = 1 << 20;
  ServerFixture fixture(limits);
  const auto client = fixture.Connect();
  client->Send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n");
  const auto start = std::chrono::steady_clock::now();
  CHECK(fixture.Until([&] {
    client->Send(".");  // one byte at a time does not keep it open
    return client->ended;
  }));
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(5));
}

TEST_CASE("http: bodies that wait for their end are bounded together") {
  HttpLimits limits = PatientLimits();
  limits.max_held = 100'000;
  ServerFixture fixture(limits);
  const std::string start = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 90000\r\n\r\n" +
                            std::string(60'000, 'x');
  const auto first = fixture.Connect();
  first->Send(start);
  REQUIRE(fixture.Until([&] { return fixture.server.held() >= 60'000; }));
  const auto second = fixture.Connect();
  second->Send(start);
  CHECK(fixture.Until([&] { return first->ended; }));
  second->Send(std::string(30'000, 'x'));
  CHECK(fixture.Until([&] { return second->Has("200 OK"); }));
  CHECK(fixture.server.connection_counters().evicted_held == 1);
}

TEST_CASE("http: who expects 100-continue gets it before it sends the body") {
  ServerFixture fixture(PatientLimits());
  const auto client = fixture.Connect();
  client->Send(
      "POST /a HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  REQUIRE(fixture.Until([&] { return client->Has("HTTP/1.1 100 Continue\r\n\r\n"); }));
  CHECK_FALSE(client->Has("200 OK"));
  client->Send("hi");
  CHECK(fixture.Until([&] { return client->Has("POST /a hi"); }));
}

TEST_CASE("http: every response says what browsers may make of it") {
  ServerFixture fixture(PatientLimits());
  const auto client = fixture.Connect();
  client->Send("GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n");
  REQUIRE(fixture.Until([&] { return client->Has("GET /a "); }));
  CHECK(client->Has("X-Content-Type-Options: nosniff\r\n"));
  CHECK(client->Has("Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n"));
  CHECK_FALSE(client->Has("Permissions-Policy"));
  client->received.clear();
  client->Send("GET /page HTTP/1.1\r\nHost: localhost\r\n\r\n");
  REQUIRE(fixture.Until([&] { return client->Has("GET /page "); }));
  CHECK(client->Has("X-Content-Type-Options: nosniff\r\n"));
  CHECK(client->Has("frame-ancestors 'none'"));
  CHECK(client->Has("Referrer-Policy: no-referrer\r\n"));
  CHECK(client->Has("Permissions-Policy: camera=(self)"));
  client->received.clear();
  client->Send("junk\r\n\r\n");
  REQUIRE(fixture.Until([&] { return client->ended; }));
  CHECK(client->Has("X-Content-Type-Options: nosniff\r\n"));
}

TEST_CASE("http: foreign pages and rebound names are refused at the door") {
  ServerFixture fixture(PatientLimits());
  const std::string websocket =
      "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
      "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
  const std::string foreign = "HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\n";
  for (const std::string& request :
       {"GET / " + foreign + websocket, "POST / " + foreign + "Content-Length: 0\r\n\r\n",
        "DELETE / " + foreign + "\r\n",
        std::string("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n")}) {
    INFO(request);
    const auto client = fixture.Connect();
    client->Send(request);
    CHECK(fixture.Until([&] { return client->ended; }));
    CHECK(client->Has("HTTP/1.1 403 "));
  }
  CHECK(fixture.server.access_counters().refused_origins == 3);
  CHECK(fixture.server.access_counters().refused_hosts == 1);
  CHECK_FALSE(fixture.echo.session);
}

TEST_CASE("http: a client behind a trusted proxy is itself, one that only says so is not") {
  HttpLimits limits = PatientLimits();
  limits.max_connections_per_ip = 1;
  const auto ask = [](ServerFixture& fixture, const std::string& fields) {
    const auto client = fixture.Connect();
    client->Send("GET / HTTP/1.1\r\nHost: localhost\r\n" + fields + "\r\n");
    REQUIRE(test::RunUntil(fixture.context, [&] { return client->Has("\r\n\r\n"); }));
    return client;
  };
  SECTION("trusted") {
    ServerFixture fixture(limits, *TrustedProxies::Parse({"127.0.0.1"}));
    const auto one =
        ask(fixture, "X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-For: 198.51.100.1\r\n");
    CHECK(fixture.echo.from == "198.51.100.1 198.51.100.1");
    const auto two = ask(fixture, "X-Forwarded-For: 2001:db8:1:2::3\r\n");
    CHECK(fixture.echo.from == "2001:db8:1:2::3 2001:db8:1:2::");
    // Its connections are not the proxy's: the second of an address takes the place of the first.
    const auto three = ask(fixture, "X-Forwarded-For: 198.51.100.1\r\n");
    CHECK(three->Has("HTTP/1.1 200"));
    CHECK(test::RunUntil(fixture.context, [&] { return one->ended; }));
    CHECK_FALSE(two->ended);
  }
  SECTION("trusted, and the address has as many WebSockets as it may") {
    ServerFixture fixture(limits, *TrustedProxies::Parse({"127.0.0.0/8"}));
    const auto socket = ask(fixture,
                            "X-Forwarded-For: 198.51.100.1\r\nConnection: Upgrade\r\nUpgrade: "
                            "websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                            "Sec-WebSocket-Version: 13\r\n");
    CHECK(socket->Has("HTTP/1.1 101"));
    REQUIRE(fixture.Until([&] { return fixture.echo.session && fixture.echo.session->link; }));
    fixture.echo.session->link->Keep();
    const auto refused = ask(fixture, "X-Forwarded-For: 198.51.100.1\r\n");
    CHECK(refused->Has("HTTP/1.1 503"));
    CHECK(refused->Has("Retry-After: "));
    CHECK(refused->Has("maxConnectionsPerIp"));
    CHECK(fixture.server.request_counters().over_limit == 1);
    CHECK(ask(fixture, "X-Forwarded-For: 198.51.100.2\r\n")->Has("HTTP/1.1 200"));
  }
  SECTION("not trusted") {
    ServerFixture fixture(limits);
    ask(fixture, "X-Forwarded-For: 198.51.100.1\r\n");
    CHECK(fixture.echo.from == "127.0.0.1 127.0.0.1");
  }
}

TEST_CASE("http: what is refused before anybody sees it is counted") {
  HttpLimits limits = PatientLimits();
  limits.max_body = 10;
  ServerFixture fixture(limits);
  for (const std::string& request :
       {std::string("hello\r\n\r\n"), std::string("GET / HTTP/1.1\r\n\r\n"),
        "GET / HTTP/1.1\r\nHost: localhost\r\nX: " + std::string(20'000, 'x') + "\r\n\r\n",
        std::string("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 11\r\n\r\n")}) {
    const auto client = fixture.Connect();
    client->Send(request);
    REQUIRE(test::RunUntil(fixture.context, [&] { return client->ended; }));
  }
  CHECK(fixture.server.request_counters().malformed == 2);
  CHECK(fixture.server.request_counters().too_large == 2);
}

TEST_CASE("http: Stop ends listeners and connections") {
  ServerFixture fixture(PatientLimits());
  const auto client = fixture.Connect();
  client->Send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  REQUIRE(fixture.Until([&] { return client->Has("200 OK"); }));
  const auto socket = fixture.OpenWebSocket();
  fixture.server.Stop();
  CHECK(fixture.Until([&] { return client->ended && socket->ended; }));
  CHECK(fixture.Until([&] { return fixture.server.connections() == 0; }));
}

TEST_CASE("http: a busy port is an error that names it") {
  ServerFixture fixture(PatientLimits());
  const auto again = fixture.server.Listen("127.0.0.1", fixture.port, nullptr);
  REQUIRE_FALSE(again.ok());
  CHECK(std::string(again.status().message())
            .find("cannot listen on 127.0.0.1 port " + std::to_string(fixture.port)) == 0);
}

}  // namespace
}  // namespace sluice::controller
