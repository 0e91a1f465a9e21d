#include "worker/io/local_addresses.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <uv.h>

#include <cerrno>
#include <cstring>

#include "common/fd.h"

namespace sluice::worker {

std::vector<IpAddress> ExternalAddresses() {
  std::vector<IpAddress> found;
  uv_interface_address_t* interfaces = nullptr;
  int count = 0;
  if (uv_interface_addresses(&interfaces, &count) != 0) return found;
  for (int i = 0; i < count; ++i) {
    if (interfaces[i].is_internal != 0) continue;
    const auto* address = reinterpret_cast<const sockaddr*>(&interfaces[i].address);
    found.push_back(SocketAddress::FromSockaddr(address).ip);
  }
  uv_free_interface_addresses(interfaces, count);
  return found;
}

Status CheckBindable(const IpAddress& ip) {
  sockaddr_storage storage{};
  const socklen_t length = SocketAddress{ip, 0}.ToSockaddr(&storage);
  const Fd fd(socket(storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (fd.valid() && bind(fd.get(), reinterpret_cast<const sockaddr*>(&storage), length) == 0) {
    return absl::OkStatus();
  }
  return Error(fmt::format("{}: {}", ip.ToString(), std::strerror(errno)));
}

}  // namespace sluice::worker
