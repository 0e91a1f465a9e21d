#include "worker/io/send_strategy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/udp.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "common/fd.h"

namespace sluice::worker {

namespace {

/// Segments of one GSO message: UDP_MAX_SEGMENTS of Linux before 6.9.
constexpr size_t kMaxSegments = 64;
/// Bytes of one GSO message, over IPv4 and IPv6.
constexpr size_t kMaxMessageBytes = 65'507;
/// Messages of one sendmmsg call. A call costs far less than one message, so more gains nothing.
constexpr size_t kMaxMessages = 64;
/// Pieces of memory of one sendmmsg call; packets that lie next to each other are one piece.
constexpr size_t kMaxPieces = 1024;
/// Attempts that a packet is given when an error may be that of an earlier one.
constexpr int kStaleRetries = 4;
static_assert(kMaxPieces >= kMaxSegments);

union Destination {
  sockaddr any;
  sockaddr_in v4;
  sockaddr_in6 v6;
};

socklen_t FillDestination(const SocketAddress& to, bool ipv6_socket, Destination* out) {
  if (!ipv6_socket) {
    out->v4 = {};
    out->v4.sin_family = AF_INET;
    out->v4.sin_port = htons(to.port);
    std::memcpy(&out->v4.sin_addr, to.ip.bytes().data(), 4);
    return sizeof(out->v4);
  }
  out->v6 = {};
  out->v6.sin6_family = AF_INET6;
  out->v6.sin6_port = htons(to.port);
  uint8_t* address = out->v6.sin6_addr.s6_addr;
  if (to.ip.is_v4()) {
    address[10] = address[11] = 0xff;  // ::ffff:a.b.c.d (RFC 4291 §2.5.5.2)
    std::memcpy(address + 12, to.ip.bytes().data(), 4);
  } else {
    std::memcpy(address, to.ip.bytes().data(), 16);
  }
  return sizeof(out->v6);
}

/// EAGAIN: the socket's buffer is full. ENOBUFS: the queue of the network device is, and it has
/// dropped what it was given (told only to sockets with IP_RECVERR, see UdpSocket).
bool IsFull(int error) { return error == EAGAIN || error == EWOULDBLOCK || error == ENOBUFS; }

void NoteFull(int error, SendTarget& target, SendStats& stats) {
  if (error != ENOBUFS) return;
  target.device_full = true;
  ++stats.device_full;
}

/// These may be left over from an earlier packet to somebody else: the packet at hand was not
/// tried, and deserves another attempt, or several: more such answers may have come meanwhile.
bool MayBeStale(int error) {
  return error == ECONNREFUSED || error == EHOSTUNREACH || error == ENETUNREACH;
}

void CountErrors(int error, uint64_t packets, SendStats& stats) {
  switch (error) {
    case ENOMEM:
      stats.no_memory += packets;
      return;
    case EPERM:
    case EACCES:
      stats.not_permitted += packets;
      return;
    case ECONNREFUSED:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EHOSTDOWN:
    case ENETDOWN:
    case EADDRNOTAVAIL:
      stats.unreachable += packets;
      return;
    case EMSGSIZE:
      stats.too_big += packets;
      return;
    default:
      stats.other_errors += packets;
  }
}

/// One system call per packet.
class SendtoStrategy final : public SendStrategy {
 public:
  explicit SendtoStrategy(SendCalls& calls) : calls_(calls) {}
  Kind kind() const override { return Kind::kSendto; }

  size_t Send(SendTarget& target, std::span<const QueuedDatagram> datagrams,
              SendStats& stats) override {
    target.device_full = false;
    for (size_t i = 0; i < datagrams.size(); ++i) {
      if (!SendOne(target, datagrams[i], stats)) return i;
    }
    return datagrams.size();
  }

 private:
  /// False when the socket is full.
  bool SendOne(SendTarget& target, const QueuedDatagram& datagram, SendStats& stats) {
    Destination to;
    const socklen_t length = FillDestination(datagram.to, target.ipv6, &to);
    for (int retries = 0;;) {
      ++stats.system_calls;
      if (calls_.SendTo(target.fd, datagram.data, datagram.size, &to.any, length) >= 0) {
        ++stats.messages;
        ++stats.packets_sent;
        stats.bytes_sent += datagram.size;
        return true;
      }
      const int error = errno;
      if (error == EINTR) continue;
      if (IsFull(error)) {
        NoteFull(error, target, stats);
        return false;
      }
      if (MayBeStale(error) && retries++ < kStaleRetries) continue;
      CountErrors(error, 1, stats);
      return true;
    }
  }

