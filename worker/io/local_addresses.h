#pragma once

#include <vector>

#include "common/socket_address.h"
#include "common/status.h"

namespace sluice::worker {

/// The addresses of this host's interfaces that are up and not internal (loopback), in the system's
/// order.
std::vector<IpAddress> ExternalAddresses();

/// Error: no UDP socket can be bound to `ip`; the text says why.
Status CheckBindable(const IpAddress& ip);

}  // namespace sluice::worker
