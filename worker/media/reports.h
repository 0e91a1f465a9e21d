#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/rtp_parameters.h"
#include "common/units.h"
#include "worker/core/dtls/dtls_session.h"
#include "worker/core/ice/ice_lite_agent.h"
#include "worker/core/sctp/sctp_association.h"
#include "worker/media/options.h"

/// Dumps and stats of the object graph as plain values; what the fields mean:
/// docs/protocols/router-protocol.md §16 to §18. Optional fields are absent on the wire. Timestamps
/// are monotonic milliseconds.
namespace sluice::worker {

struct TupleReport {
  std::string local_address;  ///< announced address if given, else bind ip
  uint16_t local_port = 0;
  std::string remote_ip;  ///< "" = unknown
  uint16_t remote_port = 0;
  TransportProtocol protocol = TransportProtocol::kUdp;
};

// --- RTP streams ---

struct RtpStreamParams {
  uint32_t encoding_idx = 0;
  uint32_t ssrc = 0;
  uint8_t payload_type = 0;
  std::string mime_type;  ///< canonical case
  uint32_t clock_rate = 0;
  std::string rid;  ///< "" = none
  std::string cname;
  std::optional<uint32_t> rtx_ssrc;
  std::optional<uint8_t> rtx_payload_type;
  bool use_nack = false;
  bool use_pli = false;
  bool use_fir = false;
  bool use_in_band_fec = false;
  bool use_dtx = false;
  uint8_t spatial_layers = 1;
  uint8_t temporal_layers = 1;
  // Not in a dump.
  /// Redundant audio (RFC 2198): its packets are of the same stream.
  std::optional<uint8_t> red_payload_type;
  std::optional<uint32_t> fec_ssrc;  ///< FlexFEC repair stream
  std::optional<uint8_t> fec_payload_type;
};

struct RtxStreamDump {
  uint32_t ssrc = 0;
  uint8_t payload_type = 0;
  std::string mime_type;
  uint32_t clock_rate = 0;
  std::string rrid;
  std::string cname;
};

struct RtpStreamDump {
  RtpStreamParams params;
  uint8_t score = 10;
  std::optional<RtxStreamDump> rtx;
};

/// What a sender says of a spatial layer of an encoding (VideoLayersAllocation).
struct AnnouncedLayer {
  static constexpr size_t kMaxTemporalLayers = 4;

  uint8_t temporal_layers = 1;
  /// kbit/s, of each temporal layer with those below it.
  std::array<uint32_t, kMaxTemporalLayers> bitrates_kbps{};
  // 0: not said.
  uint16_t width = 0;
  uint16_t height = 0;
  uint8_t frame_rate = 0;  ///< pictures a second
  friend bool operator==(const AnnouncedLayer&, const AnnouncedLayer&) = default;
};

struct RtpStreamStats {
  enum class Direction : uint8_t { kReceive, kSend };
  Direction direction = Direction::kReceive;
  int64_t timestamp_ms = 0;
  uint32_t ssrc = 0;
  MediaKind kind = MediaKind::kAudio;
  std::string mime_type;
  int32_t packets_lost = 0;
  uint8_t fraction_lost = 0;
  uint32_t jitter = 0;  ///< RTP timestamp units
  uint64_t packets_discarded = 0;
  uint64_t packets_retransmitted = 0;
  uint64_t packets_repaired = 0;
  uint64_t nack_count = 0;
  uint64_t nack_packet_count = 0;
  uint64_t pli_count = 0;
  uint64_t fir_count = 0;
  std::string rid;  ///< "" = none
  std::optional<uint32_t> rtx_ssrc;
  uint64_t rtx_packets_discarded = 0;
  float round_trip_time_ms = 0;  ///< 0 = unknown
  uint8_t score = 10;
  uint64_t packet_count = 0;
  uint64_t byte_count = 0;
  uint64_t bitrate = 0;                                            ///< bps
  std::vector<std::pair<std::string, uint64_t>> bitrate_by_layer;  ///< "s.t" → bps; receive only
  /// Spatial layer → what the sender says of it; receive only.
  std::vector<std::pair<uint8_t, AnnouncedLayer>> announced_layers;
  // JSON protocol only (docs/protocols/json-protocol.md §8).
  uint8_t payload_type = 0;       ///< of its codec
  uint32_t newest_timestamp = 0;  ///< RTP timestamp of the newest packet
  uint32_t transit = 0;           ///< RFC 3550 §A.8, RTP timestamp units; receive only
};

// --- producer and consumer ---

struct ProducerScoreEntry {
  uint32_t encoding_idx = 0;
  uint32_t ssrc = 0;
  std::string rid;  ///< "" = none
  uint8_t score = 0;
};

struct ConsumerScore {
  uint8_t score = 10;
  uint8_t producer_score = 0;
  std::vector<uint8_t> producer_scores;
  friend bool operator==(const ConsumerScore&, const ConsumerScore&) = default;
};

/// The most that any active consumer wants of an encoding.
struct WantedLayers {
  static constexpr uint8_t kAll = 0xff;  ///< whatever layers there are

