#pragma once

#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "worker/io/port_allocator.h"
#include "worker/io/tcp_connection.h"

namespace sluice::worker {

/// Accepts connections on one port and hands their packets to the handler.
///
/// Anybody can open connections, so those that are not authenticated (no transport has validated a
/// connectivity check on them, PacketWriter::OnPeerAuthenticated) are few and short-lived, whatever
/// they send: kMaxStrangersPerNetwork of one address, kMaxStrangers in all, the oldest going first,
/// and kAuthenticationTimeout each. One that leaves a packet unfinished is closed after
/// kPartialPacketTimeout, authenticated or not.
class TcpListener final : public ServerSocket, private FdListener, private TcpConnection::Owner {
 public:
  static constexpr size_t kMaxConnections = 8192;  // far over what one core can serve
  static constexpr size_t kMaxStrangers = 512;     // as many as the kernel's backlog
  /// Of one IPv4 address or one /64 of IPv6, which is what a host can choose from. An office of 64
  /// behind one address can join in the same instant.
  static constexpr size_t kMaxStrangersPerNetwork = 64;
  /// An honest client sends its first check as soon as it is connected.
  static constexpr Duration kAuthenticationTimeout = Duration::Seconds(5);
  static constexpr Duration kPartialPacketTimeout = Duration::Seconds(10);
  /// A live ICE connection carries a consent check every 5 s (RFC 7675 §5.1).
  static constexpr Duration kIdleTimeout = Duration::Seconds(60);
  static constexpr Duration kSweepInterval = Duration::Seconds(1);
  /// How often key frames are asked for because of what one connection dropped.
  static constexpr Duration kDropReportInterval = Duration::Seconds(1);
  /// Connections accepted in one turn.
  static constexpr int kMaxAcceptsPerTurn = 64;
  /// Pause when descriptors have run out, instead of being woken at once again.
  static constexpr Duration kAcceptRetry = Duration::Millis(100);

  static Result<std::unique_ptr<TcpListener>> Create(TcpContext& context, BoundSocket socket,
                                                     DatagramHandler& handler);
  /// Closes all connections; the handler hears nothing any more.
  ~TcpListener() override;

  const SocketAddress& local_address() const override { return socket_.address; }
  TransportProtocol protocol() const override { return TransportProtocol::kTcp; }
  PacketWriter* writer() override { return nullptr; }

  size_t connection_count() const { return connections_.size(); }
  /// Closes what has been silent for too long; the sweep timer calls it.
  void CloseIdle(Timestamp now);

 private:
  TcpListener(TcpContext& context, BoundSocket socket, DatagramHandler& handler);
  void OnReadable() override;
  void OnPollError() override;
  void OnConnectionClosed(TcpConnection& connection) override;
  void OnConnectionDroppedVideo(TcpConnection& connection) override;
  /// False when the listener is gone.
  bool Accept(Fd fd, const SocketAddress& remote);
  bool Close(TcpConnection& connection);
  /// For one more connection from `remote`. False when the listener is gone.
  bool MakeRoom(const SocketAddress& remote);
  void ReportDrops(Timestamp now);
  void PauseAccepting();

  TcpContext& context_;
  DatagramHandler& handler_;
  BoundSocket socket_;
  std::unique_ptr<FdWatcher> watcher_;
  std::unique_ptr<Timer> sweep_timer_;
  std::unique_ptr<Timer> accept_timer_;
  absl::flat_hash_map<SocketAddress, std::unique_ptr<TcpConnection>> connections_;
  /// Not authenticated when the last one was accepted; the oldest first.
  std::vector<TcpConnection*> strangers_;
  absl::flat_hash_map<SocketAddress, Timestamp> dropped_video_;  // and when it may be reported
  std::unique_ptr<Timer> drop_timer_;
  bool* destroyed_ = nullptr;
};

}  // namespace sluice::worker
