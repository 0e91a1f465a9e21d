#include "worker/media/webrtc_server.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/strings/string_view.h"
#include "common/log.h"
#include "worker/media/datagram_kind.h"
#include "worker/media/transport_core.h"
#include "worker/media/webrtc_transport.h"
#include "worker/wire/stun.h"

namespace sluice::worker {

namespace {

/// The ports that a socket for `info` may get, by the order of PortAllocator::Open.
PortRange PortsOf(const ListenInfo& info, PortRange worker_range) {
  constexpr PortRange kAny{0, 65'535};
  if (info.port_min != 0 && info.port_max != 0) return {info.port_min, info.port_max};
  if (info.port != 0) return {info.port, info.port};
  return worker_range.max != 0 ? worker_range : kAny;
}

/// A socket on :: takes IPv4 as well, unless told otherwise (RFC 3493 section 5.3).
bool TakesIpv4(const IpAddress& ip, const ListenInfo& info) {
  return ip.is_v4() || (ip.is_unspecified() && !info.ipv6_only);
}

/// Whether two sockets on one port exclude each other, by where they listen.
bool Overlap(const IpAddress& a, const ListenInfo& a_info, const IpAddress& b,
             const ListenInfo& b_info) {
  if (a.family() != b.family()) return TakesIpv4(a, a_info) && TakesIpv4(b, b_info);
  return a == b || a.is_unspecified() || b.is_unspecified();
}

}  // namespace

Result<std::unique_ptr<WebRtcServer>> WebRtcServer::Create(std::string id,
                                                           const std::vector<ListenInfo>& infos,
                                                           EngineContext& context) {
  if (infos.empty()) return TypeError("listenInfos is empty; give at least one address");
  std::unique_ptr<WebRtcServer> server(new WebRtcServer(std::move(id)));
  Result<std::vector<ListenPoint>> points = OpenListenPoints(infos, context.sockets, *server);
  if (!points.ok()) return points.status();
  server->points_ = *std::move(points);
  return server;
}

WebRtcServer::~WebRtcServer() = default;

bool WebRtcServer::HoldsPortFor(const ListenInfo& info, PortRange worker_range) const {
  const std::optional<IpAddress> ip = IpAddress::Parse(info.ip);
  if (!ip) return false;
  const PortRange wanted = PortsOf(info, worker_range);
  return std::any_of(points_.begin(), points_.end(), [&](const ListenPoint& point) {
    const SocketAddress& held = point.socket->local_address();
    return point.socket->protocol() == info.protocol && held.port >= wanted.min &&
           held.port <= wanted.max && Overlap(*ip, info, held.ip, point.info);
  });
}

// ---- Registration -----------------------------------------------------------------------------

std::vector<WebRtcTransport*> WebRtcServer::transports() const {
  std::vector<std::pair<uint64_t, WebRtcTransport*>> sorted;
  sorted.reserve(members_.size());
  for (const auto& [transport, member] : members_) sorted.emplace_back(member.serial, transport);
  std::sort(sorted.begin(), sorted.end());
  std::vector<WebRtcTransport*> transports;
  transports.reserve(sorted.size());
  for (const auto& [serial, transport] : sorted) transports.push_back(transport);
  return transports;
}

void WebRtcServer::AddTransport(WebRtcTransport& transport) {
  members_[&transport].serial = next_serial_++;
}

void WebRtcServer::RemoveTransport(WebRtcTransport& transport) {
  const auto member = members_.find(&transport);
  if (member == members_.end()) return;
  for (const std::string& ufrag : member->second.ufrags) ufrags_.erase(ufrag);
  for (const FiveTuple& tuple : member->second.tuples) tuples_.erase(tuple);
  members_.erase(member);
}

void WebRtcServer::Silence(WebRtcTransport& transport) {
  const auto found = members_.find(&transport);
  if (found == members_.end()) return;
  Member& member = found->second;
  for (const std::string& ufrag : member.ufrags) ufrags_.erase(ufrag);
  member.ufrags.clear();
  std::erase_if(member.tuples, [this](const FiveTuple& tuple) {
    if (tuple.protocol == TransportProtocol::kTcp) return false;
    tuples_.erase(tuple);
    return true;
  });
}

void WebRtcServer::AddUfrag(const std::string& username_fragment, WebRtcTransport& transport) {
  const auto [it, added] = ufrags_.try_emplace(username_fragment, &transport);
  if (!added) {
    if (it->second == &transport) return;
    std::erase(members_[it->second].ufrags, username_fragment);  // chance: 60 bits at least
    it->second = &transport;
  }
  members_[&transport].ufrags.push_back(username_fragment);
}

void WebRtcServer::RemoveUfrag(const std::string& username_fragment) {
  const auto it = ufrags_.find(username_fragment);
  if (it == ufrags_.end()) return;
  std::erase(members_[it->second].ufrags, username_fragment);
  ufrags_.erase(it);
}

void WebRtcServer::AddTuple(const FiveTuple& tuple, WebRtcTransport& transport) {
  const auto [it, added] = tuples_.try_emplace(tuple, &transport);
  if (added) {
    members_[&transport].tuples.push_back(tuple);
  } else if (it->second != &transport) {
    // The first owner stays: the demultiplexer never gives a known tuple to another transport.
    ++counters_.tuple_conflicts;
  }
}

void WebRtcServer::RemoveTuple(const FiveTuple& tuple, WebRtcTransport& transport) {
  const auto it = tuples_.find(tuple);
  if (it == tuples_.end() || it->second != &transport) return;
  std::erase(members_[&transport].tuples, tuple);
  tuples_.erase(it);
}

// ---- Demultiplexing ---------------------------------------------------------------------------

void WebRtcServer::OnDatagram(PacketRef buffer, size_t size, const NetworkPath& from,
                              Timestamp received_at) {
  const auto known = tuples_.find(from.tuple);
  if (known != tuples_.end()) {
    known->second->OnDatagram(std::move(buffer), size, from, received_at);
    return;
  }
  const std::span<const uint8_t> datagram(buffer.data(), size);
  if (ClassifyDatagram(datagram) != DatagramKind::kStun) {
    ++counters_.unknown_tuple;
    return;
  }
  WebRtcTransport* transport = FindByUfrag(datagram);
  if (transport == nullptr) {
    ++counters_.unknown_ufrag;
    SLUICE_DEBUG(kIce, "server {}: STUN from {} for no transport of ours", id_,
                 from.tuple.remote.ToString());
    return;
  }
  transport->OnDatagram(std::move(buffer), size, from, received_at);
}

WebRtcTransport* WebRtcServer::FindByUfrag(std::span<const uint8_t> datagram) const {
  const std::optional<StunMessage> message = StunMessage::Parse(datagram);
  if (!message || !message->username()) return nullptr;
  const std::string_view username = *message->username();
  const std::string_view ufrag = username.substr(0, username.find(':'));
  const auto it = ufrags_.find(absl::string_view(ufrag.data(), ufrag.size()));
  return it == ufrags_.end() ? nullptr : it->second;
}

void WebRtcServer::OnVideoDropped(const NetworkPath& path, std::span<const Ssrc> ssrcs) {
  const auto known = tuples_.find(path.tuple);
  if (known != tuples_.end()) known->second->OnVideoDropped(path, ssrcs);
}

void WebRtcServer::OnPathClosed(const NetworkPath& path) {
  const auto known = tuples_.find(path.tuple);
  if (known != tuples_.end()) known->second->OnPathClosed(path);
}

WebRtcServerDump WebRtcServer::Dump() const {
  WebRtcServerDump dump;
  dump.id = id_;
  for (const ListenPoint& point : points_) {
    const bool udp = point.socket->protocol() == TransportProtocol::kUdp;
    (udp ? dump.udp_sockets : dump.tcp_servers).push_back(point.socket->local_address());
  }
  for (const WebRtcTransport* transport : transports()) {
    if (transport->sealed()) continue;
    dump.transport_ids.push_back(transport->id());
  }
  for (const auto& [ufrag, transport] : ufrags_) {
    dump.local_ice_ufrags.emplace_back(ufrag, transport->id());
  }
  return dump;
}

}  // namespace sluice::worker
