#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/status.h"
#include "controller/room/room.h"
#include "controller/worker/promise.h"
#include "controller/worker/task_scope.h"
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
  /// creates it. When there are too many, the oldest room that is empty makes room: who only asks
  /// for rooms cannot keep others out. kUnavailable when no worker runs, kResourceExhausted when
  /// all rooms are in use.
  Task<Result<std::shared_ptr<Room>>> GetOrCreate(std::string room_id, int consumer_replicas = 0);

  /// Closes the rooms of a dead worker and makes those with broadcasters anew, whose programs go on
  /// sending to the same ports.
  void OnWorkerDied(const std::shared_ptr<MediaWorker>& worker);
  /// Closes every room; peers may come back to the next process.
  void CloseAll();

  size_t size() const { return rooms_.size(); }
  /// Empty rooms that were closed for new ones, and rooms refused because all were in use.
  uint64_t evicted() const { return evicted_; }
  uint64_t refused() const { return refused_; }
  struct People {
    size_t peers = 0;
    size_t broadcasters = 0;
  };
  /// Those of all rooms.
  People CountPeople() const;

 private:
  /// A room being made: the callers that wait for it have copies.
  using Creation = Promise<Result<std::shared_ptr<Room>>>;

  static Task<void> Rebuild(RoomRegistry* self, std::string room_id,
                            std::vector<BroadcastPlan> plans);
  static Task<void> Make(RoomRegistry* self, std::string room_id, int consumer_replicas,
                         Creation creation);
  Task<Result<std::shared_ptr<Room>>> Create(std::string room_id, int consumer_replicas);
  bool full() const { return rooms_.size() + creations_.size() >= max_rooms_; }
  /// Closes the oldest empty room; false when there is none.
  bool EvictEmptyRoom();

  asio::any_io_executor executor_;
  WorkerPool* workers_;
  RoomSettings settings_;
  size_t max_rooms_;
  std::map<std::string, std::shared_ptr<Room>> rooms_;
  std::map<std::string, Creation> creations_;
  /// Rooms that may be empty still, oldest first. Those that are gone or in use leave it at the
  /// front, and an empty room lives for a minute, so it is not much longer than `rooms_`.
  std::deque<std::weak_ptr<Room>> empty_rooms_;
  uint64_t evicted_ = 0;
  uint64_t refused_ = 0;
  TaskScope tasks_;
};

}  // namespace sluice::controller
