#include "worker/media/direct_transport.h"

#include <fmt/format.h>

#include <utility>

#include "common/log.h"
#include "worker/media/consumer.h"

namespace sluice::worker {
namespace {

constexpr size_t kFixedHeader = 12;  // bytes of an RTP header, RFC 3550 §5.1
constexpr size_t kSsrcAt = 8;        // bytes into it

Ssrc SsrcOf(const uint8_t* packet) {
  const uint8_t* at = packet + kSsrcAt;
  return Ssrc(uint32_t{at[0]} << 24 | uint32_t{at[1]} << 16 | uint32_t{at[2]} << 8 | at[3]);
}

}  // namespace

// ---- Writer -----------------------------------------------------------------------------------

uint8_t* DirectTransport::Writer::Reserve(size_t size) {
  reserved_ = transport_.context_.buffers.Allocate(size);
  return reserved_.data();
}

void DirectTransport::Writer::Commit(size_t size, const SocketAddress& /*to*/, PacketKind kind) {
  PacketRef packet = std::move(reserved_);
  if (kind != PacketKind::kRtcp) return transport_.EmitRtp(std::move(packet), size);
  transport_.context_.events.OnDirectRtcp(transport_.id(), DirectPacket{std::move(packet), size});
}

// ---- Creation ---------------------------------------------------------------------------------

Result<std::unique_ptr<DirectTransport>> DirectTransport::Create(
    const std::string& id, const DirectTransportOptions& options, Router& router,
    EngineContext& context) {
  if (!options.base.direct) return TypeError("direct false: a DirectTransport is direct");
  if (options.base.enable_sctp) {
    return TypeError("enableSctp true: a DirectTransport has no SCTP; leave it false");
  }
  return std::unique_ptr<DirectTransport>(new DirectTransport(id, options, router, context));
}

DirectTransport::DirectTransport(const std::string& id, const DirectTransportOptions& options,
                                 Router& router, EngineContext& context)
    : context_(context),
      core_(id, options.base, router, context),
      path_(core_, /*encrypted=*/false),
      writer_(*this),
      rtp_core_(core_, path_),
      data_core_(core_, nullptr, {DataCore::Kind::kDirect}) {
  const NetworkPath to_channel{{}, &writer_};
  path_.SetPaths(to_channel, to_channel);
  path_.SetConnected(true);
  rtp_core_.OnConnected(true);
}

DirectTransport::~DirectTransport() { context_.turn.ForgetOwner(this); }

void DirectTransport::Seal() {
  context_.turn.ForgetOwner(this);
  rtp_core_.Seal();
  data_core_.Seal();
  path_.SetConnected(false);
  path_.SetPaths({}, {});
}

DirectTransportDump DirectTransport::Dump() const {
  DirectTransportDump dump{rtp_core_.Dump()};
  data_core_.FillDump(&dump.base);
  return dump;
}

// ---- Packets ----------------------------------------------------------------------------------

void DirectTransport::ReceiveRtcp(std::span<const uint8_t> compound) {
  const Timestamp now = context_.environment.Now();
  core_.CountReceived(compound.size(), now);
  if (compound.size() > kMaxRtcp) {
    ++core_.counters().malformed_rtcp;
    SLUICE_WARN(kRtcp, "transport {}: dropped {} bytes of RTCP handed in; the limit is {}", id(),
                compound.size(), kMaxRtcp);
    return;
  }
  const uint64_t malformed = core_.counters().malformed_rtcp;
  rtp_core_.RouteRtcp(compound, now);
  if (core_.counters().malformed_rtcp == malformed) return;
  SLUICE_WARN(kRtcp, "transport {}: {} bytes handed in are no RTCP compound", id(),
              compound.size());
}

void DirectTransport::EmitRtp(PacketRef packet, size_t size) {
  if (size < kFixedHeader) return;  // written by us: never
  const ConsumerStream sent = rtp_core_.FindSent(SsrcOf(packet.data()));
  if (!sent) return;
  context_.events.OnConsumerRtp(sent.consumer->id(), DirectPacket{std::move(packet), size});
}

void DirectTransport::AddTo(EngineCounters* counters, ObjectCounts* alive) const {
  core_.AddTo(counters);
  rtp_core_.AddTo(counters, alive);
  data_core_.AddTo(counters, alive);
  ++alive->direct_transports;
}

}  // namespace sluice::worker
