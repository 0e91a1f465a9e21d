#include "worker/io/socket_factory_uv.h"

#include <utility>

#include "worker/io/tcp_listener.h"
#include "worker/io/udp_socket.h"

namespace sluice::worker {

UvSocketFactory::UvSocketFactory(Loop& loop, PacketBufferPool& buffers,
                                 std::unique_ptr<SendStrategy> strategy, PortRange worker_range,
                                 PortAllocator::UdpBuffers udp_buffers, const TcpLimits& tcp_limits)
    : loop_(loop),
      egress_(std::move(strategy)),
      receiver_(loop, buffers),
      tcp_{loop, egress_, buffers, tcp_limits},
      ports_(loop, worker_range, udp_buffers) {}

Result<std::unique_ptr<ServerSocket>> UvSocketFactory::Open(const ListenInfo& info,
                                                            DatagramHandler& handler) {
  auto bound = ports_.Open(info);
  if (!bound.ok()) return bound.status();
  if (info.protocol == TransportProtocol::kTcp) {
    return TcpListener::Create(tcp_, std::move(*bound), handler);
  }
  return UdpSocket::Create(loop_, egress_, receiver_, std::move(*bound), handler);
}

}  // namespace sluice::worker
