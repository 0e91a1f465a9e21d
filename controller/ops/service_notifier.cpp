#include "controller/ops/service_notifier.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>
#include <cstring>

#include "common/fd.h"

namespace sluice::controller {

ServiceNotifier ServiceNotifier::FromEnvironment(const HostFacts& host) {
  constexpr const char* kVariable = "NOTIFY_SOCKET";
  ServiceNotifier notifier(host.environment(kVariable));
  EraseFromEnvironment(kVariable);
  return notifier;
}

bool ServiceNotifier::Tell(const std::string& state) const {
  sockaddr_un address{};
  if (!socket_ || socket_->empty() || socket_->size() >= sizeof(address.sun_path)) return false;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, socket_->data(), socket_->size());
  if (address.sun_path[0] == '@') address.sun_path[0] = '\0';  // unix(7): the abstract namespace
  const Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.valid()) return false;
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket_->size());
  const ssize_t sent = sendto(socket.get(), state.data(), state.size(), MSG_NOSIGNAL,
                              reinterpret_cast<const sockaddr*>(&address), length);
  return sent == static_cast<ssize_t>(state.size());
}

}  // namespace sluice::controller
