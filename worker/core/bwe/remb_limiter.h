#pragma once

#include <cstdint>

#include "common/units.h"
#include "worker/core/bwe/feedback_sink.h"

namespace sluice {

/// Keeps a sender below the transport's maxIncomingBitrate by REMB (draft-alvestrand-rmcat-remb-03;
/// router-protocol §5.14), beside transport-cc or alone: the limit is repeated while packets
/// arrive; when it is lifted, a few REMBs of 0 ("no limit") say so.
///
/// Owned by a transport one of whose producers negotiated transport-cc or goog-remb.
class RembLimiter {
 public:
  static constexpr Duration kInterval = Duration::Millis(1500);
  /// REMBs that say "unlimited": RTCP may be lost.
  static constexpr int kUnlimitedRembs = 4;

  explicit RembLimiter(FeedbackSink& sink) : sink_(sink) {}

  /// Zero lifts the limit; the first REMB that says so goes out at once.
  void SetMaxIncomingBitrate(DataRate limit, Timestamp now);
  /// An RTP packet arrived: repeats what is due.
  void OnPacket(Timestamp now);

  DataRate limit() const { return limit_; }

 private:
  void Send(Timestamp now);

  FeedbackSink& sink_;
  DataRate limit_;
  Timestamp next_send_;
  int unlimited_left_ = 0;
};

}  // namespace sluice
