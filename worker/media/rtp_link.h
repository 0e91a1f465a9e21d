#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "common/rtp_types.h"
#include "worker/media/rtp_egress.h"

namespace sluice::worker {

class PacedSender;

/// The way that the packets of an RtpCore take: a network path with or without SRTP (RtpPath), or
/// whatever else carries RTP.
class RtpLink {
 public:
  virtual ~RtpLink() = default;

  /// Where consumers send. Lives as long as the link.
  virtual RtpEgress& egress() = 0;
  /// The same where packets leave for a network whose capacity can be estimated; else null.
  virtual PacedSender* paced_sender() { return nullptr; }
  /// Sends one RTCP compound, at once.
  virtual void SendRtcp(std::span<const uint8_t> compound) = 0;
  /// No consumer sends this SSRC any more.
  virtual void RetireSent(Ssrc ssrc) = 0;
  /// How many SSRCs more can be sent at the same time.
  virtual size_t RoomToSend() const = 0;
  /// For an SSRC that was sent before: the sequence number to go on with, since earlier ones would
  /// be refused. nullopt: any will do.
  virtual std::optional<SeqNumber> NextSequence(Ssrc ssrc) const = 0;
};

}  // namespace sluice::worker
