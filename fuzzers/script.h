#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

namespace sluice::worker::fuzz {

inline void Check(bool held) {
  if (!held) abort();
}

/// The input of a fuzz target, read from the front; zeros when it has run out.
class Script {
 public:
  Script(const uint8_t* data, size_t size) : rest_(data, size) {}

  bool done() const { return rest_.empty(); }
  uint8_t Byte() {
    if (rest_.empty()) return 0;
    const uint8_t byte = rest_.front();
    rest_ = rest_.subspan(1);
    return byte;
  }
  uint16_t Word() {
    const uint8_t high = Byte();
    return static_cast<uint16_t>(high << 8 | Byte());
  }
  uint32_t U32() {
    const uint32_t high = Word();
    return high << 16 | Word();
  }
  uint32_t Below(uint32_t bound) { return Byte() % bound; }
  bool Flag() { return (Byte() & 1) != 0; }
  /// The next `size` bytes, or as many as there are.
  std::vector<uint8_t> Take(size_t size) {
    size = std::min(size, rest_.size());
    std::vector<uint8_t> bytes(rest_.begin(), rest_.begin() + static_cast<std::ptrdiff_t>(size));
    rest_ = rest_.subspan(size);
    return bytes;
  }
  /// A byte says how many follow.
  std::vector<uint8_t> Block() { return Take(Byte()); }

 private:
  std::span<const uint8_t> rest_;
};

}  // namespace sluice::worker::fuzz
