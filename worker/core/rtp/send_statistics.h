#pragma once

#include <cstddef>
#include <cstdint>

#include "common/rtp_types.h"
#include "common/units.h"
#include "worker/core/rtp/rate_window.h"
#include "worker/core/rtp/score_history.h"
#include "worker/wire/rtcp.h"

namespace sluice::worker {

/// Counts what one outgoing RTP stream sends, and what its receiver reports of it (RFC 3550
/// §6.4.1): loss, jitter, round-trip time, score (docs/protocols/rtp-rtcp.md §6).
class SendStatistics {
 public:
  /// A longer round trip is a lie, or of a report from before the machine slept.
  static constexpr Duration kMaxRoundTrip = Duration::Seconds(60);
  /// Reports closer together than this update loss, but give no sample: a flood of reports can
  /// neither flush the history nor cause a flood of events.
  static constexpr Duration kMinSampleInterval = Duration::Millis(200);

  /// `packets` of media were sent now: `bytes` with their headers, `payload_bytes` without.
  void OnMediaSent(uint32_t packets, size_t bytes, size_t payload_bytes, Timestamp now) {
    packets_ += packets;
    bytes_ += bytes;
    payload_bytes_ += payload_bytes;
    last_sent_at_ = now;
    rate_.Add(bytes, now);
  }
  /// A packet was sent again; `first` when for the first time.
  void OnResent(bool first) {
    ++retransmitted_;
    if (first) ++repaired_;
  }
  /// `ntp_now` is our time of day at `now`. Returns true when the score changed.
  bool OnReportBlock(const rtcp::ReportBlock& block, NtpTime ntp_now, Timestamp now);

  uint64_t packets() const { return packets_; }
  uint64_t bytes() const { return bytes_; }
  uint64_t payload_bytes() const { return payload_bytes_; }
  uint64_t retransmitted() const { return retransmitted_; }
  uint64_t repaired() const { return repaired_; }
  Timestamp last_sent_at() const { return last_sent_at_; }
  DataRate Bitrate(Timestamp now) { return rate_.Rate(now); }
  uint8_t fraction_lost() const { return fraction_lost_; }  ///< 1/256
  int32_t packets_lost() const { return packets_lost_; }
  uint32_t jitter() const { return jitter_; }  ///< RTP timestamp units
  /// Zero while unknown.
  Duration round_trip_time() const { return round_trip_time_; }
  uint64_t bad_round_trips() const { return bad_round_trips_; }  ///< reports with an impossible RTT
  uint8_t score() const { return score_.score(); }
  /// Another source is sent: the score is the best again, and only later reports count.
  void ResetScore() { score_.Reset(); }

 private:
  void UpdateRoundTrip(const rtcp::ReportBlock& block, NtpTime ntp_now);

  uint64_t packets_ = 0;
  uint64_t bytes_ = 0;
  uint64_t payload_bytes_ = 0;
  uint64_t retransmitted_ = 0;
  uint64_t repaired_ = 0;
  Timestamp last_sent_at_;
  RateWindow rate_;

  int32_t packets_lost_ = 0;
  uint32_t jitter_ = 0;
  uint8_t fraction_lost_ = 0;
  Duration round_trip_time_;
  uint64_t bad_round_trips_ = 0;

  // Totals at the last sample.
  struct {
    Timestamp at;
    uint64_t packets = 0;
    uint64_t repaired = 0;
    uint64_t retransmitted = 0;
    int32_t lost = 0;
  } sampled_;
  ScoreHistory score_;
};

}  // namespace sluice::worker
