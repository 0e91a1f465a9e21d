#include "controller/broadcast/speed_watch.h"

#include <catch2/catch.hpp>

#include "controller/broadcast/times.h"

namespace sluice::controller::broadcast::test {
namespace {

constexpr int64_t kStep = 250 * kMillisecond;

TEST_CASE("speed: too slow is said once a whole window was, and nothing is left") {
  SpeedWatch watch(2 * kSecond);
  for (int i = 0; i < 8; ++i) {
    watch.Add(i * kStep, i * kStep * 6 / 10, -1);
    CHECK_FALSE(watch.TooSlow());
  }
  watch.Add(8 * kStep, 8 * kStep * 6 / 10, -1);
  REQUIRE(watch.TooSlow());
  CHECK(*watch.TooSlow() == Approx(0.6));
  watch.Add(9 * kStep, 9 * kStep * 6 / 10, 100);  // there is something ahead
  CHECK_FALSE(watch.TooSlow());
}

TEST_CASE("speed: what keeps up is not too slow, and what waited begins anew") {
  SpeedWatch watch(2 * kSecond);
  for (int i = 0; i < 20; ++i) watch.Add(i * kStep, i * kStep, -1);
  CHECK_FALSE(watch.TooSlow());
  for (int i = 20; i < 40; ++i) watch.Add(i * kStep, 20 * kStep + (i - 20) * kStep / 2, -1);
  CHECK(watch.TooSlow());
  watch.Reset();
  CHECK_FALSE(watch.TooSlow());
  watch.Add(40 * kStep, 30 * kStep, -1);
  CHECK_FALSE(watch.TooSlow());
}

}  // namespace
}  // namespace sluice::controller::broadcast::test
