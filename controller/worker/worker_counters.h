#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace FBS::Worker {
struct GetCountersResponse;
}

namespace sluice::controller {

/// One value that a media worker tells of itself. Values of one name follow each other and differ
/// in their label.
struct WorkerMetric {
  std::string name;         ///< as in Prometheus, without the prefix "sluice_worker_"
  std::string label;        ///< name of the only label; "" = none
  std::string label_value;  ///< "" = none
  std::string help;
  bool is_counter = true;  ///< only grows while the worker lives; else a gauge
  uint64_t value = 0;
};

struct WorkerHistogram {
  std::string name;  ///< likewise
  std::string help;
  std::vector<double> upper_bounds;  ///< ascending
  std::vector<uint64_t> counts;      ///< per bucket; one more than bounds
  double sum = 0;
};

/// What a worker has counted since it started (docs/metrics.md). Another worker process starts at
/// zero again.
struct WorkerCounters {
  static constexpr const char* kPrefix = "sluice_worker_";

  std::vector<WorkerMetric> metrics;
  std::vector<WorkerHistogram> histograms;
};

/// A histogram whose buckets do not fit its bounds is left out.
WorkerCounters DecodeCounters(const FBS::Worker::GetCountersResponse& response);

}  // namespace sluice::controller
