// The only file that includes Beast (20 s to compile): keep it so.
#include "controller/http/http_server.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <boost/beast/websocket.hpp>
#include <cctype>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "controller/worker/gate.h"

namespace sluice::controller {

namespace beast = boost::beast;
namespace http = beast::http;
namespace websocket = beast::websocket;
using boost::system::error_code;
using tcp = asio::ip::tcp;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;
using PlainStream = beast::tcp_stream;
using TlsStream = beast::ssl_stream<beast::tcp_stream>;

/// What all connections share. Outlives the server for as long as a connection does.
struct HttpServer::State {
  asio::any_io_executor executor;
  HttpService* service = nullptr;
  HttpLimits limits;
  bool stopped = false;
  size_t connections = 0;
  std::map<std::string, size_t> connections_of;  ///< by SourceOf() the client; never 0
  std::vector<std::shared_ptr<tcp::acceptor>> acceptors;
  std::set<beast::tcp_stream*> open;  ///< to close them all in Stop()
};

namespace {

constexpr std::string_view kServerName = "Sluice";
constexpr std::chrono::seconds kCloseTime{5};  // for TLS and WebSocket closing handshakes

auto Into(error_code& error) { return asio::redirect_error(asio::use_awaitable, error); }

/// A socket of ours counted and known for as long as the object lives.
class Registration {
 public:
  Registration(std::shared_ptr<HttpServer::State> state, beast::tcp_stream* stream)
      : state_(std::move(state)), stream_(stream) {
    state_->open.insert(stream_);
  }
  ~Registration() { state_->open.erase(stream_); }
  Registration(const Registration&) = delete;
  Registration& operator=(const Registration&) = delete;

 private:
  std::shared_ptr<HttpServer::State> state_;
  beast::tcp_stream* stream_;
};

/// Whom a connection counts for: an IPv4 address, or the /64 that one IPv6 site has (RFC 6177).
std::string SourceOf(const asio::ip::address& address) {
  if (address.is_v4()) return address.to_string();
  const asio::ip::address_v6 v6 = address.to_v6();
  if (v6.is_v4_mapped()) return asio::ip::make_address_v4(asio::ip::v4_mapped, v6).to_string();
  asio::ip::address_v6::bytes_type bytes = v6.to_bytes();
  std::fill(bytes.begin() + 8, bytes.end(), static_cast<unsigned char>(0));
  return asio::ip::address_v6(bytes).to_string();
}

/// Counts a connection for as long as it lives, in all and for its source.
class Counted {
 public:
  Counted(std::shared_ptr<HttpServer::State> state, std::string source)
      : state_(std::move(state)), source_(std::move(source)) {
    ++state_->connections;
    ++state_->connections_of[source_];
  }
  ~Counted() {
    --state_->connections;
    const auto it = state_->connections_of.find(source_);
    if (--it->second == 0) state_->connections_of.erase(it);
  }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;

