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
  uint64_t send_withheld = 0;     ///< to an address that has not shown that it receives
};

/// Packets to the ports of a WebRtcServer that went nowhere.
struct WebRtcServerCounters {
  uint64_t unknown_tuple = 0;    ///< not STUN, from a tuple of no transport
  uint64_t unknown_ufrag = 0;    ///< STUN that names no transport of ours, or none at all
  uint64_t tuple_conflicts = 0;  ///< a tuple that a transport validated while another holds it
};

/// What happened to the peers of plain transports.
struct PlainCounters {
  uint64_t relocked = 0;              ///< a silent peer's stream came from another address
  uint64_t taken_by_source = 0;       ///< the source took the lock from another address
  uint64_t receiver_silent = 0;       ///< media stopped: nothing came from the peer for too long
  uint64_t receiver_unreachable = 0;  ///< media stopped: the network says that nobody is there
  uint64_t destination_refused = 0;   ///< an address that makes no sense
};

/// What transports carried, since the worker started. Bytes of `received` and `sent` are those of
/// UDP or TCP payload: STUN, DTLS, SRTP, SRTCP. RTP counts exclude retransmissions.
struct TrafficTotals {
  uint64_t bytes_received = 0;
  uint64_t bytes_sent = 0;
  uint64_t rtp_packets_received = 0;
  uint64_t rtp_bytes_received = 0;
  uint64_t rtx_packets_received = 0;
  uint64_t rtx_bytes_received = 0;
  uint64_t rtcp_packets_received = 0;
  uint64_t rtp_packets_sent = 0;
  uint64_t rtp_bytes_sent = 0;
  uint64_t rtx_packets_sent = 0;
  uint64_t rtx_bytes_sent = 0;
  uint64_t rtcp_packets_sent = 0;
};

/// Transport-wide congestion feedback to senders.
struct FeedbackCounters {
  uint64_t sent = 0;          ///< feedback packets
  uint64_t late_packets = 0;  ///< too old to be told of
};

/// What one transport carried, over its whole life. Its halves count into it, each what it sees.
struct TransportTraffic {
  // Windows of the bitrates in transport stats.
  static constexpr Duration kTransportWindow = Duration::Millis(1000);
  static constexpr Duration kRtpWindow = Duration::Millis(2500);
  static constexpr Duration kRtxWindow = Duration::Millis(1000);
  static constexpr Duration kProbationWindow = Duration::Millis(100);

  TransportCounters counters;
  ByteRate received{kTransportWindow};  ///< UDP or TCP payload: STUN, DTLS, SRTP, SRTCP
  ByteRate sent{kTransportWindow};
  uint64_t rtcp_packets_received = 0;  ///< compounds
  uint64_t rtcp_packets_sent = 0;
  ByteRate rtp_received{kRtpWindow};  ///< RTP packets, decrypted
  ByteRate rtp_sent{kRtpWindow};
  ByteRate rtx_received{kRtxWindow};
  ByteRate rtx_sent{kRtxWindow};
  ByteRate probation_sent{kProbationWindow};  ///< what carries nothing, to probe

  TrafficTotals Totals() const {
    TrafficTotals totals;
    totals.bytes_received = received.bytes();
    totals.bytes_sent = sent.bytes();
    totals.rtp_packets_received = rtp_received.count();
    totals.rtp_bytes_received = rtp_received.bytes();
    totals.rtx_packets_received = rtx_received.count();
    totals.rtx_bytes_received = rtx_received.bytes();
    totals.rtcp_packets_received = rtcp_packets_received;
    totals.rtp_packets_sent = rtp_sent.count();
    totals.rtp_bytes_sent = rtp_sent.bytes();
    totals.rtx_packets_sent = rtx_sent.count();
    totals.rtx_bytes_sent = rtx_sent.bytes();
    totals.rtcp_packets_sent = rtcp_packets_sent;
    return totals;
  }
};

}  // namespace sluice::worker
