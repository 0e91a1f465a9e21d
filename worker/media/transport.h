#pragma once

#include "worker/media/indexed_list.h"
#include "worker/media/object_table.h"

namespace sluice::worker {

struct EngineCounters;
struct ObjectCounts;
class DataCore;
class RtpCore;
class TransportCore;

/// A transport of any class as its router owns it. What classes share is not inherited: each owns
/// the parts that it needs (transport_core.h). Destroying it closes its sockets and says goodbye to
/// the peer.
class Transport {
 public:
  virtual ~Transport() = default;
  virtual TransportCore& core() = 0;
  virtual RtpCore& rtp() = 0;
  /// Its router is closing, and will destroy it when its turn comes. Until then it takes nothing,
  /// sends nothing and reports nothing. Sockets of its own are closed at once, since their ports
  /// may be wanted.
  virtual void Seal() = 0;
  virtual DataCore& data() = 0;
  /// Adds what it and everything on it has counted, and how many objects these are.
  virtual void AddTo(EngineCounters* counters, ObjectCounts* alive) const = 0;

  ListSlot router_slot;  ///< its place among its router's transports
};

/// Null when the object is no transport.
Transport* AsTransport(const ObjectTable::Object& object);

}  // namespace sluice::worker
