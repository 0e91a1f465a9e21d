#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "common/socket_address.h"
#include "common/status.h"
#include "worker/media/engine_context.h"
#include "worker/media/ice_candidates.h"
#include "worker/media/socket_factory.h"
#include "worker/media/transport_traffic.h"

namespace sluice::worker {

class WebRtcTransport;

/// One set of UDP and TCP ports for all WebRtcTransports that use it
/// (docs/protocols/ice-dtls-srtp.md §1).
///
/// A datagram goes to the transport that owns its full 5-tuple; STUN from an unknown tuple to the
/// transport whose ufrag its USERNAME begins with; anything else is counted and dropped. It keeps
/// nothing about sources that no transport has authenticated.
///
/// Owned by the engine; its transports register themselves and leave before it dies.
class WebRtcServer final : public DatagramHandler {
 public:
  using Counters = WebRtcServerCounters;

  /// Opens every listen info; TypeError for none or a bad one, Error when a port cannot be had.
  static Result<std::unique_ptr<WebRtcServer>> Create(std::string id,
                                                      const std::vector<ListenInfo>& infos,
                                                      EngineContext& context);
  ~WebRtcServer() override;

  const std::string& id() const { return id_; }
  std::span<const ListenPoint> listen_points() const { return points_; }
  std::vector<WebRtcTransport*> transports() const;
  bool empty() const { return members_.empty(); }
  /// Whether a port of this server is one that a socket for `info` needs or may choose, and so
  /// stands in its way. `worker_range`: for an `info` that names neither a port nor a range.
  bool HoldsPortFor(const ListenInfo& info, PortRange worker_range) const;
  const Counters& counters() const { return counters_; }
  WebRtcServerDump Dump() const;

  // Called by its transports.
  void AddTransport(WebRtcTransport& transport);
  /// Forgets its ufrags and tuples, too.
  void RemoveTransport(WebRtcTransport& transport);
  /// The transport is closing: what comes is for others from here on, though it may still say
  /// goodbye. TCP connections stay its own, as it has to hear of their end.
  void Silence(WebRtcTransport& transport);
  void AddUfrag(const std::string& username_fragment, WebRtcTransport& transport);
  void RemoveUfrag(const std::string& username_fragment);
  void AddTuple(const FiveTuple& tuple, WebRtcTransport& transport);
  void RemoveTuple(const FiveTuple& tuple, WebRtcTransport& transport);

  // DatagramHandler
  void OnDatagram(PacketRef buffer, size_t size, const NetworkPath& from,
                  Timestamp received_at) override;
  void OnVideoDropped(const NetworkPath& path, std::span<const Ssrc> ssrcs) override;
  void OnPathClosed(const NetworkPath& path) override;

 private:
  /// What one transport has here.
  struct Member {
    uint64_t serial = 0;  ///< in the order of registration
    std::vector<FiveTuple> tuples;
    std::vector<std::string> ufrags;
  };

  explicit WebRtcServer(std::string id) : id_(std::move(id)) {}
  WebRtcTransport* FindByUfrag(std::span<const uint8_t> datagram) const;

  const std::string id_;
  absl::flat_hash_map<WebRtcTransport*, Member> members_;
  uint64_t next_serial_ = 0;
  absl::flat_hash_map<FiveTuple, WebRtcTransport*> tuples_;
  absl::flat_hash_map<std::string, WebRtcTransport*> ufrags_;
  Counters counters_;
  std::vector<ListenPoint> points_;  // last: sockets close first
};

}  // namespace sluice::worker
