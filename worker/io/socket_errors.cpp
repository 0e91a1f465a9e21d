#include "worker/io/socket_errors.h"

#include <linux/errqueue.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace sluice::worker {

void EnableSocketErrors(int fd, bool ipv6) {
  const int on = 1;
  // An IPv6 socket sends to IPv4 destinations as an IPv4 socket would: it needs both.
  setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on));
  if (ipv6) setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof(on));
}

std::optional<SocketError> TakeSocketError(int fd) {
  // The address of who answered follows the error; it gets its space and is not looked at.
  alignas(cmsghdr) uint8_t control[CMSG_SPACE(sizeof(sock_extended_err) + sizeof(sockaddr_in6)) +
                                   CMSG_SPACE(sizeof(timespec)) + CMSG_SPACE(sizeof(uint32_t))];
  sockaddr_storage to{};
  msghdr header{};  // no room for the datagram itself: it is cut off
  header.msg_name = &to;
  header.msg_namelen = sizeof(to);
  header.msg_control = control;
  header.msg_controllen = sizeof(control);
  while (recvmsg(fd, &header, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) {
    if (errno != EINTR) return std::nullopt;
  }
  SocketError error;
  error.to = SocketAddress::FromSockaddr(reinterpret_cast<const sockaddr*>(&to));
  for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
    const bool v4 = c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR;
    const bool v6 = c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR;
    if (!v4 && !v6) continue;
    sock_extended_err details{};
    std::memcpy(&details, CMSG_DATA(c), sizeof(details));
    const bool icmp =
        details.ee_origin == SO_EE_ORIGIN_ICMP || details.ee_origin == SO_EE_ORIGIN_ICMP6;
    error.unreachable = icmp && details.ee_errno != EMSGSIZE;
  }
  return error;
}

}  // namespace sluice::worker
