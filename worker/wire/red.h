#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "common/rtp_types.h"

namespace sluice::worker {

/// One block of a redundant payload (RFC 2198 §3).
struct RedBlock {
  PayloadType payload_type;
  /// How much earlier than the packet's RTP timestamp it was sampled, in units of its clock; 14
  /// bits, 0 for the primary one.
  uint16_t timestamp_offset = 0;
  std::span<const uint8_t> data;
};

/// A payload of redundant audio taken apart: older blocks, and behind them the primary one, which
/// is what a packet without redundancy would carry. Views into the payload; owns nothing.
struct RedPayload {
  /// A browser sends at most nine earlier packets with one.
  static constexpr size_t kMaxBlocks = 16;

  std::array<RedBlock, kMaxBlocks> blocks;
  size_t count = 0;  ///< at least one: the last is the primary block

  const RedBlock& primary() const { return blocks[count - 1]; }
  /// Bytes before the data of the primary block, which is always last.
  size_t primary_offset = 0;
};

/// nullopt when the headers or the lengths that they say do not fit the payload, and when there are
/// more than kMaxBlocks. The primary block may be empty.
std::optional<RedPayload> ParseRed(std::span<const uint8_t> payload);

/// Replaces the payload type of block `index`, below count, in place.
void SetRedBlockType(std::span<uint8_t> payload, size_t index, PayloadType type);

}  // namespace sluice::worker
