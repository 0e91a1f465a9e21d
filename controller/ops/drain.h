#pragma once

#include <chrono>
#include <cstdint>
#include <functional>

#include "controller/base/task.h"
#include "controller/room/room_registry.h"

namespace sluice::controller {

/// Why the rooms are waited for no longer.
enum class DrainEnd : uint8_t {
  kEmpty,    ///< nobody is in any of them
  kTimeout,  ///< those who are there have had their time
  kAtOnce,   ///< it shall not be waited any more
};

/// Lets no new room begin (RoomRegistry::Drain) and waits until nobody is in those that there are,
/// for `timeout` at most, and only as long as `at_once` says no. Rooms that the management keeps
/// without anybody are not waited for.
Task<DrainEnd> DrainRooms(RoomRegistry* rooms, std::chrono::milliseconds timeout,
                          std::function<bool()> at_once);

}  // namespace sluice::controller
