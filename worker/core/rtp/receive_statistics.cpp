#include "worker/core/rtp/receive_statistics.h"

#include <algorithm>

namespace sluice::worker {
namespace {

constexpr int64_t kMaxCumulativeLost = 0x7fffff;  // 24 bits, signed (RFC 3550 §6.4.1)

}  // namespace

SequenceTracker::Outcome ReceiveStatistics::OnPacket(SeqNumber sequence, RtpTimestamp timestamp,
                                                     size_t size, Timestamp received_at,
                                                     bool on_media_clock) {
  const auto outcome = time_rule_ == TimeRule::kMedia
                           ? Judge(sequence, timestamp, received_at, on_media_clock)
                           : tracker_.OnPacket(sequence);
  if (outcome.verdict == SequenceTracker::Verdict::kNewRun) return outcome;
  if (!outcome.accepted()) {
    ++discarded_;
    return outcome;
  }
  if (outcome.time_jumped) {
    ++time_jumps_;
    ResetJitter();
  }
  CountSequence(outcome);
  ++received_;
  bytes_ += size;
  UpdateJitter(timestamp, received_at);
  return outcome;
}

SequenceTracker::Outcome ReceiveStatistics::Judge(SeqNumber sequence, RtpTimestamp timestamp,
                                                  Timestamp received_at, bool on_media_clock) {
  auto outcome = tracker_.Peek(sequence);
  using Judgement = RestartDetector::Judgement;
  const auto judgement = on_media_clock
                             ? restart_detector_.Judge(outcome, sequence, timestamp, received_at)
                             : Judgement::kNone;
  switch (judgement) {
    case Judgement::kNone:
      break;
    case Judgement::kTimeJump:
      outcome.time_jumped = true;
      break;
    case Judgement::kSuspect:
      outcome.verdict = SequenceTracker::Verdict::kSuspect;
      return outcome;
    case Judgement::kRestart:
      discarded_ -= suspects() - 1;  // they come again
      restart_detector_.Reset();
      tracker_.RestartWithNext();
      outcome.verdict = SequenceTracker::Verdict::kNewRun;
      return outcome;
  }
  if (!outcome.accepted()) return outcome;
  tracker_.Accept(outcome);
  if (on_media_clock) {
    restart_detector_.OnAccepted(outcome, timestamp, received_at);
  } else {
    restart_detector_.OnAcceptedOfOtherTime(outcome);
  }
  return outcome;
}

SequenceTracker::Outcome ReceiveStatistics::OnRepaired(SeqNumber sequence, RtpTimestamp timestamp,
                                                       size_t size, Timestamp received_at) {
  // Before the first packet there is nothing to repair, and nothing to judge the number by.
  if (!tracker_.started() || tracker_.restarts_with_next()) return {};
  const auto outcome = tracker_.Peek(sequence);
  if (!outcome.accepted()) return outcome;
  // A packet of a run that is over.
  if (!restart_detector_.Fits(outcome, timestamp, received_at)) return {};
  tracker_.Accept(outcome);
  restart_detector_.OnAccepted(outcome, timestamp, received_at);
  CountSequence(outcome);
  bytes_ += size;
  return outcome;
}

void ReceiveStatistics::StartNewSource() {
  tracker_.RestartWithNext();
  restart_detector_.Reset();
  lost_before_source_ = lost();
  has_sender_report_ = false;
}

void ReceiveStatistics::CountSequence(const SequenceTracker::Outcome& outcome) {
  const int64_t sequence = outcome.sequence.value();
  if (packets_ == 0 || outcome.restarted) {
    if (outcome.restarted) {
      ++restarts_;
      expected_before_ = expected();
      ResetJitter();
    }
    first_ = sequence;
    cycle_start_ = sequence & ~int64_t{0xffff};
  }
  first_ = std::min(first_, sequence);
  last_ = tracker_.newest().value();
  ++packets_;
}

int64_t ReceiveStatistics::expected() const {
  if (packets_ == 0) return 0;
  return expected_before_ + last_ - first_ + 1;
}

int64_t ReceiveStatistics::lost() const { return std::max<int64_t>(0, expected() - received_); }

void ReceiveStatistics::UpdateJitter(RtpTimestamp timestamp, Timestamp received_at) {
  // RFC 3550 A.8. Seconds and rest apart: microseconds times clock rate would overflow.
  const int64_t us = received_at.us();
  const int64_t arrival = us / 1'000'000 * clock_rate_ + us % 1'000'000 * clock_rate_ / 1'000'000;
  const uint32_t transit = static_cast<uint32_t>(arrival) - timestamp.value();
  if (has_transit_) {
    const auto difference = static_cast<int32_t>(transit - transit_);
    const uint32_t magnitude =
        difference < 0 ? 0u - static_cast<uint32_t>(difference) : static_cast<uint32_t>(difference);
    jitter_q4_ += magnitude - ((jitter_q4_ + 8) >> 4);
  }
  transit_ = transit;
  has_transit_ = true;
}

void ReceiveStatistics::ResetJitter() {
  has_transit_ = false;
  jitter_q4_ = 0;
}

void ReceiveStatistics::OnSenderReport(const rtcp::SenderInfo& report, Timestamp now) {
  last_sr_ = report.ntp.Compact();
  last_sr_at_ = now;
  has_sender_report_ = true;
}

rtcp::ReportBlock ReceiveStatistics::MakeReportBlock(Ssrc ssrc, Timestamp now) {
  const int64_t expected_now = expected();
  const int64_t expected_interval = expected_now - reported_expected_;
  const int64_t lost_interval = expected_interval - (received_ - reported_received_);
  reported_expected_ = expected_now;
  reported_received_ = received_;
  fraction_lost_ = 0;
  if (expected_interval > 0 && lost_interval > 0) {
    // All lost is 256/256, which does not fit (docs/protocols/rtp-rtcp.md §5).
    fraction_lost_ =
        static_cast<uint8_t>(std::min<int64_t>(255, lost_interval * 256 / expected_interval));
  }

  rtcp::ReportBlock block;
  block.ssrc = ssrc;
  block.fraction_lost = fraction_lost_;
  block.cumulative_lost = static_cast<int32_t>(
      std::clamp<int64_t>(lost() - lost_before_source_, 0, kMaxCumulativeLost));
  block.extended_highest_seq = static_cast<uint32_t>(last_ - cycle_start_);
  block.jitter = jitter();
  if (has_sender_report_) {
    block.last_sr = last_sr_;
    const int64_t delay_us = std::max<int64_t>(0, (now - last_sr_at_).us());
    // 1/65536 s in 32 bits hold 18 hours.
    block.delay_since_last_sr = static_cast<uint32_t>(std::min<int64_t>(
        0xffffffff, delay_us / 1'000'000 * 65536 + delay_us % 1'000'000 * 65536 / 1'000'000));
  }
  return block;
}

ReceiveStatistics::Interval ReceiveStatistics::TakeInterval() {
  const int64_t expected_interval = expected() - taken_expected_;
  const int64_t received_interval = received_ - taken_received_;
  taken_expected_ = expected();
  taken_received_ = received_;
  Interval interval;
  interval.expected = static_cast<uint64_t>(std::max<int64_t>(0, expected_interval));
  interval.lost =
      static_cast<uint64_t>(std::max<int64_t>(0, expected_interval - received_interval));
  return interval;
}

}  // namespace sluice::worker
