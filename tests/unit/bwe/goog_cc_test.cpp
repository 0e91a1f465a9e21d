#include "worker/core/bwe/goog_cc.h"

#include <catch2/catch.hpp>
#include <vector>

#include "tests/sim/network/seeded_random.h"

namespace sluice::worker {
namespace {

constexpr Timestamp kStart = Timestamp::Millis(1'000'000);
DataRate Kbps(int64_t kbps) { return DataRate::BitsPerSecond(kbps * 1000); }

struct GoogCcTest {
  GoogCcTest() {
    controller.SetDemand(Kbps(2000), kStart);
    controller.SetBounds({Kbps(500), Kbps(50), Kbps(3000)}, kStart);
  }
  bool WithinBounds() const {
    const NetworkEstimate& estimate = controller.estimate();
    return estimate.target >= Kbps(50) && estimate.target <= Kbps(3000) &&
           estimate.stable_target <= estimate.target && estimate.pacing >= estimate.target &&
           estimate.loss >= 0 && estimate.loss <= 1;
  }
  void Tick(Duration time) {
    for (const Timestamp end = now + time; now < end;) {
      now = now + NetworkController::kProcessInterval;
      controller.OnProcess(now);
      while (controller.TakeProbe(now)) {
      }
    }
  }
  GoogCc controller{kStart};
  Timestamp now = kStart;
};

TEST_CASE_METHOD(GoogCcTest, "estimate: the start rate, within its bounds") {
  CHECK(controller.estimate().target == Kbps(500));
  CHECK(controller.estimate().pacing == Kbps(1250));
  controller.SetBounds({DataRate::Zero(), Kbps(50), Kbps(400)}, now);
  CHECK(controller.estimate().target == Kbps(400));
  controller.SetBounds({DataRate::Zero(), Kbps(600), Kbps(800)}, now);
  CHECK(controller.estimate().target == Kbps(600));
}

TEST_CASE_METHOD(GoogCcTest, "estimate: nothing sent and nothing heard leaves it alone") {
  Tick(Duration::Seconds(600));
  CHECK(controller.estimate().target == Kbps(500));
}

TEST_CASE_METHOD(GoogCcTest, "round trip: of the packets that arrived, the shortest") {
  std::vector<PacketResult> packets(3);
  for (size_t i = 0; i < packets.size(); ++i) {
    packets[i].sent_at = packets[i].received_at = now + Duration::Millis(10 * static_cast<int>(i));
    packets[i].size = 100;
    packets[i].received = i < 2;
  }
  FeedbackReport report;
  report.at = now + Duration::Millis(50);
  report.packets = packets;
  controller.OnFeedback(report);
  CHECK(controller.estimate().rtt == Duration::Millis(40));
}

TEST_CASE_METHOD(GoogCcTest, "REMB bounds the estimate for ten seconds, whatever it says") {
  std::vector<PacketResult> packets(1);
  packets[0].sent_at = packets[0].received_at = now;
  packets[0].size = 100;
  packets[0].received = true;
  FeedbackReport report;
  report.at = now;
  report.packets = packets;
  controller.OnFeedback(report);
  controller.OnRemb(Kbps(200), now);
  CHECK(controller.estimate().target == Kbps(200));
  Tick(Duration::Seconds(11));
  CHECK(controller.estimate().target == Kbps(500));
  controller.OnRemb(DataRate::Zero(), now);
  CHECK(controller.estimate().target == Kbps(50));
  controller.OnRemb(DataRate::BitsPerSecond(INT64_MAX), now);
  CHECK(controller.estimate().target == Kbps(500));
  controller.OnRemb(DataRate::BitsPerSecond(INT64_MIN), now);
  CHECK(WithinBounds());
}

TEST_CASE("REMB alone is the estimate of a receiver that has nothing else") {
  GoogCc controller(kStart);
  controller.SetBounds({Kbps(500), Kbps(50), Kbps(3000)}, kStart);
  controller.OnRemb(Kbps(1800), kStart);
  CHECK(controller.estimate().target == Kbps(1800));
  controller.OnLossReport(0.4, kStart + Duration::Seconds(2));
  CHECK(controller.estimate().target == Kbps(1440));
}

TEST_CASE_METHOD(GoogCcTest, "feedback of nonsense keeps the estimate within its bounds") {
  SeededRandom random(1);
  for (int round = 0; round < 3000; ++round) {
    now = now + Duration::Micros(static_cast<int64_t>(random.Uniform(0, 200'000)));
    std::vector<PacketResult> packets(static_cast<size_t>(random.Uniform(0, 60)));
    for (PacketResult& each : packets) {
      each.sent_at = now - Duration::Micros(static_cast<int64_t>(random.Uniform(0, 2e6)));
      each.received_at = Timestamp::Micros(static_cast<int64_t>(random.Uniform(-1e15, 1e15)));
      if (random.Happens(0.8)) {
        each.received_at =
            each.sent_at + Duration::Micros(static_cast<int64_t>(random.Uniform(-1e6, 1e6)));
      }
      each.size = static_cast<uint32_t>(random.Uniform(1, 65'535));
      each.untracked = static_cast<uint32_t>(random.Uniform(0, 1e6));
      each.received = random.Happens(0.7);
      each.was_lost = random.Happens(0.1);
      each.probe = static_cast<uint8_t>(random.Uniform(0, 256));
    }
    FeedbackReport report;
    report.at = now;
    report.packets = packets;
    report.clock_stepped = random.Happens(0.01);
    controller.OnFeedback(report);
    controller.OnSent(static_cast<size_t>(random.Uniform(0, 1e7)), now);
    controller.OnRtt(Duration::Micros(static_cast<int64_t>(random.Uniform(-1e6, 1e9))), now);
    Tick(Duration::Millis(25));
    REQUIRE(WithinBounds());
  }
}

}  // namespace
}  // namespace sluice::worker
