#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "common/socket_address.h"
#include "common/status.h"
#include "worker/media/options.h"
#include "worker/media/reports.h"
#include "worker/media/socket_factory.h"

namespace sluice::worker {

/// A socket together with how it was asked for.
struct ListenPoint {
  ListenInfo info;
  std::unique_ptr<ServerSocket> socket;

  /// What peers are told to connect to: the announced address if given, else the bound one.
  std::string PublicAddress() const;
};

/// Opens one socket per ListenInfo, in order; the first failure closes what was opened. With
/// `skip_failed` a failure is logged and left out instead, and only the last one is an error when
/// no socket remains.
Result<std::vector<ListenPoint>> OpenListenPoints(const std::vector<ListenInfo>& infos,
                                                  SocketFactory& sockets, DatagramHandler& handler,
                                                  bool skip_failed = false);

/// TypeError, naming both addresses, when the socket of `point` is not of a family that reaches
/// `ip`. `what` it sends: "RTP".
Status CheckReaches(const ListenPoint& point, const IpAddress& ip, const char* what);

/// Which candidates to make and which protocol to prefer (WebRtcServer transports only).
struct CandidatePolicy {
  bool enable_udp = true;
  bool enable_tcp = true;
  bool prefer_udp = false;
  bool prefer_tcp = false;
};

/// Host candidates of the points, in their order; per point the announced address, then the
/// internal one if it is to be exposed. Priorities: docs/protocols/ice-dtls-srtp.md §2 (RFC 8445
/// §5.1.2.1 with type preference 64, a local preference that falls with the index, component 1).
std::vector<IceCandidateReport> MakeCandidates(std::span<const ListenPoint> points,
                                               const CandidatePolicy& policy);

/// The tuple as clients see it. `points` give the announced address of the local side.
TupleReport MakeTupleReport(const FiveTuple& tuple, std::span<const ListenPoint> points);

}  // namespace sluice::worker
