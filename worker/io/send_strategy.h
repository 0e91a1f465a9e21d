#pragma once

#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "common/socket_address.h"
#include "common/status.h"
#include "worker/core/packet_writer.h"
#include "worker/io/receiver_backlog.h"

namespace sluice::worker {

/// A finished datagram that waits to be sent.
struct QueuedDatagram {
  const uint8_t* data = nullptr;
  uint16_t size = 0;  ///< at most PacketWriter::kMaxDatagram
  SocketAddress to;
  PacketKind kind = PacketKind::kVideo;
};
/// Half a cache line: the fan-out writes one for each packet.
static_assert(sizeof(QueuedDatagram) == 32);

/// A socket that datagrams go out of.
struct SendTarget {
  int fd = -1;
  bool ipv6 = false;  ///< AF_INET6 socket: IPv4 destinations go out mapped
  bool gso = true;    ///< false once the device behind it has refused a GSO message
  /// Set when the latest Send() ended because the queue of the network device was full (ENOBUFS):
  /// nothing tells when there is room again.
  bool device_full = false;
};

/// What became of outgoing packets, over all sockets of the worker. Counts of packets, unless named
/// otherwise.
struct SendStats {
  uint64_t packets_sent = 0;
  uint64_t bytes_sent = 0;
  uint64_t messages = 0;  ///< kernel messages: a GSO message carries several packets
  uint64_t system_calls = 0;
  uint64_t early_flushes = 0;  ///< times the arena was full within a turn
  uint64_t would_block = 0;    ///< times a socket was full
  uint64_t device_full = 0;    ///< times the queue of a network device was full
  uint64_t gso_fallbacks = 0;  ///< GSO messages that had to be sent packet by packet
  DropStats dropped;           ///< waited for a full socket for too long, or did not fit
  uint64_t stale_commits = 0;  ///< committed after another writer's flush: a caller's mistake
  // Refused by the kernel, by reason:
  uint64_t no_memory = 0;      ///< ENOMEM
  uint64_t not_permitted = 0;  ///< EPERM, EACCES: a firewall rule or a broadcast address
  uint64_t unreachable = 0;    ///< ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, ...
  uint64_t too_big = 0;        ///< EMSGSIZE
  uint64_t other_errors = 0;

  uint64_t errors() const {
    return no_memory + not_permitted + unreachable + too_big + other_errors;
  }
};

/// The system calls that strategies make: the kernel's, or a test's that fails on demand.
/// Return values and errno as sendto(2) and sendmmsg(2).
class SendCalls {
 public:
  virtual ~SendCalls() = default;
  virtual ssize_t SendTo(int fd, const void* data, size_t size, const sockaddr* to,
                         socklen_t to_length);
  virtual int SendMessages(int fd, mmsghdr* messages, unsigned count);
  /// The kernel.
  static SendCalls& System();
};

/// How datagrams get into the kernel. One per worker, shared by its sockets.
class SendStrategy {
 public:
  enum class Kind : uint8_t { kAuto, kGso, kSendmmsg, kSendto };

  virtual ~SendStrategy() = default;
  virtual Kind kind() const = 0;
  /// Sends `datagrams` in order. Returns how many are done with: sent, or refused and counted by
  /// reason. Fewer than all only when the socket, or the device behind it, is full.
  virtual size_t Send(SendTarget& target, std::span<const QueuedDatagram> datagrams,
                      SendStats& stats) = 0;

  /// kAuto takes the best that this kernel has; UnsupportedError when it lacks the one asked for.
  static Result<std::unique_ptr<SendStrategy>> Create(Kind kind,
                                                      SendCalls& calls = SendCalls::System());
};

std::string_view ToString(SendStrategy::Kind kind);

}  // namespace sluice::worker
