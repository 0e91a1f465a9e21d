#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "common/rtp_types.h"

namespace sluice::worker {

/// The header of a FlexFEC repair packet for one stream, with a flexible mask
/// (draft-ietf-payload-flexible-fec-scheme-03 §4.2, as browsers send it): which packets it
/// protects.
struct FlexfecHeader {
  static constexpr size_t kMaxProtected = 109;  // bits of the longest mask

  Ssrc ssrc;               ///< of the stream that is protected
  SeqNumber base;          ///< number of the first packet that can be
  size_t header_size = 0;  ///< 20, 24 or 32 bytes
  size_t protected_count = 0;
  /// Distances from `base` of the packets that are protected, ascending; the first
  /// protected_count of them.
  std::array<uint8_t, kMaxProtected> distances{};
};

/// nullopt when it is too short, is for another number of streams than one, is a retransmission or
/// has a fixed mask (bits R and F), has an endless mask, or protects nothing.
std::optional<FlexfecHeader> ParseFlexfec(std::span<const uint8_t> payload);

/// Makes the header speak of the same packets under other names: SSRC, number of the first, and
/// what was XORed of their payload types. `type_change`: old payload type XOR new, of each of them.
/// `payload` must hold the header.
void RewriteFlexfec(std::span<uint8_t> payload, const FlexfecHeader& header, Ssrc ssrc,
                    SeqNumber base, uint8_t type_change);

}  // namespace sluice::worker
