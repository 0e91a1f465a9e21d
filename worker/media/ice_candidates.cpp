#include "worker/media/ice_candidates.h"

#include <cstdint>
#include <utility>

#include "common/log.h"

namespace sluice::worker {
namespace {

// docs/protocols/ice-dtls-srtp.md §2.
constexpr uint32_t kTypePreference = 64;
constexpr uint32_t kLocalPreference = 10'000;
constexpr uint32_t kLocalPreferenceStep = 100;      // lower by this for each further listenInfo
constexpr uint32_t kPreferredProtocolBonus = 1000;  // local preference
constexpr uint32_t kInternalPenalty = 1000;         // off the finished priority
constexpr uint32_t kComponentId = 1;                // RTP and RTCP share it
/// Listen infos past this index share the lowest local preference.
constexpr size_t kDistinctPreferences = kLocalPreference / kLocalPreferenceStep;

uint32_t Priority(size_t index, bool preferred) {
  const auto steps = static_cast<uint32_t>(std::min(index, kDistinctPreferences));
  uint32_t local = kLocalPreference - kLocalPreferenceStep * steps;
  if (preferred) local += kPreferredProtocolBonus;
  return (kTypePreference << 24) + (local << 8) + (256 - kComponentId);
}

}  // namespace

std::string ListenPoint::PublicAddress() const {
  if (!info.announced_address.empty()) return info.announced_address;
  return socket->local_address().ip.ToString();
}

Result<std::vector<ListenPoint>> OpenListenPoints(const std::vector<ListenInfo>& infos,
                                                  SocketFactory& sockets, DatagramHandler& handler,
                                                  bool skip_failed) {
  std::vector<ListenPoint> points;
  points.reserve(infos.size());
  Status failure;
  for (const ListenInfo& info : infos) {
    Result<std::unique_ptr<ServerSocket>> socket = sockets.Open(info, handler);
    if (socket.ok()) {
      points.push_back({info, *std::move(socket)});
      continue;
    }
    failure = socket.status();
    if (!skip_failed) return failure;
    SLUICE_ERROR("a candidate is left out: {}", std::string(failure.message()));
  }
  if (points.empty() && !failure.ok()) return failure;
  return points;
}

Status CheckReaches(const ListenPoint& point, const IpAddress& ip, const char* what) {
  const SocketAddress& local = point.socket->local_address();
  const auto name = [](const IpAddress& address) { return address.is_v6() ? "IPv6" : "IPv4"; };
  // A socket on :: sends to IPv4 as well, under mapped addresses (RFC 3493 section 3.7).
  const bool dual = local.ip.is_v6() && local.ip.is_unspecified() && !point.info.ipv6_only;
  if (dual || local.ip.family() == ip.family()) return absl::OkStatus();
  return TypeError(fmt::format(
      "ip '{}' is an {} address, but this transport sends {} from {} ({}); give an {} address, or "
      "create the transport with an {} listenInfo",
      ip.ToString(), name(ip), what, local.ToString(), name(local.ip), name(local.ip), name(ip)));
}

std::vector<IceCandidateReport> MakeCandidates(std::span<const ListenPoint> points,
                                               const CandidatePolicy& policy) {
  std::vector<IceCandidateReport> candidates;
  for (size_t i = 0; i < points.size(); ++i) {
    const ListenPoint& point = points[i];
    const TransportProtocol protocol = point.socket->protocol();
    const bool udp = protocol == TransportProtocol::kUdp;
    if (udp ? !policy.enable_udp : !policy.enable_tcp) continue;

    IceCandidateReport candidate;
    candidate.foundation = udp ? "udpcandidate" : "tcpcandidate";
    candidate.priority = Priority(i, udp ? policy.prefer_udp : policy.prefer_tcp);
    candidate.address = point.PublicAddress();
    candidate.protocol = protocol;
    candidate.port = point.socket->local_address().port;
    candidate.is_ipv6 = !point.socket->local_address().ip.is_v4();
    candidates.push_back(candidate);
    if (point.info.announced_address.empty() || !point.info.expose_internal_ip) continue;
    candidate.priority -= kInternalPenalty;
    candidate.address = point.socket->local_address().ip.ToString();
    candidates.push_back(std::move(candidate));
  }
  return candidates;
}

TupleReport MakeTupleReport(const FiveTuple& tuple, std::span<const ListenPoint> points) {
  TupleReport report;
  report.local_address = tuple.local.ip.ToString();
  report.local_port = tuple.local.port;
  report.protocol = tuple.protocol;
  if (!tuple.remote.ip.is_unspecified()) {
    report.remote_ip = tuple.remote.ip.ToString();
    report.remote_port = tuple.remote.port;
  }
  for (const ListenPoint& point : points) {
    // A socket bound to any address may report the address a packet came to; the port tells.
    if (point.socket->protocol() != tuple.protocol) continue;
    const SocketAddress& bound = point.socket->local_address();
    if (bound.port != tuple.local.port) continue;
    if (bound.ip != tuple.local.ip && !bound.ip.is_unspecified()) continue;
    report.local_address = point.PublicAddress();
    break;
  }
  return report;
}

}  // namespace sluice::worker
