#pragma once

#include <string>
#include <utility>
#include <vector>

#include "worker/wire/rtcp.h"

namespace sluice::worker::rtcp::testing {

/// Keeps everything that it is told.
class RecordingVisitor : public Visitor {
 public:
  void OnSenderReport(const SenderInfo& info) override { sender_reports.push_back(info); }
  void OnReportBlock(Ssrc reporter, const ReportBlock& block) override {
    report_blocks.emplace_back(reporter, block);
  }
  void OnSdesCname(Ssrc ssrc, std::string_view cname) override {
    cnames.emplace_back(ssrc, std::string(cname));
  }
  void OnBye(Ssrc ssrc) override { byes.push_back(ssrc); }
  void OnReceiverReferenceTime(Ssrc reporter, NtpTime ntp) override {
    reference_times.emplace_back(reporter, ntp);
  }
  void OnDlrr(Ssrc reporter, const DlrrItem& item) override { dlrr.emplace_back(reporter, item); }
  void OnNack(Ssrc media, const NackItem& item) override { nacks.emplace_back(media, item); }
  void OnPli(Ssrc media) override { plis.push_back(media); }
  void OnFir(Ssrc media, uint8_t sequence) override { firs.emplace_back(media, sequence); }
  void OnRemb(DataRate rate, std::span<const Ssrc> ssrcs) override {
    rembs.emplace_back(rate, std::vector<Ssrc>(ssrcs.begin(), ssrcs.end()));
  }
  void OnTransportFeedback(const TransportFeedback& feedback) override {
    transport_feedbacks.push_back(feedback);
  }
  void OnUnknown(uint8_t type, uint8_t format) override { unknown.emplace_back(type, format); }

  /// Calls of any kind so far.
  size_t calls() const {
    return sender_reports.size() + report_blocks.size() + cnames.size() + byes.size() +
           reference_times.size() + dlrr.size() + nacks.size() + plis.size() + firs.size() +
           rembs.size() + transport_feedbacks.size() + unknown.size();
  }

  std::vector<SenderInfo> sender_reports;
  std::vector<std::pair<Ssrc, ReportBlock>> report_blocks;
  std::vector<std::pair<Ssrc, std::string>> cnames;
  std::vector<Ssrc> byes;
  std::vector<std::pair<Ssrc, NtpTime>> reference_times;
  std::vector<std::pair<Ssrc, DlrrItem>> dlrr;
  std::vector<std::pair<Ssrc, NackItem>> nacks;
  std::vector<Ssrc> plis;
  std::vector<std::pair<Ssrc, uint8_t>> firs;
  std::vector<std::pair<DataRate, std::vector<Ssrc>>> rembs;
  std::vector<TransportFeedback> transport_feedbacks;
  std::vector<std::pair<uint8_t, uint8_t>> unknown;
};

}  // namespace sluice::worker::rtcp::testing
