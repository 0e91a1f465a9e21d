#pragma once

#include <boost/json/object.hpp>
#include <functional>
#include <string>

#include "common/status.h"
#include "worker/channel/json/json_context.h"
#include "worker/channel/json/json_request.h"
#include "worker/channel/json/room.h"

namespace sluice::worker::json_protocol {

/// What a method works with.
struct MethodContext {
  JsonGraph& rooms;
  JsonContext& context;
};

/// The data of an accepted response, and what is done once it has been sent.
struct Reply {
  boost::json::object data;
  std::function<void()> after;
};

/// Runs one of the 26 methods (docs/json-protocol.md §4). Events that the protocol puts before the
/// response have been emitted when it returns; methods whose events belong after it are held by the
/// writer (see HoldsEvents).
///
/// Errors name the method or the field. A request that fails changes nothing, with two
/// exceptions: a failed peer.createTransport emits the close event of its transport, and a
/// transport.setRemoteDtlsParameters that finds its transport uses up the one call there is.
Result<Reply> RunMethod(const Request& request, MethodContext& context);

/// True when what the engine reports while the method runs has to wait until after the response.
bool HoldsEvents(const std::string& method);

}  // namespace sluice::worker::json_protocol
