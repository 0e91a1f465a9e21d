#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <string>
#include <string_view>

#include "controller/room/participant.h"
#include "controller/worker/worker_types.h"

/// JSON shapes of the room API that its adapters share.
namespace sluice::controller {

/// id, iceParameters, iceCandidates, dtlsParameters, and sctpParameters with SCTP.
boost::json::object ToJson(const WebRtcTransportInfo& info);
/// id, ip, port, rtcpPort (absent with rtcp-mux), and sctpParameters with SCTP.
boost::json::object ToJson(const PlainTransportInfo& info);
boost::json::object ToJson(const IceParameters& parameters);
boost::json::object ToJson(const ConsumerScore& score);
/// port, OS, MIS, the message sizes by their old and new names, isDataChannel.
boost::json::object ToJson(const SctpParameters& parameters, bool is_data_channel);
/// streamId, ordered, and the limit that there is.
boost::json::object ToJson(const SctpStreamParameters& parameters);
/// id, displayName, device.
boost::json::object DescribePeer(const std::string& id, const std::string& display_name,
                                 const ClientText& device);
boost::json::object DescribePeer(const Participant& participant);
/// The object that a client gave; {} when it gave none.
boost::json::value ParseClientText(const ClientText& text);
/// "simple", "simulcast", "svc" or "pipe".
std::string_view ToString(RtpType type);

}  // namespace sluice::controller
