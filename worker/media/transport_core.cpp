#include "worker/media/transport_core.h"

#include <fmt/format.h>

#include <cstring>
#include <utility>

#include "common/log.h"

namespace sluice::worker {

TransportCore::TransportCore(std::string id, const TransportOptions& options, Router& router,
                             EngineContext& context)
    : id_(std::move(id)), router_(router), context_(context), options_(options) {}

TransportCore::~TransportCore() { AddTo(&context_.closed); }

bool TransportCore::SendDatagram(const NetworkPath& path, std::span<const uint8_t> datagram,
                                 PacketKind kind) {
  uint8_t* const slot = path ? path.writer->Reserve(datagram.size()) : nullptr;
  if (slot == nullptr) {
    ++counters().send_refused;
    return false;
  }
  std::memcpy(slot, datagram.data(), datagram.size());
  path.writer->Commit(datagram.size(), path.tuple.remote, kind);
  CountSent(datagram.size());
  return true;
}

void TransportCore::AddTo(EngineCounters* counters) const {
  AddCounters(&counters->traffic, traffic_.Totals());
  AddCounters(&counters->transports, traffic_.counters);
}

Status TransportCore::CheckOptions(const TransportOptions& options) {
  if (options.direct) {
    return TypeError("direct true: only a DirectTransport is direct; leave it false");
  }
  return absl::OkStatus();
}

void TransportCore::FillDump(TransportDump* dump) const {
  dump->id = id_;
  dump->direct = options_.direct;
  dump->max_send_message_size = options_.max_send_message_size;
  dump->max_receive_message_size = options_.max_receive_message_size;
}

void TransportCore::FillStats(TransportStats* stats, Timestamp now) {
  stats->transport_id = id_;
  stats->timestamp_ms = now.ms();
  const auto fill = [now](ByteRate& rate, uint64_t* bytes, uint64_t* bps) {
    *bytes = rate.bytes();
    *bps = rate.BitsPerSecond(now);
  };
  fill(traffic_.received, &stats->bytes_received, &stats->recv_bitrate);
  fill(traffic_.sent, &stats->bytes_sent, &stats->send_bitrate);
  fill(traffic_.rtp_received, &stats->rtp_bytes_received, &stats->rtp_recv_bitrate);
  fill(traffic_.rtp_sent, &stats->rtp_bytes_sent, &stats->rtp_send_bitrate);
  fill(traffic_.rtx_received, &stats->rtx_bytes_received, &stats->rtx_recv_bitrate);
  fill(traffic_.rtx_sent, &stats->rtx_bytes_sent, &stats->rtx_send_bitrate);
  fill(traffic_.probation_sent, &stats->probation_bytes_sent, &stats->probation_send_bitrate);
}

void LogRefusedSource(const TransportCore& transport, const SocketAddress& from, bool* logged,
                      EngineContext* context) {
  if (std::exchange(*logged, true)) return;
  LineLimit& lines = context->refusal_lines;
  if (!lines.Allows(context->environment.Now())) return;
  const uint64_t left_out = lines.TakeLeftOut();
  SLUICE_WARN(
      kNone,
      "transport {}: dropped a packet from {}, which is not the peer; said once per transport{}",
      transport.id(), from.ToString(),
      left_out == 0 ? "" : fmt::format(" (and of {} others before)", left_out));
}

}  // namespace sluice::worker
