#include "worker/io/udp_socket.h"

#include <utility>

namespace sluice::worker {

Result<std::unique_ptr<UdpSocket>> UdpSocket::Create(Loop& loop, Egress& egress,
                                                     UdpReceiver& receiver, BoundSocket socket,
                                                     DatagramHandler& handler) {
  std::unique_ptr<UdpSocket> udp(new UdpSocket(receiver, std::move(socket), handler));
  const int fd = udp->socket_.fd.get();
  auto watcher = FdWatcher::Create(loop, fd, *udp);
  if (!watcher.ok()) return watcher.status();
  udp->watcher_ = std::move(*watcher);
  udp->watcher_->Watch(true, false);
  udp->writer_ =
      std::make_unique<UdpWriter>(egress, *udp->watcher_, fd, udp->local_address().ip.is_v6());
  UdpReceiver::EnableReceiveTimes(fd);
  return udp;
}

UdpSocket::UdpSocket(UdpReceiver& receiver, BoundSocket socket, DatagramHandler& handler)
    : receiver_(receiver), handler_(handler), socket_(std::move(socket)) {}

UdpSocket::~UdpSocket() {
  if (destroyed_ != nullptr) *destroyed_ = true;
}

void UdpSocket::OnReadable() {
  for (size_t i = 0; i < kMaxBatchesPerTurn; ++i) {
    const size_t count = receiver_.ReadBatch(socket_.fd.get());
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
  watcher_->Watch(true, writer_->backlog_bytes() > 0);
}

}  // namespace sluice::worker
