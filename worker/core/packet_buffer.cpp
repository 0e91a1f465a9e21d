#include "worker/core/packet_buffer.h"

#include <cstring>

namespace sluice::worker {

PacketBufferPool::~PacketBufferPool() = default;

PacketRef PacketBufferPool::Allocate(size_t capacity) {
  if (capacity > PacketBuffer::kPooledCapacity) {
    auto* buffer = new PacketBuffer;
    buffer->pool_ = this;
    buffer->data_ = new uint8_t[capacity];
    buffer->capacity_ = capacity;
    allocated_bytes_ += capacity;
    return PacketRef(buffer);
  }
  if (free_.empty()) Grow();
  PacketBuffer* buffer = free_.back();
  free_.pop_back();
  return PacketRef(buffer);
}

PacketRef PacketBufferPool::Copy(std::span<const uint8_t> bytes) {
  PacketRef copy = Allocate(bytes.size());
  if (!bytes.empty()) std::memcpy(copy.data(), bytes.data(), bytes.size());
  return copy;
}

void PacketBufferPool::Free(PacketBuffer* buffer) {
  if (buffer->capacity_ > PacketBuffer::kPooledCapacity) {
    allocated_bytes_ -= buffer->capacity_;
    delete[] buffer->data_;
    delete buffer;
    return;
  }
  free_.push_back(buffer);
}

void PacketBufferPool::Grow() {
  Slab slab;
  slab.bytes = std::make_unique<uint8_t[]>(kSlabBuffers * PacketBuffer::kPooledCapacity);
  slab.headers = std::make_unique<PacketBuffer[]>(kSlabBuffers);
  free_.reserve((slabs_.size() + 1) * kSlabBuffers);
  for (size_t i = 0; i < kSlabBuffers; ++i) {
    PacketBuffer& header = slab.headers[i];
    header.pool_ = this;
    header.data_ = slab.bytes.get() + i * PacketBuffer::kPooledCapacity;
    header.capacity_ = PacketBuffer::kPooledCapacity;
    free_.push_back(&header);
  }
  allocated_bytes_ += kSlabBuffers * PacketBuffer::kPooledCapacity;
  slabs_.push_back(std::move(slab));
}

}  // namespace sluice::worker
