// Settings, dump and stats of RtpCore.
#include <fmt/format.h>

#include "worker/media/rtp_core.h"
#include "worker/media/send_bandwidth.h"

namespace sluice::worker {
namespace {

Status CheckUpperBound(const char* field, uint64_t bps) {
  if (bps <= RtpCore::kMaxBitrate) return absl::OkStatus();
  return TypeError(fmt::format("{} {}: at most {} bps", field, bps, RtpCore::kMaxBitrate));
}

Status CheckOutgoing(const char* field, uint64_t bps) {
  SLUICE_RETURN_IF_ERROR(CheckUpperBound(field, bps));
  if (bps == 0 || bps >= RtpCore::kMinOutgoingBitrate) return absl::OkStatus();
  return TypeError(fmt::format("{} {}: 0 (no limit) or at least {} bps", field, bps,
                               RtpCore::kMinOutgoingBitrate));
}

std::optional<uint8_t> KnownId(uint8_t id) {
  return id == 0 ? std::nullopt : std::optional<uint8_t>(id);
}

std::optional<uint64_t> IfPositive(uint64_t bps) {
  return bps == 0 ? std::nullopt : std::optional<uint64_t>(bps);
}

}  // namespace

Status RtpCore::SetMaxIncomingBitrate(uint64_t bps) {
  SLUICE_RETURN_IF_ERROR(CheckUpperBound("maxIncomingBitrate", bps));
  max_incoming_bitrate_ = bps;
  context_.turn.AfterResponse(this, [this](Timestamp now) {
    if (remb_limiter_ != nullptr) ApplyMaxIncomingBitrate(now);
  });
  return absl::OkStatus();
}

Status RtpCore::SetMaxOutgoingBitrate(uint64_t bps) {
  SLUICE_RETURN_IF_ERROR(CheckOutgoing("maxOutgoingBitrate", bps));
  if (bps > 0 && bps < min_outgoing_bitrate_) {
    return TypeError(fmt::format("maxOutgoingBitrate {}: at least minOutgoingBitrate, {} bps", bps,
                                 min_outgoing_bitrate_));
  }
  max_outgoing_bitrate_ = bps;
  if (send_bandwidth_ != nullptr) {
    send_bandwidth_->SetLimits(min_outgoing_bitrate_, max_outgoing_bitrate_);
  }
  return absl::OkStatus();
}

Status RtpCore::SetMinOutgoingBitrate(uint64_t bps) {
  SLUICE_RETURN_IF_ERROR(CheckOutgoing("minOutgoingBitrate", bps));
  if (max_outgoing_bitrate_ > 0 && bps > max_outgoing_bitrate_) {
    return TypeError(fmt::format("minOutgoingBitrate {}: at most maxOutgoingBitrate, {} bps", bps,
                                 max_outgoing_bitrate_));
  }
  min_outgoing_bitrate_ = bps;
  if (send_bandwidth_ != nullptr) {
    send_bandwidth_->SetLimits(min_outgoing_bitrate_, max_outgoing_bitrate_);
  }
  return absl::OkStatus();
}

void RtpCore::OnProbation(Timestamp now) {
  if ((traces_ & TraceBit(TransportTraceType::kProbation)) == 0) return;
  context_.events.OnTransportTrace(id(), {TransportTraceType::kProbation, now.ms(), std::nullopt});
}

void RtpCore::OnBandwidthEstimate(const BweTrace& estimate, Timestamp now) {
  if ((traces_ & TraceBit(TransportTraceType::kBwe)) == 0) return;
  context_.events.OnTransportTrace(id(), {TransportTraceType::kBwe, now.ms(), estimate});
}

void RtpCore::AddTo(EngineCounters* counters, ObjectCounts* alive) const {
  for (const auto& producer : producers_) AddProducer(*producer, counters);
  for (const auto& consumer : consumers_) AddConsumer(*consumer, counters);
  AddFeedback(counters);
  if (send_bandwidth_ != nullptr) send_bandwidth_->AddTo(&alive->paths);
  alive->producers += producers_.size();
  alive->consumers += consumers_.size();
}

void RtpCore::AddProducer(const Producer& producer, EngineCounters* counters) {
  AddCounters(&counters->producers, producer.totals());
  AddCounters(&counters->producer_refusals, producer.counters());
}

void RtpCore::AddConsumer(const Consumer& consumer, EngineCounters* counters) {
  AddCounters(&counters->consumers, consumer.totals());
  AddCounters(&counters->refusals, consumer.counters());
}

void RtpCore::AddFeedback(EngineCounters* counters) const {
  if (send_bandwidth_ != nullptr) AddCounters(&counters->bandwidth, send_bandwidth_->counters());
  if (transport_feedback_ == nullptr) return;
  AddCounters(&counters->feedback,
              {transport_feedback_->feedbacks_sent(), transport_feedback_->ignored()});
}

TransportDump RtpCore::Dump() const {
  TransportDump dump;
  core_.FillDump(&dump);
  for (const auto& producer : producers_) dump.producer_ids.push_back(producer->id());
  for (const auto& consumer : consumers_) {
    dump.consumer_ids.push_back(consumer->id());
    for (size_t i = 0; i < consumer->stream_count(); ++i) {
      const Consumer::Stream stream = consumer->stream(i);
      dump.ssrc_consumer_ids.emplace_back(stream.ssrc.value(), consumer->id());
      if (!stream.rtx_ssrc) continue;
      dump.rtx_ssrc_consumer_ids.emplace_back(stream.rtx_ssrc->value(), consumer->id());
    }
  }
  dump.mid_extension_id = KnownId(extension_ids_.mid);
  dump.rid_extension_id = KnownId(extension_ids_.rid);
  dump.rrid_extension_id = KnownId(extension_ids_.rrid);
  dump.abs_send_time_extension_id = KnownId(extension_ids_.abs_send_time);
  dump.transport_wide_cc_extension_id = KnownId(extension_ids_.transport_cc);
  for (const auto& [ssrc, producer] : listener_.ssrcs()) {
    dump.listener_ssrcs.emplace_back(ssrc, producer->id());
  }
  for (const auto& [mid, producer] : listener_.mids()) {
    dump.listener_mids.emplace_back(mid, producer->id());
  }
  for (const auto& [rid, producer] : listener_.rids()) {
    dump.listener_rids.emplace_back(rid, producer->id());
  }
  dump.traces = traces_;
  if (remb_limiter_ != nullptr) {
    dump.effective_incoming_bitrate = static_cast<uint64_t>(remb_limiter_->effective().bps());
  }
  return dump;
}

TransportStats RtpCore::GetStats(Timestamp now) {
  TransportStats stats;
  core_.FillStats(&stats, now);
  if (remb_limiter_ != nullptr) {
    stats.available_incoming_bitrate = static_cast<uint64_t>(remb_limiter_->available().bps());
  }
  if (send_bandwidth_ != nullptr) {
    stats.available_outgoing_bitrate = send_bandwidth_->available();
    stats.rtp_packet_loss_sent = send_bandwidth_->loss();
  }
  stats.max_incoming_bitrate = IfPositive(max_incoming_bitrate_);
  stats.max_outgoing_bitrate = IfPositive(max_outgoing_bitrate_);
  stats.min_outgoing_bitrate = IfPositive(min_outgoing_bitrate_);
  return stats;
}

}  // namespace sluice::worker
