// Peers whose connection is lost and that come back over another one (docs/protocols/room-api.md
// §9).

#include <algorithm>
#include <chrono>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "controller/auth/auth.h"
#include "controller/base/delay.h"
#include "controller/base/log.h"
#include "controller/base/logging.h"
#include "controller/room/random.h"
#include "controller/room/room.h"
#include "controller/room/subscriber.h"

namespace sluice::controller {

namespace {

/// Whether the client that comes back has lost the object: it was told of it, and does not know it.
bool IsForgotten(const KnownObjects::Ids& known, const std::string& id) {
  return known && !known->contains(id);
}

}  // namespace

std::string Room::OfferResumption(const std::shared_ptr<Participant>& peer) {
  if (settings_.resume_grace.count() == 0 || peer->closed) return "";
  peer->resume_token = RandomText(kResumeTokenLength);
  return peer->resume_token;
}

void Room::AddNewcomer(const std::shared_ptr<Participant>& newcomer, const KindWish& wish) {
  // Too many of one id: of the address with the most of them the oldest goes, so that nobody keeps
  // a client from coming back to its peer.
  std::map<std::string_view, size_t> addresses;
  size_t same = 0;
  for (const Newcomer& other : newcomers_) {
    if (other.who->id != newcomer->id) continue;
    ++same;
    ++addresses[other.who->owner.address];
  }
  if (same >= settings_.max_newcomers) {
    std::shared_ptr<Participant> surplus;
    for (const Newcomer& other : newcomers_) {
      if (other.who->id != newcomer->id) continue;
      const size_t held = addresses[other.who->owner.address];
      if (!surplus || held > addresses[surplus->owner.address]) surplus = other.who;
    }
    ++settings_.counters->newcomers_surplus;
    SendAway(surplus, "too many connections of one peer (maxNewcomersPerPeer)");
  }
  newcomers_.push_back({newcomer, wish});
  Start(EndSilence(shared_from_this(), newcomer));
}

Task<void> Room::EndSilence(std::shared_ptr<Room> self, std::weak_ptr<Participant> newcomer) {
  co_await Delay(self->settings_.newcomer_patience);
  const std::shared_ptr<Participant> silent = newcomer.lock();
  if (!silent || silent->closed || !silent->pending) co_return;
  ++self->settings_.counters->newcomers_silent;
  self->SendAway(silent, "nothing was said for too long: resume or join (newcomerTimeout)");
}

void Room::SendAway(const std::shared_ptr<Participant>& newcomer, std::string_view why) {
  LogInfo("room {}: a connection as peer {} is closed: {}", id_, newcomer->id, why);
  newcomer->closed = true;
  std::erase_if(newcomers_, [&](const Newcomer& entry) { return entry.who == newcomer; });
  newcomer->link->End(EndReason::kReconnect, why);
}

Status Room::Settle(const std::shared_ptr<Participant>& newcomer) {
  if (!newcomer->pending) return absl::OkStatus();
  if (Status alive = CheckAlive(*newcomer); !alive.ok()) return alive;
  const auto entry = std::find_if(newcomers_.begin(), newcomers_.end(),
                                  [&](const Newcomer& each) { return each.who == newcomer; });
  const KindWish wish = entry == newcomers_.end() ? KindWish() : entry->wish;
  if (Status entered = Enter(newcomer, wish); !entered.ok()) return entered;
  newcomer->pending = false;
  std::erase_if(newcomers_, [&](const Newcomer& each) { return each.who == newcomer; });
  return absl::OkStatus();
}

Result<std::shared_ptr<Participant>> Room::Resume(const std::shared_ptr<Participant>& newcomer,
                                                  const std::string& token) {
  if (Status alive = CheckAlive(*newcomer); !alive.ok()) return alive;
  const std::shared_ptr<Participant> peer = newcomer->pending ? FindPeer(newcomer->id) : nullptr;
  if (!peer) {
    return NotFoundError("there is no peer \"" + newcomer->id +
                         "\" that could be resumed: it has left, or was away for more than " +
                         std::to_string(settings_.resume_grace.count() / 1'000) +
                         " s (resumeGrace); join anew");
  }
  if (!SameSecret(peer->resume_token, token) && !SameSecret(peer->old_resume_token, token)) {
    ++settings_.counters->resume_refused;
    return absl::PermissionDeniedError("resumeToken is not that of peer \"" + newcomer->id +
                                       "\": join anew");
  }
  std::erase_if(newcomers_, [&](const Newcomer& entry) { return entry.who == newcomer; });
  newcomer->closed = true;
  const std::shared_ptr<PeerLink> old_link = std::exchange(peer->link, newcomer->link);
  const std::string old_address = std::exchange(peer->owner, newcomer->owner).address;
  policy_.MoveTo(*peer, old_address);
  peer->proven = peer->proven || newcomer->proven;
  peer->away = false;
  ++peer->absences;
  peer->old_resume_token = token;
  peer->resume_token = RandomText(kResumeTokenLength);
  ++settings_.counters->resumed;
  LogInfo("room {}: peer {} is back", id_, peer->id);
  old_link->End(EndReason::kReplaced, "the peer goes on over another connection");
  for (const auto& [id, transport] : peer->transports) {
    if (!transport->lost) continue;
    Start(AwaitTransport(shared_from_this(), peer, transport, peer->absences, transport->losses));
  }
  return peer;
}

Task<void> Room::Reconcile(std::shared_ptr<Room> self, std::shared_ptr<Participant> peer,
                           KnownObjects known) {
  const auto gone = [&] { return self->closed_ || peer->closed || peer->away; };
  if (gone()) co_return;
  if (!peer->muted.empty() || peer->mute_told) TellMuted(*peer);
  for (const std::string& id : known.consumers.value_or(std::set<std::string>())) {
    if (!peer->consumers.contains(id)) peer->link->OnEvent(RoomMessage(ConsumerEnded{id}));
    if (gone()) co_return;
  }
  for (const std::string& id : known.data_consumers.value_or(std::set<std::string>())) {
    if (!peer->data_consumers.contains(id)) peer->link->OnEvent(RoomMessage(DataConsumerEnded{id}));
    if (gone()) co_return;
  }
  if (peer->subscriber) peer->subscriber->OnResumed(known);
  const auto producers = peer->producers;
  for (const auto& [id, producer] : producers) {
    if (!IsForgotten(known.producers, id) || producer->closed) continue;
    (void)co_await self->CloseProducer(peer, producer);
  }
  const auto data_producers = peer->data_producers;
  for (const auto& [id, producer] : data_producers) {
    if (!IsForgotten(known.data_producers, id) || producer->closed) continue;
    (void)co_await self->CloseDataProducer(peer, producer);
  }
}

void Room::Drop(const std::shared_ptr<Participant>& peer) {
  const bool may_return = peer->joined && !peer->resume_token.empty();
  if (closed_ || peer->closed || !may_return || settings_.resume_grace.count() == 0) {
    Leave(peer);
    return;
  }
  LogInfo("room {}: peer {} lost its connection, it is awaited", id_, peer->id);
  ++settings_.counters->dropped;
  peer->away = true;
  Start(EndAbsence(shared_from_this(), peer, ++peer->absences));
}

Task<void> Room::EndAbsence(std::shared_ptr<Room> self, std::shared_ptr<Participant> peer,
                            uint64_t absence) {
  co_await Delay(self->settings_.resume_grace);
  if (peer->closed || !peer->away || peer->absences != absence) co_return;
  LogInfo("room {}: peer {} did not come back", self->id_, peer->id);
  ++self->settings_.counters->not_resumed;
  self->Leave(peer);
}

Task<void> Room::AwaitTransport(std::shared_ptr<Room> self, std::shared_ptr<Participant> peer,
                                std::shared_ptr<Transport> transport, uint64_t absence,
                                uint64_t loss) {
  co_await Delay(self->settings_.resume_grace);
  if (peer->closed || transport->closed || !transport->lost) co_return;
  // Who was away meanwhile, or has lost it again, is awaited for longer.
  if (peer->away || peer->absences != absence || transport->losses != loss) co_return;
  LogInfo("room {}: peer {} has not restored its transport {}", self->id_, peer->id, transport->id);
  self->Leave(peer);
}

}  // namespace sluice::controller
