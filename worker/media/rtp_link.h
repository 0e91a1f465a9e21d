#pragma once

#include <cstdint>
#include <span>

#include "common/rtp_types.h"
#include "worker/media/rtp_egress.h"

namespace sluice::worker {

/// The way that the packets of an RtpCore take: a network path with or without SRTP (RtpPath), or
/// whatever else carries RTP.
class RtpLink {
 public:
  virtual ~RtpLink() = default;

  /// Where consumers send. Lives as long as the link.
  virtual RtpEgress& egress() = 0;
  /// Sends one RTCP compound, at once.
  virtual void SendRtcp(std::span<const uint8_t> compound) = 0;
  /// No producer takes this SSRC (any more): what is kept to receive it may go. A peer could make
  /// up any number of SSRCs.
  virtual void ForgetReceived(Ssrc ssrc) = 0;
  /// No consumer sends this SSRC any more.
  virtual void ForgetSent(Ssrc ssrc) = 0;
};

}  // namespace sluice::worker
