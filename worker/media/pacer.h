#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "common/rtp_types.h"
#include "common/units.h"
#include "worker/core/bwe/network_controller.h"
#include "worker/core/bwe/sent_packet_history.h"
#include "worker/core/packet_buffer.h"
#include "worker/media/rtp_egress.h"

namespace sluice::worker {

/// What waits in front of the point at which a transport's packets leave, and how fast it may.
///
/// What exceeds the pacing rate by more than a burst waits in a queue: retransmissions before video
/// (audio never waits). A packet that waits is one without transport-wide number, time of sending
/// and encryption, in a buffer of the pool; most packets never see one.
///
/// Owned by the PacedSender of a transport whose path is estimated.
class Pacer {
 public:
  static constexpr Duration kTick = Duration::Millis(5);
  /// What leaves at once.
  static constexpr Duration kBurst = Duration::Millis(5);
  static constexpr double kMinBurst = 3000;  // bytes: a packet or two at any rate
  /// What waits leaves within so long, whatever the rate: then the layers go down.
  static constexpr Duration kMaxWait = Duration::Millis(500);
  /// More than that is dropped, and key frames are asked for.
  static constexpr size_t kMaxBytes = 512 * 1024;
  /// A probe that cannot be sent in that time is given up.
  static constexpr Duration kMaxProbe = Duration::Millis(1000);

  struct Held {
    PacketRef buffer;  ///< header and payload
    OutgoingRtp packet;
    size_t size() const { return packet.header_size + packet.payload.size(); }
  };

  Pacer(PacketBufferPool& buffers, Timestamp now) : buffers_(buffers), at_(now) {}

  SentPacketHistory& history() { return history_; }

  /// Zero: nothing waits.
  void SetRate(DataRate rate) { rate_ = static_cast<double>(rate.bps()) / 8; }
  void SetPadding(DataRate rate) { padding_rate_ = static_cast<double>(rate.bps()) / 8; }

  /// Whether a packet of video has to wait now.
  bool MustWait(Timestamp now) {
    if (now != at_) Refill(now);
    return (queued_bytes_ > 0 || budget_ <= 0) && rate_ > 0 && !passes_;
  }
  /// Memory for a packet that has to wait.
  uint8_t* Borrow(size_t capacity) {
    borrowed_ = buffers_.Allocate(capacity);
    return borrowed_.data();
  }
  bool IsBorrowed(const uint8_t* slot) const { return borrowed_ && borrowed_.data() == slot; }
  /// The packet in borrowed memory waits. False: there is no room.
  bool Hold(const OutgoingRtp& packet);
  /// The packet in borrowed memory leaves at once, after all; the memory is kept until the next
  /// tick.
  void Keep() { kept_.push_back(std::move(borrowed_)); }
  /// Drops what waits of an SSRC.
  void Purge(Ssrc ssrc);
  /// Drops all that waits, and names the SSRCs of it.
  std::vector<Ssrc> DropAll();

  /// A packet has left.
  void OnSent(size_t size) {
    budget_ -= static_cast<double>(size);
    sent_bytes_ += size;
  }
  /// Bytes that have left since the last call.
  size_t TakeSentBytes() {
    counted_bytes_ = 0;
    return std::exchange(sent_bytes_, 0);
  }

  // Of a tick.
  void BeginTick(Timestamp now);
  /// The next packet that may leave now; nullptr: none. It is to be sent before the next call.
  Held* Next(Timestamp now);
  /// The next packet, whatever the budget is; nullptr: none.
  Held* Front();
  void Pop();

  /// What is sent from now on belongs to the probe; 0: to none. While it is not 0, nothing waits.
  void SetProbe(uint8_t probe) {
    probe_id_ = probe;
    passes_ = probe != 0;
  }
  uint8_t probe() const { return probe_id_; }
  /// Padding may pass, too.
  void SetPasses(bool passes) { passes_ = passes; }
  void StartProbe(const ProbePlan& plan, Timestamp now);
  bool has_probe() const { return plan_.has_value(); }
  const ProbePlan& plan() const { return *plan_; }
  /// Bytes of the probe that are due at `now`; 0: it is complete, or not due yet.
  size_t ProbeDue(Timestamp now) const;
  /// `padding`: not media that waited.
  void OnProbeSent(size_t bytes, bool padding);
  /// It was sent, or has taken too long.
  bool ProbeEnds(Timestamp now) const;
  void EndProbe() { plan_.reset(); }

  /// Bytes of padding that are due.
  size_t PaddingDue() const {
    return padding_budget_ > 0 ? static_cast<size_t>(padding_budget_) : 0;
  }
  /// Padding has left, which OnSent() was told of as well.
  void OnPadding(size_t bytes) {
    padding_budget_ -= static_cast<double>(bytes);
    counted_bytes_ += bytes;
    counters_.padding += bytes;
  }

  bool busy() const { return queued_bytes_ > 0 || plan_ || padding_rate_ > 0 || !kept_.empty(); }
  size_t queued_bytes() const { return queued_bytes_; }
  size_t queued_packets() const { return queue_.size() + repairs_.size(); }
  struct Counters {
    uint64_t held = 0;     ///< packets
    uint64_t dropped = 0;  ///< packets
    uint64_t padding = 0;  ///< bytes
  };
  const Counters& counters() const { return counters_; }
  size_t HeapBytes() const { return history_.HeapBytes() + queued_bytes_; }

 private:
  static Ssrc SsrcOf(const Held& held);
  void Refill(Timestamp now);
  double Burst() const { return std::max(rate_ * kBurst.seconds(), kMinBurst); }

  PacketBufferPool& buffers_;
  Timestamp at_;               ///< of the budget
  double rate_ = 0;            ///< bytes per second; 0: nothing waits
  double budget_ = kMinBurst;  ///< bytes; who has sent nothing may send a burst
  bool passes_ = false;
  uint8_t probe_id_ = 0;
  size_t sent_bytes_ = 0;
  SentPacketHistory history_;

  std::deque<Held> queue_;
  std::deque<Held> repairs_;  // leave first
  size_t queued_bytes_ = 0;
  PacketRef borrowed_;
  std::vector<PacketRef> kept_;  ///< encryption may still read from these
  Counters counters_;

  std::optional<ProbePlan> plan_;
  Timestamp probe_since_;
  size_t probe_bytes_ = 0;
  int probe_packets_ = 0;

  double padding_rate_ = 0;  ///< bytes per second
  double padding_budget_ = 0;
  size_t counted_bytes_ = 0;  ///< of sent_bytes_, at the last tick
};

}  // namespace sluice::worker
