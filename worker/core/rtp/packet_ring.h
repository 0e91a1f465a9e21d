#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "common/rtp_types.h"
#include "common/units.h"
#include "worker/core/packet_buffer.h"
#include "worker/core/rtp/routed_packet.h"

namespace sluice::worker {

/// The recent packets of one producer encoding, each of them once: the list of a turn points into
/// it, retransmission and viewers that waited for a key frame look packets up by number. Holds
/// references to the received bytes, never a copy of them.
///
/// Owned by the Producer, which adds every packet. Bounded by numbers, by bytes and by age.
///
/// Of video it knows where the current group of pictures begins, so that whoever joins can be shown
/// the group so far. That of a sender whose next key frame is far away is kept for longer than
/// other packets (KeepGroup), within bounds of its own.
///
/// A pointer to a packet stays valid until the Unpin() after its Add(), however old the packet gets
/// and whatever is added behind it: that is what the list of a turn needs. For longer keep the
/// number, and Find() it.
class PacketRing {
 public:
  /// Sequence numbers covered, newest − oldest + 1: two seconds of 15 Mbit/s in 1200-byte packets.
  static constexpr int64_t kMaxPackets = 2500;
  /// Of packet buffers kept. kMaxPackets of an ordinary sender are 5 MiB; datagrams of 64 KiB,
  /// which only a sender on the same host makes, would be 160 MiB.
  static constexpr size_t kMaxBytes = 8 * 1024 * 1024;
  /// Older than that a repaired video frame comes too late for any jitter buffer.
  static constexpr Duration kVideoMaxAge = Duration::Millis(2000);
  static constexpr Duration kAudioMaxAge = Duration::Millis(1000);

  /// A group that is kept is forgotten when it is older than that, or when the ring holds more than
  /// so many bytes of packet buffers for its sake: two thousand packets.
  static constexpr Duration kMaxGroupAge = Duration::Seconds(15);
  static constexpr size_t kMaxGroupBytes = 4 * 1024 * 1024;
  /// What all rings of the process together hold that keep a group: 60 of these at their largest.
  /// A ring that finds no room keeps none.
  static constexpr size_t kMaxKeptBytes = 256 * 1024 * 1024;
  /// Holes so near to the newest number may still be filled: a group with others is not whole.
  static constexpr int64_t kMaxLateness = 64;

  explicit PacketRing(Duration max_age);
  ~PacketRing() { SetKept(0); }
  PacketRing(const PacketRing&) = delete;
  PacketRing& operator=(const PacketRing&) = delete;

  /// Makes room for a packet, in any order, and returns it with these three fields set, to be
  /// filled in; nullptr when the number is there already or kMaxPackets behind the newest. `buffer`
  /// is empty for a packet of padding. Drops what is now too old, too far behind or too much. A
  /// jump of kMaxPackets or more ahead empties the ring first. O(1) amortised.
  RoutedPacket* Add(ExtendedSeqNumber sequence, const PacketRef& buffer, Timestamp received_at);
  /// A packet with this number came, and was not added, for there was nobody to get it.
  void OnUnheard(ExtendedSeqNumber sequence) { unheard_ = std::max(unheard_, sequence.value()); }
  /// Packets behind this number came that were not added.
  bool LacksBehind(ExtendedSeqNumber sequence) const { return sequence.value() < unheard_; }
  /// Memory for the dependency descriptor of a packet that was just added; nullptr when it is no
  /// longer here. It lives as long as the packet.
  DependencyDescriptor* AddDescriptor(const RoutedPacket& packet);
  /// The packet with that number, nullptr when it is not here or older than the maximum age at
  /// `now`. Valid until the next Add, Expire or Clear.
  const RoutedPacket* Find(ExtendedSeqNumber sequence, Timestamp now) const;
  /// For the producer, which has learned more of a packet since it was added.
  RoutedPacket* FindToComplete(ExtendedSeqNumber sequence) {
    const int64_t number = sequence.value();
    if (size_ == 0 || number < oldest_ || number > newest_) return nullptr;
    Slot* slot = At(number);
    return slot == nullptr ? nullptr : &slot->packet;
  }
  /// The packet with that number, nullptr when it is not here, however old it is. Likewise.
  const RoutedPacket* FindKept(ExtendedSeqNumber sequence) const {
    const int64_t number = sequence.value();
    if (size_ == 0 || number < oldest_ || number > newest_) return nullptr;
    const Slot* slot = At(number);
    return slot == nullptr ? nullptr : &slot->packet;
  }
  /// The highest number that was added; only while size() > 0.
  ExtendedSeqNumber newest() const { return ExtendedSeqNumber(newest_); }
  /// Likewise: what has a lower number is gone.
  ExtendedSeqNumber oldest() const { return ExtendedSeqNumber(oldest_); }

