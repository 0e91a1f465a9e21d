#pragma once

#include <memory>

#include "absl/container/flat_hash_map.h"
#include "worker/io/port_allocator.h"
#include "worker/io/tcp_connection.h"

namespace sluice::worker {

/// Accepts connections on one port and hands their packets to the handler.
///
/// Who a connection belongs to is known only above `io/`, so strangers are held in check by what
/// they send: one that has not sent a whole packet is closed after kFirstPacketTimeout, one that
/// leaves a packet unfinished after kPartialPacketTimeout, and at most kMaxSilent of them are
/// held at a time (the oldest goes first).
class TcpListener final : public ServerSocket, private FdListener, private TcpConnection::Owner {
 public:
  static constexpr size_t kMaxConnections = 8192;  // far over what one core can serve
  static constexpr size_t kMaxSilent = 512;        // as many as the kernel's backlog
  static constexpr Duration kFirstPacketTimeout = Duration::Seconds(10);
  static constexpr Duration kPartialPacketTimeout = Duration::Seconds(10);
  /// A live ICE connection carries a consent check every 5 s (RFC 7675 §5.1).
  static constexpr Duration kIdleTimeout = Duration::Seconds(60);
  static constexpr Duration kSweepInterval = Duration::Seconds(5);
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
  /// False when the listener is gone.
  bool Accept(Fd fd, const SocketAddress& remote);
  bool Close(TcpConnection& connection);
  bool MakeRoom();
  void PauseAccepting();

  TcpContext& context_;
  DatagramHandler& handler_;
  BoundSocket socket_;
  std::unique_ptr<FdWatcher> watcher_;
  std::unique_ptr<Timer> sweep_timer_;
  std::unique_ptr<Timer> accept_timer_;
  absl::flat_hash_map<SocketAddress, std::unique_ptr<TcpConnection>> connections_;
  bool* destroyed_ = nullptr;
};

}  // namespace sluice::worker
