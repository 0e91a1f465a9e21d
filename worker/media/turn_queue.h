#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "common/units.h"

namespace sluice::worker {

class Producer;

/// What waits for the end of the loop turn: producers with packets to deliver, and the part of a
/// command that the protocol does after its response. Owned by the engine. A producer or an owner
/// of an action must call Forget… before its destruction; that costs the same however much waits.
class TurnQueue {
 public:
  void ScheduleDelivery(Producer& producer);
  /// `action` runs once at the end of this turn, unless `owner` is forgotten before.
  void AfterResponse(const void* owner, std::function<void(Timestamp)> action);

  void ForgetProducer(const Producer& producer);
  void ForgetOwner(const void* owner);

  /// Runs everything, in the order it came: actions, then deliveries.
  void Run(Timestamp now);

 private:
  static constexpr size_t kNone = SIZE_MAX;
  struct Action {
    std::function<void(Timestamp)> run;
    size_t previous = kNone;  ///< of the same owner
  };
  std::vector<Action> actions_;
  absl::flat_hash_map<const void*, size_t> newest_action_;  // by owner
  std::vector<Producer*> deliveries_;
};

}  // namespace sluice::worker
