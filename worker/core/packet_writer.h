#pragma once

#include <cstddef>
#include <cstdint>

#include "common/socket_address.h"
#include "common/units.h"

namespace sluice::worker {

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
  /// later in the turn may still write into it after Commit().
  virtual uint8_t* Reserve(size_t size) = 0;
  /// Queues the reserved bytes, `size` at most what was reserved. `release_at` is when the pacer
  /// wants it on the wire; Timestamp() means at once.
  virtual void Commit(size_t size, const SocketAddress& to, Timestamp release_at = {}) = 0;
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
