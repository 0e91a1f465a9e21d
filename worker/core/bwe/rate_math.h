#pragma once

#include <cstdint>

#include "common/units.h"

namespace sluice::worker {

/// For estimators, which reckon in parts of rates.
inline double BpsOf(DataRate rate) { return static_cast<double>(rate.bps()); }
inline DataRate RateOfBps(double bps) { return DataRate::BitsPerSecond(static_cast<int64_t>(bps)); }
inline DataRate Times(DataRate rate, double factor) { return RateOfBps(BpsOf(rate) * factor); }

}  // namespace sluice::worker
