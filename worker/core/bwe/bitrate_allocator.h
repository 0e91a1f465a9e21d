#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "common/units.h"

namespace sluice::worker {

/// Shares out what a path takes among streams that come in steps (layers).
///
/// In rounds, higher priorities first: in the first each stream may climb one step, in the next
/// ones as many as its priority says, until nobody can climb (docs/protocols/router-protocol.md
/// §7). Going down happens at once. Going up waits until the next step has fitted into kHeadroom
/// of the estimate for kUpTime (the first step does not wait, nor does who had all and now wants
/// more); a stream that had to go down soon
/// after it went up waits for kFirstPenalty, twice as long each time.
class BitrateAllocator {
 public:
  static constexpr double kHeadroom = 0.9;  // of the estimate
  static constexpr Duration kUpTime = Duration::Seconds(1);
  static constexpr Duration kFirstPenalty = Duration::Seconds(5);
  static constexpr Duration kMaxPenalty = Duration::Seconds(40);
  /// Going down within so long after going up: the step did not last.
  static constexpr Duration kTrial = Duration::Seconds(5);
  /// A step that lasted for so long clears the penalty.
  static constexpr Duration kProven = Duration::Seconds(20);
  /// A step that fits again so soon has not failed for want of bandwidth: it is tried once more
  /// without delay.
  static constexpr Duration kTransient = Duration::Seconds(2);
  /// An estimate so many times what it was at the last attempt is that of another path.
  static constexpr double kOtherPath = 1.5;
  /// A step that is being sent may cost so much more than there is: rates of layers waver.
  static constexpr double kTolerance = 1.05;
  /// The lowest step of the most important stream is sent unless it needs more than twice what
  /// there is: nothing at all is worse.
  static constexpr double kLastResort = 2.0;

  struct Request {
    uint64_t id = 0;
    uint8_t priority = 1;  ///< 1…255, more is more important
    /// False: it is sent whatever it costs.
    bool may_starve = true;
    /// What its steps cost in all, bps, ascending. Empty: it has none to choose from.
    std::span<const int64_t> steps;
  };
  static constexpr int kNothing = -1;

  /// The step of each request, or kNothing. Good until the next call.
  std::span<const int> Allocate(std::span<const Request> requests, DataRate estimate,
                                Timestamp now);
  /// Steps were left out for want of bandwidth, in the last call.
  bool constrained() const { return constrained_; }

 private:
  struct State {
    int step = kNothing;
    int highest = kNothing;  ///< of the steps that there were
    int64_t cost = 0;        ///< bps, of `step`
    bool is_new = true;
    bool seen = false;
    Timestamp fits_since;
    bool fits = false;
    Timestamp went_up_at;
    bool proving = false;  ///< it has gone up, and not yet down nor stayed
    double tried_at = 0;   ///< bps, the estimate when it went up last
    Timestamp failed_at;
    bool excused = false;  ///< a failure did not count, since it has last lasted
    Timestamp waits_until;
    Duration penalty = kFirstPenalty;
  };

  void Fill(std::span<const Request> requests, double budget, std::vector<int>* steps);
  static void FollowSteps(State& state, std::span<const int64_t> steps);
  static bool MustWait(State& state, double estimate, Timestamp now);
  static int Decide(State& state, int most, int comfortable, double estimate, Timestamp now);

  absl::flat_hash_map<uint64_t, State> states_;
  std::vector<size_t> order_;
  std::vector<int> most_;
  std::vector<int> comfortable_;
  std::vector<int> chosen_;
  bool constrained_ = false;
};

}  // namespace sluice::worker
