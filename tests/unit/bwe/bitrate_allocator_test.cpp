#include "worker/core/bwe/bitrate_allocator.h"

#include <array>
#include <catch2/catch.hpp>
#include <vector>

namespace sluice::worker {
namespace {

constexpr std::array<int64_t, 3> kSteps{150'000, 500'000, 1'500'000};
DataRate Kbps(int64_t kbps) { return DataRate::BitsPerSecond(kbps * 1000); }

struct AllocatorTest {
  void Add(uint64_t id, uint8_t priority = 1) {
    BitrateAllocator::Request request;
    request.id = id;
    request.priority = priority;
    request.steps = kSteps;
    requests.push_back(request);
  }
  std::vector<int> Allocate(int64_t kbps) {
    const auto steps = allocator.Allocate(requests, Kbps(kbps), now);
    return {steps.begin(), steps.end()};
  }
  /// After so long with one estimate.
  std::vector<int> Settle(int64_t kbps, int seconds) {
    std::vector<int> steps;
    for (int i = 0; i < seconds * 10; ++i) {
      now = now + Duration::Millis(100);
      const std::vector<int> before = steps;
      steps = Allocate(kbps);
      if (!before.empty() && steps != before) ++changes;
    }
    return steps;
  }
  BitrateAllocator allocator;
  std::vector<BitrateAllocator::Request> requests;
  Timestamp now = Timestamp::Millis(1'000'000);
  int changes = 0;
};

TEST_CASE_METHOD(AllocatorTest, "allocation: the highest step that fits, with a margin, at once") {
  Add(1);
  CHECK(Allocate(560) == std::vector{1});
  AllocatorTest other;
  other.Add(1);
  CHECK(other.Allocate(540) == std::vector{0});  // 500 do not fit into 0.9 of it
}

TEST_CASE_METHOD(AllocatorTest, "allocation: down at once, up after a second") {
  Add(1);
  CHECK(Settle(2000, 2) == std::vector{2});
  CHECK(Allocate(800) == std::vector{1});
  now = now + Duration::Millis(100);
  CHECK(Allocate(2000) == std::vector{1});
  now = now + Duration::Millis(900);
  CHECK(Allocate(2000) == std::vector{1});
  now = now + Duration::Millis(200);
  CHECK(Allocate(2000) == std::vector{2});
}

TEST_CASE_METHOD(AllocatorTest, "allocation: a step that did not last is tried ever more seldom") {
  Add(1);
  Settle(600, 2);
  // The estimate goes up when little is sent, and down when the step is sent.
  int ups = 0;
  int last = 1;
  for (int i = 0; i < 1200; ++i) {
    now = now + Duration::Millis(100);
    const int step = Allocate(last == 2 ? 1000 : 1800)[0];
    ups += step > last;
    last = step;
  }
  CHECK(ups <= 8);  // in two minutes: after 5, 10, 20, 40 s
  CHECK(ups >= 3);
}

TEST_CASE_METHOD(AllocatorTest, "allocation: a step that fits again at once is tried once more") {
  Add(1);
  Settle(1000, 2);
  CHECK(Settle(2000, 2) == std::vector{2});
  CHECK(Settle(900, 1) == std::vector{1});  // a burst that was held up
  CHECK(Settle(2000, 2) == std::vector{2});
  CHECK(Settle(900, 1) == std::vector{1});  // and again: then it was not that
  CHECK(Settle(2000, 4) == std::vector{1});
  CHECK(Settle(2000, 3) == std::vector{2});
}

TEST_CASE_METHOD(AllocatorTest,
                 "allocation: what failed on another path does not count on this one") {
  Add(1);
  Settle(1000, 2);
  for (int i = 0; i < 4; ++i) {  // each waits longer than the one before
    for (int n = 0; n < 500 && Settle(1700, 1) != std::vector{2}; ++n) {
    }
    CHECK(Settle(1000, 3) == std::vector{1});
  }
  CHECK(Settle(1700, 10) == std::vector{1});
  CHECK(Settle(4000, 2) == std::vector{2});
}

TEST_CASE_METHOD(AllocatorTest, "allocation: a wish is followed at once, and less is no failure") {
  Add(1);
  CHECK(Settle(2000, 2) == std::vector{2});
  for (int i = 0; i < 10; ++i) {
    requests[0].steps = std::span(kSteps).first(1 + static_cast<size_t>(i % 2));
    CHECK(Allocate(2000) == std::vector{i % 2});
    now = now + Duration::Millis(500);
    requests[0].steps = kSteps;
    CHECK(Allocate(2000) == std::vector{2});
    now = now + Duration::Millis(500);
  }
  // Who has less than all keeps what it had, whatever its steps are called now.
  CHECK(Settle(800, 2) == std::vector{1});
  constexpr std::array<int64_t, 2> kOthers{480'000, 1'500'000};
  requests[0].steps = kOthers;
  CHECK(Allocate(800) == std::vector{0});
}

TEST_CASE_METHOD(AllocatorTest, "allocation: an estimate that wavers a little changes nothing") {
  Add(1);
  Settle(1700, 3);
  changes = 0;
  for (int i = 0; i < 600; ++i) {
    now = now + Duration::Millis(100);
    if (Allocate(i % 7 < 3 ? 1480 : 1750)[0] != 2) ++changes;
  }
  CHECK(changes == 0);
}

TEST_CASE_METHOD(AllocatorTest, "allocation: nobody gets two steps before everybody has one") {
  for (uint64_t id = 1; id <= 4; ++id) Add(id);
  CHECK(Allocate(700) == std::vector{0, 0, 0, 0});
  CHECK(Settle(1200, 2) == std::vector{1, 0, 0, 0});
  CHECK(Settle(10'000, 2) == std::vector{2, 2, 2, 2});
}

TEST_CASE_METHOD(AllocatorTest, "allocation: priority climbs first") {
  Add(1, 1);
  Add(2, 10);
  CHECK(Settle(1000, 2) == std::vector{0, 1});
  CHECK(Settle(2000, 2) == std::vector{0, 2});
  CHECK(Settle(350, 1) == std::vector{0, 0});
  CHECK(Settle(200, 1) == std::vector{BitrateAllocator::kNothing, 0});
}

TEST_CASE_METHOD(AllocatorTest,
                 "allocation: the last picture goes when it needs twice what there is") {
  Add(1);
  CHECK(Allocate(90) == std::vector{0});
  CHECK(Allocate(70) == std::vector{BitrateAllocator::kNothing});
  CHECK(allocator.constrained());
  CHECK(Settle(400, 2) == std::vector{0});
}

TEST_CASE_METHOD(AllocatorTest,
                 "allocation: who has no steps yet is not held back, nor in the way") {
  Add(1);
  requests[0].steps = {};
  Add(2);
  CHECK(Allocate(600) == std::vector{BitrateAllocator::kNothing, 1});
  CHECK(allocator.Allocate({}, Kbps(1000), now).empty());
}

TEST_CASE_METHOD(AllocatorTest, "allocation: what may not starve is sent whatever it costs") {
  Add(1);
  Add(2);
  requests[1].may_starve = false;
  CHECK(Settle(50, 2) == std::vector{BitrateAllocator::kNothing, 0});
  CHECK(Settle(10, 2) == std::vector{BitrateAllocator::kNothing, 0});
}

}  // namespace
}  // namespace sluice::worker
