#pragma once

#include <memory>

#include "controller/base/task.h"
#include "controller/http/byte_stream.h"
#include "controller/http/http_types.h"
#include "controller/http/request_reader.h"
#include "controller/http/server_context.h"

namespace sluice::controller {

/// Serves an accepted WebSocket from its handshake to its end (RFC 6455).
Task<void> ServeWebSocket(std::shared_ptr<ServerContext> context,
                          std::shared_ptr<ByteStream> stream,
                          std::unique_ptr<ConnectionTable::Entry> place,
                          std::shared_ptr<BeastRequest> request, UpgradeDecision decision);

}  // namespace sluice::controller
