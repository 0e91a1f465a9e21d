#pragma once

#include <cstdint>
#include <optional>

#include "common/socket_address.h"
#include "common/units.h"

namespace sluice::worker {

/// From which address one port of a plain transport takes packets.
///
/// Comedia (RFC 4145's idea: the peer's address is learned from what it sends) takes whoever comes
/// first, which is a stranger's to abuse. Rules that a public server asks for narrow it down: one
/// address whose packets take the lock from any other, packets from there only, and another lock
/// when the peer has fallen silent and its stream comes from elsewhere.
///
/// Owned by a port of a PlainTransport, which says what a packet is once it has been authenticated.
class PeerLock {
 public:
  /// A locked peer that has been silent for so long may have moved: a NAT that gave it another
  /// port, a sender that was started again.
  static constexpr Duration kSilence = Duration::Seconds(3);

  struct Rules {
    bool comedia = false;
    std::optional<IpAddress> source;  ///< takes the lock from any other address
    bool source_only = false;         ///< nothing is taken from elsewhere
    bool source_receives = false;     ///< media goes there only, when the address is learned
    bool relock = false;              ///< a known stream moves the lock of a silent peer
  };

  enum class Verdict : uint8_t {
    kPeer,    ///< from the peer
    kLock,    ///< from who becomes the peer, if the packet is well-formed
    kMoved,   ///< likewise, if it is also of a stream that the transport knows
    kRefuse,  ///< from somebody else
    kEarly,   ///< before the peer's address is known, which has to be given
  };

  explicit PeerLock(const Rules& rules) : rules_(rules) {}

  /// `receives_only`: the transport has no stream of the peer's. With `source_receives` it learns
  /// its peer's address from the source only: anybody else could have media sent to a third party
  /// by one datagram with a forged address.
  Verdict Check(const SocketAddress& from, bool receives_only, Timestamp now) const;
  /// The peer is there from now on.
  void Lock(const SocketAddress& peer, Timestamp now);
  /// A packet of the peer was taken.
  void OnPacket(Timestamp now) { heard_at_ = now; }

  bool locked() const { return peer_.has_value(); }
  bool IsPeer(const SocketAddress& from) const { return peer_ == from; }
  /// Whether media may go to the peer: with `source_receives`, a learned peer that is not the
  /// source may send, and gets RTCP up to as many bytes (SendLimit).
  bool peer_may_receive() const;

 private:
  bool IsSource(const SocketAddress& address) const { return rules_.source == address.ip; }

  const Rules rules_;
  std::optional<SocketAddress> peer_;
  Timestamp heard_at_;
};

}  // namespace sluice::worker
