#pragma once

#include <cstdint>

#include "common/rtp_types.h"
#include "common/units.h"
#include "worker/core/srtp/srtp_packet.h"

namespace sluice::worker {

/// The packet indices that are tried for an RTP packet which does not authenticate under the
/// estimated one. The rollover counter is not in the packet (RFC 3711 §3.3.1), so it has to be
/// guessed where we missed how it came about: the first packets of a stream were lost just before
/// its sequence numbers wrapped, or nothing arrived for more than 2^15 packets.
class RolloverSearch {
 public:
  static constexpr int kRollovers = 4;  // of an SSRC without history: 0, 1, 2 and 3

  /// Tries packets up to this many in a window: a forged packet costs up to four decryptions
  /// instead of one, so that a flood of them takes below 0.1 % of a core more.
  static constexpr int kPacketsPerWindow = 20;
  static constexpr Duration kWindow = Duration::Millis(100);

  /// Whether one more packet may be tried; counts it.
  bool Allow(Timestamp now) {
    if (now - window_start_ >= kWindow) {
      window_start_ = now;
      packets_ = 0;
    }
    if (packets_ >= kPacketsPerWindow) return false;
    ++packets_;
    return true;
  }

  /// The lowest index above `highest` with the sequence number `seq`.
  static uint64_t FirstAbove(uint64_t highest, SeqNumber seq) {
    const uint64_t index = (highest & ~uint64_t{0xffff}) | seq.value();
    return index > highest ? index : index + kRollover;
  }

  static constexpr uint64_t kRollover = 0x10000;  // packets of one rollover counter

 private:
  Timestamp window_start_;
  int packets_ = 0;
};

}  // namespace sluice::worker
