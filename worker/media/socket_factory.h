#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "common/rtp_types.h"
#include "common/socket_address.h"
#include "common/status.h"
#include "common/units.h"
#include "worker/core/packet_buffer.h"
#include "worker/core/packet_writer.h"
#include "worker/media/options.h"

namespace sluice::worker {

/// Receives what a socket reads. The handler may close (destroy) the socket from inside a call.
class DatagramHandler {
 public:
  virtual ~DatagramHandler() = default;
  /// One datagram: `size` bytes at the start of `buffer`, which the callee may keep and change.
  /// `received_at` is the kernel's receive time on the loop's clock.
  virtual void OnDatagram(PacketRef buffer, size_t size, const NetworkPath& from,
                          Timestamp received_at) = 0;
  /// The network answered that a datagram sent earlier from `tuple.local` did not reach
  /// `tuple.remote` (ICMP unreachable). Not authenticated: anybody who knows the tuple can forge
  /// it.
  virtual void OnUnreachable(const FiveTuple& /*tuple*/, Timestamp /*now*/) {}
  /// A TCP connection was too slow: frames of video of these SSRCs were dropped. Their decoders
  /// need key frames. Not more often than once a second for a path.
  virtual void OnVideoDropped(const NetworkPath& /*path*/, std::span<const Ssrc> /*ssrcs*/) {}
  /// A TCP connection is gone; its writer dies after this call.
  virtual void OnPathClosed(const NetworkPath& path) = 0;
};

/// An open UDP socket or TCP listener. Destroying it closes it and gives its port back.
class ServerSocket {
 public:
  virtual ~ServerSocket() = default;
  /// Bound address, with the port that was chosen.
  virtual const SocketAddress& local_address() const = 0;
  virtual TransportProtocol protocol() const = 0;
  /// UDP: the writer that reaches any peer from this port. TCP: null (each connection has its own).
  virtual PacketWriter* writer() = 0;
};

/// Opens sockets; implemented in `io/` and by the simulated network of the tests.
class SocketFactory {
 public:
  virtual ~SocketFactory() = default;
  /// Binds per ListenInfo (docs/protocols/router-protocol.md §4). TypeError: ip is not a literal,
  /// bad range, buffer size of 2^31 or more. Error: port busy, range full, out of descriptors; the
  /// text names address and port.
  virtual Result<std::unique_ptr<ServerSocket>> Open(const ListenInfo& info,
                                                     DatagramHandler& handler) = 0;
  /// Where Open() chooses from when ListenInfo names neither a port nor a range.
  virtual PortRange worker_range() const { return {}; }
};

}  // namespace sluice::worker
