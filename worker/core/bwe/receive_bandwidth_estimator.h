#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "common/rtp_types.h"
#include "common/units.h"
#include "worker/core/bwe/delay_trend.h"
#include "worker/core/rtp/rate_window.h"

namespace sluice::worker {

/// Estimates what the path from a sender to us carries, for a sender that has no estimator of its
/// own and obeys REMB (draft-ietf-rmcat-gcc-02, receiver side; draft-alvestrand-rmcat-remb-03).
///
/// Fed with every RTP packet that has the abs-send-time extension. DelayTrend says whether a queue
/// builds up; the estimate then falls to 0.85 of what arrives, is held while the queue drains, and
/// otherwise rises: slowly near the rate at which the path was last full, by 8 % per second
/// elsewhere, and never above 1.5 of what arrives, so that a sender with little to send does not
/// talk it up. What has been granted is not taken back because less is sent.
///
/// Per packet a few additions; the line is fitted once per group of packets. O(1) memory.
class ReceiveBandwidthEstimator {
 public:
  static constexpr DataRate kStart = DataRate::BitsPerSecond(300'000);
  static constexpr DataRate kMin = DataRate::BitsPerSecond(10'000);
  static constexpr DataRate kMax = DataRate::BitsPerSecond(1'000'000'000);
  /// Window of the incoming rate: short, or a drop of capacity is seen too late.
  static constexpr Duration kRateWindow = Duration::Millis(500);
  /// What arrived after this long is the first estimate, if it is above kStart.
  static constexpr Duration kFirstMeasurement = Duration::Seconds(1);
  /// Streams that were silent for this long are gone; after a silence of all the path is new.
  static constexpr Duration kStreamTimeout = Duration::Seconds(2);
  /// Streams that are named in REMB; of more, the ones that were silent longest are left out.
  static constexpr size_t kMaxStreams = 16;
  // Rate control (draft-ietf-rmcat-gcc-02 §5.5).
  static constexpr double kDecrease = 0.85;             // of the incoming rate
  static constexpr double kIncreasePerSecond = 1.08;    // far from the last congestion
  static constexpr double kMaxOfIncoming = 1.5;         // bound of the increase
  static constexpr double kMinAdditivePerSecond = 5e3;  // bps per second
  /// A decrease takes this long to show: a round trip and the sender's next frames.
  static constexpr Duration kDecreaseInterval = Duration::Millis(200);
  /// Half a packet is added per this long: a round trip, which is not known here, and 100 ms.
  static constexpr Duration kResponseTime = Duration::Millis(200);
  /// A step of either clock against the other by this much starts anew.
  static constexpr Duration kMaxClockStep = Duration::Seconds(5);

  /// The sender's clock going back by more than this was set; by less, a packet was overtaken.
  static constexpr Duration kMaxOvertaken = Duration::Millis(500);

  /// `abs_send_time`: 24 bits, 6.18 fixed-point seconds; wraps each 64 s. `bytes`: of the packet.
  void OnPacket(uint32_t abs_send_time, size_t bytes, Ssrc ssrc, Timestamp arrival);

  /// Zero until something was measured.
  DataRate estimate() const { return measured_ ? estimate_ : DataRate::Zero(); }
  /// The streams of the last kStreamTimeout, written to `out`.
  std::span<const Ssrc> Streams(std::span<Ssrc, kMaxStreams> out, Timestamp now) const;

 private:
  struct Stream {
    Ssrc ssrc;
    Timestamp last_arrival;
  };

  void NoteStream(Ssrc ssrc, Timestamp arrival);
  Duration Unwrap(uint32_t abs_send_time, Timestamp arrival);
  void OnGroup(Timestamp now);
  void Decrease(double incoming, Timestamp now);
  void Increase(double incoming, Timestamp now);
  double AdditivePerSecond() const;
  void NoteCongestion(double incoming);
  void SetEstimate(double bps);

  DelayTrend trend_;
  RateWindow incoming_{kRateWindow};
  bool active_ = false;         // a packet has come
  Timestamp last_arrival_;      // of any packet
  Timestamp last_send_change_;  // arrival of the packet that newest_ticks_ is of
  Timestamp rate_since_;        // the incoming rate counts since
  int64_t newest_ticks_ = 0;    // unwrapped abs-send-time

  bool measured_ = false;
  bool held_ = false;
  DataRate estimate_ = kStart;
  Timestamp last_update_;
  Timestamp last_decrease_;

  // Incoming rate when the path was last full: mean (0: not known) and variance.
  double congestion_mean_ = 0;
  double congestion_variance_ = 0;

  std::array<Stream, kMaxStreams> streams_;
  size_t stream_count_ = 0;
  size_t last_stream_ = 0;
};

}  // namespace sluice::worker
