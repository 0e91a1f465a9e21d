#pragma once

#include <algorithm>
#include <cstddef>

#include "common/units.h"

namespace sluice::worker {

/// Whether what is sent falls short of the estimate, so that nothing can be learnt from it
/// (application-limited region; libwebrtc M150, alr_detector.cc). A budget of 0.65 of the estimate
/// fills with time, sent or not: silence is application-limited, too.
class AlrDetector {
 public:
  static constexpr double kUsage = 0.65;  // of the estimate
  static constexpr double kEnter = 0.80;  // of the budget
  static constexpr double kLeave = 0.50;
  static constexpr Duration kWindow = Duration::Millis(500);

  void SetEstimate(DataRate estimate) {
    rate_ = kUsage * static_cast<double>(estimate.bps());
    budget_ = std::clamp(budget_, -Most(), Most());
  }
  /// So many bytes were sent since the last call.
  void OnSent(size_t bytes, Timestamp now) {
    const double passed = (now - last_).seconds();
    last_ = now;
    // What is left over does not pile up beyond the window; what is overdrawn does not, either.
    budget_ = std::min(budget_ + passed * rate_, Most()) - static_cast<double>(bytes) * 8;
    budget_ = std::max(budget_, -Most());
    if (Most() <= 0) return;
    if (budget_ > kEnter * Most()) in_alr_ = true;
    if (budget_ < kLeave * Most()) in_alr_ = false;
  }
  bool in_alr() const { return in_alr_; }

 private:
  double Most() const { return rate_ * kWindow.seconds(); }  // bits

  double rate_ = 0;    // bps
  double budget_ = 0;  // bits
  Timestamp last_;
  bool in_alr_ = false;
};

}  // namespace sluice::worker
