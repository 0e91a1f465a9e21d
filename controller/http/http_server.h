#pragma once

#include <boost/asio/ssl/context.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "common/status.h"
#include "controller/http/http_types.h"
#include "controller/worker/task.h"

namespace sluice {

struct HttpLimits {
  size_t max_body = 1024 * 1024;            ///< bytes of a request body
  size_t max_header = 16 * 1024;            ///< bytes of a request's header; browsers send < 4 KiB
  size_t max_websocket_message = 960'000;   ///< bytes received (room-api §1.1); above: close 1009
  size_t max_websocket_queue = 8 << 20;     ///< bytes waiting for a client that reads slowly
  size_t max_connections = 10'000;          ///< of all listeners together
  std::chrono::seconds request_time{15};    ///< from first to last byte of a request
  std::chrono::seconds idle_time{75};       ///< between requests
  std::chrono::seconds handshake_time{10};  ///< TLS and WebSocket
  /// WebSocket keepalive (room-api §1.1): ping after this long without received data, drop after
  /// that long more.
  std::chrono::milliseconds ping_after{60'000};
  std::chrono::milliseconds pong_within{10'000};
};

/// HTTP/1.1 and WebSocket on any number of TCP listeners, plain or TLS, all answered by one
/// service. Connections live on their own; Stop() ends the listeners and every connection.
class HttpServer {
 public:
  struct State;  ///< shared with the connections; known to the .cpp only

  HttpServer(const asio::any_io_executor& executor, HttpService* service, HttpLimits limits);
  ~HttpServer();

  /// Starts a listener; plain when `tls` is null. Returns the port (useful when `port` is 0).
  /// Error names the address and why it cannot be used.
  Result<uint16_t> Listen(const std::string& ip, uint16_t port,
                          std::shared_ptr<asio::ssl::context> tls);
  void Stop();

  size_t connections() const;

 private:
  std::shared_ptr<State> state_;
};

}  // namespace sluice
