#pragma once

#include <cstdint>
#include <string>

#include "controller/room/room_rules.h"
#include "controller/worker/worker_types.h"

namespace sluice::controller {

/// What begins or ends in rooms, for those who keep account of it from outside. Each beginning has
/// its end, and lies within that of what it belongs to: a producer's within its owner's unless that
/// publishes before it joins, and all of them within their room's.
struct RoomLife {
  enum class Of : uint8_t { kRoom, kPeer, kBroadcaster, kProducer };

  Of of = Of::kRoom;
  bool begins = false;
  std::string room_id;
  std::string member_id;                     ///< the peer or broadcaster, or a producer's
  bool is_broadcaster = false;               ///< whether that is one
  std::string display_name;                  ///< of a peer or broadcaster
  std::string producer_id;                   ///< of a producer
  MediaKind kind = MediaKind::kAudio;        ///< likewise
  MediaSource source = MediaSource::kAudio;  ///< likewise
};

/// Is told in the middle of a change: it must not touch the room.
class RoomLifeListener {
 public:
  virtual ~RoomLifeListener() = default;
  virtual void OnRoomLife(const RoomLife& life) = 0;
};

}  // namespace sluice::controller
