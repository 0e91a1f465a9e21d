#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "common/socket_address.h"

namespace sluice::controller {

/// The process that has a port.
struct PortOwner {
  pid_t pid = 0;
  std::string program;  ///< the name of its file
};

/// Who listens on the TCP port, or has the UDP port, at any address of this machine. nullopt when
/// nobody has, or when the processes of that user may not be looked at.
std::optional<PortOwner> FindPortOwner(TransportProtocol protocol, uint16_t port);

/// The inodes of the sockets that have the local port, by the text of /proc/net/tcp, udp, tcp6 or
/// udp6 (proc(5)). Of `protocol` TCP, those that listen.
std::set<std::string> SocketsOfPort(std::string_view table, TransportProtocol protocol,
                                    uint16_t port);

}  // namespace sluice::controller
