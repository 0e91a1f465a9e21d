#include "controller/room/room_registry.h"

#include <chrono>
#include <utility>
#include <vector>

#include "controller/ops/log.h"
#include "controller/ops/logging.h"
#include "controller/worker/delay.h"

namespace sluice::controller {

namespace {
/// How long a room's broadcasters are kept for a new worker: about half a minute, as each attempt
/// waits for one as well.
constexpr int kRebuildAttempts = 10;
constexpr std::chrono::milliseconds kRebuildPause{1'000};
}  // namespace

RoomRegistry::RoomRegistry(const asio::any_io_executor& executor, WorkerPool* workers,
                           RoomSettings settings, size_t max_rooms)
    : executor_(executor),
      workers_(workers),
      settings_(std::move(settings)),
      max_rooms_(max_rooms),
      tasks_(executor) {}

RoomRegistry::~RoomRegistry() = default;

Task<Result<std::shared_ptr<Room>>> RoomRegistry::GetOrCreate(std::string room_id,
                                                              int consumer_replicas) {
  for (;;) {
    if (const auto it = rooms_.find(room_id); it != rooms_.end()) co_return it->second;
    const auto running = creations_.find(room_id);
    if (running == creations_.end()) break;
    const Creation creation = running->second;
    const Result<std::shared_ptr<Room>> made = co_await creation.Wait();
    if (!made.ok()) co_return made;
  }
  if (full() && !EvictEmptyRoom()) {
    ++refused_;
    co_return absl::ResourceExhaustedError("too many rooms: all " + std::to_string(max_rooms_) +
                                           " of this server (maxRooms) are in use");
  }
  const Creation creation(executor_);
  creations_.emplace(room_id, creation);
  // A task of its own: whoever asked first may go away, the others still want the room.
  tasks_.Spawn(Make(this, std::move(room_id), consumer_replicas, creation));
  co_return co_await creation.Wait();
}

bool RoomRegistry::EvictEmptyRoom() {
  while (!empty_rooms_.empty()) {
    const std::shared_ptr<Room> oldest = empty_rooms_.front().lock();
    empty_rooms_.pop_front();
    if (!oldest || oldest->closed() || !oldest->empty()) continue;
    ++evicted_;
    oldest->Close();
    return true;
  }
  return false;
}

Task<void> RoomRegistry::Make(RoomRegistry* self, std::string room_id, int consumer_replicas,
                              Creation creation) {
  const Result<std::shared_ptr<Room>> made = co_await self->Create(room_id, consumer_replicas);
  if (made.ok()) {
    self->rooms_[room_id] = *made;
    auto& waiting = self->empty_rooms_;
    const auto in_use = [](const std::weak_ptr<Room>& entry) {
      const std::shared_ptr<Room> room = entry.lock();
      return !room || room->closed() || !room->empty();
    };
    while (!waiting.empty() && in_use(waiting.front())) waiting.pop_front();
    waiting.push_back(*made);
  }
  self->creations_.erase(room_id);
  creation.Set(made);
}

Task<Result<std::shared_ptr<Room>>> RoomRegistry::Create(std::string room_id,
                                                         int consumer_replicas) {
  // A worker may die between being chosen and answering: try one more.
  constexpr int kAttempts = 2;
  Status failure = Error("no attempt was made");
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    Result<std::shared_ptr<MediaWorker>> worker = co_await workers_->Acquire();
    if (!worker.ok()) co_return worker.status();
    const auto room = std::make_shared<Room>(room_id, executor_, settings_, consumer_replicas);
    failure = co_await room->Open(*worker, [this](Room& closed) { rooms_.erase(closed.id()); });
    if (failure.ok()) {
      LogInfo("room {} opened on worker {}", room_id, (*worker)->index());
      co_return room;
    }
    if ((*worker)->alive()) break;
  }
  co_return failure;
}

void RoomRegistry::OnWorkerDied(const std::shared_ptr<MediaWorker>& worker) {
  std::vector<std::shared_ptr<Room>> affected;
  for (const auto& [id, room] : rooms_) {
    if (room->UsesWorker(*worker)) affected.push_back(room);
  }
  for (const auto& room : affected) {
    std::vector<BroadcastPlan> plans = room->PlanBroadcasts();
    room->OnWorkerDied();
    if (!plans.empty()) tasks_.Spawn(Rebuild(this, room->id(), std::move(plans)));
  }
}

Task<void> RoomRegistry::Rebuild(RoomRegistry* self, std::string room_id,
                                 std::vector<BroadcastPlan> plans) {
  for (int attempt = 0; attempt < kRebuildAttempts; ++attempt) {
    Result<std::shared_ptr<Room>> room = co_await self->GetOrCreate(room_id);
    if (!room.ok()) {
      co_await Delay(kRebuildPause);
      continue;
    }
    for (BroadcastPlan& plan : plans) {
      const std::string id = plan.id;
      const Status restored = co_await (*room)->Restore(std::move(plan));
      if (restored.ok()) {
        LogInfo("room {}: broadcaster {} goes on at its ports", room_id, id);
      } else {
        LogWarn("room {}: broadcaster {} is lost: {}", room_id, id, Reason(restored));
      }
    }
    co_return;
  }
  LogWarn("room {}: its broadcasters are lost: no worker in time", room_id);
}

void RoomRegistry::CloseAll() {
  const auto rooms = rooms_;
  for (const auto& [id, room] : rooms) room->Close(EndReason::kShutdown);
}

RoomRegistry::People RoomRegistry::CountPeople() const {
  People people;
  for (const auto& [id, room] : rooms_) {
    people.peers += room->peer_count();
    people.broadcasters += room->broadcaster_count();
  }
  return people;
}

}  // namespace sluice::controller
