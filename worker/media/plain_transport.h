#pragma once

#include <memory>
#include <optional>
#include <string>

#include "common/status.h"
#include "worker/media/engine_context.h"
#include "worker/media/ice_candidates.h"
#include "worker/media/rtp_core.h"
#include "worker/media/rtp_path.h"
#include "worker/media/socket_factory.h"
#include "worker/media/srtp_key.h"
#include "worker/media/transport.h"
#include "worker/media/transport_core.h"

namespace sluice::worker {

/// RTP over UDP without ICE, for ffmpeg, GStreamer and recorders (router-protocol §5.6): one
/// socket, or two without rtcp-mux; optionally SRTP with keys given in connect.
///
/// The peer's address comes from Connect(), or, with comedia, from the first well-formed packet
/// (with SRTP: the first that authenticates); RTP and RTCP addresses are learned apart. Whatever
/// comes from elsewhere afterwards is dropped.
class PlainTransport final : public Transport {
 public:
  /// TypeError: protocol not UDP, bad ip, SRTP without suite. Error: a port cannot be had.
  static Result<std::unique_ptr<PlainTransport>> Create(const std::string& id,
                                                        const PlainTransportOptions& options,
                                                        Router& router, EngineContext& context);
  ~PlainTransport() override;

  const std::string& id() const { return core_.id(); }
  TransportCore& core() override { return core_; }
  RtpCore& rtp() override { return rtp_core_; }

  /// Rules: table of §5.6. A call that fails changes nothing.
  Result<PlainConnectReport> Connect(const PlainConnectOptions& options);

  void AddTo(EngineCounters* counters, ObjectCounts* alive) const override;
  PlainTransportDump Dump() const;
  PlainTransportStats GetStats(Timestamp now);

 private:
  /// One of the two sockets; with rtcp-mux only the first exists.
  class Port final : public DatagramHandler {
   public:
    Port(PlainTransport& transport, bool is_rtcp) : transport_(transport), is_rtcp_(is_rtcp) {}
    void OnDatagram(PacketRef buffer, size_t size, const NetworkPath& from,
                    Timestamp received_at) override {
      transport_.OnDatagram(*this, buffer, size, from, received_at);
    }
    void OnPathClosed(const NetworkPath&) override {}  // UDP paths do not close
    Status Open(const ListenInfo& info, SocketFactory& sockets);
    /// TypeError, naming both addresses: the socket is not of a family that reaches `ip`.
    Status CheckReaches(const IpAddress& ip) const;
    TupleReport Report() const;
    void SetRemote(const SocketAddress& remote);

    bool is_rtcp() const { return is_rtcp_; }
    bool open() const { return !points_.empty(); }
    /// Empty until the peer's address is known.
    const NetworkPath& path() const { return path_; }
    void Close() { points_.clear(); }

   private:
    PlainTransport& transport_;
    const bool is_rtcp_;
    bool ipv6_only_ = false;
    std::vector<ListenPoint> points_;  // one, once open
    NetworkPath path_;
  };

  PlainTransport(const std::string& id, const PlainTransportOptions& options, Router& router,
                 EngineContext& context);
  Status OpenPorts();

  void OnDatagram(Port& port, const PacketRef& buffer, size_t size, const NetworkPath& from,
                  Timestamp received_at);
  bool MayComeFrom(const Port& port, const NetworkPath& from);
  void Learn(Port& port, const NetworkPath& from);
  void ApplyPaths();
  void SetConnected(bool connected);

  Status CheckAddress(const PlainConnectOptions& options) const;
  Status CheckSrtp(const PlainConnectOptions& options) const;
  Status InstallRemoteKey(const SrtpParameters& parameters);

  EngineContext& context_;
  const PlainTransportOptions options_;
  Port rtp_;
  Port rtcp_;
  TransportCore core_;
  RtpPath path_;
  RtpCore rtp_core_;
  std::optional<SrtpMasterKey> local_key_;
  bool connect_called_ = false;
};

}  // namespace sluice::worker
