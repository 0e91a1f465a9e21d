#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "worker/core/packet_writer.h"
#include "worker/io/egress.h"
#include "worker/io/fd_watcher.h"
#include "worker/io/loop.h"
#include "worker/io/udp_backlog.h"

namespace sluice::worker {

/// The PacketWriter of one UDP socket. Owned by UdpSocket.
///
/// Packets stand in the worker's arena until the flush. When the socket is full the rest moves to
/// a backlog, which goes on as soon as the socket is writable again; until then what is committed
/// goes there too.
class UdpWriter final : public PacketWriter, private EgressQueue {
 public:
  /// How long to wait when the queue of the network device is full: no event tells that it has
  /// room again. 125 KB at 1 Gbit/s.
  static constexpr Duration kDeviceRetry = Duration::Millis(1);

  /// `fd`, `watcher` (which must watch for reading), `loop` and `egress` outlive it.
  UdpWriter(Egress& egress, Loop& loop, FdWatcher& watcher, int fd, bool ipv6);
  /// Sends what is queued (a close alert of this turn), drops the backlog.
  ~UdpWriter() override;

  uint8_t* Reserve(size_t size) override;
  void Commit(size_t size, const SocketAddress& to, PacketKind kind) override;

  /// The socket is writable again.
  void OnWritable();
  /// It is to be watched for that.
  bool waits_for_socket() const { return waits_for_socket_; }
  const UdpBacklog& backlog() const { return backlog_; }

 private:
  void FlushQueue() override;
  void SendBacklog();
  void WaitForRoom();

  Egress& egress_;
  Loop& loop_;
  FdWatcher& watcher_;
  SendTarget target_;
  Egress::Slot reserved_;
  std::vector<QueuedDatagram> queue_;  // point into the arena
  UdpBacklog backlog_;
  bool waits_for_socket_ = false;
  std::unique_ptr<Timer> device_timer_;  // made when a device is full for the first time
};

}  // namespace sluice::worker
