#include "worker/media/pipe_transport.h"

#include <fmt/format.h>

#include <span>
#include <utility>

#include "common/log.h"
#include "worker/media/datagram_kind.h"
#include "worker/wire/sctp.h"

namespace sluice::worker {

// ---- Creation ---------------------------------------------------------------------------------

Result<std::unique_ptr<PipeTransport>> PipeTransport::Create(const std::string& id,
                                                             const PipeTransportOptions& options,
                                                             Router& router,
                                                             EngineContext& context) {
  SLUICE_RETURN_IF_ERROR(TransportCore::CheckOptions(options.base));
  if (options.listen_info.protocol != TransportProtocol::kUdp) {
    return TypeError("listenInfo.protocol tcp: a PipeTransport listens on udp only");
  }
  std::unique_ptr<PipeTransport> transport(new PipeTransport(id, options, router, context));
  SLUICE_RETURN_IF_ERROR(transport->Open());
  return transport;
}

namespace {
/// The other end is ours, so a pipe may carry what a worker has: as many producers as a transport
/// has consumers, with four SSRCs each.
RtpLimits PipeLimits(const EngineLimits& limits) {
  return {limits.consumers, limits.consumers, 4 * limits.consumers};
}
}  // namespace

PipeTransport::PipeTransport(const std::string& id, const PipeTransportOptions& options,
                             Router& router, EngineContext& context)
    : context_(context),
      options_(options),
      core_(id, options.base, router, context),
      path_(core_, options.enable_srtp),
      rtp_core_(core_, path_, PipeLimits(context.limits)),
      data_core_(core_, this, {DataCore::Kind::kPipe}) {
  if (options.enable_srtp) local_key_ = GenerateSrtpKey(kSrtpProfile, context.environment);
}

Status PipeTransport::Open() {
  Result<std::vector<ListenPoint>> points =
      OpenListenPoints({options_.listen_info}, context_.sockets, *this);
  if (!points.ok()) return points.status();
  points_ = *std::move(points);
  network_path_.tuple.local = points_.front().socket->local_address();
  return data_core_.Open();
}

PipeTransport::~PipeTransport() {
  context_.turn.ForgetOwner(this);
  data_core_.CloseAssociation();
  path_.SetConnected(false);
  rtp_core_.OnConnected(false);
  data_core_.OnConnected(false);
  LeaveNetwork();
  AddCounters(&context_.closed.srtp, path_.srtp_counters());
}

void PipeTransport::Seal() {
  context_.turn.ForgetOwner(this);
  rtp_core_.Seal();
  data_core_.Seal();
  path_.SetConnected(false);
  LeaveNetwork();
}

void PipeTransport::LeaveNetwork() {
  path_.SetPaths({}, {});
  network_path_.writer = nullptr;
  // The socket closes with no encryption under way into its arena.
  context_.srtp.Flush();
  points_.clear();
}

// ---- Connect ----------------------------------------------------------------------------------

Result<SocketAddress> PipeTransport::CheckAddress(const PipeConnectOptions& options) const {
  const std::optional<IpAddress> ip = IpAddress::Parse(options.ip);
  if (!ip) {
    return TypeError(fmt::format("ip '{}' is not a literal IPv4 or IPv6 address", options.ip));
  }
  SLUICE_RETURN_IF_ERROR(CheckReaches(points_.front(), *ip, "RTP"));
  if (options.port.value_or(0) == 0) {
    return TypeError("port is missing; give the port of the other pipe transport, 1 to 65535");
  }
  return SocketAddress{*ip, *options.port};
}

Status PipeTransport::InstallSrtp(const PipeConnectOptions& options) {
  if (!options_.enable_srtp) {
    if (!options.srtp_parameters) return absl::OkStatus();
    return TypeError(
        "srtpParameters given, but this transport was made with enableSrtp false; leave it out");
  }
  if (!options.srtp_parameters) {
    return TypeError("srtpParameters is missing; this transport was made with enableSrtp true");
  }
  if (options.srtp_parameters->crypto_suite != kSrtpProfile) {
    return TypeError(
        "srtpParameters.cryptoSuite: pipe transports take AEAD_AES_256_GCM only; give the "
        "srtpParameters of the other pipe transport");
  }
  const Result<SrtpMasterKey> remote = ParseSrtpParameters(*options.srtp_parameters);
  if (!remote.ok()) return remote.status();
  return path_.InstallSrtp(*local_key_, *remote);
}

Result<PipeConnectReport> PipeTransport::Connect(const PipeConnectOptions& options) {
  if (network_path_) {
    return Error("connect was called before on this transport; it can be called once");
  }
  const Result<SocketAddress> remote = CheckAddress(options);
  if (!remote.ok()) return remote.status();
  SLUICE_RETURN_IF_ERROR(InstallSrtp(options));
  network_path_.tuple.remote = *remote;
  network_path_.writer = points_.front().socket->writer();
  context_.turn.AfterResponse(this, [this](Timestamp) { ApplyPath(); });
  return PipeConnectReport{Tuple()};
}

void PipeTransport::ApplyPath() {
  connected_ = true;
  path_.SetPaths(network_path_, network_path_);
  path_.SetConnected(true);
  rtp_core_.OnConnected(true);
  data_core_.OnConnected(true);
}

// ---- Datagrams --------------------------------------------------------------------------------

void PipeTransport::OnDatagram(PacketRef buffer, size_t size, const NetworkPath& from,
                               Timestamp received_at) {
  core_.CountReceived(size, received_at);
  const DatagramKind kind = ClassifyDatagram({buffer.data(), size});
  const bool is_sctp = kind == DatagramKind::kUnknown && data_core_.has_sctp() &&
                       sctp::LooksLikeSctp({buffer.data(), size});
  if (kind != DatagramKind::kRtp && kind != DatagramKind::kRtcp && !is_sctp) {
    ++core_.counters().unclassified;
    return;
  }
  if (!connected_) {
    ++core_.counters().not_ready;
    return;
  }
  if (from.tuple.remote != network_path_.tuple.remote) {
    ++core_.counters().wrong_source;
    return LogRefusedSource(core_, from.tuple.remote, &refusal_logged_, &context_);
  }
  if (is_sctp) return data_core_.OnSctpPacket({buffer.data(), size});
  if (kind == DatagramKind::kRtp) {
    std::optional<RtpPacket> packet = path_.OpenRtp(buffer, size, received_at);
    if (packet) rtp_core_.RouteRtp(buffer, *packet, received_at);
    return;
  }
  const std::span<const uint8_t> compound = path_.OpenRtcp(buffer, size);
  if (!compound.empty()) rtp_core_.RouteRtcp(compound, received_at);
}

void PipeTransport::SendSctp(std::span<const uint8_t> packet) {
  core_.SendDatagram(network_path_, packet, PacketKind::kSctp);
}

// ---- Dump and stats ---------------------------------------------------------------------------

PipeTransportDump PipeTransport::Dump() const {
  PipeTransportDump dump;
  dump.base = rtp_core_.Dump();
  data_core_.FillDump(&dump.base);
  dump.tuple = Tuple();
  dump.rtx = options_.enable_rtx;
  if (local_key_) dump.srtp_parameters = ToSrtpParameters(*local_key_);
  return dump;
}

PipeTransportStats PipeTransport::GetStats(Timestamp now) {
  PipeTransportStats stats;
  stats.base = rtp_core_.GetStats(now);
  data_core_.FillStats(&stats.base);
  stats.tuple = Tuple();
  return stats;
}

void PipeTransport::AddTo(EngineCounters* counters, ObjectCounts* alive) const {
  core_.AddTo(counters);
  rtp_core_.AddTo(counters, alive);
  data_core_.AddTo(counters, alive);
  AddCounters(&counters->srtp, path_.srtp_counters());
  ++alive->pipe_transports;
}

}  // namespace sluice::worker
