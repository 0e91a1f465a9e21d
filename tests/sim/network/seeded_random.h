#pragma once

#include <cmath>
#include <cstdint>

namespace sluice::worker {

/// Random numbers of a simulation: the same seed gives the same numbers on every machine
/// (SplitMix64, a public-domain algorithm by S. Vigna).
class SeededRandom {
 public:
  explicit SeededRandom(uint64_t seed) : state_(seed) {}

  uint64_t Next() {
    state_ += 0x9E3779B97F4A7C15u;
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }
  /// Uniform in [0, 1).
  double Uniform() { return static_cast<double>(Next() >> 11) * 0x1.0p-53; }
  double Uniform(double low, double high) { return low + (high - low) * Uniform(); }
  bool Happens(double probability) { return Uniform() < probability; }
  /// Exponentially distributed.
  double Exponential(double mean) { return -mean * std::log(1 - Uniform()); }

 private:
  uint64_t state_;
};

}  // namespace sluice::worker
