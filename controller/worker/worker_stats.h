#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/rtp_parameters.h"
#include "common/socket_address.h"
#include "controller/worker/worker_types.h"

/// What a media worker counts of its objects, as plain values. Bytes, bps and ms unless it says
/// otherwise; timestamps are of the worker's monotonic clock. Meanings: proto/transport.fbs,
/// proto/rtp_stream.fbs.
namespace sluice::controller {

struct TransportStats {
  struct Tuple {
    std::string local_address;
    uint16_t local_port = 0;
    std::string remote_ip;  ///< "" while the remote is not known
    uint16_t remote_port = 0;
    TransportProtocol protocol = TransportProtocol::kUdp;
  };
  /// Of what a class of transport has of its own.
  struct WebRtc {
    bool controlling = false;
    IceState ice_state = IceState::kNew;
    std::optional<Tuple> selected;
    DtlsState dtls_state = DtlsState::kNew;
  };
  struct Plain {
    bool rtcp_mux = false;
    bool comedia = false;
    Tuple tuple;
    std::optional<Tuple> rtcp_tuple;
  };

  std::string transport_id;
  uint64_t timestamp = 0;
  std::optional<SctpState> sctp_state;
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
  std::optional<uint64_t> available_incoming_bitrate;
  std::optional<uint64_t> max_incoming_bitrate;
  std::optional<uint64_t> max_outgoing_bitrate;
  std::optional<uint64_t> min_outgoing_bitrate;
  std::optional<double> rtp_packet_loss_received;  ///< 0…1
  std::optional<double> rtp_packet_loss_sent;      ///< 0…1
  std::optional<WebRtc> webrtc;                    ///< one of the two
  std::optional<Plain> plain;
};

/// What a sender says of a spatial layer of an encoding (video-layers-allocation).
struct AnnouncedLayer {
  uint8_t spatial_layer = 0;
  std::vector<uint64_t> bitrates;  ///< bps; of each temporal layer with those below it
  // 0 = not said.
  uint16_t width = 0;
  uint16_t height = 0;
  uint8_t frame_rate = 0;  ///< pictures a second
};

/// Of one RTP stream that a producer receives or a consumer sends.
struct RtpStreamStats {
  bool inbound = false;
  uint64_t timestamp = 0;
  uint32_t ssrc = 0;
  std::optional<uint32_t> rtx_ssrc;
  std::string rid;  ///< "" = none
  MediaKind kind = MediaKind::kAudio;
  std::string mime_type;
  int32_t packets_lost = 0;
  uint8_t fraction_lost = 0;  ///< 1/256
  uint32_t jitter = 0;        ///< RTP timestamp units
  uint64_t packets_discarded = 0;
  uint64_t packets_retransmitted = 0;
  uint64_t packets_repaired = 0;
  uint64_t nack_count = 0;
  uint64_t nack_packet_count = 0;
  uint64_t pli_count = 0;
  uint64_t fir_count = 0;
  double round_trip_time = 0;  ///< 0 = not known
  uint64_t rtx_packets_discarded = 0;
  uint8_t score = 0;  ///< 0…10
  uint64_t packet_count = 0;
  uint64_t byte_count = 0;
  uint64_t bitrate = 0;
  /// "spatial.temporal" → bps; inbound only.
  std::vector<std::pair<std::string, uint64_t>> bitrate_by_layer;
  std::vector<AnnouncedLayer>
      announced_layers;  ///< inbound only; none when the sender says nothing
};

/// Of a data producer (received) or a data consumer (sent).
struct DataStats {
  bool producer = false;
  uint64_t timestamp = 0;
  std::string label;
  std::string protocol;
  uint64_t messages = 0;
  uint64_t bytes = 0;
  uint32_t buffered_amount = 0;  ///< of a data consumer
};

}  // namespace sluice::controller
