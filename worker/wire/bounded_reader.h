#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace sluice::worker {

/// Reads big-endian fields from front to back. Every length check of the parsers is in here.
///
/// Failure sticks: a read that does not fit consumes everything, yields zero (or an empty span) and
/// turns ok() false, and so does every read after it. A parser may therefore read a whole fixed
/// part and test ok() once, before it believes any of the values. Owns nothing.
class BoundedReader {
 public:
  explicit BoundedReader(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  bool ok() const { return ok_; }
  size_t remaining() const { return bytes_.size() - position_; }
  bool empty() const { return position_ == bytes_.size(); }
  /// Bytes consumed so far.
  size_t position() const { return position_; }

  uint8_t ReadU8() { return static_cast<uint8_t>(ReadBigEndian(1)); }
  uint16_t ReadU16() { return static_cast<uint16_t>(ReadBigEndian(2)); }
  uint32_t ReadU24() { return static_cast<uint32_t>(ReadBigEndian(3)); }
  uint32_t ReadU32() { return static_cast<uint32_t>(ReadBigEndian(4)); }
  uint64_t ReadU64() { return ReadBigEndian(8); }

  /// The next `size` bytes, or an empty span on failure.
  std::span<const uint8_t> ReadBytes(size_t size) {
    if (size > remaining()) {
      Fail();
      return {};
    }
    const auto bytes = bytes_.subspan(position_, size);
    position_ += size;
    return bytes;
  }
  void Skip(size_t size) { ReadBytes(size); }
  /// What is left, without consuming it.
  std::span<const uint8_t> Rest() const { return bytes_.subspan(position_); }

  /// For a value that is readable but impossible: as if a read had failed.
  void Fail() {
    ok_ = false;
    position_ = bytes_.size();
  }

 private:
  uint64_t ReadBigEndian(size_t size) {
    uint64_t value = 0;
    for (const uint8_t byte : ReadBytes(size)) value = value << 8 | byte;
    return value;
  }

  std::span<const uint8_t> bytes_;
  size_t position_ = 0;
  bool ok_ = true;
};

}  // namespace sluice::worker
