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
/// they send; how many of them, and of all, TcpLimits says: counted over all listeners of the
/// worker, and by network (TcpCensus), and how long a stranger has, and one on which no check is
/// valid any more, whatever else it carries. One that leaves a packet unfinished is closed after
/// kPartialPacketTimeout.
class TcpListener final : public ServerSocket, private FdListener, private TcpConnection::Owner {
 public:
  static constexpr Duration kPartialPacketTimeout = Duration::Seconds(10);
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
  enum class Room : uint8_t { kThere, kNone, kListenerGone };
  /// For one more connection from `remote`.
  Room MakeRoom(const SocketAddress& remote);
  void ReportDrops(Timestamp now);
  void PauseAccepting();

  TcpContext& context_;
  DatagramHandler& handler_;
  BoundSocket socket_;
  std::unique_ptr<FdWatcher> watcher_;
  std::unique_ptr<Timer> sweep_timer_;
  std::unique_ptr<Timer> accept_timer_;
  absl::flat_hash_map<SocketAddress, std::unique_ptr<TcpConnection>> connections_;
  absl::flat_hash_map<SocketAddress, Timestamp> dropped_video_;  // and when it may be reported
  std::unique_ptr<Timer> drop_timer_;
  bool* destroyed_ = nullptr;
};

}  // namespace sluice::worker
