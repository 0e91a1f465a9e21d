#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/status.h"
#include "worker/media/data_core.h"
#include "worker/media/engine_context.h"
#include "worker/media/ice_candidates.h"
#include "worker/media/options.h"
#include "worker/media/reports.h"
#include "worker/media/rtp_core.h"
#include "worker/media/rtp_path.h"
#include "worker/media/socket_factory.h"
#include "worker/media/srtp_key.h"
#include "worker/media/transport.h"
#include "worker/media/transport_core.h"

namespace sluice::worker {

/// Media and data between two routers, in two workers or two machines
/// (docs/protocols/router-protocol.md §7): RTP, RTCP and SCTP over one UDP port, optionally SRTP
/// (AEAD_AES_256_GCM) with keys given in connect. Its consumers are usually of type pipe and carry
/// every encoding of their producer.
///
/// The peer is a worker like this one, at the address that Connect() names; what comes from
/// elsewhere is dropped, counted, and logged once.
class PipeTransport final : public Transport, private DatagramHandler, private DataLink {
 public:
  static constexpr SrtpProfile kSrtpProfile = SrtpProfile::kAeadAes256Gcm;
  /// TypeError: protocol not UDP, bad ip. Error: the port cannot be had.
  static Result<std::unique_ptr<PipeTransport>> Create(const std::string& id,
                                                       const PipeTransportOptions& options,
                                                       Router& router, EngineContext& context);
  ~PipeTransport() override;

  const std::string& id() const { return core_.id(); }
  TransportCore& core() override { return core_; }
  RtpCore& rtp() override { return rtp_core_; }
  DataCore& data() override { return data_core_; }
  void Seal() override;

  /// A call that fails changes nothing. Error when it was called before; TypeErrors name the field.
  Result<PipeConnectReport> Connect(const PipeConnectOptions& options);

  void AddTo(EngineCounters* counters, ObjectCounts* alive) const override;
  PipeTransportDump Dump() const;
  PipeTransportStats GetStats(Timestamp now);

 private:
  PipeTransport(const std::string& id, const PipeTransportOptions& options, Router& router,
                EngineContext& context);
  Status Open();
  Result<SocketAddress> CheckAddress(const PipeConnectOptions& options) const;
  Status InstallSrtp(const PipeConnectOptions& options);
  void ApplyPath();
  TupleReport Tuple() const { return MakeTupleReport(network_path_.tuple, points_); }

  // DatagramHandler
  void OnDatagram(PacketRef buffer, size_t size, const NetworkPath& from,
                  Timestamp received_at) override;
  void OnPathClosed(const NetworkPath&) override {}  // UDP paths do not close
  // DataLink
  void SendSctp(std::span<const uint8_t> packet) override;
  void LeaveNetwork();

  EngineContext& context_;
  const PipeTransportOptions options_;
  std::vector<ListenPoint> points_;  // one, once open
  NetworkPath network_path_;         // without a writer until connect
  TransportCore core_;
  RtpPath path_;
  RtpCore rtp_core_;
  DataCore data_core_;
  std::optional<SrtpMasterKey> local_key_;
  bool connected_ = false;
  bool refusal_logged_ = false;
};

}  // namespace sluice::worker
