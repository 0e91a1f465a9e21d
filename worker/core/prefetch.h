#pragma once

#include <cstddef>
#include <cstdint>

namespace sluice::worker {

/// Asks for the cache lines of `size` bytes from `at` on, without waiting for them. Nothing is
/// read, so that it does no harm where nothing lives; null does nothing.
inline void Prefetch(const void* at, size_t size = 1) {
  constexpr size_t kLine = 64;  // bytes
  if (at == nullptr) return;
  const auto* byte = static_cast<const uint8_t*>(at);
  const auto* end = byte + size;
  for (; byte < end; byte += kLine) __builtin_prefetch(byte);
}

}  // namespace sluice::worker
