#pragma once

#include <cstdint>
#include <string>

#include "controller/room/participant.h"
#include "controller/room/room_event.h"

/// Room events in the protoo dialect.
namespace sluice::controller {

/// The notification of an event, ready to send; "" for an event that protoo clients do not hear of.
std::string RenderNotification(const RoomEvent& event);

/// The newConsumer request that offers a consumer, ready to send. What it has in common with others
/// is rendered once (ConsumerPattern).
std::string RenderOffer(uint32_t request_id, const Consumer& consumer);

/// The newDataConsumer request that offers a data consumer, ready to send.
std::string RenderDataOffer(uint32_t request_id, const DataConsumer& consumer);

}  // namespace sluice::controller
