#include "worker/core/bwe/bitrate_allocator.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "worker/core/bwe/rate_math.h"

namespace sluice::worker {

/// The highest step of each, so that all together cost no more than `budget`.
void BitrateAllocator::Fill(std::span<const Request> requests, double budget,
                            std::vector<int>* steps) {
  steps->assign(requests.size(), kNothing);
  bool first = true;
  for (bool climbed = true; climbed;) {
    climbed = false;
    for (const size_t index : order_) {
      const Request& request = requests[index];
      int& step = (*steps)[index];
      const int climbs = first ? 1 : request.priority;
      for (int i = 0; i < climbs && step + 1 < static_cast<int>(request.steps.size()); ++i) {
        const size_t next = static_cast<size_t>(step) + 1;  // of kNothing: 0
        const auto has = step < 0 ? 0.0 : static_cast<double>(request.steps[next - 1]);
        const double more = std::max(static_cast<double>(request.steps[next]) - has, 0.0);
        const bool owed = step < 0 && !request.may_starve;
        if (more > budget && !owed) break;
        budget -= more;
        ++step;
        climbed = true;
      }
    }
    first = false;
  }
}

/// The steps are others than they were: somebody wants something else, or layers came or went. That
/// is no failure, and who had all of them waits for nothing.
void BitrateAllocator::FollowSteps(State& state, std::span<const int64_t> steps) {
  const bool had_all = state.step == state.highest;
  state.proving = false;
  state.fits = false;
  if (had_all) {
    state.step = kNothing;
    return;
  }
  const auto above = std::upper_bound(steps.begin(), steps.end(), state.cost);
  state.step = std::min(state.step, static_cast<int>(above - steps.begin()) - 1);
}

/// After a failure, though the next step has fitted for kUpTime.
bool BitrateAllocator::MustWait(State& state, double estimate, Timestamp now) {
  if (now >= state.waits_until) return false;
  if (estimate > kOtherPath * state.tried_at) {
    state.penalty = kFirstPenalty;
    return false;
  }
  const bool is_transient = !state.excused && state.fits_since - state.failed_at < kTransient;
  if (!is_transient) return true;
  state.excused = true;
  state.penalty = std::max(state.penalty / 2, kFirstPenalty);
  return false;
}

int BitrateAllocator::Decide(State& state, int most, int comfortable, double estimate,
                             Timestamp now) {
  if (state.step > most) {  // down, at once
    if (std::exchange(state.proving, false) && now - state.went_up_at < kTrial) {
      state.failed_at = now;
      state.waits_until = now + state.penalty;
      state.penalty = std::min(state.penalty * 2, kMaxPenalty);
    }
    state.fits = false;
    return most;
  }
  if (state.proving && now - state.went_up_at > kProven) {
    state.proving = state.excused = false;
    state.penalty = kFirstPenalty;
  }
  if (comfortable <= state.step) {
    state.fits = false;
    return state.step;
  }
  if (state.step < 0) return comfortable;  // anything is better than nothing
  if (!state.fits) {
    state.fits = true;
    state.fits_since = now;
  }
  if (now - state.fits_since < kUpTime || MustWait(state, estimate, now)) return state.step;
  state.fits = false;
  state.tried_at = estimate;
  state.went_up_at = now;
  state.proving = true;
  return comfortable;
}

std::span<const int> BitrateAllocator::Allocate(std::span<const Request> requests,
                                                DataRate estimate, Timestamp now) {
  order_.resize(requests.size());
  std::iota(order_.begin(), order_.end(), size_t{0});
  std::stable_sort(order_.begin(), order_.end(),
                   [&](size_t a, size_t b) { return requests[a].priority > requests[b].priority; });
  const double budget = BpsOf(estimate);
  Fill(requests, budget * kTolerance, &most_);
  Fill(requests, budget * kHeadroom, &comfortable_);
  if (!order_.empty()) {
    const size_t first = order_.front();
    const auto& steps = requests[first].steps;
    if (!steps.empty() && static_cast<double>(steps[0]) <= budget * kLastResort) {
      most_[first] = std::max(most_[first], 0);
      comfortable_[first] = std::max(comfortable_[first], 0);
    }
  }
  chosen_.resize(requests.size());
  constrained_ = false;
  for (size_t i = 0; i < requests.size(); ++i) {
    State& state = states_[requests[i].id];
    state.seen = true;
    const int highest = static_cast<int>(requests[i].steps.size()) - 1;
    if (state.is_new) state.step = kNothing;
    if (!state.is_new && highest != state.highest) FollowSteps(state, requests[i].steps);
    state.highest = highest;
    state.step =
        Decide(state, std::min(most_[i], highest), std::min(comfortable_[i], highest), budget, now);
    state.cost = state.step < 0 ? 0 : requests[i].steps[static_cast<size_t>(state.step)];
    state.is_new = false;
    chosen_[i] = state.step;
    constrained_ |= state.step < highest;
  }
  absl::erase_if(states_, [](auto& entry) { return !std::exchange(entry.second.seen, false); });
  return chosen_;
}

}  // namespace sluice::worker
