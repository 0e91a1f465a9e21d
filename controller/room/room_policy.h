#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/status.h"

namespace sluice::controller {

struct Participant;

/// What a room is for. Who comes first into it says so: its page's address, the body of its REST
/// request, or its token.
enum class RoomKind : uint8_t {
  kOpen,  ///< nobody said: all may publish
  kLive,  ///< one publishes, the others watch (1:N)
  kCall,  ///< 1:1
  kMeet,  ///< N:N
};

/// "live", "call" or "meet"; "" is kOpen. TypeError lists them.
Result<RoomKind> ParseRoomKind(std::string_view text);
std::string_view ToString(RoomKind kind);

/// What the participants of one room may do, by the room's kind: the one place that decides it.
///
/// What the first one wished for stands until somebody publishes: a room that waits for its
/// broadcast is of the kind that the broadcast brings.
///
/// The stage of a live room belongs to the first who publishes there, or makes a broadcaster to
/// publish with, until they leave; who leaves
/// without saying that it is for good may come back to it for a while, as the same peer, or as a
/// broadcaster of the same address. Pure: no clock.
class RoomPolicy {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  explicit RoomPolicy(std::chrono::milliseconds grace) : grace_(grace) {}

  RoomKind kind() const { return kind_; }
  /// What somebody who comes wishes for. Taken from the first one, `empty`, and later from who
  /// names a kind before anybody has published. The kind of a room whose stage is somebody's stays.
  void Choose(RoomKind kind, bool empty, TimePoint now);
  /// Somebody is about to publish: the stage of a live room is theirs if it is free.
  void Claim(const Participant& participant, TimePoint now);

  /// Whether the participant may publish; takes the stage when it is free. True when it was.
  /// PermissionDenied names who has it.
  Result<bool> Publish(const Participant& participant, TimePoint now);
  /// The participant is gone, or did not publish after all. `for_good`: the stage is free at once.
  void Leave(const Participant& participant, bool for_good, TimePoint now);
  /// Everybody is gone.
  void LeaveAll(TimePoint now);
  /// Whether the stage is somebody's, who may be gone for a moment.
  bool IsTaken(TimePoint now) const;
  /// When that ends, of somebody who is gone.
  std::optional<TimePoint> free_at() const;

 private:
  struct Holder {
    std::string id;
    std::string address;
    bool is_broadcaster = false;
    std::optional<TimePoint> left_at;
  };
  bool IsHolder(const Participant& participant) const;

  std::chrono::milliseconds grace_;
  RoomKind kind_ = RoomKind::kOpen;
  bool published_ = false;        ///< somebody has, since the room was empty
  std::optional<Holder> holder_;  ///< of the stage of a live room
};

}  // namespace sluice::controller
