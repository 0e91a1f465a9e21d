#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace sluice::controller {

/// What one client of the HTTP server may use (docs/limits.md).
struct HttpLimits {
  size_t max_body = 1 << 20;     ///< bytes of a request body
  size_t max_header = 16 << 10;  ///< bytes of a request's header; browsers send < 4 KiB
  size_t max_websocket_message =
      960'000;  ///< bytes received, as protoo servers allow; above: close 1009
  /// Bytes that may wait for a client that reads slowly when one more message is sent to it: it
  /// holds this much and one message of any size at most.
  size_t max_websocket_queue = 1 << 20;
  size_t max_connections = 10'000;      ///< of all listeners together
  size_t max_connections_per_ip = 200;  ///< of one IPv4 address or IPv6 /64; 0 = no limit
  /// Bytes that wait to be sent and of unfinished messages and bodies, of all clients.
  size_t max_held = 256 << 20;
  size_t max_held_per_ip = 64 << 20;  ///< the same of one IPv4 address or IPv6 /64; 0 = no limit
  // Rates of one IPv4 address or IPv6 /64, 0 = no limit. After a restart 200 people of one office
  // come back at once, each with a connection; a browser makes six.
  uint32_t connections_per_second = 100;  ///< with kConnectionBurst seconds' worth at once
  uint32_t handshakes_per_second = 50;    ///< of TLS, likewise: each costs a millisecond
  uint32_t bytes_per_second = 8 << 20;    ///< received, with kByteBurst seconds' worth at once
  static constexpr uint32_t kConnectionBurst = 10;
  static constexpr uint32_t kByteBurst = 2;
  /// A request of a source that has sent too much waits for its turn, at most so long; then it is
  /// refused.
  static constexpr std::chrono::seconds kMaxByteWait{30};
  /// From a request's first byte to the end of its header. Its body may take as long again, and a
  /// second more for every min_body_rate bytes that have come.
  std::chrono::milliseconds request_time{5'000};
  size_t min_body_rate = 16 << 10;                   ///< bytes a second
  std::chrono::milliseconds idle_time{75'000};       ///< between requests
  std::chrono::milliseconds handshake_time{10'000};  ///< TLS and WebSocket
  /// One WebSocket message or response must reach the kernel's buffers in this time.
  std::chrono::milliseconds write_time{30'000};
  /// A WebSocket is pinged this often, whatever else is sent: proxies cut off what was silent in
  /// one direction for 60 s. Without a sign of life in pong_within after it, it is dropped.
  std::chrono::milliseconds ping_after{25'000};
  std::chrono::milliseconds pong_within{10'000};
};

/// WebSocket connections that the limits ended.
struct WebSocketCounters {
  uint64_t slow_readers = 0;   ///< did not read what was sent to them
  uint64_t slow_messages = 0;  ///< did not finish a message in time
  uint64_t silent = 0;         ///< did not answer a ping in time
  uint64_t too_long = 0;       ///< sent a message over max_websocket_message
};

/// Requests that never reached the service.
struct RequestCounters {
  uint64_t malformed = 0;   ///< no HTTP, or HTTP that we do not speak
  uint64_t too_large = 0;   ///< header or body over its limit
  uint64_t over_limit = 0;  ///< by a proxy, of an address that has all connections it may have
  // Connections that were ended because this was not complete in time:
  uint64_t slow_handshakes = 0;  ///< of TLS
  uint64_t slow_headers = 0;
  uint64_t slow_bodies = 0;
  uint64_t slow_readers = 0;  ///< the response was not read
};

/// What the rates of one source refused or held back.
struct RateCounters {
  uint64_t connections = 0;  ///< refused
  uint64_t handshakes = 0;   ///< connections refused
  uint64_t waits = 0;        ///< times that a client was not read, or a request had to wait
  uint64_t requests = 0;     ///< refused because they would have had to wait too long
};

/// How long a body or message of which `size` bytes are there may have taken until now.
inline std::chrono::milliseconds BodyTime(const HttpLimits& limits, size_t size) {
  constexpr size_t kMillisecondsPerSecond = 1'000;
  const size_t rate = limits.min_body_rate == 0 ? 1 : limits.min_body_rate;
  return limits.request_time + std::chrono::milliseconds(size * kMillisecondsPerSecond / rate);
}

}  // namespace sluice::controller
