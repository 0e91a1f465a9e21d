#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <memory>
#include <set>
#include <string>

#include "controller/http/connection_table.h"
#include "controller/http/http_limits.h"
#include "controller/http/http_types.h"
#include "controller/worker/task.h"

namespace sluice::controller {

/// What the connections of one HTTP server share. Outlives the server for as long as a connection
/// does.
struct ServerContext {
  ServerContext(asio::any_io_executor on, HttpService* answers, const HttpLimits& with)
      : executor(std::move(on)),
        service(answers),
        limits(with),
        table({with.max_connections, with.max_connections_per_ip, 0, 0}) {}

  asio::any_io_executor executor;
  HttpService* service;
  HttpLimits limits;
  ConnectionTable table;
  bool stopped = false;
};

/// What a connection needs to know of where it came from.
struct ConnectionOrigin {
  std::string remote;  ///< address and port of the client, for the log
};

}  // namespace sluice::controller
