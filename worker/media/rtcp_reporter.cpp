#include "worker/media/rtcp_reporter.h"

#include <algorithm>
#include <span>
#include <utility>

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
    AddReceiverReport(all.subspan(at, std::min(kMaxBlocks, all.size() - at)));
  }
}

/// With our name in each compound, where the other end needs compounds to be whole (RFC 3550 §6.1).
void RtcpReporter::AddReceiverReport(std::span<const rtcp::ReportBlock> blocks) {
  constexpr size_t kBlock = 24;  // bytes
  // 31 blocks and the longest name are 830 bytes: they fit an empty one.
  const size_t name = core_.full_compounds() ? 4 + 4 + 2 + core_.cname().size() + 4 : 0;
  if (builder_->size() + 8 + kBlock * blocks.size() + name > rtcp::Builder::kMaxCompound) Flush();
  builder_->AddReceiverReport(ssrc_, blocks);
  if (name > 0 && !std::exchange(named_, true)) builder_->AddSdesCname(ssrc_, core_.cname());
}

void RtcpReporter::AddExtendedReports(Timestamp now) {
  if (receives_) {
    const NtpTime ntp = environment_.NtpNow();
    if (!builder_->AddReceiverReferenceTime(ssrc_, ntp)) {
      Flush();
      AddReceiverReport({});  // a compound begins with a report
      builder_->AddReceiverReferenceTime(ssrc_, ntp);
    }
  }
  const std::vector<rtcp::DlrrItem> items = receiver_.TakeDlrrItems(now);
  if (items.empty()) return;
  if (builder_->AddDlrr(ssrc_, items)) return;
  Flush();
  AddReceiverReport({});
  builder_->AddDlrr(ssrc_, items);
}

void RtcpReporter::Flush() {
  named_ = false;
  if (builder_->empty()) return;
  core_.SendRtcp(builder_->packet());
  builder_->Reset();
}

}  // namespace sluice::worker
