#pragma once

#include <functional>

#include "common/status.h"
#include "proto/message_generated.h"
#include "worker/channel/process_info.h"
#include "worker/media/engine.h"

namespace sluice::worker::router_protocol {

/// Body of an accepted response; NONE when there is nothing to say.
struct Reply {
  FBS::Response::Body type = FBS::Response::Body::NONE;
  flatbuffers::Offset<void> body;
  bool later = false;  ///< MethodContext::done will be called: the response waits until then
};

/// What a method works with. `builder` is where it builds its reply; the engine has emitted its
/// notifications by then.
struct MethodContext {
  Engine& engine;
  ProcessInfo& process;
  flatbuffers::FlatBufferBuilder& builder;
  /// Accepts this request, without a body, once the method has returned.
  std::function<void()> done;
};

/// Runs one request of the router protocol. Every request gets exactly one Result: TypeError for a
/// missing or wrong body, Error for a method that we do not know (docs/protocols/router-protocol.md
/// §2).
Result<Reply> RunMethod(const FBS::Request::Request& request, MethodContext& context);

}  // namespace sluice::worker::router_protocol
