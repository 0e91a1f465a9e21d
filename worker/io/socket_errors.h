#pragma once

#include <optional>

#include "common/socket_address.h"

namespace sluice::worker {

/// What the network answered to a datagram that was sent earlier.
struct SocketError {
  SocketAddress to;          ///< where that datagram was to go
  bool unreachable = false;  ///< no such host, network or port, or forbidden; else, it was too big
};

/// Has the kernel keep ICMP answers of the UDP socket `fd`, and say when the queue of the network
/// device drops what is sent (ENOBUFS): it keeps both to itself otherwise. ip(7), IP_RECVERR.
void EnableSocketErrors(int fd, bool ipv6);

/// Takes the oldest answer that was kept; nullopt when there is none. Never blocks.
std::optional<SocketError> TakeSocketError(int fd);

}  // namespace sluice::worker
