#include "worker/io/egress.h"

#include <algorithm>
#include <utility>

namespace sluice::worker {

Egress::Egress(std::unique_ptr<SendStrategy> strategy)
    : strategy_(std::move(strategy)), arena_(new uint8_t[kArenaSize]) {}

void Egress::SetBeforeFlush(std::function<void()> before_flush) {
  before_flush_ = std::move(before_flush);
}

Egress::Slot Egress::Reserve(size_t size) {
  if (size > kArenaSize) return {};
  if (used_ + size > kArenaSize) {
    ++stats_.early_flushes;
    Flush();
  }
  const Slot slot{arena_.get() + used_, size, flushes_};
  used_ += size;
  return slot;
}

bool Egress::Commit(const Slot& slot, size_t size) {
  if (slot.data == nullptr || slot.flush != flushes_) return false;
  const auto start = static_cast<size_t>(slot.data - arena_.get());
  if (start + slot.size == used_) used_ = start + size;
  return true;
}

void Egress::MarkDirty(EgressQueue& queue) {
  if (queue.dirty_) return;
  queue.dirty_ = true;
  dirty_.push_back(&queue);
}

void Egress::Retire(EgressQueue& queue) {
  if (!queue.dirty_) return;
  if (before_flush_) before_flush_();
  queue.FlushQueue();
  queue.dirty_ = false;
  std::replace(dirty_.begin(), dirty_.end(), &queue, static_cast<EgressQueue*>(nullptr));
}

void Egress::Flush() {
  if (before_flush_) before_flush_();
  for (EgressQueue* queue : dirty_) {
    if (queue == nullptr) continue;
    queue->FlushQueue();
    queue->dirty_ = false;
  }
  dirty_.clear();
  used_ = 0;
  ++flushes_;
}

}  // namespace sluice::worker
