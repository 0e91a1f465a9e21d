#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "worker/core/rtp/routed_packet.h"
#include "worker/core/rtp/sequence_rewriter.h"

namespace sluice::worker {

/// Payloads of one turn with other picture ids than they came with (VP8, VP9): each is made once,
/// for all receivers that need the same. They need the same when they have come to an encoding in
/// the same way, as most have.
///
/// Owned by a producer, asked by the output streams of its consumers.
class PatchedPayloads {
 public:
  /// Different ones of a packet. Who needs another makes a copy of its own.
  static constexpr size_t kMaxOfPacket = 4;
  /// Of all of them: four times a key frame of 250 kB.
  static constexpr size_t kMaxBytes = 1024 * 1024;
  /// Allocated together; no packet is larger.
  static constexpr size_t kChunk = 64 * 1024;

  /// The payload of a packet of this turn with `offsets` added to its fields, as long as its own.
  /// It stays until Clear(). nullptr: there is no room for another.
  const uint8_t* Get(const RoutedPacket& packet, const RewriteOffsets& offsets) {
    const uint32_t key = uint32_t{offsets.picture_id} << 16 |
                         uint32_t{offsets.tl0_picture_index} << 8 | offsets.key_index;
    if (packet.turn_index < packets_.size()) {
      const OfPacket& of = packets_[packet.turn_index];
      if (of.first_key == key && of.arrival == packet.arrival) [[likely]]
        return of.payloads[0];
    }
    return Find(packet, offsets, key);
  }
  /// Nothing of what Get() returned is in use any more.
  void Clear();
  /// Gives the memory back, too.
  void Release();

  size_t HeapBytes() const {
    return chunks_.size() * kChunk + packets_.capacity() * sizeof(OfPacket);
  }

 private:
  struct OfPacket {
    uint64_t arrival = 0;    ///< RoutedPacket::arrival
    uint32_t first_key = 0;  ///< keys[0]; 0: there is none
    uint32_t count = 0;
    std::array<const uint8_t*, kMaxOfPacket> payloads{};
    std::array<uint32_t, kMaxOfPacket> keys{};  ///< the offsets, of which one is not 0
  };

  const uint8_t* Find(const RoutedPacket& packet, const RewriteOffsets& offsets, uint32_t key);
  uint8_t* Allocate(size_t size);

  std::vector<OfPacket> packets_;  ///< by RoutedPacket::turn_index
  std::vector<std::unique_ptr<uint8_t[]>> chunks_;
  size_t chunk_ = 0;  ///< that is being filled
  size_t used_ = 0;   ///< bytes of it
};

/// Adds `offsets` to the picture id, TL0PICIDX and KEYIDX of a payload of `packet`, in place.
void PatchPayload(std::span<uint8_t> payload, const RoutedPacket& packet,
                  const RewriteOffsets& offsets);

}  // namespace sluice::worker
