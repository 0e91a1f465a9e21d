#include "worker/io/timer_queue.h"

#include <catch2/catch.hpp>

#include <map>
#include <random>

namespace sluice::worker {
namespace {

struct VirtualHost : TimerHost {
  Timestamp TimerNow() const override { return now; }
  void WakeAt(Timestamp deadline) override {
    if (!wake || deadline < *wake) wake = deadline;
  }
  Timestamp now = Timestamp::Millis(1000);
  std::optional<Timestamp> wake;
};

TEST_CASE("timers fire in order of deadline, then of start") {
  VirtualHost host;
  TimerQueue queue(host);
  std::vector<int> fired;
  std::vector<std::unique_ptr<Timer>> timers;
  for (int i = 0; i < 6; ++i) {
    timers.push_back(queue.Create([&fired, i](Timestamp) { fired.push_back(i); }));
  }
  timers[0]->Start(Duration::Millis(30));
  timers[1]->Start(Duration::Millis(10));
  timers[2]->Start(Duration::Millis(20));
  timers[3]->Start(Duration::Millis(10));
  timers[4]->Start(Duration::Zero());  // floor: 1 ms
  timers[5]->Start(Duration::Millis(20));
  REQUIRE(host.wake == host.now + Duration::Millis(1));
  queue.Expire(host.now);
  CHECK(fired.empty());
  queue.Expire(host.now + Duration::Millis(20));
  CHECK(fired == std::vector<int>{4, 1, 3, 2, 5});
  CHECK(timers[0]->armed());
  CHECK_FALSE(timers[1]->armed());
  CHECK(queue.NextDeadline() == host.now + Duration::Millis(30));
}

TEST_CASE("a timer that is moved fires at its new time only") {
  VirtualHost host;
  TimerQueue queue(host);
  int fired = 0;
  auto timer = queue.Create([&](Timestamp) { ++fired; });
  timer->Start(Duration::Millis(10));
  timer->Start(Duration::Millis(50));
  queue.Expire(host.now + Duration::Millis(49));
  CHECK(fired == 0);
  timer->Start(Duration::Millis(5));
  queue.Expire(host.now + Duration::Millis(5));
  CHECK(fired == 1);
  timer->Start(Duration::Millis(5));
  timer->Stop();
  timer->Stop();
  queue.Expire(host.now + Duration::Seconds(1));
  CHECK(fired == 1);
  timer->Start(Duration::Infinite());
  CHECK(timer->armed());
}

TEST_CASE("a timer may destroy itself and others while it fires") {
  VirtualHost host;
  TimerQueue queue(host);
  std::unique_ptr<Timer> first;
  std::unique_ptr<Timer> second;
  std::string text = "state that lives in the callback";
  bool second_fired = false;
  std::string seen;
  first = queue.Create([&, text](Timestamp) {
    second.reset();
    first.reset();
    seen = text;
  });
  second = queue.Create([&](Timestamp) { second_fired = true; });
  first->Start(Duration::Millis(1));
  second->Start(Duration::Millis(1));
  queue.Expire(host.now + Duration::Millis(1));
  CHECK(seen == text);
  CHECK_FALSE(second_fired);
  CHECK(queue.armed_count() == 0);
}

TEST_CASE("timers behave like a sorted map under random use") {
  VirtualHost host;
  TimerQueue queue(host);
  std::mt19937 random(7);
  std::map<size_t, Timestamp> expected;
  std::vector<std::unique_ptr<Timer>> timers;
  Timestamp last_deadline;
  bool in_order = true;
  for (size_t i = 0; i < 500; ++i) {
    timers.push_back(queue.Create([&, i](Timestamp now) {
      in_order =
          in_order && expected.count(i) == 1 && expected[i] <= now && expected[i] >= last_deadline;
      last_deadline = expected[i];
      expected.erase(i);
    }));
  }
  for (int step = 0; step < 20'000; ++step) {
    const size_t i = random() % timers.size();
    if (random() % 4 == 0) {
      timers[i]->Stop();
      expected.erase(i);
    } else {
      const auto delay = Duration::Micros(static_cast<int64_t>(1000 + random() % 100'000));
      timers[i]->Start(delay);
      expected[i] = host.now + delay;
    }
    if (step % 16 == 0) {
      host.now = host.now + Duration::Micros(static_cast<int64_t>(random() % 2000));
      last_deadline = {};
      queue.Expire(host.now);
      for (const auto& [index, deadline] : expected) REQUIRE(deadline > host.now);
    }
    REQUIRE(queue.armed_count() == expected.size());
  }
  CHECK(in_order);
}

}  // namespace
}  // namespace sluice::worker
