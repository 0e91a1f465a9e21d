#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "tests/sim/network/link_model.h"
#include "tests/sim/virtual_environment.h"
#include "worker/core/packet_buffer.h"
#include "worker/media/socket_factory.h"

namespace sluice::worker {

/// What happens to datagrams from one address to another.
struct LinkConditions {
  double loss = 0;       ///< probability, 0…1
  double duplicate = 0;  ///< probability that a second copy arrives
  Duration delay = Duration::Zero();
  Duration jitter = Duration::Zero();  ///< uniform 0…jitter on top of delay
  bool reorder = true;                 ///< jitter may let datagrams overtake; else it queues them
  DataRate bandwidth;                  ///< a bottleneck, UDP only; zero: none
  Duration queue = Duration::Infinite();  ///< what would wait longer in front of it is lost
};

struct LinkStats {
  uint64_t sent = 0;
  uint64_t lost = 0;
  uint64_t duplicated = 0;
  uint64_t delivered = 0;
  uint64_t undeliverable = 0;  ///< nobody listened, or the connection was gone
};

/// A network in virtual time: the SocketFactory of a test, the writers of its sockets, and links
/// between addresses. Deterministic by the environment's seed.
///
/// As in `io/`, what is committed leaves at the end of the turn, and bytes may still be written
/// until then. Outlives its sockets; the environment must not run on after it is gone.
class SimulatedLinks final : public SocketFactory {
 public:
  SimulatedLinks(VirtualEnvironment& environment, PacketBufferPool& buffers);
  ~SimulatedLinks() override;

  Result<std::unique_ptr<ServerSocket>> Open(const ListenInfo& info,
                                             DatagramHandler& handler) override;

  /// A TCP connection from `from` to a listener. Destroying it closes it. Both handlers hear
  /// OnPathClosed when the other side closes. Null when nobody listens there.
  class TcpConnection {
   public:
    virtual ~TcpConnection() = default;
    virtual PacketWriter* writer() = 0;
    virtual const SocketAddress& local_address() const = 0;
  };
  std::unique_ptr<TcpConnection> ConnectTcp(const SocketAddress& from, const SocketAddress& to,
                                            DatagramHandler& handler);

  /// For every pair without conditions of its own.
  void SetConditions(const LinkConditions& conditions) { default_conditions_ = conditions; }
  /// One direction, from one IP address to another.
  void SetConditions(const IpAddress& from, const IpAddress& to, const LinkConditions& conditions);
  /// The same direction, UDP only, by a model in place of conditions; null: these again. Several
  /// directions may share a model.
  void SetModel(const IpAddress& from, const IpAddress& to, std::shared_ptr<LinkModel> model);

  /// What a datagram that is sent now would wait for the bottleneck between the two.
  Duration QueueOf(const IpAddress& from, const IpAddress& to) const;

  /// Tells the end of the connection at `local` to `remote` that it was too slow, and that frames
  /// of `ssrc` were dropped.
  void ReportVideoDropped(const IpAddress& local, const SocketAddress& remote, Ssrc ssrc);

  /// From now on datagrams have waited so long in a receiver's socket when they are read: its turns
  /// are late.
  void SetReadDelay(Duration delay) { read_delay_ = delay; }

  const LinkStats& stats() const { return stats_; }

 private:
  class Writer;
  class UdpSocket;
  class TcpListener;
  class TcpEnd;
  struct Outgoing {
    std::unique_ptr<uint8_t[]> bytes;
    size_t size = 0;
    SocketAddress to;
  };
  using Endpoint = std::pair<TransportProtocol, SocketAddress>;

  const LinkConditions& ConditionsOf(const IpAddress& from, const IpAddress& to) const;
  bool Happens(double probability);
  Duration DelayOf(const LinkConditions& conditions);
  std::optional<Timestamp> PassBottleneck(const LinkConditions& link, const SocketAddress& from,
                                          const Outgoing& datagram);
  Result<uint16_t> ChoosePort(TransportProtocol protocol, const IpAddress& ip,
                              const ListenInfo& info);
  void Flush();
  void SendUdp(const SocketAddress& from, const Outgoing& datagram);
  void SendByModel(LinkModel& model, const SocketAddress& from, const Outgoing& datagram);
  void DeliverUdp(const SocketAddress& from, const SocketAddress& to,
                  const std::vector<uint8_t>& bytes);
  UdpSocket* FindUdp(const SocketAddress& address) const;

  VirtualEnvironment& environment_;
  PacketBufferPool& buffers_;
  LinkConditions default_conditions_;
  std::map<std::pair<IpAddress, IpAddress>, LinkConditions> conditions_;
  std::map<std::pair<IpAddress, IpAddress>, std::shared_ptr<LinkModel>> models_;
  std::map<Endpoint, ServerSocket*> listening_;
  std::map<std::pair<SocketAddress, SocketAddress>, Timestamp> last_arrival_;  // where no reorder
  std::map<std::pair<IpAddress, IpAddress>, Timestamp> bottleneck_free_at_;
  std::map<uint64_t, TcpEnd*> tcp_ends_;  // by id: an event may find that its end is gone
  uint64_t next_tcp_id_ = 1;
  std::vector<Writer*> writers_;  // in the order in which they were made
  uint16_t next_port_ = 40'000;
  Duration read_delay_;
  LinkStats stats_;
};

}  // namespace sluice::worker
