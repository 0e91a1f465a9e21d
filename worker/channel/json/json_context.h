#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <span>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "worker/channel/json/json_settings.h"
#include "worker/channel/json/json_writer.h"
#include "worker/core/environment.h"
#include "worker/media/engine.h"

namespace sluice::worker::json_protocol {

class JsonTransport;
class RtpReceiver;

/// The ids that events go by: those of all rooms, peers, transports, receivers and senders of a
/// worker. One may be there more than once: it need only be unique within its parent.
class IdRegistry {
 public:
  bool Has(uint32_t id) const { return counts_.contains(id); }

 private:
  friend class RegisteredId;
  absl::flat_hash_map<uint32_t, uint32_t> counts_;  // of the objects with that id
};

/// An object's own id, registered as long as the object lives.
class RegisteredId {
 public:
  RegisteredId(uint32_t id, IdRegistry& registry) : id_(id), registry_(registry) {
    ++registry_.counts_[id_];
  }
  ~RegisteredId() {
    const auto it = registry_.counts_.find(id_);
    if (--it->second == 0) registry_.counts_.erase(it);
  }
  RegisteredId(const RegisteredId&) = delete;
  RegisteredId& operator=(const RegisteredId&) = delete;

 private:
  const uint32_t id_;
  IdRegistry& registry_;
};

/// What all objects of the JSON protocol share. One per channel; outlives them.
struct JsonContext {
  Engine& engine;
  Environment& environment;
  JsonWriter& writer;
  const JsonSettings& settings;
  /// By the engine's id: whom events of a transport concern.
  absl::flat_hash_map<std::string, JsonTransport*> transports;
  /// By the engine's id of a producer: whom its packets concern.
  absl::flat_hash_map<std::string, RtpReceiver*> packet_receivers = {};
  uint64_t next_serial = 1;
  IdRegistry ids = {};

  /// A name in the engine's id table, which is one per worker: the ids of this protocol need only
  /// be unique within their parent.
  std::string NextEngineId(const char* kind) { return kind + std::to_string(next_serial++); }
};

/// `length` random characters of 0-9a-z.
std::string RandomText(Environment& environment, size_t length);
/// A random id as the library makes them: 10,000,000 … 99,999,999.
uint32_t RandomId(Environment& environment);

}  // namespace sluice::worker::json_protocol
