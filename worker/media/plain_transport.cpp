#include "worker/media/plain_transport.h"

#include <fmt/format.h>

#include <span>
#include <utility>

#include "common/log.h"
#include "worker/media/datagram_kind.h"

namespace sluice::worker {
namespace {

Status CheckListenInfo(const char* field, const ListenInfo& info) {
  if (info.protocol == TransportProtocol::kUdp) return absl::OkStatus();
  return TypeError(fmt::format("{}.protocol tcp: a PlainTransport listens on udp only", field));
}

/// Longest silence of a receiver that can be asked for, ms: a day.
constexpr uint32_t kMaxReceiverTimeout = 24 * 3600 * 1000;

Status CheckProtection(const PlainTransportOptions& options) {
  if (!options.source_ip.empty() && !IpAddress::Parse(options.source_ip)) {
    return TypeError(
        fmt::format("sourceIp '{}' is not a literal IPv4 or IPv6 address", options.source_ip));
  }
  if (options.source_ip.empty() && (options.source_only || options.source_receives)) {
    return TypeError("sourceIp is missing; sourceOnly and sourceReceives need it");
  }
  const uint32_t shortest = static_cast<uint32_t>(ReceiverLiveness::kTick.us() / 1000);
  if (options.receiver_timeout != 0 &&
      (options.receiver_timeout < shortest || options.receiver_timeout > kMaxReceiverTimeout)) {
    return TypeError(fmt::format("receiverTimeout {}: 0 (never) or {} to {} ms",
                                 options.receiver_timeout, shortest, kMaxReceiverTimeout));
  }
  return absl::OkStatus();
}

PeerLock::Rules RulesOf(const PlainTransportOptions& options) {
  PeerLock::Rules rules;
  rules.comedia = options.comedia;
  rules.source = IpAddress::Parse(options.source_ip);
  rules.source_only = options.source_only;
  rules.source_receives = options.source_receives;
  rules.relock = options.relock;
  return rules;
}

/// Multicast (224.0.0.0/4, ff00::/8), broadcast (255.255.255.255) or no address at all: what a
/// stranger must not have media sent to.
bool MakesNoSense(const IpAddress& ip) {
  if (ip.is_unspecified()) return true;
  const auto& bytes = ip.bytes();
  if (ip.is_v6()) return bytes[0] == 0xFF;
  const bool broadcast = bytes[0] == 255 && bytes[1] == 255 && bytes[2] == 255 && bytes[3] == 255;
  return broadcast || (bytes[0] & 0xF0) == 0xE0 || bytes[0] == 0;
}

/// Of whom an RTCP compound is (RFC 3550 §6.4: the word behind the first packet's header).
Ssrc RtcpSender(std::span<const uint8_t> compound) {
  if (compound.size() < 8) return Ssrc(0);
  return Ssrc(static_cast<uint32_t>(compound[4]) << 24 | static_cast<uint32_t>(compound[5]) << 16 |
              static_cast<uint32_t>(compound[6]) << 8 | compound[7]);
}

Status CheckCreateOptions(const PlainTransportOptions& options) {
  SLUICE_RETURN_IF_ERROR(TransportCore::CheckOptions(options.base));
  SLUICE_RETURN_IF_ERROR(CheckListenInfo("listenInfo", options.listen_info));
  if (!options.rtcp_mux && options.rtcp_listen_info) {
    SLUICE_RETURN_IF_ERROR(CheckListenInfo("rtcpListenInfo", *options.rtcp_listen_info));
  }
  SLUICE_RETURN_IF_ERROR(CheckProtection(options));
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
  path_.tuple.local = points_.front().socket->local_address();
  return absl::OkStatus();
}

Status PlainTransport::Port::CheckReaches(const IpAddress& ip) const {
  return sluice::worker::CheckReaches(points_.front(), ip, is_rtcp_ ? "RTCP" : "RTP");
}

TupleReport PlainTransport::Port::Report() const { return MakeTupleReport(path_.tuple, points_); }

void PlainTransport::Port::SetRemote(const SocketAddress& remote, Timestamp now) {
  lock_.Lock(remote, now);
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
  SLUICE_RETURN_IF_ERROR(transport->data_core_.Open());
  return transport;
}

PlainTransport::PlainTransport(const std::string& id, const PlainTransportOptions& options,
                               Router& router, EngineContext& context)
    : context_(context),
      options_(options),
      rtp_(*this, /*is_rtcp=*/false, RulesOf(options)),
      rtcp_(*this, /*is_rtcp=*/true, RulesOf(options)),
      core_(id, options.base, router, context),
      path_(core_, options.enable_srtp),
      rtp_core_(core_, path_),
      data_core_(core_, this, {DataCore::Kind::kSctp}),
      liveness_(Duration::Millis(options.receiver_timeout)) {
  if (liveness_.enabled()) {
    tick_ = context.environment.CreateTimer([this](Timestamp) { OnTick(); });
    tick_->Start(ReceiverLiveness::kTick);
  }
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
  data_core_.CloseAssociation();
  SetConnected(false);
  LeaveNetwork();
  AddCounters(&context_.closed.srtp, path_.srtp_counters());
  AddCounters(&context_.closed.plain, plain_counters_);
}

void PlainTransport::Seal() {
  context_.turn.ForgetOwner(this);
  tick_.reset();
  rtp_core_.Seal();
  data_core_.Seal();
  path_.SetConnected(false);
  LeaveNetwork();
}

void PlainTransport::LeaveNetwork() {
  path_.SetPaths({}, {});
  // The sockets close with no encryption under way into their arena.
  context_.srtp.Flush();
  rtp_.Close();
  rtcp_.Close();
}

// ---- Connect ----------------------------------------------------------------------------------

Status PlainTransport::CheckAddress(const PlainConnectOptions& options) {
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
  if (options_.public_destinations && MakesNoSense(*IpAddress::Parse(options.ip))) {
    ++plain_counters_.destination_refused;
    return TypeError(
        fmt::format("ip '{}' is a multicast, broadcast or unspecified address; give the peer's own",
                    options.ip));
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
    rtp_.SetRemote({ip, *options.port}, context_.environment.Now());
    if (rtcp_.open()) rtcp_.SetRemote({ip, *options.rtcp_port}, context_.environment.Now());
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
  UpdateSending();
  SetConnected(static_cast<bool>(rtp_.path()));
}

void PlainTransport::SetConnected(bool connected) {
  path_.SetConnected(connected);
  rtp_core_.OnConnected(connected);
  data_core_.OnConnected(connected);
}

// ---- Datagrams --------------------------------------------------------------------------------

void PlainTransport::OnDatagram(Port& port, const PacketRef& buffer, size_t size,
                                const NetworkPath& from, Timestamp received_at) {
  core_.CountReceived(size, received_at);
  const SocketAddress& remote = from.tuple.remote;
  const DatagramKind kind = ClassifyDatagram({buffer.data(), size});
  if (kind == DatagramKind::kUnknown && data_core_.has_sctp() && !port.is_rtcp() &&
      sctp::LooksLikeSctp({buffer.data(), size})) {
    return OnSctp(port, {buffer.data(), size}, remote, received_at);
  }
  const bool takes_rtp = !port.is_rtcp();
  const bool takes_rtcp = port.is_rtcp() || options_.rtcp_mux;
  if (!(kind == DatagramKind::kRtp && takes_rtp) && !(kind == DatagramKind::kRtcp && takes_rtcp)) {
    ++core_.counters().unclassified;
    // Something that keeps a NAT open, say: it shows that the peer is there.
    if (port.lock().IsPeer(remote)) OnPeerPacket(port, size, received_at);
    return;
  }
  const PeerLock::Verdict verdict =
      port.lock().Check(remote, rtp_core_.producers().empty(), received_at);
  if (verdict == PeerLock::Verdict::kEarly) {
    ++core_.counters().not_ready;
    return;
  }
  if (verdict == PeerLock::Verdict::kRefuse) return RefuseSource(remote);
  if (kind == DatagramKind::kRtp) {
    std::optional<RtpPacket> packet = path_.OpenRtp(buffer, size, received_at);
    if (!packet || !Admit(port, verdict, packet->ssrc(), remote, size, received_at)) return;
    rtp_core_.RouteRtp(buffer, *packet, received_at);
    return;
  }
  const std::span<const uint8_t> compound = path_.OpenRtcp(buffer, size);
  if (compound.empty()) return;
  if (!Admit(port, verdict, RtcpSender(compound), remote, size, received_at)) return;
  rtp_core_.RouteRtcp(compound, received_at);
}

void PlainTransport::OnSctp(Port& port, std::span<const uint8_t> packet, const SocketAddress& from,
                            Timestamp now) {
  const PeerLock::Verdict verdict = port.lock().Check(from, rtp_core_.producers().empty(), now);
  if (verdict == PeerLock::Verdict::kEarly) {
    ++core_.counters().not_ready;
    return;
  }
  // An association stays with the address with which it began.
  if (verdict == PeerLock::Verdict::kRefuse || verdict == PeerLock::Verdict::kMoved) {
    return RefuseSource(from);
  }
  if (verdict != PeerLock::Verdict::kPeer) {
    if (!sctp::ChecksumIsRight(packet)) {
      ++core_.counters().unclassified;
      return;
    }
    if (!Learn(port, verdict, from, now)) return;
  }
  OnPeerPacket(port, packet.size(), now);
  data_core_.OnSctpPacket(packet);
}

void PlainTransport::SendSctp(std::span<const uint8_t> packet) {
  const bool may_receive = rtp_.lock().peer_may_receive();
  core_.SendDatagram(may_receive ? rtp_.path() : NetworkPath(), packet, PacketKind::kSctp);
}

bool PlainTransport::Admit(Port& port, PeerLock::Verdict verdict, Ssrc ssrc,
                           const SocketAddress& from, size_t size, Timestamp now) {
  if (verdict == PeerLock::Verdict::kMoved && rtp_core_.listener().FindBySsrc(ssrc) == nullptr) {
    RefuseSource(from);
    return false;
  }
  if (verdict != PeerLock::Verdict::kPeer && !Learn(port, verdict, from, now)) return false;
  OnPeerPacket(port, size, now);
  return true;
}

bool PlainTransport::Learn(Port& port, PeerLock::Verdict verdict, const SocketAddress& from,
                           Timestamp now) {
  if (options_.public_destinations && MakesNoSense(from.ip)) {
    ++plain_counters_.destination_refused;
    return false;
  }
  if (verdict == PeerLock::Verdict::kMoved) {
    ++plain_counters_.relocked;
  } else if (port.lock().locked()) {
    ++plain_counters_.taken_by_source;
  }
  port.SetRemote(from, now);
  if (&port == &rtcp_port()) LimitRtcp(now);
  if (port.is_rtcp()) {
    context_.events.OnPlainRtcpTuple(id(), port.Report());
  } else {
    context_.events.OnPlainTuple(id(), port.Report());
  }
  ApplyPaths();
  return true;
}

void PlainTransport::RefuseSource(const SocketAddress& from) {
  ++core_.counters().wrong_source;
  LogRefusedSource(core_, from, &refusal_logged_, &context_);
}

// ---- Is somebody there ------------------------------------------------------------------------

void PlainTransport::LimitRtcp(Timestamp now) {
  if (rtcp_port().lock().peer_may_receive()) {
    rtcp_limit().Lift();
  } else {
    rtcp_limit().Impose(0, kUnprovenSilence, now);
  }
}

void PlainTransport::OnPeerPacket(Port& port, size_t size, Timestamp now) {
  port.lock().OnPacket(now);
  if (port.path().tuple.remote.ip == rtcp_port().path().tuple.remote.ip) {
    rtcp_limit().OnReceived(size, now);
  }
  if (liveness_.OnPacket()) OnReceiverChanged();
}

void PlainTransport::OnUnreachable(const Port& port, const SocketAddress& to, Timestamp now) {
  // What an answer to RTCP says of a peer that only sends is nobody's concern.
  if (port.path().tuple.remote != to || rtp_core_.consumers().empty()) return;
  if (liveness_.OnUnreachable(now)) OnReceiverChanged();
}

void PlainTransport::OnTick() {
  tick_->Start(ReceiverLiveness::kTick);
  const uint64_t sent = core_.traffic().rtp_sent.bytes();
  if (liveness_.OnTick(std::exchange(sent_at_tick_, sent) != sent)) OnReceiverChanged();
}

void PlainTransport::OnReceiverChanged() {
  using State = ReceiverLiveness::State;
  const State state = liveness_.state();
  if (state == State::kSilent) ++plain_counters_.receiver_silent;
  if (state == State::kUnreachable) ++plain_counters_.receiver_unreachable;
  if (state != State::kListening) LogReceiver(state);
  UpdateSending();
  context_.events.OnPlainReceiver(id(), liveness_.listening());
}

/// Whatever tags are on: whoever runs the server asks why a picture stands still.
void PlainTransport::LogReceiver(ReceiverLiveness::State state) {
  if (!context_.receiver_lines.Allows(context_.environment.Now())) return;
  const uint64_t left_out = context_.receiver_lines.TakeLeftOut();
  SLUICE_WARN(kNone, "transport {}: media to {} stops until it speaks again: {}{}", id(),
              rtp_.path().tuple.remote.ToString(),
              state == ReceiverLiveness::State::kSilent
                  ? fmt::format("nothing came from there for {} ms", options_.receiver_timeout)
                  : std::string("the network answers that nobody is there"),
              left_out == 0 ? "" : fmt::format(" (and {} more like it before)", left_out));
}

void PlainTransport::UpdateSending() {
  path_.SetRtcpAllowed(liveness_.listening());
  rtp_core_.SetSendingAllowed(liveness_.listening() && rtp_.lock().peer_may_receive());
}

// ---- Reports ----------------------------------------------------------------------------------

PlainTransportDump PlainTransport::Dump() const {
  PlainTransportDump dump;
  dump.base = rtp_core_.Dump();
  data_core_.FillDump(&dump.base);
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
  data_core_.AddTo(counters, alive);
  AddCounters(&counters->srtp, path_.srtp_counters());
  AddCounters(&counters->plain, plain_counters_);
  ++alive->plain_transports;
}

PlainTransportStats PlainTransport::GetStats(Timestamp now) {
  PlainTransportStats stats;
  stats.base = rtp_core_.GetStats(now);
  data_core_.FillStats(&stats.base);
  stats.rtcp_mux = options_.rtcp_mux;
  stats.comedia = options_.comedia;
  stats.tuple = rtp_.Report();
  if (rtcp_.open()) stats.rtcp_tuple = rtcp_.Report();
  return stats;
}

}  // namespace sluice::worker
