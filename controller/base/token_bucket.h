#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace sluice::controller {

/// A rate limit with bursts: holds up to `burst` tokens, refilled evenly. Starts full.
class TokenBucket {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  /// 0 per second means no limit. A burst is one second's worth.
  TokenBucket(uint32_t per_second, TimePoint now) : TokenBucket(per_second, per_second, now) {}
  TokenBucket(uint32_t per_second, uint32_t burst, TimePoint now)
      : per_second_(per_second), burst_(burst), tokens_(burst), refilled_(now) {}

  /// Whether it holds all that it can: as if it had just been made.
  bool IsFull(TimePoint now) const {
    const std::chrono::duration<double> passed = now - refilled_;
    return tokens_ + passed.count() * per_second_ >= burst_;
  }

  /// Takes one token; false when there is none.
  bool Take(TimePoint now) {
    if (per_second_ == 0) return true;
    Refill(now);
    if (tokens_ < 1) return false;
    tokens_ -= 1;
    return true;
  }
  /// Takes `tokens`, also where there are not so many: the rest is owed. The time after which
  /// nothing is owed any more, 0 when nothing is.
  std::chrono::duration<double> Owe(double tokens, TimePoint now) {
    if (per_second_ == 0) return {};
    Refill(now);
    tokens_ -= tokens;
    return std::chrono::duration<double>(std::max(0.0, -tokens_ / per_second_));
  }

 private:
  void Refill(TimePoint now) {
    const std::chrono::duration<double> passed = now - refilled_;
    refilled_ = now;
    tokens_ = std::min<double>(burst_, tokens_ + passed.count() * per_second_);
  }

  uint32_t per_second_;
  uint32_t burst_;
  double tokens_;
  TimePoint refilled_;
};

}  // namespace sluice::controller
