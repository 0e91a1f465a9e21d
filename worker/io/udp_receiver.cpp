#include "worker/io/udp_receiver.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

namespace sluice::worker {

namespace {
constexpr size_t kOverflowSize = UdpReceiver::kMaxDatagram - PacketBuffer::kPooledCapacity;
constexpr int kMaxAttempts = 4;

/// An ICMP answer to something that was sent: a call that reads is told of it, too, once.
bool IsAboutSending(int error) {
  return error == ECONNREFUSED || error == EHOSTUNREACH || error == ENETUNREACH ||
         error == EACCES || error == EMSGSIZE || error == EPROTO;
}

/// The value of a control message; nullopt when there is none of that type.
template <typename T>
std::optional<T> FindControl(const msghdr& header, int type) {
  for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr;
       c = CMSG_NXTHDR(const_cast<msghdr*>(&header), c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != type) continue;
    T value{};
    std::memcpy(&value, CMSG_DATA(c), sizeof(value));
    return value;
  }
  return std::nullopt;
}
}  // namespace

UdpReceiver::UdpReceiver(Loop& loop, PacketBufferPool& buffers) : loop_(loop), buffers_(buffers) {
  void* mapping = mmap(nullptr, kBatch * kOverflowSize, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  // Without it, datagrams over 2 KiB are truncated and dropped; calls go on.
  overflow_ = mapping == MAP_FAILED ? nullptr : static_cast<uint8_t*>(mapping);
}

UdpReceiver::~UdpReceiver() {
  if (overflow_ != nullptr) munmap(overflow_, kBatch * kOverflowSize);
}

void UdpReceiver::Prepare(int fd) {
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof(on));
  setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on));  // refused: ReceiveTime() copes
}

size_t UdpReceiver::ReadBatch(int fd, uint32_t* kernel_drops) {
  PrepareSlots();
  int got = 0;
  int attempts = 0;
  do {
    ++stats_.system_calls;
    got = recvmmsg(fd, headers_.data(), kBatch, MSG_DONTWAIT, nullptr);
  } while (got < 0 && (errno == EINTR || (IsAboutSending(errno) && ++attempts < kMaxAttempts)));
  if (got <= 0) {
    if (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK) ++stats_.errors;
    return 0;
  }
  used_ = static_cast<size_t>(got);
  CountKernelDrops(headers_[used_ - 1].msg_hdr, kernel_drops);
  times_.StartBatch(loop_.AdvanceClock());
  return used_;
}

void UdpReceiver::PrepareSlots() {
  for (size_t i = 0; i < used_; ++i) {
    if (!slots_[i]) {
      slots_[i] = buffers_.Allocate();
      pieces_[i][0] = {slots_[i].data(), PacketBuffer::kPooledCapacity};
      pieces_[i][1] = {overflow_ + i * kOverflowSize, kOverflowSize};
    }
    msghdr& header = headers_[i].msg_hdr;
    header.msg_name = &names_[i];
    header.msg_namelen = sizeof(names_[i]);
    header.msg_iov = pieces_[i].data();
    header.msg_iovlen = overflow_ == nullptr ? 1 : 2;
    header.msg_control = &controls_[i];
    header.msg_controllen = sizeof(Control);
    header.msg_flags = 0;
  }
  used_ = 0;
}

UdpReceiver::Datagram UdpReceiver::Take(size_t index) {
  const mmsghdr& message = headers_[index];
  Datagram datagram;
  if ((message.msg_hdr.msg_flags & MSG_TRUNC) != 0) {
    ++stats_.truncated;
    return datagram;
  }
  datagram.size = message.msg_len;
  datagram.from = SocketAddress::FromSockaddr(reinterpret_cast<const sockaddr*>(&names_[index]));
  datagram.received_at = ReceiveTime(message.msg_hdr);
  ++stats_.packets;
  stats_.bytes += datagram.size;
  if (datagram.size <= PacketBuffer::kPooledCapacity) {
    datagram.buffer = std::move(slots_[index]);
    return datagram;
  }
  ++stats_.big_datagrams;
  datagram.buffer = buffers_.Allocate(datagram.size);
  std::memcpy(datagram.buffer.data(), slots_[index].data(), PacketBuffer::kPooledCapacity);
  std::memcpy(datagram.buffer.data() + PacketBuffer::kPooledCapacity,
              overflow_ + index * kOverflowSize, datagram.size - PacketBuffer::kPooledCapacity);
  return datagram;
}

Timestamp UdpReceiver::ReceiveTime(const msghdr& header) const {
  const auto time = FindControl<timespec>(header, SCM_TIMESTAMPNS);
  if (!time) return loop_.Now();
  return times_.Convert(static_cast<int64_t>(time->tv_sec) * 1'000'000 + time->tv_nsec / 1000);
}

void UdpReceiver::CountKernelDrops(const msghdr& last, uint32_t* kernel_drops) {
  const auto drops = FindControl<uint32_t>(last, SO_RXQ_OVFL);
  if (!drops) return;                               // the kernel leaves it out while it is 0
  stats_.kernel_dropped += *drops - *kernel_drops;  // in 32 bits: it may wrap
  *kernel_drops = *drops;
}

}  // namespace sluice::worker
