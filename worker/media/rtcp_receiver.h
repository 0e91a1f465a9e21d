#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "common/units.h"
#include "worker/wire/rtcp.h"

namespace sluice::worker {

class Consumer;
class Producer;
class RtpCore;
struct ConsumerStream;

/// Takes the RTCP that a transport received apart and gives each part to whom it concerns
/// (docs/protocols/rtp-rtcp.md §5): sender reports and DLRR to producers; report blocks, NACK, PLI
/// and FIR to consumers. What names an unknown SSRC is ignored; SDES and BYE are, too.
///
/// Owned by RtpCore.
class RtcpReceiver final : public rtcp::Visitor {
 public:
  /// Receivers whose reference times are answered: a peer reports from one SSRC, rarely two.
  static constexpr size_t kMaxReferences = 4;

  /// Sender reports kept for SSRCs that no packet has announced yet.
  static constexpr size_t kMaxEarlyReports = 8;
  /// How long: the first packet follows its report within a moment, if it follows at all.
  static constexpr Duration kMaxEarlyReportAge = Duration::Seconds(5);

  explicit RtcpReceiver(RtpCore& core) : core_(core) {}

  /// One decrypted compound. False when a part of it was malformed (the parts before count).
  bool OnCompound(std::span<const uint8_t> compound, Timestamp now);

  /// The RTCP SSRC of our reports: peers name it in the DLRR that answers our reference time.
  void set_reporter_ssrc(Ssrc ssrc) { reporter_ssrc_ = ssrc; }
  /// Answers to the reference times that came since the last call, and forgets them.
  std::vector<rtcp::DlrrItem> TakeDlrrItems(Timestamp now);
  /// `ssrc` has become the producer's: gives it the sender report that came before its first
  /// packet, if any.
  void OnSsrcLearned(Ssrc ssrc, Producer& producer, Timestamp now);

 private:
  void OnSenderReport(const rtcp::SenderInfo& info) override;
  void OnReportBlock(Ssrc reporter, const rtcp::ReportBlock& block) override;
  void OnReceiverReferenceTime(Ssrc reporter, NtpTime ntp) override;
  void OnDlrr(Ssrc reporter, const rtcp::DlrrItem& item) override;
  void OnNack(Ssrc media, const rtcp::NackItem& item) override;
  void OnPli(Ssrc media) override;
  void OnFir(Ssrc media, uint8_t sequence) override;
  void OnRemb(DataRate bitrate, std::span<const Ssrc> ssrcs) override;
  void OnTransportFeedback(const rtcp::TransportFeedback& feedback) override;
  void OnUnknown(uint8_t type, uint8_t format) override;

  void FlushNack();
  ConsumerStream Find(Ssrc media, const char* what) const;

  /// NACK items handed over in one call: a NACK packet of the largest datagram that browsers send.
  static constexpr size_t kMaxNackBatch = 300;

  struct Reference {
    Ssrc reporter;
    uint32_t last_rr = 0;  // compact NTP
    Timestamp received_at;
  };

  RtpCore& core_;
  Timestamp now_;
  Ssrc reporter_ssrc_;
  Ssrc nack_media_;
  std::vector<rtcp::NackItem> nack_items_;  // keeps its memory
  std::array<Reference, kMaxReferences> references_{};
  struct EarlyReport {
    rtcp::SenderInfo info;
    Timestamp received_at;
    bool used = false;
  };
  std::array<EarlyReport, kMaxEarlyReports> early_reports_{};
  size_t next_early_report_ = 0;
  size_t reference_count_ = 0;
};

}  // namespace sluice::worker
