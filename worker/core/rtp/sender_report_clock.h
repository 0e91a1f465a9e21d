#pragma once

#include <cstdint>
#include <optional>

#include "common/rtp_types.h"
#include "common/units.h"

namespace sluice::worker {

/// What a sender report is extrapolated from: the newest packet sent.
struct SenderReportReference {
  RtpTimestamp timestamp;  ///< as sent
  uint32_t clock_rate = 0;
  Timestamp received_at;  ///< by us
  /// When it was captured, on our time of day; nullopt while the source has told nothing.
  std::optional<NtpTime> captured_at;
};

/// A capture time further from now than this is of another clock; then arrival time serves
/// (docs/protocols/rtp-rtcp.md §5).
inline constexpr Duration kMaxCaptureAge = Duration::Seconds(10);
/// Estimates of the capture clock may be this much in the future.
inline constexpr Duration kMaxCaptureLead = Duration::Seconds(1);

/// The RTP timestamp that belongs to `ntp_now` (which is the time of day at `now`) in a sender
/// report: it follows the capture clock, so that a receiver plays audio and video of one capturer
/// together.
RtpTimestamp SenderReportTimestamp(const SenderReportReference& reference, NtpTime ntp_now,
                                   Timestamp now);

}  // namespace sluice::worker
