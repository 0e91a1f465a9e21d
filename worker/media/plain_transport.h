#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>

#include "common/status.h"
#include "worker/media/data_core.h"
#include "worker/media/engine_context.h"
#include "worker/media/ice_candidates.h"
#include "worker/media/peer_lock.h"
#include "worker/media/receiver_liveness.h"
#include "worker/media/rtp_core.h"
#include "worker/media/rtp_path.h"
#include "worker/media/socket_factory.h"
#include "worker/media/srtp_key.h"
#include "worker/media/transport.h"
#include "worker/media/transport_core.h"

namespace sluice::worker {

/// RTP, and SCTP if it is enabled, over UDP without ICE, for ffmpeg, GStreamer and recorders
/// (docs/protocols/router-protocol.md §6): one socket, or two without rtcp-mux; optionally SRTP
/// with keys given in connect.
///
/// The peer's address comes from Connect(), or, with comedia, from the first well-formed packet
/// (with SRTP: the first that authenticates); RTP and RTCP addresses are learned apart. Whatever
/// comes from elsewhere afterwards is dropped, counted, and logged once. PeerLock has the rules
/// that options add for servers that strangers reach; ReceiverLiveness stops media that nobody
/// takes.
class PlainTransport final : public Transport, private DataLink {
 public:
  /// RTCP to a learned peer that is not the source ends when nothing came from there for so long.
  static constexpr Duration kUnprovenSilence = Duration::Seconds(5);

  /// TypeError: protocol not UDP, bad ip, SRTP without suite. Error: a port cannot be had.
  static Result<std::unique_ptr<PlainTransport>> Create(const std::string& id,
                                                        const PlainTransportOptions& options,
                                                        Router& router, EngineContext& context);
  ~PlainTransport() override;

  const std::string& id() const { return core_.id(); }
  TransportCore& core() override { return core_; }
  RtpCore& rtp() override { return rtp_core_; }
  void Seal() override;
  DataCore& data() override { return data_core_; }

  /// Rules: docs/protocols/router-protocol.md §6. A call that fails changes nothing.
  Result<PlainConnectReport> Connect(const PlainConnectOptions& options);

  void AddTo(EngineCounters* counters, ObjectCounts* alive) const override;
  PlainTransportDump Dump() const;
  PlainTransportStats GetStats(Timestamp now);

 private:
  /// One of the two sockets; with rtcp-mux only the first exists.
  class Port final : public DatagramHandler {
   public:
    Port(PlainTransport& transport, bool is_rtcp, const PeerLock::Rules& rules)
        : transport_(transport), is_rtcp_(is_rtcp), lock_(rules) {}
    void OnDatagram(PacketRef buffer, size_t size, const NetworkPath& from,
                    Timestamp received_at) override {
      transport_.OnDatagram(*this, buffer, size, from, received_at);
    }
    void OnPathClosed(const NetworkPath&) override {}  // UDP paths do not close
    void OnUnreachable(const FiveTuple& tuple, Timestamp now) override {
      transport_.OnUnreachable(*this, tuple.remote, now);
    }
    Status Open(const ListenInfo& info, SocketFactory& sockets);
    /// TypeError, naming both addresses: the socket is not of a family that reaches `ip`.
    Status CheckReaches(const IpAddress& ip) const;
    TupleReport Report() const;
    /// The peer is there from now on.
    void SetRemote(const SocketAddress& remote, Timestamp now);

    bool is_rtcp() const { return is_rtcp_; }
    bool open() const { return !points_.empty(); }
    PeerLock& lock() { return lock_; }
    /// Empty until the peer's address is known.
    const NetworkPath& path() const { return path_; }
    void Close() { points_.clear(); }

   private:
    PlainTransport& transport_;
    const bool is_rtcp_;
    std::vector<ListenPoint> points_;  // one, once open
    NetworkPath path_;
    PeerLock lock_;
  };

  PlainTransport(const std::string& id, const PlainTransportOptions& options, Router& router,
                 EngineContext& context);
  Status OpenPorts();
  void LeaveNetwork();

  void OnDatagram(Port& port, const PacketRef& buffer, size_t size, const NetworkPath& from,
                  Timestamp received_at);
  void OnSctp(Port& port, std::span<const uint8_t> packet, const SocketAddress& from,
              Timestamp now);
  // DataLink: from the RTP port.
  void SendSctp(std::span<const uint8_t> packet) override;
  /// Whether a well-formed packet of stream `ssrc` and `size` bytes is the peer's. Makes its sender
  /// the peer where `verdict` says so.
  bool Admit(Port& port, PeerLock::Verdict verdict, Ssrc ssrc, const SocketAddress& from,
             size_t size, Timestamp now);
  /// False when the address makes no sense.
  bool Learn(Port& port, PeerLock::Verdict verdict, const SocketAddress& from, Timestamp now);
  void RefuseSource(const SocketAddress& from);
  void OnPeerPacket(Port& port, size_t size, Timestamp now);
  /// The one whose peer gets RTCP.
  Port& rtcp_port() { return options_.rtcp_mux ? rtp_ : rtcp_; }
  /// Its peer is there, or another one: RTCP is limited where media may not go at all.
  void LimitRtcp(Timestamp now);
  /// What goes to that peer; RTP only where it goes to the same port.
  SendLimit& rtcp_limit() { return options_.rtcp_mux ? path_.limit() : path_.rtcp_limit(); }
  void OnUnreachable(const Port& port, const SocketAddress& to, Timestamp now);
  void OnTick();
  void OnReceiverChanged();
  void LogReceiver(ReceiverLiveness::State state);
  void UpdateSending();
  void ApplyPaths();
  void SetConnected(bool connected);

  Status CheckAddress(const PlainConnectOptions& options);
  Status CheckSrtp(const PlainConnectOptions& options) const;
  Status InstallRemoteKey(const SrtpParameters& parameters);

  EngineContext& context_;
  const PlainTransportOptions options_;
  Port rtp_;
  Port rtcp_;
  TransportCore core_;
  RtpPath path_;
  RtpCore rtp_core_;
  DataCore data_core_;
  std::optional<SrtpMasterKey> local_key_;
  bool connect_called_ = false;
  bool refusal_logged_ = false;
  ReceiverLiveness liveness_;
  std::unique_ptr<Timer> tick_;  // null when liveness is off
  uint64_t sent_at_tick_ = 0;    // bytes of RTP
  PlainCounters plain_counters_;
};

}  // namespace sluice::worker
