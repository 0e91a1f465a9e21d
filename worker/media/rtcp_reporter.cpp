#include "worker/media/rtcp_reporter.h"

#include <algorithm>
#include <span>

#include "worker/media/consumer.h"
#include "worker/media/producer.h"
#include "worker/media/rtcp_receiver.h"
#include "worker/media/rtp_core.h"

namespace sluice::worker {
namespace {

Ssrc RandomSsrc(Environment& environment) {
  return Ssrc(1 + environment.RandomBelow(0xFFFFFFFE));  // 0 means "none" to some peers
}

}  // namespace

RtcpReporter::RtcpReporter(RtpCore& core, RtcpReceiver& receiver, Environment& environment)
    : core_(core),
      receiver_(receiver),
      environment_(environment),
      timer_(environment.CreateTimer([this](Timestamp now) { OnTimer(now); })),
      ssrc_(RandomSsrc(environment)) {
  receiver_.set_reporter_ssrc(ssrc_);
}

void RtcpReporter::Start() { timer_->Start(kFirstDelay); }

void RtcpReporter::Stop() { timer_->Stop(); }

void RtcpReporter::OnTimer(Timestamp now) {
  constexpr uint32_t kSteps = 6;  // 1.0 … 1.5
  timer_->Start(kInterval + kInterval * environment_.RandomBelow(kSteps) / 10);
  SendReports(now);
}

void RtcpReporter::SendReports(Timestamp now) {
  std::array<uint8_t, rtcp::Builder::kMaxCompound> memory;
  rtcp::Builder builder(memory);
  builder_ = &builder;
  has_reports_ = false;
  receives_ = false;
  AddSenderReports(now);
  AddReceiverReports(now);
  if (has_reports_) AddExtendedReports(now);
  // Where it does not fit, the next report brings it.
  if (receives_ && core_.full_compounds()) builder_->AddSdesCname(ssrc_, core_.cname());
  Flush();
  builder_ = nullptr;
}

void RtcpReporter::AddSenderReports(Timestamp now) {
  for (const auto& consumer : core_.consumers()) {
    for (size_t i = 0; i < consumer->stream_count(); ++i) {
      const std::optional<Consumer::SenderReport> report = consumer->MakeSenderReport(i, now);
      if (report) AddSenderReport(*report);
    }
  }
}

void RtcpReporter::AddSenderReport(const Consumer::SenderReport& report) {
  has_reports_ = true;
  // SR and SDES of a stream stay in one compound: a compound begins with a report.
  const size_t needed = 28 + 4 + 4 + 2 + report.cname.size() + 4;  // bytes, with padding
  if (builder_->size() + needed > rtcp::Builder::kMaxCompound) Flush();
  builder_->AddSenderReport(report.info, {});
  if (!report.cname.empty()) builder_->AddSdesCname(report.info.ssrc, report.cname);
}

void RtcpReporter::AddReceiverReports(Timestamp now) {
  blocks_.clear();
  for (const auto& producer : core_.producers()) producer->FillReportBlocks(&blocks_, now);
  if (blocks_.empty()) return;
  has_reports_ = true;
  receives_ = true;
  const std::span<const rtcp::ReportBlock> all = blocks_;
  for (size_t at = 0; at < all.size(); at += kMaxBlocks) {
    const auto part = all.subspan(at, std::min(kMaxBlocks, all.size() - at));
    if (builder_->AddReceiverReport(ssrc_, part)) continue;
    Flush();
    builder_->AddReceiverReport(ssrc_, part);  // 31 blocks are 752 bytes: they fit an empty one
  }
}

void RtcpReporter::AddExtendedReports(Timestamp now) {
  if (receives_) {
    const NtpTime ntp = environment_.NtpNow();
    if (!builder_->AddReceiverReferenceTime(ssrc_, ntp)) {
      Flush();
      builder_->AddReceiverReport(ssrc_, {});  // a compound begins with a report
      builder_->AddReceiverReferenceTime(ssrc_, ntp);
    }
  }
  const std::vector<rtcp::DlrrItem> items = receiver_.TakeDlrrItems(now);
  if (items.empty()) return;
  if (builder_->AddDlrr(ssrc_, items)) return;
  Flush();
  builder_->AddReceiverReport(ssrc_, {});
  builder_->AddDlrr(ssrc_, items);
}

void RtcpReporter::Flush() {
  if (builder_->empty()) return;
  core_.SendRtcp(builder_->packet());
  builder_->Reset();
}

}  // namespace sluice::worker
