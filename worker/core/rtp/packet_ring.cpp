#include "worker/core/rtp/packet_ring.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace sluice::worker {

namespace {

size_t BytesOf(const RoutedPacket& packet) { return packet.buffer ? packet.buffer.capacity() : 0; }

}  // namespace

PacketRing::PacketRing(Duration max_age) : max_age_(max_age) {}

RoutedPacket* PacketRing::Add(ExtendedSeqNumber number, const PacketRef& buffer,
                              Timestamp received_at) {
  const int64_t sequence = number.value();
  Expire(received_at);
  if (size_ > 0 && sequence - newest_ >= kMaxPackets) Clear();
  if (size_ == 0) {
    oldest_ = newest_ = sequence;
  } else if (sequence > newest_) {
    while (size_ > 0 && sequence - oldest_ >= kMaxPackets) DropOldest();
    if (size_ == 0) oldest_ = sequence;
  } else if (newest_ - sequence >= kMaxPackets) {
    return nullptr;
  }
  const int64_t first = std::min(oldest_, sequence);
  const int64_t last = std::max(newest_, sequence);
  GrowFor(last - first + 1);
  oldest_ = first;
  newest_ = last;
  if (At(sequence) != nullptr) return nullptr;
  Slot* slot = Take();
  At(sequence) = slot;
  slot->packet.buffer = buffer;
  slot->packet.sequence = number;
  slot->packet.received_at = received_at;
  ++size_;
  held_bytes_ += BytesOf(slot->packet);
  while (held_bytes_ > kMaxBytes && size_ > 1) {
    if (At(oldest_) != nullptr) ++dropped_over_bytes_;
    DropOldest();
  }
  return &slot->packet;
}

DependencyDescriptor* PacketRing::AddDescriptor(const RoutedPacket& packet) {
  Slot* slot = index_.empty() ? nullptr : At(packet.sequence.value());
  if (slot == nullptr || &slot->packet != &packet) return nullptr;
  if (slot->descriptor == nullptr) slot->descriptor = std::make_unique<DependencyDescriptor>();
  return slot->descriptor.get();
}

const RoutedPacket* PacketRing::Find(ExtendedSeqNumber sequence, Timestamp now) const {
  if (size_ == 0 || sequence.value() < oldest_ || sequence.value() > newest_) return nullptr;
  const Slot* slot = At(sequence.value());
  if (slot == nullptr || now - slot->packet.received_at > max_age_) return nullptr;
  return &slot->packet;
}

void PacketRing::Unpin() {
  ++pin_;
  for (Slot* slot : retired_) Free(slot);
  retired_.clear();
}

void PacketRing::Expire(Timestamp now) {
  // A packet repaired late keeps older ones behind it a little longer; Find checks each one's age.
  while (size_ > 0) {
    const Slot* oldest = At(oldest_);
    if (oldest != nullptr) {
      if (now - oldest->packet.received_at <= max_age_) break;
      if (IsKept(*oldest, now)) [[unlikely]]
        return SetKept(held_bytes_);
    }
    DropOldest();
  }
  if (kept_bytes_ > 0) [[unlikely]]
    SetKept(0);
}

void PacketRing::BeginGroup(ExtendedSeqNumber first, RtpTimestamp timestamp, bool keep) {
  const int64_t number = first.value();
  if (group_ && (number <= group_->first || timestamp == group_->timestamp)) return;
  if (FindKept(first) == nullptr) return;
  group_ = GroupStart{number, timestamp, keep};
}

std::optional<PacketRing::Group> PacketRing::ReadGroup() const {
  if (!group_ || size_ == 0) return std::nullopt;
  const RoutedPacket* first = FindKept(ExtendedSeqNumber(group_->first));
  if (first == nullptr) return std::nullopt;
  Group group{first->sequence, first->received_at};
  for (int64_t number = group_->first; number <= newest_; ++number) {
    const Slot* slot = At(number);
    if (slot == nullptr) {
      if (newest_ - number > kMaxLateness) return std::nullopt;
      continue;
    }
    group.bytes += slot->packet.payload.size();
  }
  return group;
}

void PacketRing::Clear() {
  while (size_ > 0) DropOldest();
}

void PacketRing::Shrink() {
  if (!idle()) return;
  chunks_.clear();
  free_ = std::vector<Slot*>();
  retired_ = std::vector<Slot*>();
  index_ = std::vector<Slot*>();
}

size_t PacketRing::RingBytes() const {
  return index_.capacity() * sizeof(void*) + chunks_.size() * kChunk * sizeof(Slot);
}

PacketRing::Slot* PacketRing::Take() {
  if (free_.empty()) {
    chunks_.push_back(std::make_unique<Slot[]>(kChunk));
    for (size_t i = kChunk; i > 0; --i) free_.push_back(&chunks_.back()[i - 1]);
  }
  Slot* slot = free_.back();
  free_.pop_back();
  slot->pin = pin_;
  return slot;
}

void PacketRing::Free(Slot* slot) {
  slot->packet = RoutedPacket{};
  if (slot->descriptor != nullptr) slot->descriptor->structure.reset();
  free_.push_back(slot);
}

void PacketRing::DropOldest() {
  Slot* slot = std::exchange(At(oldest_), nullptr);
  if (group_ && oldest_ >= group_->first) [[unlikely]]
    group_.reset();
  ++oldest_;
  if (slot == nullptr) return;
  --size_;
  held_bytes_ -= BytesOf(slot->packet);
  if (slot->pin == pin_) {
    retired_.push_back(slot);
  } else {
    Free(slot);
  }
}

void PacketRing::GrowFor(int64_t span) {
  const auto needed = std::bit_ceil(std::max(static_cast<size_t>(span), kInitialIndex));
  if (needed <= index_.size()) return;
  const std::vector<Slot*> old = std::exchange(index_, std::vector<Slot*>(needed));
  for (Slot* slot : old) {
    if (slot != nullptr) At(slot->packet.sequence.value()) = slot;
  }
}

}  // namespace sluice::worker
