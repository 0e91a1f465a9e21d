// Whole calls through a real engine in virtual time: peers ↔ simulated network ↔ engine. Every run
// of a seed is the same run.
#include <catch2/catch.hpp>

#include "tests/sim/video_call.h"

namespace sluice::worker {
namespace {

TEST_CASE("a handshake survives 30 % loss in both directions and both roles", "[sim]") {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    for (const DtlsRole peer_role : {DtlsRole::kClient, DtlsRole::kServer}) {
      INFO("seed " << seed << " peer role " << static_cast<int>(peer_role));
      CallFixture call(seed);
      call.SetDelay(Duration::Millis(10), Duration::Millis(20));
      call.SetLoss(0.3);
      const auto peer = call.Join("t", peer_role);
      CHECK(call.AwaitConnected(*peer, "t", Duration::Seconds(30)));
      CHECK(peer->dtls_state() == DtlsState::kConnected);
    }
  }
}

TEST_CASE("connect that comes after ICE and after the ClientHello completes the handshake",
          "[sim]") {
  CallFixture call;
  WebRtcTransportOptions options;
  options.webrtc_server_id = "s";
  const auto dump = call.engine->CreateWebRtcTransport("r", "t", options);
  WebRtcPeer peer({call.environment, call.links, *call.srtp, CallFixture::PeerDtls()},
                  call.NextAddress());
  const DtlsFingerprint ours = dump->dtls_fingerprints.at(CallFixture::kSha256);
  peer.Connect(dump->ice_candidates.at(0), dump->ice_parameters, ours, DtlsRole::kClient);
  call.environment.AdvanceBy(Duration::Seconds(1));
  CHECK(call.Ice("t") == IceState::kCompleted);
  CHECK_FALSE(call.Connected("t"));  // no fingerprint yet

  DtlsParameters parameters;
  parameters.role = DtlsRole::kClient;
  parameters.fingerprints = {CallFixture::PeerDtls()->fingerprints().at(CallFixture::kSha256)};
  SECTION("the right fingerprint") {
    CHECK(*call.engine->ConnectWebRtcTransport("t", parameters) == DtlsRole::kServer);
    CHECK(call.AwaitConnected(peer, "t", Duration::Seconds(5)));
  }
  SECTION("a wrong one") {
    parameters.fingerprints = {ours};
    CHECK(call.engine->ConnectWebRtcTransport("t", parameters).ok());
    call.environment.AdvanceBy(Duration::Seconds(1));
    CHECK(call.engine->DumpWebRtcTransport("t")->dtls_state == DtlsState::kFailed);
  }
}

TEST_CASE("a role change after ICE: the peer waits as server", "[sim]") {
  CallFixture call;
  WebRtcTransportOptions options;
  options.webrtc_server_id = "s";
  const auto dump = call.engine->CreateWebRtcTransport("r", "t", options);
  WebRtcPeer peer({call.environment, call.links, *call.srtp, CallFixture::PeerDtls()},
                  call.NextAddress());
  peer.Connect(dump->ice_candidates.at(0), dump->ice_parameters,
               dump->dtls_fingerprints.at(CallFixture::kSha256), DtlsRole::kServer);
  call.environment.AdvanceBy(Duration::Seconds(1));
  DtlsParameters parameters;
  parameters.role = DtlsRole::kAuto;
  parameters.fingerprints = {CallFixture::PeerDtls()->fingerprints().at(CallFixture::kSha256)};
  CHECK(*call.engine->ConnectWebRtcTransport("t", parameters) == DtlsRole::kClient);
  CHECK(call.AwaitConnected(peer, "t", Duration::Seconds(5)));
  CHECK(peer.dtls_before_ice() == 0);
}

TEST_CASE("two viewers of one producer get every packet, beginning with a key frame", "[sim]") {
  VideoCall call;
  auto one = call.View("one", 3000);
  call.environment.AdvanceBy(Duration::Seconds(2));
  auto two = call.View("two", 4000);
  const Timestamp joined = call.environment.Now();
  call.environment.AdvanceBy(Duration::Seconds(10));
  for (const auto* receiver : {one.receiver.get(), two.receiver.get()}) {
    CHECK(receiver->began_with_key_frame());
    CHECK(receiver->missing() == 0);
    CHECK(receiver->received() > 9 * 150);
    CHECK(receiver->sender_reports() >= 6);
    CHECK(receiver->duplicates() == 0);
  }
  // The late one was helped by a PLI, not by waiting for the next key frame.
  CHECK(call.sender->key_frame_requests() >= 2);
  CHECK(two.receiver->first_at() - joined < Duration::Seconds(1));
  // Feedback to the publisher.
  CHECK(call.sender->transport_feedbacks() > 80);
  CHECK(call.sender->report_blocks() >= 6);
  const auto stats = call.engine->GetWebRtcTransportStats("one")->base;
  CHECK(stats.rtp_bytes_sent > 9 * 150'000);
  CHECK(stats.rtx_bytes_sent == 0);
}

TEST_CASE("NACK and RTX repair 5 % loss on both hops", "[sim]") {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    INFO("seed " << seed);
    VideoCall call(seed);
    call.SetDelay(Duration::Millis(20));
    auto viewer = call.View("view", 3000);
    call.environment.AdvanceBy(Duration::Seconds(1));
    call.SetLoss(0.05);
    call.environment.AdvanceBy(Duration::Seconds(20));
    call.SetLoss(0);
    call.environment.AdvanceBy(Duration::Seconds(2));

    CHECK(call.links.stats().lost > 200);
    CHECK(call.sender->resent() > 100);
    CHECK(viewer.receiver->repaired() > 100);
    CHECK(viewer.receiver->expected() > 20 * 150);
    // 5 % of 3000 twice over would be 300 holes.
    CHECK(viewer.receiver->missing() <= 1);
    CHECK(call.engine->GetWebRtcTransportStats("view")->base.rtx_bytes_sent > 0);
    CHECK(call.engine->GetWebRtcTransportStats("pub")->base.rtx_bytes_received > 0);
  }
}

TEST_CASE("reordered and duplicated packets are delivered once", "[sim]") {
  VideoCall call(7);
  auto viewer = call.View("view", 3000);
  call.environment.AdvanceBy(Duration::Seconds(1));
  call.conditions.duplicate = 0.1;
  call.SetDelay(Duration::Millis(10), Duration::Millis(15));
  call.environment.AdvanceBy(Duration::Seconds(10));
  call.SetDelay(Duration::Millis(10));
  call.environment.AdvanceBy(Duration::Seconds(1));
  CHECK(viewer.receiver->missing() == 0);
  CHECK(call.engine->GetWebRtcTransportStats("view")->dtls_state == DtlsState::kConnected);
}

TEST_CASE("without consent media stops within 30 s and comes back with it", "[sim]") {
  VideoCall call;
  auto viewer = call.View("view", 3000);
  call.environment.AdvanceBy(Duration::Seconds(3));
  call.events.Take();
  viewer.peer->StopChecks();
  call.environment.AdvanceBy(Duration::Seconds(31));
  CHECK(call.Ice("view") == IceState::kDisconnected);
  CHECK(call.events.Count("ice view disconnected") == 1);
  CHECK_FALSE(call.engine->DumpWebRtcTransport("view")->ice_selected_tuple);
  CHECK(call.Connected("view"));  // DTLS is not concerned

  const uint64_t received = viewer.receiver->received();
  const auto sent = call.engine->GetWebRtcTransportStats("view")->base.bytes_sent;
  call.environment.AdvanceBy(Duration::Seconds(5));
  CHECK(viewer.receiver->received() == received);
  CHECK(call.engine->GetWebRtcTransportStats("view")->base.bytes_sent == sent);

  viewer.peer->ResumeChecks();
  call.environment.AdvanceBy(Duration::Seconds(2));
  CHECK(call.Ice("view") == IceState::kCompleted);
  CHECK(viewer.receiver->received() > received + 150);
  CHECK(viewer.receiver->missing() == 0);  // the numbering went on where it had stopped
}

TEST_CASE("an ICE restart and a move to another address keep the media going", "[sim]") {
  VideoCall call;
  auto viewer = call.View("view", 3000);
  call.environment.AdvanceBy(Duration::Seconds(2));
  const auto credentials = call.engine->RestartIce("view");
  REQUIRE(credentials.ok());
  viewer.receiver->ResetGap();
  call.environment.AdvanceBy(Duration::Seconds(1));  // the old credentials still hold
  CHECK(viewer.receiver->longest_gap() < Duration::Millis(100));
  viewer.peer->RestartIce(*credentials);
  viewer.peer->MoveTo(call.NextAddress());
  call.environment.AdvanceBy(Duration::Seconds(3));
  CHECK(call.Ice("view") == IceState::kCompleted);
  CHECK(viewer.receiver->longest_gap() < Duration::Millis(300));
  CHECK(viewer.receiver->missing() == 0);
  CHECK(call.engine->DumpWebRtcServer("s")->local_ice_ufrags.size() == 2);  // one a transport
}

TEST_CASE("an ICE restart in the middle of the DTLS handshake does not end it", "[sim]") {
  for (const bool moves : {false, true}) {
    CallFixture call;
    call.SetDelay(Duration::Millis(100));
    WebRtcTransportOptions options;
    options.webrtc_server_id = "s";
    const auto dump = call.engine->CreateWebRtcTransport("r", "t", options);
    WebRtcPeer peer({call.environment, call.links, *call.srtp, CallFixture::PeerDtls()},
                    call.NextAddress());
    DtlsParameters parameters;
    parameters.role = DtlsRole::kClient;
    parameters.fingerprints = {CallFixture::PeerDtls()->fingerprints().at(CallFixture::kSha256)};
    REQUIRE(call.engine->ConnectWebRtcTransport("t", parameters).ok());
    peer.Connect(dump->ice_candidates.at(0), dump->ice_parameters,
                 dump->dtls_fingerprints.at(CallFixture::kSha256), DtlsRole::kClient);
    REQUIRE(call.environment.AdvanceUntil(
        [&] { return call.engine->DumpWebRtcTransport("t")->dtls_state == DtlsState::kConnecting; },
        Duration::Seconds(5)));
    call.environment.AdvanceBy(Duration::Millis(150));  // its ClientHello is on the way
    const auto after = call.engine->RestartIce("t");
    REQUIRE(after.ok());
    REQUIRE_FALSE(call.Connected("t"));
    peer.RestartIce(*after);
    if (moves) peer.MoveTo(call.NextAddress());
    CHECK(call.AwaitConnected(peer, "t", Duration::Seconds(20)));
    CHECK(call.Ice("t") == IceState::kCompleted);
    // The grace of the old credentials is over: they are nobody's.
    const auto known = call.engine->DumpWebRtcServer("s")->local_ice_ufrags;
    CHECK(known.size() == 1);
  }
}

TEST_CASE("media over TCP, and the loss of the connection", "[sim]") {
  VideoCall call;
  auto viewer = call.View("view", 3000, TransportProtocol::kTcp);
  call.environment.AdvanceBy(Duration::Seconds(3));
  CHECK(call.engine->DumpWebRtcTransport("view")->ice_selected_tuple->protocol ==
        TransportProtocol::kTcp);
  CHECK(viewer.receiver->received() > 400);
  CHECK(viewer.receiver->missing() == 0);
  viewer.peer->HangUp();
  call.environment.AdvanceBy(Duration::Seconds(1));
  CHECK(call.Ice("view") == IceState::kDisconnected);
  CHECK(call.Connected("view"));
}

TEST_CASE("a TCP viewer whose frames were dropped gets a key frame", "[sim]") {
  VideoCall call;
  auto viewer = call.View("view", 3000, TransportProtocol::kTcp);
  call.environment.AdvanceBy(Duration::Seconds(5));
  const uint64_t before = call.sender->key_frames();
  const auto tuple = *call.engine->DumpWebRtcTransport("view")->ice_selected_tuple;
  const SocketAddress remote{*IpAddress::Parse(tuple.remote_ip), tuple.remote_port};
  const IpAddress local = *IpAddress::Parse(CallFixture::kEngineIp);
  call.links.ReportVideoDropped(local, remote, Ssrc(9999));  // nobody's
  call.environment.AdvanceBy(Duration::Millis(500));
  CHECK(call.sender->key_frames() == before);
  call.links.ReportVideoDropped(local, remote, Ssrc(3000));
  call.environment.AdvanceBy(Duration::Millis(500));
  CHECK(call.sender->key_frames() == before + 1);
  call.environment.AdvanceBy(Duration::Seconds(2));
  call.links.ReportVideoDropped(local, remote, Ssrc(3001));  // of its retransmissions
  call.environment.AdvanceBy(Duration::Millis(500));
  CHECK(call.sender->key_frames() == before + 2);
}

TEST_CASE("after a close_notify nothing more is sent", "[sim]") {
  VideoCall call;
  auto viewer = call.View("view", 3000);
  call.environment.AdvanceBy(Duration::Seconds(2));
  call.events.Take();
  viewer.peer->CloseDtls();
  call.environment.AdvanceBy(Duration::Millis(100));
  CHECK(call.events.Count("dtls view closed") == 1);
  const auto sent = call.engine->GetWebRtcTransportStats("view")->base.rtp_bytes_sent;
  call.environment.AdvanceBy(Duration::Seconds(2));
  CHECK(call.engine->GetWebRtcTransportStats("view")->base.rtp_bytes_sent == sent);
  CHECK(call.Ice("view") == IceState::kCompleted);
}

TEST_CASE("a viewer that asks for a key frame gets one from the source", "[sim]") {
  VideoCall call;
  auto viewer = call.View("view", 3000);
  call.environment.AdvanceBy(Duration::Seconds(5));
  const uint64_t before = call.sender->key_frames();
  viewer.receiver->RequestKeyFrame();
  call.environment.AdvanceBy(Duration::Millis(500));
  CHECK(call.sender->key_frames() == before + 1);
}

TEST_CASE("paused media costs nothing and comes back with a key frame", "[sim]") {
  VideoCall call;
  auto viewer = call.View("view", 3000);
  call.environment.AdvanceBy(Duration::Seconds(2));
  REQUIRE(call.engine->PauseConsumer("cview").ok());
  call.environment.AdvanceBy(Duration::Millis(100));
  const uint64_t received = viewer.receiver->received();
  const uint64_t requests = call.sender->key_frame_requests();
  call.environment.AdvanceBy(Duration::Seconds(3));
  CHECK(viewer.receiver->received() == received);
  REQUIRE(call.engine->ResumeConsumer("cview").ok());
  call.environment.AdvanceBy(Duration::Seconds(1));
  CHECK(call.sender->key_frame_requests() > requests);
  CHECK(viewer.receiver->received() > received + 100);
  CHECK(viewer.receiver->missing() == 0);
}

TEST_CASE("a large room that ends is silent at once, and each peer hears of it", "[sim]") {
  constexpr size_t kViewers = 40;  // more than are destroyed in two slices
  for (const bool server_closes : {false, true}) {
    INFO("the server closes in the middle: " << server_closes);
    VideoCall call;
    std::vector<VideoCall::Viewer> viewers;
    for (uint32_t i = 0; i < kViewers; ++i) {
      viewers.push_back(call.View("view" + std::to_string(i), 3000));
    }
    call.environment.AdvanceBy(Duration::Seconds(2));
    REQUIRE(call.engine->CloseRouter("r").ok());
    REQUIRE(call.engine->closing() == 1);
    call.events.Take();
    call.environment.AdvanceBy(Duration::Millis(1));
    CHECK(call.engine->DumpWebRtcServer("s")->transport_ids.empty());
    CHECK(call.engine->DumpWebRtcServer("s")->local_ice_ufrags.empty());
    if (server_closes) {
      REQUIRE(call.engine->closing() == 1);
      REQUIRE(call.engine->CloseWebRtcServer("s").ok());
      CHECK(call.engine->closing() == 2);  // both in slices
    }
    // What was on its way when it ended.
    call.environment.AdvanceBy(Duration::Millis(15));
    std::vector<uint64_t> received;
    for (const auto& viewer : viewers) received.push_back(viewer.receiver->received());
    call.environment.AdvanceBy(Duration::Seconds(2));
    CHECK(call.engine->closing() == 0);
    for (size_t i = 0; i < kViewers; ++i) {
      CHECK(viewers[i].receiver->received() == received[i]);
      CHECK(viewers[i].peer->dtls_state() == DtlsState::kClosed);
    }
    CHECK(call.publisher->dtls_state() == DtlsState::kClosed);
    CHECK(call.events.Take().empty());
  }
}

TEST_CASE("the end of a call in the middle of everything", "[sim]") {
  for (const char* what : {"producer", "transport", "server", "router", "engine"}) {
    INFO(what);
    VideoCall call;
    auto viewer = call.View("view", 3000);
    call.environment.AdvanceBy(Duration::Millis(1005));
    const std::string object = what;
    if (object == "producer") REQUIRE(call.engine->CloseProducer("pub", "v").ok());
    if (object == "transport") REQUIRE(call.engine->CloseTransport("r", "pub").ok());
    if (object == "server") REQUIRE(call.engine->CloseWebRtcServer("s").ok());
    if (object == "router") REQUIRE(call.engine->CloseRouter("r").ok());
    if (object == "engine") {
      call.engine.reset();
      call.engine = std::make_unique<TestEngine>(
          EngineDependencies{call.environment, call.links, call.pool, *call.srtp,
                             CallFixture::EngineDtls(), call.events});
    }
    call.environment.AdvanceBy(Duration::Seconds(2));
    const bool goodbye = object != "producer";
    CHECK((call.publisher->dtls_state() == DtlsState::kClosed) == goodbye);
  }
}

}  // namespace

