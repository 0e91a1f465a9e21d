#pragma once

#include <cstdint>

#include "common/units.h"
#include "worker/media/byte_rate.h"

namespace sluice::worker {

/// Packets that went nowhere, by reason.
struct TransportCounters {
  uint64_t not_ready = 0;     ///< media before the transport was connected or had keys
  uint64_t wrong_source = 0;  ///< from a tuple that is not ours
  uint64_t unclassified = 0;  ///< neither STUN, DTLS, RTP nor RTCP
  uint64_t srtp_too_short = 0;
  uint64_t srtp_auth_failed = 0;
  uint64_t srtp_replayed = 0;
  uint64_t srtp_other = 0;
  uint64_t malformed_rtp = 0;
  uint64_t malformed_rtcp = 0;
  uint64_t no_producer = 0;       ///< RTP that no rule of the listener matched
  uint64_t producer_refused = 0;  ///< RTP that its producer discarded
  uint64_t ssrc_refused = 0;      ///< a learned SSRC that another producer has, or table full
  uint64_t send_refused = 0;      ///< no path, writer full, or encryption refused
};

/// What one transport carried, over its whole life. Its halves count into it, each what it sees.
struct TransportTraffic {
  // Windows of the bitrates in transport stats.
  static constexpr Duration kTransportWindow = Duration::Millis(1000);
  static constexpr Duration kRtpWindow = Duration::Millis(2500);
  static constexpr Duration kRtxWindow = Duration::Millis(1000);

  TransportCounters counters;
  ByteRate received{kTransportWindow};  ///< UDP or TCP payload: STUN, DTLS, SRTP, SRTCP
  ByteRate sent{kTransportWindow};
  ByteRate rtp_received{kRtpWindow};  ///< RTP packets, decrypted
  ByteRate rtp_sent{kRtpWindow};
  ByteRate rtx_received{kRtxWindow};
  ByteRate rtx_sent{kRtxWindow};
};

}  // namespace sluice::worker
