#include <algorithm>
#include <cmath>
#include <numeric>

#include "tests/sim/bwe/scenario.h"
#include "tests/sim/network/tcp_flow.h"
#include "worker/core/bwe/goog_cc.h"

namespace sluice::worker {
namespace {

constexpr double kSampleSeconds = 0.1;
constexpr double kFrozenSeconds = 0.5;
constexpr double kNever = 1e9;

struct Range {
  size_t begin;
  size_t end;
};

Range RangeOf(const Scenario::Run& run, double from, double to) {
  const auto index = [&](double seconds) {
    return std::min(static_cast<size_t>(std::max(seconds, 0.0) / kSampleSeconds + 0.5),
                    run.samples.size());
  };
  return {index(from), index(to)};
}

template <typename Value>
double Mean(const Scenario::Run& run, double from, double to, Value value) {
  const Range range = RangeOf(run, from, to);
  double sum = 0;
  for (size_t i = range.begin; i < range.end; ++i) sum += value(run.samples[i]);
  return range.end > range.begin ? sum / static_cast<double>(range.end - range.begin) : 0;
}

/// A TCP-like flow that sends in bursts.
class BurstyTcp {
 public:
  BurstyTcp(VirtualEnvironment& environment, LinkModel& link, uint64_t bytes, uint64_t seed)
      : environment_(environment),
        flow_(environment, link, Duration::Millis(20)),
        bytes_(bytes),
        random_(seed) {}
  void Start() {
    flow_.Send(bytes_ == 0 ? uint64_t{1} << 40 : bytes_);
    if (bytes_ == 0) return;
    const double pause = random_.Uniform(2, 6);
    environment_.Schedule(Duration::Micros(static_cast<int64_t>(pause * 1e6)), [this] { Start(); });
  }
  uint64_t bytes() const { return flow_.delivered_bytes(); }

