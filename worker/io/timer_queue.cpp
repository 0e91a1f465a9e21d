#include "worker/io/timer_queue.h"

#include <algorithm>
#include <utility>

namespace sluice::worker {

class TimerQueue::QueuedTimer final : public Timer {
 public:
  QueuedTimer(TimerQueue& queue, std::unique_ptr<Node> node)
      : queue_(queue), node_(std::move(node)) {}
  ~QueuedTimer() override {
    queue_.Remove(*node_);
    // Its callback is running: the function object must live until that returns.
    if (queue_.firing_ == node_.get()) queue_.destroyed_while_firing_ = std::move(node_);
  }
  void Start(Duration delay) override { queue_.Start(*node_, delay); }
  void Stop() override { queue_.Remove(*node_); }
  bool armed() const override { return node_->index != kNotQueued; }

 private:
  TimerQueue& queue_;
  std::unique_ptr<Node> node_;
};

std::unique_ptr<Timer> TimerQueue::Create(std::function<void(Timestamp)> on_expiry) {
  auto node = std::make_unique<Node>();
  node->on_expiry = std::move(on_expiry);
  return std::make_unique<QueuedTimer>(*this, std::move(node));
}

void TimerQueue::Start(Node& node, Duration delay) {
  node.deadline = host_.TimerNow() + std::clamp(delay, kMinDelay, kMaxDelay);
  node.order = next_order_++;
  if (node.index != kNotQueued) {
    if (node.deadline >= heap_[node.index].deadline) return;  // corrected when it comes up
    heap_[node.index].deadline = node.deadline;
    heap_[node.index].order = node.order;
    SiftUp(node.index);
  } else {
    heap_.push_back({node.deadline, node.order, &node});
    SiftUp(heap_.size() - 1);
  }
  if (node.index == 0) host_.WakeAt(node.deadline);
}

void TimerQueue::Remove(Node& node) {
  if (node.index == kNotQueued) return;
  const size_t hole = std::exchange(node.index, kNotQueued);
  const Entry last = heap_.back();
  heap_.pop_back();
  if (hole == heap_.size()) return;
  Place(hole, last);
  SiftUp(hole);
  SiftDown(last.node->index);
}

void TimerQueue::Expire(Timestamp now) {
  while (!heap_.empty() && heap_.front().deadline <= now) {
    Entry& top = heap_.front();
    Node& node = *top.node;
    if (node.order != top.order) {  // moved later since
      top.deadline = node.deadline;
      top.order = node.order;
      SiftDown(0);
      continue;
    }
    Remove(node);
    firing_ = &node;
    node.on_expiry(now);
    firing_ = nullptr;
    destroyed_while_firing_.reset();
  }
}

std::optional<Timestamp> TimerQueue::NextDeadline() const {
  if (heap_.empty()) return std::nullopt;
  return heap_.front().deadline;
}

void TimerQueue::Place(size_t index, const Entry& entry) {
  heap_[index] = entry;
  entry.node->index = index;
}

void TimerQueue::SiftUp(size_t index) {
  const Entry entry = heap_[index];
  while (index > 0) {
    const size_t parent = (index - 1) / 2;
    if (!entry.Before(heap_[parent])) break;
    Place(index, heap_[parent]);
    index = parent;
  }
  Place(index, entry);
}

void TimerQueue::SiftDown(size_t index) {
  const Entry entry = heap_[index];
  for (;;) {
    size_t child = 2 * index + 1;
    if (child >= heap_.size()) break;
    if (child + 1 < heap_.size() && heap_[child + 1].Before(heap_[child])) ++child;
    if (!heap_[child].Before(entry)) break;
    Place(index, heap_[child]);
    index = child;
  }
  Place(index, entry);
}

}  // namespace sluice::worker
