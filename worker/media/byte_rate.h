#pragma once

#include <cstddef>
#include <cstdint>

#include "common/units.h"
#include "worker/core/rtp/rate_window.h"

namespace sluice::worker {

/// Packets and bytes in total, and bits per second over the last window. An update touches one
/// cache line, most of the time.
class alignas(32) ByteRate {
 public:
  explicit ByteRate(Duration window) : window_(window) {}

  void Add(size_t bytes, Timestamp now) {
    if (bytes == 0) return;
    total_ += bytes;
    ++count_;
    window_.Add(bytes, now);
  }
  uint64_t bytes() const { return total_; }
  /// Calls of Add with bytes: packets.
  uint64_t count() const { return count_; }
  uint64_t BitsPerSecond(Timestamp now) { return static_cast<uint64_t>(window_.Rate(now).bps()); }

 private:
  uint64_t total_ = 0;
  uint64_t count_ = 0;
  RateWindow window_;
};

}  // namespace sluice::worker
