#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "common/units.h"
#include "worker/core/environment.h"
#include "worker/media/engine_events.h"

namespace sluice::worker {

/// Bounds how often a client can have something reported of one object: where it is, what it
/// sends, how it scores. Each kind of such a report passes a few times at once and then at a steady
/// rate; of what comes faster the newest is kept and reported when its time has come, so that who
/// listens ends with what is true.
///
/// Owned by EventQueue. Remembers an object for as long as it owes or waits; what has nothing to
/// say any more is forgotten when the table has doubled.
class EventPacer {
 public:
  using Event = std::function<void(EngineEvents&)>;

  enum class Kind : uint8_t {
    kIceTuple,
    kIceState,
    kPlainTuple,
    kPlainRtcpTuple,
    kPlainReceiver,
    kProducerScore,
    kVideoOrientation,
    kConsumerScore,
    kConsumerLayers,
    kSctpState,
    kSendBuffer,  ///< full, and low again: the newest of either is what is true
  };
  static constexpr size_t kKinds = 11;
  struct Rate {
    int burst;          ///< so many at once
    Duration interval;  ///< and one more each
  };
  static Rate RateOf(Kind kind);

  /// How often what waits is looked at.
  static constexpr Duration kTick = Duration::Millis(20);
  /// Objects that are remembered before anything is forgotten.
  static constexpr size_t kMinSweep = 1'024;

  /// `release` gets what had to wait; called from a timer.
  EventPacer(Environment& environment, std::function<void(Event)> release);

  /// Gives `event` back when it may be reported now; keeps it otherwise, in place of what waits for
  /// the same object.
  std::optional<Event> Pass(Kind kind, std::string_view id, Event event);

  /// Reports that were replaced by newer ones, since the start.
  uint64_t merged() const { return merged_; }
  size_t remembered() const { return entries_.size(); }

 private:
  struct Key {
    Kind kind;
    std::string id;
    friend bool operator==(const Key&, const Key&) = default;
  };
  struct Hash {
    size_t operator()(const Key& key) const {
      return std::hash<std::string>()(key.id) * kKinds + static_cast<size_t>(key.kind);
    }
  };
  struct Entry {
    Timestamp paid_until;  ///< when all that has passed would have at the steady rate
    std::optional<Event> waiting;
  };
  using Entries = std::unordered_map<Key, Entry, Hash>;

  static bool MayPass(const Entries::value_type& entry, Timestamp now);
  static void Pay(Entries::value_type* entry, Timestamp now);
  void OnTick(Timestamp now);
  void Sweep(Timestamp now);

  Environment& environment_;
  const std::function<void(Event)> release_;
  Entries entries_;
  std::vector<Entries::value_type*> waiting_;  // of entries_, whose nodes stay where they are
  std::unique_ptr<Timer> timer_;
  size_t sweep_at_ = kMinSweep;
  uint64_t merged_ = 0;
};

}  // namespace sluice::worker
