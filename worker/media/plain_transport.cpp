#include "worker/media/plain_transport.h"

#include <fmt/format.h>

#include <span>
#include <utility>

#include "worker/media/datagram_kind.h"

namespace sluice::worker {
namespace {

Status CheckListenInfo(const char* field, const ListenInfo& info) {
  if (info.protocol == TransportProtocol::kUdp) return absl::OkStatus();
  return TypeError(fmt::format("{}.protocol tcp: a PlainTransport listens on udp only", field));
}

Status CheckCreateOptions(const PlainTransportOptions& options) {
  SLUICE_RETURN_IF_ERROR(TransportCore::CheckOptions(options.base));
  SLUICE_RETURN_IF_ERROR(CheckListenInfo("listenInfo", options.listen_info));
  if (!options.rtcp_mux && options.rtcp_listen_info) {
    SLUICE_RETURN_IF_ERROR(CheckListenInfo("rtcpListenInfo", *options.rtcp_listen_info));
  }
  if (!options.enable_srtp) return absl::OkStatus();
  if (!options.srtp_crypto_suite) {
    return TypeError("srtpCryptoSuite is missing; enableSrtp true needs one");
  }
  if (*options.srtp_crypto_suite > SrtpProfile::kAesCm128HmacSha1_32) {
    return TypeError(fmt::format("srtpCryptoSuite {}: no such suite",
                                 static_cast<int>(*options.srtp_crypto_suite)));
  }
  return absl::OkStatus();
}

}  // namespace

// ---- Port -------------------------------------------------------------------------------------

Status PlainTransport::Port::Open(const ListenInfo& info, SocketFactory& sockets) {
  Result<std::vector<ListenPoint>> points = OpenListenPoints({info}, sockets, *this);
  if (!points.ok()) return points.status();
  points_ = *std::move(points);
  ipv6_only_ = info.ipv6_only;
  path_.tuple.local = points_.front().socket->local_address();
  return absl::OkStatus();
}

Status PlainTransport::Port::CheckReaches(const IpAddress& ip) const {
  const SocketAddress& local = path_.tuple.local;
  const auto name = [](const IpAddress& address) { return address.is_v6() ? "IPv6" : "IPv4"; };
  // A socket on :: sends to IPv4 as well, under mapped addresses (RFC 3493 section 3.7).
  const bool dual = local.ip.is_v6() && local.ip.is_unspecified() && !ipv6_only_;
  if (dual || local.ip.family() == ip.family()) return absl::OkStatus();
  return TypeError(fmt::format(
      "ip '{}' is an {} address, but this transport sends {} from {} ({}); give an {} address, or "
      "create the transport with an {} listenInfo",
      ip.ToString(), name(ip), is_rtcp_ ? "RTCP" : "RTP", local.ToString(), name(local.ip),
      name(local.ip), name(ip)));
}

TupleReport PlainTransport::Port::Report() const { return MakeTupleReport(path_.tuple, points_); }

void PlainTransport::Port::SetRemote(const SocketAddress& remote) {
  path_.tuple.remote = remote;
  path_.writer = points_.front().socket->writer();
}

// ---- Creation ---------------------------------------------------------------------------------

Result<std::unique_ptr<PlainTransport>> PlainTransport::Create(const std::string& id,
                                                               const PlainTransportOptions& options,
                                                               Router& router,
                                                               EngineContext& context) {
  SLUICE_RETURN_IF_ERROR(CheckCreateOptions(options));
  std::unique_ptr<PlainTransport> transport(new PlainTransport(id, options, router, context));
  SLUICE_RETURN_IF_ERROR(transport->OpenPorts());
  return transport;
}

PlainTransport::PlainTransport(const std::string& id, const PlainTransportOptions& options,
                               Router& router, EngineContext& context)
    : context_(context),
      options_(options),
      rtp_(*this, /*is_rtcp=*/false),
      rtcp_(*this, /*is_rtcp=*/true),
      core_(id, options.base, router, context),
      path_(core_, options.enable_srtp),
      rtp_core_(core_, path_) {
  if (options.enable_srtp) {
    local_key_ = GenerateSrtpKey(*options.srtp_crypto_suite, context.environment);
  }
}

Status PlainTransport::OpenPorts() {
  SLUICE_RETURN_IF_ERROR(rtp_.Open(options_.listen_info, context_.sockets));
  if (options_.rtcp_mux) return absl::OkStatus();
  const ListenInfo& info =
      options_.rtcp_listen_info ? *options_.rtcp_listen_info : options_.listen_info;
  return rtcp_.Open(info, context_.sockets);
}

PlainTransport::~PlainTransport() {
  context_.turn.ForgetOwner(this);
  SetConnected(false);
  path_.SetPaths({}, {});
  // The sockets close with no encryption under way into their arena.
  context_.srtp.Flush();
  rtp_.Close();
  rtcp_.Close();
  AddCounters(&context_.closed.srtp, path_.srtp_counters());
}

// ---- Connect ----------------------------------------------------------------------------------

Status PlainTransport::CheckAddress(const PlainConnectOptions& options) const {
  if (options_.comedia) return absl::OkStatus();  // learned from the first packet
  if (options.ip.empty()) return TypeError("ip is missing; give the peer's address");
  const std::optional<IpAddress> ip = IpAddress::Parse(options.ip);
  if (!ip) {
    return TypeError(fmt::format("ip '{}' is not a literal IPv4 or IPv6 address", options.ip));
  }
  SLUICE_RETURN_IF_ERROR(rtp_.CheckReaches(*ip));
  if (rtcp_.open()) SLUICE_RETURN_IF_ERROR(rtcp_.CheckReaches(*ip));
  if (options.port.value_or(0) == 0) {
    return TypeError("port is missing; give the peer's RTP port, 1 to 65535");
  }
  if (options_.rtcp_mux && options.rtcp_port) {
    return TypeError(fmt::format(
        "rtcpPort {}: RTCP shares the RTP port (rtcpMux true); leave it out", *options.rtcp_port));
  }
  if (!options_.rtcp_mux && options.rtcp_port.value_or(0) == 0) {
    return TypeError("rtcpPort is missing; rtcpMux false needs the peer's RTCP port, 1 to 65535");
  }
  return absl::OkStatus();
}

Status PlainTransport::CheckSrtp(const PlainConnectOptions& options) const {
  if (options_.enable_srtp && !options.srtp_parameters) {
    return TypeError("srtpParameters is missing; this transport was made with enableSrtp true");
  }
  if (!options_.enable_srtp && options.srtp_parameters) {
    return TypeError(
        "srtpParameters given, but this transport was made with enableSrtp false; leave it out");
  }
  return absl::OkStatus();
}

Status PlainTransport::InstallRemoteKey(const SrtpParameters& parameters) {
  const Result<SrtpMasterKey> remote = ParseSrtpParameters(parameters);
  if (!remote.ok()) return remote.status();
  // The caller's suite wins; ours gets a key that fits.
  SrtpMasterKey local = *local_key_;
  if (local.profile != remote->profile) {
    local = GenerateSrtpKey(remote->profile, context_.environment);
  }
  SLUICE_RETURN_IF_ERROR(path_.InstallSrtp(local, *remote));
  local_key_ = std::move(local);
  return absl::OkStatus();
}

Result<PlainConnectReport> PlainTransport::Connect(const PlainConnectOptions& options) {
  if (connect_called_) {
    return Error("connect was called before on this transport; it can be called once");
  }
  SLUICE_RETURN_IF_ERROR(CheckSrtp(options));
  SLUICE_RETURN_IF_ERROR(CheckAddress(options));
  if (options_.enable_srtp) SLUICE_RETURN_IF_ERROR(InstallRemoteKey(*options.srtp_parameters));
  connect_called_ = true;

  if (!options_.comedia) {
    const IpAddress ip = *IpAddress::Parse(options.ip);
    rtp_.SetRemote({ip, *options.port});
    if (rtcp_.open()) rtcp_.SetRemote({ip, *options.rtcp_port});
    context_.turn.AfterResponse(this, [this](Timestamp) { ApplyPaths(); });
  }
  PlainConnectReport report;
  if (rtp_.path()) report.tuple = rtp_.Report();
  if (rtcp_.path()) report.rtcp_tuple = rtcp_.Report();
  if (local_key_) report.srtp_parameters = ToSrtpParameters(*local_key_);
  return report;
}

void PlainTransport::ApplyPaths() {
  path_.SetPaths(rtp_.path(), options_.rtcp_mux ? rtp_.path() : rtcp_.path());
  SetConnected(static_cast<bool>(rtp_.path()));
}

void PlainTransport::SetConnected(bool connected) {
  path_.SetConnected(connected);
  rtp_core_.OnConnected(connected);
}

// ---- Datagrams --------------------------------------------------------------------------------

void PlainTransport::OnDatagram(Port& port, const PacketRef& buffer, size_t size,
                                const NetworkPath& from, Timestamp received_at) {
  core_.CountReceived(size, received_at);
  const DatagramKind kind = ClassifyDatagram({buffer.data(), size});
  const bool takes_rtp = !port.is_rtcp();
  const bool takes_rtcp = port.is_rtcp() || options_.rtcp_mux;
  if (!(kind == DatagramKind::kRtp && takes_rtp) && !(kind == DatagramKind::kRtcp && takes_rtcp)) {
    ++core_.counters().unclassified;
    return;
  }
  if (!MayComeFrom(port, from)) return;
  if (kind == DatagramKind::kRtp) {
    std::optional<RtpPacket> packet = path_.OpenRtp(buffer, size, received_at);
    if (!packet) return;
    Learn(port, from);
    rtp_core_.RouteRtp(buffer, *packet, received_at);
    return;
  }
  const std::span<const uint8_t> compound = path_.OpenRtcp(buffer, size);
  if (compound.empty()) return;
  Learn(port, from);
  rtp_core_.RouteRtcp(compound, received_at);
}

bool PlainTransport::MayComeFrom(const Port& port, const NetworkPath& from) {
  if (port.path()) {
    if (port.path().tuple.remote == from.tuple.remote) return true;
    ++core_.counters().wrong_source;
    return false;
  }
  if (options_.comedia) return true;
  ++core_.counters().not_ready;
  return false;
}

void PlainTransport::Learn(Port& port, const NetworkPath& from) {
  if (port.path()) return;
  port.SetRemote(from.tuple.remote);
  if (port.is_rtcp()) {
    context_.events.OnPlainRtcpTuple(id(), port.Report());
  } else {
    context_.events.OnPlainTuple(id(), port.Report());
  }
  ApplyPaths();
}

// ---- Reports ----------------------------------------------------------------------------------

PlainTransportDump PlainTransport::Dump() const {
  PlainTransportDump dump;
  dump.base = rtp_core_.Dump();
  dump.rtcp_mux = options_.rtcp_mux;
  dump.comedia = options_.comedia;
  dump.tuple = rtp_.Report();
  if (rtcp_.open()) dump.rtcp_tuple = rtcp_.Report();
  if (local_key_) dump.srtp_parameters = ToSrtpParameters(*local_key_);
  return dump;
}

void PlainTransport::AddTo(EngineCounters* counters, ObjectCounts* alive) const {
  core_.AddTo(counters);
  rtp_core_.AddTo(counters, alive);
  AddCounters(&counters->srtp, path_.srtp_counters());
  ++alive->plain_transports;
}

PlainTransportStats PlainTransport::GetStats(Timestamp now) {
  PlainTransportStats stats;
  stats.base = rtp_core_.GetStats(now);
  stats.rtcp_mux = options_.rtcp_mux;
  stats.comedia = options_.comedia;
  stats.tuple = rtp_.Report();
  if (rtcp_.open()) stats.rtcp_tuple = rtcp_.Report();
  return stats;
}

}  // namespace sluice::worker
