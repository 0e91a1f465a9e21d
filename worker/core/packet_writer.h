#pragma once

#include <cstddef>
#include <cstdint>

#include "common/socket_address.h"

namespace sluice::worker {

/// What a packet is to a writer that cannot send everything at once: what goes first, and what is
/// dropped when something must be.
enum class PacketKind : uint8_t {
  kAudio,
  /// RTP, retransmissions included. Dropped before anything else and by whole frames. A frame is
  /// the packets to one destination that have one SSRC and one RTP timestamp, which stand in clear
  /// in bytes 4 to 11 of every RTP packet, encrypted or not (RFC 3550 section 5.1, RFC 3711
  /// section 3.1); so nobody has to say where a frame begins and ends.
  kVideo,
  kRtcp,
  kStun,
  kDtls,
  kSctp,  ///< not within DTLS
};
inline constexpr size_t kPacketKinds = 6;

/// Sends datagrams: one UDP socket, or one accepted TCP connection (which frames them by
/// RFC 4571). Packets are written straight into its egress arena and leave at the end of the loop
/// turn, in order of Commit(); neighbours of equal size to one destination leave as one GSO
/// message.
///
/// Implemented in `io/` (real sockets) and by the simulated link of the tests.
class PacketWriter {
 public:
  /// Largest datagram it takes.
  static constexpr size_t kMaxDatagram = 65'507;  // UDP over IPv4: 65535 − 20 − 8

  virtual ~PacketWriter() = default;

  /// Memory for the next datagram, `size` <= kMaxDatagram bytes; nullptr when the writer is closed
  /// or full (counted there). Valid until the flush at the end of the turn: an encryption that ends
  /// later in the turn may still write into it, whether it was committed, refused or never
  /// committed. Nobody else gets this memory before that flush.
  virtual uint8_t* Reserve(size_t size) = 0;
  /// Queues the reserved bytes, `size` at most what was reserved.
  virtual void Commit(size_t size, const SocketAddress& to, PacketKind kind) = 0;
  /// Who is at the other end has proved to belong to a transport, by a valid connectivity check
  /// over this writer. A TCP connection of which this is not said now and then is closed.
  virtual void OnPeerAuthenticated() {}
  /// Nobody sends over it any more: a connection is closed once what was committed has been sent as
  /// far as it can be. Its handler hears OnPathClosed in a later turn. Nothing for a UDP socket.
  virtual void Close() {}
};

/// One way to a peer: the 5-tuple that names it and the writer that reaches it.
/// Compared by tuple alone. The writer outlives it: whoever stores a path hears OnPathClosed.
struct NetworkPath {
  FiveTuple tuple;
  PacketWriter* writer = nullptr;

  friend bool operator==(const NetworkPath& a, const NetworkPath& b) { return a.tuple == b.tuple; }
  explicit operator bool() const { return writer != nullptr; }
};

}  // namespace sluice::worker
