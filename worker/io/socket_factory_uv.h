#pragma once

#include <memory>

#include "worker/core/packet_buffer.h"
#include "worker/io/egress.h"
#include "worker/io/loop.h"
#include "worker/io/port_allocator.h"
#include "worker/io/tcp_connection.h"
#include "worker/io/udp_receiver.h"
#include "worker/media/socket_factory.h"

namespace sluice::worker {

/// The worker's real sockets. Owns what they share: ports, egress, receive batch. Outlives every
/// socket that it opened.
class UvSocketFactory final : public SocketFactory {
 public:
  UvSocketFactory(Loop& loop, PacketBufferPool& buffers, std::unique_ptr<SendStrategy> strategy,
                  PortRange worker_range, PortAllocator::UdpBuffers udp_buffers = {},
                  const TcpLimits& tcp_limits = {});

  Result<std::unique_ptr<ServerSocket>> Open(const ListenInfo& info,
                                             DatagramHandler& handler) override;
  PortRange worker_range() const override { return ports_.worker_range(); }

  /// The turn end calls egress().Flush(); encryption is finished by its before-flush hook.
  Egress& egress() { return egress_; }
  const ReceiveStats& receive_stats() const { return receiver_.stats(); }
  const TcpStats& tcp_stats() const { return tcp_.stats; }

 private:
  Loop& loop_;
  Egress egress_;
  UdpReceiver receiver_;
  TcpContext tcp_;
  PortAllocator ports_;
};

}  // namespace sluice::worker
