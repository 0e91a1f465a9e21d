// The parts of GoogCc, each by itself.
#include <catch2/catch.hpp>
#include <vector>

#include "worker/core/bwe/acknowledged_rate.h"
#include "worker/core/bwe/aimd_rate.h"
#include "worker/core/bwe/alr_detector.h"
#include "worker/core/bwe/full_queue_detector.h"
#include "worker/core/bwe/loss_based_rate.h"
#include "worker/core/bwe/probe_controller.h"
#include "worker/core/bwe/probe_estimator.h"
#include "worker/core/bwe/rate_math.h"

namespace sluice::worker {
namespace {

Timestamp At(double ms) {
  return Timestamp::Micros(1'000'000'000 + static_cast<int64_t>(ms * 1000));
}
DataRate Kbps(int64_t kbps) { return DataRate::BitsPerSecond(kbps * 1000); }

PacketResult Result(double sent_ms, double received_ms, uint32_t size = 1000, uint8_t probe = 0) {
  PacketResult result;
  result.sent_at = At(sent_ms);
  result.received_at = At(received_ms);
  result.size = size;
  result.received = true;
  result.probe = probe;
  return result;
}

PacketResult Lost(double sent_ms, uint32_t size = 1000) {
  PacketResult result = Result(sent_ms, 0, size);
  result.received = false;
  return result;
}

TEST_CASE("acknowledged rate: a steady stream, and what it takes to know") {
  AcknowledgedRate rate;
  for (int i = 0; i < 9; ++i) rate.OnPackets(std::vector{Result(i * 8, i * 8 + 50)});
  CHECK(!rate.rate());
  for (int i = 9; i < 200; ++i) rate.OnPackets(std::vector{Result(i * 8, i * 8 + 50)});
  CHECK(rate.rate()->bps() == Approx(1'000'000).epsilon(0.02));
}

TEST_CASE("acknowledged rate: neither a burst that came at once nor one long pause counts") {
  AcknowledgedRate rate;
  for (int i = 0; i < 100; ++i) rate.OnPackets(std::vector{Result(i * 8, i * 8 + 50)});
  // Held up for 200 ms, then all at once.
  std::vector<PacketResult> held;
  for (int i = 100; i < 125; ++i) held.push_back(Result(i * 8, 1050 + i * 0.1));
  rate.OnPackets(held);
  CHECK(rate.rate()->bps() <= 1'100'000);
  CHECK(rate.rate()->bps() >= 900'000);
}

TEST_CASE(
    "acknowledged rate: how fast packets come of late is what the path takes when it is full") {
  AcknowledgedRate rate;
  for (int i = 0; i < 9; ++i) rate.OnPackets(std::vector{Result(i * 8, i * 8 + 50)});
  CHECK(!rate.recent());
  for (int i = 9; i < 200; ++i) rate.OnPackets(std::vector{Result(i * 8, i * 8 + 50)});
  CHECK(rate.recent()->bps() == Approx(1'000'000).epsilon(0.05));
  // The path is four times slower from 1650 ms on: 250 ms later only one of the two knows.
  for (int i = 0; i < 8; ++i) rate.OnPackets(std::vector{Result(1600 + i * 8, 1674 + i * 32)});
  CHECK(rate.rate()->bps() >= 750'000);
  CHECK(rate.recent()->bps() <= 350'000);
}

TEST_CASE("acknowledged rate: bytes without numbers count") {
  AcknowledgedRate rate;
  for (int i = 0; i < 200; ++i) {
    PacketResult result = Result(i * 8, i * 8 + 50);
    result.untracked = 500;
    rate.OnPackets(std::vector{result});
  }
  CHECK(rate.rate()->bps() >= 1'000'000);
}

struct Aimd {
  explicit Aimd(int64_t start_kbps) {
    rate.SetBounds(Kbps(5), Kbps(100'000));
    rate.SetEstimate(Kbps(start_kbps), At(0));
    rate.SetRtt(Duration::Millis(100));
  }
  void Run(PathUse use, int64_t acknowledged_kbps, int reports, bool may_grow = true) {
    for (int i = 0; i < reports; ++i) {
      now += 100;
      rate.Update(use, Kbps(acknowledged_kbps), may_grow, At(now));
    }
  }
  AimdRate rate;
  double now = 0;
};

TEST_CASE("aimd: 8 % a second far from congestion, within 1.5 of what arrives") {
  Aimd aimd(1000);
  aimd.Run(PathUse::kNormal, 1000, 51);
  CHECK(aimd.rate.estimate().bps() ==
        Approx(1'000'000 * 1.08 * 1.08 * 1.08 * 1.08 * 1.08).epsilon(0.02));
  aimd.Run(PathUse::kNormal, 1000, 300);
  CHECK(aimd.rate.estimate().bps() <= 1'510'000);
}

TEST_CASE("aimd: does not grow while what is sent does not use it") {
  Aimd aimd(1000);
  aimd.Run(PathUse::kNormal, 1000, 50, /*may_grow=*/false);
  CHECK(aimd.rate.estimate() == Kbps(1000));
}

TEST_CASE("aimd: overuse takes it to 0.85 of what arrives, once a round trip") {
  Aimd aimd(2000);
  aimd.Run(PathUse::kNormal, 1000, 5);
  aimd.Run(PathUse::kOver, 1000, 1);
  CHECK(aimd.rate.estimate() == Kbps(850));
  aimd.Run(PathUse::kUnder, 1000, 10);
  CHECK(aimd.rate.estimate() == Kbps(850));
  // Back near what the path took soon, then slowly.
  aimd.Run(PathUse::kNormal, 850, 10);
  CHECK(aimd.rate.estimate() >= Kbps(925));
  CHECK(aimd.rate.estimate() <= Kbps(960));
  aimd.Run(PathUse::kNormal, 930, 20);
  CHECK(aimd.rate.estimate() <= Kbps(1000));
}

TEST_CASE("aimd: without knowing what arrives, half at each overuse") {
  Aimd aimd(2000);
  aimd.rate.Update(PathUse::kOver, std::nullopt, true, At(1000));
  CHECK(aimd.rate.estimate() == Kbps(1000));
  aimd.rate.Update(PathUse::kOver, std::nullopt, true, At(1100));
  CHECK(aimd.rate.estimate() == Kbps(1000));
  aimd.rate.Update(PathUse::kOver, std::nullopt, true, At(1200));
  CHECK(aimd.rate.estimate() == Kbps(500));
}

/// Sends at a rate and loses a part, for so many seconds; what the loss-based estimate is then.
struct Losses {
  Losses() { rate.SetBounds(Kbps(5), Kbps(100'000)); }
  void Run(double kbps, double loss, double seconds, double delay_based_kbps) {
    const double gap = 8000 / kbps;  // ms between packets of 1000 bytes
    std::vector<PacketResult> report;
    const double end = now + seconds * 1000;
    double reported = now;
    for (; now < end; now += gap) {
      due += loss;
      const bool lost = due >= 1;
      if (lost) due -= 1;
      report.push_back(lost ? Lost(now) : Result(now, now + 50));
      if (now - reported < 100) continue;
      reported = now;
      rate.SetAcknowledged(Kbps(static_cast<int64_t>(kbps * (1 - loss))));
      rate.OnFeedback(report, Kbps(static_cast<int64_t>(delay_based_kbps)), false);
      report.clear();
    }
  }
  LossBasedRate rate;
  double now = 0;
  double due = 0;
};

TEST_CASE("losses: none leave the delay-based estimate alone") {
  Losses losses;
  losses.Run(1000, 0, 5, 1500);
  CHECK(losses.rate.ready());
  CHECK(losses.rate.state() == LossBasedRate::State::kDelayBased);
  CHECK(losses.rate.estimate() == Kbps(1500));
  CHECK(losses.rate.average_loss() == 0);
}

TEST_CASE("losses: a third of everything takes it down, and it comes back when they are over") {
  Losses losses;
  losses.Run(1000, 0, 5, 1000);
  losses.Run(1000, 0.35, 5, 1000);
  CHECK(losses.rate.state() != LossBasedRate::State::kDelayBased);
  CHECK(losses.rate.estimate() < Kbps(800));
  CHECK(losses.rate.average_loss() == Approx(0.35).margin(0.1));
  losses.Run(1000, 0, 20, 1000);
  CHECK(losses.rate.estimate() == Kbps(1000));
  CHECK(losses.rate.state() == LossBasedRate::State::kDelayBased);
}

TEST_CASE("losses: absurd reports keep it within its bounds") {
  LossBasedRate rate;
  rate.SetBounds(Kbps(30), Kbps(5000));
  std::vector<PacketResult> report;
  for (int i = 0; i < 1000; ++i) {
    report.assign(30, Lost(i * 300.0, i % 2 == 0 ? 65'535 : 1));
    report.back().sent_at = At(i * 300.0 + 299);
    rate.OnFeedback(report, Kbps(i % 3 == 0 ? 5000 : 30), i % 5 == 0);
    CHECK(rate.estimate() <= Kbps(5000));
    CHECK(rate.estimate() >= DataRate::Zero());
  }
}

TEST_CASE("alr: less than two thirds of the estimate, silence too") {
  AlrDetector alr;
  alr.OnSent(0, At(0));
  alr.SetEstimate(Kbps(1000));
  for (int i = 1; i < 100; ++i) alr.OnSent(1000, At(i * 8));  // all of it
  CHECK(!alr.in_alr());
  for (int i = 1; i < 300; ++i) alr.OnSent(300, At(800 + i * 8));
  CHECK(alr.in_alr());
  for (int i = 1; i < 200; ++i) alr.OnSent(1000, At(3200 + i * 8));
  CHECK(!alr.in_alr());
  for (int i = 1; i < 80; ++i) alr.OnSent(0, At(4800 + i * 25));
  CHECK(alr.in_alr());
}

ProbePlan Plan(uint8_t id, int64_t kbps) {
  ProbePlan plan;
  plan.id = id;
  plan.rate = Kbps(kbps);
  plan.min_packets = 5;
  plan.min_bytes = 5000;
  return plan;
}

TEST_CASE("probe: as fast as it was sent, or as the path lets it through") {
  ProbeEstimator probes;
  probes.Expect(Plan(1, 2000));
  std::optional<DataRate> rate;
  for (int i = 0; i < 6; ++i) rate = probes.OnPacket(Result(i * 4, 50 + i * 4, 1000, 1));
  REQUIRE(rate);
  CHECK(rate->bps() == Approx(2'000'000).epsilon(0.01));
  probes.Expect(Plan(2, 2000));
  for (int i = 0; i < 6; ++i) rate = probes.OnPacket(Result(i * 4, 50 + i * 8, 1000, 2));
  REQUIRE(rate);
  CHECK(rate->bps() == Approx(950'000).epsilon(0.01));
}

TEST_CASE("probe: too little of it, or times that cannot be, are no result") {
  ProbeEstimator probes;
  probes.Expect(Plan(1, 2000));
  for (int i = 0; i < 3; ++i) CHECK(!probes.OnPacket(Result(i * 4, 50 + i * 4, 1000, 1)));
  probes.Expect(Plan(2, 2000));
  for (int i = 0; i < 6; ++i) CHECK(!probes.OnPacket(Result(i * 4, 50, 1000, 2)));
  probes.Expect(Plan(3, 2000));  // received three times as fast as sent
  for (int i = 0; i < 6; ++i) CHECK(!probes.OnPacket(Result(i * 6, 50 + i * 2, 1000, 3)));
  CHECK(!probes.OnPacket(Result(0, 50, 1000, 99)));  // of no probe of ours
}

TEST_CASE("probing: from the start, on while results follow, then as long as more is wanted") {
  ProbeController probes;
  probes.SetDemand(Kbps(4000), At(0));
  probes.Start(Kbps(300), At(0));
  auto plan = probes.Take();
  REQUIRE(plan);
  CHECK(plan->rate == Kbps(900));
  CHECK(plan->min_gap == ProbeController::kStartGap);
  CHECK(!probes.Take());
  probes.SetEstimate(Kbps(900), ProbeController::LossLimit::kNone, At(200));
  plan = probes.Take();
  REQUIRE(plan);
  CHECK(plan->rate == Kbps(1800));
  probes.SetEstimate(Kbps(950), ProbeController::LossLimit::kNone, At(400));
  CHECK(!probes.Take());
  int count = 0;
  for (int ms = 400; ms < 20'400; ms += 25) {
    probes.Process(At(ms));
    while (probes.Take()) ++count;
  }
  CHECK(count >= 10);
  CHECK(count <= 25);
}

TEST_CASE("probing: nothing wanted, nothing probed; losses stop it") {
  ProbeController probes;
  probes.SetDemand(DataRate::Zero(), At(0));
  probes.Start(Kbps(300), At(0));
  for (int ms = 0; ms < 10'000; ms += 25) probes.Process(At(ms));
  CHECK(!probes.Take());
  probes.SetEstimate(Kbps(300), ProbeController::LossLimit::kDecreasing, At(10'000));
  probes.SetDemand(Kbps(2000), At(10'000));
  for (int ms = 10'000; ms < 20'000; ms += 25) probes.Process(At(ms));
  CHECK(!probes.Take());
}

TEST_CASE("probing: never faster than the bound, nor than twice what is wanted") {
  ProbeController probes;
  probes.SetMax(Kbps(700));
  probes.SetDemand(Kbps(10'000), At(0));
  probes.Start(Kbps(300), At(0));
  CHECK(probes.Take()->rate == Kbps(700));
  ProbeController other;
  other.SetDemand(Kbps(200), At(0));
  other.Start(Kbps(300), At(0));
  CHECK(other.Take()->rate == Kbps(400));
}

/// Losses of a full queue, or at random: what the detector says in ten seconds.
int FullSeconds(bool at_longest) {
  FullQueueDetector detector;
  int full = 0;
  uint32_t state = 1;
  for (int report = 0; report < 100; ++report) {
    std::vector<PacketResult> packets;
    for (int i = 0; i < 12; ++i) {
      state = state * 1'664'525 + 1'013'904'223;
      const double queue = 40.0 * ((report * 12 + i) % 30) / 29;  // ms: rises, drains, …
      const double sent = report * 100 + i * 8;
      const bool lost = at_longest ? queue > 38 : state >> 24 < 18;
      packets.push_back(lost ? Lost(sent) : Result(sent, sent + 30 + queue));
    }
    FeedbackReport feedback;
    feedback.at = At(report * 100 + 200);
    feedback.packets = packets;
    full += detector.OnReport(feedback);
  }
  return full;
}

TEST_CASE("full queue: told from losses at random by where the losses are") {
  CHECK(FullSeconds(true) >= 7);
  CHECK(FullSeconds(false) == 0);
}

}  // namespace
}  // namespace sluice::worker
