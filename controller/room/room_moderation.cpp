// What the management does in a room (docs/management-api.md).

#include <algorithm>
#include <chrono>
#include <set>
#include <utility>
#include <vector>

#include "controller/base/log.h"
#include "controller/base/logging.h"
#include "controller/room/bot.h"
#include "controller/room/room.h"
#include "controller/room/subscriber.h"

namespace sluice::controller {

namespace {

/// Of a producer or a data producer, at its worker.
template <typename Remote>
Task<Status> SetPaused(Remote* remote, bool paused) {
  if (paused) co_return co_await remote->Pause();
  co_return co_await remote->Resume();
}

}  // namespace

Task<void> Room::SetRules(std::shared_ptr<Room> self, RoomRules rules) {
  if (self->closed_) co_return;
  std::vector<const Participant*> publishers;
  std::vector<std::shared_ptr<Participant>> members = self->peers_;
  for (const auto& [id, broadcaster] : self->broadcasters_) members.push_back(broadcaster);
  for (const auto& member : members) {
    if (!member->producers.empty()) publishers.push_back(member.get());
  }
  const MediaSources allowed = rules.receive.Without(self->policy_.rules().receive);
  self->policy_.SetRules(rules, publishers);
  LogInfo("room {}: its rules are those of the management, {}", self->id_, ToString(rules.kind));
  for (const auto& member : members) self->TakeAway(*member, rules.receive);
  if (!allowed.empty()) self->GiveAll(allowed);
  for (const auto& member : members) {
    // The rules may change again meanwhile.
    const MediaSources ended = MediaSources::All().Without(self->policy_.rules().publish);
    co_await EndProducers(self, member, ended);
  }
}

void Room::TakeAway(Participant& member, MediaSources receive) {
  const auto consumers = member.consumers;
  for (const auto& [id, consumer] : consumers) {
    if (consumer->closed || receive.Has(consumer->producer->source)) continue;
    DropConsumer(member, consumer);
    if (!member.is_broadcaster()) member.link->OnEvent(RoomMessage(ConsumerEnded{consumer->id}));
  }
  if (receive.Has(MediaSource::kData)) return;
  const auto data_consumers = member.data_consumers;
  for (const auto& [id, consumer] : data_consumers) {
    if (consumer->closed) continue;
    DropDataConsumer(member, consumer);
    if (!member.is_broadcaster()) member.link->OnEvent(RoomMessage(DataConsumerEnded{id}));
  }
}

void Room::GiveAll(MediaSources sources) {
  for (const auto& peer : peers_) {
    if (!peer->joined) continue;
    const std::set<const void*> given = peer->subscriber->Given();
    for (const auto& [id, producer] : producers_) {
      if (producer->owner_id == peer->id || !sources.Has(producer->source)) continue;
      if (!given.contains(producer.get())) GivePeer(peer, producer);
    }
    if (sources.Has(MediaSource::kData)) GivePeerAllData(peer);
  }
}

Task<void> Room::EndProducers(std::shared_ptr<Room> self, std::shared_ptr<Participant> owner,
                              MediaSources sources) {
  const auto producers = owner->producers;
  for (const auto& [id, producer] : producers) {
    if (producer->closed || !sources.Has(producer->source)) continue;
    (void)co_await self->CloseProducer(owner, producer);
    if (!owner->is_broadcaster()) owner->link->OnEvent(RoomMessage(ProducerEnded{id}));
  }
  if (!sources.Has(MediaSource::kData)) co_return;
  const auto data_producers = owner->data_producers;
  for (const auto& [id, producer] : data_producers) {
    if (producer->closed) continue;
    (void)co_await self->CloseDataProducer(owner, producer);
    if (!owner->is_broadcaster()) owner->link->OnEvent(RoomMessage(DataProducerEnded{id}));
  }
}

void Room::KeepEmpty(std::chrono::milliseconds empty_timeout) {
  if (closed_) return;
  kept_empty_ = empty_timeout;
  CloseUnlessUsed();
}

void Room::Kick(const std::shared_ptr<Participant>& peer, std::string_view why) {
  if (peer->closed) return;
  LogInfo("room {}: peer {} is sent away: {}", id_, peer->id, why);
  ++settings_.counters->kicked;
  Leave(peer, /*for_good=*/true, why);
}

Task<Status> Room::Mute(std::shared_ptr<Room> self, std::shared_ptr<Participant> member,
                        MediaSources sources, bool muted) {
  if (Status alive = self->CheckAlive(*member); !alive.ok()) co_return alive;
  if (muted) ++self->settings_.counters->muted;
  member->muted = muted ? member->muted | sources : member->muted.Without(sources);
  TellMuted(*member);
  Status result;
  const auto producers = member->producers;
  for (const auto& [id, producer] : producers) {
    if (producer->closed || !sources.Has(producer->source) || producer->muted == muted) continue;
    producer->muted = muted;
    if (producer->paused) continue;
    const Status done = co_await SetPaused(producer->remote.get(), muted);
    if (!done.ok() && !producer->closed) result = done;
  }
  if (!sources.Has(MediaSource::kData)) co_return result;
  const auto data_producers = member->data_producers;
  for (const auto& [id, producer] : data_producers) {
    if (producer->closed || producer->muted == muted) continue;
    producer->muted = muted;
    const Status done = co_await SetPaused(producer->remote.get(), muted);
    if (!done.ok() && !producer->closed) result = done;
  }
  co_return result;
}

void Room::TellMuted(Participant& member) {
  if (member.is_broadcaster()) return;
  member.mute_told = true;
  member.link->OnEvent(RoomMessage(PeerMuted{member.muted}));
}

Status Room::LetUp(const std::shared_ptr<Participant>& member) {
  if (Status alive = CheckAlive(*member); !alive.ok()) return alive;
  if (Status up = policy_.LetUp(*member, std::chrono::steady_clock::now()); !up.ok()) return up;
  member->taken_down = false;
  if (!member->is_broadcaster()) member->link->OnEvent(RoomMessage(StageGiven{true}));
  return absl::OkStatus();
}

Task<Status> Room::TakeDown(std::shared_ptr<Room> self, std::shared_ptr<Participant> member) {
  if (Status alive = self->CheckAlive(*member); !alive.ok()) co_return alive;
  if (!self->policy_.IsOnStage(*member, std::chrono::steady_clock::now())) {
    co_return NotFoundError("\"" + member->id + "\" is not on the stage of room \"" + self->id_ +
                            "\"");
  }
  self->policy_.TakeDown(*member);
  member->taken_down = true;
  co_await EndProducers(self, member, MediaSources::All().Without(MediaSource::kData));
  if (!member->is_broadcaster() && !member->closed && member->taken_down) {
    member->link->OnEvent(RoomMessage(StageGiven{false}));
  }
  co_return absl::OkStatus();
}

Status Room::Expect(const Participant& peer) {
  if (closed_) return Error("room closed");
  return policy_.Expect(peer.id, peer.owner.address, present(), std::chrono::steady_clock::now());
}

void Room::MovePeer(const std::shared_ptr<Participant>& peer, const std::string& room_id) {
  if (peer->closed) return;
  LogInfo("room {}: peer {} is moved to room {}", id_, peer->id, room_id);
  ++settings_.counters->moved;
  peer->link->OnEvent(RoomMessage(PeerMoved{room_id}));
  Leave(peer, /*for_good=*/true, "moved to room " + room_id);
}

Task<Result<size_t>> Room::Say(std::shared_ptr<Room> self, std::string text) {
  if (self->closed_) co_return Error("room closed");
  const std::shared_ptr<Bot> bot = co_await GetBot(self);
  if (!bot || self->closed_) co_return Error("room \"" + self->id_ + "\" has no bot to say it");
  const auto hears = [&](const Participant& member) {
    return std::any_of(
        member.data_consumers.begin(), member.data_consumers.end(),
        [&](const auto& entry) { return entry.second->producer == bot->producer(); });
  };
  bot->Say(text);
  size_t receivers = 0;
  for (const auto& peer : self->peers_) receivers += hears(*peer) ? 1 : 0;
  for (const auto& [id, broadcaster] : self->broadcasters_)
    receivers += hears(*broadcaster) ? 1 : 0;
  co_return receivers;
}

}  // namespace sluice::controller
