#pragma once

#include <boost/asio/ssl/context.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "common/status.h"
#include "controller/http/http_types.h"
#include "controller/worker/task.h"

namespace sluice::controller {

struct HttpLimits {
  size_t max_body = 1 << 20;               ///< bytes of a request body
  size_t max_header = 16 << 10;            ///< bytes of a request's header; browsers send < 4 KiB
  size_t max_websocket_message = 960'000;  ///< bytes received (room-api §1.1); above: close 1009
  size_t max_websocket_queue = 8 << 20;    ///< bytes waiting for a client that reads slowly
  size_t max_connections = 10'000;         ///< of all listeners together
  size_t max_connections_per_ip = 200;     ///< of one IPv4 address or IPv6 /64; 0 = no limit
  std::chrono::milliseconds request_time{15'000};    ///< from first to last byte of a request
  std::chrono::milliseconds idle_time{75'000};       ///< between requests
  std::chrono::milliseconds handshake_time{10'000};  ///< TLS and WebSocket
  /// One WebSocket message or response must reach the kernel's buffers in this time.
  std::chrono::milliseconds write_time{30'000};
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

}  // namespace sluice::controller
