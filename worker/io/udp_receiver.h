#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <time.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include "common/socket_address.h"
#include "common/units.h"
#include "worker/core/packet_buffer.h"
#include "worker/io/clock.h"
#include "worker/io/loop.h"

namespace sluice::worker {

/// What came in over all UDP sockets of the worker.
struct ReceiveStats {
  uint64_t packets = 0;
  uint64_t bytes = 0;
  uint64_t system_calls = 0;
  uint64_t big_datagrams = 0;  ///< over PacketBuffer::kPooledCapacity
  uint64_t truncated = 0;      ///< dropped: longer than any datagram can be
  uint64_t errors = 0;         ///< recvmmsg failed other than with EAGAIN
  /// Datagrams that the kernel dropped, the receive buffer being full. Told with the next one that
  /// is received (SO_RXQ_OVFL), so the last ones of a burst are counted late.
  uint64_t kernel_dropped = 0;
  uint64_t unreachable = 0;  ///< ICMP answers: a destination of ours does not exist (any more)
};

/// Reads datagrams in batches with recvmmsg. One per worker, shared by its UDP sockets: a batch is
/// dealt with before the next one is read.
///
/// Each slot scatters into a pooled buffer and, past its end, into the slot's overflow area, so
/// that any datagram of up to 64 KiB is whole. The overflow areas are one mapping whose pages
/// cost nothing until such a datagram comes.
class UdpReceiver {
 public:
  static constexpr size_t kBatch = 64;  // datagrams: recvmmsg gains nothing beyond
  static constexpr size_t kMaxDatagram = 65'536;

  struct Datagram {
    PacketRef buffer;
    size_t size = 0;
    SocketAddress from;
    Timestamp received_at;
  };

  UdpReceiver(Loop& loop, PacketBufferPool& buffers);
  ~UdpReceiver();
  UdpReceiver(const UdpReceiver&) = delete;
  UdpReceiver& operator=(const UdpReceiver&) = delete;

  /// Asks the kernel for receive times on `fd`, and for what it drops.
  static void Prepare(int fd);

  /// Reads one batch; returns its datagrams, 0 when there is none. Moves the loop's clock forward
  /// to now: no receive time is later than loop.Now(). `kernel_drops` is the socket's own count,
  /// as it was last told: 0 at first.
  size_t ReadBatch(int fd, uint32_t* kernel_drops);
  /// Takes datagram `index` of the batch; empty buffer: it was dropped.
  Datagram Take(size_t index);

  ReceiveStats& stats() { return stats_; }
  const ReceiveStats& stats() const { return stats_; }

 private:
  struct alignas(cmsghdr) Control {
    uint8_t bytes[CMSG_SPACE(sizeof(timespec)) + CMSG_SPACE(sizeof(uint32_t))];
  };
  /// Refills what the last batch used.
  void PrepareSlots();
  Timestamp ReceiveTime(const msghdr& header) const;
  void CountKernelDrops(const msghdr& last, uint32_t* kernel_drops);

  Loop& loop_;
  PacketBufferPool& buffers_;
  KernelTimeConverter times_;
  uint8_t* overflow_ = nullptr;
  ReceiveStats stats_;
  size_t used_ = kBatch;  // slots from the first that are not ready for the kernel
  std::array<PacketRef, kBatch> slots_;
  std::array<mmsghdr, kBatch> headers_{};
  std::array<std::array<iovec, 2>, kBatch> pieces_{};
  std::array<sockaddr_in6, kBatch> names_{};
  std::array<Control, kBatch> controls_{};
};

}  // namespace sluice::worker
