#include "worker/io/loop.h"

#include "tests/unit/io/io_test.h"
#include "worker/io/fd_watcher.h"

namespace sluice::worker {
namespace {

using test::MakeLoop;
using test::RunUntil;

TEST_CASE("the loop fires timers in order and never early") {
  auto loop = MakeLoop();
  std::vector<int> fired;
  const Timestamp start = loop->Now();
  Timestamp at;
  auto late = loop->CreateTimer([&](Timestamp now) {
    fired.push_back(2);
    at = now;
  });
  auto early = loop->CreateTimer([&](Timestamp) { fired.push_back(1); });
  late->Start(Duration::Millis(3));
  early->Start(Duration::Millis(1));
  REQUIRE(RunUntil(*loop, [&] { return fired.size() == 2; }));
  CHECK(fired == std::vector<int>{1, 2});
  CHECK(at >= start + Duration::Millis(3));
}

TEST_CASE("the turn ends after timers and after descriptors, once for all callbacks") {
  auto loop = MakeLoop();
  std::vector<std::string> order;
  loop->SetTurnEnd([&](Timestamp) { order.push_back("end"); });
  loop->RunReady();  // start-up: one end of turn
  order.clear();

  auto timer = loop->CreateTimer([&](Timestamp) { order.push_back("timer"); });
  timer->Start(Duration::Millis(1));
  REQUIRE(RunUntil(*loop, [&] { return order.size() >= 2; }));
  CHECK(order == std::vector<std::string>{"timer", "end"});

  struct Reader : FdListener {
    void OnReadable() override {
      char byte = 0;
      REQUIRE(read(fd, &byte, 1) == 1);
      order->push_back("read");
    }
    void OnPollError() override {}
    int fd = -1;
    std::vector<std::string>* order = nullptr;
  };
  std::array<std::array<int, 2>, 2> pipes{};
  std::array<Reader, 2> readers;
  std::vector<std::unique_ptr<FdWatcher>> watchers;
  for (size_t i = 0; i < 2; ++i) {
    REQUIRE(pipe(pipes[i].data()) == 0);
    readers[i].fd = pipes[i][0];
    readers[i].order = &order;
    watchers.push_back(std::move(*FdWatcher::Create(*loop, pipes[i][0], readers[i])));
    watchers.back()->Watch(true, false);
    REQUIRE(write(pipes[i][1], "x", 1) == 1);
  }
  order.clear();
  REQUIRE(RunUntil(*loop, [&] { return order.size() >= 3; }));
  CHECK(order == std::vector<std::string>{"read", "read", "end"});
  watchers.clear();
  for (auto& p : pipes) {
    close(p[0]);
    close(p[1]);
  }
}

TEST_CASE("the clock stands still within a turn and agrees with the time of day") {
  auto loop = MakeLoop();
  const Timestamp now = loop->Now();
  CHECK(loop->Now() == now);
  const int64_t unix_us = loop->NtpNow().ToMicros() - int64_t{2'208'988'800} * 1'000'000;
  CHECK(std::abs(unix_us - ClockReading::Now().realtime_us) < 1'000'000);
  loop->AdvanceClock();
  CHECK(loop->Now() >= now);
}

TEST_CASE("random bytes differ") {
  auto loop = MakeLoop();
  test::Bytes a(5000);
  test::Bytes b(5000);
  loop->RandomBytes(a);
  loop->RandomBytes(b);
  CHECK(a != b);
  for (int i = 0; i < 100; ++i) CHECK(loop->RandomBelow(7) < 7);
}

TEST_CASE("kernel receive times move to the monotonic clock") {
  KernelTimeConverter times;
  constexpr int64_t kOffset = 1'700'000'000'000'000;
  times.StartBatch({5'000'000, 5'000'000 + kOffset});
  CHECK(times.Convert(4'999'000 + kOffset) == Timestamp::Micros(4'999'000));
  // From the future, or absurdly old: the time of reading.
  CHECK(times.Convert(5'000'001 + kOffset) == Timestamp::Micros(5'000'000));
  CHECK(times.Convert(3'000'000 + kOffset) == Timestamp::Micros(5'000'000));
  // The time of day is set between two batches: its packets have no usable time.
  times.StartBatch({6'000'000, 6'500'000 + kOffset});
  CHECK(times.Convert(6'400'000 + kOffset) == Timestamp::Micros(6'000'000));
  times.StartBatch({7'000'000, 7'500'000 + kOffset});
  CHECK(times.Convert(7'400'000 + kOffset) == Timestamp::Micros(6'900'000));
}

}  // namespace
}  // namespace sluice::worker
