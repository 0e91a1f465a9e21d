#include "controller/worker/worker_counters.h"

#include <catch2/catch.hpp>
#include <vector>

#include "proto/worker_generated.h"

namespace sluice::controller {
namespace {

TEST_CASE("what a worker counts is decoded as it was told", "[worker_counters]") {
  namespace fbs = FBS::Worker;
  flatbuffers::FlatBufferBuilder builder;
  const std::vector<flatbuffers::Offset<fbs::Metric>> metrics = {
      fbs::CreateMetricDirect(builder, "rtp_packets_sent_total", nullptr, nullptr,
                              fbs::MetricType::COUNTER, "RTP packets sent.", 7),
      fbs::CreateMetricDirect(builder, "objects", "class", "router", fbs::MetricType::GAUGE,
                              "Objects alive.", 2),
  };
  const std::vector<double> bounds = {0.5, 1};
  const std::vector<uint64_t> counts = {1, 2, 3};
  const std::vector<uint64_t> too_few = {1, 2};
  const std::vector<flatbuffers::Offset<fbs::Histogram>> histograms = {
      fbs::CreateHistogramDirect(builder, "delay_seconds", "A delay.", &bounds, &counts, 2.5),
      fbs::CreateHistogramDirect(builder, "broken_seconds", "Another.", &bounds, &too_few, 1),
  };
  builder.Finish(fbs::CreateGetCountersResponseDirect(builder, &metrics, &histograms));
  const WorkerCounters counters =
      DecodeCounters(*flatbuffers::GetRoot<fbs::GetCountersResponse>(builder.GetBufferPointer()));

  REQUIRE(counters.metrics.size() == 2);
  CHECK(counters.metrics[0].name == "rtp_packets_sent_total");
  CHECK(counters.metrics[0].label.empty());
  CHECK(counters.metrics[0].is_counter);
  CHECK(counters.metrics[0].help == "RTP packets sent.");
  CHECK(counters.metrics[0].value == 7);
  CHECK(counters.metrics[1].label == "class");
  CHECK(counters.metrics[1].label_value == "router");
  CHECK_FALSE(counters.metrics[1].is_counter);
  REQUIRE(counters.histograms.size() == 1);  // the other makes no sense
  CHECK(counters.histograms[0].upper_bounds == bounds);
  CHECK(counters.histograms[0].counts == counts);
  CHECK(counters.histograms[0].sum == 2.5);
}

}  // namespace
}  // namespace sluice::controller