  /// A key frame at RTP time `timestamp` begins with packet `first`, which is here: with it the
  /// current group does. Nothing happens if that is older than the current one, or the same.
  /// `keep`: it stays here, within the bounds of a group, until the next one begins; otherwise as
  /// long as other packets do.
  void BeginGroup(ExtendedSeqNumber first, RtpTimestamp timestamp, bool keep);
  /// Packets from this one on are still to be sent to somebody: they stay as those of a group do,
  /// within the same bounds. nullopt, as at first: there are none.
  void HoldFrom(std::optional<ExtendedSeqNumber> first) { held_from_ = first; }
  /// Nothing here is of use to who has not seen what came before.
  void ForgetGroup() { group_.reset(); }
  /// The current group as it stands here.
  struct Group {
    ExtendedSeqNumber first;
    Timestamp began_at;  ///< when its first packet came
    size_t bytes = 0;    ///< of payloads, up to the newest
  };
  /// nullopt: it has been forgotten, or packets of it are missing that will hardly come. Takes time
  /// by the number of packets.
  std::optional<Group> ReadGroup() const;

  /// No pointer that Add() has returned is in use any more.
  void Unpin();
  /// Releases what is too old at `now`.
  void Expire(Timestamp now);
  void Clear();
  /// Gives the memory of the packets back if idle(): for a stream that has stopped.
  void Shrink();

  /// Packets that Find() can return.
  size_t size() const { return size_; }
  /// True when neither Find() nor a pinned pointer needs a packet of it.
  bool idle() const { return size_ == 0 && retired_.empty(); }
  Duration max_age() const { return max_age_; }
  /// Packets dropped before their time because of kMaxBytes.
  uint64_t dropped_over_bytes() const { return dropped_over_bytes_; }
  /// Bytes of the ring itself, and bytes of the packet buffers it keeps alive.
  size_t RingBytes() const;
  size_t HeldBytes() const { return held_bytes_; }
  static size_t AllKeptBytes() { return all_kept_bytes_; }

 private:
  static constexpr size_t kInitialIndex = 64;  // numbers: half a second of a 1 Mbit/s video
  static constexpr size_t kChunk = 32;         // packets allocated together, about 6 KiB

  /// The memory of a packet; it never moves.
  struct Slot {
    RoutedPacket packet;
    uint32_t pin = 0;  ///< pinned while equal to pin_
    /// Kept for the next packet in this slot: made only for streams that have descriptors.
    std::unique_ptr<DependencyDescriptor> descriptor;
  };

  Slot*& At(int64_t sequence) {
    return index_[static_cast<size_t>(sequence) & (index_.size() - 1)];
  }
  const Slot* At(int64_t sequence) const {
    return index_[static_cast<size_t>(sequence) & (index_.size() - 1)];
  }
  /// It is older than other packets may get, and stays all the same.
  bool IsKept(const Slot& oldest, Timestamp now) const {
    const bool of_group = group_ && group_->keep && oldest_ >= group_->first;
    const bool needed = of_group || (held_from_ && oldest_ >= held_from_->value());
    return needed && held_bytes_ <= kMaxGroupBytes &&
           all_kept_bytes_ - kept_bytes_ + held_bytes_ <= kMaxKeptBytes &&
           now - oldest.packet.received_at <= kMaxGroupAge;
  }
  void SetKept(size_t bytes) {
    all_kept_bytes_ = all_kept_bytes_ - kept_bytes_ + bytes;
    kept_bytes_ = bytes;
  }
  Slot* Take();
  void Free(Slot* slot);
  void DropOldest();
  void GrowFor(int64_t span);

  Duration max_age_;
  std::vector<Slot*> index_;  ///< by the low bits of the number; nullptr = not here
  std::vector<std::unique_ptr<Slot[]>> chunks_;
  std::vector<Slot*> free_;
  std::vector<Slot*> retired_;  ///< dropped, but pinned
  int64_t oldest_ = 0;          ///< oldest_…newest_ is covered; meaningful while size_ > 0
  int64_t newest_ = 0;
  int64_t unheard_ = 0;  ///< the highest number that came and was not added
  size_t size_ = 0;
  size_t held_bytes_ = 0;
  uint32_t pin_ = 1;
  uint64_t dropped_over_bytes_ = 0;
  struct GroupStart {
    int64_t first = 0;
    RtpTimestamp timestamp;
    bool keep = false;
  };
  std::optional<GroupStart> group_;
  std::optional<ExtendedSeqNumber> held_from_;
  size_t kept_bytes_ = 0;  ///< its share of all_kept_bytes_
  static inline size_t all_kept_bytes_ = 0;
};

}  // namespace sluice::worker
