#include "controller/http/http_server.h"

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <catch2/catch.hpp>
#include <memory>

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
  void OnText(std::string_view text) override { texts.emplace_back(text); }
  void OnClosed() override {
    closed = true;
    link.reset();
  }
  std::shared_ptr<WebSocketLink> link;
  std::vector<std::string> texts;
  bool closed = false;
};

/// Answers every request with its method and path, and lets every WebSocket in.
struct Echo : HttpService {
  Task<HttpResponse> Respond(HttpRequest request) override {
    HttpResponse response;
    response.content_type = "text/plain";
    response.body = request.method + " " + request.path + " " + request.body;
    co_return response;
  }
  Task<UpgradeDecision> Upgrade(HttpRequest /*request*/) override {
    session = std::make_shared<Session>();
    UpgradeDecision decision;
    decision.session = session;
    co_return decision;
  }
  std::shared_ptr<Session> session;
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
  explicit ServerFixture(const HttpLimits& limits) : server(context.get_executor(), &echo, limits) {
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
    auto client = std::make_shared<Client>(context, port);
    client->Send(
        "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
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
constexpr int kPong = 10;

TEST_CASE("http: requests on one connection, HEAD, and what is no HTTP") {
  ServerFixture fixture(PatientLimits());
  const auto client = fixture.Connect();
  client->Send("GET /a HTTP/1.1\r\n\r\nPOST /b HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi");
  CHECK(fixture.Until([&] { return client->Has("GET /a ") && client->Has("POST /b hi"); }));
  client->received.clear();
  client->Send("HEAD /c HTTP/1.1\r\n\r\n");
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
  body->Send("POST / HTTP/1.1\r\nContent-Length: 11\r\n\r\n");
  CHECK(fixture.Until([&] { return body->ended; }));
  CHECK(body->Has("HTTP/1.1 413 "));
  CHECK(body->Has("at most 10 bytes"));
  const auto chunked = fixture.Connect();
  chunked->Send("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nb\r\nhello world\r\n");
  CHECK(fixture.Until([&] { return chunked->ended; }));
  CHECK(chunked->Has("HTTP/1.1 413 "));
  const auto header = fixture.Connect();
  header->Send("GET / HTTP/1.1\r\nX: " + std::string(300, 'x') + "\r\n\r\n");
  CHECK(fixture.Until([&] { return header->ended; }));
  CHECK(header->Has("HTTP/1.1 431 "));
}

TEST_CASE("http: a request that arrives slowly is cut off") {
  HttpLimits limits = PatientLimits();
  limits.request_time = kShort;
  ServerFixture fixture(limits);
  for (const char* part : {"", "GET / HT", "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nab"}) {
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
  client->Send("GET / HTTP/1.1\r\n\r\n");
  CHECK(fixture.Until([&] { return client->ended; }));
  CHECK(client->Has("200 OK"));
}

TEST_CASE("http: connections of one address are capped") {
  HttpLimits limits = PatientLimits();
  limits.max_connections_per_ip = 2;
  ServerFixture fixture(limits);
  const auto first = fixture.Connect();
  auto second = fixture.Connect();
  REQUIRE(fixture.Until([&] { return fixture.server.connections() == 2; }));
  const auto third = fixture.Connect();
  CHECK(fixture.Until([&] { return third->ended; }));
  second->Send("GET / HTTP/1.1\r\nConnection: close\r\n\r\n");
  REQUIRE(fixture.Until([&] { return fixture.server.connections() == 1; }));
  const auto fourth = fixture.Connect();
  fourth->Send("GET / HTTP/1.1\r\n\r\n");
  CHECK(fixture.Until([&] { return fourth->Has("200 OK"); }));
  CHECK_FALSE(first->ended);
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

TEST_CASE("http: Stop ends listeners and connections") {
  ServerFixture fixture(PatientLimits());
  const auto client = fixture.Connect();
  client->Send("GET / HTTP/1.1\r\n\r\n");
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