 private:
  VirtualEnvironment& environment_;
  TcpFlow flow_;
  const uint64_t bytes_;
  SeededRandom random_;
};

}  // namespace

Scenario::Run RunScenario(const Scenario& scenario, uint64_t seed, bool before) {
  VirtualEnvironment environment(seed);
  const Timestamp start = VirtualEnvironment::kStart;
  SeededRandom seeds(seed);
  LinkModel forward(scenario.forward(seed), seeds.Next(), start);
  LinkModel feedback(scenario.feedback, seeds.Next(), start);
  std::vector<std::unique_ptr<ModelFlow>> flows;
  for (const Scenario::Flow& each : scenario.flows) {
    ModelMedia media = scenario.media;
    media.pauses.insert(media.pauses.end(), each.pauses.begin(), each.pauses.end());
    flows.push_back(std::make_unique<ModelFlow>(environment, forward, feedback, std::move(media),
                                                std::make_unique<GoogCc>(start + each.joins),
                                                scenario.bounds, seeds.Next()));
    if (before) flows.back()->IgnoreEstimate();
    environment.Schedule(each.joins, [flow = flows.back().get()] { flow->Start(); });
  }
  BurstyTcp tcp(environment, forward, scenario.tcp_burst, seeds.Next());
  if (scenario.tcp) environment.Schedule(Duration::Seconds(2), [&] { tcp.Start(); });

  Scenario::Run run;
  std::vector<uint64_t> received(flows.size());
  const auto count = static_cast<size_t>(scenario.length.seconds() / kSampleSeconds);
  for (size_t i = 0; i < count; ++i) {
    environment.AdvanceBy(Scenario::kSample);
    const Timestamp now = environment.Now();
    Scenario::Sample sample;
    sample.capacity = forward.settings().capacity.empty()
                          ? 1e9
                          : static_cast<double>(forward.CapacityAt(now).bps());
    sample.queue = forward.QueueDelay(now);
    const Duration propagation = forward.settings().delay.At(now - start);
    for (size_t f = 0; f < flows.size(); ++f) {
      ModelFlow& flow = *flows[f];
      sample.target.push_back(static_cast<double>(flow.target().bps()));
      const uint64_t bytes = flow.totals().received_media_bytes;
      sample.received.push_back(static_cast<double>(bytes - received[f]) * 8 / kSampleSeconds);
      received[f] = bytes;
      sample.demand.push_back(static_cast<double>(flow.Demand().bps()));
      sample.layer.push_back(flow.layer());
      for (const Duration delay : flow.TakeDelays()) run.delays.push_back(delay - propagation);
    }
    run.delays_until.push_back(run.delays.size());
    run.samples.push_back(std::move(sample));
  }
  for (const auto& flow : flows) {
    const ModelFlow::Totals& each = flow->totals();
    run.totals.media_bytes += each.media_bytes;
    run.totals.padding_bytes += each.padding_bytes;
    run.totals.packets += each.packets;
    run.totals.lost += each.lost;
    run.totals.received_bytes += each.received_bytes;
    run.totals.switches += each.switches;
    run.totals.frames_dropped += each.frames_dropped;
    run.totals.worst_delay = std::max(run.totals.worst_delay, each.worst_delay);
  }
  run.tcp_bytes = tcp.bytes();
  return run;
}

double Scenario::Run::Target(double from, double to, size_t flow) const {
  return Mean(*this, from, to, [&](const Sample& each) { return each.target[flow]; });
}

double Scenario::Run::Received(double from, double to, size_t flow) const {
  return Mean(*this, from, to, [&](const Sample& each) { return each.received[flow]; });
}

double Scenario::Run::MinTarget(double from, double to, size_t flow) const {
  const Range range = RangeOf(*this, from, to);
  double least = kNever;
  for (size_t i = range.begin; i < range.end; ++i) least = std::min(least, samples[i].target[flow]);
  return least;
}

double Scenario::Run::MaxTarget(double from, double to, size_t flow) const {
  const Range range = RangeOf(*this, from, to);
  double most = 0;
  for (size_t i = range.begin; i < range.end; ++i) most = std::max(most, samples[i].target[flow]);
  return most;
}

double Scenario::Run::Utilisation(double from, double to) const {
  const auto wanted = [](const Sample& each) {
    const double demand = std::accumulate(each.demand.begin(), each.demand.end(), 0.0);
    return std::min(demand, each.capacity);
  };
  const auto got = [](const Sample& each) {
    return std::accumulate(each.received.begin(), each.received.end(), 0.0);
  };
  const double most = Mean(*this, from, to, wanted);
  return most > 0 ? Mean(*this, from, to, got) / most : 1;
}

double Scenario::Run::Delay(double quantile, double from, double to) const {
  const Range range = RangeOf(*this, from, to);
  if (range.end <= range.begin) return 0;
  const size_t begin = range.begin == 0 ? 0 : delays_until[range.begin - 1];
  std::vector<Duration> some(
      delays.begin() + static_cast<std::ptrdiff_t>(begin),
      delays.begin() + static_cast<std::ptrdiff_t>(delays_until[range.end - 1]));
  if (some.empty()) return 0;
  const auto at = static_cast<std::ptrdiff_t>(quantile * static_cast<double>(some.size() - 1));
  std::nth_element(some.begin(), some.begin() + at, some.end());
  return some[static_cast<size_t>(at)].seconds() * 1000;
}

double Scenario::Run::Jain(double from, double to) const {
  double sum = 0;
  double squares = 0;
  const size_t count = samples.empty() ? 0 : samples[0].target.size();
  for (size_t flow = 0; flow < count; ++flow) {
    const double rate = Received(from, to, flow);
    sum += rate;
    squares += rate * rate;
  }
  return squares > 0 ? sum * sum / (static_cast<double>(count) * squares) : 0;
}

double Scenario::Run::TimeToLayer(double from, int layer) const {
  const Range range = RangeOf(*this, from, kNever);
  for (size_t i = range.begin; i < range.end; ++i) {
    if (samples[i].layer[0] == layer) {
      return static_cast<double>(i - range.begin) * kSampleSeconds;
    }
  }
  return kNever;
}

double Scenario::Run::TimeToTarget(double from, double bps) const {
  const Range range = RangeOf(*this, from, kNever);
  for (size_t i = range.begin; i < range.end; ++i) {
    if (samples[i].target[0] >= bps) return static_cast<double>(i - range.begin) * kSampleSeconds;
  }
  return kNever;
}

double Scenario::Run::Frozen(double from, double to) const {
  const Range range = RangeOf(*this, from, to);
  const auto patience = static_cast<size_t>(kFrozenSeconds / kSampleSeconds);
  size_t frozen = 0;
  size_t wanted = 0;
  size_t silent = 0;
  for (size_t i = range.begin; i < range.end; ++i) {
    if (samples[i].demand[0] <= 0) {
      silent = 0;
      continue;
    }
    ++wanted;
    silent = samples[i].received[0] > 0 ? 0 : silent + 1;
    if (silent >= patience) frozen += silent == patience ? patience : 1;
  }
  return wanted > 0 ? static_cast<double>(frozen) / static_cast<double>(wanted) : 0;
}

}  // namespace sluice::worker
