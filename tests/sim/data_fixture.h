#pragma once

#include <memory>
#include <string>

#include "tests/sim/call_fixture.h"
#include "tests/sim/sctp_endpoint.h"

namespace sluice::worker {

/// A browser with data channels: a WebRtcPeer with an SCTP association over its DTLS.
struct DataPeer {
  std::unique_ptr<WebRtcPeer> webrtc;
  std::unique_ptr<SctpEndpoint> sctp;
};

/// Calls whose transports have SCTP.
struct DataFixture : CallFixture {
  explicit DataFixture(uint64_t seed = 1) : CallFixture(seed) {}

  static TransportOptions Options() {
    TransportOptions options;
    options.enable_sctp = true;
    options.is_data_channel = true;
    options.max_send_message_size = 262'144;
    options.max_receive_message_size = 262'144;
    options.sctp_send_buffer_size = 2'000'000;
    options.sctp_per_stream_send_queue_limit = 2'000'000;
    options.sctp_max_receiver_window_buffer_size = 5'242'880;
    options.sctp_default_stream_buffered_amount_low_threshold = 1024;
    return options;
  }
  static ProduceDataOptions Producer(const std::string& id, uint16_t stream) {
    ProduceDataOptions options;
    options.data_producer_id = id;
    options.sctp_stream_parameters = SctpStreamParameters{stream, true, {}, {}};
    options.label = "chat";
    return options;
  }
  static ConsumeDataOptions Consumer(const std::string& id, const std::string& producer,
                                     uint16_t stream) {
    ConsumeDataOptions options;
    options.data_consumer_id = id;
    options.data_producer_id = producer;
    options.sctp_stream_parameters = SctpStreamParameters{stream, true, {}, {}};
    return options;
  }

  /// Creates transport `id` and a browser that connects to it; SCTP begins when the transport has
  /// something to carry, or the browser sends.
  DataPeer JoinWithData(const std::string& id, DtlsRole role = DtlsRole::kClient,
                        const TransportOptions& options = Options()) {
    DataPeer peer;
    WebRtcTransportOptions webrtc;
    webrtc.base = options;
    webrtc.webrtc_server_id = "s";
    const auto dump = engine->CreateWebRtcTransport("r", id, webrtc);
    peer.webrtc = std::make_unique<WebRtcPeer>(
        WebRtcPeer::Setup{environment, links, *srtp, PeerDtls()}, NextAddress());
    DtlsParameters parameters;
    parameters.role = role;
    parameters.fingerprints = {PeerDtls()->fingerprints().at(kSha256)};
    (void)engine->ConnectWebRtcTransport(id, parameters);
    peer.webrtc->Connect(dump->ice_candidates.at(0), dump->ice_parameters,
                         dump->dtls_fingerprints.at(kSha256), role);
    SctpOptions sctp_options;
    sctp_options.path_mtu = 1160;
    peer.sctp = std::make_unique<SctpEndpoint>(
        environment, *stack,
        [webrtc_peer = peer.webrtc.get()](std::span<const uint8_t> packet) {
          webrtc_peer->SendData(packet);
        },
        sctp_options);
    peer.webrtc->on_data = [sctp = peer.sctp.get()](std::span<const uint8_t> data) {
      sctp->Receive(data);
    };
    return peer;
  }
  bool SctpConnected(const std::string& id) const {
    const auto dump = engine->DumpWebRtcTransport(id);
    return dump.ok() && dump->base.sctp && dump->base.sctp->state == SctpState::kConnected;
  }
  bool Until(const std::function<bool()>& done, int seconds = 30) {
    return environment.AdvanceUntil(done, Duration::Seconds(seconds));
  }
  /// Lines of this kind of event.
  std::vector<std::string> Lines(const std::string& prefix) const {
    std::vector<std::string> found;
    for (const std::string& line : events.lines) {
      if (line.starts_with(prefix)) found.push_back(line);
    }
    return found;
  }

  std::unique_ptr<SctpStack> stack = *SctpStack::Create(environment);  // of the browsers
};

}  // namespace sluice::worker
