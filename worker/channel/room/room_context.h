#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <span>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "worker/channel/room/room_settings.h"
#include "worker/channel/room/room_writer.h"
#include "worker/core/environment.h"
#include "worker/media/engine.h"

namespace sluice::room_protocol {

class RoomTransport;

/// What all objects of the room protocol share. One per channel; outlives them.
struct RoomContext {
  Engine& engine;
  Environment& environment;
  RoomWriter& writer;
  const RoomSettings& settings;
  /// By the engine's id: whom events of a transport concern.
  absl::flat_hash_map<std::string, RoomTransport*> transports;
  uint64_t next_serial = 1;

  /// A name in the engine's id table, which is one per worker: the ids of this protocol need only
  /// be unique within their parent.
  std::string NextEngineId(const char* kind) { return kind + std::to_string(next_serial++); }
};

/// `length` random characters of 0-9a-z.
std::string RandomText(Environment& environment, size_t length);
/// A random id as the library makes them: 10,000,000 … 99,999,999.
uint32_t RandomId(Environment& environment);

}  // namespace sluice::room_protocol
