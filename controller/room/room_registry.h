#pragma once

#include <boost/asio/steady_timer.hpp>
#include <map>
#include <memory>
#include <string>

#include "common/status.h"
#include "controller/room/room.h"
#include "controller/worker/worker_pool.h"

namespace sluice::controller {

/// All rooms by id. Makes a room on the least-loaded worker when it is first asked for; calls for
/// the same id while it is being made wait for that one.
class RoomRegistry {
 public:
  RoomRegistry(const asio::any_io_executor& executor, WorkerPool* workers, RoomSettings settings,
               size_t max_rooms);
  ~RoomRegistry();

  /// The open room of that id (already validated). `consumer_replicas` counts for the caller that
  /// creates it. kUnavailable when no worker runs, Error when there are too many rooms.
  Task<Result<std::shared_ptr<Room>>> GetOrCreate(std::string room_id, int consumer_replicas = 0);

  /// Closes the rooms of a dead worker.
  void OnWorkerDied(const std::shared_ptr<MediaWorker>& worker);
  /// Closes every room; peers may come back to the next process.
  void CloseAll();

  size_t size() const { return rooms_.size(); }

 private:
  struct Creation;

  Task<Result<std::shared_ptr<Room>>> Create(std::string room_id, int consumer_replicas);

  asio::any_io_executor executor_;
  WorkerPool* workers_;
  RoomSettings settings_;
  size_t max_rooms_;
  std::map<std::string, std::shared_ptr<Room>> rooms_;
  std::map<std::string, std::shared_ptr<Creation>> creations_;
};

}  // namespace sluice::controller
