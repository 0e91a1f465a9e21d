#include "worker/media/consumer_impl.h"
#include "worker/media/rtp_parameters_check.h"

// Dumps, stats and memory of a Consumer.
namespace sluice::worker {

namespace {

size_t HeapBytes(const std::string& text) {
  return text.capacity() > std::string().capacity() ? text.capacity() + 1 : 0;
}

size_t HeapBytes(const RtpEncodingParameters& encoding) {
  return HeapBytes(encoding.rid) + HeapBytes(encoding.scalability_mode);
}

}  // namespace

ConsumerDump Consumer::Dump() const {
  const Impl& impl = *impl_;
  ConsumerDump dump;
  dump.id = impl.id;
  dump.type = impl.settings.type;
  dump.producer_id = impl.producer_id;
  dump.kind = impl.kind;
  dump.rtp_parameters = impl.settings.Parameters();
  dump.consumable_rtp_encodings = impl.consumable_encodings();
  for (size_t type = 0; type < impl.settings.payload_types.size(); ++type) {
    if (!impl.settings.payload_types[type]) continue;
    dump.supported_codec_payload_types.push_back(static_cast<uint8_t>(type));
  }
  dump.traces = impl.traces;
  dump.paused = impl.paused;
  dump.producer_paused = impl.producer_paused;
  dump.priority = impl.policy.priority();
  const auto put = [](const std::optional<ConsumerLayers>& layers, int16_t* spatial,
                      int16_t* temporal) {
    if (!layers) return;
    *spatial = layers->spatial_layer;
    *temporal = layers->temporal_layer.value_or(0);
  };
  put(impl.policy.preferred_layers(), &dump.preferred_spatial_layer,
      &dump.preferred_temporal_layer);
  if (impl.active) {
    put(impl.policy.target_layers(), &dump.target_spatial_layer, &dump.target_temporal_layer);
  }
  if (impl.has_layers) {
    put(impl.CurrentLayers(), &dump.current_spatial_layer, &dump.current_temporal_layer);
  }
  for (size_t i = 0; i < impl.outputs.size(); ++i) {
    const OutputStreamSettings& settings = impl.settings.streams[i];
    RtpStreamDump stream;
    stream.params = settings.params;
    stream.score = impl.outputs[i].send.statistics().score();
    if (settings.uses_rtx && settings.params.rtx_payload_type) {
      RtxStreamDump rtx;
      rtx.ssrc = *settings.params.rtx_ssrc;
      rtx.payload_type = *settings.params.rtx_payload_type;
      const RtpCodecParameters* codec =
          RtxCodecOf(*impl.settings.common, settings.params.payload_type);
      rtx.mime_type = codec->mime_type;
      rtx.clock_rate = codec->clock_rate;
      rtx.cname = settings.params.cname;
      stream.rtx = std::move(rtx);
    }
    dump.rtp_streams.push_back(std::move(stream));
  }
  return dump;
}

std::vector<RtpStreamStats> Consumer::GetStats(Timestamp now) {
  Impl& impl = *impl_;
  std::vector<RtpStreamStats> all;
  for (size_t i = 0; i < impl.outputs.size(); ++i) {
    const OutputStreamSettings& settings = impl.settings.streams[i];
    Impl::Output& output = impl.outputs[i];
    SendStatistics& sent = output.send.statistics();
    RtpStreamStats& stats = all.emplace_back();
    stats.direction = RtpStreamStats::Direction::kSend;
    stats.timestamp_ms = now.ms();
    stats.ssrc = settings.params.ssrc;
    stats.kind = impl.kind;
    stats.mime_type = settings.params.mime_type;
    stats.payload_type = settings.params.payload_type;
    stats.packets_lost = sent.packets_lost();
    stats.fraction_lost = sent.fraction_lost();
    stats.jitter = sent.jitter();
    stats.packets_discarded = impl.counters.too_late;
    stats.packets_retransmitted = sent.retransmitted();
    stats.packets_repaired = sent.repaired();
    stats.nack_count = output.nack_count;
    stats.nack_packet_count = output.nack_packet_count;
    stats.pli_count = output.pli_count;
    stats.fir_count = output.fir_count;
    if (settings.uses_rtx) stats.rtx_ssrc = settings.params.rtx_ssrc;
    stats.round_trip_time_ms = static_cast<float>(sent.round_trip_time().us()) / 1000.0F;
    stats.score = sent.score();
    stats.packet_count = sent.packets();
    stats.byte_count = sent.bytes();
    stats.bitrate = static_cast<uint64_t>(sent.Bitrate(now).bps());
    stats.newest_timestamp = output.send.continuity().last_timestamp().value();
  }
  if (impl.producer == nullptr || impl.settings.type == RtpType::kPipe) return all;
  auto source = impl.producer->GetEncodingStats(impl.forwarder->current_encoding(), now);
  if (source) all.push_back(*std::move(source));
  return all;
}

SendTotals Consumer::totals() const {
  SendTotals totals = impl_->replays;
  for (const Impl::Output& output : impl_->outputs) {
    totals.nacks_received += output.nack_count;
    totals.nacked_packets += output.nack_packet_count;
    totals.plis_received += output.pli_count;
    totals.firs_received += output.fir_count;
    totals.bad_round_trips += output.send.statistics().bad_round_trips();
  }
  return totals;
}

size_t Consumer::MemoryUsage() const {
  const Impl& impl = *impl_;
  size_t bytes = sizeof(Consumer) + sizeof(Impl) + impl.forwarder->MemoryUsage();
  bytes += impl.held.capacity() * sizeof(ExtendedSeqNumber);
  bytes += HeapBytes(impl.id) + HeapBytes(impl.producer_id);
  const std::vector<RtpEncodingParameters>& encodings = impl.settings.encodings;
  bytes += encodings.capacity() * sizeof(RtpEncodingParameters);
  for (const auto& encoding : encodings) bytes += HeapBytes(encoding);
  bytes += impl.settings.streams.capacity() * sizeof(OutputStreamSettings);
  for (const OutputStreamSettings& stream : impl.settings.streams) {
    bytes += HeapBytes(stream.params.mime_type);
  }
  if (impl.outputs.size() > 1) bytes += impl.outputs.capacity() * sizeof(Impl::Output);
  for (const Impl::Output& output : impl.outputs) bytes += output.send.HeapBytes();
  return bytes;
}

}  // namespace sluice::worker
