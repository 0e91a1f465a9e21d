#include "controller/broadcast/pacer.h"

#include <catch2/catch.hpp>

#include "controller/broadcast/times.h"

namespace sluice::controller::broadcast::test {
namespace {

TEST_CASE("pace of a file: from its first frame on, by its own times") {
  Pacer pacer(false);
  CHECK_FALSE(pacer.MediaTime(0));
  CHECK(pacer.DueAt(500 * kMillisecond, 10 * kSecond) == 10 * kSecond);
  CHECK(pacer.DueAt(520 * kMillisecond, 10 * kSecond) == 10 * kSecond + 20 * kMillisecond);
  CHECK(*pacer.MediaTime(11 * kSecond) == 1'500 * kMillisecond);
}

TEST_CASE("pace of a file: a frame that comes much too late moves what follows") {
  Pacer pacer(false);
  pacer.DueAt(0, 0);
  CHECK(pacer.DueAt(kSecond, kSecond + 50 * kMillisecond) == kSecond);  // made up for
  CHECK(pacer.DueAt(2 * kSecond, 3 * kSecond) == 3 * kSecond);
  CHECK(pacer.DueAt(3 * kSecond, 3 * kSecond) == 4 * kSecond);
  // The stream has the pause in it: it goes on with our clock.
  CHECK(pacer.StreamTime(3 * kSecond) == 4 * kSecond);
  CHECK(*pacer.StreamNow(4 * kSecond) == 4 * kSecond);
}

TEST_CASE("pace of a live input: evened out as far as it is uneven, and no longer") {
  Pacer pacer(true);
  const int64_t first = pacer.DueAt(0, 0);
  CHECK(first > 0);
  // One comes late: everything is held back longer from then on.
  const int64_t late = pacer.DueAt(kSecond, kSecond + 300 * kMillisecond);
  CHECK(late == kSecond + 300 * kMillisecond);
  CHECK(pacer.DueAt(2 * kSecond, 2 * kSecond) == 2 * kSecond + 300 * kMillisecond);
  // When nothing has been late for long, it is held back less again.
  int64_t due = 0;
  for (int i = 3; i < 30; ++i) due = pacer.DueAt(i * kSecond, i * kSecond);
  CHECK(due - 29 * kSecond < 100 * kMillisecond);
  CHECK(due >= 29 * kSecond);
}

TEST_CASE("pace: times that jump ahead are of another clock") {
  Pacer pacer(true);
  pacer.DueAt(0, 0);
  const int64_t due = pacer.DueAt(3'600 * kSecond, kSecond);
  CHECK(due - kSecond < kSecond);
  CHECK(pacer.StreamTime(3'600 * kSecond) == *pacer.StreamNow(due));
}

}  // namespace
}  // namespace sluice::controller::broadcast::test
