#pragma once

#include <cstddef>
#include <cstdint>

#include "common/rtp_types.h"
#include "common/units.h"
#include "worker/core/rtp/restart_detector.h"
#include "worker/core/rtp/sequence_tracker.h"
#include "worker/wire/rtcp.h"

namespace sluice::worker {

/// What a receiver counts of one SSRC (RFC 3550 §6.4, A.3, A.8): which packets to believe, loss,
/// jitter, and the report block it sends back.
class ReceiveStatistics {
 public:
  /// What the time stamps of a stream's packets say.
  enum class TimeRule : uint8_t {
    kMedia,  ///< they follow the numbers and the clock: a restart is seen by both
    kNone,   ///< retransmissions carry those of old packets: a restart is seen by numbers alone
  };

  /// `clock_rate` of the codec, Hz, positive.
  explicit ReceiveStatistics(uint32_t clock_rate, TimeRule time_rule = TimeRule::kMedia)
      : clock_rate_(clock_rate), time_rule_(time_rule), restart_detector_(clock_rate) {}

  /// A packet that arrived as itself. `size`: bytes of the RTP packet. `on_media_clock`: false for
  /// comfort noise, DTMF, padding and whatever else has time stamps of its own. After kSuspect the
  /// caller keeps the packet as the last of suspects(), or forgets it; after kNewRun it hands the
  /// suspects in again, oldest first, and then the packet itself.
  SequenceTracker::Outcome OnPacket(SeqNumber sequence, RtpTimestamp timestamp, size_t size,
                                    Timestamp received_at, bool on_media_clock = true);
  /// A packet that a retransmission stream brought: it fills a hole, but counts as lost on the way.
  SequenceTracker::Outcome OnRepaired(SeqNumber sequence, RtpTimestamp timestamp, size_t size,
                                      Timestamp received_at);
  /// Suspects that a kNewRun would make use of: the last packets that were judged kSuspect.
  size_t suspects() const { return static_cast<size_t>(restart_detector_.suspects()); }

  /// Another SSRC goes on with the stream: the next packet begins a new run, and what is reported
  /// to the sender begins at zero. What was counted stays.
  void StartNewSource();
  void SetRoundTrip(Duration round_trip) { restart_detector_.SetRoundTrip(round_trip); }

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
    restart_detector_.SetClockRate(clock_rate);
    ResetJitter();
  }
  /// Forgets the transit time: after a pause its next difference would mean nothing.
  void ResetJitter();

  uint64_t packets() const { return packets_; }        ///< accepted, repaired ones included
  uint64_t bytes() const { return bytes_; }            ///< RTP packet sizes of those
  uint64_t discarded() const { return discarded_; }    ///< too far away, suspect or duplicates
  uint64_t restarts() const { return restarts_; }      ///< new runs of the sender
  uint64_t time_jumps() const { return time_jumps_; }  ///< its clock was set
  /// Expected − received since the start; what was repaired is lost. Negative never.
  int64_t lost() const;
  uint8_t fraction_lost() const { return fraction_lost_; }  ///< of the last report block, 1/256
  uint32_t jitter() const { return jitter_q4_ >> 4; }       ///< RTP timestamp units
  uint32_t transit() const { return transit_; }             ///< of the newest packet, likewise
  bool started() const { return tracker_.started(); }
  ExtendedSeqNumber newest() const { return tracker_.newest(); }

 private:
  SequenceTracker::Outcome Judge(SeqNumber sequence, RtpTimestamp timestamp, Timestamp received_at,
                                 bool on_media_clock);
  void CountSequence(const SequenceTracker::Outcome& outcome);
  void UpdateJitter(RtpTimestamp timestamp, Timestamp received_at);
  /// Since the start, restarts included.
  int64_t expected() const;

  uint32_t clock_rate_;
  TimeRule time_rule_;
  SequenceTracker tracker_;
  RestartDetector restart_detector_;
  int64_t first_ = 0;            ///< lowest number since the last restart
  int64_t last_ = 0;             ///< newest number counted
  int64_t cycle_start_ = 0;      ///< what the extended number on the wire counts from
  int64_t expected_before_ = 0;  ///< before the last restart
  int64_t received_ = 0;         ///< as themselves, without duplicates
  uint64_t packets_ = 0;
  uint64_t bytes_ = 0;
  uint64_t discarded_ = 0;
  uint64_t restarts_ = 0;
  uint64_t time_jumps_ = 0;
  int64_t lost_before_source_ = 0;  ///< what other SSRCs of the stream lost

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
