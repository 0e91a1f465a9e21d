#pragma once

#include <cstdint>

#include "worker/channel/metrics_report.h"

namespace sluice::worker {

/// getrusage(2) of this process, raw counters; times in milliseconds, maxrss in KiB.
struct ResourceUsage {
  uint64_t utime_ms = 0;
  uint64_t stime_ms = 0;
  uint64_t maxrss = 0;
  uint64_t ixrss = 0;
  uint64_t idrss = 0;
  uint64_t isrss = 0;
  uint64_t minflt = 0;
  uint64_t majflt = 0;
  uint64_t nswap = 0;
  uint64_t inblock = 0;
  uint64_t oublock = 0;
  uint64_t msgsnd = 0;
  uint64_t msgrcv = 0;
  uint64_t nsignals = 0;
  uint64_t nvcsw = 0;
  uint64_t nivcsw = 0;
};

/// What a channel may know and do about the process that it runs in; implemented beside main().
class ProcessInfo {
 public:
  virtual ~ProcessInfo() = default;
  virtual uint32_t pid() const = 0;
  virtual ResourceUsage GetResourceUsage() const = 0;
  /// Everything that the worker counts (WORKER_GET_COUNTERS).
  virtual MetricsReport ReadMetrics() const = 0;
  /// The controller asked for an orderly close (or the stream cannot be read any more): leaves the
  /// loop after this turn, exit code 0. Never destroys the caller before it returns.
  virtual void RequestClose() = 0;
};

}  // namespace sluice::worker
