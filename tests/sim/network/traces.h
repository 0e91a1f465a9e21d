#pragma once

#include <cstdint>

#include "tests/sim/network/schedule.h"

namespace sluice::worker {

/// Capacity of a cellular link: a random walk between `low` and `high`, a step each 500 ms, with
/// now and then a dip to `low` of half a second to two (a hand-over, a tunnel).
Schedule<DataRate> CellularTrace(uint64_t seed, Duration length, DataRate low, DataRate high);

/// Between two rates, `period` for up and down, in steps of 250 ms (a slow wave).
Schedule<DataRate> OscillatingTrace(Duration length, DataRate low, DataRate high, Duration period);

/// From one rate to the other in a straight line between two times; constant before and after.
Schedule<DataRate> SlidingTrace(DataRate from, DataRate to, Duration begin, Duration end);

}  // namespace sluice::worker
