// The links, flows and traces of simulations themselves.
#include <catch2/catch.hpp>
#include <vector>

#include "tests/sim/network/link_model.h"
#include "tests/sim/network/tcp_flow.h"
#include "tests/sim/network/traces.h"

namespace sluice::worker {
namespace {

constexpr Timestamp kStart = VirtualEnvironment::kStart;
constexpr size_t kSize = 1000;  // 8 ms at 1 Mbit/s

Timestamp At(int64_t ms) { return kStart + Duration::Millis(ms); }

TEST_CASE("link: packets leave one behind the other at the capacity of the moment") {
  LinkSettings settings;
  settings.capacity = KilobitSteps({{0, 1000}, {0.012, 500}});
  settings.delay = Duration::Millis(20);
  LinkModel link(settings, 1, kStart);
  CHECK(link.Send(kSize, At(0)) == At(28));
  // 4 ms at 1 Mbit/s, the other half at 500 kbit/s.
  CHECK(link.Send(kSize, At(0)) == At(40));
  CHECK(link.QueueDelay(At(0)).ms() == 20);
  CHECK(link.Send(kSize, At(100)) == At(136));
  CHECK(link.CapacityAt(At(50)).bps() == 500'000);
}

TEST_CASE("link: while the capacity is zero everything waits, and leaves afterwards") {
  LinkSettings settings;
  settings.capacity = KilobitSteps({{0, 1000}, {0.004, 0}, {1.004, 1000}});
  LinkModel link(settings, 1, kStart);
  CHECK(link.Send(kSize, At(0)) == At(1008));
  CHECK(link.stats().lost_in_queue == 0);
}

TEST_CASE("link: the queue is bounded by bytes, packets or time") {
  LinkSettings settings;
  settings.capacity = KilobitSteps({{0, 1000}});
  const auto accepted = [&](const LinkSettings& each) {
    LinkModel link(each, 1, kStart);
    int count = 0;
    for (int i = 0; i < 50; ++i) count += link.Send(kSize, At(0)) ? 1 : 0;
    CHECK(link.stats().lost_in_queue == static_cast<uint64_t>(50 - count));
    return count;
  };
  LinkSettings bytes = settings;
  bytes.queue_bytes = 10 * kSize;
  CHECK(accepted(bytes) == 10);
  LinkSettings packets = settings;
  packets.queue_packets = 7;
  CHECK(accepted(packets) == 7);
  LinkSettings time = settings;
  time.queue = Duration::Millis(80);
  CHECK(accepted(time) == 11);
}

TEST_CASE("link: a policer drops what is above its rate, and delays nothing") {
  LinkSettings settings;
  settings.policer = Policer{DataRate::BitsPerSecond(800'000), 10 * kSize};
  LinkModel link(settings, 1, kStart);
  int passed = 0;
  for (int64_t ms = 0; ms < 1000; ms += 5) {  // 1.6 Mbit/s
    const auto arrival = link.Send(kSize, At(ms));
    if (!arrival) continue;
    CHECK(*arrival == At(ms));
    ++passed;
  }
  CHECK(passed >= 108);
  CHECK(passed <= 111);
}

TEST_CASE("link: losses come in bursts of the length that was asked for") {
  LinkSettings settings;
  settings.loss = {0.01, 0.2, 0, 1};
  LinkModel link(settings, 7, kStart);
  int lost = 0;
  int bursts = 0;
  bool before = false;
  for (int i = 0; i < 100'000; ++i) {
    const bool now = !link.Send(kSize, At(i));
    lost += now;
    bursts += now && !before;
    before = now;
  }
  CHECK(lost / 100'000.0 == Approx(0.01 / 0.21).epsilon(0.1));
  CHECK(static_cast<double>(lost) / bursts == Approx(5).epsilon(0.1));
}

TEST_CASE("link: jitter reorders only where that is asked for; blackouts lose everything") {
  for (const bool reorder : {false, true}) {
    LinkSettings settings;
    settings.jitter = Duration::Millis(30);
    settings.reorder = reorder;
    settings.blackouts = {{Duration::Millis(500), Duration::Millis(600)}};
    LinkModel link(settings, 3, kStart);
    Timestamp last = kStart;
    bool overtaken = false;
    for (int64_t ms = 0; ms < 1000; ++ms) {
      const auto arrival = link.Send(kSize, At(ms));
      CHECK(arrival.has_value() == (ms < 500 || ms >= 600));
      if (!arrival) continue;
      overtaken |= *arrival < last;
      last = *arrival;
    }
    CHECK(overtaken == reorder);
  }
}

TEST_CASE("link: the same seed gives the same run, another one does not") {
  const auto run = [](uint64_t seed) {
    LinkSettings settings;
    settings.loss = {0.1, 0.5, 0.01, 0.8};
    LinkModel link(settings, seed, kStart);
    std::vector<bool> lost;
    for (int i = 0; i < 200; ++i) lost.push_back(!link.Send(kSize, At(i)));
    return lost;
  };
  CHECK(run(1) == run(1));
  CHECK(run(1) != run(2));
}

TEST_CASE("TCP-like flows fill a link, and share it") {
  VirtualEnvironment environment;
  LinkSettings settings;
  settings.capacity = KilobitSteps({{0, 2000}});
  settings.queue = Duration::Millis(100);
  settings.delay = Duration::Millis(20);
  LinkModel link(settings, 1, kStart);
  TcpFlow one(environment, link, Duration::Millis(20));
  one.Send(100'000'000);
  environment.AdvanceBy(Duration::Seconds(20));
  const double alone = static_cast<double>(one.delivered_bytes()) * 8 / 20;
  CHECK(alone > 1'800'000);
  CHECK(alone <= 2'000'000);
  CHECK(one.losses() > 0);
  TcpFlow two(environment, link, Duration::Millis(20));
  two.Send(100'000'000);
  environment.AdvanceBy(Duration::Seconds(10));
  const uint64_t one_before = one.delivered_bytes();
  const uint64_t two_before = two.delivered_bytes();
  environment.AdvanceBy(Duration::Seconds(60));
  const auto first = static_cast<double>(one.delivered_bytes() - one_before);
  const auto second = static_cast<double>(two.delivered_bytes() - two_before);
  CHECK(first / second > 0.5);
  CHECK(first / second < 2);
  CHECK(!one.idle());
}

TEST_CASE("a TCP-like flow survives that everything is lost for seconds, and ends") {
  VirtualEnvironment environment;
  LinkSettings settings;
  settings.capacity = KilobitSteps({{0, 2000}});
  settings.blackouts = {{Duration::Millis(100), Duration::Millis(3000)}};
  LinkModel link(settings, 1, kStart);
  TcpFlow flow(environment, link, Duration::Millis(20));
  flow.Send(500'000);
  environment.AdvanceBy(Duration::Seconds(8));
  CHECK(flow.idle());
  CHECK(flow.delivered_bytes() >= 500'000);
}

TEST_CASE("traces stay within their bounds") {
  const auto low = DataRate::BitsPerSecond(100'000);
  const auto high = DataRate::BitsPerSecond(3'000'000);
  const Duration length = Duration::Seconds(60);
  for (const auto& trace :
       {CellularTrace(1, length, low, high), CellularTrace(2, length, low, high),
        OscillatingTrace(length, low, high, Duration::Seconds(10)),
        SlidingTrace(high, low, Duration::Seconds(5), Duration::Seconds(9))}) {
    DataRate least = high;
    DataRate most = low;
    for (Duration at; at < length; at = at + Duration::Millis(100)) {
      least = std::min(least, trace.At(at));
      most = std::max(most, trace.At(at));
    }
    CHECK(least >= low);
    CHECK(most <= high);
    CHECK(least < most);
  }
}

}  // namespace
}  // namespace sluice::worker
