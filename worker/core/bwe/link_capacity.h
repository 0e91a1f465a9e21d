#pragma once

#include <algorithm>
#include <cmath>

namespace sluice::worker {

/// Mean and spread of the rates that arrived while the path was full (libwebrtc M150,
/// link_capacity_estimator.cc). In kbit/s.
class LinkCapacity {
 public:
  static constexpr double kOveruseWeight = 0.05;
  static constexpr double kProbeWeight = 0.5;
  static constexpr double kMinDeviation = 0.4;  // squared, per kbit/s of the estimate
  static constexpr double kMaxDeviation = 2.5;
  static constexpr double kDeviations = 3;

  bool known() const { return known_; }
  double kbps() const { return kbps_; }
  double Upper() const { return known_ ? kbps_ + kDeviations * Deviation() : HUGE_VAL; }
  double Lower() const { return known_ ? std::max(kbps_ - kDeviations * Deviation(), 0.0) : 0; }
  void Reset() { *this = LinkCapacity(); }
  void OnOveruse(double kbps) { Update(kbps, kOveruseWeight); }
  void OnProbe(double kbps) { Update(kbps, kProbeWeight); }

 private:
  double Deviation() const { return std::sqrt(deviation_ * kbps_); }
  void Update(double sample, double weight) {
    if (!known_) {
      known_ = true;
      kbps_ = sample;
    } else {
      kbps_ += weight * (sample - kbps_);
    }
    const double error = kbps_ - sample;
    deviation_ += weight * (error * error / std::max(kbps_, 1.0) - deviation_);
    deviation_ = std::clamp(deviation_, kMinDeviation, kMaxDeviation);
  }

  bool known_ = false;
  double kbps_ = 0;
  double deviation_ = kMinDeviation;
};

}  // namespace sluice::worker
