#pragma once

#include <boost/asio/ssl/context.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/status.h"
#include "controller/base/task.h"
#include "controller/http/access_policy.h"
#include "controller/http/client_address.h"
#include "controller/http/connection_table.h"
#include "controller/http/http_limits.h"
#include "controller/http/http_types.h"

namespace sluice::controller {

struct ServerContext;

/// What a listener is besides its address.
struct ListenerKind {
  Door door = Door::kSite;
  bool may_be_plain = false;  ///< with TLS: also clients that do not begin with a TLS handshake
};

/// HTTP/1.1 and WebSocket on any number of TCP listeners, plain or TLS, all answered by one
/// service. Connections live on their own; Stop() ends the listeners and every connection.
class HttpServer {
 public:
  HttpServer(const asio::any_io_executor& executor, HttpService* service, const HttpLimits& limits,
             AccessPolicy::Rules access = {}, TrustedProxies proxies = {});
  ~HttpServer();

  /// Starts a listener; plain when `tls` is null. Returns the port (useful when `port` is 0).
  /// Error names the address and why it cannot be used.
  Result<uint16_t> Listen(const std::string& ip, uint16_t port,
                          std::shared_ptr<asio::ssl::context> tls, ListenerKind kind = {});
  /// The TLS of connections that come from now on, of the listeners that have TLS.
  void SetTls(const std::shared_ptr<asio::ssl::context>& tls);
  /// Ends the listeners and closes every WebSocket with 1001 and `reason` (RFC 6455 §7.4.1).
  void GoAway(std::string_view reason);
  void Stop();
  /// After Stop(): true when every connection has ended, false when `limit` passes first.
  Task<bool> Join(std::chrono::milliseconds limit);

  size_t connections() const;
  size_t websockets() const;
  /// Bytes of bodies and messages that are not complete or not sent yet.
  size_t held() const;
  /// What the limits of connections and held bytes have refused and ended.
  const ConnectionTable::Counters& connection_counters() const;
  const AccessPolicy::Counters& access_counters() const;
  const WebSocketCounters& websocket_counters() const;
  const RequestCounters& request_counters() const;
  const RateCounters& rate_counters() const;

 private:
  struct Listener;

  static Task<void> Accept(std::shared_ptr<ServerContext> context,
                           std::shared_ptr<Listener> listener);

  void CloseListeners();

  std::shared_ptr<ServerContext> context_;
  std::vector<std::shared_ptr<Listener>> listeners_;
};

}  // namespace sluice::controller
