#include "worker/core/rtp/send_statistics.h"

#include <algorithm>

namespace sluice::worker {

bool SendStatistics::OnReportBlock(const rtcp::ReportBlock& block, NtpTime ntp_now, Timestamp now) {
  fraction_lost_ = block.fraction_lost;
  packets_lost_ = block.cumulative_lost;
  jitter_ = block.jitter;
  UpdateRoundTrip(block, ntp_now);

  if (sampled_.at != Timestamp() && now - sampled_.at < kMinSampleInterval) return false;
  const auto lost = static_cast<uint64_t>(std::max(packets_lost_ - sampled_.lost, 0));
  const uint8_t sample =
      ScoreHistory::Sample(packets_ - sampled_.packets, lost, repaired_ - sampled_.repaired,
                           retransmitted_ - sampled_.retransmitted);
  sampled_ = {now, packets_, repaired_, retransmitted_, packets_lost_};
  return score_.Add(sample);
}

void SendStatistics::UpdateRoundTrip(const rtcp::ReportBlock& block, NtpTime ntp_now) {
  if (block.last_sr == 0) return;  // the receiver has no report of ours yet
  // 1/65536 s, modulo 2^32 (RFC 3550 §6.4.1, figure 2).
  const auto delay =
      static_cast<int32_t>(ntp_now.Compact() - block.last_sr - block.delay_since_last_sr);
  const Duration round_trip = Duration::Micros((int64_t{delay} * 1'000'000) >> 16);
  if (round_trip < Duration::Zero() || round_trip > kMaxRoundTrip) {
    ++bad_round_trips_;
    return;
  }
  round_trip_time_ = std::max(round_trip, Duration::Micros(1));  // zero means unknown
}

}  // namespace sluice::worker
