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
#include "worker/media/engine_context.h"
#include "worker/media/ice_candidates.h"
#include "worker/media/rtp_core.h"
#include "worker/media/rtp_path.h"
#include "worker/media/socket_factory.h"
#include "worker/media/transport.h"
#include "worker/media/transport_core.h"

namespace sluice::worker {

class WebRtcServer;

/// A transport to a browser: ICE-lite, then DTLS, then SRTP (router-protocol §5.2–5.4).
///
/// Owns its sockets, or shares those of a WebRtcServer. Guarantees: not a byte of DTLS or media
/// goes to, or is taken from, a tuple that has not produced a valid connectivity check; media needs
/// the keys of a DTLS handshake whose certificate matched the fingerprint given to Connect().
class WebRtcTransport final : public Transport,
                              public DatagramHandler,
                              private IceEvents,
                              private DtlsEvents {
 public:
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

  /// Sets the peer's fingerprint and role; starts (or, where ICE came first and the role differs,
  /// restarts) DTLS. Returns our role. Error: called before. TypeError: no fingerprint.
  Result<DtlsRole> Connect(const DtlsParameters& parameters);
  IceCredentials RestartIce();

  void AddTo(EngineCounters* counters, ObjectCounts* alive) const override;
  WebRtcTransportDump Dump() const;
  WebRtcTransportStats GetStats(Timestamp now);

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
  void OnStun(const PacketRef& buffer, size_t size, const NetworkPath& from, Timestamp now);
  /// True when media or DTLS from there may be taken; selects the tuple where ICE says so.
  bool TakesFrom(const NetworkPath& from);
  void StartDtls();
  void UpdateConnected();
  void SetConnected(bool connected);
  bool ice_up() const;
  std::span<const ListenPoint> listen_points() const;

  // IceEvents
  void OnIceSelectedPath(const NetworkPath& path) override;
  void OnIceState(IceState state) override;
  void OnIcePathAdded(const FiveTuple& tuple) override;
  void OnIcePathRemoved(const FiveTuple& tuple) override;
  void OnIceUfragRetired(const std::string& username_fragment) override;

  // DtlsEvents
  void SendDtls(std::span<const uint8_t> datagram) override;
  void OnDtlsState(DtlsState state) override;
  void OnDtlsConnected(const SrtpMasterKey& local, const SrtpMasterKey& remote,
                       const std::string& remote_certificate_pem) override;
  void OnDtlsApplicationData(std::span<const uint8_t> data) override;

  EngineContext& context_;
  WebRtcServer* const server_;
  const bool dtls_client_awaits_nomination_;
  std::vector<ListenPoint> points_;  // empty with a server
  std::vector<IceCandidateReport> candidates_;
  CandidatePolicy candidate_policy_;
  TransportCore core_;
  RtpPath path_;
  RtpCore rtp_core_;
  IceLiteAgent ice_;
  IceState ice_state_ = IceState::kNew;
  NetworkPath selected_;  // empty while none
  std::unique_ptr<DtlsSession> dtls_;
  DtlsState dtls_state_ = DtlsState::kNew;
  DtlsRole dtls_role_ = DtlsRole::kAuto;
  bool connect_called_ = false;
  bool closing_ = false;  // our own connections go: no news
};

}  // namespace sluice::worker
