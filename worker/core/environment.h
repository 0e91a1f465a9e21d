#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "common/units.h"

namespace sluice::worker {

/// A one-shot alarm. Destroying it disarms it. Its callback may destroy it.
class Timer {
 public:
  virtual ~Timer() = default;
  /// Arms it to fire once, `delay` from now (floor 1 ms); an armed one is moved.
  virtual void Start(Duration delay) = 0;
  virtual void Stop() = 0;
  virtual bool armed() const = 0;
};

/// The outside world as the protocol cores see it: real in `io/`, virtual in simulations.
/// Nothing below `io/` knows another clock, timer or random source.
class Environment {
 public:
  virtual ~Environment() = default;

  /// Monotonic time of the current loop turn (the same value throughout a turn).
  virtual Timestamp Now() const = 0;
  /// Time of day that matches Now(), for RTCP sender reports and abs-capture-time.
  virtual NtpTime NtpNow() const = 0;
  /// `on_expiry` gets the time of expiry. Called from the loop, never from inside Start().
  virtual std::unique_ptr<Timer> CreateTimer(std::function<void(Timestamp)> on_expiry) = 0;
  /// Cryptographically strong bytes.
  virtual void RandomBytes(std::span<uint8_t> out) = 0;

  /// Uniform in [0, bound); bound > 0.
  uint32_t RandomBelow(uint32_t bound) {
    uint64_t value = 0;
    RandomBytes({reinterpret_cast<uint8_t*>(&value), sizeof(value)});
    return static_cast<uint32_t>(value % bound);  // bias below 2^-32
  }
};

}  // namespace sluice::worker
