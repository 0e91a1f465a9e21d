#include "controller/http/http_server.h"

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <catch2/catch.hpp>
#include <memory>

#include "common/printable.h"
#include "tests/unit/controller/fake_worker.h"

namespace sluice::controller {
namespace {

using tcp = asio::ip::tcp;
using std::chrono::milliseconds;

constexpr milliseconds kShort{20};
constexpr milliseconds kNever{3'600'000};

/// A WebSocket session that keeps what happens to it.
struct Session : WebSocketEvents {
  void OnOpen(std::shared_ptr<WebSocketLink> opened) override { link = std::move(opened); }
  void OnText(std::string_view text) override {
    texts.emplace_back(text);
    if (text == "pause") link->Pause();
  }
  void OnIgnored() override { ++ignored; }
  void OnDrained() override { ++drained; }
  void OnClosed() override {
    closed = true;
    link.reset();
  }
  std::shared_ptr<WebSocketLink> link;
  std::vector<std::string> texts;
  int ignored = 0;
  int drained = 0;
  bool closed = false;
};

/// Answers every request with its method and path, and lets every WebSocket in.
struct Echo : HttpService {
  Task<HttpResponse> Respond(HttpRequest request) override {
    HttpResponse response;
    response.content_type = request.path == "/page" ? "text/html; charset=utf-8" : "text/plain";
    response.body = request.method + " " + request.path + " " + request.body;
    from = request.client_ip + " " + request.source;
    co_return response;
  }
  Task<UpgradeDecision> Upgrade(HttpRequest /*request*/) override {
    session = std::make_shared<Session>();
    UpgradeDecision decision;
    decision.session = session;
    co_return decision;
  }
  std::shared_ptr<Session> session;
  std::string from;  ///< who sent the last request
};

/// A TCP client that keeps what it receives.
class Client : public std::enable_shared_from_this<Client> {
 public:
  Client(asio::io_context& context, uint16_t port) : socket_(context) {
    socket_.connect({asio::ip::address_v4::loopback(), port});
  }
  void Send(const std::string& bytes) {
    boost::system::error_code cut_off;
    asio::write(socket_, asio::buffer(bytes), cut_off);
  }
  /// Sends the same bytes again and again, at most `limit` in all, as long as the kernel takes
  /// them.
  void SendWhileTaken(const std::string& bytes, size_t limit) {
    std::string many;
    while (many.size() < 64U << 10) many += bytes;
    socket_.non_blocking(true);
    boost::system::error_code full;
    while (!full && taken < limit) taken += socket_.write_some(asio::buffer(many), full);
  }
  /// Reads from now on.
  void Listen() {
    socket_.async_read_some(
        asio::buffer(chunk_),
        [self = shared_from_this()](const boost::system::error_code& error, size_t size) {
          self->received.append(self->chunk_.data(), size);
          self->ended = static_cast<bool>(error);
          boost::system::error_code ignored;
          if (error) self->socket_.close(ignored);
          if (!error) self->Listen();
        });
  }
  bool Has(const std::string& part) const { return received.find(part) != std::string::npos; }

  std::string received;
  size_t taken = 0;  ///< bytes, by the kernel
  bool ended = false;

 private:
  tcp::socket socket_;
  std::array<char, 4096> chunk_{};
};

HttpLimits PatientLimits() {
  HttpLimits limits;
  limits.request_time = limits.idle_time = limits.handshake_time = limits.write_time = kNever;
  limits.ping_after = limits.pong_within = kNever;
  return limits;
}

struct ServerFixture {
  explicit ServerFixture(const HttpLimits& limits, TrustedProxies proxies = {})
      : server(context.get_executor(), &echo, limits, {}, std::move(proxies)) {
    port = *server.Listen("127.0.0.1", 0, nullptr);
  }
  ~ServerFixture() {
    server.Stop();
    context.restart();
    context.poll();
  }
  std::shared_ptr<Client> Connect() {
    auto client = std::make_shared<Client>(context, port);
    client->Listen();
    return client;
  }
  /// A client past the WebSocket handshake; it reads on only when `reading`.
  std::shared_ptr<Client> OpenWebSocket(bool reading = true) {
    echo.session.reset();
    auto client = std::make_shared<Client>(context, port);
    client->Send(
        "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n");
    if (reading) client->Listen();
    REQUIRE(Until([&] { return echo.session && echo.session->link; }));
    return client;
  }
  bool Until(const std::function<bool()>& done) { return test::RunUntil(context, done); }

  asio::io_context context{1};
  Echo echo;
  HttpServer server;
  uint16_t port = 0;
};

/// A client's frame: final, masked with zeros.
std::string Frame(int opcode, const std::string& payload) {
  std::string frame;
  frame += static_cast<char>(0x80 | opcode);
  frame += static_cast<char>(0x80 | payload.size());
  return frame + std::string(4, '\0') + payload;
}

constexpr int kText = 1;
constexpr int kBinary = 2;
constexpr int kClose = 8;
constexpr int kPing = 9;
constexpr int kPong = 10;

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
