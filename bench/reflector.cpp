#include "bench/reflector.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <time.h>

#include <algorithm>
#include <cstring>

#include "bench/must.h"

namespace sluice::worker::bench {

static_assert(sizeof(sockaddr_in) == 16);

uint64_t ThreadCpuNs() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec);
}

void ColdCaches::Evict() {
  // Volatile: the compiler must not find out that nobody looks.
  volatile uint8_t* const block = block_.data();
  for (size_t i = 0; i < block_.size(); i += kLine) block[i] = static_cast<uint8_t>(block[i] + 1);
}

Fd OpenLoopbackSocket() {
  sockaddr_storage storage{};
  const SocketAddress any{*IpAddress::Parse("127.0.0.1"), 0};
  const socklen_t length = any.ToSockaddr(&storage);
  Fd fd(socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid() || bind(fd.get(), reinterpret_cast<sockaddr*>(&storage), length) != 0) {
    Die("no socket on loopback: raise `ulimit -n`");
  }
  return fd;
}

SocketAddress LoopbackAddress(int fd) {
  sockaddr_storage storage{};
  socklen_t length = sizeof(storage);
  getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &length);
  return SocketAddress::FromSockaddr(reinterpret_cast<sockaddr*>(&storage));
}

uint64_t Drain(const std::vector<int>& receivers) {
  uint8_t bytes[2048];
  uint64_t count = 0;
  for (const int fd : receivers) {
    while (recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) >= 0) ++count;
  }
  return count;
}

Reflector::Reflector(const std::vector<int>& receivers)
    : socket_(OpenLoopbackSocket()), ingress_(LoopbackAddress(socket_.get())) {
  for (const int fd : receivers) {
    const SocketAddress address = LoopbackAddress(fd);
    sockaddr nobody{};
    nobody.sa_family = AF_UNSPEC;
    // Takes the peer away from the socket, and with it an address that was not asked for.
    if (connect(fd, &nobody, sizeof(nobody)) != 0) Die("a receiver keeps its peer");
    sockaddr_storage storage{};
    const socklen_t length = address.ToSockaddr(&storage);
    if (LoopbackAddress(fd).port != address.port &&
        bind(fd, reinterpret_cast<sockaddr*>(&storage), length) != 0) {
      Die("a receiver has lost its port");
    }
    auto& stored = addresses_.emplace_back();
    std::memcpy(stored.data(), &storage, stored.size());
  }
}

void Reflector::Turn() {
  uint8_t bytes[2048];
  const ssize_t size = recv(socket_.get(), bytes, sizeof(bytes), MSG_DONTWAIT);
  if (size < 0) Die("no packet has come to the reflector");
  for (const auto& address : addresses_) {
    const auto* to = reinterpret_cast<const sockaddr*>(address.data());
    if (sendto(socket_.get(), bytes, static_cast<size_t>(size), MSG_DONTWAIT, to,
               static_cast<socklen_t>(address.size())) != size) {
      Die("the reflector cannot send");
    }
  }
}

double MeasureReflector(size_t receivers, size_t size, int turns) {
  std::vector<Fd> sockets;
  std::vector<int> fds;
  for (size_t i = 0; i < receivers; ++i) {
    sockets.push_back(OpenLoopbackSocket());
    fds.push_back(sockets.back().get());
  }
  Reflector reflector(fds);
  const Fd source = OpenLoopbackSocket();
  sockaddr_storage to{};
  const socklen_t length = reflector.ingress().ToSockaddr(&to);
  const std::vector<uint8_t> packet(size);
  ColdCaches caches;
  std::vector<double> spent;
  for (int i = 0; i < turns; ++i) {
    sendto(source.get(), packet.data(), size, 0, reinterpret_cast<sockaddr*>(&to), length);
    caches.Evict();
    const uint64_t start = ThreadCpuNs();
    reflector.Turn();
    spent.push_back(static_cast<double>(ThreadCpuNs() - start) / static_cast<double>(receivers));
    if (Drain(fds) != receivers) Die("the reflector's packets did not arrive");
  }
  return Median(spent);
}

double Median(std::vector<double>& values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

}  // namespace sluice::worker::bench
