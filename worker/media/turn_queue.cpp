#include "worker/media/turn_queue.h"

#include <algorithm>
#include <utility>

#include "worker/media/producer.h"

namespace sluice::worker {

void TurnQueue::AfterResponse(const void* owner, std::function<void(Timestamp)> action) {
  actions_.push_back({owner, std::move(action)});
}

void TurnQueue::ForgetProducer(const Producer& producer) {
  // Nulled, not erased: Run() may be walking the list.
  std::replace(deliveries_.begin(), deliveries_.end(), const_cast<Producer*>(&producer),
               static_cast<Producer*>(nullptr));
}

void TurnQueue::ForgetOwner(const void* owner) {
  for (Action& action : actions_) {
    if (action.owner == owner) action.run = nullptr;
  }
}

void TurnQueue::Run(Timestamp now) {
  for (size_t i = 0; i < actions_.size(); ++i) {
    const std::function<void(Timestamp)> run = std::move(actions_[i].run);
    if (run) run(now);
  }
  actions_.clear();
  for (size_t i = 0; i < deliveries_.size(); ++i) {
    if (deliveries_[i] != nullptr) deliveries_[i]->DeliverTurn(now);
  }
  deliveries_.clear();
}

}  // namespace sluice::worker
