#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/rtp_parameters.h"
#include "common/socket_address.h"
#include "common/units.h"
#include "worker/core/dtls/dtls_session.h"
#include "worker/core/srtp/srtp_types.h"

/// What both pipe protocols ask of the engine, as plain values. The codecs of `channel/` have
/// checked presence and wire types; meaning (ranges, combinations, existing ids) is checked by
/// `media/`.
namespace sluice::worker {

/// Where to listen (docs/protocols/router-protocol.md §4).
/// Ports from which to choose, both ends included.
struct PortRange {
  uint16_t min = 0;
  uint16_t max = 0;  ///< 0 (then min is 0 too): any port that the kernel has free
};

struct ListenInfo {
  TransportProtocol protocol = TransportProtocol::kUdp;
  std::string ip;                 ///< literal address to bind
  std::string announced_address;  ///< what candidates show instead; "" = ip
  bool expose_internal_ip = false;
  uint16_t port = 0;  ///< 0 = from port_range, else the worker's range
  uint16_t port_min = 0;
  uint16_t port_max = 0;
  bool ipv6_only = false;
  bool udp_reuse_port = false;
  uint32_t send_buffer_size = 0;  ///< bytes, 0 = system default
  uint32_t recv_buffer_size = 0;  ///< bytes, 0 = system default
};

/// Common to all transport classes (FBS.Transport.Options).
struct TransportOptions {
  bool direct = false;
  std::optional<uint64_t> initial_available_outgoing_bitrate;  ///< bps
  bool enable_sctp = false;
  uint32_t max_send_message_size = 0;
  uint32_t max_receive_message_size = 0;
  uint32_t sctp_send_buffer_size = 0;
  uint32_t sctp_per_stream_send_queue_limit = 0;
  uint32_t sctp_max_receiver_window_buffer_size = 0;
  uint32_t sctp_default_stream_buffered_amount_low_threshold = 0;
  bool is_data_channel = false;
  /// The peer opens and closes channels by DCEP (RFC 8832), and we answer it: an addition of ours
  /// for rooms, whose clients negotiate no stream ids. Channels that are agreed on otherwise work
  /// beside it.
  bool terminate_dcep = false;

  // What only the JSON protocol asks for (docs/protocols/json-protocol.md §7).
  /// Asks each video producer for a key frame when REMB falls to 0.6 of what it was, or less.
  bool key_frames_when_remb_collapses = false;
};

struct WebRtcTransportOptions {
  TransportOptions base;
  std::vector<ListenInfo> listen_infos;  ///< own sockets; or:
  std::string webrtc_server_id;          ///< "" = own sockets
  bool enable_udp = true;
  bool enable_tcp = true;
  bool prefer_udp = false;
  bool prefer_tcp = false;
  uint8_t ice_consent_timeout = 30;  ///< seconds; 0 = off, else clamped to 10…60

  // What only the JSON protocol asks for (docs/protocols/json-protocol.md §7).
  /// A socket that cannot be opened is logged and left out; an error only when none remains.
  bool skip_failed_listens = false;
  /// As DTLS client wait until a tuple is nominated.
  bool dtls_client_awaits_nomination = false;
  /// DTLS and media from a valid tuple select it also when another one was nominated.
  bool traffic_moves_nominated_tuple = false;
  /// Characters of the username fragment, 4…32; 0 = as many as the password has.
  uint8_t ice_fragment_length = 0;
};

struct PlainTransportOptions {
  TransportOptions base;
  ListenInfo listen_info;
  std::optional<ListenInfo> rtcp_listen_info;
  bool rtcp_mux = true;
  bool comedia = false;
  bool enable_srtp = false;
  std::optional<SrtpProfile> srtp_crypto_suite;

  // What a server that strangers reach asks for. By default whoever sends first is the peer (with
  // comedia), and is sent to for ever.
  std::string source_ip;     ///< whose packets take comedia's lock from any other; "" = nobody's
  bool source_only = false;  ///< packets from elsewhere are dropped
  bool source_receives = false;  ///< with comedia, media goes to source_ip only
  bool relock = false;  ///< with comedia, a silent peer's stream may come from another address
  /// After so long without a packet from there media to the peer stops; 0 = never, ms.
  uint32_t receiver_timeout = 0;
  bool public_destinations = false;  ///< multicast, broadcast and unspecified peers are refused
};

struct SrtpParameters {
  SrtpProfile crypto_suite = SrtpProfile::kAesCm128HmacSha1_80;
  std::string key_base64;
};

struct PlainConnectOptions {
  std::string ip;  ///< "" = absent
  std::optional<uint16_t> port;
  std::optional<uint16_t> rtcp_port;
  std::optional<SrtpParameters> srtp_parameters;
};

struct PipeTransportOptions {
  TransportOptions base;
  ListenInfo listen_info;
  bool enable_rtx = false;  ///< told in dumps; RTX itself follows from parameters of consumers
  bool enable_srtp = false;
};

struct PipeConnectOptions {
  std::string ip;
  std::optional<uint16_t> port;
  std::optional<SrtpParameters> srtp_parameters;
};

struct DirectTransportOptions {
  TransportOptions base;
};

struct DtlsParameters {
  DtlsRole role = DtlsRole::kAuto;
  std::vector<DtlsFingerprint> fingerprints;
};

struct ConsumerLayers {
  uint8_t spatial_layer = 0;
  std::optional<uint8_t> temporal_layer;
  friend bool operator==(const ConsumerLayers&, const ConsumerLayers&) = default;
};

/// Packets with an SSRC that nobody has announced that are a producer's by their payload type
/// alone. A transport may have one producer for each payload type.
struct PayloadTypeRoutes {
  bool media = false;  ///< those of its codecs but RTX
  bool rtx = false;    ///< those of its RTX codecs
  friend bool operator==(const PayloadTypeRoutes&, const PayloadTypeRoutes&) = default;
};

struct ProduceOptions {
  std::string producer_id;
  MediaKind kind = MediaKind::kAudio;
  RtpParameters rtp_parameters;
  RtpMapping rtp_mapping;
  bool paused = false;
  uint32_t key_frame_request_delay = 0;  ///< ms, 0 = off
  bool enable_packet_id_extension = false;
  /// EngineEvents::OnProducerWantedLayers is called.
  bool report_wanted_layers = false;

