#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/rtp_parameters.h"
#include "common/socket_address.h"

/// What the controller says to and hears from a media worker, as plain values.
/// Meanings: proto/*.fbs.
namespace sluice::controller {

/// One address that a worker shall listen on.
struct ListenAddress {
  TransportProtocol protocol = TransportProtocol::kUdp;
  std::string ip;                 ///< literal
  std::string announced_address;  ///< "" = announce `ip`
  uint16_t port = 0;              ///< fixed port; 0 = choose from the range
  uint16_t min_port = 0;          ///< range, both ends 0 = the worker's own
  uint16_t max_port = 0;
};

struct IceParameters {
  std::string username_fragment;
  std::string password;
  bool ice_lite = true;
};

struct IceCandidate {
  std::string foundation;
  uint32_t priority = 0;
  std::string address;
  TransportProtocol protocol = TransportProtocol::kUdp;
  uint16_t port = 0;
};

struct DtlsFingerprint {
  std::string algorithm;  ///< "sha-1", "sha-224", "sha-256", "sha-384" or "sha-512"
  std::string value;      ///< upper-case hex with colons
};

enum class DtlsRole : uint8_t { kAuto, kClient, kServer };

struct DtlsParameters {
  DtlsRole role = DtlsRole::kAuto;
  std::vector<DtlsFingerprint> fingerprints;
};

/// How the messages of one SCTP stream travel (W3C WebRTC, RTCDataChannelInit). At most one limit.
struct SctpStreamParameters {
  uint16_t stream_id = 0;
  bool ordered = true;
  std::optional<uint16_t> max_packet_life_time;  ///< ms
  std::optional<uint16_t> max_retransmits;
};

/// Of the pipe to one worker.
struct ChannelLimits {
  /// Requests of one lane that may wait; more are refused at once. Who asks
  /// WorkerChannel::IsBusy() never gets here: a room of 1,000 peers that all come at the same
  /// moment makes about 5,000.
  size_t waiting = 20'000;
  /// Ticks that a single request may take at a worker that answers others: far more than any does.
  uint64_t request_ticks = 30;
};

/// SCTP streams of one transport in each direction, and so data producers and consumers on it.
inline constexpr uint16_t kMaxSctpStreams = 1'024;

/// What the client's side of an association has to know of ours.
struct SctpParameters {
  uint16_t port = 0;
  uint32_t max_send_message_size = 0;     ///< bytes
  uint32_t max_receive_message_size = 0;  ///< bytes
};

struct WebRtcTransportOptions {
  std::string webrtc_server_id;       ///< "" = own sockets on `listen`
  std::vector<ListenAddress> listen;  ///< used without a server
  bool enable_udp = true;
  bool enable_tcp = true;
  uint32_t initial_outgoing_bitrate = 0;  ///< bps; 0 = the worker's default
  uint8_t ice_consent_timeout = 20;       ///< seconds
  bool enable_sctp = false;
  /// The worker answers DCEP: channels that the client opens become data producers by themselves.
  bool terminate_dcep = false;
};

struct WebRtcTransportInfo {
  std::string id;
  IceParameters ice_parameters;
  std::vector<IceCandidate> ice_candidates;
  DtlsParameters dtls_parameters;
  std::optional<SctpParameters> sctp_parameters;  ///< absent without SCTP
};

struct PlainTransportOptions {
  ListenAddress listen;
  bool rtcp_mux = false;
  bool comedia = true;
  std::optional<ListenAddress> rtcp_listen;  ///< of the second port; absent: as `listen`
  bool enable_sctp = false;                  ///< on the RTP port

