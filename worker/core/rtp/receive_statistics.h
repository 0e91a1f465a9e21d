#pragma once

#include <cstddef>
#include <cstdint>

#include "common/rtp_types.h"
#include "common/units.h"
#include "worker/core/rtp/sequence_tracker.h"
#include "worker/wire/rtcp.h"

namespace sluice::worker {

/// What a receiver counts of one SSRC (RFC 3550 §6.4, A.3, A.8): which packets to believe, loss,
/// jitter, and the report block it sends back.
class ReceiveStatistics {
 public:
  /// `clock_rate` of the codec, Hz, positive.
  explicit ReceiveStatistics(uint32_t clock_rate) : clock_rate_(clock_rate) {}

  /// A packet that arrived as itself. `size`: bytes of the RTP packet.
  SequenceTracker::Outcome OnPacket(SeqNumber sequence, RtpTimestamp timestamp, size_t size,
                                    Timestamp received_at);
  /// A packet that a retransmission stream brought: it fills a hole, but counts as lost on the way.
  SequenceTracker::Outcome OnRepaired(SeqNumber sequence, size_t size);

  void OnSenderReport(const rtcp::SenderInfo& report, Timestamp now);

  /// The block for the next receiver report; begins a new interval for its fraction lost.
  rtcp::ReportBlock MakeReportBlock(Ssrc ssrc, Timestamp now);

  /// Packets expected and lost since the last call: what a score is made of.
  struct Interval {
    uint64_t expected = 0;
    uint64_t lost = 0;
  };
  Interval TakeInterval();

  /// The sender's RTP clock is another one: jitter is measured anew.
  void SetClockRate(uint32_t clock_rate) {
    clock_rate_ = clock_rate;
    ResetJitter();
  }
  /// Forgets the transit time: after a pause its next difference would mean nothing.
  void ResetJitter();

  uint64_t packets() const { return packets_; }      ///< accepted, repaired ones included
  uint64_t bytes() const { return bytes_; }          ///< RTP packet sizes of those
  uint64_t discarded() const { return discarded_; }  ///< too far away or duplicates
  /// Expected − received since the start; what was repaired is lost. Negative never.
  int64_t lost() const;
  uint8_t fraction_lost() const { return fraction_lost_; }  ///< of the last report block, 1/256
  uint32_t jitter() const { return jitter_q4_ >> 4; }       ///< RTP timestamp units
  uint32_t transit() const { return transit_; }             ///< of the newest packet, likewise
  bool started() const { return tracker_.started(); }
  ExtendedSeqNumber newest() const { return tracker_.newest(); }

 private:
  void CountSequence(const SequenceTracker::Outcome& outcome);
  void UpdateJitter(RtpTimestamp timestamp, Timestamp received_at);
  /// Since the start, restarts included.
  int64_t expected() const;

  uint32_t clock_rate_;
  SequenceTracker tracker_;
  int64_t first_ = 0;            ///< lowest number since the last restart
  int64_t last_ = 0;             ///< newest number counted
  int64_t cycle_start_ = 0;      ///< what the extended number on the wire counts from
  int64_t expected_before_ = 0;  ///< before the last restart
  int64_t received_ = 0;         ///< as themselves, without duplicates
  uint64_t packets_ = 0;
  uint64_t bytes_ = 0;
  uint64_t discarded_ = 0;

  bool has_transit_ = false;
  uint32_t transit_ = 0;
  uint32_t jitter_q4_ = 0;

  // At the last report block and the last TakeInterval.
  int64_t reported_expected_ = 0;
  int64_t reported_received_ = 0;
  int64_t taken_expected_ = 0;
  int64_t taken_received_ = 0;
  uint8_t fraction_lost_ = 0;

  bool has_sender_report_ = false;
  uint32_t last_sr_ = 0;
  Timestamp last_sr_at_;
};

}  // namespace sluice::worker
