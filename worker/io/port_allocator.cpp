#include "worker/io/port_allocator.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <limits>
#include <utility>

#include "common/log.h"

namespace sluice::worker {

namespace {

/// What bind() and its neighbours came to for one port.
struct Attempt {
  Fd fd;
  SocketAddress address;
  int error = 0;
  const char* call = "";

  static Attempt Failed(const char* call) { return {{}, {}, errno, call}; }
};

const char* Name(TransportProtocol protocol) {
  return protocol == TransportProtocol::kTcp ? "tcp" : "udp";
}

bool SetInt(const Fd& fd, int level, int option, int value) {
  return setsockopt(fd.get(), level, option, &value, sizeof(value)) == 0;
}

/// Buffer sizes are wishes: the kernel cuts them to its own limits.
bool SetOptions(const Fd& fd, const ListenInfo& info, const IpAddress& ip) {
  if (ip.is_v6() && !SetInt(fd, IPPROTO_IPV6, IPV6_V6ONLY, info.ipv6_only ? 1 : 0)) return false;
  // TCP: not to wait for the old connections of an earlier run (TIME_WAIT).
  const bool reuse = info.protocol == TransportProtocol::kTcp || info.udp_reuse_port;
  if (reuse && !SetInt(fd, SOL_SOCKET, SO_REUSEADDR, 1)) return false;
  if (info.protocol == TransportProtocol::kUdp) return true;  // see GrowBuffers
  if (info.send_buffer_size != 0 &&
      !SetInt(fd, SOL_SOCKET, SO_SNDBUF, static_cast<int>(info.send_buffer_size))) {
    return false;
  }
  return info.recv_buffer_size == 0 ||
         SetInt(fd, SOL_SOCKET, SO_RCVBUF, static_cast<int>(info.recv_buffer_size));
}

Attempt TryPort(const ListenInfo& info, const IpAddress& ip, uint16_t port) {
  sockaddr_storage storage;
  socklen_t length = SocketAddress{ip, port}.ToSockaddr(&storage);
  auto* address = reinterpret_cast<sockaddr*>(&storage);
  const bool tcp = info.protocol == TransportProtocol::kTcp;
  const int type = (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC;
  Attempt attempt;
  attempt.fd = Fd(socket(address->sa_family, type, 0));
  if (!attempt.fd.valid()) return Attempt::Failed("socket");
  if (!SetOptions(attempt.fd, info, ip)) return Attempt::Failed("setsockopt");
  if (bind(attempt.fd.get(), address, length) != 0) return Attempt::Failed("bind");
  if (tcp && listen(attempt.fd.get(), PortAllocator::kBacklog) != 0) {
    return Attempt::Failed("listen");
  }
  length = sizeof(storage);
  if (getsockname(attempt.fd.get(), address, &length) != 0) return Attempt::Failed("getsockname");
  attempt.address = SocketAddress::FromSockaddr(address);
  return attempt;
}

/// Another port of the range may do better. EACCES: a privileged port.
bool WorthTryingNext(int error) { return error == EADDRINUSE || error == EACCES; }

Status OpenError(const ListenInfo& info, const IpAddress& ip, uint16_t port,
                 const Attempt& attempt) {
  const char* hint = "";
  if (attempt.error == EADDRINUSE) hint = "; choose another port, or 0 to have one chosen";
  if (attempt.error == EADDRNOTAVAIL) hint = "; ip must be an address of this host";
  if (attempt.error == EMFILE) hint = "; raise the limit of open files (ulimit -n)";
  return Error(fmt::format("cannot open {} {}: {}: {}{}", Name(info.protocol),
                           SocketAddress{ip, port}.ToString(), attempt.call,
                           std::strerror(attempt.error), hint));
}

Status CheckBufferSize(const char* field, uint32_t size) {
  constexpr uint32_t kMax = std::numeric_limits<int32_t>::max();
  if (size <= kMax) return absl::OkStatus();
  return TypeError(fmt::format("{}: {} is not between 0 (system default) and {} bytes", field,
                               static_cast<int32_t>(size), kMax));
}

/// Sets one buffer of `fd` as large as `bytes`; returns what the kernel made of it. FORCE passes
/// over the system's maximum, for who may do that (CAP_NET_ADMIN).
int GrowBuffer(int fd, int force_option, int option, uint32_t bytes) {
  const auto size = static_cast<int>(bytes);
  if (setsockopt(fd, SOL_SOCKET, force_option, &size, sizeof(size)) != 0) {
    setsockopt(fd, SOL_SOCKET, option, &size, sizeof(size));
  }
  int got = 0;
  socklen_t length = sizeof(got);
  getsockopt(fd, SOL_SOCKET, option, &got, &length);
  return got / 2;  // the kernel doubles what it is asked for and tells the double (socket(7))
}

}  // namespace

PortReservation::PortReservation(std::shared_ptr<PortReservations> all, PortReservations::Key key,
                                 uint16_t port)
    : all_(std::move(all)), key_(key), port_(port) {
  PortReservations::Table& table = all_->tables_[key_];
  const uint16_t min = std::get<2>(key_);
  table.taken.resize(size_t{std::get<3>(key_)} - min + 1);
  table.taken[size_t{port_} - min] = true;
  ++table.count;
}

PortReservation& PortReservation::operator=(PortReservation&& other) noexcept {
  if (this == &other) return *this;
  Release();
  all_ = std::move(other.all_);
  key_ = other.key_;
  port_ = other.port_;
  return *this;
}

PortReservation::~PortReservation() { Release(); }

void PortReservation::Release() {
  if (all_ == nullptr) return;
  const auto table = all_->tables_.find(key_);
  table->second.taken[size_t{port_} - std::get<2>(key_)] = false;
  if (--table->second.count == 0) all_->tables_.erase(table);
  all_.reset();
}

PortAllocator::PortAllocator(Environment& environment, PortRange worker_range, UdpBuffers buffers)
    : environment_(environment),
      worker_range_(worker_range),
      buffers_(buffers),
      reservations_(std::make_shared<PortReservations>()) {}

Result<BoundSocket> PortAllocator::Open(const ListenInfo& info) {
  const auto ip = IpAddress::Parse(info.ip);
  if (!ip) {
    return TypeError(
        fmt::format("ip: \"{}\" is not an IPv4 or IPv6 address in numeric form", info.ip));
  }
  SLUICE_RETURN_IF_ERROR(CheckBufferSize("sendBufferSize", info.send_buffer_size));
  SLUICE_RETURN_IF_ERROR(CheckBufferSize("recvBufferSize", info.recv_buffer_size));
  if (info.port_min != 0 && info.port_max != 0) {
    if (info.port_max < info.port_min) {
      return TypeError(
          fmt::format("portRange: max {} is less than min {}", info.port_max, info.port_min));
    }
  }
  Result<BoundSocket> bound = OpenSocket(info, *ip);
  if (bound.ok() && info.protocol == TransportProtocol::kUdp) GrowBuffers(info, *bound);
  return bound;
}

Result<BoundSocket> PortAllocator::OpenSocket(const ListenInfo& info, const IpAddress& ip) {
  if (info.port_min != 0 && info.port_max != 0) {
    return OpenInRange(info, ip, {info.port_min, info.port_max});
  }
  if (info.port == 0 && worker_range_.max != 0) return OpenInRange(info, ip, worker_range_);
  Attempt attempt = TryPort(info, ip, info.port);
  if (!attempt.fd.valid()) return OpenError(info, ip, info.port, attempt);
  return BoundSocket{{}, std::move(attempt.fd), attempt.address};
}

void PortAllocator::GrowBuffers(const ListenInfo& info, const BoundSocket& socket) {
  const int fd = socket.fd.get();
  const uint32_t send = info.send_buffer_size != 0 ? info.send_buffer_size : buffers_.send;
  const uint32_t receive = info.recv_buffer_size != 0 ? info.recv_buffer_size : buffers_.receive;
  const int sends = send == 0 ? 0 : GrowBuffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, send);
  const int receives = receive == 0 ? 0 : GrowBuffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, receive);
  const bool enough = sends >= static_cast<int>(send) && receives >= static_cast<int>(receive);
  if (enough || std::exchange(warned_of_buffers_, true)) return;
  SLUICE_LOG_AT(LogLevel::kWarn, LogTag::kNone,
                "UDP sockets have buffers of {} bytes to send and {} to receive instead of {} and "
                "{}: bursts may be lost; set net.core.wmem_max={} and net.core.rmem_max={} (sysctl "
                "-w), or give this program CAP_NET_ADMIN",
                sends, receives, send, receive, send, receive);
}

Result<BoundSocket> PortAllocator::OpenInRange(const ListenInfo& info, const IpAddress& ip,
                                               PortRange range) {
  if (range.min == 0) range.min = 1;  // port 0 means "any" to the kernel
  const uint32_t size = uint32_t{range.max} - range.min + 1;
  const uint32_t start = environment_.RandomBelow(size);
  const PortReservations::Key key{info.protocol, ip, range.min, range.max};
  const auto table = reservations_->tables_.find(key);
  for (uint32_t i = 0; i < size; ++i) {
    const uint32_t offset = (start + i) % size;
    if (table != reservations_->tables_.end() && table->second.taken[offset]) continue;
    const auto port = static_cast<uint16_t>(range.min + offset);
    Attempt attempt = TryPort(info, ip, port);
    if (attempt.fd.valid()) {
      return BoundSocket{PortReservation(reservations_, key, port), std::move(attempt.fd),
                         attempt.address};
    }
    if (!WorthTryingNext(attempt.error)) return OpenError(info, ip, port, attempt);
  }
  return Error(fmt::format("no free port: all {} {} ports of {} from {} to {} are in use", size,
                           Name(info.protocol), ip.ToString(), range.min, range.max));
}

}  // namespace sluice::worker
