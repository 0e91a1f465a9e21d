#pragma once

#include <boost/json/object.hpp>
#include <vector>

#include "common/status.h"
#include "worker/channel/json/protocol_types.h"

/// From the `data` of requests to RTP dictionaries (docs/protocols/json-protocol.md §3 to §5).
/// Errors are TypeErrors that name the field by its path, its value and what would be right. Fields
/// that are null count as absent; unknown fields are ignored; lists are bounded (kMax… in
/// protocol_types.h).
namespace sluice::worker::json_protocol {

/// `mediaCodecs` of worker.createRoom; empty when absent. Payload types are optional.
Result<std::vector<Codec>> ParseMediaCodecs(const boost::json::object& data);

/// The data of peer.setCapabilities. Every list is optional; payload types are required and unique;
/// header extensions with an unknown URI are left out.
Result<RtpCapabilities> ParseCapabilities(const boost::json::object& data);

/// The data of rtpReceiver.receive. Passes CheckParameters (json_negotiation.h) as well: encodings
/// are complete in the result.
Result<JsonRtpParameters> ParseRtpParameters(const boost::json::object& data);

}  // namespace sluice::worker::json_protocol
