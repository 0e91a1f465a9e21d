#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "common/status.h"

namespace sluice::worker {

class Consumer;
class DataConsumer;
class DataCore;
class DataProducer;
class DirectTransport;
class PipeTransport;
class PlainTransport;
class Producer;
class Router;
class RtpCore;
class RtpObserver;
class WebRtcServer;
class WebRtcTransport;

/// A producer or consumer together with the transport that owns it.
struct ProducerEntry {
  Producer* producer = nullptr;
  RtpCore* transport = nullptr;
};
struct ConsumerEntry {
  Consumer* consumer = nullptr;
  RtpCore* transport = nullptr;
};
struct DataProducerEntry {
  DataProducer* producer = nullptr;
  DataCore* transport = nullptr;
};
struct DataConsumerEntry {
  DataConsumer* consumer = nullptr;
  DataCore* transport = nullptr;
};
struct RtpObserverEntry {
  RtpObserver* observer = nullptr;
  Router* router = nullptr;
};

/// Every object of a worker by its id: one flat table whatever the class
/// (docs/protocols/router-protocol.md §2).
/// Owns nothing; each object's owner registers it and takes it out.
///
/// What belongs to a transport, or is a router's observer, is registered with the flag of that
/// transport or router. Once the flag is set none of it is found any more and its ids are free,
/// however much there is; the entries go when the objects do.
class ObjectTable {
 public:
  using Object = std::variant<Router*, WebRtcServer*, WebRtcTransport*, PlainTransport*,
                              PipeTransport*, DirectTransport*, ProducerEntry, ConsumerEntry,
                              DataProducerEntry, DataConsumerEntry, RtpObserverEntry>;

  /// Bytes of an id. Controllers use UUIDs (36); dumps repeat ids many times over.
  static constexpr size_t kMaxIdLength = 256;

  /// Error when the id is in use by any object; TypeError when it is too long.
  Status CheckFree(const std::string& id) const;
  /// The id must be free. `closed`: the flag of the object's transport or router, which lives until
  /// Unregister(); null for what has none.
  void Register(const std::string& id, const Object& object, const bool* closed = nullptr);
  /// With the flag that the object was registered with. Where the id has gone to another object
  /// meanwhile, nothing happens.
  void Unregister(const std::string& id, const bool* closed = nullptr);

  const Object* Find(const std::string& id) const {
    const auto it = entries_.find(id);
    return it == entries_.end() || it->second.gone() ? nullptr : &it->second.object;
  }
  /// Null when there is no such id or it names another class.
  template <typename T>
  const T* FindAs(const std::string& id) const {
    const Object* object = Find(id);
    return object == nullptr ? nullptr : std::get_if<T>(object);
  }
  /// The entry of class T (one of Object's alternatives), or what WrongId says.
  template <typename T>
  Result<T> Get(const std::string& id) const {
    const T* found = FindAs<T>(id);
    if (found == nullptr) return WrongId(id, ClassName(Object(T{}).index()));
    return *found;
  }
  /// What an id deserves that names no object of the class that was asked for: NotFoundError, or
  /// Error when it names an object of another class. `wanted`: that class ("a router").
  Status WrongId(const std::string& id, const char* wanted) const;

  struct Listed {
    std::string id;
    Object object;
  };
  /// All objects in the order of their creation.
  std::vector<Listed> List() const;

 private:
  /// "a router", by index in Object.
  static const char* ClassName(size_t index);

  struct Entry {
    Object object;
    uint64_t serial = 0;
    const bool* closed = nullptr;
    bool gone() const { return closed != nullptr && *closed; }
  };
  /// A table of more room than this that is less full than one part in kShrinkBelow is made
  /// smaller: rarely enough to cost little per object.
  static constexpr size_t kMinShrink = 1024;
  static constexpr size_t kShrinkBelow = 16;
  absl::flat_hash_map<std::string, Entry> entries_;
  uint64_t next_serial_ = 0;
};

}  // namespace sluice::worker
