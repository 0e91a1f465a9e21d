#include "worker/process/worker_metrics.h"

#include <array>
#include <cstddef>
#include <iterator>
#include <utility>

namespace sluice::worker {
namespace {

using Type = Metric::Type;

/// A counter that is a metric of its own.
template <typename S>
struct Single {
  uint64_t S::*value;
  const char* name;
  const char* help;
};

/// A counter that is one of several under a name: told apart by the label's value.
template <typename S>
struct Labelled {
  uint64_t S::*value;
  const char* label_value;
};

/// True when the rows are as many as the struct has counters, beside those of `Nested`.
template <typename S, typename... Nested, typename... Rows>
constexpr bool Covers(const Rows&... rows) {
  return sizeof(S) == (std::size(rows) + ...) * sizeof(uint64_t) + (sizeof(Nested) + ... + 0);
}

// ---- Media: what the engine counts ------------------------------------------------------------

constexpr Single<TrafficTotals> kTraffic[] = {
    {&TrafficTotals::bytes_received, "transport_bytes_received_total",
     "Bytes of UDP or TCP payload that transports received: STUN, DTLS, SRTP, SRTCP."},
    {&TrafficTotals::bytes_sent, "transport_bytes_sent_total",
     "Bytes of UDP or TCP payload that transports sent."},
    {&TrafficTotals::rtp_packets_received, "rtp_packets_received_total",
     "RTP packets that producers took, without retransmissions."},
    {&TrafficTotals::rtp_bytes_received, "rtp_bytes_received_total",
     "Bytes of these packets, headers included, decrypted."},
    {&TrafficTotals::rtx_packets_received, "rtx_packets_received_total",
     "Retransmissions (RTX) that came to producers."},
    {&TrafficTotals::rtx_bytes_received, "rtx_bytes_received_total",
     "Bytes of these packets, headers included, decrypted."},
    {&TrafficTotals::rtcp_packets_received, "rtcp_packets_received_total",
     "RTCP compounds received."},
    {&TrafficTotals::rtp_packets_sent, "rtp_packets_sent_total",
     "RTP packets sent to consumers, without retransmissions."},
    {&TrafficTotals::rtp_bytes_sent, "rtp_bytes_sent_total",
     "Bytes of these packets, headers included, before encryption."},
    {&TrafficTotals::rtx_packets_sent, "rtx_packets_sent_total", "Retransmissions sent."},
    {&TrafficTotals::rtx_bytes_sent, "rtx_bytes_sent_total",
     "Bytes of these packets, headers included, before encryption."},
    {&TrafficTotals::rtcp_packets_sent, "rtcp_packets_sent_total", "RTCP compounds sent."},
};
static_assert(Covers<TrafficTotals>(kTraffic), "a counter has no row");

constexpr Labelled<TransportCounters> kTransportRefusals[] = {
    {&TransportCounters::not_ready, "not_ready"},
    {&TransportCounters::wrong_source, "wrong_source"},
    {&TransportCounters::unclassified, "unclassified"},
    {&TransportCounters::srtp_too_short, "srtp_too_short"},
    {&TransportCounters::srtp_auth_failed, "srtp_auth_failed"},
    {&TransportCounters::srtp_replayed, "srtp_replayed"},
    {&TransportCounters::srtp_other, "srtp_other"},
    {&TransportCounters::malformed_rtp, "malformed_rtp"},
    {&TransportCounters::malformed_rtcp, "malformed_rtcp"},
    {&TransportCounters::no_producer, "no_producer"},
    {&TransportCounters::producer_refused, "producer_refused"},
    {&TransportCounters::ssrc_refused, "ssrc_refused"},
    {&TransportCounters::send_refused, "send_refused"},
    {&TransportCounters::send_withheld, "send_withheld"},
};
static_assert(Covers<TransportCounters>(kTransportRefusals), "a counter has no row");

constexpr Single<ReceiveTotals> kProducers[] = {
    {&ReceiveTotals::packets_lost, "producer_packets_lost_total",
     "RTP packets of producers that were lost on the way here."},
    {&ReceiveTotals::packets_discarded, "producer_packets_discarded_total",
     "RTP packets of producers that were duplicates or had impossible numbers."},
    {&ReceiveTotals::packets_repaired, "producer_packets_repaired_total",
     "Lost packets of producers that a retransmission brought."},
    {&ReceiveTotals::nacks_sent, "producer_nacks_sent_total", "NACKs sent to producers."},
    {&ReceiveTotals::nacked_packets, "producer_packets_nacked_total",
     "Packets that these NACKs asked for."},
    {&ReceiveTotals::plis_sent, "producer_plis_sent_total",
     "Requests for a key frame (PLI) sent to producers."},
    {&ReceiveTotals::firs_sent, "producer_firs_sent_total",
     "Requests for a key frame (FIR) sent to producers."},
    {&ReceiveTotals::key_frame_requests_merged, "producer_key_frame_requests_merged_total",
     "Wishes for a key frame that were not sent: one that was sent stood for them."},
    {&ReceiveTotals::restarts, "producer_restarts_total",
     "Times that a sender began anew, with other sequence numbers."},
    {&ReceiveTotals::time_jumps, "producer_time_jumps_total",
     "Times that a sender's timestamps leapt while its sequence numbers went on."},
};
static_assert(Covers<ReceiveTotals>(kProducers), "a counter has no row");

constexpr Labelled<Producer::Counters> kProducerRefusals[] = {
    {&Producer::Counters::over_turn_limit, "over_turn_limit"},
    {&Producer::Counters::over_ring_bytes, "over_ring_bytes"},
    {&Producer::Counters::unreadable_descriptor, "unreadable_descriptor"},
    {&Producer::Counters::unreadable_red, "unreadable_red"},
    {&Producer::Counters::unreadable_fec, "unreadable_fec"},
    {&Producer::Counters::unreadable_layers, "unreadable_layers"},
};
static_assert(Covers<Producer::Counters>(kProducerRefusals), "a counter has no row");

constexpr Single<SendTotals> kConsumers[] = {
    {&SendTotals::nacks_received, "consumer_nacks_received_total",
     "NACKs received from consumers."},
    {&SendTotals::nacked_packets, "consumer_packets_nacked_total",
     "Packets that these NACKs asked for."},
    {&SendTotals::plis_received, "consumer_plis_received_total",
     "Requests for a key frame (PLI) received from consumers."},
    {&SendTotals::firs_received, "consumer_firs_received_total",
     "Requests for a key frame (FIR) received from consumers."},
    {&SendTotals::bad_round_trips, "consumer_bad_round_trips_total",
     "Reports of consumers whose round-trip time is impossible."},
    {&SendTotals::groups_replayed, "consumer_groups_replayed_total",
     "Groups of pictures so far that were sent to consumers who joined."},
    {&SendTotals::replays_cut, "consumer_replays_cut_total",
     "Of these, ended by a key frame of a better encoding, or by a sender that began anew."},
    {&SendTotals::replays_lost, "consumer_replays_lost_total",
     "Of these, given up because the path did not take them."},
};
static_assert(Covers<SendTotals>(kConsumers), "a counter has no row");

constexpr Single<FeedbackCounters> kFeedback[] = {
    {&FeedbackCounters::sent, "transport_feedbacks_sent_total",
     "Transport-wide congestion feedback sent to producers."},
    {&FeedbackCounters::late_packets, "transport_feedback_late_packets_total",
     "Packets of producers that came too late to be told of in it."},
};
static_assert(Covers<FeedbackCounters>(kFeedback), "a counter has no row");

constexpr Labelled<ConsumerCounters> kConsumerRefusals[] = {
    {&ConsumerCounters::unsupported_payload, "unsupported_payload"},
    {&ConsumerCounters::dtx_dropped, "dtx_dropped"},
    {&ConsumerCounters::fec_unfit, "fec_unfit"},
    {&ConsumerCounters::too_late, "too_late"},
    {&ConsumerCounters::refused, "no_room"},
    {&ConsumerCounters::nack_limited, "nack_limited"},
    {&ConsumerCounters::nack_unknown, "nack_unknown"},
    {&ConsumerCounters::nack_missing, "nack_missing"},
    {&ConsumerCounters::nack_too_soon, "nack_too_soon"},
    {&ConsumerCounters::nack_over_budget, "nack_over_budget"},
    {&ConsumerCounters::nack_not_repeatable, "nack_not_repeatable"},
};
static_assert(Covers<ConsumerCounters>(kConsumerRefusals), "a counter has no row");

// ---- Paths to viewers -------------------------------------------------------------------------

constexpr Single<BandwidthCounters> kBandwidth[] = {
    {&BandwidthCounters::feedbacks, "bandwidth_feedbacks_received_total",
     "Transport-wide congestion feedback received from viewers."},
    {&BandwidthCounters::rembs, "bandwidth_rembs_received_total",
     "Bandwidth estimates (REMB) received from viewers."},
    {&BandwidthCounters::clock_steps, "bandwidth_clock_steps_total",
     "Times that a viewer's feedback had a clock that was set."},
    {&BandwidthCounters::probes, "bandwidth_probes_sent_total",
     "Bursts sent to viewers to learn whether more fits."},
    {&BandwidthCounters::padding_bytes, "bandwidth_padding_bytes_sent_total",
     "Bytes sent to viewers for nothing else, as they leave."},
    {&BandwidthCounters::packets_held, "pacer_packets_held_total",
     "Packets that waited for their turn, instead of leaving in a burst."},
    {&BandwidthCounters::packets_dropped, "pacer_packets_dropped_total",
     "Packets that waited in vain: too many, or their path was gone."},
};
constexpr Labelled<BandwidthCounters> kPacketFates[] = {
    {&BandwidthCounters::packets_received, "received"},
    {&BandwidthCounters::packets_lost, "lost"},
    {&BandwidthCounters::packets_unknown, "unknown"},
};
static_assert(Covers<BandwidthCounters>(kBandwidth, kPacketFates), "a counter has no row");

constexpr Labelled<PathStates> kPaths[] = {
    {&PathStates::unanswered, "unanswered"},
    {&PathStates::limited, "limited"},
    {&PathStates::unlimited, "unlimited"},
};
constexpr Single<PathStates> kPathValues[] = {
    {&PathStates::available, "bandwidth_available_bits_per_second",
     "What all these paths take, by estimate."},
    {&PathStates::wanted, "bandwidth_wanted_bits_per_second",
     "What would be sent over them if they took it."},
    {&PathStates::resting, "bandwidth_consumers_resting",
     "Consumers of video that are sent nothing, as not even the lowest layer fits."},
    {&PathStates::queued_bytes, "pacer_queued_bytes", "Bytes that wait for their turn."},
};
static_assert(Covers<PathStates>(kPaths, kPathValues), "a value has no row");

// ---- Connectivity -----------------------------------------------------------------------------

constexpr Labelled<IceStats> kIceMessages[] = {
    {&IceStats::requests, "answered"},
    {&IceStats::malformed, "malformed"},
    {&IceStats::unauthorized, "unauthorized"},
    {&IceStats::role_conflicts, "role_conflict"},
    {&IceStats::unknown_attributes, "unknown_attribute"},
    {&IceStats::ignored, "ignored"},
    {&IceStats::throttled, "throttled"},
    {&IceStats::unanswered, "unanswered"},
};
constexpr Single<IceStats> kIce[] = {
    {&IceStats::tuples_evicted, "ice_tuples_evicted_total",
     "Remote addresses of ICE transports that made room for newer ones."},
    {&IceStats::bytes_sent, "ice_bytes_sent_total", "Bytes of STUN answers sent."},
    {&IceStats::consent_moved, "ice_consent_moved_total",
     "Times that a selected address lost consent and another one had it."},
    {&IceStats::consent_lost, "ice_consent_lost_total",
     "Times that no address of a transport had consent any more."},
    {&IceStats::probes_sent, "ice_probes_sent_total",
     "Requests sent to addresses that had to show that they receive."},
    {&IceStats::addresses_proven, "ice_addresses_proven_total", "Addresses that have shown it so."},
    {&IceStats::moves_unproven, "ice_moves_unproven_total",
     "Moves to an address that did not show it, when the old one was silent."},
    {&IceStats::moves_refused, "ice_moves_refused_total",
     "Moves to an address that did not show it, when the old one was alive."},
    {&IceStats::proofs_expired, "ice_proofs_expired_total",
     "Addresses that had shown it, and whose checks had ended before they began again."},
    {&IceStats::dropped_outputs, "ice_dropped_outputs_total",
     "Changes of ICE transports lost by a mistake of the worker: please report."},
};
static_assert(Covers<IceStats>(kIceMessages, kIce), "a counter has no row");

constexpr Single<DtlsStats> kDtls[] = {
    {&DtlsStats::malformed_records, "dtls_malformed_records_total",
     "DTLS records dropped because they were cut short or of no known kind."},
    {&DtlsStats::unexpected_records, "dtls_unexpected_records_total",
     "DTLS records in the clear that were out of place."},
    {&DtlsStats::plaintext_alerts, "dtls_plaintext_alerts_total",
     "DTLS alerts that came before anything was authenticated."},
    {&DtlsStats::refused_hellos, "dtls_refused_hellos_total",
     "ClientHellos that could not be answered."},
    {&DtlsStats::dropped_outputs, "dtls_dropped_outputs_total",
     "DTLS records not sent, by a mistake of the worker: please report."},
    {&DtlsStats::ignored_datagrams, "dtls_ignored_datagrams_total",
     "DTLS datagrams that came before the handshake began or after the end."},
    {&DtlsStats::dropped_application_data, "dtls_dropped_application_data_total",
     "DTLS records of application data that came before the peer was verified."},
    {&DtlsStats::retransmissions, "dtls_retransmissions_total",
     "Flights of DTLS handshakes sent again."},
};
static_assert(Covers<DtlsStats>(kDtls), "a counter has no row");

constexpr Single<SrtpCounters> kSrtp[] = {
    {&SrtpCounters::refused_no_room, "srtp_refused_no_room_total",
     "Packets not sent because a transport had too many SSRCs alive."},
    {&SrtpCounters::refused_index_used, "srtp_refused_index_used_total",
     "Packets not sent because their SRTP index may have been used before."},
    {&SrtpCounters::refused_other, "srtp_refused_other_total",
     "Packets not sent: impossible size, or keys that are spent."},
    {&SrtpCounters::rollover_searches, "srtp_rollover_searches_total",
     "Received packets that were tried at other rollover counters."},
    {&SrtpCounters::rollovers_found, "srtp_rollovers_found_total",
     "Received packets whose rollover counter was found so."},
};
static_assert(Covers<SrtpCounters>(kSrtp), "a counter has no row");

constexpr Labelled<WebRtcServerCounters> kServerRefusals[] = {
    {&WebRtcServerCounters::unknown_tuple, "unknown_tuple"},
    {&WebRtcServerCounters::unknown_ufrag, "unknown_ufrag"},
    {&WebRtcServerCounters::tuple_conflicts, "tuple_conflict"},
};
static_assert(Covers<WebRtcServerCounters>(kServerRefusals), "a counter has no row");

constexpr Labelled<PlainCounters> kPlain[] = {
    {&PlainCounters::relocked, "relocked"},
    {&PlainCounters::taken_by_source, "taken_by_source"},
    {&PlainCounters::receiver_silent, "receiver_silent"},
    {&PlainCounters::receiver_unreachable, "receiver_unreachable"},
    {&PlainCounters::destination_refused, "destination_refused"},
};
static_assert(Covers<PlainCounters>(kPlain), "a counter has no row");

// ---- Data -------------------------------------------------------------------------------------

constexpr Single<DataCounters> kData[] = {
    {&DataCounters::messages_received, "data_messages_received_total",
     "Messages that data producers received."},
    {&DataCounters::bytes_received, "data_bytes_received_total", "Bytes of these messages."},
    {&DataCounters::messages_sent, "data_messages_sent_total",
     "Messages taken for sending, once for each data consumer."},
    {&DataCounters::bytes_sent, "data_bytes_sent_total", "Bytes of these messages."},
};
constexpr Labelled<DataCounters> kDataRefusals[] = {
    {&DataCounters::no_producer, "no_producer"},
    {&DataCounters::dcep, "dcep"},
    {&DataCounters::dcep_refused, "dcep_refused"},
    {&DataCounters::oversized, "oversized"},
    {&DataCounters::not_subscribed, "not_subscribed"},
    {&DataCounters::too_large, "too_large"},
    {&DataCounters::send_buffer_full, "send_buffer_full"},
    {&DataCounters::not_open, "not_open"},
    {&DataCounters::expired, "expired"},
    {&DataCounters::no_such_stream, "no_such_stream"},
};
static_assert(Covers<DataCounters>(kData, kDataRefusals), "a counter has no row");

constexpr Single<SctpCounters> kSctp[] = {
    {&SctpCounters::packets_received, "sctp_packets_received_total", "SCTP packets received."},
    {&SctpCounters::packets_sent, "sctp_packets_sent_total", "SCTP packets sent."},
    {&SctpCounters::restarts, "sctp_restarts_total",
     "Associations that were closed because the peer began anew."},
    {&SctpCounters::dropped_outputs, "sctp_dropped_outputs_total",
     "SCTP packets or messages lost by a mistake of the worker: please report."},
};
constexpr Labelled<SctpCounters> kSctpRefusals[] = {
    {&SctpCounters::malformed, "malformed"},
    {&SctpCounters::bad_checksum, "bad_checksum"},
    {&SctpCounters::wrong_port, "wrong_port"},
    {&SctpCounters::wrong_tag, "wrong_tag"},
    {&SctpCounters::unexpected_init, "unexpected_init"},
    {&SctpCounters::extensions, "extensions"},
    {&SctpCounters::too_many_resets, "too_many_resets"},
    {&SctpCounters::too_many_streams, "too_many_streams"},
    {&SctpCounters::too_many_fragments, "too_many_fragments"},
};
static_assert(Covers<SctpCounters>(kSctp, kSctpRefusals), "a counter has no row");

constexpr Labelled<LimitCounters> kLimits[] = {
    {&LimitCounters::producers, "max_producers_per_transport"},
    {&LimitCounters::consumers, "max_consumers_per_transport"},
    {&LimitCounters::ssrcs, "max_ssrcs_per_transport"},
    {&LimitCounters::data_channels, "max_data_channels_per_transport"},
};
static_assert(Covers<LimitCounters>(kLimits), "a counter has no row");

// ---- Sockets ----------------------------------------------------------------------------------

static_assert(static_cast<size_t>(PacketKind::kSctp) + 1 == kPacketKinds);  // names in Report

constexpr Single<SendStats> kSent[] = {
    {&SendStats::packets_sent, "udp_packets_sent_total", "Datagrams handed to the kernel."},
    {&SendStats::bytes_sent, "udp_bytes_sent_total", "Bytes of these datagrams."},
    {&SendStats::messages, "udp_send_messages_total",
     "Messages handed to the kernel; with GSO one carries several datagrams."},
    {&SendStats::system_calls, "udp_send_calls_total", "System calls made to send datagrams."},
    {&SendStats::early_flushes, "udp_early_flushes_total",
     "Times that a turn had more to send than fits the send arena."},
    {&SendStats::would_block, "udp_send_would_block_total",
     "Times that a socket's send buffer was full."},
    {&SendStats::device_full, "udp_send_device_full_total",
     "Times that the queue of a network device was full."},
    {&SendStats::gso_fallbacks, "udp_gso_fallbacks_total",
     "GSO messages that had to be sent datagram by datagram."},
    {&SendStats::stale_commits, "udp_stale_commits_total",
     "Datagrams dropped by a mistake of the worker: please report."},
};
constexpr Labelled<SendStats> kSendErrors[] = {
    {&SendStats::no_memory, "no_memory"},     {&SendStats::not_permitted, "not_permitted"},
    {&SendStats::unreachable, "unreachable"}, {&SendStats::too_big, "too_big"},
    {&SendStats::other_errors, "other"},
};
static_assert(Covers<SendStats, DropStats>(kSent, kSendErrors), "a counter has no row");

constexpr Single<ReceiveStats> kReceived[] = {
    {&ReceiveStats::packets, "udp_packets_received_total", "Datagrams read from the kernel."},
    {&ReceiveStats::bytes, "udp_bytes_received_total", "Bytes of these datagrams."},
    {&ReceiveStats::system_calls, "udp_receive_calls_total",
     "System calls made to read datagrams."},
    {&ReceiveStats::big_datagrams, "udp_big_datagrams_total",
     "Datagrams that did not fit a pooled buffer."},
    {&ReceiveStats::truncated, "udp_truncated_datagrams_total",
     "Datagrams dropped because they were longer than any can be."},
    {&ReceiveStats::errors, "udp_receive_errors_total", "Failed reads."},
    {&ReceiveStats::kernel_dropped, "udp_kernel_dropped_total",
     "Datagrams that the kernel dropped because a receive buffer was full."},
    {&ReceiveStats::unreachable, "udp_unreachable_total",
     "ICMP messages which say that a destination does not exist."},
};
static_assert(Covers<ReceiveStats>(kReceived), "a counter has no row");

constexpr Single<TcpStats> kTcp[] = {
    {&TcpStats::accepted, "tcp_connections_accepted_total", "ICE-TCP connections accepted."},
    {&TcpStats::accept_errors, "tcp_accept_errors_total",
     "ICE-TCP connections that could not be accepted: no descriptors or memory."},
    {&TcpStats::packets_received, "tcp_packets_received_total", "Packets read from ICE-TCP."},
    {&TcpStats::packets_sent, "tcp_packets_sent_total", "Packets sent over ICE-TCP."},
    {&TcpStats::refused_closed, "tcp_packets_refused_total",
     "Packets for connections that were broken, or too long for a frame."},
    {&TcpStats::held_up, "tcp_held_up_total",
     "Times that a connection's path held enough already, so that packets waited."},
};
constexpr Labelled<TcpStats> kTcpClosed[] = {
    {&TcpStats::refused_full, "full"},
    {&TcpStats::evicted_full, "evicted"},
    {&TcpStats::evicted_unauthenticated, "evicted_unauthenticated"},
    {&TcpStats::closed_unauthenticated, "unauthenticated"},
    {&TcpStats::closed_idle, "idle"},
    {&TcpStats::closed_unused, "unused"},
    {&TcpStats::closed_framing, "framing"},
};
static_assert(Covers<TcpStats, DropStats>(kTcp, kTcpClosed), "a counter has no row");

// ---- What is alive ----------------------------------------------------------------------------

constexpr Labelled<ObjectCounts> kObjects[] = {
    {&ObjectCounts::routers, "router"},
    {&ObjectCounts::webrtc_servers, "webrtc_server"},
    {&ObjectCounts::webrtc_transports, "webrtc_transport"},
    {&ObjectCounts::plain_transports, "plain_transport"},
    {&ObjectCounts::pipe_transports, "pipe_transport"},
    {&ObjectCounts::direct_transports, "direct_transport"},
    {&ObjectCounts::producers, "producer"},
    {&ObjectCounts::consumers, "consumer"},
    {&ObjectCounts::data_producers, "data_producer"},
    {&ObjectCounts::data_consumers, "data_consumer"},
    {&ObjectCounts::sctp_associations, "sctp_association"},
};
static_assert(Covers<ObjectCounts, PathStates>(kObjects), "a counter has no row");

// ---- Rows to values ---------------------------------------------------------------------------

class Report {
 public:
  template <typename S, size_t kRows>
  void Add(const Single<S> (&rows)[kRows], const S& counters, Type type = Type::kCounter) {
    for (const Single<S>& row : rows) {
      report_.metrics.push_back({row.name, "", "", row.help, type, counters.*row.value});
    }
  }
  template <typename S, size_t kRows>
  void Add(const char* name, const char* label, const char* help, const Labelled<S> (&rows)[kRows],
           const S& counters, Type type = Type::kCounter) {
    for (const Labelled<S>& row : rows) {
      report_.metrics.push_back({name, label, row.label_value, help, type, counters.*row.value});
    }
  }
  void Add(const char* name, const char* help, Type type, uint64_t value) {
    report_.metrics.push_back({name, "", "", help, type, value});
  }
  /// Packets that waited in vain, by kind, and the frames that video among them belonged to.
  void Add(const char* packets, const char* frames, const char* help, const DropStats& dropped) {
    constexpr std::array<const char*, kPacketKinds> kKinds = {"audio", "video", "rtcp",
                                                              "stun",  "dtls",  "sctp"};
    for (size_t i = 0; i < kPacketKinds; ++i) {
      report_.metrics.push_back(
          {packets, "kind", kKinds[i], help, Type::kCounter, dropped.packets[i]});
    }
    Add(frames, "Frames of video, for each receiver, that lost packets so.", Type::kCounter,
        dropped.video_frames);
  }
  void Add(const char* name, const char* help, const DelayHistogram& delays) {
    constexpr double kMicrosPerSecond = 1e6;
    HistogramMetric& histogram = report_.histograms.emplace_back();
    histogram.name = name;
    histogram.help = help;
    for (size_t i = 0; i < DelayHistogram::kBounds; ++i) {
      histogram.upper_bounds.push_back(static_cast<double>(DelayHistogram::Bound(i).us()) /
                                       kMicrosPerSecond);
    }
    histogram.counts.assign(delays.counts.begin(), delays.counts.end());
    histogram.sum = static_cast<double>(delays.sum_us) / kMicrosPerSecond;
  }
  MetricsReport Take() { return std::move(report_); }

