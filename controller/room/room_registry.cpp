#include "controller/room/room_registry.h"

#include <spdlog/spdlog.h>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>
#include <vector>

namespace sluice::controller {

/// A room being made, and the callers that wait for it.
struct RoomRegistry::Creation {
  explicit Creation(const asio::any_io_executor& executor)
      : finished(executor, asio::steady_timer::time_point::max()) {}
  asio::steady_timer finished;  // cancelled when the result is there; wakes all waiters
  Result<std::shared_ptr<Room>> result = Error("room creation was abandoned");
};

RoomRegistry::RoomRegistry(const asio::any_io_executor& executor, WorkerPool* workers,
                           RoomSettings settings, size_t max_rooms)
    : executor_(executor),
      workers_(workers),
      settings_(std::move(settings)),
      max_rooms_(max_rooms) {}

RoomRegistry::~RoomRegistry() = default;

Task<Result<std::shared_ptr<Room>>> RoomRegistry::GetOrCreate(std::string room_id,
                                                              int consumer_replicas) {
  for (;;) {
    if (const auto it = rooms_.find(room_id); it != rooms_.end()) co_return it->second;
    const auto running = creations_.find(room_id);
    if (running == creations_.end()) break;
    const std::shared_ptr<Creation> creation = running->second;
    boost::system::error_code ignored;
    co_await creation->finished.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    if (!creation->result.ok()) co_return creation->result;
  }
  if (rooms_.size() + creations_.size() >= max_rooms_) {
    co_return Error("too many rooms: this server holds " + std::to_string(max_rooms_));
  }
  const auto creation = std::make_shared<Creation>(executor_);
  creations_[room_id] = creation;
  creation->result = co_await Create(room_id, consumer_replicas);
  if (creation->result.ok()) rooms_[room_id] = *creation->result;
  creations_.erase(room_id);
  creation->finished.cancel();
  co_return creation->result;
}

Task<Result<std::shared_ptr<Room>>> RoomRegistry::Create(std::string room_id,
                                                         int consumer_replicas) {
  // A worker may die between being chosen and answering: try one more.
  constexpr int kAttempts = 2;
  Status failure = Error("no attempt was made");
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    Result<std::shared_ptr<MediaWorker>> worker = co_await workers_->Acquire();
    if (!worker.ok()) co_return worker.status();
    const auto room =
        std::make_shared<Room>(room_id, executor_, settings_, *worker, consumer_replicas);
    failure = co_await room->Open([this](Room& closed) { rooms_.erase(closed.id()); });
    if (failure.ok()) {
      spdlog::info("room {} opened on worker {}", room_id, (*worker)->index());
      co_return room;
    }
    if ((*worker)->alive()) break;
  }
  co_return failure;
}

void RoomRegistry::OnWorkerDied(const std::shared_ptr<MediaWorker>& worker) {
  std::vector<std::shared_ptr<Room>> affected;
  for (const auto& [id, room] : rooms_) {
    if (room->worker() == worker) affected.push_back(room);
  }
  for (const auto& room : affected) room->OnWorkerDied();
}

void RoomRegistry::CloseAll() {
  const auto rooms = rooms_;
  for (const auto& [id, room] : rooms) room->OnWorkerDied();
}

}  // namespace sluice::controller