  SendCalls& calls_;
};

/// sendmmsg, with or without joining neighbours of one destination and size into GSO messages
/// (UDP_SEGMENT): all segments of a message are equally long, only the last may be shorter.
class MessageStrategy final : public SendStrategy {
 public:
  MessageStrategy(Kind kind, SendCalls& calls) : kind_(kind), calls_(calls) {}
  Kind kind() const override { return kind_; }

  size_t Send(SendTarget& target, std::span<const QueuedDatagram> datagrams,
              SendStats& stats) override {
    target.device_full = false;
    size_t done = 0;
    size_t retried_at = datagrams.size();  // where MayBeStale() was given more attempts
    int retries = 0;
    size_t single_until = 0;  // packets before it go out one by one: GSO was refused
    while (done < datagrams.size()) {
      Build(target, datagrams.subspan(done), single_until > done ? single_until - done : 0);
      ++stats.system_calls;
      const int sent = calls_.SendMessages(target.fd, headers_.data(), count_);
      if (sent > 0) {
        for (int i = 0; i < sent; ++i) done += CountSent(static_cast<size_t>(i), stats);
        continue;
      }
      const int error = sent < 0 ? errno : EIO;
      if (error == EINTR) continue;
      if (error == ENOBUFS && packets_[0] > 1) {
        // A message may be larger than what the device's queue has room for; a packet may not.
        single_until = done + packets_[0];
        continue;
      }
      if (IsFull(error)) {
        NoteFull(error, target, stats);
        break;
      }
      if (retried_at != done) retries = 0;
      retried_at = done;
      if (MayBeStale(error) && retries++ < kStaleRetries) continue;
      if (packets_[0] > 1 && RefusesGso(error)) {
        // EIO: the device cannot do checksums. Else: a segment does not fit the path's MTU.
        ++stats.gso_fallbacks;
        if (error == EIO) target.gso = false;
        single_until = done + packets_[0];
        continue;
      }
      CountErrors(error, packets_[0], stats);
      done += packets_[0];
    }
    return done;
  }

 private:
  struct alignas(cmsghdr) Control {
    uint8_t bytes[CMSG_SPACE(sizeof(uint16_t))];
  };

  static bool RefusesGso(int error) {
    return error == EIO || error == EINVAL || error == EMSGSIZE || error == EOPNOTSUPP;
  }

  size_t CountSent(size_t message, SendStats& stats) {
    ++stats.messages;
    stats.packets_sent += packets_[message];
    stats.bytes_sent += bytes_[message];
    return packets_[message];
  }

  /// How many of the first `datagrams` fit one message.
  static size_t CountSegments(std::span<const QueuedDatagram> datagrams) {
    const QueuedDatagram& first = datagrams.front();
    size_t bytes = first.size;
    size_t count = 1;
    if (first.size == 0) return count;
    while (count < datagrams.size() && count < kMaxSegments) {
      const QueuedDatagram& next = datagrams[count];
      if (next.size > first.size || next.size == 0 || bytes + next.size > kMaxMessageBytes ||
          next.to != first.to) {
        break;
      }
      bytes += next.size;
      ++count;
      if (next.size < first.size) break;
    }
    return count;
  }

  /// Fills the headers of the next call; the first `single` packets are not joined.
  void Build(const SendTarget& target, std::span<const QueuedDatagram> datagrams, size_t single) {
    const bool join = kind_ == Kind::kGso && target.gso;
    size_t next = 0;
    size_t pieces = 0;
    count_ = 0;
    while (next < datagrams.size() && count_ < kMaxMessages) {
      const size_t segments = join && next >= single ? CountSegments(datagrams.subspan(next)) : 1;
      if (pieces + segments > kMaxPieces) break;
      pieces += BuildMessage(target, datagrams.subspan(next, segments), pieces);
      next += segments;
    }
  }

  /// Appends one message; returns the pieces of memory that it took.
  size_t BuildMessage(const SendTarget& target, std::span<const QueuedDatagram> segments,
                      size_t first_piece) {
    size_t bytes = 0;
    size_t pieces = 0;
    const uint8_t* end = nullptr;
    for (const QueuedDatagram& segment : segments) {
      if (segment.data == end) {
        pieces_[first_piece + pieces - 1].iov_len += segment.size;
      } else {
        pieces_[first_piece + pieces++] = {const_cast<uint8_t*>(segment.data), segment.size};
      }
      end = segment.data + segment.size;
      bytes += segment.size;
    }
    msghdr& header = headers_[count_].msg_hdr;
    header = {};
    header.msg_name = &names_[count_];
    header.msg_namelen = FillDestination(segments.front().to, target.ipv6, &names_[count_]);
    header.msg_iov = &pieces_[first_piece];
    header.msg_iovlen = pieces;
    if (segments.size() > 1) {
      header.msg_control = &controls_[count_];
      header.msg_controllen = sizeof(Control);
      cmsghdr* control = CMSG_FIRSTHDR(&header);
      control->cmsg_level = SOL_UDP;
      control->cmsg_type = UDP_SEGMENT;
      control->cmsg_len = CMSG_LEN(sizeof(uint16_t));
      const auto segment_size = static_cast<uint16_t>(segments.front().size);
      std::memcpy(CMSG_DATA(control), &segment_size, sizeof(segment_size));
    }
    packets_[count_] = static_cast<uint32_t>(segments.size());
    bytes_[count_] = static_cast<uint32_t>(bytes);
    ++count_;
    return pieces;
  }

