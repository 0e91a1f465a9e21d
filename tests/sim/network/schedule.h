#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include "common/units.h"

namespace sluice::worker {

/// A value that changes at given times after the start of a simulation, and stays in between.
template <typename Value>
class Schedule {
 public:
  struct Step {
    Duration since;  ///< the start of the simulation
    Value value;
  };

  Schedule() = default;
  /*implicit*/ Schedule(Value constant) : steps_{{Duration::Zero(), constant}} {}  // NOLINT
  /// In the order of their times, the first at zero.
  explicit Schedule(std::vector<Step> steps) : steps_(std::move(steps)) {}

  bool empty() const { return steps_.empty(); }
  const std::vector<Step>& steps() const { return steps_; }
  Value At(Duration time) const { return steps_[IndexAt(time)].value; }
  /// When the value may change next.
  Duration NextChange(Duration time) const {
    const size_t next = IndexAt(time) + 1;
    return next < steps_.size() ? steps_[next].since : Duration::Infinite();
  }

 private:
  size_t IndexAt(Duration time) const {
    const auto after =
        std::upper_bound(steps_.begin(), steps_.end(), time,
                         [](Duration at, const Step& step) { return at < step.since; });
    return after == steps_.begin() ? 0 : static_cast<size_t>(after - steps_.begin()) - 1;
  }

  std::vector<Step> steps_;
};

/// Steps of so many kbit/s, each at so many seconds.
inline Schedule<DataRate> KilobitSteps(std::vector<std::pair<double, double>> seconds_and_kbps) {
  std::vector<Schedule<DataRate>::Step> steps;
  for (const auto& [seconds, kbps] : seconds_and_kbps) {
    steps.push_back({Duration::Micros(static_cast<int64_t>(seconds * 1e6)),
                     DataRate::BitsPerSecond(static_cast<int64_t>(kbps * 1e3))});
  }
  return Schedule<DataRate>(std::move(steps));
}

}  // namespace sluice::worker
