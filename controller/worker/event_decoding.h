#pragma once

#include <optional>

#include "common/status.h"
#include "controller/worker/worker_types.h"
#include "proto/message_generated.h"

/// FlatBuffers of the router protocol → plain values. Input has passed the
/// verifier; a body that is missing or of another type gives nullopt or an error.
namespace sluice::controller {

std::optional<WorkerEvent> DecodeEvent(const FBS::Notification::Notification& notification);
ConsumerScore DecodeScore(const FBS::Consumer::ConsumerScore& score);
Result<WebRtcTransportInfo> DecodeWebRtcTransport(const FBS::Response::Response& response);
Result<PlainTransportInfo> DecodePlainTransport(const FBS::Response::Response& response);

}  // namespace sluice::controller