 private:
  std::shared_ptr<HttpServer::State> state_;
  std::string source_;
};

// ---- WebSocket

/// One open WebSocket. Reading is a coroutine, writing a chain of callbacks over a bounded queue.
template <typename Stream>
class WebSocketConnection : public WebSocketLink,
                            public std::enable_shared_from_this<WebSocketConnection<Stream>> {
 public:
  WebSocketConnection(std::shared_ptr<HttpServer::State> state, Stream stream,
                      std::shared_ptr<WebSocketEvents> events)
      : state_(std::move(state)),
        socket_(std::move(stream)),
        registration_(state_, &beast::get_lowest_layer(socket_)),
        events_(std::move(events)),
        keepalive_(state_->executor),
        close_limit_(state_->executor) {}

  /// From the handshake to the end of the connection.
  Task<void> Run(http::request<http::string_body> request, std::string subprotocol) {
    const auto self = this->shared_from_this();
    beast::get_lowest_layer(socket_).expires_never();
    websocket::stream_base::timeout timeouts{state_->limits.handshake_time,
                                             websocket::stream_base::none(), false};
    socket_.set_option(timeouts);
    socket_.set_option(
        websocket::stream_base::decorator([subprotocol](websocket::response_type& response) {
          response.set(http::field::server, kServerName);
          if (!subprotocol.empty()) {
            response.set(http::field::sec_websocket_protocol, subprotocol);
          }
        }));
    socket_.read_message_max(state_->limits.max_websocket_message);
    socket_.text(true);
    error_code error;
    co_await socket_.async_accept(request, Into(error));
    if (error) co_return;
    last_received_ = Clock::now();
    socket_.control_callback([this](websocket::frame_type, beast::string_view) { OnHeard(); });
    ArmKeepalive();
    events_->OnOpen(self);
    while (!dead_) {
      co_await socket_.async_read(incoming_, Into(error));
      if (error) break;
      OnHeard();
      if (socket_.got_text() && !closing_) {
        const auto data = incoming_.cdata();
        events_->OnText({static_cast<const char*>(data.data()), data.size()});
      }
      incoming_.consume(incoming_.size());
    }
    dead_ = true;
    keepalive_.cancel();
    close_limit_.cancel();
    Drop();
    events_->OnClosed();
  }

  void Send(std::string text) override {
    if (dead_ || closing_) return;
    if (queued_bytes_ + text.size() > state_->limits.max_websocket_queue) {
      spdlog::warn("a WebSocket client does not read: {} bytes wait for it, it is cut off",
                   queued_bytes_);
      Drop();
      return;
    }
    queued_bytes_ += text.size();
    queue_.push_back(std::move(text));
    if (!writing_) WriteNext();
  }

  void Close(uint16_t code, std::string_view reason) override {
    if (dead_ || closing_) return;
    closing_ = true;
    constexpr size_t kMaxReason = 123;  // control frames carry 125 bytes (RFC 6455 §5.5)
    reason_ = websocket::close_reason(static_cast<websocket::close_code>(code),
                                      std::string(reason.substr(0, kMaxReason)));
    close_limit_.expires_after(kCloseTime);
    close_limit_.async_wait([weak = this->weak_from_this()](const error_code& error) {
      if (const auto self = weak.lock(); self && !error) self->Drop();
    });
    if (!writing_) StartClose();
  }

 private:
  void WriteNext() {
    if (dead_) return;
    if (queue_.empty()) {
      writing_ = false;
      if (closing_) StartClose();
      return;
    }
    writing_ = true;
    write_started_ = Clock::now();
    socket_.async_write(asio::buffer(queue_.front()),
                        [self = this->shared_from_this()](const error_code& error, size_t) {
                          self->queued_bytes_ -= self->queue_.front().size();
                          self->queue_.pop_front();
                          if (error) {
                            self->Drop();
                            return;
                          }
                          self->WriteNext();
                        });
  }

  void StartClose() {
    socket_.async_close(reason_,
                        [self = this->shared_from_this()](const error_code&) { self->Drop(); });
  }

  /// When the keepalive has something to look at next.
  Clock::time_point NextCheck() const {
    const HttpLimits& limits = state_->limits;
    // A write that is being waited for is looked at once in its time: it ends within twice that.
    const Clock::time_point written = Clock::now() + limits.write_time;
    const Clock::time_point heard =
        ping_sent_ ? ping_sent_at_ + limits.pong_within : last_received_ + limits.ping_after;
    return std::min(written, heard);
  }

  void ArmKeepalive() {
    keepalive_.expires_at(std::max(NextCheck(), Clock::now() + milliseconds(1)));
    keepalive_.async_wait([weak = this->weak_from_this()](const error_code& error) {
      if (const auto self = weak.lock(); self && !error) self->OnKeepalive();
    });
  }

  /// Anything that is received proves that the client lives.
  void OnHeard() {
    last_received_ = Clock::now();
    if (!ping_sent_) return;
    ping_sent_ = false;
    if (!dead_) ArmKeepalive();
  }

  void OnKeepalive() {
    if (dead_) return;
    const Clock::time_point now = Clock::now();
    if (ping_sent_ && now >= ping_sent_at_ + state_->limits.pong_within) {
      spdlog::info("a WebSocket client is silent, it is cut off");
      Drop();
      return;
    }
    if (writing_ && now >= write_started_ + state_->limits.write_time) {
      spdlog::info("a WebSocket client does not read, it is cut off");
      Drop();
      return;
    }
    if (!ping_sent_ && now >= last_received_ + state_->limits.ping_after) {
      ping_sent_ = true;
      ping_sent_at_ = now;
      SendPing();
    }
    ArmKeepalive();
  }

  /// A ping waits behind data that the client does not read; there must never be two (Beast).
  void SendPing() {
    if (pinging_) return;
    pinging_ = true;
    socket_.async_ping(
        {}, [self = this->shared_from_this()](const error_code&) { self->pinging_ = false; });
  }

  /// Ends the socket at once; the reading coroutine notices and finishes.
  void Drop() { beast::get_lowest_layer(socket_).close(); }

  std::shared_ptr<HttpServer::State> state_;
  websocket::stream<Stream, /*deflateSupported=*/false> socket_;
  Registration registration_;
  std::shared_ptr<WebSocketEvents> events_;
  beast::flat_buffer incoming_;
  std::deque<std::string> queue_;
  size_t queued_bytes_ = 0;
  bool writing_ = false;
  bool closing_ = false;
  bool dead_ = false;
  bool ping_sent_ = false;
  bool pinging_ = false;  ///< a ping is on its way to the kernel
  Clock::time_point ping_sent_at_;
  Clock::time_point write_started_;
  websocket::close_reason reason_;
  Clock::time_point last_received_;
  asio::steady_timer keepalive_;
  asio::steady_timer close_limit_;
};

// ---- HTTP

std::string Text(beast::string_view text) { return std::string(text.data(), text.size()); }

HttpRequest Translate(const http::request<http::string_body>& message, const std::string& remote) {
  HttpRequest request;
  request.method = Text(message.method_string());
  ParseTarget({message.target().data(), message.target().size()}, &request);
  std::string content_type = Text(message[http::field::content_type]);
  content_type = content_type.substr(0, content_type.find(';'));
  while (!content_type.empty() && content_type.back() == ' ') content_type.pop_back();
  std::transform(content_type.begin(), content_type.end(), content_type.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  request.content_type = std::move(content_type);
  request.accept = Text(message[http::field::accept]);
  request.websocket_protocols = Text(message[http::field::sec_websocket_protocol]);
  request.if_none_match = Text(message[http::field::if_none_match]);
  request.body = message.body();
  request.remote = remote;
  return request;
}

http::response<http::string_body> Translate(HttpResponse response, unsigned version, bool head,
                                            bool keep_alive) {
  http::response<http::string_body> message;
  message.version(version);
  message.result(static_cast<unsigned>(response.status));
  if (!response.reason.empty()) message.reason(response.reason);
  message.set(http::field::server, kServerName);
  if (!response.content_type.empty()) {
    message.set(http::field::content_type, response.content_type);
  }
  for (const auto& [name, value] : response.headers) message.set(name, value);
  message.keep_alive(keep_alive && !response.close);
  message.content_length(response.body.size());
  if (!head) message.body() = std::move(response.body);
  return message;
}

HttpResponse TextResponse(int status, std::string text) {
  HttpResponse response;
  response.status = status;
  response.content_type = "text/html; charset=utf-8";
  response.body = std::move(text);
  response.close = true;
  return response;
}

/// The answer to a request that could not be read; nullopt: just close.
std::optional<HttpResponse> ReadErrorResponse(const error_code& error, const HttpLimits& limits) {
  if (error == http::error::body_limit) {
    return TextResponse(413, "PayloadTooLargeError: request entity too large: at most " +
                                 std::to_string(limits.max_body) + " bytes are allowed");
  }
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    return TextResponse(431, "Error: the request header has more than " +
                                 std::to_string(limits.max_header) + " bytes");
  }
  if (error == beast::error::timeout || error == http::error::end_of_stream) return std::nullopt;
  if (error.category() == http::make_error_code(http::error::bad_method).category()) {
    return TextResponse(400, "SyntaxError: not an HTTP request: " + error.message());
  }
  return std::nullopt;
}

template <typename Stream>
Task<bool> WriteResponse(Stream& stream, http::response<http::string_body> message,
                         milliseconds limit) {
  beast::get_lowest_layer(stream).expires_after(limit);
  error_code error;
  http::response_serializer<http::string_body> serializer(message);
  co_await http::async_write(stream, serializer, Into(error));
  co_return !error;
}

/// Serves one connection until it ends or turns into a WebSocket.
template <typename Stream>
Task<void> ServeRequests(std::shared_ptr<HttpServer::State> state, Stream stream,
                         std::string remote) {
  std::optional<Registration> registration(std::in_place, state, &beast::get_lowest_layer(stream));
  const HttpLimits& limits = state->limits;
  beast::flat_buffer buffer(limits.max_header + limits.max_body);
  error_code error;
  bool first = true;
  while (!state->stopped) {
    if (!first && buffer.size() == 0) {
      constexpr size_t kChunk = 4096;
      beast::get_lowest_layer(stream).expires_after(limits.idle_time);
      const size_t size = co_await stream.async_read_some(buffer.prepare(kChunk), Into(error));
      if (error) break;
      buffer.commit(size);
    }
    first = false;
    http::request_parser<http::string_body> parser;
    parser.header_limit(static_cast<uint32_t>(limits.max_header));
    parser.body_limit(limits.max_body);
    beast::get_lowest_layer(stream).expires_after(limits.request_time);
    co_await http::async_read(stream, buffer, parser, Into(error));
    if (error) {
      if (auto response = ReadErrorResponse(error, limits)) {
        co_await WriteResponse(stream, Translate(*std::move(response), 11, false, false),
                               limits.write_time);
      }
      break;
    }
    beast::get_lowest_layer(stream).expires_never();
    http::request<http::string_body> message = parser.release();
    HttpRequest request = Translate(message, remote);
    const bool head = request.method == "HEAD";
    HttpResponse response;
    if (websocket::is_upgrade(message)) {
      UpgradeDecision decision = co_await state->service->Upgrade(std::move(request));
      if (decision.session) {
        registration.reset();
        auto connection = std::make_shared<WebSocketConnection<Stream>>(state, std::move(stream),
                                                                        decision.session);
        co_await connection->Run(std::move(message), decision.subprotocol);
        co_return;
      }
      response = std::move(decision.rejection);
    } else {
      response = co_await state->service->Respond(std::move(request));
    }
    const bool keep_alive = message.keep_alive() && !response.close && !state->stopped;
    const bool written = co_await WriteResponse(
        stream, Translate(std::move(response), message.version(), head, keep_alive),
        limits.write_time);
    if (!written || !keep_alive) break;
  }
  beast::get_lowest_layer(stream).expires_after(kCloseTime);
  if constexpr (std::is_same_v<Stream, TlsStream>) {
    co_await stream.async_shutdown(Into(error));
  }
  beast::get_lowest_layer(stream).socket().shutdown(tcp::socket::shutdown_both, error);
}

Task<void> ServeConnection(std::shared_ptr<HttpServer::State> state, tcp::socket socket,
                           tcp::endpoint endpoint, std::shared_ptr<asio::ssl::context> tls) {
  const Counted counted(state, SourceOf(endpoint.address()));
  error_code error;
  socket.set_option(tcp::no_delay(true), error);
  const std::string remote = endpoint.address().to_string() + ":" + std::to_string(endpoint.port());
  if (!tls) {
    co_await ServeRequests(state, PlainStream(std::move(socket)), remote);
    co_return;
  }
  TlsStream stream(std::move(socket), *tls);
  {
    const Registration registration(state, &beast::get_lowest_layer(stream));
    beast::get_lowest_layer(stream).expires_after(state->limits.handshake_time);
    co_await stream.async_handshake(asio::ssl::stream_base::server, Into(error));
  }
  if (error) co_return;
  co_await ServeRequests(state, std::move(stream), remote);
}

/// Whether the caps leave room for one more connection from there; logs why not.
bool MayServe(const HttpServer::State& state, const asio::ip::address& client) {
  if (state.connections >= state.limits.max_connections) {
    spdlog::warn("connection refused: {} are open already (maxConnections)", state.connections);
    return false;
  }
  const auto it = state.connections_of.find(SourceOf(client));
  const size_t open = it == state.connections_of.end() ? 0 : it->second;
  if (state.limits.max_connections_per_ip != 0 && open >= state.limits.max_connections_per_ip) {
    spdlog::warn("connection refused: {} has {} open already (maxConnectionsPerIp)",
                 client.to_string(), open);
    return false;
  }
  return true;
}

Task<void> AcceptLoop(std::shared_ptr<HttpServer::State> state,
                      std::shared_ptr<tcp::acceptor> acceptor,
                      std::shared_ptr<asio::ssl::context> tls) {
  constexpr milliseconds kPauseAfterError{100};  // out of descriptors: let some be closed
  while (!state->stopped) {
    error_code error;
    tcp::socket socket = co_await acceptor->async_accept(Into(error));
    if (state->stopped) co_return;
    if (error) {
      spdlog::warn("accepting a connection failed: {}", error.message());
      co_await Delay(kPauseAfterError);
      continue;
    }
    const tcp::endpoint endpoint = socket.remote_endpoint(error);
    if (error || !MayServe(*state, endpoint.address())) continue;  // the socket closes here
    Spawn(state->executor, ServeConnection(state, std::move(socket), endpoint, tls));
  }
}

}  // namespace

HttpServer::HttpServer(const asio::any_io_executor& executor, HttpService* service,
                       HttpLimits limits)
    : state_(std::make_shared<State>()) {
  state_->executor = executor;
  state_->service = service;
  state_->limits = limits;
}

HttpServer::~HttpServer() { Stop(); }

Result<uint16_t> HttpServer::Listen(const std::string& ip, uint16_t port,
                                    std::shared_ptr<asio::ssl::context> tls) {
  error_code error;
  const asio::ip::address address = asio::ip::make_address(ip, error);
  if (error) return Error("\"" + ip + "\" is not an IP address");
  const tcp::endpoint endpoint(address, port);
  auto acceptor = std::make_shared<tcp::acceptor>(state_->executor);
  acceptor->open(endpoint.protocol(), error);
  if (!error) acceptor->set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor->bind(endpoint, error);
  if (!error) acceptor->listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    return Error("cannot listen on " + ip + " port " + std::to_string(port) + ": " +
                 error.message());
  }
  const uint16_t bound = acceptor->local_endpoint(error).port();
  state_->acceptors.push_back(acceptor);
  Spawn(state_->executor, AcceptLoop(state_, acceptor, std::move(tls)));
  return bound;
}

void HttpServer::Stop() {
  state_->stopped = true;
  error_code ignored;
  for (const auto& acceptor : state_->acceptors) acceptor->close(ignored);
  const auto open = state_->open;
  for (beast::tcp_stream* stream : open) stream->close();
}

size_t HttpServer::connections() const { return state_->connections; }

}  // namespace sluice::controller
