#include "worker/core/bwe/delay_trend.h"

#include <catch2/catch.hpp>
#include <optional>

namespace sluice::worker {
namespace {

constexpr Duration kFrame = Duration::Millis(33);

/// A frame each kFrame, with a queueing delay that the test sets.
struct Path {
  /// Sends frames for `duration`, adding `growth` of delay with each; stops at the first use that
  /// is `until`. How long that took; infinite when it did not come.
  Duration Run(Duration duration, Duration growth, std::optional<PathUse> until) {
    for (Duration passed; passed < duration; passed = passed + kFrame) {
      sent = sent + kFrame;
      delay = delay + growth;
      for (int i = 0; i < 3; ++i) {  // one burst
        trend.OnPacket(sent + Duration::Micros(i * 300),
                       kOrigin + sent + delay + Duration::Micros(i * 500));
      }
      if (trend.use() == until) return passed + kFrame;
    }
    return Duration::Infinite();
  }

  static constexpr Timestamp kOrigin = Timestamp::Millis(77'000);  // of the other clock
  DelayTrend trend;
  Duration sent;
  Duration delay = Duration::Millis(20);
};

TEST_CASE("a constant delay is normal, whatever it is") {
  Path path;
  CHECK(path.Run(Duration::Seconds(60), Duration::Zero(), PathUse::kOver) == Duration::Infinite());
  CHECK(path.trend.use() == PathUse::kNormal);
  CHECK(path.trend.queue_delay().ms() == 0);
}

TEST_CASE("a queue that builds up is overuse within a second, one that drains is not") {
  Path path;
  path.Run(Duration::Seconds(3), Duration::Zero(), PathUse::kOver);
  CHECK(path.Run(Duration::Seconds(1), Duration::Millis(4), PathUse::kOver) <
        Duration::Millis(500));
  path.Run(Duration::Millis(500), Duration::Millis(4), PathUse::kUnder);
  CHECK(path.Run(Duration::Seconds(1), Duration::Millis(-4), PathUse::kUnder) <
        Duration::Seconds(1));
}

TEST_CASE("a queue that stands is overuse, until it turns out that the path is longer") {
  Path path;
  path.Run(Duration::Seconds(3), Duration::Zero(), PathUse::kOver);
  path.delay = Duration::Millis(170);
  path.Run(Duration::Millis(400), Duration::Zero(), std::nullopt);
  CHECK(path.trend.queue_delay().ms() == 150);
  CHECK(path.Run(Duration::Seconds(1), Duration::Zero(), PathUse::kOver) < Duration::Seconds(1));
  CHECK(path.Run(Duration::Seconds(4), Duration::Zero(), PathUse::kNormal) < Duration::Seconds(3));
  CHECK(path.trend.queue_delay() == Duration::Zero());
  CHECK(path.Run(Duration::Seconds(30), Duration::Zero(), PathUse::kOver) == Duration::Infinite());
}

TEST_CASE("jitter without a trend is tolerated") {
  Path path;
  uint32_t state = 7;
  for (int i = 0; i < 3000; ++i) {
    state = state * 1'664'525 + 1'013'904'223;
    path.delay = Duration::Micros(20'000 + (state >> 16) % 10'000);
    CHECK(path.Run(kFrame, Duration::Zero(), PathUse::kOver) == Duration::Infinite());
  }
}

TEST_CASE("packets that overtook others make no group") {
  DelayTrend trend;
  const Timestamp start = Timestamp::Millis(1000);
  CHECK_FALSE(trend.OnPacket(Duration::Millis(0), start));
  CHECK_FALSE(trend.OnPacket(Duration::Millis(30), start + Duration::Millis(30)));
  CHECK_FALSE(trend.OnPacket(Duration::Millis(10), start + Duration::Millis(31)));
  CHECK(trend.OnPacket(Duration::Millis(60), start + Duration::Millis(60)));
  CHECK_FALSE(trend.OnPacket(Duration::Millis(64), start + Duration::Millis(64)));  // same burst
  // Held up and let go together.
  CHECK_FALSE(trend.OnPacket(Duration::Millis(80), start + Duration::Millis(66)));
}

}  // namespace
}  // namespace sluice::worker
