#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "common/rtp_types.h"
#include "common/units.h"
#include "worker/core/environment.h"

namespace sluice::worker {

/// Tells the sender when its packets arrived (draft-holmer-rmcat-transport-wide-cc-extensions-01):
/// every 100 ms in which packets came, one feedback (or several, where one does not hold all) from
/// the first number not reported yet to the newest. A packet that comes after its number was
/// reported as lost, but within the arrival memory, is reported again with what follows it.
///
/// Owned by a transport whose producers negotiated transport-cc; fed with every RTP packet that
/// carries the extension. Idle (no timer) while nothing arrives.
class TransportFeedbackGenerator {
 public:
  static constexpr Duration kInterval = Duration::Millis(100);  // docs/protocols/rtp-rtcp.md §7
  static constexpr Duration kArrivalMemory =
      Duration::Millis(500);  // docs/protocols/rtp-rtcp.md §7
  /// Numbers remembered: 500 ms of 75 Mbit/s in 1200-byte packets.
  static constexpr int64_t kMaxWindow = 4096;
  /// Numbers in one feedback: at worst 2 bytes of delta and 2/7 of a chunk each, in 1292 bytes.
  static constexpr size_t kMaxStatuses = 500;
  /// Packets in a row from behind the window that make us believe the sender began anew.
  static constexpr int kRestartAfter = 16;

  /// `on_due`: there is feedback, which TakeFeedback() gives. It may destroy the generator.
  TransportFeedbackGenerator(Environment& environment, std::function<void()> on_due);

  /// A packet of `media` with transport-wide number `sequence` came at `received_at`.
  void OnPacket(uint16_t sequence, Ssrc media, Timestamp received_at);

  /// Writes the next RTCP packet of what is due, plaintext, into `out`, which has room for
  /// rtcp::Builder::kMaxCompound bytes: to be sent at once. Returns that part of `out`; empty when
  /// there is no more.
  std::span<const uint8_t> TakeFeedback(std::span<uint8_t> out);

  uint64_t feedbacks_sent() const { return feedbacks_sent_; }
  /// Packets too old for the window: not told of.
  uint64_t ignored() const { return ignored_; }

 private:
  static constexpr int64_t kNotReceived = -1;
  static constexpr size_t kInitialWindow = 256;  // 100 ms of 24 Mbit/s and room for losses

  void Restart(int64_t sequence);
  void Grow(int64_t span);
  void DropOld(Timestamp now);
  /// One feedback that begins at next_report_, which it moves behind its last number; empty when
  /// `out` has no room.
  std::span<const uint8_t> WriteNext(std::span<uint8_t> out);
  int64_t& Slot(int64_t sequence) {
    return arrivals_[static_cast<size_t>(sequence) & (arrivals_.size() - 1)];
  }

  const std::function<void()> on_due_;
  std::unique_ptr<Timer> timer_;
  SeqNumberUnwrapper unwrapper_;
  std::vector<int64_t> arrivals_;  ///< µs or kNotReceived; a ring over begin_ … end_ − 1
  int64_t begin_ = 0;
  int64_t end_ = 0;
  int64_t next_report_ = 0;  ///< the next feedback begins here
  Ssrc media_;
  uint8_t feedback_count_ = 0;
  int behind_in_row_ = 0;
  uint64_t feedbacks_sent_ = 0;
  uint64_t ignored_ = 0;
};

}  // namespace sluice::worker
