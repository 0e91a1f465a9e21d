#include <memory>
#include <string>

#include "controller/base/delay.h"
#include "controller/base/log.h"
#include "controller/room/room.h"

namespace sluice::controller {

Task<void> Room::WatchReach(std::shared_ptr<Room> self, std::weak_ptr<Transport> transport) {
  co_await Delay(self->settings_.reach_patience);
  const std::shared_ptr<Transport> watched = transport.lock();
  if (!watched || watched->closed || watched->was_connected) co_return;
  const std::shared_ptr<Participant> client = watched->owner.lock();
  if (!client || client->closed) co_return;
  ++self->settings_.counters->unreached_transports;
  const std::string& address = client->owner.address;
  if (!self->settings_.unreached->TakeTurn(address, UnreachedLog::Clock::now())) co_return;
  if (watched->reached) {
    LogWarn(
        "room {}: media of {} at {} does not get through: its connectivity checks arrive, its DTLS "
        "handshake does not end. Something on the way lets only small or few packets pass",
        self->id_, client->id, address);
  } else {
    LogWarn(
        "room {}: media of {} at {} does not get through: no connectivity check of it arrives at "
        "{}. "
        "Open these ports in the firewall; if clients reach this machine at another address, name "
        "it with --announcedAddress",
        self->id_, client->id, address, watched->offered);
  }
}

}  // namespace sluice::controller