  bool any = false;  ///< false: nobody wants anything of it
  uint8_t spatial = 0;
  uint8_t temporal = 0;
  /// What `other` wants is wanted, too.
  void Add(const WantedLayers& other) {
    if (!other.any) return;
    spatial = any && spatial > other.spatial ? spatial : other.spatial;
    temporal = any && temporal > other.temporal ? temporal : other.temporal;
    any = true;
  }
  friend bool operator==(const WantedLayers&, const WantedLayers&) = default;
};

/// What a viewer gets of a producer up to a layer, and what that costs.
struct LadderStep {
  uint8_t encoding = 0;
  uint8_t spatial = 0;
  uint8_t temporal = 0;
  int64_t bps = 0;  ///< with the layers that it needs
};

struct VideoOrientation {
  bool camera = false;
  bool flip = false;
  uint16_t rotation = 0;  ///< degrees: 0, 90, 180, 270
  friend bool operator==(const VideoOrientation&, const VideoOrientation&) = default;
};

struct ProducerDump {
  std::string id;
  MediaKind kind = MediaKind::kAudio;
  RtpType type = RtpType::kSimple;
  RtpParameters rtp_parameters;
  RtpMapping rtp_mapping;
  std::vector<RtpStreamDump> rtp_streams;
  TraceMask traces = 0;
  bool paused = false;
};

struct ConsumerDump {
  std::string id;
  RtpType type = RtpType::kSimple;
  std::string producer_id;
  MediaKind kind = MediaKind::kAudio;
  RtpParameters rtp_parameters;
  std::vector<RtpEncodingParameters> consumable_rtp_encodings;
  std::vector<uint8_t> supported_codec_payload_types;  ///< ascending
  TraceMask traces = 0;
  bool paused = false;
  bool producer_paused = false;
  uint8_t priority = 1;
  std::vector<RtpStreamDump> rtp_streams;
  int16_t preferred_spatial_layer = -1;
  int16_t target_spatial_layer = -1;
  int16_t current_spatial_layer = -1;
  int16_t preferred_temporal_layer = -1;
  int16_t target_temporal_layer = -1;
  int16_t current_temporal_layer = -1;
};

struct ProduceReport {
  RtpType type = RtpType::kSimple;
};

struct ConsumeReport {
  bool paused = false;
  bool producer_paused = false;
  ConsumerScore score;
  std::optional<ConsumerLayers> preferred_layers;
};

// --- data ---

struct DataProducerDump {
  std::string id;
  DataType type = DataType::kSctp;
  std::optional<SctpStreamParameters> sctp_stream_parameters;
  std::string label;
  std::string protocol;
  bool paused = false;
};

struct DataProducerStats {
  int64_t timestamp_ms = 0;
  std::string label;
  std::string protocol;
  uint64_t messages_received = 0;
  uint64_t bytes_received = 0;
};

struct DataConsumerDump {
  std::string id;
  std::string data_producer_id;
  DataType type = DataType::kSctp;
  std::optional<SctpStreamParameters> sctp_stream_parameters;
  std::string label;
  std::string protocol;
  uint32_t buffered_amount = 0;                ///< bytes
  uint32_t buffered_amount_low_threshold = 0;  ///< bytes
  bool paused = false;
  bool data_producer_paused = false;
  std::vector<uint16_t> subchannels;
};

struct DataConsumerStats {
  int64_t timestamp_ms = 0;
  std::string label;
  std::string protocol;
  uint64_t messages_sent = 0;
  uint64_t bytes_sent = 0;
  uint32_t buffered_amount = 0;  ///< bytes
};

/// The SCTP side of a transport that has one.
struct SctpDump {
  uint16_t port = sctp::kPort;
  uint32_t send_buffer_size = 0;                 ///< bytes
  uint32_t per_stream_send_queue_limit = 0;      ///< bytes
  uint32_t max_receiver_window_buffer_size = 0;  ///< bytes
  bool is_data_channel = false;
  SctpState state = SctpState::kNew;
  SctpStreamCounts negotiated;
  std::vector<std::pair<uint16_t, std::string>> stream_ids;  ///< → id of the data producer
};

// --- transports ---

struct TransportDump {
  std::string id;
  bool direct = false;
  std::vector<std::string> producer_ids;
  std::vector<std::string> consumer_ids;
  std::vector<std::pair<uint32_t, std::string>> ssrc_consumer_ids;
  std::vector<std::pair<uint32_t, std::string>> rtx_ssrc_consumer_ids;
  std::optional<uint8_t> mid_extension_id;
  std::optional<uint8_t> rid_extension_id;
  std::optional<uint8_t> rrid_extension_id;
  std::optional<uint8_t> abs_send_time_extension_id;
  std::optional<uint8_t> transport_wide_cc_extension_id;
  std::vector<std::pair<uint32_t, std::string>> listener_ssrcs;
  std::vector<std::pair<std::string, std::string>> listener_mids;
  std::vector<std::pair<std::string, std::string>> listener_rids;
  uint32_t max_send_message_size = 0;
  uint32_t max_receive_message_size = 0;
  std::vector<std::string> data_producer_ids;
  std::vector<std::string> data_consumer_ids;
  std::optional<SctpDump> sctp;
  TraceMask traces = 0;
  /// What REMB told the sender (docs/protocols/json-protocol.md §7), bps; 0 = nothing, or no limit.
  uint64_t effective_incoming_bitrate = 0;
};

struct TransportStats {
  std::string transport_id;
  int64_t timestamp_ms = 0;
  uint64_t bytes_received = 0;
  uint64_t recv_bitrate = 0;
  uint64_t bytes_sent = 0;
  uint64_t send_bitrate = 0;
  uint64_t rtp_bytes_received = 0;
  uint64_t rtp_recv_bitrate = 0;
  uint64_t rtp_bytes_sent = 0;
  uint64_t rtp_send_bitrate = 0;
  uint64_t rtx_bytes_received = 0;
  uint64_t rtx_recv_bitrate = 0;
  uint64_t rtx_bytes_sent = 0;
  uint64_t rtx_send_bitrate = 0;
  uint64_t probation_bytes_sent = 0;
  uint64_t probation_send_bitrate = 0;
  std::optional<uint64_t> available_outgoing_bitrate;
  /// Of our estimator, at most the limit; 0 while nothing was measured, or where the sender
  /// estimates. Absent without feedback.
  std::optional<uint64_t> available_incoming_bitrate;
  std::optional<uint64_t> max_incoming_bitrate;
  std::optional<uint64_t> max_outgoing_bitrate;
  std::optional<uint64_t> min_outgoing_bitrate;
  std::optional<double> rtp_packet_loss_received;
  std::optional<double> rtp_packet_loss_sent;
  std::optional<SctpState> sctp_state;
};

struct IceCandidateReport {
  std::string foundation;
  uint32_t priority = 0;
  std::string address;
  TransportProtocol protocol = TransportProtocol::kUdp;
  uint16_t port = 0;
  bool is_ipv6 = false;  ///< family of the bound address; `address` may be a name
};

struct WebRtcTransportDump {
  TransportDump base;
  IceCredentials ice_parameters;
  std::vector<IceCandidateReport> ice_candidates;
  IceState ice_state = IceState::kNew;
  std::optional<TupleReport> ice_selected_tuple;
  DtlsRole dtls_role = DtlsRole::kAuto;
  std::vector<DtlsFingerprint> dtls_fingerprints;
  DtlsState dtls_state = DtlsState::kNew;
};

struct WebRtcTransportStats {
  TransportStats base;
  IceState ice_state = IceState::kNew;
  std::optional<TupleReport> ice_selected_tuple;
  DtlsState dtls_state = DtlsState::kNew;
};

struct PlainTransportDump {
  TransportDump base;
  bool rtcp_mux = true;
  bool comedia = false;
  TupleReport tuple;
  std::optional<TupleReport> rtcp_tuple;
  std::optional<SrtpParameters> srtp_parameters;
};

struct PlainTransportStats {
  TransportStats base;
  bool rtcp_mux = true;
  bool comedia = false;
  TupleReport tuple;
  std::optional<TupleReport> rtcp_tuple;
};

struct PlainConnectReport {
  std::optional<TupleReport> tuple;  ///< only when a remote is known
  std::optional<TupleReport> rtcp_tuple;
  std::optional<SrtpParameters> srtp_parameters;
};

struct PipeTransportDump {
  TransportDump base;
  TupleReport tuple;
  bool rtx = false;
  std::optional<SrtpParameters> srtp_parameters;  ///< ours
};

struct PipeTransportStats {
  TransportStats base;
  TupleReport tuple;
};

struct PipeConnectReport {
  TupleReport tuple;
};

struct DirectTransportDump {
  TransportDump base;
};

struct DirectTransportStats {
  TransportStats base;
};

// --- worker, server, router ---

struct WorkerDump {
  uint32_t pid = 0;
  std::vector<std::string> webrtc_server_ids;
  std::vector<std::string> router_ids;
  std::vector<std::string> request_handler_ids;
  std::vector<std::string> notification_handler_ids;
};

struct WebRtcServerDump {
  std::string id;
  std::vector<SocketAddress> udp_sockets;
  std::vector<SocketAddress> tcp_servers;
  std::vector<std::string> transport_ids;
  std::vector<std::pair<std::string, std::string>> local_ice_ufrags;  ///< ufrag → transport id
};

struct RouterDump {
  std::string id;
  std::vector<std::string> transport_ids;
  std::vector<std::string> rtp_observer_ids;
  std::vector<std::pair<std::string, std::vector<std::string>>> producer_consumer_ids;
  std::vector<std::pair<std::string, std::string>> consumer_producer_ids;
  std::vector<std::pair<std::string, std::vector<std::string>>> producer_observer_ids;
  std::vector<std::pair<std::string, std::vector<std::string>>> data_producer_consumer_ids;
  std::vector<std::pair<std::string, std::string>> data_consumer_producer_ids;
};

/// One RTP packet in a trace (docs/protocols/router-protocol.md §18).
struct RtpPacketReport {
  uint8_t payload_type = 0;
  uint16_t sequence_number = 0;
  uint32_t timestamp = 0;
  bool marker = false;
  uint32_t ssrc = 0;
  bool is_key_frame = false;
  uint64_t size = 0;
  uint64_t payload_size = 0;
  uint8_t spatial_layer = 0;
  uint8_t temporal_layer = 0;
  std::string mid;
  std::string rid;
  std::string rrid;
  std::optional<uint16_t> wide_sequence_number;
};

struct SenderReportReport {
  uint32_t ssrc = 0;
  NtpTime ntp;
  uint32_t rtp_timestamp = 0;
  uint32_t packet_count = 0;
  uint32_t octet_count = 0;
};

/// What the sending side of a transport was estimated to take, with a trace of type kBwe. All bps.
struct BweTrace {
  /// The values are the wire enum of the router protocol.
  enum class Source : uint8_t { kTransportCc = 0, kRemb = 1 };
  Source source = Source::kTransportCc;
  uint64_t desired = 0;            ///< of all active video consumers
  uint64_t effective_desired = 0;  ///< with the trend of the last seconds
  uint64_t min = 0;
  uint64_t max = 0;
  uint64_t start = 0;
  uint64_t max_padding = 0;
  uint64_t available = 0;
};

/// One trace event of a transport; always outgoing.
struct TransportTraceReport {
  TransportTraceType type = TransportTraceType::kProbation;
  int64_t timestamp_ms = 0;
  std::optional<BweTrace> bwe;  // kBwe
};

/// One trace event of a producer or consumer; `type` picks what else is set.
struct TraceReport {
  enum class Type : uint8_t { kKeyFrame = 0, kFir = 1, kNack = 2, kPli = 3, kRtp = 4, kSr = 5 };
  Type type = Type::kRtp;
  int64_t timestamp_ms = 0;
  bool incoming = true;
  bool is_rtx = false;                              // kKeyFrame, kRtp
  std::optional<RtpPacketReport> rtp_packet;        // kKeyFrame, kRtp
  uint32_t ssrc = 0;                                // kFir, kPli
  std::optional<SenderReportReport> sender_report;  // kSr
};

}  // namespace sluice::worker