TEST_CASE_METHOD(CallFixture, "a report that waited in a busy turn shows no distance of a browser",
                 "[sim]") {
  const auto publisher = Join("pub");
  const auto viewer = Join("view");
  REQUIRE(AwaitConnected(*publisher, "pub", Duration::Seconds(30)));
  REQUIRE(AwaitConnected(*viewer, "view", Duration::Seconds(30)));
  REQUIRE(engine->Produce("pub", VideoOptions()).ok());
  REQUIRE(engine->Consume("view", samples::ConsumerOf(VideoOptions(), "c", 3000)).ok());
  rtcp::ReportBlock block;
  block.ssrc = Ssrc(3000);
  block.last_sr = environment.NtpNow().Compact();
  environment.AdvanceBy(Duration::Millis(220));
  links.SetReadDelay(Duration::Millis(200));
  std::vector<uint8_t> bytes(rtcp::Builder::kMaxCompound);
  rtcp::Builder builder(bytes);
  builder.AddReceiverReport(Ssrc(77), {&block, 1});
  REQUIRE(viewer->SendRtcp(builder.packet()));
  environment.AdvanceBy(Duration::Millis(11));  // the link takes 10
  const float distance = engine->GetConsumerStats("c")->front().round_trip_time_ms;
  CHECK(distance > 28);
  CHECK(distance < 32);
}

}  // namespace sluice::worker
