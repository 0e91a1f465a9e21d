#pragma once

#include <cstddef>
#include <cstdint>

namespace sluice::worker {

/// Asks for the cache lines of `size` bytes from `at` on, without waiting for them. Any address
/// will do: nothing is read, and nothing happens where there is no memory.
inline void Prefetch(const void* at, size_t size = 1) {
  constexpr size_t kLine = 64;  // bytes
  const auto* byte = static_cast<const uint8_t*>(at);
  const auto* end = byte + size;
  for (; byte < end; byte += kLine) __builtin_prefetch(byte);
}

}  // namespace sluice::worker
