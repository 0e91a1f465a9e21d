#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace sluice::worker {

class PacketBufferPool;

/// Memory of one received datagram, shared by reference count: the receive slot of `io/`, the view
/// of the router and the producer's ring all hold the same bytes. Single-threaded.
class PacketBuffer {
 public:
  /// Holds any packet that fits an Ethernet MTU; longer datagrams get a buffer of their own.
  static constexpr size_t kPooledCapacity = 2048;

  uint8_t* data() { return data_; }
  const uint8_t* data() const { return data_; }
  size_t capacity() const { return capacity_; }

 private:
  friend class PacketBufferPool;
  friend class PacketRef;
  PacketBufferPool* pool_ = nullptr;
  uint8_t* data_ = nullptr;
  size_t capacity_ = 0;
  uint32_t references_ = 0;
};

/// Counted reference to a PacketBuffer; empty when default-made or moved from.
class PacketRef {
 public:
  PacketRef() = default;
  PacketRef(const PacketRef& other) : buffer_(other.buffer_) {
    if (buffer_ != nullptr) ++buffer_->references_;
  }
  PacketRef(PacketRef&& other) noexcept : buffer_(std::exchange(other.buffer_, nullptr)) {}
  PacketRef& operator=(PacketRef other) noexcept {
    std::swap(buffer_, other.buffer_);
    return *this;
  }
  ~PacketRef() { Release(); }

  explicit operator bool() const { return buffer_ != nullptr; }
  uint8_t* data() const { return buffer_->data(); }
  size_t capacity() const { return buffer_->capacity(); }
  void Release();

 private:
  friend class PacketBufferPool;
  explicit PacketRef(PacketBuffer* buffer) : buffer_(buffer) { ++buffer_->references_; }
  PacketBuffer* buffer_ = nullptr;
};

/// Hands out PacketBuffers without allocating in steady state. Must outlive every PacketRef.
///
/// Grows by slabs of kSlabBuffers as the retention of producers demands and keeps what it has;
/// the bound on growth is the bound of the PacketRings that hold the references.
class PacketBufferPool {
 public:
  static constexpr size_t kSlabBuffers = 64;  // 128 KiB a slab

  PacketBufferPool() = default;
  ~PacketBufferPool();
  PacketBufferPool(const PacketBufferPool&) = delete;
  PacketBufferPool& operator=(const PacketBufferPool&) = delete;

  /// A buffer of at least `capacity` bytes; over kPooledCapacity it is allocated singly.
  PacketRef Allocate(size_t capacity = PacketBuffer::kPooledCapacity);
  /// A copy of `bytes`.
  PacketRef Copy(std::span<const uint8_t> bytes);

  size_t allocated_bytes() const { return allocated_bytes_; }
  size_t free_buffers() const { return free_.size(); }

 private:
  friend class PacketRef;
  void Free(PacketBuffer* buffer);
  void Grow();

  struct Slab {
    std::unique_ptr<uint8_t[]> bytes;
    std::unique_ptr<PacketBuffer[]> headers;
  };
  std::vector<Slab> slabs_;
  std::vector<PacketBuffer*> free_;
  size_t allocated_bytes_ = 0;
};

inline void PacketRef::Release() {
  if (buffer_ == nullptr) return;
  if (--buffer_->references_ == 0) buffer_->pool_->Free(buffer_);
  buffer_ = nullptr;
}

}  // namespace sluice::worker
