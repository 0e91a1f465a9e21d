#include "controller/room/room_registry.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>
#include <vector>

#include "controller/base/delay.h"
#include "controller/base/log.h"
#include "controller/base/logging.h"

namespace sluice::controller {

namespace {
/// How long a room's broadcasters are kept for a new worker: about half a minute, as each attempt
/// waits for one as well.
constexpr int kRebuildAttempts = 10;
constexpr std::chrono::milliseconds kRebuildPause{1'000};
/// Between two looks at which policies of ended rooms can be forgotten.
constexpr std::chrono::seconds kPolicyCheck{1};
}  // namespace

RoomRegistry::RoomRegistry(const asio::any_io_executor& executor, WorkerPool* workers,
                           RoomSettings settings, Limits limits)
    : executor_(executor),
      workers_(workers),
      settings_(std::move(settings)),
      limits_(limits),
      tasks_(executor) {}

RoomRegistry::~RoomRegistry() = default;

Task<Result<std::shared_ptr<Room>>> RoomRegistry::GetOrCreate(std::string room_id, RoomWish wish) {
  for (;;) {
    if (const auto it = rooms_.find(room_id); it != rooms_.end()) co_return it->second;
    const auto running = creations_.find(room_id);
    if (running == creations_.end()) break;
    const Creation creation = running->second;
    const Result<std::shared_ptr<Room>> made = co_await creation.Wait();
    if (!made.ok()) co_return made;
  }
  if (draining_ && !wish.was_here) {
    ++counters_.refused_drain;
    co_return absl::UnavailableError(
        "this server is about to end and opens no more rooms: another one, or this one when it is "
        "back, does");
  }
  if (Status free = MakeRoomFor(wish.source); !free.ok()) co_return free;
  if (!wish.source.empty()) ++sources_[wish.source].rooms;
  const Creation creation(executor_);
  creations_.emplace(room_id, creation);
  // A task of its own: whoever asked first may go away, the others still want the room.
  tasks_.Spawn(Make(this, std::move(room_id), std::move(wish), creation));
  co_return co_await creation.Wait();
}

std::shared_ptr<Room> RoomRegistry::Find(const std::string& room_id) const {
  const auto it = rooms_.find(room_id);
  return it == rooms_.end() ? nullptr : it->second;
}

void RoomRegistry::Forget(const std::string& room_id) {
  policies_.erase(room_id);
  const auto rebuild = rebuilds_.find(room_id);
  if (rebuild == rebuilds_.end()) return;
  rebuild->second.plans.clear();
  ++rebuild->second.called_off;
}

bool RoomRegistry::IsKnown(const std::string& room_id) const {
  return rooms_.contains(room_id) || creations_.contains(room_id);
}

Status RoomRegistry::MakeRoomFor(const std::string& source) {
  const auto known = sources_.find(source);
  if (limits_.rooms_per_source != 0 && known != sources_.end() &&
      known->second.rooms >= limits_.rooms_per_source && !EvictFrom(&known->second.empty)) {
    ++counters_.refused_source;
    return absl::ResourceExhaustedError("too many rooms: the " +
                                        std::to_string(limits_.rooms_per_source) +
                                        " that one address may open (maxRoomsPerIp) are in use");
  }
  if (full() && !EvictFrom(&empty_rooms_)) {
    ++counters_.refused_full;
    return absl::ResourceExhaustedError("too many rooms: all " + std::to_string(limits_.rooms) +
                                        " of this server (maxRooms) are in use");
  }
  return absl::OkStatus();
}

bool RoomRegistry::EvictFrom(EmptyRooms* list) {
  while (!list->empty()) {
    const std::shared_ptr<Room> oldest = list->front().lock();
    list->pop_front();
    if (!oldest || oldest->closed() || !oldest->empty() || oldest->kept_empty()) continue;
    ++counters_.evicted;
    oldest->Close();
    return true;
  }
  return false;
}

void RoomRegistry::DropUsed(EmptyRooms* list) {
  const auto in_use = [](const std::weak_ptr<Room>& entry) {
    const std::shared_ptr<Room> room = entry.lock();
    return !room || room->closed() || !room->empty() || room->kept_empty();
  };
  while (!list->empty() && in_use(list->front())) list->pop_front();
}

Task<void> RoomRegistry::Make(RoomRegistry* self, std::string room_id, RoomWish wish,
                              Creation creation) {
  const Result<std::shared_ptr<Room>> made = co_await self->Create(room_id, wish);
  if (made.ok()) {
    self->rooms_[room_id] = *made;
    const auto add = [&made](EmptyRooms* list) {
      DropUsed(list);
      list->push_back(*made);
    };
    add(&self->empty_rooms_);
    if (!wish.source.empty()) add(&self->sources_[wish.source].empty);
  } else {
    self->GiveBack(wish.source);
  }
  self->creations_.erase(room_id);
  creation.Set(made);
}

void RoomRegistry::GiveBack(const std::string& source) {
  const auto it = sources_.find(source);
  if (it != sources_.end() && --it->second.rooms == 0) sources_.erase(it);
}

Task<Result<std::shared_ptr<Room>>> RoomRegistry::Create(std::string room_id,
                                                         const RoomWish& wish) {
  // A worker may die between being chosen and answering: try one more.
  constexpr int kAttempts = 2;
  Status failure = Error("no attempt was made");
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    Result<std::shared_ptr<MediaWorker>> worker = co_await workers_->Acquire();
    if (!worker.ok()) co_return worker.status();
    const auto room = std::make_shared<Room>(room_id, executor_, settings_, wish.consumer_replicas);
    const auto kept = policies_.find(room_id);
    if (kept != policies_.end()) room->set_policy(kept->second.policy);
    const Room::ClosedCallback on_closed = [this, source = wish.source](Room& closed) {
      OnRoomClosed(closed, source);
    };
    failure = co_await room->Open((*worker)->ForSource(wish.source), on_closed);
    if (failure.ok()) {
      Account(room_id, true);
      if (wish.managed) {
        co_await Room::SetRules(room, wish.managed->rules);
        room->KeepEmpty(wish.managed->empty_timeout);
      } else if (const auto was = policies_.find(room_id);
                 was != policies_.end() && was->second.kept_empty) {
        room->KeepEmpty(*was->second.kept_empty);
      }
      policies_.erase(room_id);
      LogInfo("room {} opened on worker {}", room_id, (*worker)->index());
      co_return room;
    }
    if ((*worker)->alive()) break;
  }
  co_return failure;
}

void RoomRegistry::Account(const std::string& room_id, bool begins) const {
  if (!settings_.life_listener) return;
  RoomLife life;
  life.begins = begins;
  life.room_id = room_id;
  settings_.life_listener->OnRoomLife(life);
}

void RoomRegistry::OnRoomClosed(const Room& room, const std::string& source) {
  Account(room.id(), false);
  rooms_.erase(room.id());
  // Weak as the references are, they keep the memory of a room that is gone.
  DropUsed(&empty_rooms_);
  if (const auto it = sources_.find(source); it != sources_.end()) DropUsed(&it->second.empty);
  GiveBack(source);
  ForgetPolicies();
  const auto now = std::chrono::steady_clock::now();
  Kept kept{room.policy(), std::nullopt, now};
  if (room.worker_died()) {
    const bool says_something =
        room.policy().ruled_by() != RuledBy::kNobody || room.policy().IsRemembering();
    if (says_something) kept.until = now + RoomPolicy::kExpectFor;
    kept.kept_empty = room.kept_empty();
    if (const auto& patience = room.kept_empty()) {
      kept.until = patience->count() == 0 ? std::chrono::steady_clock::time_point::max()
                                          : std::max(kept.until, now + *patience);
    }
  }
  if (!IsKept(room.id(), kept, now) || policies_.size() >= limits_.rooms) return;
  policies_.insert_or_assign(room.id(), std::move(kept));
}

bool RoomRegistry::IsKept(const std::string& room_id, const Kept& kept,
                          std::chrono::steady_clock::time_point now) const {
  return kept.policy.IsTaken(now) || kept.policy.IsExpecting(now) || now < kept.until ||
         rebuilds_.contains(room_id);
}

/// Those that nobody comes back to any more.
void RoomRegistry::ForgetPolicies() {
  const auto now = std::chrono::steady_clock::now();
  if (now < policies_checked_ + kPolicyCheck) return;
  policies_checked_ = now;
  std::erase_if(policies_,
                [&](const auto& entry) { return !IsKept(entry.first, entry.second, now); });
}

void RoomRegistry::OnWorkerDied(const std::shared_ptr<MediaWorker>& worker) {
  std::vector<std::shared_ptr<Room>> affected;
  for (const auto& [id, room] : rooms_) {
    if (room->UsesWorker(*worker)) affected.push_back(room);
  }
  size_t coming = 0;
  for (const auto& room : affected) coming += room->peers().size();
  for (const auto& room : affected) {
    std::vector<BroadcastPlan> plans = room->PlanBroadcasts();
    room->OnWorkerDied(tasks_, coming);
    if (plans.empty() && room->kept_empty()) tasks_.Spawn(Remake(this, room->id()));
    if (plans.empty()) continue;
    // One task for a room: consumers can be made only when the broadcasters of all plans are here.
    const auto [rebuild, is_new] = rebuilds_.try_emplace(room->id());
    std::move(plans.begin(), plans.end(), std::back_inserter(rebuild->second.plans));
    if (is_new) tasks_.Spawn(Rebuild(this, room->id()));
  }
}

Task<void> RoomRegistry::Remake(RoomRegistry* self, std::string room_id) {
  for (int attempt = 0; attempt < kRebuildAttempts; ++attempt) {
    RoomWish wish;  // of nobody's account
    wish.was_here = true;
    const Result<std::shared_ptr<Room>> made = co_await self->GetOrCreate(room_id, wish);
    if (made.ok()) co_return;
    co_await Delay(kRebuildPause);
  }
  LogWarn("room {} of the management is not open any more: no worker in time", room_id);
}

Task<void> RoomRegistry::Rebuild(RoomRegistry* self, std::string room_id) {
  const uint64_t& called_off = self->rebuilds_[room_id].called_off;
  std::vector<BroadcastPlan>& plans = self->rebuilds_[room_id].plans;
  std::shared_ptr<Room> room;
  int attempts = 0;  // since a worker died that had made some of them
  while (!plans.empty()) {
    if (attempts == kRebuildAttempts) {
      LogWarn("room {}: {} broadcasters are lost: no worker in time", room_id, plans.size());
      plans.clear();
      attempts = 0;
      if (room) co_await room->RestoreConsumers();  // of the others
      continue;
    }
    ++attempts;
    RoomWish wish;  // of nobody's account
    wish.was_here = true;
    const Result<std::shared_ptr<Room>> made = co_await self->GetOrCreate(room_id, wish);
    if (!made.ok()) {
      co_await Delay(kRebuildPause);
      continue;
    }
    room = *made;
    const uint64_t before = called_off;
    std::vector<BroadcastPlan> planned = std::exchange(plans, {});
    std::vector<BroadcastPlan> left = co_await RestoreAll(room, std::move(planned));
    if (called_off != before) left.clear();
    if (left.empty() && plans.empty()) co_await room->RestoreConsumers();
    if (!plans.empty()) attempts = 0;  // another death
    std::move(left.begin(), left.end(), std::back_inserter(plans));
    if (!plans.empty()) co_await Delay(kRebuildPause);
  }
  self->rebuilds_.erase(room_id);
}

Task<std::vector<BroadcastPlan>> RoomRegistry::RestoreAll(std::shared_ptr<Room> room,
                                                          std::vector<BroadcastPlan> plans) {
  std::vector<BroadcastPlan> left;
  for (BroadcastPlan& plan : plans) {
    const Status status = co_await room->Restore(plan);
    if (status.ok()) {
      LogInfo("room {}: broadcaster {} goes on at its ports", room->id(), plan.id);
    } else if (room->closed() || absl::IsUnavailable(status)) {
      left.push_back(std::move(plan));  // this worker died as well
    } else {
      LogWarn("room {}: broadcaster {} is lost: {}", room->id(), plan.id, Reason(status));
    }
  }
  co_return left;
}

void RoomRegistry::CloseAll() {
  const auto rooms = rooms_;
  for (const auto& [id, room] : rooms) room->Close(EndReason::kShutdown);
}

Task<bool> RoomRegistry::Join(std::chrono::milliseconds limit) {
  tasks_.Cancel();
  return tasks_.Join(limit);
}

RoomRegistry::People RoomRegistry::CountPeople() const {
  People people;
  for (const auto& [id, room] : rooms_) {
    people.peers += room->peer_count();
    people.broadcasters += room->broadcaster_count();
    for (const auto& peer : room->peers()) people.away += peer->away ? 1 : 0;
  }
  return people;
}

}  // namespace sluice::controller
