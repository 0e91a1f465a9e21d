#pragma once

#include <functional>
#include <vector>

#include "common/units.h"

namespace sluice::worker {

class Producer;

/// What waits for the end of the loop turn: producers with packets to deliver, and the part of a
/// command that the protocol does after its response. Owned by the engine; whoever dies says so
/// first.
class TurnQueue {
 public:
  void ScheduleDelivery(Producer& producer) { deliveries_.push_back(&producer); }
  /// `action` runs once at the end of this turn, unless `owner` is forgotten before.
  void AfterResponse(const void* owner, std::function<void(Timestamp)> action);

  void ForgetProducer(const Producer& producer);
  void ForgetOwner(const void* owner);

  /// Runs everything, in the order it came: actions, then deliveries.
  void Run(Timestamp now);

 private:
  struct Action {
    const void* owner;
    std::function<void(Timestamp)> run;
  };
  std::vector<Action> actions_;
  std::vector<Producer*> deliveries_;
};

}  // namespace sluice::worker
