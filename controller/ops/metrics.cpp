#include "controller/ops/metrics.h"

#include <prometheus/text_serializer.h>

#include <limits>
#include <sstream>

namespace sluice::controller {

void MetricsPage::Counter(const std::string& name, const std::string& help, uint64_t value,
                          const Labels& labels) {
  Add(name, help, prometheus::MetricType::Counter, labels).counter.value =
      static_cast<double>(value);
}

void MetricsPage::Gauge(const std::string& name, const std::string& help, double value,
                        const Labels& labels) {
  Add(name, help, prometheus::MetricType::Gauge, labels).gauge.value = value;
}

void MetricsPage::Histogram(const std::string& name, const std::string& help,
                            const std::vector<double>& bounds, const std::vector<uint64_t>& counts,
                            double sum, const Labels& labels) {
  prometheus::ClientMetric& metric = Add(name, help, prometheus::MetricType::Histogram, labels);
  uint64_t cumulative = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    cumulative += counts[i];
    const double bound = i < bounds.size() ? bounds[i] : std::numeric_limits<double>::infinity();
    metric.histogram.bucket.push_back({cumulative, bound});
  }
  metric.histogram.sample_count = cumulative;
  metric.histogram.sample_sum = sum;
}

std::string MetricsPage::Render() const {
  std::ostringstream text;
  prometheus::TextSerializer().Serialize(text, families_);
  return text.str();
}

prometheus::ClientMetric& MetricsPage::Add(const std::string& name, const std::string& help,
                                           prometheus::MetricType type, const Labels& labels) {
  const auto [it, is_new] = index_.try_emplace(name, families_.size());
  if (is_new) {
    families_.emplace_back();
    families_.back().name = name;
    families_.back().help = help;
    families_.back().type = type;
  }
  prometheus::ClientMetric& metric = families_[it->second].metric.emplace_back();
  for (const auto& [label, value] : labels) metric.label.push_back({label, value});
  return metric;
}

}  // namespace sluice::controller
