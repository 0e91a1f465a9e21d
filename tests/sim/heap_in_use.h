#pragma once

#include <malloc.h>

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#define SLUICE_HEAP_OF_ASAN
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SLUICE_HEAP_OF_ASAN
#endif
#endif
#ifdef SLUICE_HEAP_OF_ASAN
#include <sanitizer/allocator_interface.h>
#endif

namespace sluice::worker {

/// Bytes of the heap that are in use, by the allocator that there is.
inline size_t HeapInUse() {
#ifdef SLUICE_HEAP_OF_ASAN
  return __sanitizer_get_current_allocated_bytes();
#else
  const auto info = mallinfo2();
  return info.uordblks + info.hblkhd;  // large blocks count elsewhere
#endif
}

}  // namespace sluice::worker
