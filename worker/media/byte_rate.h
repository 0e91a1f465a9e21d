#pragma once

#include <cstddef>
#include <cstdint>

#include "common/units.h"
#include "worker/core/rtp/rate_window.h"

namespace sluice::worker {

/// Bytes in total, and bits per second over the last window.
class ByteRate {
 public:
  explicit ByteRate(Duration window) : window_(window) {}

  void Add(size_t bytes, Timestamp now) {
    if (bytes == 0) return;
    total_ += bytes;
    window_.Add(bytes, now);
  }
  uint64_t bytes() const { return total_; }
  uint64_t BitsPerSecond(Timestamp now) { return static_cast<uint64_t>(window_.Rate(now).bps()); }

 private:
  uint64_t total_ = 0;
  RateWindow window_;
};

}  // namespace sluice::worker
