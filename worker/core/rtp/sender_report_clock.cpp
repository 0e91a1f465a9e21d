#include "worker/core/rtp/sender_report_clock.h"

#include "worker/core/rtp/stream_continuity.h"

namespace sluice::worker {

RtpTimestamp SenderReportTimestamp(const SenderReportReference& reference, NtpTime ntp_now,
                                   Timestamp now) {
  Duration elapsed = now - reference.received_at;
  if (reference.captured_at) {
    const Duration since_capture =
        Duration::Micros(ntp_now.ToMicros() - reference.captured_at->ToMicros());
    if (since_capture <= kMaxCaptureAge && since_capture >= Duration::Zero() - kMaxCaptureLead) {
      elapsed = since_capture;
    }
  }
  return RtpTimestamp(reference.timestamp.value() +
                      static_cast<uint32_t>(TicksIn(elapsed, reference.clock_rate)));
}

}  // namespace sluice::worker
