#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "common/rtp_types.h"
#include "common/units.h"
#include "worker/core/rtp/routed_packet.h"

namespace sluice::worker {

/// The recent packets of one producer encoding, kept once for all its consumers to retransmit from
/// (router-protocol §5.11). Holds references to the received bytes, never a copy of them.
///
/// Owned by the Producer, which adds every media packet; consumers look packets up when a NACK
/// comes. A ring indexed by sequence number, of a power of two that grows on demand; bounded by
/// kMaxPackets numbers and by age.
class RetransmissionStore {
 public:
  /// Sequence numbers covered, newest − oldest + 1: two seconds of 15 Mbit/s in 1200-byte packets.
  static constexpr int64_t kMaxPackets = 2500;
  /// Older than that a repaired video frame comes too late for any jitter buffer.
  static constexpr Duration kVideoMaxAge = Duration::Millis(2000);
  static constexpr Duration kAudioMaxAge = Duration::Millis(1000);

  explicit RetransmissionStore(Duration max_age);

  /// Stores a packet, in any order; drops what is now too old against `packet.received_at`, and
  /// what is too far behind the newest. A number that is there already keeps its first packet. A
  /// jump of kMaxPackets or more ahead empties the store first. O(1) amortised.
  void Add(const RoutedPacket& packet);
  /// The packet with that number, nullptr when it is not here or older than the maximum age at
  /// `now`. Valid until the next Add, Expire or Clear.
  const RoutedPacket* Find(ExtendedSeqNumber sequence, Timestamp now) const;
  /// Releases what is too old at `now`; for a stream that stands still.
  void Expire(Timestamp now);
  void Clear();

  /// Packets held.
  size_t size() const { return size_; }
  Duration max_age() const { return max_age_; }
  /// Bytes of the ring itself, and bytes of the packet buffers it keeps alive.
  size_t RingBytes() const { return ring_.capacity() * sizeof(RoutedPacket); }
  size_t HeldBytes() const;

 private:
  static constexpr size_t kInitialRing = 64;  // packets: half a second of a 1 Mbit/s video

  RoutedPacket& Slot(int64_t sequence) {
    return ring_[static_cast<size_t>(sequence) & (ring_.size() - 1)];
  }
  const RoutedPacket& Slot(int64_t sequence) const {
    return ring_[static_cast<size_t>(sequence) & (ring_.size() - 1)];
  }
  void DropOldest();
  void GrowFor(int64_t span);

  Duration max_age_;
  std::vector<RoutedPacket> ring_;  ///< an empty slot has an empty buffer
  int64_t oldest_ = 0;              ///< oldest_…newest_ is covered; meaningful while size_ > 0
  int64_t newest_ = 0;
  size_t size_ = 0;
};

}  // namespace sluice::worker
