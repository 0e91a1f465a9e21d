#include "worker/media/forwarding_delay.h"

#include <catch2/catch.hpp>
#include <numeric>

namespace sluice::worker {
namespace {

size_t BucketOf(int64_t us) {
  DelayHistogram histogram;
  histogram.Add(Duration::Micros(us));
  for (size_t i = 0; i < histogram.counts.size(); ++i) {
    if (histogram.counts[i] == 1) return i;
  }
  return SIZE_MAX;
}

TEST_CASE("a delay is in the first bucket whose bound it does not pass", "[delay]") {
  CHECK(BucketOf(-5) == 0);  // a clock that was stepped
  CHECK(BucketOf(0) == 0);
  for (size_t i = 0; i < DelayHistogram::kBounds; ++i) {
    const int64_t bound = DelayHistogram::Bound(i).us();
    CHECK(bound == int64_t{32} << i);
    CHECK(BucketOf(bound) == i);
    CHECK(BucketOf(bound + 1) == i + 1);
  }
  CHECK(BucketOf(3'600'000'000) == DelayHistogram::kBounds);
}

TEST_CASE("packets of a turn are measured when they are with the kernel", "[delay]") {
  ForwardingDelay delay;
  CHECK(delay.empty());
  const Timestamp now = Timestamp() + Duration::Seconds(1);
  delay.OnForwarded(now - Duration::Micros(20));
  delay.OnForwarded(now - Duration::Micros(100));
  CHECK_FALSE(delay.empty());
  CHECK(delay.histogram().sum_us == 0);
  delay.OnFlushed(now);
  CHECK(delay.empty());
  CHECK(delay.histogram().counts[0] == 1);
  CHECK(delay.histogram().counts[2] == 1);
  CHECK(delay.histogram().sum_us == 120);
  delay.OnFlushed(now + Duration::Seconds(1));
  CHECK(delay.histogram().sum_us == 120);
}

TEST_CASE("a long turn measures its first packets and does not grow", "[delay]") {
  ForwardingDelay delay;
  for (size_t i = 0; i < ForwardingDelay::kMaxPerTurn + 100; ++i) delay.OnForwarded(Timestamp());
  delay.OnFlushed(Timestamp() + Duration::Micros(1));
  const auto& counts = delay.histogram().counts;
  CHECK(std::accumulate(counts.begin(), counts.end(), uint64_t{0}) == ForwardingDelay::kMaxPerTurn);
}

}  // namespace
}  // namespace sluice::worker
