#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "controller/room/participant.h"
#include "controller/worker/worker_types.h"

/// JSON shapes of the room API that both adapters and the rooms' notifications use (room-api
/// §2–§5).
namespace sluice::controller {

/// id, iceParameters, iceCandidates, dtlsParameters.
boost::json::object ToJson(const WebRtcTransportInfo& info);
/// id, ip, port, rtcpPort (absent with rtcp-mux).
boost::json::object ToJson(const PlainTransportInfo& info);
boost::json::object ToJson(const IceParameters& parameters);
boost::json::object ToJson(const ConsumerScore& score);
/// id, displayName, device.
boost::json::object DescribeParticipant(const Participant& participant);
/// "simple", "simulcast", "svc" or "pipe".
std::string_view ToString(RtpType type);
/// The data of a newConsumer request (room-api §2.3).
boost::json::object NewConsumerData(const Consumer& consumer);

}  // namespace sluice::controller
