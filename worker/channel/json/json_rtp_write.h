#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <string>
#include <vector>

#include "worker/channel/json/protocol_types.h"

/// From RTP dictionaries to the JSON that responses, events and dumps show: the fields that are
/// always there, and the others only when they are set (docs/protocols/json-protocol.md §5).
namespace sluice::worker::json_protocol {

/// Of a room or a peer: codecs show their kind.
boost::json::object WriteCapabilities(const RtpCapabilities& capabilities);

/// Of a receiver or a sender: codecs show no kind.
boost::json::object WriteRtpParameters(const JsonRtpParameters& parameters);

/// `supportedPayloadTypes` of a sender: those of its codecs, in their order.
boost::json::array WriteSupportedPayloadTypes(const JsonRtpParameters& parameters);

}  // namespace sluice::worker::json_protocol
