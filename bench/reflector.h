#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "common/fd.h"
#include "common/socket_address.h"

namespace sluice::worker::bench {

/// CPU time of the calling thread, that in the kernel included, in nanoseconds.
uint64_t ThreadCpuNs();

/// Puts what a turn left in the caches out of them, as the 20 ms between two turns of audio do on a
/// busy machine: reads and writes a block of memory.
class ColdCaches {
 public:
  static constexpr size_t kDefaultMiB = 8;  // several times the level-2 cache

  explicit ColdCaches(size_t mib = kDefaultMiB) : block_(mib << 20) {}
  void Evict();

 private:
  static constexpr size_t kLine = 64;  // bytes
  std::vector<uint8_t> block_;
};

/// The plainest way to send one packet to many: one socket, one sendto() each, no encryption and no
/// state but the addresses. What a benchmark measures is printed as a ratio to it, so that it means
/// the same on another machine.
class Reflector {
 public:
  /// Sends to `receivers`: UDP sockets on 127.0.0.1 that stay the caller's. They take packets from
  /// everywhere from now on.
  explicit Reflector(const std::vector<int>& receivers);

  /// Where packets for it go.
  const SocketAddress& ingress() const { return ingress_; }
  /// Reads the packet that waits at the ingress and sends it to every receiver.
  void Turn();

 private:
  Fd socket_;
  SocketAddress ingress_;
  std::vector<std::array<uint8_t, 16>> addresses_;  // sockaddr_in
};

/// A UDP socket on 127.0.0.1.
Fd OpenLoopbackSocket();
SocketAddress LoopbackAddress(int fd);
/// Reads all that waits at the sockets; how many datagrams that was.
uint64_t Drain(const std::vector<int>& receivers);

/// Nanoseconds of CPU that a reflector needs for each packet of `size` bytes to one of `receivers`
/// viewers, with cold caches: the median of `turns` turns.
double MeasureReflector(size_t receivers, size_t size, int turns);

/// Sorts them.
double Median(std::vector<double>& values);

}  // namespace sluice::worker::bench
