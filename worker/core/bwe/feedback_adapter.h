#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "common/units.h"
#include "worker/core/bwe/network_controller.h"
#include "worker/core/bwe/sent_packet_history.h"
#include "worker/wire/rtcp.h"

namespace sluice::worker {

/// Puts what transport-cc feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01) says
/// together with what was sent. What was never sent, is too old, or was told of before is left out:
/// a forged feedback can name no more packets than the history holds.
class FeedbackAdapter {
 public:
  /// Reference times that are further than this from the time that has passed were set.
  static constexpr Duration kMaxClockStep = Duration::Seconds(3);

  /// The report is good until the next call.
  FeedbackReport Adapt(const rtcp::TransportFeedback& feedback, SentPacketHistory& history,
                       Timestamp now);

  struct Counters {
    uint64_t reports = 0;
    uint64_t received_packets = 0;
    uint64_t lost_packets = 0;     ///< some may be told as received later
    uint64_t unknown_packets = 0;  ///< never sent, or too long ago
    uint64_t clock_steps = 0;
  };
  const Counters& counters() const { return counters_; }
  size_t HeapBytes() const { return packets_.capacity() * sizeof(PacketResult); }

 private:
  /// A report of more packets than this gives its memory back.
  static constexpr size_t kKeptPackets = 256;

  bool MoveBase(int32_t reference_time, Timestamp now);

  std::vector<PacketResult> packets_;
  std::optional<int32_t> last_reference_;  ///< 24 bits, units of 64 ms
  Timestamp base_;                         ///< of last_reference_, on our time line
  Timestamp last_at_;
  Counters counters_;
};

}  // namespace sluice::worker
