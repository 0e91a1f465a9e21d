#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "common/fd.h"
#include "common/units.h"
#include "worker/core/packet_buffer.h"
#include "worker/core/packet_writer.h"
#include "worker/io/egress.h"
#include "worker/io/fd_watcher.h"
#include "worker/io/tcp_frame_reader.h"
#include "worker/media/socket_factory.h"

namespace sluice::worker {

/// What happened on the TCP side of the worker.
struct TcpStats {
  uint64_t accepted = 0;
  uint64_t accept_errors = 0;   ///< out of descriptors or memory
  uint64_t refused_full = 0;    ///< over TcpListener::kMaxConnections
  uint64_t evicted_silent = 0;  ///< made room for newer ones without ever sending a packet
  uint64_t closed_idle = 0;     ///< no whole packet for too long
  uint64_t closed_framing = 0;  ///< announced a packet that cannot fit
  uint64_t packets_received = 0;
  uint64_t packets_sent = 0;     ///< handed to the kernel or to the backlog
  uint64_t backlog_dropped = 0;  ///< the peer does not read fast enough
};

/// What the connections of all listeners share.
struct TcpContext {
  /// Bytes of one read, and reads of one connection in a turn.
  static constexpr size_t kReadSize = 65'536;
  static constexpr int kMaxReadsPerTurn = 4;

  Loop& loop;
  Egress& egress;
  PacketBufferPool& buffers;
  TcpStats stats;
  std::vector<uint8_t> read_buffer = std::vector<uint8_t>(kReadSize);
};

/// One accepted connection: packets framed by RFC 4571 both ways. Owned by its TcpListener.
///
/// Packets leave with the turn's flush like datagrams. When the kernel takes no more they wait in a
/// backlog; when that is full, whole packets are dropped: late media is worth nothing.
class TcpConnection final : public PacketWriter, private EgressQueue, private FdListener {
 public:
  /// Bytes: one second at 2 Mbit/s, on top of what the kernel holds.
  static constexpr size_t kMaxBacklog = 256 * 1024;

  class Owner {
   public:
    virtual ~Owner() = default;
    /// The stream ended. May destroy the connection.
    virtual void OnConnectionClosed(TcpConnection& connection) = 0;
  };

  static Result<std::unique_ptr<TcpConnection>> Create(TcpContext& context, Fd fd,
                                                       const FiveTuple& tuple,
                                                       DatagramHandler& handler, Owner& owner);
  /// Sends what is queued as far as the kernel takes it.
  ~TcpConnection() override;

  uint8_t* Reserve(size_t size) override;
  void Commit(size_t size, const SocketAddress& to, PacketKind kind) override;

  NetworkPath path() { return {tuple_, this}; }
  /// A whole packet has come in at some time.
  bool has_spoken() const { return has_spoken_; }
  /// When the last whole packet came in; before the first one, when it was accepted.
  Timestamp last_packet_at() const { return last_packet_at_; }
  /// Since when part of a packet waits for its rest; no value when none does.
  std::optional<Timestamp> partial_since() const { return partial_since_; }

 private:
  TcpConnection(TcpContext& context, Fd fd, const FiveTuple& tuple, DatagramHandler& handler,
                Owner& owner);
  void OnReadable() override;
  void OnWritable() override;
  void OnPollError() override;
  void FlushQueue() override;
  /// Hands on the packets in `bytes`. False when `this` is gone.
  bool Deliver(std::span<const uint8_t> bytes);
  /// Sends `pieces`; returns how many bytes the kernel took.
  size_t Send(std::span<const std::span<const uint8_t>> pieces);
  void Break();

  TcpContext& context_;
  Fd fd_;
  FiveTuple tuple_;
  DatagramHandler& handler_;
  Owner& owner_;
  std::unique_ptr<FdWatcher> watcher_;
  TcpFrameReader reader_;
  Timestamp last_packet_at_;
  std::optional<Timestamp> partial_since_;
  bool has_spoken_ = false;
  bool broken_ = false;  // writing failed; the poll that follows closes it
  bool* destroyed_ = nullptr;
  Egress::Slot reserved_;
  std::vector<std::span<const uint8_t>> queue_;  // frames in the arena
  std::vector<uint8_t> backlog_;                 // frames; the first may be sent in part
  size_t backlog_sent_ = 0;
};

}  // namespace sluice::worker