  // Whose packets are believed, and for how long media goes out unheard.
  std::string source_ip;         ///< takes comedia's lock from any other address; "" = nobody
  bool source_only = false;      ///< packets from elsewhere are dropped
  bool source_receives = false;  ///< media goes to source_ip only
  bool relock = false;           ///< a silent peer's stream may come from another address
  std::chrono::milliseconds receiver_timeout{0};  ///< 0 = sent to for ever
  bool public_destinations = false;  ///< multicast, broadcast and no address are refused
  /// Whether the room lets it consume; the worker is not told.
  bool may_receive = true;
};

struct PlainTransportInfo {
  std::string id;
  std::string address;
  uint16_t port = 0;
  std::optional<uint16_t> rtcp_port;              ///< absent with rtcp-mux
  std::optional<SctpParameters> sctp_parameters;  ///< absent without SCTP
};

/// Where a plain transport without comedia sends to.
struct PlainDestination {
  std::string ip;
  uint16_t port = 0;
  std::optional<uint16_t> rtcp_port;  ///< present without rtcp-mux
};

/// What has come in to a transport, bytes.
struct TransportTraffic {
  uint64_t received = 0;      ///< of anything
  uint64_t rtp_received = 0;  ///< of media, without RTCP and retransmissions
};

struct ConsumerScore {
  uint8_t score = 0;           ///< 0..10, of what we send
  uint8_t producer_score = 0;  ///< of the producer stream sent now
  std::vector<uint8_t> producer_scores;
  friend bool operator==(const ConsumerScore&, const ConsumerScore&) = default;
};

struct ConsumerLayers {
  uint8_t spatial = 0;
  std::optional<uint8_t> temporal;
  friend bool operator==(const ConsumerLayers&, const ConsumerLayers&) = default;
};

/// The most that a client wants of a consumer.
struct PreferredLayers {
  std::optional<uint8_t> spatial;   ///< nullopt: as it is
  std::optional<uint8_t> temporal;  ///< nullopt: the highest
};

struct ProduceOptions {
  std::string producer_id;
  MediaKind kind = MediaKind::kAudio;
  RtpParameters parameters;
  RtpMapping mapping;
  std::chrono::milliseconds key_frame_request_delay{0};  ///< 0: off
  bool report_wanted_layers = false;                     ///< WantedLayersChanged is sent
};

struct ConsumeOptions {
  std::string consumer_id;
  std::string producer_id;
  MediaKind kind = MediaKind::kAudio;
  /// What it has in common with other consumers of the producer: all but mid and encodings.
  std::shared_ptr<const RtpParameters> parameters;
  std::string mid;
  std::vector<RtpEncodingParameters> encodings;
  RtpType type = RtpType::kSimple;
  std::shared_ptr<const RtpParameters> consumable;  ///< of the producer
  bool paused = false;
  bool ignore_dtx = false;
  /// The router's payload type of the media codec, where `parameters` have the receiver's numbers.
  std::optional<uint8_t> source_payload_type = std::nullopt;
  /// Its receiver takes both forms of header extensions (RFC 8285 §4.1.2).
  bool extmap_allow_mixed = false;
};

struct ConsumeResult {
  bool paused = false;
  bool producer_paused = false;
  ConsumerScore score;
};

struct ProduceDataOptions {
  std::string data_producer_id;
  /// nullopt: on a direct transport.
  std::optional<SctpStreamParameters> stream;
  std::string label;
  std::string protocol;
};

struct ConsumeDataOptions {
  std::string data_consumer_id;
  std::string data_producer_id;
  /// nullopt: on a direct transport.
  std::optional<SctpStreamParameters> stream;
  std::string label;
  std::string protocol;
  bool open_channel = false;  ///< by DCEP, where that is terminated
};

/// Payload protocol identifiers of data channel messages (RFC 8831 §8).
inline constexpr uint32_t kPpidText = 51;

struct ProducerStreamScore {
  uint32_t encoding_index = 0;
  uint32_t ssrc = 0;
  std::string rid;
  uint8_t score = 0;
  friend bool operator==(const ProducerStreamScore&, const ProducerStreamScore&) = default;
};

// ---- Notifications

enum class IceState : uint8_t { kNew, kConnected, kCompleted, kDisconnected };
enum class DtlsState : uint8_t { kNew, kConnecting, kConnected, kFailed, kClosed };
enum class SctpState : uint8_t { kNew, kConnecting, kConnected, kFailed, kClosed };

struct IceStateChanged {
  IceState state = IceState::kNew;
};
struct DtlsStateChanged {
  DtlsState state = DtlsState::kNew;
};
struct ProducerScoreChanged {
  std::vector<ProducerStreamScore> scores;
};
/// The most that any consumer wants of one encoding.
struct WantedEncoding {
  std::optional<uint8_t> spatial;   ///< nullopt: whatever there is
  std::optional<uint8_t> temporal;  ///< likewise
};
/// What is wanted of a producer, one element for each encoding; nullopt: nothing.
struct WantedLayersChanged {
  std::vector<std::optional<WantedEncoding>> encodings;
};
struct ConsumerScoreChanged {
  ConsumerScore score;
};
struct ConsumerLayersChanged {
  std::optional<ConsumerLayers> layers;
};
struct ConsumerProducerPaused {};
struct ConsumerProducerResumed {};
struct ConsumerProducerClosed {};
/// Loudest producers of an audio level observer; an empty list is silence.
struct AudioVolumes {
  struct Entry {
    std::string producer_id;
    int volume = 0;  ///< dBov, -127..0
  };
  std::vector<Entry> entries;
};
/// Downlink estimate of a transport (bps).
struct BandwidthEstimate {
  uint64_t desired = 0;
  uint64_t effective_desired = 0;
  uint64_t available = 0;
  friend bool operator==(const BandwidthEstimate&, const BandwidthEstimate&) = default;
};

/// A plain transport has learned, or was taken by, another address to send to.
struct PlainPeerMoved {
  std::string ip;
  uint16_t port = 0;
};

/// Whether anybody seems to listen where a plain transport sends: media stops while nobody does.
struct PlainReceiverChanged {
  bool listens = true;
};
/// The data producer of a data consumer has ended, and the data consumer with it.
struct DataProducerClosed {};
/// A message for a data consumer of a direct transport.
struct DataMessage {
  uint32_t ppid = 0;
  std::string bytes;
};

/// The client has opened a channel by DCEP, and there is a data producer of it.
struct DataChannelOpened {
  std::string data_producer_id;
  SctpStreamParameters stream;
  std::string label;
  std::string protocol;
};
/// It has closed it: the data producer is gone.
struct DataChannelClosed {
  std::string data_producer_id;
};

using WorkerEvent =
    std::variant<DataChannelOpened, DataChannelClosed, IceStateChanged, DtlsStateChanged,
                 ProducerScoreChanged, WantedLayersChanged, ConsumerScoreChanged,
                 ConsumerLayersChanged, ConsumerProducerPaused, ConsumerProducerResumed,
                 ConsumerProducerClosed, AudioVolumes, BandwidthEstimate, PlainPeerMoved,
                 PlainReceiverChanged, DataProducerClosed, DataMessage>;

}  // namespace sluice::controller
