#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/status.h"
#include "worker/core/dtls/dtls_session.h"
#include "worker/core/ice/ice_lite_agent.h"
#include "worker/media/data_core.h"
#include "worker/media/datagram_kind.h"
#include "worker/media/engine_context.h"
#include "worker/media/ice_candidates.h"
#include "worker/media/rtp_core.h"
#include "worker/media/rtp_path.h"
#include "worker/media/socket_factory.h"
#include "worker/media/transport.h"
#include "worker/media/transport_core.h"

namespace sluice::worker {

class WebRtcServer;

/// What the protocols of a transport have counted since it was made. Of its media:
/// TransportCounters.
struct WebRtcTransportCounters {
  IceStats ice;
  DtlsStats dtls;
  SrtpCounters srtp;
};

/// A transport to a browser: ICE-lite, then DTLS, then SRTP (docs/protocols/ice-dtls-srtp.md).
///
/// Owns its sockets, or shares those of a WebRtcServer. Guarantees: not a byte of DTLS or media
/// goes to, or is taken from, a tuple that has not produced a valid connectivity check; media needs
/// the keys of a DTLS handshake whose certificate matched the fingerprint given to Connect(); and
/// an IP address that has not shown that it receives, by a handshake or by answering a probe of the
/// ICE agent, gets no more bytes than came from it (SendLimit).
///
/// Drains its ICE agent and its DTLS session after every call into them. Whoever hears an event of
/// it may close it, or anything else, from there: once an event is told, nothing of the transport
/// is touched before it is known to be alive.
class WebRtcTransport final : public Transport, public DatagramHandler, private DataLink {
 public:
  /// Bytes of DTLS, beyond as many as come from the peer, before the handshake is over: as many of
  /// our flights as it takes timeouts to fail. Nobody has shown by then that the address is the
  /// peer's.
  static constexpr uint64_t kHandshakeCredit = 16'384;

  /// `server` null: opens the sockets of `options.listen_infos`. TypeError: no listen info, or no
  /// candidate remains; Error: a port cannot be had.
  static Result<std::unique_ptr<WebRtcTransport>> Create(const std::string& id,
                                                         const WebRtcTransportOptions& options,
                                                         WebRtcServer* server, Router& router,
                                                         EngineContext& context);
  ~WebRtcTransport() override;

  const std::string& id() const { return core_.id(); }
  TransportCore& core() override { return core_; }
  RtpCore& rtp() override { return rtp_core_; }
  void Seal() override;
  bool sealed() const { return sealed_; }
  DataCore& data() override { return data_core_; }

  /// Sets the peer's fingerprint and role; starts (or, where ICE came first and the role differs,
  /// restarts) DTLS. Returns our role. Error: called before. TypeError: no fingerprint.
  Result<DtlsRole> Connect(const DtlsParameters& parameters);
  IceCredentials RestartIce();

  void AddTo(EngineCounters* counters, ObjectCounts* alive) const override;
  WebRtcTransportDump Dump() const;
  WebRtcTransportStats GetStats(Timestamp now);
  WebRtcTransportCounters counters() const {
    return {ice_.stats(), dtls_->stats(), path_.srtp_counters()};
  }

  // DatagramHandler: from its own sockets, or from the server.
  void OnDatagram(PacketRef buffer, size_t size, const NetworkPath& from,
                  Timestamp received_at) override;
  void OnVideoDropped(const NetworkPath& path, std::span<const Ssrc> ssrcs) override;
  void OnPathClosed(const NetworkPath& path) override;

 private:
  WebRtcTransport(const std::string& id, const WebRtcTransportOptions& options,
                  WebRtcServer* server, Router& router, EngineContext& context);

  /// What ICE and DTLS have counted.
  void AddConnectivityTo(EngineCounters* counters) const;
  /// Tells Drain() that the transport is gone when it is destroyed from inside an event.
  class LifeWatch;

  // DataLink: over DTLS (RFC 8261).
  void SendSctp(std::span<const uint8_t> packet) override;
  void FlushSctp() override { Drain(); }

  void OnMedia(DatagramKind kind, const PacketRef& buffer, size_t size, Timestamp received_at);
  /// True when media or DTLS from there may be taken; ICE may select the tuple.
  bool TakesFrom(const NetworkPath& from, size_t size, Timestamp now);
  /// From where we send to, whatever the port.
  bool IsFromPeer(const NetworkPath& from) const {
    return selected_ && from.tuple.remote.ip == selected_.tuple.remote.ip;
  }
  /// Once there are keys: no limit to an address that has shown that it receives, and no more than
  /// comes from there to another one.
  void LimitSending(bool proven);
  void StartDtls();

  /// Does what ICE and DTLS want done. False when the transport was closed by somebody who heard of
  /// it: the caller returns at once.
  bool Drain();
  void ArmTimer();
  void OnTimer(Timestamp now);
  void UpdateConnected();
  /// Says goodbye to the peer and leaves the network.
  void Disconnect();
  void SetConnected(bool is_connected);
  /// Starts SCTP, or stops it, once the event that says why is on its way.
  void UpdateData() { data_core_.OnConnected(connected()); }
  bool connected() const { return ice_up() && dtls_state_ == DtlsState::kConnected; }
  bool ice_up() const;
  std::span<const ListenPoint> listen_points() const;

  // One output each; an event for the application comes last.
  void Handle(const IcePathAdded& added);
  void Handle(const IcePathRemoved& removed);
  void Handle(const IcePathSelected& selected);
  void Handle(const IcePathProven& proven);
  void Handle(const IceStateChange& change);
  void Handle(const IceUfragRetired& retired);
  void Handle(const DtlsDatagram& datagram);
  void Handle(const DtlsStateChange& change);
  void Handle(const DtlsConnected& handshake);
  void Handle(const DtlsApplicationData& data);

  EngineContext& context_;
  WebRtcServer* const server_;
  const bool dtls_client_awaits_nomination_;
  std::vector<ListenPoint> points_;  // empty with a server
  std::vector<IceCandidateReport> candidates_;
  CandidatePolicy candidate_policy_;
  TransportCore core_;
  RtpPath path_;
  RtpCore rtp_core_;
  DataCore data_core_;
  IceLiteAgent ice_;
  IceState ice_state_ = IceState::kNew;
  NetworkPath selected_;  // empty while none
  std::unique_ptr<DtlsSession> dtls_;
  DtlsState dtls_state_ = DtlsState::kNew;
  DtlsRole dtls_role_ = DtlsRole::kAuto;
  // Where the datagrams of the handshake went.
  std::optional<IpAddress> handshake_ip_;
  bool handshake_moved_ = false;
  bool connect_called_ = false;
  bool sealed_ = false;
  bool closing_ = false;        // our own connections go: no news
  LifeWatch* watch_ = nullptr;  // while Drain() runs
  std::unique_ptr<Timer> timer_;
  std::optional<Timestamp> timer_at_;  // when it fires; empty while it is not armed
};

}  // namespace sluice::worker
