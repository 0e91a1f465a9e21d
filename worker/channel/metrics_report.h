#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sluice::worker {

/// One value that the worker tells of itself. Values of one name follow each other and differ in
/// their label only.
struct Metric {
  enum class Type : uint8_t { kCounter = 0, kGauge = 1 };  // as FBS.Worker.MetricType

  const char* name = "";         ///< as in Prometheus, without the prefix "sluice_worker_"
  const char* label = "";        ///< "" = none
  const char* label_value = "";  ///< likewise
  const char* help = "";
  Type type = Type::kCounter;
  uint64_t value = 0;
};

struct HistogramMetric {
  const char* name = "";
  const char* help = "";
  std::vector<double> upper_bounds;  ///< ascending
  std::vector<uint64_t> counts;      ///< per bucket; one more than bounds
  double sum = 0;
};

/// Everything that WORKER_GET_COUNTERS answers.
struct MetricsReport {
  std::vector<Metric> metrics;
  std::vector<HistogramMetric> histograms;
};

}  // namespace sluice::worker
