#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "common/units.h"
#include "worker/core/rtp/rtp_class.h"

namespace sluice::worker {

/// The packets that a transport has sent of late, by transport-wide number: what congestion
/// feedback (draft-holmer-rmcat-transport-wide-cc-extensions) talks about.
///
/// Owned by the PacedSender, which adds each packet as it leaves.
class SentPacketHistory {
 public:
  /// 65 Mbit/s in 1,000-byte packets over kMaxAge; a power of two.
  static constexpr size_t kMaxPackets = 8192;
  /// Feedback that takes longer says nothing of the path as it is now.
  static constexpr Duration kMaxAge = Duration::Seconds(2);

  struct Packet {
    Timestamp sent_at;
    uint32_t size = 0;  ///< bytes, encrypted
    uint16_t number = 0;
    RtpClass rtp_class = RtpClass::kMedia;
  };

  /// Numbers ascend by one, and wrap.
  void Add(uint16_t number, size_t size, RtpClass rtp_class, Timestamp now) {
    (*packets_)[number % kMaxPackets] = {now, static_cast<uint32_t>(size), number, rtp_class};
  }
  /// nullptr when it was not sent, or too long ago.
  const Packet* Find(uint16_t number, Timestamp now) const {
    const Packet& packet = (*packets_)[number % kMaxPackets];
    if (packet.size == 0 || packet.number != number || now - packet.sent_at > kMaxAge) {
      return nullptr;
    }
    return &packet;
  }

 private:
  using Ring = std::array<Packet, kMaxPackets>;
  std::unique_ptr<Ring> packets_ = std::make_unique<Ring>();
};

}  // namespace sluice::worker
