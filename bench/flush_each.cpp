#include "bench/flush_each.h"

#include <utility>

namespace sluice::worker::bench {
namespace {

class FlushEachSocket final : public ServerSocket, private PacketWriter, private DatagramHandler {
 public:
  FlushEachSocket(Egress& egress, DatagramHandler& handler) : egress_(egress), handler_(handler) {}

  Status Open(SocketFactory& sockets, const ListenInfo& info) {
    auto socket = sockets.Open(info, *this);
    if (!socket.ok()) return socket.status();
    socket_ = *std::move(socket);
    return absl::OkStatus();
  }

  const SocketAddress& local_address() const override { return socket_->local_address(); }
  TransportProtocol protocol() const override { return socket_->protocol(); }
  PacketWriter* writer() override { return this; }

 private:
  // PacketWriter
  uint8_t* Reserve(size_t size) override { return socket_->writer()->Reserve(size); }
  void Commit(size_t size, const SocketAddress& to, PacketKind kind) override {
    socket_->writer()->Commit(size, to, kind);
    egress_.Flush();
  }

  // DatagramHandler
  void OnDatagram(PacketRef buffer, size_t size, const NetworkPath& from,
                  Timestamp received_at) override {
    handler_.OnDatagram(std::move(buffer), size, {from.tuple, this}, received_at);
  }
  void OnPathClosed(const NetworkPath& path) override { handler_.OnPathClosed(path); }

  Egress& egress_;
  DatagramHandler& handler_;
  std::unique_ptr<ServerSocket> socket_;
};

}  // namespace

Result<std::unique_ptr<ServerSocket>> FlushEachSockets::Open(const ListenInfo& info,
                                                             DatagramHandler& handler) {
  auto socket = std::make_unique<FlushEachSocket>(egress_, handler);
  SLUICE_RETURN_IF_ERROR(socket->Open(sockets_, info));
  return socket;
}

}  // namespace sluice::worker::bench
