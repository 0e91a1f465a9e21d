#include "controller/http/http_server.h"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <utility>

#include "controller/base/delay.h"
#include "controller/base/log.h"
#include "controller/http/byte_stream.h"
#include "controller/http/http_connection.h"
#include "controller/http/server_context.h"

namespace sluice::controller {

using boost::system::error_code;
using tcp = asio::ip::tcp;
using std::chrono::milliseconds;

/// One listening socket and the TLS that its connections get.
struct HttpServer::Listener {
  tcp::acceptor acceptor;
  std::shared_ptr<asio::ssl::context> tls;  ///< null = plain
  ListenerKind kind;
};

namespace {

/// Whether `source` may make one more connection now; "" is a proxy, which makes them for many.
bool TakeConnection(ServerContext* context, const std::string& source, bool tls) {
  if (source.empty()) return true;
  if (!context->TakeConnection(source)) return false;
  if (tls && !context->handshake_rate.Take(source, std::chrono::steady_clock::now())) {
    ++context->rate_counters.handshakes;
    LogWarn("TLS connection of {} refused: more than {} a second (maxTlsHandshakesPerSecondPerIp)",
            source, context->limits.handshakes_per_second);
    return false;
  }
  return true;
}

/// Finds a place for the connection and starts to serve it; without one the socket just closes.
void Admit(const std::shared_ptr<ServerContext>& context, tcp::socket socket,
           const tcp::endpoint& client, const std::shared_ptr<asio::ssl::context>& tls,
           const ListenerKind& kind) {
  error_code error;
  const tcp::endpoint local = socket.local_endpoint(error);
  const std::string client_ip = AddressText(client.address());
  // A proxy's connection counts for whom its requests are from, once they are there.
  const std::string source = context->proxies.Trusts(client_ip) ? "" : SourceOf(client_ip);
  if (!TakeConnection(context.get(), source, tls != nullptr)) return;
  auto stream = std::make_shared<ByteStream>(std::move(socket), tls, kind.may_be_plain);
  auto place = context->table.Admit(
      source,
      [weak = std::weak_ptr<ByteStream>(stream)] {
        if (const auto open = weak.lock()) open->Close();
      },
      std::chrono::steady_clock::now());
  if (!place) {
    LogWarn(
        "connection of {} refused: {} are open already (maxConnections, "
        "maxConnectionsPerIp)",
        client_ip, context->table.size());
    return;
  }
  ConnectionOrigin origin;
  origin.local_ip = AddressText(local.address());
  origin.client_ip = client_ip;
  origin.door = kind.door;
  context->tasks.Spawn(
      ServeConnection(context, std::move(stream), std::move(place), std::move(origin)));
}

/// What to do about an address that cannot be listened on.
std::string Advice(const error_code& error) {
  namespace errc = boost::system::errc;
  if (error == errc::address_in_use) {
    return "; another program has it: end that, which ss -ltnp names, or choose another port";
  }
  if (error == errc::permission_denied) {
    return "; ports below 1024 are for root, or for a program that has the right: setcap "
           "cap_net_bind_service=+ep FILE";
  }
  if (error == errc::address_not_available) {
    return "; it must be an address of this machine, which ip addr lists";
  }
  return "";
}

}  // namespace

Task<void> HttpServer::Accept(std::shared_ptr<ServerContext> context,
                              std::shared_ptr<Listener> listener) {
  constexpr milliseconds kPauseAfterError{100};  // out of descriptors: let some be closed
  while (!context->stopped) {
    error_code error;
    tcp::socket socket =
        co_await listener->acceptor.async_accept(asio::redirect_error(asio::use_awaitable, error));
    if (context->stopped) co_return;
    if (error) {
      LogWarn("accepting a connection failed: {}", error.message());
      co_await Delay(kPauseAfterError);
      continue;
    }
    const tcp::endpoint client = socket.remote_endpoint(error);
    if (!error) Admit(context, std::move(socket), client, listener->tls, listener->kind);
  }
}

HttpServer::HttpServer(const asio::any_io_executor& executor, HttpService* service,
                       const HttpLimits& limits, AccessPolicy::Rules access, TrustedProxies proxies)
    : context_(std::make_shared<ServerContext>(executor, service, limits, std::move(access),
                                               std::move(proxies))) {}

HttpServer::~HttpServer() { Stop(); }

Result<uint16_t> HttpServer::Listen(const std::string& ip, uint16_t port,
                                    std::shared_ptr<asio::ssl::context> tls, ListenerKind kind) {
  error_code error;
  const asio::ip::address address = asio::ip::make_address(ip, error);
  if (error) return Error("\"" + ip + "\" is not an IP address");
  const tcp::endpoint endpoint(address, port);
  auto listener =
      std::make_shared<Listener>(Listener{tcp::acceptor(context_->executor), std::move(tls), kind});
  tcp::acceptor& acceptor = listener->acceptor;
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    return Error("cannot listen on " + ip + " port " + std::to_string(port) + ": " +
                 error.message() + Advice(error));
  }
  const uint16_t bound = acceptor.local_endpoint(error).port();
  listeners_.push_back(listener);
  context_->tasks.Spawn(Accept(context_, listener));
  return bound;
}

void HttpServer::SetTls(const std::shared_ptr<asio::ssl::context>& tls) {
  for (const auto& listener : listeners_) {
    if (listener->tls) listener->tls = tls;
  }
}

void HttpServer::CloseListeners() {
  context_->stopped = true;
  error_code ignored;
  for (const auto& listener : listeners_) listener->acceptor.close(ignored);
}

void HttpServer::GoAway(std::string_view reason) {
  constexpr uint16_t kGoingAway = 1001;
  CloseListeners();
  const auto open = context_->websockets;
  for (WebSocketLink* link : open) link->Close(kGoingAway, reason);
}

void HttpServer::Stop() {
  CloseListeners();
  context_->table.CloseAll();
}

Task<bool> HttpServer::Join(std::chrono::milliseconds limit) { return context_->tasks.Join(limit); }

size_t HttpServer::connections() const { return context_->table.size(); }
size_t HttpServer::held() const { return context_->table.held(); }
size_t HttpServer::websockets() const { return context_->websockets.size(); }
const ConnectionTable::Counters& HttpServer::connection_counters() const {
  return context_->table.counters();
}
const WebSocketCounters& HttpServer::websocket_counters() const {
  return context_->websocket_counters;
}
const RequestCounters& HttpServer::request_counters() const { return context_->request_counters; }
const RateCounters& HttpServer::rate_counters() const { return context_->rate_counters; }
const AccessPolicy::Counters& HttpServer::access_counters() const {
  return context_->access.counters();
}

}  // namespace sluice::controller
