#include "controller/worker/worker_counters.h"

#include <utility>

#include "proto/worker_generated.h"

namespace sluice::controller {

namespace {

std::string TextOf(const flatbuffers::String* text) { return text != nullptr ? text->str() : ""; }

}  // namespace

WorkerCounters DecodeCounters(const FBS::Worker::GetCountersResponse& response) {
  WorkerCounters counters;
  for (const FBS::Worker::Metric* metric : *response.metrics()) {
    WorkerMetric& decoded = counters.metrics.emplace_back();
    decoded.name = metric->name()->str();
    decoded.label = TextOf(metric->label());
    decoded.label_value = TextOf(metric->label_value());
    decoded.help = metric->help()->str();
    decoded.is_counter = metric->type() == FBS::Worker::MetricType::COUNTER;
    decoded.value = metric->value();
  }
  for (const FBS::Worker::Histogram* histogram : *response.histograms()) {
    if (histogram->counts()->size() != histogram->upper_bounds()->size() + 1) continue;
    WorkerHistogram decoded;
    decoded.name = histogram->name()->str();
    decoded.help = histogram->help()->str();
    decoded.upper_bounds.assign(histogram->upper_bounds()->begin(),
                                histogram->upper_bounds()->end());
    decoded.counts.assign(histogram->counts()->begin(), histogram->counts()->end());
    decoded.sum = histogram->sum();
    counters.histograms.push_back(std::move(decoded));
  }
  return counters;
}

}  // namespace sluice::controller
