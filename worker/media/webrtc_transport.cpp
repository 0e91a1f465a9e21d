#include "worker/media/webrtc_transport.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "common/log.h"
#include "worker/media/webrtc_server.h"

namespace sluice::worker {
namespace {

IceCredentials MakeCredentials(const WebRtcTransportOptions& options, Environment& environment) {
  if (options.ice_fragment_length == 0) return IceCredentials::Generate(environment);
  return IceCredentials::Generate(environment, options.ice_fragment_length);
}

/// 0 switches the consent check off (docs/protocols/ice-dtls-srtp.md §3).
Duration ConsentTimeout(uint8_t seconds) {
  constexpr int kShortest = 10;
  constexpr int kLongest = 60;
  if (seconds == 0) return Duration::Zero();
  return Duration::Seconds(std::clamp<int>(seconds, kShortest, kLongest));
}

/// Whole words of what a DTLS record carries.
constexpr size_t kSctpPathMtu = DtlsSession::kMaxApplicationData / 4 * 4;

}  // namespace

class WebRtcTransport::LifeWatch {
 public:
  explicit LifeWatch(WebRtcTransport& transport) : transport_(&transport) {
    transport.watch_ = this;
  }
  ~LifeWatch() {
    if (transport_ != nullptr) transport_->watch_ = nullptr;
  }
  LifeWatch(const LifeWatch&) = delete;
  LifeWatch& operator=(const LifeWatch&) = delete;

  void OnTransportDestroyed() { transport_ = nullptr; }
  bool alive() const { return transport_ != nullptr; }

