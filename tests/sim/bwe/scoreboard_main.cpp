// Prints the scoreboard: scenarios by seeds, as a table that can be compared line by line.
//   scoreboard [--seeds N] [--row N] [--before] [--trace SEED]
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "tests/sim/bwe/scenario.h"

namespace sluice::worker {
namespace {

struct Options {
  uint64_t seeds = 5;
  int row = 0;  // 0: all
  bool before = false;
  uint64_t trace = 0;  // 0: none
};

struct Column {
  double used = 0;
  double p50 = 0;
  double p95 = 0;
  double loss = 0;
  double padding = 0;
  double switches = 0;  // per minute
  double frozen = 0;
};

void Add(const Scenario& scenario, const Scenario::Run& run, double weight, Column* mean) {
  const double seconds = scenario.length.seconds();
  const auto sent = static_cast<double>(run.totals.media_bytes + run.totals.padding_bytes);
  mean->used += weight * run.Utilisation(5, seconds);
  mean->p50 += weight * run.Delay(0.5, 5, seconds);
  mean->p95 += weight * run.Delay(0.95, 5, seconds);
  mean->loss += weight * static_cast<double>(run.totals.lost) /
                std::max(static_cast<double>(run.totals.packets), 1.0);
  mean->padding += weight * static_cast<double>(run.totals.padding_bytes) / std::max(sent, 1.0);
  mean->switches += weight * static_cast<double>(run.totals.switches) * 60 / seconds /
                    static_cast<double>(scenario.flows.size());
  mean->frozen += weight * run.Frozen(0, seconds);
}

void Trace(const Scenario& scenario, const Scenario::Run& run) {
  fmt::print("# {}\n#  time  capacity  queue  layer  target received …\n", scenario.name);
  for (size_t i = 0; i < run.samples.size(); i += 2) {
    const Scenario::Sample& each = run.samples[i];
    fmt::print("{:6.1f} {:9.0f} {:6} ", static_cast<double>(i + 1) / 10, each.capacity / 1000,
               each.queue.ms());
    for (size_t f = 0; f < each.target.size(); ++f) {
      fmt::print(" {:3} {:7.0f} {:7.0f}", each.layer[f], each.target[f] / 1000,
                 each.received[f] / 1000);
    }
    fmt::print("\n");
  }
}

/// How many checks were missed in the mean of the seeds.
int PrintRow(const Scenario& scenario, const Options& options) {
  Column mean;
  std::vector<Scenario::Check> checks;
  std::vector<uint64_t> met;
  const double weight = 1.0 / static_cast<double>(options.seeds);
  for (uint64_t seed = 1; seed <= options.seeds; ++seed) {
    const Scenario::Run run = RunScenario(scenario, seed, options.before);
    Add(scenario, run, weight, &mean);
    const auto judged = scenario.judge(run);
    checks.resize(judged.size());
    met.resize(judged.size());
    for (size_t i = 0; i < judged.size(); ++i) {
      checks[i].what = judged[i].what;
      checks[i].value += weight * judged[i].value;
      met[i] += judged[i].met;
    }
  }
  fmt::print("{:2}  {:36} {:5.2f} {:6.0f} {:6.0f} {:6.3f} {:6.3f} {:6.1f} {:6.3f}", scenario.row,
             scenario.name, mean.used, mean.p50, mean.p95, mean.loss, mean.padding, mean.switches,
             mean.frozen);
  int missed = 0;
  for (size_t i = 0; i < checks.size(); ++i) {
    const bool enough = met[i] * 10 >= options.seeds * 9;  // nine of ten seeds
    missed += !enough;
    fmt::print("  {} {}: {:.2f} ({}/{})", enough ? "ok" : "MISSED", checks[i].what, checks[i].value,
               met[i], options.seeds);
  }
  fmt::print("\n");
  std::fflush(stdout);
  return missed;
}

int Main(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    const auto number = [&] { return i + 1 < argc ? std::strtoull(argv[++i], nullptr, 10) : 0; };
    if (name == "--seeds") {
      options.seeds = std::max<uint64_t>(number(), 1);
    } else if (name == "--row") {
      options.row = static_cast<int>(number());
    } else if (name == "--before") {
      options.before = true;
    } else if (name == "--trace") {
      options.trace = number();
    } else {
      fmt::print(stderr, "unknown option '{}'; known: --seeds N, --row N, --before, --trace SEED\n",
                 name);
      return 2;
    }
  }
  int missed = 0;
  if (options.trace == 0) {
    fmt::print("{:2}  {:36} {:>5} {:>6} {:>6} {:>6} {:>6} {:>6} {:>6}  targets\n", "#", "scenario",
               "used", "q p50", "q p95", "loss", "padding", "sw/min", "frozen");
  }
  for (const Scenario& scenario : Scenarios()) {
    if (options.row != 0 && scenario.row != options.row) continue;
    if (options.trace != 0) {
      Trace(scenario, RunScenario(scenario, options.trace, options.before));
    } else {
      missed += PrintRow(scenario, options);
    }
  }
  if (options.trace == 0) fmt::print("targets missed: {}\n", missed);
  return 0;
}

}  // namespace
}  // namespace sluice::worker

int main(int argc, char** argv) { return sluice::worker::Main(argc, argv); }
