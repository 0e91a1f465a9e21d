#include "worker/core/rtp/retransmission_store.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace sluice::worker {

RetransmissionStore::RetransmissionStore(Duration max_age) : max_age_(max_age) {}

void RetransmissionStore::Add(const RoutedPacket& packet) {
  if (!packet.buffer) return;
  const int64_t sequence = packet.sequence.value();
  Expire(packet.received_at);
  if (size_ > 0 && sequence - newest_ >= kMaxPackets) Clear();
  if (size_ == 0) {
    oldest_ = newest_ = sequence;
  } else if (sequence > newest_) {
    while (size_ > 0 && sequence - oldest_ >= kMaxPackets) DropOldest();
    if (size_ == 0) oldest_ = sequence;
  } else if (newest_ - sequence >= kMaxPackets) {
    return;
  }
  const int64_t first = std::min(oldest_, sequence);
  const int64_t last = std::max(newest_, sequence);
  GrowFor(last - first + 1);
  oldest_ = first;
  newest_ = last;
  RoutedPacket& slot = Slot(sequence);
  if (slot.buffer) return;
  slot = packet;
  ++size_;
}

const RoutedPacket* RetransmissionStore::Find(ExtendedSeqNumber sequence, Timestamp now) const {
  if (size_ == 0 || sequence.value() < oldest_ || sequence.value() > newest_) return nullptr;
  const RoutedPacket& slot = Slot(sequence.value());
  if (!slot.buffer || now - slot.received_at > max_age_) return nullptr;
  return &slot;
}

void RetransmissionStore::Expire(Timestamp now) {
  // A packet repaired late keeps older ones behind it a little longer; Find checks each one's age.
  while (size_ > 0 && (!Slot(oldest_).buffer || now - Slot(oldest_).received_at > max_age_)) {
    DropOldest();
  }
}

void RetransmissionStore::Clear() {
  while (size_ > 0) DropOldest();
}

size_t RetransmissionStore::HeldBytes() const {
  size_t bytes = 0;
  for (const RoutedPacket& slot : ring_) {
    if (slot.buffer) bytes += slot.buffer.capacity();
  }
  return bytes;
}

void RetransmissionStore::DropOldest() {
  RoutedPacket& slot = Slot(oldest_);
  if (slot.buffer) {
    slot.buffer.Release();
    --size_;
  }
  ++oldest_;
}

void RetransmissionStore::GrowFor(int64_t span) {
  const auto needed = std::bit_ceil(std::max(static_cast<size_t>(span), kInitialRing));
  if (needed <= ring_.size()) return;
  std::vector<RoutedPacket> old = std::exchange(ring_, std::vector<RoutedPacket>(needed));
  for (RoutedPacket& packet : old) {
    if (packet.buffer) Slot(packet.sequence.value()) = std::move(packet);
  }
}

}  // namespace sluice::worker
