#include "tests/sim/network/traces.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "tests/sim/network/seeded_random.h"

namespace sluice::worker {
namespace {

using Steps = std::vector<Schedule<DataRate>::Step>;

DataRate Bps(double value) { return DataRate::BitsPerSecond(static_cast<int64_t>(value)); }
double Value(DataRate rate) { return static_cast<double>(rate.bps()); }

}  // namespace

Schedule<DataRate> CellularTrace(uint64_t seed, Duration length, DataRate low, DataRate high) {
  constexpr Duration kStep = Duration::Millis(500);
  constexpr double kDipPerStep = 1.0 / 40;  // one in 20 s
  SeededRandom random(seed);
  Steps steps;
  double level = random.Uniform(0.5, 1);  // 0: low, 1: high
  int dip_left = 0;
  for (Duration at; at < length; at = at + kStep) {
    level = std::clamp(level + random.Uniform(-0.2, 0.2), 0.15, 1.0);
    if (dip_left > 0) {
      --dip_left;
    } else if (random.Happens(kDipPerStep)) {
      dip_left = static_cast<int>(random.Uniform(1, 4));
    }
    const double now = dip_left > 0 ? 0 : level;
    steps.push_back({at, Bps(Value(low) + now * (Value(high) - Value(low)))});
  }
  return Schedule<DataRate>(std::move(steps));
}

Schedule<DataRate> OscillatingTrace(Duration length, DataRate low, DataRate high, Duration period) {
  constexpr Duration kStep = Duration::Millis(250);
  Steps steps;
  for (Duration at; at < length; at = at + kStep) {
    const double phase = 2 * std::numbers::pi * at.seconds() / period.seconds();
    const double middle = (Value(low) + Value(high)) / 2;
    const double swing = (Value(high) - Value(low)) / 2;
    steps.push_back({at, Bps(middle + swing * std::cos(phase))});
  }
  return Schedule<DataRate>(std::move(steps));
}

Schedule<DataRate> SlidingTrace(DataRate from, DataRate to, Duration begin, Duration end) {
  constexpr int kSteps = 100;
  Steps steps{{Duration::Zero(), from}};
  for (int i = 1; i <= kSteps; ++i) {
    const double part = static_cast<double>(i) / kSteps;
    const double seconds = begin.seconds() + part * (end - begin).seconds();
    steps.push_back({Duration::Micros(static_cast<int64_t>(seconds * 1e6)),
                     Bps(Value(from) + part * (Value(to) - Value(from)))});
  }
  return Schedule<DataRate>(std::move(steps));
}

}  // namespace sluice::worker