 private:
  WebRtcTransport* transport_;
};

Result<std::unique_ptr<WebRtcTransport>> WebRtcTransport::Create(
    const std::string& id, const WebRtcTransportOptions& options, WebRtcServer* server,
    Router& router, EngineContext& context) {
  SLUICE_RETURN_IF_ERROR(TransportCore::CheckOptions(options.base));
  if (server == nullptr && options.listen_infos.empty()) {
    return TypeError("listenInfos is empty; give at least one address or a WebRtcServer");
  }
  std::unique_ptr<WebRtcTransport> transport(
      new WebRtcTransport(id, options, server, router, context));
  if (server == nullptr) {
    Result<std::vector<ListenPoint>> points = OpenListenPoints(
        options.listen_infos, context.sockets, *transport, options.skip_failed_listens);
    if (!points.ok()) return points.status();
    transport->points_ = *std::move(points);
  }
  SLUICE_RETURN_IF_ERROR(transport->data_core_.Open());
  transport->candidates_ = MakeCandidates(transport->listen_points(), transport->candidate_policy_);
  if (transport->candidates_.empty()) {
    return TypeError(
        "enableUdp and enableTcp leave no ICE candidate of the WebRtcServer's sockets");
  }
  return transport;
}

WebRtcTransport::WebRtcTransport(const std::string& id, const WebRtcTransportOptions& options,
                                 WebRtcServer* server, Router& router, EngineContext& context)
    : context_(context),
      server_(server),
      dtls_client_awaits_nomination_(options.dtls_client_awaits_nomination),
      core_(id, options.base, router, context),
      path_(core_, /*encrypted=*/true),
      rtp_core_(core_, path_),
      data_core_(core_, this, {DataCore::Kind::kSctp, kSctpPathMtu, /*authenticated_path=*/true}),
      ice_(MakeCredentials(options, context.environment),
           ConsentTimeout(options.ice_consent_timeout), context.environment),
      dtls_(DtlsSession::Create(context.dtls, context.environment)),
      timer_(context.environment.CreateTimer([this](Timestamp now) { OnTimer(now); })) {
  path_.limit().Impose(kHandshakeCredit, Duration::Infinite(), context.environment.Now());
  if (options.traffic_moves_nominated_tuple) ice_.FollowTraffic();
  rtp_core_.JoinLayers();
  rtp_core_.ReplayGroups();
  if (server_ == nullptr) return;
  candidate_policy_ = {options.enable_udp, options.enable_tcp, options.prefer_udp,
                       options.prefer_tcp};
  server_->AddTransport(*this);
  server_->AddUfrag(ice_.credentials().username_fragment, *this);
}

WebRtcTransport::~WebRtcTransport() {
  if (watch_ != nullptr) watch_->OnTransportDestroyed();
  if (!closing_) Disconnect();
  AddConnectivityTo(&context_.closed);
}

void WebRtcTransport::Seal() {
  sealed_ = true;
  rtp_core_.Seal();
  data_core_.Seal();  // what it sends last arms the timer
  timer_->Stop();
  timer_at_.reset();
  path_.SetConnected(false);
  if (server_ == nullptr) return Disconnect();
  server_->Silence(*this);
}

void WebRtcTransport::Disconnect() {
  data_core_.CloseAssociation();
  dtls_->Close();
  while (const std::optional<DtlsOutput> output = dtls_->TakeOutput()) {
    if (const auto* datagram = std::get_if<DtlsDatagram>(&*output)) Handle(*datagram);
  }
  SetConnected(false);
  path_.SetPaths({}, {});
  // The sockets may close with encryptions under way into their arena.
  context_.srtp.Flush();
  for (const IcePath& path : ice_.paths()) path.path.writer->Close();
  if (server_ != nullptr) server_->RemoveTransport(*this);
  closing_ = true;
  points_.clear();
}

// ---- Commands ---------------------------------------------------------------------------------

Result<DtlsRole> WebRtcTransport::Connect(const DtlsParameters& parameters) {
  if (connect_called_) {
    return Error("connect was called before on this transport; it can be called once");
  }
  if (parameters.fingerprints.empty()) {
    return TypeError(
        "dtlsParameters.fingerprints is empty; give the peer's certificate fingerprint");
  }
  connect_called_ = true;
  dtls_role_ = parameters.role == DtlsRole::kClient ? DtlsRole::kServer : DtlsRole::kClient;
  dtls_->SetRemoteFingerprint(parameters.fingerprints.front());
  // A peer that was faster than this command, as our client: the handshake stands as it is.
  if (dtls_state_ == DtlsState::kConnected) dtls_role_ = dtls_->role();
  const DtlsRole role = dtls_role_;
  if (ice_up()) StartDtls();
  Drain();
  return role;
}

IceCredentials WebRtcTransport::RestartIce() {
  const IceCredentials& credentials = ice_.Restart(context_.environment.Now());
  IceCredentials fresh = credentials;
  if (server_ != nullptr) server_->AddUfrag(fresh.username_fragment, *this);
  Drain();
  return fresh;
}

WebRtcTransportDump WebRtcTransport::Dump() const {
  WebRtcTransportDump dump;
  dump.base = rtp_core_.Dump();
  data_core_.FillDump(&dump.base);
  dump.ice_parameters = ice_.credentials();
  dump.ice_candidates = candidates_;
  dump.ice_state = ice_state_;
  if (selected_) dump.ice_selected_tuple = MakeTupleReport(selected_.tuple, listen_points());
  dump.dtls_role = dtls_role_;
  dump.dtls_fingerprints = context_.dtls->fingerprints();
  dump.dtls_state = dtls_state_;
  return dump;
}

void WebRtcTransport::AddTo(EngineCounters* counters, ObjectCounts* alive) const {
  core_.AddTo(counters);
  rtp_core_.AddTo(counters, alive);
  data_core_.AddTo(counters, alive);
  AddConnectivityTo(counters);
  ++alive->webrtc_transports;
}

void WebRtcTransport::AddConnectivityTo(EngineCounters* counters) const {
  AddCounters(&counters->ice, ice_.stats());
  AddCounters(&counters->dtls, dtls_->stats());
  AddCounters(&counters->srtp, path_.srtp_counters());
}

WebRtcTransportStats WebRtcTransport::GetStats(Timestamp now) {
  WebRtcTransportStats stats;
  stats.base = rtp_core_.GetStats(now);
  data_core_.FillStats(&stats.base);
  stats.ice_state = ice_state_;
  if (selected_) stats.ice_selected_tuple = MakeTupleReport(selected_.tuple, listen_points());
  stats.dtls_state = dtls_state_;
  return stats;
}

// ---- Datagrams --------------------------------------------------------------------------------

void WebRtcTransport::OnDatagram(PacketRef buffer, size_t size, const NetworkPath& from,
                                 Timestamp received_at) {
  core_.CountReceived(size, received_at);
  if (sealed_) {
    ++core_.counters().not_ready;
    return;
  }
  if (path_.limit().holds() && IsFromPeer(from)) path_.limit().OnReceived(size, received_at);
  const DatagramKind kind = ClassifyDatagram({buffer.data(), size});
  if (kind == DatagramKind::kStun) {
    const uint64_t sent_before = ice_.stats().bytes_sent;
    ice_.OnStun({buffer.data(), size}, from, received_at);
    const auto answer = static_cast<size_t>(ice_.stats().bytes_sent - sent_before);
    core_.CountSent(answer);
    if (IsFromPeer(from)) path_.limit().OnSent(answer);
    Drain();
    return;
  }
  if (kind == DatagramKind::kUnknown) {
    ++core_.counters().unclassified;
    return;
  }
  if (!TakesFrom(from, size, received_at)) {
    ++core_.counters().wrong_source;
    return;
  }
  if (kind == DatagramKind::kDtls) {
    dtls_->OnDatagram({buffer.data(), size});
    Drain();
    return;
  }
  if (ice_.has_output() && !Drain()) return;  // the tuple was selected
  OnMedia(kind, buffer, size, received_at);
}

void WebRtcTransport::OnMedia(DatagramKind kind, const PacketRef& buffer, size_t size,
                              Timestamp received_at) {
  if (dtls_state_ != DtlsState::kConnected) {
    ++core_.counters().not_ready;
    return;
  }
  if (kind == DatagramKind::kRtp) {
    std::optional<RtpPacket> packet = path_.OpenRtp(buffer, size, received_at);
    if (packet) rtp_core_.RouteRtp(buffer, *packet, received_at);
    return;
  }
  const std::span<const uint8_t> compound = path_.OpenRtcp(buffer, size);
  if (!compound.empty()) rtp_core_.RouteRtcp(compound, received_at);
}

bool WebRtcTransport::TakesFrom(const NetworkPath& from, size_t size, Timestamp now) {
  if (!(selected_ && from == selected_) && !ice_.OnNonStun(from.tuple, now)) return false;
  if (const size_t sent = ice_.OnTraffic(from.tuple, size, now); sent != 0) {
    core_.CountSent(sent);
    if (IsFromPeer(from)) path_.limit().OnSent(sent);
  }
  return true;
}

void WebRtcTransport::OnVideoDropped(const NetworkPath& /*path*/, std::span<const Ssrc> ssrcs) {
  if (!sealed_) rtp_core_.OnVideoDropped(ssrcs);
}

void WebRtcTransport::OnPathClosed(const NetworkPath& path) {
  if (closing_) return;
  context_.srtp.Flush();  // what it began for this connection ends before the writer does
  if (selected_ && selected_ == path) {  // its writer goes, whoever is draining us
    selected_ = {};
    path_.SetPaths({}, {});
  }
  // Also when sealed: Disconnect() closes the writers of the paths that ICE still has.
  ice_.OnPathClosed(path.tuple, context_.environment.Now());
  if (!sealed_) Drain();
}

// ---- Outputs of ICE and DTLS --------------------------------------------------------------------

bool WebRtcTransport::Drain() {
  // Called by a handler below, or by who hears an event: the loop that runs takes what came.
  if (watch_ != nullptr) return true;
  LifeWatch watch(*this);
  const auto handle = [this](const auto& output) { Handle(output); };
  for (;;) {
    // ICE first: DTLS leaves by the tuple that it selects.
    if (const std::optional<IceOutput> output = ice_.TakeOutput()) {
      std::visit(handle, *output);
    } else if (const std::optional<DtlsOutput> next = dtls_->TakeOutput()) {
      std::visit(handle, *next);
    } else {
      break;
    }
    if (!watch.alive()) return false;
  }
  ArmTimer();
  return true;
}

void WebRtcTransport::ArmTimer() {
  std::optional<Timestamp> next = ice_.NextTimeout();
  if (const std::optional<Timestamp> dtls = dtls_->NextTimeout()) {
    next = next ? std::min(*next, *dtls) : dtls;
  }
  if (!next) {
    timer_->Stop();
    timer_at_.reset();
    return;
  }
  // One that fires too early is armed again then: consent moves with every check.
  if (timer_at_ && *timer_at_ <= *next) return;
  timer_at_ = next;
  timer_->Start(*next - context_.environment.Now());
}

void WebRtcTransport::OnTimer(Timestamp now) {
  timer_at_.reset();
  ice_.OnTimeout(now);
  dtls_->OnTimeout(now);
  Drain();
}

// ---- ICE --------------------------------------------------------------------------------------

bool WebRtcTransport::ice_up() const {
  return selected_ && (ice_state_ == IceState::kConnected || ice_state_ == IceState::kCompleted);
}

void WebRtcTransport::Handle(const IcePathSelected& selected) {
  selected_ = selected.path;
  path_.SetPaths(selected_, selected_);
  LimitSending(selected.proven);
  context_.events.OnIceSelectedTuple(id(), MakeTupleReport(selected_.tuple, listen_points()));
}

void WebRtcTransport::Handle(const IcePathProven&) { LimitSending(true); }

void WebRtcTransport::LimitSending(bool proven) {
  if (!ice_.needs_proof()) return;  // a handshake goes on with what it has left
  if (proven) {
    path_.limit().Lift();
  } else {
    path_.limit().Impose(0, Duration::Infinite(), context_.environment.Now());
  }
}

void WebRtcTransport::Handle(const IceStateChange& change) {
  ice_state_ = change.state;
  if (ice_state_ == IceState::kDisconnected) {
    selected_ = {};
    path_.SetPaths({}, {});
  }
  if (ice_up()) StartDtls();
  UpdateConnected();
  context_.events.OnIceState(id(), ice_state_);
  UpdateData();
}

void WebRtcTransport::Handle(const IcePathAdded& added) {
  if (server_ != nullptr) server_->AddTuple(added.tuple, *this);
}

void WebRtcTransport::Handle(const IcePathRemoved& removed) {
  if (server_ != nullptr) server_->RemoveTuple(removed.tuple, *this);
  if (removed.writer != nullptr) removed.writer->Close();
}

void WebRtcTransport::Handle(const IceUfragRetired& retired) {
  if (server_ != nullptr) server_->RemoveUfrag(retired.username_fragment);
}

std::span<const ListenPoint> WebRtcTransport::listen_points() const {
  return server_ != nullptr ? server_->listen_points() : std::span<const ListenPoint>(points_);
}

// ---- DTLS -------------------------------------------------------------------------------------

void WebRtcTransport::StartDtls() {
  if (dtls_state_ == DtlsState::kConnected || dtls_state_ == DtlsState::kFailed ||
      dtls_state_ == DtlsState::kClosed) {
    return;
  }
  // Before connect() we wait as server: most peers begin as soon as ICE is up.
  if (dtls_role_ == DtlsRole::kAuto) dtls_role_ = DtlsRole::kServer;
  if (dtls_role_ == DtlsRole::kClient && dtls_client_awaits_nomination_ &&
      ice_state_ != IceState::kCompleted) {
    return;
  }
  if (dtls_->started() && dtls_->role() == dtls_role_) return;
  dtls_->Start(dtls_role_);
}

void WebRtcTransport::Handle(const DtlsDatagram& datagram) {
  if (!selected_) return;  // ICE is down: the handshake's timer sends it again
  const std::vector<uint8_t>& bytes = datagram.bytes;
  if (!path_.limit().Allows(bytes.size(), context_.environment.Now())) {
    ++core_.counters().send_withheld;
    return;
  }
  if (!ice_.needs_proof()) {
    const IpAddress& ip = selected_.tuple.remote.ip;
    handshake_moved_ |= handshake_ip_ && *handshake_ip_ != ip;
    handshake_ip_ = ip;
  }
  if (core_.SendDatagram(selected_, bytes, PacketKind::kDtls)) path_.limit().OnSent(bytes.size());
}

void WebRtcTransport::Handle(const DtlsStateChange& change) {
  dtls_state_ = change.state;
  UpdateConnected();
  context_.events.OnDtlsState(id(), dtls_state_, "");
  UpdateData();
}

void WebRtcTransport::Handle(const DtlsConnected& handshake) {
  const Status status = path_.InstallSrtp(handshake.local, handshake.remote);
  if (!status.ok()) {
    SLUICE_ERROR("transport {}: SRTP with the keys of DTLS: {}", id(), status.ToString());
    Handle(DtlsStateChange{DtlsState::kFailed});
    return;
  }
  dtls_state_ = DtlsState::kConnected;
  // Nobody completes a handshake without having read our half of it.
  ice_.StartProofs(handshake_moved_ ? std::nullopt : handshake_ip_, context_.environment.Now());
  if (selected_) LimitSending(ice_.selected_is_proven());
  data_core_.SetPeerParity(dtls_->role() == DtlsRole::kServer ? DataCore::Parity::kEven
                                                              : DataCore::Parity::kOdd);
  UpdateConnected();
  context_.events.OnDtlsState(id(), DtlsState::kConnected, handshake.remote_certificate_pem);
  UpdateData();
}

void WebRtcTransport::Handle(const DtlsApplicationData& data) {
  data_core_.OnSctpPacket(data.bytes);
}

void WebRtcTransport::SendSctp(std::span<const uint8_t> packet) {
  if (!selected_ || !dtls_->SendApplicationData(packet)) ++core_.counters().send_refused;
}

void WebRtcTransport::UpdateConnected() { SetConnected(connected()); }

void WebRtcTransport::SetConnected(bool is_connected) {
  path_.SetConnected(is_connected);
  rtp_core_.OnConnected(is_connected);
}

}  // namespace sluice::worker
