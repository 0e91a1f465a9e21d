#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "common/units.h"
#include "worker/core/rtp/rtp_class.h"

namespace sluice::worker {

/// The packets that a transport has sent of late, by transport-wide number: what congestion
/// feedback (draft-holmer-rmcat-transport-wide-cc-extensions) talks about.
///
/// Owned by the PacedSender, which adds each packet as it leaves. A ring that starts small and
/// doubles while it would forget packets younger than kMaxAge: 4 KiB for 1 Mbit/s.
class SentPacketHistory {
 public:
  static constexpr size_t kFirstPackets = 256;
  /// 65 Mbit/s in 1,000-byte packets over kMaxAge; a power of two.
  static constexpr size_t kMaxPackets = 8192;
  /// Feedback that takes longer says nothing of the path as it is now.
  static constexpr Duration kMaxAge = Duration::Seconds(2);
  /// Bytes of packets without a number are kept in these units.
  static constexpr size_t kUntrackedUnit = 16;

  enum class Fate : uint8_t { kUnknown, kLost, kReceived };

  struct Packet {
    Timestamp sent_at;
    uint16_t size = 0;  ///< bytes, encrypted; 0: none
    uint16_t number = 0;
    uint16_t untracked_units = 0;  ///< sent just before, without numbers
    uint8_t probe = 0;             ///< the probe that it belongs to; 0: none
    RtpClass rtp_class : 4 = RtpClass::kMedia;
    Fate fate : 4 = Fate::kUnknown;  ///< as feedback has it

    size_t untracked() const { return untracked_units * kUntrackedUnit; }
  };
  static_assert(sizeof(Packet) == 16);

  /// Numbers ascend by one, and wrap.
  void Add(uint16_t number, size_t size, RtpClass rtp_class, uint8_t probe, Timestamp now) {
    Packet* slot = &packets_[number & (packets_.size() - 1)];
    if (slot->size != 0 && now - slot->sent_at < kMaxAge && packets_.size() < kMaxPackets) {
      Grow();
      slot = &packets_[number & (packets_.size() - 1)];
    }
    constexpr size_t kMost = UINT16_MAX;
    slot->sent_at = now;
    slot->size = static_cast<uint16_t>(std::min(size, kMost));
    slot->number = number;
    slot->untracked_units = static_cast<uint16_t>(std::min(untracked_ / kUntrackedUnit, kMost));
    slot->probe = probe;
    slot->rtp_class = rtp_class;
    slot->fate = Fate::kUnknown;
    untracked_ = 0;
  }
  /// A packet has left that has no number.
  void AddUntracked(size_t size) { untracked_ += size; }

  /// nullptr when it was not sent, or too long ago.
  Packet* Find(uint16_t number, Timestamp now) {
    Packet& packet = packets_[number & (packets_.size() - 1)];
    if (packet.size == 0 || packet.number != number || now - packet.sent_at > kMaxAge) {
      return nullptr;
    }
    return &packet;
  }
  size_t HeapBytes() const { return packets_.capacity() * sizeof(Packet); }

 private:
  void Grow() {
    std::vector<Packet> larger(packets_.size() * 2);
    for (const Packet& packet : packets_) {
      if (packet.size != 0) larger[packet.number & (larger.size() - 1)] = packet;
    }
    packets_ = std::move(larger);
  }

  std::vector<Packet> packets_ = std::vector<Packet>(kFirstPackets);
  size_t untracked_ = 0;
};

}  // namespace sluice::worker
