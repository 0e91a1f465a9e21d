#pragma once

#include <memory>

#include "controller/base/task.h"
#include "controller/http/byte_stream.h"
#include "controller/http/server_context.h"

namespace sluice::controller {

/// Serves one connection from the TLS handshake until it ends or turns into a WebSocket, which it
/// then serves to its end as well. `place` is its place in the table of connections.
Task<void> ServeConnection(std::shared_ptr<ServerContext> context,
                           std::shared_ptr<ByteStream> stream,
                           std::unique_ptr<ConnectionTable::Entry> place, ConnectionOrigin origin);

}  // namespace sluice::controller
