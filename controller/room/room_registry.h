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
  /// Of the management, which makes a room with rules that stay.
  struct Managed {
    RoomRules rules;
    std::chrono::milliseconds empty_timeout{60'000};  ///< see Room::kept_empty()
  };
  std::optional<Managed> managed = std::nullopt;
  bool was_here = false;  ///< the room goes on after its media worker's death
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
    uint64_t refused_drain = 0;   ///< rooms not made because the server is to end
  };

  RoomRegistry(const asio::any_io_executor& executor, WorkerPool* workers, RoomSettings settings,
               Limits limits);
  ~RoomRegistry();

  /// The open room of that id (already validated). When there are too many, of all or of the
  /// source, the oldest of those that is empty makes room: who only asks for rooms cannot keep
  /// others out. kUnavailable when no worker runs and when the server is to end (Drain()),
  /// kResourceExhausted when all rooms are in use.
  Task<Result<std::shared_ptr<Room>>> GetOrCreate(std::string room_id, RoomWish wish = {});

  /// The open room of that id; nullptr when there is none.
  std::shared_ptr<Room> Find(const std::string& room_id) const;
  /// Whether it is open or being made.
  bool IsKnown(const std::string& room_id) const;
  /// All open rooms, by id.
  const std::map<std::string, std::shared_ptr<Room>>& rooms() const { return rooms_; }
  /// Nothing of an ended room of that id is kept, nor made again.
  void Forget(const std::string& room_id);

  /// Closes the rooms of a dead worker and makes those with broadcasters anew, whose programs go on
  /// sending to the same ports.
  void OnWorkerDied(const std::shared_ptr<MediaWorker>& worker);
  /// From now on no room is made but those that a dead worker had. Who is in a room may stay, and
  /// others may come to it.
  void Drain() { draining_ = true; }
  bool draining() const { return draining_; }
  /// Whether rooms of a dead worker, and the broadcasters in them, are being made again.
  bool is_rebuilding() const { return !rebuilds_.empty(); }
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
    size_t away = 0;  ///< of the peers: they lost their connection and are awaited
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

  /// Makes a room of the management again after its worker's death.
  static Task<void> Remake(RoomRegistry* self, std::string room_id);
  static Task<void> Make(RoomRegistry* self, std::string room_id, RoomWish wish, Creation creation);
  Task<Result<std::shared_ptr<Room>>> Create(std::string room_id, const RoomWish& wish);
  void OnRoomClosed(const Room& room, const std::string& source);
  /// Tells RoomSettings::life_listener of a room.
  void Account(const std::string& room_id, bool begins) const;
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
  /// What is kept of a room that has ended.
  struct Kept {
    RoomPolicy policy;
    std::optional<std::chrono::milliseconds> kept_empty;  ///< of a room of the management
    std::chrono::steady_clock::time_point until;          ///< whoever is on its stage or expected
  };
  /// Whether somebody may come back to it, or what was there is being made again.
  bool IsKept(const std::string& room_id, const Kept& kept,
              std::chrono::steady_clock::time_point now) const;
  /// Of rooms that have ended while their stage was somebody's, who may come back to it, or by a
  /// worker's death, when somebody had made their rules or moderated there. At most as many as
  /// there may be rooms; see ForgetPolicies().
  std::map<std::string, Kept> policies_;
  std::chrono::steady_clock::time_point policies_checked_;
  /// Broadcasters to be made again.
  struct Rebuilds {
    std::vector<BroadcastPlan> plans;
    uint64_t called_off = 0;  ///< times that the room was ended meanwhile
  };
  /// Of each room that a Rebuild() runs for.
  std::map<std::string, Rebuilds> rebuilds_;
  bool draining_ = false;
  Counters counters_;
  TaskScope tasks_;
};

}  // namespace sluice::controller
