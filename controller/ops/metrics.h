#pragma once

#include <prometheus/metric_family.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice::controller {

/// What GET /metrics answers: values gathered at the moment of asking, as Prometheus text
/// (exposition format 0.0.4). Values of one name are one family, in the order of their first
/// mention; HELP and TYPE are those of the first.
///
/// Names follow the ecosystem: sluice_ in front, base units, _total behind counters.
class MetricsPage {
 public:
  /// Names and values; values may be any text.
  using Labels = std::vector<std::pair<std::string, std::string>>;
  static constexpr std::string_view kContentType = "text/plain; version=0.0.4; charset=utf-8";

  /// A count that only grows while the process lives.
  void Counter(const std::string& name, const std::string& help, uint64_t value,
               const Labels& labels = {});
  /// A value of now.
  void Gauge(const std::string& name, const std::string& help, double value,
             const Labels& labels = {});
  /// `counts[i]` observations were at most `bounds[i]` and more than the bound before;
  /// `counts` has one more than `bounds`: those above all. `sum` is that of all observations.
  void Histogram(const std::string& name, const std::string& help,
                 const std::vector<double>& bounds, const std::vector<uint64_t>& counts, double sum,
                 const Labels& labels = {});

  std::string Render() const;

 private:
  prometheus::ClientMetric& Add(const std::string& name, const std::string& help,
                                prometheus::MetricType type, const Labels& labels);

  std::vector<prometheus::MetricFamily> families_;
  std::map<std::string, size_t, std::less<>> index_;  ///< name → place in families_
};

}  // namespace sluice::controller
