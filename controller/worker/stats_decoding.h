#pragma once

#include <vector>

#include "common/status.h"
#include "controller/worker/worker_stats.h"
#include "proto/message_generated.h"

/// FlatBuffers of the router protocol → stats as plain values. Input has passed the verifier; Error
/// when the response has another body.
namespace sluice::controller {

Result<TransportStats> DecodeTransportStats(const FBS::Response::Response& response);
Result<std::vector<RtpStreamStats>> DecodeStreamStats(const FBS::Response::Response& response);
Result<DataStats> DecodeDataStats(const FBS::Response::Response& response);

}  // namespace sluice::controller