  // What only the JSON protocol asks for, where a transport's payload types tell receivers apart
  // (docs/protocols/json-protocol.md §5).
  PayloadTypeRoutes route_by_payload_type;
  /// Any media codec of the parameters that is of this kind may start the stream, and the sender
  /// may change to another while it runs (see Producer). Else only the codec of the encoding starts
  /// it.
  bool takes_any_codec = false;
};

/// The sequence numbers with which a stream, its retransmissions and its forward error correction
/// begin; absent: random.
struct FirstNumbers {
  std::optional<uint16_t> sequence;
  std::optional<uint16_t> rtx_sequence;
  std::optional<uint16_t> fec_sequence;
};

struct ConsumeOptions {
  std::string consumer_id;
  std::string producer_id;
  MediaKind kind = MediaKind::kAudio;
  RtpParameters rtp_parameters;
  RtpType type = RtpType::kSimple;
  std::vector<RtpEncodingParameters> consumable_rtp_encodings;
  bool paused = false;
  std::optional<ConsumerLayers> preferred_layers;
  bool ignore_dtx = false;
  /// Where the dependency descriptor is not negotiated, the spatial layers of an AV1 picture become
  /// one frame. Browsers without descriptors cannot decode them otherwise; other receivers may not
  /// know fragments without bytes.
  bool joins_layers = false;
  /// It begins with the group of pictures so far where that shows what happens now sooner than a
  /// key frame would come. For receivers that play: one that records would get what was before.
  bool replays_group = false;
  /// The router's payload type of the one media codec that is sent, where rtp_parameters has
  /// numbers of the receiver's own; nullopt: they are the router's.
  std::optional<uint8_t> source_payload_type;
  /// The receiver takes packets with header extensions in the one-byte form and others in the
  /// two-byte form (RFC 8285 §4.1.2), though no extension that it negotiated says so.
  bool extmap_allow_mixed = false;
  /// Where an earlier consumer with the same SSRCs stopped (Consumer::stream): the receiver sees
  /// one stream. By encoding; may be shorter than rtp_parameters.encodings.
  std::vector<FirstNumbers> first_numbers;
};

/// The values are the wire enums of the router protocol (FBS.DataProducer, FBS.DataConsumer).
enum class DataType : uint8_t { kSctp = 0, kDirect = 1 };

/// A channel's stream and what may become of its messages (docs/protocols/data-channels.md §4).
struct SctpStreamParameters {
  uint16_t stream_id = 0;
  std::optional<bool> ordered;                   ///< absent: yes without a limit, no with one
  std::optional<uint16_t> max_packet_life_time;  ///< ms; 0 is no limit
  std::optional<uint16_t> max_retransmits;       ///< 0 beside ordered true is no limit
};

struct ProduceDataOptions {
  std::string data_producer_id;
  DataType type = DataType::kSctp;
  std::optional<SctpStreamParameters> sctp_stream_parameters;
  std::string label;
  std::string protocol;
  bool paused = false;
};

struct ConsumeDataOptions {
  std::string data_consumer_id;
  std::string data_producer_id;
  DataType type = DataType::kSctp;
  std::optional<SctpStreamParameters> sctp_stream_parameters;
  std::string label;
  std::string protocol;
  bool paused = false;
  std::vector<uint16_t> subchannels;
  /// Opens the channel towards the peer by DCEP; only where the transport terminates it.
  bool open_channel = false;
};

struct AudioLevelObserverOptions {
  uint16_t max_entries = 1;
  int8_t threshold = -80;    ///< dBov
  uint16_t interval = 1000;  ///< ms, clamped 250…5000
};

struct ActiveSpeakerObserverOptions {
  uint16_t interval = 300;  ///< ms, clamped 100…5000
};

/// Trace event sets are bit masks of `1 << wire value`.
enum class TransportTraceType : uint8_t { kProbation = 0, kBwe = 1 };
enum class ProducerTraceType : uint8_t {
  kKeyFrame = 0,
  kFir = 1,
  kNack = 2,
  kPli = 3,
  kRtp = 4,
  kSr = 5
};
enum class ConsumerTraceType : uint8_t { kKeyFrame = 0, kFir = 1, kNack = 2, kPli = 3, kRtp = 4 };
using TraceMask = uint32_t;
template <typename E>
constexpr TraceMask TraceBit(E type) {
  return TraceMask{1} << static_cast<uint8_t>(type);
}

}  // namespace sluice::worker