  Kind kind_;
  SendCalls& calls_;
  unsigned count_ = 0;
  std::array<mmsghdr, kMaxMessages> headers_{};
  std::array<Destination, kMaxMessages> names_{};
  std::array<Control, kMaxMessages> controls_{};
  std::array<uint32_t, kMaxMessages> packets_{};
  std::array<uint32_t, kMaxMessages> bytes_{};
  std::array<iovec, kMaxPieces> pieces_{};
};

/// A UDP socket on the loopback interface and its address.
struct ProbeSocket {
  Fd fd;
  SocketAddress address;
};

ProbeSocket OpenProbeSocket() {
  for (const char* ip : {"127.0.0.1", "::1"}) {
    sockaddr_storage storage;
    socklen_t length = SocketAddress{*IpAddress::Parse(ip), 0}.ToSockaddr(&storage);
    auto* address = reinterpret_cast<sockaddr*>(&storage);
    Fd fd(socket(storage.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd.valid() || bind(fd.get(), address, length) != 0) continue;
    length = sizeof(storage);
    if (getsockname(fd.get(), address, &length) != 0) continue;
    return {std::move(fd), SocketAddress::FromSockaddr(address)};
  }
  return {};
}

/// Sends two packets to itself over loopback (which delivers at once) and sees what arrives.
bool Works(SendStrategy& strategy) {
  const ProbeSocket probe = OpenProbeSocket();
  if (!probe.fd.valid()) return false;
  constexpr uint16_t kSize = 100;
  std::array<uint8_t, 2 * kSize> bytes{};
  const std::array<QueuedDatagram, 2> datagrams = {
      QueuedDatagram{bytes.data(), kSize, probe.address},
      QueuedDatagram{bytes.data() + kSize, kSize, probe.address}};
  SendTarget target{probe.fd.get(), probe.address.ip.is_v6(), true};
  SendStats stats;
  strategy.Send(target, datagrams, stats);
  const uint64_t messages = strategy.kind() == SendStrategy::Kind::kGso ? 1 : 2;
  if (stats.packets_sent != datagrams.size() || stats.messages != messages) return false;
  for (size_t i = 0; i < datagrams.size(); ++i) {
    if (recv(probe.fd.get(), bytes.data(), bytes.size(), 0) != kSize) return false;
  }
  return true;
}

}  // namespace

ssize_t SendCalls::SendTo(int fd, const void* data, size_t size, const sockaddr* to,
                          socklen_t to_length) {
  return sendto(fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL, to, to_length);
}

int SendCalls::SendMessages(int fd, mmsghdr* messages, unsigned count) {
  return sendmmsg(fd, messages, count, MSG_DONTWAIT | MSG_NOSIGNAL);
}

SendCalls& SendCalls::System() {
  static SendCalls calls;
  return calls;
}

Result<std::unique_ptr<SendStrategy>> SendStrategy::Create(Kind kind, SendCalls& calls) {
  for (const Kind candidate : {Kind::kGso, Kind::kSendmmsg}) {
    if (kind != Kind::kAuto && kind != candidate) continue;
    auto strategy = std::make_unique<MessageStrategy>(candidate, calls);
    if (Works(*strategy)) return strategy;
    if (kind == candidate) {
      return UnsupportedError("writer: this system cannot do \"" + std::string(ToString(kind)) +
                              "\"; use auto, sendmmsg or sendto");
    }
  }
  return std::make_unique<SendtoStrategy>(calls);
}

std::string_view ToString(SendStrategy::Kind kind) {
  switch (kind) {
    case SendStrategy::Kind::kAuto:
      return "auto";
    case SendStrategy::Kind::kGso:
      return "gso";
    case SendStrategy::Kind::kSendmmsg:
      return "sendmmsg";
    case SendStrategy::Kind::kSendto:
      return "sendto";
  }
  return "auto";
}

}  // namespace sluice::worker
