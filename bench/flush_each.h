#pragma once

#include <memory>

#include "worker/io/egress.h"
#include "worker/media/socket_factory.h"

namespace sluice::worker::bench {

/// Sockets that hand every packet to the kernel as soon as it is committed: the plain way to send,
/// against which batching is measured.
class FlushEachSockets final : public SocketFactory {
 public:
  /// Both outlive it and its sockets.
  FlushEachSockets(SocketFactory& sockets, Egress& egress) : sockets_(sockets), egress_(egress) {}
  Result<std::unique_ptr<ServerSocket>> Open(const ListenInfo& info,
                                             DatagramHandler& handler) override;

 private:
  SocketFactory& sockets_;
  Egress& egress_;
};

}  // namespace sluice::worker::bench
