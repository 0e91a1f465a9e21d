#pragma once

#include <memory>
#include <string>

#include "tests/sim/simulated_link.h"
#include "tests/sim/test_engine.h"
#include "tests/sim/video_endpoints.h"
#include "tests/sim/webrtc_peer.h"
#include "tests/unit/media/media_samples.h"
#include "tests/unit/media/recording_events.h"

namespace sluice::worker {

/// A router with a WebRTC server in virtual time, and peers that join it.
struct CallFixture {
  static constexpr uint32_t kVideoSsrc = 1111;
  static constexpr uint32_t kVideoRtx = 1112;
  static constexpr const char* kEngineIp = "127.0.0.1";
  static constexpr const char* kPeerIp = "192.0.2.1";

  explicit CallFixture(uint64_t seed = 1, const EngineSettings& with = {})
      : environment(seed), engine_settings(with) {
    environment.AtTurnEnd(VirtualEnvironment::TurnStage::kEngine,
                          [this](Timestamp now) { engine->OnTurnEnd(now); });
    SetDelay(Duration::Millis(10));
    ListenInfo udp;
    udp.ip = kEngineIp;
    ListenInfo tcp = udp;
    tcp.protocol = TransportProtocol::kTcp;
    (void)engine->CreateRouter("r");
    (void)engine->CreateWebRtcServer("s", {udp, tcp});
  }
  ~CallFixture() { engine.reset(); }

  static std::shared_ptr<DtlsContext> EngineDtls() {
    static const std::shared_ptr<DtlsContext> context = *DtlsContext::Generate();
    return context;
  }
  static std::shared_ptr<DtlsContext> PeerDtls() {
    static const std::shared_ptr<DtlsContext> context = *DtlsContext::Generate();
    return context;
  }
  void Apply() { links.SetConditions(conditions); }
  void SetLoss(double loss) {
    conditions.loss = loss;
    Apply();
  }
  void SetDelay(Duration delay, Duration jitter = Duration::Zero()) {
    conditions.delay = delay;
    conditions.jitter = jitter;
    Apply();
  }

  static constexpr size_t kSha256 = 2;  // place in DtlsContext::fingerprints()

  SocketAddress NextAddress() { return {*IpAddress::Parse(kPeerIp), next_peer_port_++}; }

  /// Creates transport `id` and a peer that connects to it. `peer_role` is the peer's DTLS role.
  std::unique_ptr<WebRtcPeer> Join(const std::string& id, DtlsRole peer_role = DtlsRole::kClient,
                                   TransportProtocol protocol = TransportProtocol::kUdp) {
    WebRtcTransportOptions options;
    options.webrtc_server_id = "s";
    options.enable_udp = protocol == TransportProtocol::kUdp;
    const auto dump = engine->CreateWebRtcTransport("r", id, options);
    auto peer = std::make_unique<WebRtcPeer>(
        WebRtcPeer::Setup{environment, links, *srtp, PeerDtls()}, NextAddress());
    DtlsParameters parameters;
    parameters.role = peer_role;
    parameters.fingerprints = {PeerDtls()->fingerprints().at(kSha256)};
    (void)engine->ConnectWebRtcTransport(id, parameters);
    peer->Connect(dump->ice_candidates.at(0), dump->ice_parameters,
                  dump->dtls_fingerprints.at(kSha256), peer_role);
    return peer;
  }
  ProduceOptions VideoOptions() const {
    ProduceOptions options = samples::Video("v", kVideoSsrc, kVideoRtx);
    options.rtp_parameters.header_extensions = {
        {RtpExtensionUri::kTransportWideCc, samples::kTransportCcId, false, {}}};
    return options;
  }
  bool Connected(const std::string& id) const {
    return engine->DumpWebRtcTransport(id)->dtls_state == DtlsState::kConnected;
  }
  bool AwaitConnected(const WebRtcPeer& peer, const std::string& id, Duration limit) {
    return environment.AdvanceUntil([&] { return peer.dtls_connected() && Connected(id); }, limit);
  }
  IceState Ice(const std::string& id) const { return engine->DumpWebRtcTransport(id)->ice_state; }

  VirtualEnvironment environment;
  PacketBufferPool pool;
  SimulatedLinks links{environment, pool};
  LinkConditions conditions;  // of both directions
  RecordingEvents events;
  const EngineSettings engine_settings;
  std::unique_ptr<SrtpEngine> srtp = *SrtpEngine::Create();
  std::unique_ptr<TestEngine> engine = std::make_unique<TestEngine>(EngineDependencies{
      environment, links, pool, *srtp, EngineDtls(), events, {}, engine_settings});

 private:
  uint16_t next_peer_port_ = 20'000;
};

}  // namespace sluice::worker
