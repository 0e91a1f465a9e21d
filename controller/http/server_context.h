#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <memory>
#include <set>
#include <string>

#include "controller/base/log.h"
#include "controller/base/source_rate.h"
#include "controller/base/task.h"
#include "controller/base/task_scope.h"
#include "controller/http/access_policy.h"
#include "controller/http/client_address.h"
#include "controller/http/connection_table.h"
#include "controller/http/http_limits.h"
#include "controller/http/http_types.h"

namespace sluice::controller {

/// What the connections of one HTTP server share. Outlives the server for as long as a connection
/// does.
struct ServerContext {
  ServerContext(asio::any_io_executor on, HttpService* answers, const HttpLimits& with,
                AccessPolicy::Rules rules, TrustedProxies trusted)
      : executor(std::move(on)),
        service(answers),
        limits(with),
        access(std::move(rules)),
        proxies(std::move(trusted)),
        tasks(executor),
        table({with.max_connections, with.max_connections_per_ip, with.max_held,
               with.max_held_per_ip}),
        connection_rate(with.connections_per_second,
                        HttpLimits::kConnectionBurst * with.connections_per_second),
        handshake_rate(with.handshakes_per_second,
                       HttpLimits::kConnectionBurst * with.handshakes_per_second),
        byte_rate(with.bytes_per_second, HttpLimits::kByteBurst * with.bytes_per_second) {}

  /// The client of `source` has sent so many bytes: how long it should be made to wait. A proxy's
  /// bytes count for the clients of its requests ("": not known yet).
  std::chrono::milliseconds WaitFor(const std::string& source, size_t bytes) {
    if (source.empty()) return {};
    const auto wait = std::chrono::ceil<std::chrono::milliseconds>(
        byte_rate.Owe(source, static_cast<double>(bytes), std::chrono::steady_clock::now()));
    if (wait.count() > 0) ++rate_counters.waits;
    return wait;
  }

  /// Whether `source` may have one more connection now; counted and logged when not.
  bool TakeConnection(const std::string& source) {
    if (connection_rate.Take(source, std::chrono::steady_clock::now())) return true;
    ++rate_counters.connections;
    LogWarn("connection of {} refused: more than {} a second (maxConnectionsPerSecondPerIp)",
            source, limits.connections_per_second);
    return false;
  }

  asio::any_io_executor executor;
  HttpService* service;
  HttpLimits limits;
  AccessPolicy access;
  TrustedProxies proxies;
  TaskScope tasks;  ///< of the listeners and connections
  ConnectionTable table;
  SourceRate connection_rate;
  SourceRate handshake_rate;
  SourceRate byte_rate;
  std::set<WebSocketLink*> websockets;  ///< the open ones
  bool stopped = false;
  WebSocketCounters websocket_counters;
  RequestCounters request_counters;
  RateCounters rate_counters;
};

/// What a connection needs to know of where it came from.
struct ConnectionOrigin {
  std::string client_ip;  ///< who connected: a client, or a proxy
  std::string local_ip;   ///< of our end
  Door door = Door::kSite;
};

}  // namespace sluice::controller
