#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace sluice::controller {

/// A rate limit with bursts: holds up to `per_second` tokens, refilled evenly. Starts full.
class TokenBucket {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  /// 0 per second means no limit.
  TokenBucket(uint32_t per_second, TimePoint now)
      : per_second_(per_second), tokens_(per_second), refilled_(now) {}

  /// Takes one token; false when there is none.
  bool Take(TimePoint now) {
    if (per_second_ == 0) return true;
    const std::chrono::duration<double> passed = now - refilled_;
    refilled_ = now;
    tokens_ = std::min<double>(per_second_, tokens_ + passed.count() * per_second_);
    if (tokens_ < 1) return false;
    tokens_ -= 1;
    return true;
  }

 private:
  uint32_t per_second_;
  double tokens_;
  TimePoint refilled_;
};

}  // namespace sluice::controller
