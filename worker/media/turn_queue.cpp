#include "worker/media/turn_queue.h"

#include <utility>

#include "worker/media/producer.h"

namespace sluice::worker {

void TurnQueue::ScheduleDelivery(Producer& producer) {
  producer.delivery_slot.index = static_cast<uint32_t>(deliveries_.size());
  deliveries_.push_back(&producer);
}

void TurnQueue::AfterResponse(const void* owner, std::function<void(Timestamp)> action) {
  const auto [newest, first] = newest_action_.try_emplace(owner, actions_.size());
  actions_.push_back({std::move(action), first ? kNone : newest->second});
  newest->second = actions_.size() - 1;
}

void TurnQueue::ForgetProducer(const Producer& producer) {
  const uint32_t index = producer.delivery_slot.index;
  // Nulled, not erased: Run() may be walking the list.
  if (index < deliveries_.size() && deliveries_[index] == &producer) deliveries_[index] = nullptr;
}

void TurnQueue::ForgetOwner(const void* owner) {
  const auto newest = newest_action_.find(owner);
  if (newest == newest_action_.end()) return;
  for (size_t i = newest->second; i != kNone; i = actions_[i].previous) actions_[i].run = nullptr;
  newest_action_.erase(newest);
}

void TurnQueue::Run(Timestamp now) {
  for (size_t i = 0; i < actions_.size(); ++i) {
    const std::function<void(Timestamp)> run = std::move(actions_[i].run);
    if (run) run(now);
  }
  actions_.clear();
  newest_action_.clear();
  for (size_t i = 0; i < deliveries_.size(); ++i) {
    if (deliveries_[i] != nullptr) deliveries_[i]->DeliverTurn(now);
  }
  deliveries_.clear();
}

}  // namespace sluice::worker
