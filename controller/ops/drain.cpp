#include "controller/ops/drain.h"

#include "controller/base/delay.h"

namespace sluice::controller {

Task<DrainEnd> DrainRooms(RoomRegistry* rooms, std::chrono::milliseconds timeout,
                          std::function<bool()> at_once) {
  constexpr std::chrono::milliseconds kStep{50};
  const auto until = std::chrono::steady_clock::now() + timeout;
  rooms->Drain();
  for (;;) {
    const RoomRegistry::People people = rooms->CountPeople();
    if (people.peers + people.broadcasters == 0 && !rooms->is_rebuilding()) {
      co_return DrainEnd::kEmpty;
    }
    if (at_once()) co_return DrainEnd::kAtOnce;
    if (std::chrono::steady_clock::now() >= until) co_return DrainEnd::kTimeout;
    co_await Delay(kStep);
  }
}

}  // namespace sluice::controller