 private:
  MetricsReport report_;
};

}  // namespace

MetricsReport MakeMetricsReport(const WorkerSnapshot& snapshot) {
  const EngineCounters& counters = snapshot.engine.counters;
  Report report;
  report.Add(kTraffic, counters.traffic);
  report.Add("transport_packets_refused_total", "reason",
             "Packets that a transport did not take, or could not send.", kTransportRefusals,
             counters.transports);
  report.Add(kProducers, counters.producers);
  report.Add(
      "producer_refusals_total", "reason",
      "Packets of producers that were not forwarded, or of which less came than was in them.",
      kProducerRefusals, counters.producer_refusals);
  report.Add(kFeedback, counters.feedback);
  report.Add(kConsumers, counters.consumers);
  report.Add("consumer_refusals_total", "reason",
             "Packets that a consumer did not send, and requests that it did not follow.",
             kConsumerRefusals, counters.refusals);
  report.Add(kBandwidth, counters.bandwidth);
  report.Add("bandwidth_packets_reported_total", "fate",
             "Packets that feedback of viewers told of.", kPacketFates, counters.bandwidth);
  report.Add("bandwidth_paths", "state", "Transports whose path to the viewer is estimated.",
             kPaths, snapshot.engine.alive.paths, Type::kGauge);
  report.Add(kPathValues, snapshot.engine.alive.paths, Type::kGauge);
  report.Add("ice_messages_total", "result", "STUN messages received, by what became of them.",
             kIceMessages, counters.ice);
  report.Add(kIce, counters.ice);
  report.Add(kDtls, counters.dtls);
  report.Add(kSrtp, counters.srtp);
  report.Add("webrtc_server_packets_refused_total", "reason",
             "Packets to the ports of a WebRtcServer that belong to no transport.", kServerRefusals,
             counters.servers);
  report.Add("plain_transport_events_total", "event",
             "What happened to the peers of plain transports.", kPlain, counters.plain);
  report.Add(kData, counters.data);
  report.Add("data_messages_refused_total", "reason",
             "Messages that went to no data consumer, or that one did not send.", kDataRefusals,
             counters.data);
  report.Add(kSctp, counters.sctp);
  report.Add("sctp_packets_refused_total", "reason",
             "SCTP packets dropped before their association saw them.", kSctpRefusals,
             counters.sctp);
  report.Add("transport_objects_refused_total", "limit",
             "Producers, consumers and data channels refused because a transport had as many as "
             "it takes.",
             kLimits, counters.limits);
  report.Add(kSent, snapshot.sent);
  report.Add("udp_packets_dropped_total", "reason", "Datagrams that could not be sent.",
             kSendErrors, snapshot.sent);
  report.Add("udp_backlog_dropped_total", "udp_backlog_dropped_frames_total",
             "Datagrams that waited for a full socket for too long, or did not fit.",
             snapshot.sent.dropped);
  report.Add(kReceived, snapshot.received);
  report.Add(kTcp, snapshot.tcp);
  report.Add("tcp_connections_refused_total", "reason",
             "ICE-TCP connections refused, or closed by the worker.", kTcpClosed, snapshot.tcp);
  report.Add("tcp_backlog_dropped_total", "tcp_backlog_dropped_frames_total",
             "Packets that waited for a slow ICE-TCP connection for too long, or did not fit.",
             snapshot.tcp.dropped);
  report.Add("channel_frames_rejected_total", "Frames of the controller that were not well-formed.",
             Type::kCounter, snapshot.rejected_frames);
  report.Add("channel_events_merged_total",
             "Reports of one object that newer ones have replaced: no faster than their limit.",
             Type::kCounter, snapshot.engine.events_merged);
  report.Add("channel_dropped_media_total",
             "Packets of direct transports for which the controller read too slowly.",
             Type::kCounter, snapshot.channel_dropped_media);
  report.Add("channel_backlog_bytes", "Bytes that wait for the controller to read them.",
             Type::kGauge, snapshot.channel_backlog);
  report.Add("packet_buffer_bytes", "Memory allocated for packets.", Type::kGauge,
             snapshot.packet_buffer_bytes);
  report.Add("objects", "class", "Objects alive.", kObjects, snapshot.engine.alive, Type::kGauge);
  report.Add("forwarding_delay_seconds",
             "Time from the kernel's receipt of an RTP packet until its copies are handed to the "
             "kernel.",
             snapshot.engine.forwarding_delay);
  return report.Take();
}

}  // namespace sluice::worker
