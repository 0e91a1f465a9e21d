#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <string>

#include "controller/room/participant.h"
#include "controller/room/room.h"
#include "controller/room/room_event.h"

/// Room events in the protoo dialect.
namespace sluice::controller {

/// The notification of an event, ready to send; "" for an event that protoo clients do not hear of.
std::string RenderNotification(const RoomEvent& event);

/// The notification that the client shall go on in another room, with a token for that where one is
/// needed. It is a secret: RenderNotification() knows nothing of it.
boost::json::object MovedNotification(const std::string& room_id, const std::string& token);

/// What the client of a peer that was resumed is answered: all that there is now.
boost::json::object DescribeResumed(const Room& room, const Participant& peer);

/// The newConsumer request that offers a consumer, ready to send. What it has in common with others
/// is rendered once (ConsumerPattern).
std::string RenderOffer(uint32_t request_id, const Consumer& consumer);

/// The newDataConsumer request that offers a data consumer, ready to send.
std::string RenderDataOffer(uint32_t request_id, const DataConsumer& consumer);

}  // namespace sluice::controller
