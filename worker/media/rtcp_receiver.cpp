#include "worker/media/rtcp_receiver.h"

#include "common/log.h"
#include "worker/media/consumer.h"
#include "worker/media/producer.h"
#include "worker/media/rtp_core.h"
#include "worker/media/send_bandwidth.h"

namespace sluice::worker {
namespace {

/// Probation packets carry it; receivers may report on it.
constexpr Ssrc kProbationSsrc{1234};

}  // namespace

bool RtcpReceiver::OnCompound(std::span<const uint8_t> compound, Timestamp now) {
  now_ = now;
  const bool well_formed = rtcp::Parse(compound, *this);
  FlushNack();
  return well_formed;
}

void RtcpReceiver::OnSenderReport(const rtcp::SenderInfo& info) {
  Producer* producer = core_.listener().FindBySsrc(info.ssrc);
  if (producer != nullptr) return producer->OnSenderReport(info, now_);
  // Perhaps of a stream that is known by its MID alone, whose first packet this has overtaken.
  for (EarlyReport& early : early_reports_) {
    if (early.used && early.info.ssrc == info.ssrc) {
      early = EarlyReport{info, now_, true};
      return;
    }
  }
  early_reports_[next_early_report_] = EarlyReport{info, now_, true};
  next_early_report_ = (next_early_report_ + 1) % kMaxEarlyReports;
}

void RtcpReceiver::OnSsrcLearned(Ssrc ssrc, Producer& producer, Timestamp now) {
  for (EarlyReport& early : early_reports_) {
    if (!early.used || early.info.ssrc != ssrc) continue;
    early.used = false;
    if (now - early.received_at <= kMaxEarlyReportAge) {
      producer.OnSenderReport(early.info, early.received_at);
    }
    return;
  }
}

void RtcpReceiver::OnReportBlock(Ssrc /*reporter*/, const rtcp::ReportBlock& block) {
  // A block on an RTX SSRC is no news of the media stream; unknown ones end up here, too.
  const ConsumerStream sent = core_.FindConsumer(block.ssrc);
  if (!sent) return;
  sent.consumer->OnReportBlock(sent.stream, block, now_);
  if (SendBandwidth* bandwidth = core_.send_bandwidth()) {
    bandwidth->OnReport(sent.consumer->round_trip_time(), block.fraction_lost, now_);
  }
}

void RtcpReceiver::OnReceiverReferenceTime(Ssrc reporter, NtpTime ntp) {
  const Reference reference{reporter, ntp.Compact(), now_};
  for (size_t i = 0; i < reference_count_; ++i) {
    if (references_[i].reporter != reporter) continue;
    references_[i] = reference;
    return;
  }
  if (reference_count_ < kMaxReferences) references_[reference_count_++] = reference;
}

std::vector<rtcp::DlrrItem> RtcpReceiver::TakeDlrrItems(Timestamp now) {
  std::vector<rtcp::DlrrItem> items;
  items.reserve(reference_count_);
  for (size_t i = 0; i < reference_count_; ++i) {
    const Reference& reference = references_[i];
    const int64_t held_us = (now - reference.received_at).us();
    // Units of 1/65536 s (RFC 3611 §4.5).
    const auto delay = static_cast<uint32_t>((held_us << 16) / 1'000'000);
    items.push_back({reference.reporter, reference.last_rr, delay});
  }
  reference_count_ = 0;
  return items;
}

void RtcpReceiver::OnDlrr(Ssrc /*reporter*/, const rtcp::DlrrItem& item) {
  if (item.ssrc == reporter_ssrc_) {
    for (const auto& producer : core_.producers()) producer->OnDlrr(item, now_);
    return;
  }
  Producer* producer = core_.listener().FindBySsrc(item.ssrc);
  if (producer != nullptr) producer->OnDlrr(item, now_);
}

void RtcpReceiver::OnNack(Ssrc media, const rtcp::NackItem& item) {
  if (media != nack_media_ || nack_items_.size() >= kMaxNackBatch) FlushNack();
  nack_media_ = media;
  nack_items_.push_back(item);
}

void RtcpReceiver::FlushNack() {
  if (nack_items_.empty()) return;
  if (const ConsumerStream sent = Find(nack_media_, "NACK")) {
    sent.consumer->OnNack(sent.stream, nack_items_, now_);
  }
  nack_items_.clear();
}

void RtcpReceiver::OnPli(Ssrc media) {
  const ConsumerStream sent = Find(media, "PLI");
  if (sent) sent.consumer->OnPli(sent.stream, now_);
}

void RtcpReceiver::OnFir(Ssrc media, uint8_t /*sequence*/) {
  const ConsumerStream sent = Find(media, "FIR");
  if (sent) sent.consumer->OnFir(sent.stream, now_);
}

void RtcpReceiver::OnRemb(DataRate bitrate, std::span<const Ssrc> /*ssrcs*/) {
  if (SendBandwidth* bandwidth = core_.send_bandwidth()) bandwidth->OnRemb(bitrate, now_);
}

void RtcpReceiver::OnTransportFeedback(const rtcp::TransportFeedback& feedback) {
  if (SendBandwidth* bandwidth = core_.send_bandwidth()) bandwidth->OnFeedback(feedback, now_);
}

void RtcpReceiver::OnUnknown(uint8_t type, uint8_t format) {
  SLUICE_DEBUG(kRtcp, "RTCP packet of type {} format {} ignored", type, format);
}

ConsumerStream RtcpReceiver::Find(Ssrc media, const char* what) const {
  const ConsumerStream sent = core_.FindConsumer(media);
  if (!sent && media != kProbationSsrc) {
    SLUICE_DEBUG(kRtcp, "{} for unknown SSRC {} ignored", what, media.value());
  }
  return sent;
}

}  // namespace sluice::worker
