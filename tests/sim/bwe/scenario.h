#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tests/sim/bwe/model_flow.h"
#include "tests/sim/network/link_model.h"

namespace sluice::worker {

/// A network, who sends over it, and what is asked of them.
struct Scenario {
  struct Run;
  struct Check {
    std::string what;  ///< with its target
    double value = 0;
    bool met = false;
  };

  int row = 0;  ///< of the scoreboard
  std::string name;
  Duration length;
  std::function<LinkSettings(uint64_t seed)> forward;
  LinkSettings feedback;
  ModelMedia media;
  RateBounds bounds;
  struct Flow {
    Duration joins;
    std::vector<std::pair<Duration, Duration>> pauses;
  };
  std::vector<Flow> flows{Flow{}};
  /// A TCP-like flow beside them: all the time, or in bursts of so many bytes with random pauses.
  bool tcp = false;
  uint64_t tcp_burst = 0;
  std::function<std::vector<Check>(const Run&)> judge;

  /// What was seen each kSample.
  static constexpr Duration kSample = Duration::Millis(100);
  struct Sample {
    double capacity = 0;           // bps; 1e9 without a bottleneck
    Duration queue;                // in front of it
    std::vector<double> target;    // bps, of each flow
    std::vector<double> received;  // bps in this sample, media alone
    std::vector<double> demand;
    std::vector<int> layer;
  };
  struct Run {
    std::vector<Sample> samples;
    std::vector<Duration> delays;      ///< of packets, without propagation
    std::vector<size_t> delays_until;  ///< delays before the end of each sample
    ModelFlow::Totals totals;          ///< of all flows
    uint64_t tcp_bytes = 0;

    /// Means over the samples of [from, to) seconds, of one flow.
    double Target(double from, double to, size_t flow = 0) const;
    double Received(double from, double to, size_t flow = 0) const;
    double MinTarget(double from, double to, size_t flow = 0) const;
    double MaxTarget(double from, double to, size_t flow = 0) const;
    double MaxReceived(double from, double to) const;
    /// Of min(capacity, demand).
    double Utilisation(double from, double to) const;
    /// Quantile of the delay that queues added, in ms.
    double Delay(double quantile, double from, double to) const;
    double Jain(double from, double to) const;
    /// Seconds after `from` until a flow's layer is `layer` (1e9: never).
    double TimeToLayer(double from, int layer) const;
    double TimeToTarget(double from, double bps) const;
    /// Part of the time with demand in which nothing came for kFrozen.
    double Frozen(double from, double to) const;
  };
};

/// All rows, in order.
std::vector<Scenario> Scenarios();
/// `before`: without an estimate.
Scenario::Run RunScenario(const Scenario& scenario, uint64_t seed, bool before);

}  // namespace sluice::worker
