#pragma once

#include <cstdint>

#include "common/units.h"

namespace sluice::worker {

/// The two clocks of the kernel, read together.
struct ClockReading {
  int64_t monotonic_us = 0;  ///< CLOCK_MONOTONIC
  int64_t realtime_us = 0;   ///< CLOCK_REALTIME: microseconds since 1970

  static ClockReading Now();
};

/// CLOCK_MONOTONIC in microseconds: the origin of every Timestamp that `io/` hands out.
Timestamp ReadMonotonicClock();

/// Moves the kernel's receive times (CLOCK_REALTIME, SO_TIMESTAMPNS) onto the monotonic clock.
/// The time of day can be stepped between a packet's arrival and its reading: a batch that is
/// read across a step, and any time that makes no sense, gets the reading's own time instead.
class KernelTimeConverter {
 public:
  /// A packet that waited longer in the socket than this has a wrong time, not a long wait.
  static constexpr Duration kMaxSocketDelay = Duration::Seconds(1);
  /// Slewing (NTP) moves both clocks alike; only a step moves one against the other.
  static constexpr Duration kStepThreshold = Duration::Millis(1);

  /// Starts a batch that is being read now.
  void StartBatch(const ClockReading& reading);
  /// Never later than the batch's own time.
  Timestamp Convert(int64_t kernel_realtime_us) const;

 private:
  ClockReading reading_;
  int64_t offset_us_ = 0;
  bool has_offset_ = false;
  bool stepped_ = false;
};

}  // namespace sluice::worker
