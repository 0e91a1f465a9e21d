#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "common/fd.h"
#include "common/units.h"
#include "worker/core/packet_buffer.h"
#include "worker/core/packet_writer.h"
#include "worker/io/egress.h"
#include "worker/io/fd_watcher.h"
#include "worker/io/tcp_census.h"
#include "worker/io/tcp_frame_reader.h"
#include "worker/io/tcp_send_queue.h"
#include "worker/media/socket_factory.h"

namespace sluice::worker {

/// What happened on the TCP side of the worker.
struct TcpStats {
  uint64_t accepted = 0;
  uint64_t accept_errors = 0;  ///< out of descriptors or memory
  uint64_t refused_full = 0;   ///< over TcpLimits::connections, or per_network
  uint64_t evicted_full = 0;   ///< made room, of the network that had the most, at `connections`
  /// Made room for newer ones of its address, or of any address, before it was authenticated.
  uint64_t evicted_unauthenticated = 0;
  uint64_t closed_unauthenticated = 0;  ///< no valid connectivity check in time
  uint64_t closed_idle = 0;             ///< no valid connectivity check for too long
  uint64_t closed_unused = 0;           ///< its transport has gone, or uses other addresses
  uint64_t closed_framing = 0;          ///< announced a packet that cannot fit
  uint64_t packets_received = 0;
  uint64_t packets_sent = 0;    ///< of which the kernel took at least a part
  DropStats dropped;            ///< waited for too long, or too much waited
  uint64_t refused_closed = 0;  ///< for a connection that is broken, or too long for a frame
  uint64_t held_up = 0;         ///< times that the kernel and the network held enough already
};

/// What the connections of all listeners share.
struct TcpContext {
  /// Bytes of one read, and reads of one connection in a turn.
  static constexpr size_t kReadSize = 65'536;
  static constexpr int kMaxReadsPerTurn = 4;

  Loop& loop;
  Egress& egress;
  PacketBufferPool& buffers;
  TcpLimits limits = {};
  TcpStats stats = {};
  TcpCensus census{limits};
  std::vector<uint8_t> read_buffer = std::vector<uint8_t>(kReadSize);
};

/// One accepted connection: packets framed by RFC 4571 both ways. Owned by its TcpListener.
///
/// Packets leave with the turn's flush like datagrams, audio before video. The kernel gets no more
/// than it can send soon (TcpFlow); the rest waits in a TcpSendQueue, where what is too old is
/// dropped by whole frames of video: late media is worth nothing.
class TcpConnection final : public PacketWriter, private EgressQueue, private FdListener {
 public:
  /// How soon to look again whether the network has taken what it holds.
  static constexpr Duration kRetry = Duration::Millis(10);

  class Owner {
   public:
    virtual ~Owner() = default;
    /// The stream ended. May destroy the connection.
    virtual void OnConnectionClosed(TcpConnection& connection) = 0;
    /// Frames of video were dropped: TakeDroppedSsrcs() tells whose. Comes from within a flush,
    /// which calls no handler of packets: the owner notes the address, and tells in another turn.
    virtual void OnConnectionDroppedVideo(TcpConnection& connection) = 0;
  };

  static Result<std::unique_ptr<TcpConnection>> Create(TcpContext& context, Fd fd,
                                                       const FiveTuple& tuple,
                                                       DatagramHandler& handler, Owner& owner);
  /// Sends what is queued as far as the kernel takes it.
  ~TcpConnection() override;

  uint8_t* Reserve(size_t size) override;
  void Commit(size_t size, const SocketAddress& to, PacketKind kind) override;

  NetworkPath path() { return {tuple_, this}; }
  void OnPeerAuthenticated() override;
  void Close() override;
  /// It counts no more and is closed with the next turn, whoever its listener is.
  void Abandon();
  Owner& owner() const { return owner_; }
  const SocketAddress& remote() const { return tuple_.remote; }
  bool authenticated() const { return authenticated_; }
  Timestamp accepted_at() const { return accepted_at_; }
  std::vector<Ssrc> TakeDroppedSsrcs() { return waiting_.held().TakeDroppedSsrcs(); }

  /// Bytes that wait because the kernel or the network holds enough.
  size_t waiting_bytes() const { return waiting_.cost(); }

  /// A whole packet has come in at some time.
  bool has_spoken() const { return has_spoken_; }
  /// When the last valid connectivity check came in; before the first one, when it was accepted.
  Timestamp last_check_at() const { return last_check_at_; }
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
  struct Frame {
    std::span<const uint8_t> bytes;  // header included, in the arena
    PacketKind kind;
  };
  /// Sends as many of `queue_` as may go now; returns the number of those that went whole, and in
  /// `part` how many bytes of the next one went.
  size_t SendQueue(Timestamp now, size_t* part);
  /// Bytes that the kernel may have now. 0: it has been arranged that SendWaiting() is called.
  int64_t FindRoom(Timestamp now);
  /// Sends `pieces`; returns how many bytes the kernel took.
  size_t Send(std::span<const iovec> pieces, Timestamp now);
  void SendWaiting();
  void NoteDrops();
  void Break();

  TcpContext& context_;
  Fd fd_;
  FiveTuple tuple_;
  DatagramHandler& handler_;
  Owner& owner_;
  std::unique_ptr<FdWatcher> watcher_;
  TcpFrameReader reader_;
  const Timestamp accepted_at_;
  Timestamp last_check_at_;
  std::optional<Timestamp> partial_since_;
  bool has_spoken_ = false;
  bool authenticated_ = false;
  bool closing_ = false;  // what is queued is sent, then it breaks
  bool broken_ = false;   // writing failed; the poll that follows closes it
  bool* destroyed_ = nullptr;
  Egress::Slot reserved_;
  std::vector<Frame> queue_;
  TcpFlow flow_;
  TcpSendQueue waiting_;
  std::unique_ptr<Timer> retry_timer_;  // made when it is needed for the first time
};

}  // namespace sluice::worker
