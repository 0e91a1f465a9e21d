#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "common/rtp_types.h"
#include "common/units.h"
#include "worker/core/environment.h"
#include "worker/media/consumer.h"
#include "worker/wire/rtcp.h"

namespace sluice::worker {

class RtcpReceiver;
class RtpCore;

/// Sends a transport's sender and receiver reports (docs/protocols/rtp-rtcp.md §5; RFC 3550 §6.2,
/// 3611): SR and SDES for each consumer that has sent, RR blocks for each stream of each producer,
/// our reference time while we receive, and DLRR for the peer's. Nothing when there is neither SR
/// nor RR.
///
/// Owned by RtpCore; runs while it is connected.
class RtcpReporter {
 public:
  static constexpr Duration kFirstDelay = Duration::Millis(500);
  /// Times 1.0, 1.1, … 1.5, drawn each time, so that peers do not report in step.
  static constexpr Duration kInterval = Duration::Millis(1000);
  static constexpr size_t kMaxBlocks = 31;  // RFC 3550 §6.4: 5-bit count

  /// `receiver` keeps the reference times that DLRR answers.
  RtcpReporter(RtpCore& core, RtcpReceiver& receiver, Environment& environment);

  void Start();
  void Stop();
  /// The SSRC that our receiver reports come from.
  Ssrc ssrc() const { return ssrc_; }

 private:
  void OnTimer(Timestamp now);
  void SendReports(Timestamp now);
  void AddSenderReports(Timestamp now);
  void AddSenderReport(const Consumer::SenderReport& report);
  void AddReceiverReports(Timestamp now);
  void AddReceiverReport(std::span<const rtcp::ReportBlock> blocks);
  void AddExtendedReports(Timestamp now);
  /// Sends what stands in the compound and begins a new one.
  void Flush();

  RtpCore& core_;
  RtcpReceiver& receiver_;
  Environment& environment_;
  std::unique_ptr<Timer> timer_;
  Ssrc ssrc_;
  std::vector<rtcp::ReportBlock> blocks_;  // keeps its memory
  // Only while SendReports runs.
  rtcp::Builder* builder_ = nullptr;
  bool has_reports_ = false;
  bool receives_ = false;
  bool named_ = false;  ///< our CNAME stands in the compound
};

}  // namespace sluice::worker
