#include "worker/media/early_messages.h"

namespace sluice::worker {

void EarlyMessages::Keep(const DataProducer& producer, const DataMessage& message, Timestamp now) {
  DropOld(now);
  const size_t size = message.payload->size();
  if (kept_.size() >= kMaxMessages || size > kMaxBytes - bytes_) return;
  bytes_ += size;
  kept_.push_back({&producer, now, message});
}

std::vector<DataMessage> EarlyMessages::Of(const DataProducer& producer, Timestamp now) {
  DropOld(now);
  std::vector<DataMessage> messages;
  for (const Kept& kept : kept_) {
    if (kept.producer == &producer) messages.push_back(kept.message);
  }
  return messages;
}

void EarlyMessages::Forget(const DataProducer& producer) {
  std::deque<Kept> others;
  bytes_ = 0;
  for (Kept& kept : kept_) {
    if (kept.producer == &producer) continue;
    bytes_ += kept.message.payload->size();
    others.push_back(std::move(kept));
  }
  kept_ = std::move(others);
}

void EarlyMessages::DropOld(Timestamp now) {
  while (!kept_.empty() && now - kept_.front().at >= kFor) {
    bytes_ -= kept_.front().message.payload->size();
    kept_.pop_front();
  }
}

}  // namespace sluice::worker
