#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "worker/core/packet_writer.h"
#include "worker/io/egress.h"
#include "worker/io/fd_watcher.h"

namespace sluice::worker {

/// The PacketWriter of one UDP socket. Owned by UdpSocket.
///
/// Packets stand in the worker's arena until the flush. When the socket is full the rest moves to
/// a backlog, which goes first as soon as the socket is writable again. Release times are not kept
/// here: every packet leaves with its turn, the pacer holds back what is not due.
class UdpWriter final : public PacketWriter, private EgressQueue {
 public:
  /// Bytes of the backlog. 80 ms at 100 Mbit/s: what waits longer is of no use to a call.
  static constexpr size_t kMaxBacklog = size_t{1} << 20;
  /// What a packet in the backlog costs beside its bytes: bounds the number of tiny ones.
  static constexpr size_t kBacklogOverhead = 64;

  /// `fd`, `watcher` (which must watch for reading) and `egress` outlive it.
  UdpWriter(Egress& egress, FdWatcher& watcher, int fd, bool ipv6);
  /// Sends what is queued (a close alert of this turn), drops the backlog.
  ~UdpWriter() override;

  uint8_t* Reserve(size_t size) override;
  void Commit(size_t size, const SocketAddress& to, Timestamp release_at = {}) override;

  /// The socket is writable again.
  void OnWritable();
  size_t backlog_bytes() const { return backlog_bytes_; }

 private:
  /// What one flush left over.
  struct Leftover {
    std::vector<uint8_t> bytes;
    std::vector<QueuedDatagram> datagrams;  // point into `bytes`
    size_t sent = 0;
  };

  void FlushQueue() override;
  bool SendBacklog();
  void KeepBacklog(std::span<const QueuedDatagram> rest);

  Egress& egress_;
  FdWatcher& watcher_;
  SendTarget target_;
  uint8_t* reserved_ = nullptr;
  std::vector<QueuedDatagram> queue_;  // point into the arena
  std::deque<Leftover> backlog_;
  size_t backlog_bytes_ = 0;
};

}  // namespace sluice::worker
