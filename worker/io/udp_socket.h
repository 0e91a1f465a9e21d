#pragma once

#include <memory>

#include "common/fd.h"
#include "worker/io/fd_watcher.h"
#include "worker/io/port_allocator.h"
#include "worker/io/udp_receiver.h"
#include "worker/io/udp_writer.h"
#include "worker/media/socket_factory.h"

namespace sluice::worker {

/// A bound UDP socket. Reads until it is empty, but at most kMaxBatchesPerTurn batches a turn, so
/// that one flooded socket does not keep the others waiting.
class UdpSocket final : public ServerSocket, private FdListener {
 public:
  static constexpr size_t kMaxBatchesPerTurn = 8;  // × 64 datagrams: some 2 ms of work
  /// ICMP answers taken in one turn; the rest waits for the next.
  static constexpr size_t kMaxErrorsPerTurn = 64;

  /// The references outlive it.
  static Result<std::unique_ptr<UdpSocket>> Create(Loop& loop, Egress& egress,
                                                   UdpReceiver& receiver, BoundSocket socket,
                                                   DatagramHandler& handler);
  ~UdpSocket() override;

  const SocketAddress& local_address() const override { return socket_.address; }
  TransportProtocol protocol() const override { return TransportProtocol::kUdp; }
  PacketWriter* writer() override { return writer_.get(); }

 private:
  UdpSocket(Loop& loop, UdpReceiver& receiver, BoundSocket socket, DatagramHandler& handler);
  void OnReadable() override;
  void OnWritable() override;
  void OnPollError() override;
  /// False when the handler destroyed the socket.
  bool DeliverBatch(size_t count);

  Loop& loop_;
  UdpReceiver& receiver_;
  DatagramHandler& handler_;
  BoundSocket socket_;
  std::unique_ptr<FdWatcher> watcher_;
  std::unique_ptr<UdpWriter> writer_;
  uint32_t kernel_drops_ = 0;  // of UdpReceiver::ReadBatch
  bool* destroyed_ = nullptr;  // set by the destructor while a batch is being delivered
};

}  // namespace sluice::worker
