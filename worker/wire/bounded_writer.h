#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

namespace sluice::worker {

/// Writes big-endian fields into a caller's buffer. The mirror of BoundedReader: a write that does
/// not fit writes nothing, turns ok() false, and so does every write after it. Owns nothing.
class BoundedWriter {
 public:
  explicit BoundedWriter(std::span<uint8_t> out) : out_(out) {}

  bool ok() const { return ok_; }
  /// Bytes written so far.
  size_t size() const { return size_; }
  size_t remaining() const { return out_.size() - size_; }

  void WriteU8(uint8_t value) { WriteBigEndian(value, 1); }
  void WriteU16(uint16_t value) { WriteBigEndian(value, 2); }
  void WriteU24(uint32_t value) { WriteBigEndian(value, 3); }
  void WriteU32(uint32_t value) { WriteBigEndian(value, 4); }
  void WriteU64(uint64_t value) { WriteBigEndian(value, 8); }
  void WriteBytes(std::span<const uint8_t> bytes) {
    const auto claimed = Claim(bytes.size());
    if (ok_) std::copy(bytes.begin(), bytes.end(), claimed.begin());
  }
  void WriteZeros(size_t count) {
    for (uint8_t& byte : Claim(count)) byte = 0;
  }

 private:
  /// Room for `size` bytes; empty, with ok() false, when it does not fit.
  std::span<uint8_t> Claim(size_t size) {
    if (!ok_ || size > remaining()) {
      ok_ = false;
      return {};
    }
    const auto claimed = out_.subspan(size_, size);
    size_ += size;
    return claimed;
  }
  void WriteBigEndian(uint64_t value, size_t size) {
    const auto claimed = Claim(size);
    for (size_t i = claimed.size(); i-- > 0; value >>= 8) claimed[i] = static_cast<uint8_t>(value);
  }

  std::span<uint8_t> out_;
  size_t size_ = 0;
  bool ok_ = true;
};

}  // namespace sluice::worker
