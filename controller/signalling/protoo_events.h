#pragma once

#include <string>

#include "controller/room/room_event.h"

/// Room events in the protoo dialect.
namespace sluice::controller {

/// The notification of an event, ready to send; "" for an event that protoo clients do not hear of.
std::string RenderNotification(const RoomEvent& event);

}  // namespace sluice::controller
