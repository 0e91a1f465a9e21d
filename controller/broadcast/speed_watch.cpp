#include "controller/broadcast/speed_watch.h"

namespace sluice::controller::broadcast {

void SpeedWatch::Add(int64_t now, int64_t media, int64_t spare) {
  constexpr size_t kMaxSamples = 4'096;
  samples_.push_back({now, media});
  // The first one is the last that is a whole window old.
  while (samples_.size() > kMaxSamples ||
         (samples_.size() > 2 && now - samples_[1].at >= window_)) {
    samples_.pop_front();
  }
  spare_ = spare;
}

std::optional<double> SpeedWatch::TooSlow() const {
  constexpr double kKeepsUp = 0.99;  // what rounding leaves of 1
  if (samples_.size() < 2 || spare_ >= 0) return std::nullopt;
  const int64_t time = samples_.back().at - samples_.front().at;
  if (time < window_) return std::nullopt;
  const int64_t made = samples_.back().media - samples_.front().media;
  const double speed = static_cast<double>(made) / static_cast<double>(time);
  if (speed >= kKeepsUp) return std::nullopt;
  return speed;
}

}  // namespace sluice::controller::broadcast
