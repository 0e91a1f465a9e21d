#pragma once

#include <chrono>
#include <cstddef>

namespace sluice::controller {

/// What one client of the HTTP server may use (docs/limits.md).
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

}  // namespace sluice::controller
