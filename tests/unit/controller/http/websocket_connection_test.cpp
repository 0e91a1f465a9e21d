#include "controller/http/websocket_connection.h"

#include <boost/asio/steady_timer.hpp>
#include <catch2/catch.hpp>
#include <memory>

#include "common/printable.h"
#include "tests/unit/controller/http/server_fixture.h"

namespace sluice::controller {
namespace {

using namespace test;  // NOLINT(google-build-using-namespace)
using std::chrono::milliseconds;

TEST_CASE("websocket: messages, and one that is too long") {
  HttpLimits limits = PatientLimits();
  limits.max_websocket_message = 10;
  ServerFixture fixture(limits);
  const auto client = fixture.OpenWebSocket();
  const auto session = fixture.echo.session;
  client->Send(Frame(kText, "hello"));
  REQUIRE(fixture.Until([&] { return session->texts == std::vector<std::string>{"hello"}; }));
  session->link->Send("there");
  CHECK(fixture.Until([&] { return client->Has("there"); }));
  client->Send(Frame(kText, "hello world"));
  CHECK(fixture.Until([&] { return session->closed; }));
  CHECK(client->Has("\x88\x02\x03\xf1"));  // close 1009
}

TEST_CASE("websocket: pings come often enough for proxies that cut at a minute") {
  CHECK(HttpLimits().ping_after == std::chrono::seconds(25));
}

TEST_CASE("websocket: a client that talks is pinged, too, for the proxies between") {
  HttpLimits limits = PatientLimits();
  limits.ping_after = kShort;
  ServerFixture fixture(limits);
  const auto client = fixture.OpenWebSocket();
  CHECK(fixture.Until([&] {
    client->Send(Frame(kText, "."));
    return client->Has(std::string("\x89\x00", 2));
  }));
}

TEST_CASE("websocket: a silent client is pinged, then dropped") {
  HttpLimits limits = PatientLimits();
  limits.ping_after = kShort;
  limits.pong_within = kShort;
  ServerFixture fixture(limits);
  const auto client = fixture.OpenWebSocket();
  const auto session = fixture.echo.session;
  const std::string ping("\x89\x00", 2);
  REQUIRE(fixture.Until([&] { return client->Has(ping) || session->closed; }));
  CHECK(client->Has(ping));
  CHECK(fixture.Until([&] { return session->closed; }));
}

TEST_CASE("websocket: a client that answers pings stays") {
  HttpLimits limits = PatientLimits();
  limits.ping_after = kShort;
  ServerFixture fixture(limits);
  const auto client = fixture.OpenWebSocket();
  for (int round = 0; round < 3; ++round) {
    client->received.clear();
    REQUIRE(fixture.Until([&] { return client->Has(std::string("\x89\x00", 2)); }));
    client->Send(Frame(kPong, ""));
  }
  CHECK_FALSE(fixture.echo.session->closed);
}

TEST_CASE("websocket: a paused client is not read, nor thought to be silent") {
  HttpLimits limits = PatientLimits();
  limits.ping_after = kShort;
  limits.pong_within = kShort;
  ServerFixture fixture(limits);
  const auto client = fixture.OpenWebSocket();
  const auto session = fixture.echo.session;
  client->Send(Frame(kText, "pause") + Frame(kText, "later"));
  REQUIRE(fixture.Until([&] { return session->texts.size() == 1; }));
  asio::steady_timer while_paused(fixture.context, 10 * kShort);
  bool passed = false;
  while_paused.async_wait([&](const boost::system::error_code&) { passed = true; });
  REQUIRE(fixture.Until([&] { return passed || session->closed; }));
  CHECK_FALSE(session->closed);
  CHECK(session->texts.size() == 1);
  SECTION("goes on") {
    session->link->Resume();
    REQUIRE(fixture.Until([&] { return session->texts.size() == 2; }));
    CHECK(session->texts.back() == "later");
  }
  SECTION("can be closed") {
    session->link->Close(4000, "enough");
    CHECK(fixture.Until([&] { return client->Has("enough"); }));
    client->Send(Frame(kClose, std::string("\x0f\xa0", 2)));
    CHECK(fixture.Until([&] { return session->closed; }));
  }
}

TEST_CASE("websocket: how much a paused client can send is bounded") {
  ServerFixture fixture(PatientLimits());
  const auto client = fixture.OpenWebSocket();
  const auto session = fixture.echo.session;
  client->Send(Frame(kText, "pause"));
  REQUIRE(fixture.Until([&] { return session->texts.size() == 1; }));
  client->SendWhileTaken(Frame(kText, std::string(125, 'x')), 64 << 20);
  fixture.context.restart();
  fixture.context.poll();
  CHECK(client->taken < 32U << 20);  // by the kernel, both ends
  CHECK(session->texts.size() == 1);
}

TEST_CASE("websocket: a client that reads slowly is congested until it has read half") {
  HttpLimits limits = PatientLimits();
  limits.max_websocket_queue = 16 << 20;
  ServerFixture fixture(limits);
  const auto client = fixture.OpenWebSocket(/*reading=*/false);
  const auto session = fixture.echo.session;
  const std::string message(64 * 1024, 'x');
  for (int sent = 0; sent < 1'000 && !session->link->congested(); ++sent) {
    session->link->Send(message);
    fixture.context.restart();
    fixture.context.poll();
  }
  CHECK(session->link->congested());
  CHECK(session->drained == 0);
  client->Listen();
  REQUIRE(fixture.Until([&] { return session->drained == 1; }));
  CHECK_FALSE(session->link->congested());
  CHECK_FALSE(session->closed);
}

TEST_CASE("websocket: a client that does not read is cut off when its queue is full") {
  HttpLimits limits = PatientLimits();
  limits.max_websocket_queue = 1 << 20;
  ServerFixture fixture(limits);
  const auto client = fixture.OpenWebSocket(/*reading=*/false);
  const auto session = fixture.echo.session;
  const std::string message(64 * 1024, 'x');
  // The kernel takes some megabytes first.
  for (int sent = 0; sent < 1'000 && !session->closed; ++sent) {
    if (session->link) session->link->Send(message);
    fixture.context.restart();
    fixture.context.poll();
  }
  CHECK(fixture.Until([&] { return session->closed; }));
}

/// The payloads of a server's frames, one behind the other, from byte `at` on.
std::string PayloadsOf(const std::string& bytes, size_t at) {
  constexpr size_t kTwoBytes = 126;
  constexpr size_t kEightBytes = 127;
  std::string payloads;
  while (at + 2 <= bytes.size()) {
    const auto byte = [&](size_t i) { return static_cast<uint8_t>(bytes[at + i]); };
    size_t size = byte(1);
    size_t header = 2;
    if (size >= kTwoBytes) {
      const size_t length = size == kEightBytes ? 8 : 2;
      size = 0;
      for (size_t i = 0; i < length; ++i) size = size << 8 | byte(2 + i);
      header += length;
    }
    payloads += bytes.substr(at + header, size);
    at += header + size;
  }
  return payloads;
}

TEST_CASE("websocket: a client that reads late gets all that was sent, byte by byte") {
  HttpLimits limits = PatientLimits();
  limits.max_websocket_queue = 64 << 20;
  ServerFixture fixture(limits);
  const auto client = fixture.OpenWebSocket(/*reading=*/false);
  const auto session = fixture.echo.session;
  std::string sent;
  for (int i = 0; i < 400; ++i) {
    // Of many sizes, so that the kernel is full in the middle of one, sooner or later.
    const std::string message(50'000 + 137 * static_cast<size_t>(i),
                              static_cast<char>('a' + i % 26));
    sent += message;
    session->link->Send(message);
    fixture.context.restart();
    fixture.context.poll();
  }
  client->Listen();
  const auto head = [&] { return client->received.find("\r\n\r\n"); };
  REQUIRE(fixture.Until([&] { return client->received.size() > sent.size() + head(); }));
  // The last byte says that all are there.
  session->link->Send("!");
  REQUIRE(fixture.Until([&] { return client->received.back() == '!'; }));
  const std::string received = PayloadsOf(client->received, head() + 4);
  CHECK(received.size() == sent.size() + 1);
  CHECK((received == sent + "!"));  // not to be printed
}

TEST_CASE("websocket: a client is cut off once, however much is on its way to it") {
  HttpLimits limits = PatientLimits();
  limits.max_websocket_queue = 1 << 20;
  ServerFixture fixture(limits);
  const auto client = fixture.OpenWebSocket(/*reading=*/false);
  const auto session = fixture.echo.session;
  const std::string message(64 * 1024, 'x');
  for (int sent = 0; sent < 64; ++sent) session->link->Send(message);
  CHECK(fixture.Until([&] { return session->closed; }));
  CHECK(fixture.server.websocket_counters().slow_readers == 1);
}

TEST_CASE("websocket: a client that sends but does not read is cut off in time") {
  HttpLimits limits = PatientLimits();
  limits.write_time = kShort;
  limits.ping_after = milliseconds(1);  // pings pile up behind the data, of which one may wait
  limits.max_websocket_queue = 64 << 20;
  ServerFixture fixture(limits);
  const auto client = fixture.OpenWebSocket(/*reading=*/false);
  const auto session = fixture.echo.session;
  session->link->Send(std::string(32 << 20, 'x'));
  REQUIRE(fixture.Until([&] {
    if (!session->closed) client->Send(Frame(kText, "."));
    return session->closed;
  }));
}

TEST_CASE("websocket: what waits for all clients of an address is bounded") {
  HttpLimits limits = PatientLimits();
  limits.max_held_per_ip = 1 << 20;
  limits.max_websocket_queue = 64 << 20;
  ServerFixture fixture(limits);
  const auto deaf = fixture.OpenWebSocket(/*reading=*/false);
  const auto deaf_session = fixture.echo.session;
  fixture.echo.session.reset();
  const auto good = fixture.OpenWebSocket();
  const auto good_session = fixture.echo.session;
  const auto message = std::make_shared<const std::string>(256 * 1024, 'x');
  for (int sent = 0; sent < 1'000 && !deaf_session->closed; ++sent) {
    if (deaf_session->link) deaf_session->link->Send(message);
    fixture.context.restart();
    fixture.context.poll();
  }
  CHECK(deaf_session->closed);
  CHECK(fixture.server.connection_counters().evicted_held_source == 1);
  good_session->link->Send("still there");
  CHECK(fixture.Until([&] { return good->Has("still there"); }));
}

TEST_CASE("websocket: a message larger than the queue's limit is still sent") {
  HttpLimits limits = PatientLimits();
  limits.max_websocket_queue = 1'000;
  ServerFixture fixture(limits);
  const auto client = fixture.OpenWebSocket();
  const auto session = fixture.echo.session;
  session->link->Send(std::string(100'000, 'x') + "end");
  CHECK(fixture.Until([&] { return client->Has("xend"); }));
  CHECK_FALSE(session->closed);
}

TEST_CASE("websocket: a message that comes too slowly ends the connection") {
  HttpLimits limits = PatientLimits();
  limits.request_time = kShort;
  ServerFixture fixture(limits);
  const auto client = fixture.OpenWebSocket();
  const auto session = fixture.echo.session;
  client->Send(Frame(kText, "0123456789").substr(0, 10));
  CHECK(fixture.Until([&] { return session->closed; }));
  CHECK(session->texts.empty());
  CHECK(fixture.server.websocket_counters().slow_messages == 1);
}

TEST_CASE("websocket: binary messages and control frames are told to the session") {
  ServerFixture fixture(PatientLimits());
  const auto client = fixture.OpenWebSocket();
  const auto session = fixture.echo.session;
  client->Send(Frame(kBinary, "x") + Frame(kPing, "") + Frame(kPong, "") + Frame(kText, "t"));
  REQUIRE(fixture.Until([&] { return session->texts.size() == 1; }));
  CHECK(session->ignored == 3);
}

TEST_CASE("websocket: close reasons are UTF-8 of at most 123 bytes") {
  ServerFixture fixture(PatientLimits());
  const auto client = fixture.OpenWebSocket();
  std::string reason = "\xff ";
  for (int i = 0; i < 100; ++i) reason += "\u00e9";
  fixture.echo.session->link->Close(4000, reason);
  REQUIRE(fixture.Until([&] { return client->Has("\x0f\xa0"); }));
  const size_t frame = client->received.find(static_cast<char>(0x88));
  const auto size = static_cast<size_t>(client->received.at(frame + 1));
  REQUIRE(size <= 125);
  REQUIRE(fixture.Until([&] { return client->received.size() >= frame + 2 + size; }));
  const std::string text = client->received.substr(frame + 4, size - 2);
  CHECK(text.starts_with("\\xff \u00e9"));
  CHECK(Printable(text, 1'000) == text);  // no byte of it is no UTF-8
}

TEST_CASE("websocket: a text that is no UTF-8 does not go out as it is") {
  ServerFixture fixture(PatientLimits());
  const auto client = fixture.OpenWebSocket();
  fixture.echo.session->link->Send("a\xffz");
  CHECK(fixture.Until([&] { return client->Has("a\xef\xbf\xbdz"); }));
}

TEST_CASE("websocket: with which code a client leaves, 1005 where it says none") {
  for (const auto& [payload, code] :
       {std::pair(std::string(), 1005), {"\x03\xe8", 1000}, {"\x0f\xa1", 4001}}) {
    ServerFixture fixture(PatientLimits());
    const auto client = fixture.OpenWebSocket();
    const auto session = fixture.echo.session;
    client->Send(Frame(kClose, payload));
    CHECK(fixture.Until([&] { return session->closed; }));
    CHECK(session->left_with == code);
  }
}

TEST_CASE("websocket: clients are told that the server goes away") {
  ServerFixture fixture(PatientLimits());
  const auto client = fixture.OpenWebSocket();
  const auto session = fixture.echo.session;
  fixture.server.GoAway("the server is shutting down");
  CHECK(fixture.Until([&] { return client->Has("\x03\xe9the server is shutting down"); }));
  CHECK_FALSE(session->closed);
  CHECK(fixture.server.websockets() == 1);
  client->Send(Frame(kClose, "\x03\xe9"));
  CHECK(fixture.Until([&] { return session->closed; }));
  CHECK(fixture.server.websockets() == 0);
}

}  // namespace
}  // namespace sluice::controller
