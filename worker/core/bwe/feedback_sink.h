#pragma once

#include <cstdint>
#include <span>

namespace sluice::worker {

/// Takes the RTCP that the receive side of a transport makes on its own: transport-cc feedback and
/// REMB. Implemented by the transport core, which drops it while not connected. Must not delete the
/// caller from inside the call.
class FeedbackSink {
 public:
  virtual ~FeedbackSink() = default;
  /// One RTCP packet, plaintext, ≤ rtcp::Builder::kMaxCompound bytes, to be sent at once.
  virtual void SendFeedback(std::span<const uint8_t> rtcp) = 0;
  /// REMB tells the sender much less than it did: its picture may have been lost on the way down.
  virtual void OnRembCollapsed() {}
};

}  // namespace sluice::worker
