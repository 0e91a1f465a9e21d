#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "common/fd.h"
#include "common/socket_address.h"
#include "common/status.h"
#include "worker/core/environment.h"
#include "worker/media/options.h"

namespace sluice::worker {

/// Which ports of the ranges in use are taken: one table per protocol, address and range
/// (docs/protocols/router-protocol.md §4). bind() alone would let sockets with udpReusePort share a
/// port.
class PortReservations {
 public:
  using Key = std::tuple<TransportProtocol, IpAddress, uint16_t, uint16_t>;
  struct Table {
    std::vector<bool> taken;
    size_t count = 0;
  };

 private:
  friend class PortReservation;
  friend class PortAllocator;
  std::map<Key, Table> tables_;
};

/// One reserved port; gives it back when destroyed. Empty for fixed ports.
class PortReservation {
 public:
  PortReservation() = default;
  PortReservation(std::shared_ptr<PortReservations> all, PortReservations::Key key, uint16_t port);
  PortReservation(PortReservation&&) = default;
  PortReservation& operator=(PortReservation&& other) noexcept;
  ~PortReservation();

 private:
  void Release();
  std::shared_ptr<PortReservations> all_;
  PortReservations::Key key_;
  uint16_t port_ = 0;
};

/// A socket that is bound (TCP: listening), non-blocking, with its options set.
struct BoundSocket {
  PortReservation reservation;  // destroyed after `fd`
  Fd fd;
  SocketAddress address;
};

/// Opens sockets by the rules of docs/protocols/router-protocol.md §4: `portRange`, else a fixed
/// `port`, else the worker's range. In a range: random start, then every port in turn; busy ones
/// are skipped.
class PortAllocator {
 public:
  /// What a UDP socket asks the kernel for, in bytes, where ListenInfo says nothing. 0: what the
  /// system gives by default, some 90 full packets.
  struct UdpBuffers {
    /// A key frame of 150 packets to 25 viewers: a burst that comes in faster than it goes out.
    static constexpr uint32_t kDefault = 4u << 20;
    uint32_t send = kDefault;
    uint32_t receive = kDefault;
  };

  static constexpr int kBacklog = 512;  // connections that wait to be accepted

  PortAllocator(Environment& environment, PortRange worker_range)
      : PortAllocator(environment, worker_range, UdpBuffers()) {}
  PortAllocator(Environment& environment, PortRange worker_range, UdpBuffers buffers);

  /// TypeError: `ip` is no literal address, max < min, a buffer size over 2^31 − 1. Error: port
  /// busy, range full, address not on this host, no descriptors left. Texts name protocol, address
  /// and port or range.
  Result<BoundSocket> Open(const ListenInfo& info);
  PortRange worker_range() const { return worker_range_; }

 private:
  Result<BoundSocket> OpenSocket(const ListenInfo& info, const IpAddress& ip);
  void GrowBuffers(const ListenInfo& info, const BoundSocket& socket);
  Result<BoundSocket> OpenInRange(const ListenInfo& info, const IpAddress& ip, PortRange range);

  Environment& environment_;
  PortRange worker_range_;
  UdpBuffers buffers_;
  bool warned_of_buffers_ = false;
  std::shared_ptr<PortReservations> reservations_;
};

}  // namespace sluice::worker
