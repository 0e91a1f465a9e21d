#include "worker/io/udp_socket.h"

#include <optional>
#include <utility>

#include "worker/io/socket_errors.h"

namespace sluice::worker {

Result<std::unique_ptr<UdpSocket>> UdpSocket::Create(Loop& loop, Egress& egress,
                                                     UdpReceiver& receiver, BoundSocket socket,
                                                     DatagramHandler& handler) {
  std::unique_ptr<UdpSocket> udp(new UdpSocket(loop, receiver, std::move(socket), handler));
  const int fd = udp->socket_.fd.get();
  auto watcher = FdWatcher::Create(loop, fd, *udp);
  if (!watcher.ok()) return watcher.status();
  udp->watcher_ = std::move(*watcher);
  udp->watcher_->Watch(true, false);
  const bool ipv6 = udp->local_address().ip.is_v6();
  udp->writer_ = std::make_unique<UdpWriter>(egress, loop, *udp->watcher_, fd, ipv6);
  UdpReceiver::Prepare(fd);
  EnableSocketErrors(fd, ipv6);
  return udp;
}

UdpSocket::UdpSocket(Loop& loop, UdpReceiver& receiver, BoundSocket socket,
                     DatagramHandler& handler)
    : loop_(loop), receiver_(receiver), handler_(handler), socket_(std::move(socket)) {}

UdpSocket::~UdpSocket() {
  if (destroyed_ != nullptr) *destroyed_ = true;
}

void UdpSocket::OnReadable() {
  for (size_t i = 0; i < kMaxBatchesPerTurn; ++i) {
    const size_t count = receiver_.ReadBatch(socket_.fd.get(), &kernel_drops_);
    if (count == 0 || !DeliverBatch(count)) return;
    if (count < UdpReceiver::kBatch) return;
  }
}

bool UdpSocket::DeliverBatch(size_t count) {
  bool destroyed = false;
  destroyed_ = &destroyed;
  NetworkPath path{{TransportProtocol::kUdp, local_address(), {}}, writer_.get()};
  for (size_t i = 0; i < count; ++i) {
    UdpReceiver::Datagram datagram = receiver_.Take(i);
    if (!datagram.buffer) continue;
    path.tuple.remote = datagram.from;
    handler_.OnDatagram(std::move(datagram.buffer), datagram.size, path, datagram.received_at);
    if (destroyed) return false;
  }
  destroyed_ = nullptr;
  return true;
}

void UdpSocket::OnWritable() { writer_->OnWritable(); }

void UdpSocket::OnPollError() {
  int error = 0;
  socklen_t length = sizeof(error);
  getsockopt(socket_.fd.get(), SOL_SOCKET, SO_ERROR, &error, &length);  // clears it
  watcher_->Watch(true, writer_->waits_for_socket());
  bool destroyed = false;
  destroyed_ = &destroyed;
  for (size_t i = 0; i < kMaxErrorsPerTurn; ++i) {
    const std::optional<SocketError> answer = TakeSocketError(socket_.fd.get());
    if (!answer) break;
    if (!answer->unreachable) continue;
    ++receiver_.stats().unreachable;
    handler_.OnUnreachable({TransportProtocol::kUdp, local_address(), answer->to}, loop_.Now());
    if (destroyed) return;
  }
  destroyed_ = nullptr;
}

}  // namespace sluice::worker
