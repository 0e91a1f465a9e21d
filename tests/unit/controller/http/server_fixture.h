#pragma once

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <catch2/catch.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controller/http/http_server.h"
#include "tests/unit/controller/fake_worker.h"

/// A server with a service that answers everything, and clients on real sockets.
namespace sluice::controller::test {

using tcp = asio::ip::tcp;

inline constexpr std::chrono::milliseconds kShort{20};
inline constexpr std::chrono::milliseconds kNever{3'600'000};

/// A WebSocket session that keeps what happens to it.
struct Session : WebSocketEvents {
  void OnOpen(std::shared_ptr<WebSocketLink> opened) override { link = std::move(opened); }
  void OnText(std::string_view text) override {
    texts.emplace_back(text);
    if (text == "pause") link->Pause();
  }
  void OnIgnored() override { ++ignored; }
  void OnDrained() override { ++drained; }
  void OnLeft(uint16_t code) override { left_with = code; }
  void OnClosed() override {
    closed = true;
    link.reset();
  }
  std::shared_ptr<WebSocketLink> link;
  std::vector<std::string> texts;
  int ignored = 0;
  int drained = 0;
  uint16_t left_with = 0;  ///< the code of the client's close
  bool closed = false;
};

/// A body in pieces.
struct Pieces : HttpStream {
  Task<std::string> Next() override {
    while (pieces.empty()) {
      asio::steady_timer timer(co_await asio::this_coro::executor, kShort);
      boost::system::error_code ignored;
      co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
    std::string next = std::move(pieces.front());
    pieces.erase(pieces.begin());
    co_return next;
  }
  std::vector<std::string> pieces;  ///< "" = the end
};

/// Answers every request with its method and path, and lets every WebSocket in.
struct Echo : HttpService {
  Task<HttpResponse> Respond(HttpRequest request) override {
    HttpResponse response;
    response.content_type = request.path == "/page" ? "text/html; charset=utf-8" : "text/plain";
    response.body = request.method + " " + request.path + " " + request.body;
    from = request.client_ip + " " + request.source;
    if (request.path == "/match") response.body = request.if_match;
    response.authenticated = request.authorization == "Bearer good";
    if (request.path == "/stream") {
      response.body.clear();
      response.stream = stream = std::make_shared<Pieces>();
    }
    co_return response;
  }
  Task<UpgradeDecision> Upgrade(HttpRequest /*request*/) override {
    session = std::make_shared<Session>();
    UpgradeDecision decision;
    decision.session = session;
    co_return decision;
  }
  std::shared_ptr<Session> session;
  std::string from;                ///< who sent the last request
  std::shared_ptr<Pieces> stream;  ///< of the newest answer that has one
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

/// Without any limit of time.
inline HttpLimits PatientLimits() {
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
  bool Until(const std::function<bool()>& done) { return RunUntil(context, done); }

  asio::io_context context{1};
  Echo echo;
  HttpServer server;
  uint16_t port = 0;
};

/// A client's frame: final, masked with zeros.
inline std::string Frame(int opcode, const std::string& payload) {
  std::string frame;
  frame += static_cast<char>(0x80 | opcode);
  frame += static_cast<char>(0x80 | payload.size());
  return frame + std::string(4, '\0') + payload;
}

inline constexpr int kText = 1;
inline constexpr int kBinary = 2;
inline constexpr int kClose = 8;
inline constexpr int kPing = 9;
inline constexpr int kPong = 10;

}  // namespace sluice::controller::test
