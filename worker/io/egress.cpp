#include "worker/io/egress.h"

#include <algorithm>
#include <utility>

namespace sluice::worker {

Egress::Egress(std::unique_ptr<SendStrategy> strategy)
    : strategy_(std::move(strategy)), arena_(new uint8_t[kArenaSize]) {}

void Egress::SetBeforeFlush(std::function<void()> before_flush) {
  before_flush_ = std::move(before_flush);
}

uint8_t* Egress::Reserve(size_t size) {
  if (size > kArenaSize) return nullptr;
  if (used_ + size > kArenaSize) {
    ++stats_.early_flushes;
    Flush();
  }
  uint8_t* start = arena_.get() + used_;
  reserved_ = start;
  return start;
}

bool Egress::Commit(const uint8_t* reserved, size_t size) {
  if (reserved == nullptr || reserved != reserved_) return false;
  used_ += size;
  reserved_ = nullptr;
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
  reserved_ = nullptr;
}

}  // namespace sluice::worker
