#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/status.h"
#include "controller/base/promise.h"
#include "controller/base/task_scope.h"
#include "controller/room/room.h"
#include "controller/worker/worker_pool.h"

namespace sluice::controller {

/// What the client that asks for a room wants, if the room has to be made.
struct RoomWish {
  std::string source;         ///< whom the room counts for, "" = nobody
  int consumer_replicas = 0;  ///< see Room
};

/// All rooms by id. Makes a room on the least-loaded worker when it is first asked for; calls for
/// the same id while it is being made wait for that one.
class RoomRegistry {
 public:
  struct Limits {
    size_t rooms = 10'000;
    size_t rooms_per_source = 0;  ///< made by one and still open; 0 = no limit
  };
  struct Counters {
    uint64_t evicted = 0;         ///< empty rooms that were closed for new ones
    uint64_t refused_full = 0;    ///< rooms not made because all were in use
    uint64_t refused_source = 0;  ///< rooms not made because all of one source were in use
  };

  RoomRegistry(const asio::any_io_executor& executor, WorkerPool* workers, RoomSettings settings,
               Limits limits);
  ~RoomRegistry();

  /// The open room of that id (already validated). When there are too many, of all or of the
  /// source, the oldest of those that is empty makes room: who only asks for rooms cannot keep
  /// others out. kUnavailable when no worker runs, kResourceExhausted when all rooms are in use.
  Task<Result<std::shared_ptr<Room>>> GetOrCreate(std::string room_id, RoomWish wish = {});

  /// Closes the rooms of a dead worker and makes those with broadcasters anew, whose programs go on
  /// sending to the same ports.
  void OnWorkerDied(const std::shared_ptr<MediaWorker>& worker);
  /// Closes every room; peers may come back to the next process.
  void CloseAll();
  /// After CloseAll(): ends what is still under way. False when `limit` passes first.
  Task<bool> Join(std::chrono::milliseconds limit);

  size_t size() const { return rooms_.size(); }
  const Counters& counters() const { return counters_; }
  /// Of all rooms.
  const RoomSettings& settings() const { return settings_; }
  const RoomCounters& room_counters() const { return *settings_.counters; }
  struct People {
    size_t peers = 0;
    size_t broadcasters = 0;
  };
  /// Those of all rooms.
  People CountPeople() const;

 private:
  /// A room being made: the callers that wait for it have copies.
  using Creation = Promise<Result<std::shared_ptr<Room>>>;

  /// Makes the broadcasters in `rebuilds_` again, those that are added meanwhile as well.
  static Task<void> Rebuild(RoomRegistry* self, std::string room_id);
  /// Makes them in the room; those that another worker may still make.
  static Task<std::vector<BroadcastPlan>> RestoreAll(std::shared_ptr<Room> room,
                                                     std::vector<BroadcastPlan> plans);
  /// Rooms that may be empty still, oldest first. Those that are gone or in use leave it at the
  /// front, and an empty room lives for a minute, so it is not much longer than there are rooms.
  using EmptyRooms = std::deque<std::weak_ptr<Room>>;
  /// The rooms that one source made.
  struct Source {
    size_t rooms = 0;  ///< open or being made
    EmptyRooms empty;
  };

  static Task<void> Make(RoomRegistry* self, std::string room_id, RoomWish wish, Creation creation);
  Task<Result<std::shared_ptr<Room>>> Create(std::string room_id, const RoomWish& wish);
  void OnRoomClosed(const Room& room, const std::string& source);
  void ForgetPolicies();
  bool full() const { return rooms_.size() + creations_.size() >= limits_.rooms; }
  /// OK when one more room of that source may be made, in the place of an empty one if need be.
  Status MakeRoomFor(const std::string& source);
  /// Closes the oldest empty room of the list; false when there is none.
  bool EvictFrom(EmptyRooms* list);
  /// Takes those that are used or gone from the front of the list.
  static void DropUsed(EmptyRooms* list);
  void GiveBack(const std::string& source);

  asio::any_io_executor executor_;
  WorkerPool* workers_;
  RoomSettings settings_;
  Limits limits_;
  std::map<std::string, std::shared_ptr<Room>> rooms_;
  std::map<std::string, Creation> creations_;
  EmptyRooms empty_rooms_;
  std::map<std::string, Source> sources_;
  /// Of live rooms that have ended while their stage was somebody's, who may come back to it: after
  /// a worker's death, say. At most as many as there may be rooms; see ForgetPolicies().
  std::map<std::string, RoomPolicy> policies_;
  std::chrono::steady_clock::time_point policies_checked_;
  /// Broadcasters to be made again, of each room that a Rebuild() runs for.
  std::map<std::string, std::vector<BroadcastPlan>> rebuilds_;
  Counters counters_;
  TaskScope tasks_;
};

}  // namespace sluice::controller
