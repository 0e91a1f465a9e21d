#pragma once

#include <boost/asio/ssl/context.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/status.h"
#include "controller/http/http_limits.h"
#include "controller/http/http_types.h"
#include "controller/worker/task.h"

namespace sluice::controller {

struct ServerContext;

/// HTTP/1.1 and WebSocket on any number of TCP listeners, plain or TLS, all answered by one
/// service. Connections live on their own; Stop() ends the listeners and every connection.
class HttpServer {
 public:
  HttpServer(const asio::any_io_executor& executor, HttpService* service, const HttpLimits& limits);
  ~HttpServer();

  /// Starts a listener; plain when `tls` is null. Returns the port (useful when `port` is 0).
  /// Error names the address and why it cannot be used.
  Result<uint16_t> Listen(const std::string& ip, uint16_t port,
                          std::shared_ptr<asio::ssl::context> tls);
  void Stop();

  size_t connections() const;

 private:
  struct Listener;

  static Task<void> Accept(std::shared_ptr<ServerContext> context,
                           std::shared_ptr<Listener> listener);

  std::shared_ptr<ServerContext> context_;
  std::vector<std::shared_ptr<Listener>> listeners_;
};

}  // namespace sluice::controller
