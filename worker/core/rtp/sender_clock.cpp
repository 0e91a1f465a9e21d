#include "worker/core/rtp/sender_clock.h"

#include <algorithm>
#include <cstdlib>

namespace sluice::worker {

void SenderClock::AddReport(NtpTime sender, NtpTime arrival) {
  const int64_t difference = arrival.ToMicros() - sender.ToMicros();
  if (count_ > 0 && std::llabs(difference - offset()->us()) > kStep.us()) {
    count_ = 0;
    next_ = 0;
  }
  differences_us_[next_] = difference;
  next_ = (next_ + 1) % kWindow;
  count_ = std::min(count_ + 1, kWindow);
}

std::optional<Duration> SenderClock::offset() const {
  if (count_ == 0) return std::nullopt;
  return Duration::Micros(*std::min_element(
      differences_us_.begin(), differences_us_.begin() + static_cast<std::ptrdiff_t>(count_)));
}

}  // namespace sluice::worker
