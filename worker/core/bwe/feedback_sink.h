#pragma once

#include <cstdint>
#include <span>

namespace sluice::worker {

/// Takes the RTCP that the receive side of a transport makes on its own: transport-cc feedback and
/// REMB. Implemented by RtpCore, which drops it while not connected.
///
/// Called from within OnPacket() and from timers of the caller, which is still at work. Nothing can
/// destroy the caller from inside: an implementation may write into the send arena and queue
/// requests to senders, neither of which calls anybody back, and what the application hears waits
/// in the EventQueue until the engine is done. It must stay so: whoever calls the application from
/// here directly lets it close the transport.
class FeedbackSink {
 public:
  virtual ~FeedbackSink() = default;
  /// One RTCP packet, plaintext, ≤ rtcp::Builder::kMaxCompound bytes, to be sent at once.
  virtual void SendFeedback(std::span<const uint8_t> rtcp) = 0;
  /// REMB tells the sender much less than it did: its picture may have been lost on the way down.
  virtual void OnRembCollapsed() {}
};

}  // namespace sluice::worker
