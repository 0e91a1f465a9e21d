#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "common/units.h"

namespace sluice::worker {

/// What feedback says of one packet that we have sent.
struct PacketResult {
  Timestamp sent_at;
  Timestamp received_at;   ///< by a clock of its own; only differences count. Only if received
  uint32_t size = 0;       ///< bytes
  uint32_t untracked = 0;  ///< bytes that left just before it and of which feedback never tells
  bool received = false;
  bool was_lost = false;  ///< earlier feedback had it as lost
  uint8_t probe = 0;      ///< the ProbePlan that it was sent for; 0: none
};

/// One feedback of the receiver, whatever format it came in, in the order of sending. Each packet
/// is told of once as lost and once as received, at most.
struct FeedbackReport {
  Timestamp at;  ///< when it came
  /// The receiver's clock has been set: arrivals do not compare with those of earlier reports.
  bool clock_stepped = false;
  std::span<const PacketResult> packets;
};

/// A burst to be sent at a rate, to see whether it arrives at that rate.
struct ProbePlan {
  uint8_t id = 0;  ///< PacketResult::probe; never 0
  DataRate rate;
  size_t min_bytes = 0;
  int min_packets = 0;
  Duration min_gap;  ///< between its bursts
};

/// Within what an estimate may move; zero: no such bound.
struct RateBounds {
  DataRate start;
  DataRate min;
  DataRate max;
};

struct NetworkEstimate {
  DataRate target;         ///< what the path takes
  DataRate stable_target;  ///< the same without what changes from moment to moment; ≤ target
  DataRate pacing;         ///< at which a burst may leave
  DataRate padding;        ///< up to which padding is to fill up; zero: none is wanted
  Duration rtt;            ///< zero: not known
  double loss = 0;         ///< 0…1, of late
};

/// Estimates what a path takes from what was sent and what feedback says of it. Knows no packet and
/// no clock but the times that it is given, which must not descend.
///
/// Implemented by GoogCc; room for others (SCReAM, RFC 8298, with ECN).
class NetworkController {
 public:
  virtual ~NetworkController() = default;

  /// So many bytes have left since the last call, padding included.
  virtual void OnSent(size_t bytes, Timestamp now) = 0;
  virtual void OnFeedback(const FeedbackReport& report) = 0;
  /// A round trip, of a receiver report.
  virtual void OnRtt(Duration rtt, Timestamp now) = 0;
  /// The receiver's own estimate. Counts as an upper bound.
  virtual void OnRemb(DataRate rate, Timestamp now) = 0;
  /// Loss of a receiver report, where there is no other feedback; 0…1.
  virtual void OnLossReport(double loss, Timestamp now) = 0;
  /// To be called every kProcessInterval.
  virtual void OnProcess(Timestamp now) = 0;
  virtual void SetBounds(const RateBounds& bounds, Timestamp now) = 0;
  /// What could be sent if the path took it: probing reaches for it. Zero: nothing is wanted.
  virtual void SetDemand(DataRate demand, Timestamp now) = 0;
  virtual const NetworkEstimate& estimate() const = 0;
  /// The next probe to be sent; nullopt: none.
  virtual std::optional<ProbePlan> TakeProbe(Timestamp now) = 0;

  static constexpr Duration kProcessInterval = Duration::Millis(25);
};

}  // namespace sluice::worker
