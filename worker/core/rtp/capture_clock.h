#pragma once

#include <cstdint>
#include <optional>

#include "common/rtp_types.h"

namespace sluice::worker {

/// Tells when the sample with an RTP timestamp of one encoding was captured, on a clock that all
/// encodings of the producer share: that of their sender, from its reports.
class CaptureClock {
 public:
  virtual ~CaptureClock() = default;
  /// Microseconds; nullopt while no report of this encoding has come, or the last one is too old.
  virtual std::optional<int64_t> SenderTime(uint8_t encoding, RtpTimestamp timestamp) const = 0;
  /// Counts the sender's reports: what could not be told cannot be told before there is another.
  uint32_t reports() const { return reports_; }

 protected:
  uint32_t reports_ = 0;
};

}  // namespace sluice::worker
