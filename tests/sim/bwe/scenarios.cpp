#include <algorithm>
#include <cmath>

#include "tests/sim/bwe/scenario.h"
#include "tests/sim/network/traces.h"
#include "worker/core/bwe/rate_math.h"

namespace sluice::worker {
namespace {

using Check = Scenario::Check;
using Checks = std::vector<Check>;
using Run = Scenario::Run;

constexpr Duration kHop = Duration::Millis(20);

DataRate Kbps(double kbps) { return RateOfBps(kbps * 1000); }
Duration Sec(double seconds) { return Duration::Micros(static_cast<int64_t>(seconds * 1e6)); }

Check AtLeast(std::string what, double value, double bound) {
  return {std::move(what), value, value >= bound};
}
Check AtMost(std::string what, double value, double bound) {
  return {std::move(what), value, value <= bound};
}

/// A bottleneck with 20 ms each way and room for so much time.
LinkSettings Bottleneck(Schedule<DataRate> capacity, Duration queue = Duration::Millis(300),
                        Duration delay = kHop) {
  LinkSettings link;
  link.capacity = std::move(capacity);
  link.queue = queue;
  link.delay = delay;
  return link;
}

LinkSettings Way(Duration delay = kHop) {
  LinkSettings link;
  link.delay = delay;
  return link;
}

std::function<LinkSettings(uint64_t)> Always(LinkSettings link) {
  return [link = std::move(link)](uint64_t) { return link; };
}

ModelMedia Elastic(double most_kbps) {
  ModelMedia media;
  media.most = Kbps(most_kbps);
  return media;
}

ModelMedia Simulcast() {
  ModelMedia media;
  media.layers = {Kbps(150), Kbps(500), Kbps(1500)};
  return media;
}

RateBounds StartAt(double kbps) { return {Kbps(kbps), Kbps(30), DataRate()}; }

Scenario Base(int row, std::string name, double seconds) {
  Scenario scenario;
  scenario.row = row;
  scenario.name = std::move(name);
  scenario.length = Sec(seconds);
  scenario.feedback = Way();
  scenario.media = Elastic(2500);
  scenario.bounds = StartAt(600);
  return scenario;
}

/// Mean target after `settle` within 10 % below and 10 % above what there is, in each step.
double WorstShare(const Run& run, const std::vector<std::pair<double, double>>& steps, double end,
                  double settle, double demand_kbps) {
  double worst = 1;
  for (size_t i = 0; i < steps.size(); ++i) {
    const double to = i + 1 < steps.size() ? steps[i + 1].first : end;
    const double most = std::min(steps[i].second, demand_kbps) * 1000;
    worst = std::min(worst, run.Received(steps[i].first + settle, to) / most);
  }
  return worst;
}

Scenario Steps() {
  Scenario s = Base(1, "500-800-100 kbit/s, 100/200 ms", 60);
  const std::vector<std::pair<double, double>> steps{{0, 500}, {20, 800}, {40, 100}};
  LinkSettings link = Bottleneck(KilobitSteps(steps));
  link.delay =
      Schedule<Duration>({{Sec(0), Duration::Millis(100)}, {Sec(20), Duration::Millis(200)}});
  s.forward = Always(link);
  s.bounds = StartAt(300);
  s.media = Elastic(1000);
  s.judge = [steps](const Run& run) {
    const double settled = run.Target(50, 60);
    const double drawdown = settled > 0 ? 1 - run.MinTarget(50, 60) / settled : 1;
    return Checks{AtLeast("worst step >= 0.90", WorstShare(run, steps, 60, 8, 1000), 0.9),
                  AtMost("drawdown <= 0.25", drawdown, 0.25)};
  };
  return s;
}

Scenario RandomLoss(int row, double loss, std::string name) {
  Scenario s = Base(row, std::move(name), 60);
  LinkSettings link = Bottleneck(KilobitSteps({{0, 2000}}));
  link.loss = {0, 1, loss, 0};
  s.forward = Always(link);
  return s;
}

Scenario TenPercent() {
  Scenario s = RandomLoss(2, 0.1, "2 Mbit/s, 10 % loss");
  s.judge = [](const Run& run) {
    return Checks{AtLeast("mean >= 1000 kbit/s", run.Target(15, 60) / 1000, 1000)};
  };
  return s;
}

Scenario TwentyPercent() {
  Scenario s = RandomLoss(3, 0.2, "2 Mbit/s, 20 % loss");
  s.judge = [](const Run& run) {
    int dips = 0;
    for (double at = 20; at < 59.5; at += 0.5) {
      dips += run.MaxTarget(at, at + 0.5) - run.MinTarget(at, at + 0.5) > 100'000;
    }
    return Checks{AtMost("dips of 100 kbit/s < 2", dips, 1)};
  };
  return s;
}

Scenario Tcp() {
  Scenario s = Base(4, "TCP-like flow on 1 Mbit/s", 120);
  s.forward = Always(Bottleneck(KilobitSteps({{0, 1000}})));
  s.media = Elastic(1500);
  s.tcp = true;
  s.judge = [](const Run& run) {
    const double kbps = run.Received(20, 120) / 1000;
    return Checks{AtLeast("mean >= 250 kbit/s", kbps, 250),
                  AtMost("mean <= 750 kbit/s", kbps, 750)};
  };
  return s;
}

Scenario TcpBursts() {
  Scenario s = Base(5, "TCP-like bursts, 25 packets", 120);
  LinkSettings link = Bottleneck(KilobitSteps({{0, 2000}}), Duration::Infinite());
  link.queue_packets = 25;
  s.forward = Always(link);
  s.media = Elastic(2000);
  s.tcp = true;
  s.tcp_burst = 150'000;
  s.judge = [](const Run& run) {
    return Checks{AtLeast("mean >= 0.60", run.Received(20, 120) / 2e6, 0.6)};
  };
  return s;
}

Scenario Silence(double seconds, std::string name) {
  Scenario s = Base(6, std::move(name), 60 + seconds);
  s.forward = Always(Bottleneck(KilobitSteps({{0, 1500}})));
  s.feedback.blackouts = {{Sec(20), Sec(20 + seconds)}};
  s.judge = [seconds](const Run& run) {
    const double before = run.Target(15, 20);
    return Checks{
        AtLeast("in silence >= 0.4", run.MinTarget(20, 20 + seconds) / before, 0.4),
        AtLeast("2 s after >= 0.8", run.Target(22 + seconds, 27 + seconds) / before, 0.8)};
  };
  return s;
}

Scenario MediaPause() {
  Scenario s = Base(6, "media stopped for 4 s", 60);
  s.forward = Always(Bottleneck(KilobitSteps({{0, 1500}})));
  s.media.pauses = {{Sec(20), Sec(24)}};
  s.judge = [](const Run& run) {
    return Checks{AtLeast("2 s after >= 0.8", run.Received(26, 36) / run.Received(10, 20), 0.8)};
  };
  return s;
}

Scenario Variable() {
  Scenario s = Base(7, "1/2.5/0.6/1 Mbit/s (RFC 8867 5.1)", 100);
  const std::vector<std::pair<double, double>> steps{{0, 1000}, {40, 2500}, {60, 600}, {80, 1000}};
  s.forward = Always(Bottleneck(KilobitSteps(steps), Duration::Millis(300), Duration::Millis(50)));
  s.feedback = Way(Duration::Millis(50));
  s.judge = [steps](const Run& run) {
    double over = 0;
    for (const Scenario::Sample& each : run.samples) {
      if (each.target[0] > 1.1 * each.capacity) over += 0.1;
    }
    return Checks{AtLeast("after 5 s >= 0.90", WorstShare(run, steps, 100, 5, 2500), 0.9),
                  AtMost("s above 1.1 <= 8", over, 8)};
  };
  return s;
}

Scenario TwoFlows() {
  Scenario s = Base(8, "two flows, 4/2/3.5/1/2 Mbit/s (5.2)", 125);
  s.forward =
      Always(Bottleneck(KilobitSteps({{0, 4000}, {25, 2000}, {50, 3500}, {75, 1000}, {100, 2000}}),
                        Duration::Millis(300), Duration::Millis(50)));
  s.feedback = Way(Duration::Millis(50));
  s.flows = {{}, {}};
  s.judge = [](const Run& run) {
    return Checks{AtLeast("Jain >= 0.95", run.Jain(10, 125), 0.95),
                  AtLeast("used >= 0.80", run.Utilisation(10, 125), 0.8)};
  };
  return s;
}

Scenario CongestedFeedback() {
  Scenario s = Base(9, "congested feedback (5.3)", 100);
  s.forward = Always(Bottleneck(KilobitSteps({{0, 2000}, {20, 1000}, {40, 500}, {60, 2000}}),
                                Duration::Millis(300), Duration::Millis(50)));
  LinkSettings back = Way(Duration::Millis(50));
  back.jitter = Duration::Millis(150);
  back.loss = {0.02, 0.3, 0.01, 0.6};
  s.feedback = back;
  s.judge = [](const Run& run) {
    const double mean = run.Target(75, 100);
    return Checks{AtLeast("lowest >= 0.8 of mean", run.MinTarget(75, 100) / mean, 0.8),
                  AtMost("highest <= 1.2 of mean", run.MaxTarget(75, 100) / mean, 1.2)};
  };
  return s;
}

Scenario Resume() {
  Scenario s = Base(9, "three flows, one pauses (5.8)", 120);
  s.forward =
      Always(Bottleneck(KilobitSteps({{0, 3500}}), Duration::Millis(300), Duration::Millis(50)));
  s.feedback = Way(Duration::Millis(50));
  s.flows = {{}, {}, {Sec(0), {{Sec(40), Sec(60)}}}};
  s.judge = [](const Run& run) {
    return Checks{AtLeast("Jain after >= 0.90", run.Jain(80, 120), 0.9),
                  AtLeast("used >= 0.80", run.Utilisation(80, 120), 0.8)};
  };
  return s;
}

Scenario Cellular() {
  Scenario s = Base(10, "cellular trace", 60);
  s.forward = [](uint64_t seed) {
    return Bottleneck(CellularTrace(seed, Sec(60), Kbps(200), Kbps(3000)), Duration::Millis(500),
                      Duration::Millis(40));
  };
  s.media = Simulcast();
  s.judge = [](const Run& run) {
    return Checks{AtMost("frozen <= 0.02", run.Frozen(0, 60), 0.02)};
  };
  return s;
}

Scenario Wifi(std::string name, Duration least, Duration jitter, BurstLoss loss) {
  Scenario s = Base(10, std::move(name), 60);
  LinkSettings link = Bottleneck(KilobitSteps({{0, 5000}}), Duration::Millis(300), least);
  link.jitter = jitter;
  link.loss = loss;
  s.forward = Always(link);
  s.media = Simulcast();
  s.judge = [](const Run& run) {
    return Checks{AtMost("frozen <= 0.02", run.Frozen(0, 60), 0.02),
                  AtLeast("used >= 0.80", run.Utilisation(10, 60), 0.8)};
  };
  return s;
}

Scenario FourToOne() {
  Scenario s = Base(11, "4-1 Mbit/s each 20/10 s", 120);
  s.forward = Always(Bottleneck(
      KilobitSteps(
          {{0, 4000}, {20, 1000}, {30, 4000}, {50, 1000}, {60, 4000}, {80, 1000}, {90, 4000}}),
      Duration::Millis(300)));
  s.media = Simulcast();
  s.judge = [](const Run& run) {
    double down = 0;
    double up = 0;
    for (const double at : {20.0, 50.0, 80.0}) {
      down = std::max(down, run.TimeToLayer(at, 1));
      up = std::max(up, run.TimeToLayer(at + 10, 2));
    }
    return Checks{AtMost("s down <= 2", down, 2), AtMost("s up <= 2", up, 2)};
  };
  return s;
}

Scenario SizeChange() {
  Scenario s = Base(11, "small picture - full size", 80);
  s.forward = Always(Bottleneck(KilobitSteps({{0, 4000}})));
  s.media = Simulcast();
  s.media.most = KilobitSteps({{0, 1500}, {20, 150}, {40, 1500}, {60, 500}});
  s.judge = [](const Run& run) {
    const double slowest =
        std::max({run.TimeToLayer(20, 0), run.TimeToLayer(40, 2), run.TimeToLayer(60, 1)});
    return Checks{AtMost("s <= 2", slowest, 2)};
  };
  return s;
}

Scenario TenViewers() {
  Scenario s = Base(12, "10 viewers behind 8 Mbit/s", 120);
  s.forward = Always(Bottleneck(KilobitSteps({{0, 8000}})));
  s.flows.clear();
  for (int i = 0; i < 10; ++i) s.flows.push_back({Sec(0.7 * i), {}});
  s.judge = [](const Run& run) {
    return Checks{AtLeast("Jain >= 0.90", run.Jain(40, 120), 0.9),
                  AtLeast("used >= 0.80", run.Utilisation(40, 120), 0.8)};
  };
  return s;
}

Scenario Screen() {
  Scenario s = Base(13, "screen at 0.5 fps, then motion", 80);
  s.forward = Always(Bottleneck(KilobitSteps({{0, 3000}})));
  s.media.layers = {Kbps(100), Kbps(400), Kbps(1500)};
  s.media.frames_per_second = Schedule<double>({{Sec(0), 0.5}, {Sec(40), 30}});
  s.media.most = KilobitSteps({{0, 100}, {40, 1500}});
  s.judge = [](const Run& run) {
    return Checks{AtMost("s to top layer <= 2", run.TimeToLayer(40, 2), 2)};
  };
  return s;
}

Scenario Policed() {
  Scenario s = Base(14, "policer of 1 Mbit/s", 60);
  LinkSettings link = Way();
  link.policer = Policer{Kbps(1000), 20'000};
  s.forward = Always(link);
  s.judge = [](const Run& run) {
    return Checks{
        AtLeast("received >= 0.7", run.Received(10, 60) / 1e6, 0.7),
        AtMost("loss <= 0.10",
               static_cast<double>(run.totals.lost) / static_cast<double>(run.totals.packets),
               0.10)};
  };
  return s;
}

Scenario Bloat() {
  Scenario s = Base(14, "bufferbloat of 1 s", 60);
  s.forward = Always(Bottleneck(KilobitSteps({{0, 1000}}), Duration::Millis(1000)));
  s.judge = [](const Run& run) {
    return Checks{AtMost("p95 <= 50 ms", run.Delay(0.95, 5, 60), 50),
                  AtLeast("used >= 0.80", run.Utilisation(5, 60), 0.8)};
  };
  return s;
}

Scenario Join() {
  Scenario s = Base(15, "join on 5 Mbit/s from 1 Mbit/s", 20);
  s.forward = Always(Bottleneck(KilobitSteps({{0, 5000}})));
  s.bounds = StartAt(1000);
  s.media = Elastic(4000);
  s.judge = [](const Run& run) {
    return Checks{AtMost("s to 0.9 of demand <= 3", run.TimeToTarget(0, 3.6e6), 3)};
  };
  return s;
}

Scenario Sliding() {
  Scenario s = Base(16, "sliding to 700 kbit/s", 90);
  s.forward = Always(Bottleneck(SlidingTrace(Kbps(2500), Kbps(700), Sec(20), Sec(60))));
  s.media = Simulcast();
  s.judge = [](const Run& run) {
    return Checks{AtMost("frozen <= 0.02", run.Frozen(0, 90), 0.02),
                  AtMost("p95 <= 150 ms", run.Delay(0.95, 5, 90), 150)};
  };
  return s;
}

Scenario Oscillating() {
  Scenario s = Base(16, "0.8-2.5 Mbit/s, bursts of loss", 90);
  LinkSettings link = Bottleneck(OscillatingTrace(Sec(90), Kbps(800), Kbps(2500), Sec(15)));
  link.loss = {0.002, 0.1, 0, 0.5};
  s.forward = Always(link);
  s.media = Simulcast();
  s.judge = [](const Run& run) {
    return Checks{AtMost("frozen <= 0.02", run.Frozen(0, 90), 0.02)};
  };
  return s;
}

Scenario LossyFeedback() {
  Scenario s = Base(16, "feedback with 30 % loss", 90);
  s.forward = Always(Bottleneck(KilobitSteps({{0, 2000}, {30, 1000}, {60, 2000}})));
  s.feedback.loss = {0, 1, 0.3, 0};
  s.media = Simulcast();
  s.judge = [](const Run& run) {
    return Checks{AtMost("frozen <= 0.02", run.Frozen(0, 90), 0.02),
                  AtLeast("used >= 0.60", run.Utilisation(5, 90), 0.6)};
  };
  return s;
}

}  // namespace

std::vector<Scenario> Scenarios() {
  std::vector<Scenario> all{Steps(),
                            TenPercent(),
                            TwentyPercent(),
                            Tcp(),
                            TcpBursts(),
                            Silence(10, "feedback away for 10 s"),
                            Silence(300, "feedback away for 300 s"),
                            MediaPause(),
                            Variable(),
                            TwoFlows(),
                            CongestedFeedback(),
                            Resume(),
                            Cellular()};
  all.push_back(
      Wifi("Wi-Fi, 8-13 ms", Duration::Millis(8), Duration::Millis(5), {0.002, 0.4, 0, 0.35}));
  all.push_back(
      Wifi("Wi-Fi, 45-52 ms", Duration::Millis(45), Duration::Millis(7), {0.01, 0.2, 0, 0.5}));
  for (const Scenario& each : {FourToOne(), SizeChange(), TenViewers(), Screen(), Policed(),
                               Bloat(), Join(), Sliding(), Oscillating(), LossyFeedback()}) {
    all.push_back(each);
  }
  return all;
}

}  // namespace sluice::worker
