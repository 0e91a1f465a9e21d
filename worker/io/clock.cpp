#include "worker/io/clock.h"

#include <time.h>

#include <cstdlib>

namespace sluice::worker {

namespace {
int64_t ReadMicros(clockid_t id) {
  timespec now{};
  clock_gettime(id, &now);
  return static_cast<int64_t>(now.tv_sec) * 1'000'000 + now.tv_nsec / 1000;
}
}  // namespace

ClockReading ClockReading::Now() {
  return {ReadMicros(CLOCK_MONOTONIC), ReadMicros(CLOCK_REALTIME)};
}

Timestamp ReadMonotonicClock() { return Timestamp::Micros(ReadMicros(CLOCK_MONOTONIC)); }

void KernelTimeConverter::StartBatch(const ClockReading& reading) {
  const int64_t offset = reading.realtime_us - reading.monotonic_us;
  stepped_ = has_offset_ && std::abs(offset - offset_us_) > kStepThreshold.us();
  offset_us_ = offset;
  has_offset_ = true;
  reading_ = reading;
}

Timestamp KernelTimeConverter::Convert(int64_t kernel_realtime_us) const {
  const Timestamp read_at = Timestamp::Micros(reading_.monotonic_us);
  if (stepped_) return read_at;
  const Duration waited = Duration::Micros(reading_.realtime_us - kernel_realtime_us);
  if (waited < Duration::Zero() || waited > kMaxSocketDelay) return read_at;
  return read_at - waited;
}

}  // namespace sluice::worker
