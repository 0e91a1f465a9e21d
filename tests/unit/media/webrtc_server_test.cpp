#include "worker/media/webrtc_server.h"

#include <catch2/catch.hpp>

#include "tests/unit/media/engine_fixture.h"
#include "tests/unit/media/stun_samples.h"
#include "worker/core/ice/ice_lite_agent.h"
#include "worker/media/transport_core.h"
#include "worker/media/webrtc_transport.h"

namespace sluice::worker {
namespace {

using Lines = std::vector<std::string>;
using samples::BindingRequest;

std::string ClassOf(const Status& status) { return status.ok() ? "ok" : ErrorClassName(status); }

struct ServerFixture : EngineFixture {
  ServerFixture() {
    ListenInfo tcp = Listen();
    tcp.protocol = TransportProtocol::kTcp;
    REQUIRE(engine->CreateRouter("r").ok());
    REQUIRE(engine->CreateWebRtcServer("s", {Listen(), tcp}).ok());
    local = engine->DumpWebRtcServer("s")->udp_sockets.at(0);
    tcp_local = engine->DumpWebRtcServer("s")->tcp_servers.at(0);
  }
  IceCredentials Add(const std::string& id) {
    WebRtcTransportOptions options;
    options.webrtc_server_id = "s";
    auto dump = engine->CreateWebRtcTransport("r", id, options);
    REQUIRE(dump.ok());
    return dump->ice_parameters;
  }
  IceState State(const std::string& id) { return engine->DumpWebRtcTransport(id)->ice_state; }
  SocketAddress local, tcp_local;
  const SocketAddress alice = Address("192.0.2.1", 1000);
  const SocketAddress bob = Address("192.0.2.2", 1000);
};

TEST_CASE_METHOD(ServerFixture, "transports of a server share its sockets", "[webrtc_server]") {
  const IceCredentials a = Add("a");
  const IceCredentials b = Add("b");
  CHECK(network.open_sockets() == 2);
  CHECK(a.username_fragment != b.username_fragment);
  const auto dump = engine->DumpWebRtcTransport("a");
  REQUIRE(dump->ice_candidates.size() == 2);
  CHECK(dump->ice_candidates[0].port == local.port);
  CHECK(dump->dtls_fingerprints.size() == 5);
  CHECK(dump->dtls_role == DtlsRole::kAuto);
  CHECK(engine->DumpWebRtcServer("s")->transport_ids == Lines{"a", "b"});
  CHECK(engine->DumpWebRtcServer("s")->local_ice_ufrags.size() == 2);
}

TEST_CASE_METHOD(ServerFixture, "STUN goes by ufrag, then by tuple", "[webrtc_server]") {
  const IceCredentials a = Add("a");
  const IceCredentials b = Add("b");
  Deliver(BindingRequest(a, true), local, alice);
  Deliver(BindingRequest(b, false), local, bob);
  CHECK(State("a") == IceState::kCompleted);
  CHECK(State("b") == IceState::kConnected);
  CHECK(events.Take() == Lines{"tuple a 192.0.2.1:1000", "ice a completed", "dtls a connecting",
                               "tuple b 192.0.2.2:1000", "ice b connected", "dtls b connecting"});
  const auto sent = EndTurnAndTake();
  REQUIRE(sent.size() == 2);  // two answers; as servers they wait for the ClientHello
  CHECK(sent[0].tuple.remote == alice);
  CHECK(sent[1].tuple.remote == bob);

  // A known tuple belongs to its transport, whatever the USERNAME says.
  Deliver(BindingRequest(b, true), local, alice);
  CHECK(State("b") == IceState::kConnected);
  CHECK(State("a") == IceState::kCompleted);
}

TEST_CASE_METHOD(ServerFixture, "what names no transport is counted and dropped",
                 "[webrtc_server]") {
  const IceCredentials a = Add("a");
  IceCredentials nobody = a;
  nobody.username_fragment = "unknown";
  Deliver(BindingRequest(nobody, true), local, alice);
  std::vector<uint8_t> dtls(100, 0);
  dtls[0] = 22;
  Deliver(dtls, local, alice);
  Deliver(samples::Rtp(96, 1, 1, 1, {1}), local, alice);
  Deliver({}, local, alice);
  CHECK(EndTurnAndTake().empty());
  CHECK(events.Take().empty());

  // A bad password is answered, but makes the source no tuple of the transport.
  IceCredentials wrong = a;
  wrong.password = "0123456789012345678901";
  Deliver(BindingRequest(wrong, true), local, alice);
  Deliver(dtls, local, alice);
  CHECK(State("a") == IceState::kNew);
  CHECK(EndTurnAndTake().size() == 1);
}

TEST_CASE_METHOD(ServerFixture, "both ufrags work until the first check with the new one",
                 "[webrtc_server]") {
  const IceCredentials before = Add("a");
  Deliver(BindingRequest(before, true), local, alice);
  const auto after = engine->RestartIce("a");
  REQUIRE(after.ok());
  CHECK(after->username_fragment != before.username_fragment);
  CHECK(engine->DumpWebRtcServer("s")->local_ice_ufrags.size() == 2);
  Deliver(BindingRequest(before, false), local, bob);
  CHECK(engine->DumpWebRtcServer("s")->local_ice_ufrags.size() == 2);
  Deliver(BindingRequest(*after, true), local, bob);
  CHECK(engine->DumpWebRtcServer("s")->local_ice_ufrags.size() == 1);
  CHECK(State("a") == IceState::kCompleted);
  CHECK(engine->DumpWebRtcTransport("a")->ice_selected_tuple->remote_ip == "192.0.2.2");

  (void)EndTurnAndTake();
  Deliver(BindingRequest(before, true), local, Address("192.0.2.3", 1));  // old ufrag, new source
  CHECK(EndTurnAndTake().empty());
}

TEST_CASE_METHOD(ServerFixture, "a closed transport's tuples and ufrags are forgotten",
                 "[webrtc_server]") {
  const IceCredentials a = Add("a");
  Deliver(BindingRequest(a, true), local, alice);
  REQUIRE(engine->CloseTransport("r", "a").ok());
  (void)EndTurnAndTake();
  Deliver(BindingRequest(a, true), local, alice);
  CHECK(EndTurnAndTake().empty());
  CHECK(engine->DumpWebRtcServer("s")->local_ice_ufrags.empty());
  // The same source may be another transport's now.
  const IceCredentials b = Add("b");
  Deliver(BindingRequest(b, true), local, alice);
  CHECK(State("b") == IceState::kCompleted);
}

TEST_CASE_METHOD(ServerFixture, "a tuple that ICE lets go is nobody's, the others stay",
                 "[webrtc_server]") {
  const IceCredentials a = Add("a");
  const IceCredentials b = Add("b");
  const IceCredentials c = Add("c");
  Deliver(BindingRequest(a, true), local, alice);
  const auto spare = [](size_t i) { return Address("192.0.2.9", static_cast<uint16_t>(2000 + i)); };
  for (size_t i = 0; i < IceLiteAgent::kMaxTuples; ++i) {
    environment.AdvanceBy(Duration::Millis(10));
    Deliver(BindingRequest(a, false), local, spare(i));
  }
  // The first of them had to make room for the last.
  Deliver(BindingRequest(b, true), local, spare(0));
  CHECK(State("b") == IceState::kCompleted);
  Deliver(BindingRequest(c, true), local, spare(IceLiteAgent::kMaxTuples - 1));
  CHECK(State("c") == IceState::kNew);
  // And it is the other transport's now: the first one's end does not take it away.
  REQUIRE(engine->CloseTransport("r", "a").ok());
  Deliver(BindingRequest(c, true), local, spare(0));
  CHECK(State("c") == IceState::kNew);
  Deliver(BindingRequest(c, true), local, alice);
  CHECK(State("c") == IceState::kCompleted);
}

TEST_CASE_METHOD(ServerFixture, "a server closes its transports as their router would",
                 "[webrtc_server]") {
  const IceCredentials a = Add("a");
  const auto audio = samples::Audio("p", 1);
  REQUIRE(engine->Produce("a", audio).ok());
  AddSender("r", "out", Address("192.0.2.9", 1));
  REQUIRE(engine->Consume("out", samples::ConsumerOf(audio, "c", 10)).ok());
  events.Take();
  REQUIRE(engine->CloseWebRtcServer("s").ok());
  CHECK(events.Take() == Lines{"close c"});
  CHECK(engine->Dump().request_handler_ids == Lines{"r", "out"});
  CHECK_FALSE(Deliver(BindingRequest(a, true), local, alice));
}

TEST_CASE_METHOD(ServerFixture, "losing the only TCP connection disconnects", "[webrtc_server]") {
  const IceCredentials a = Add("a");
  FakeWriter connection(TransportProtocol::kTcp, tcp_local);
  network.DeliverTcp(pool, BindingRequest(a, true), tcp_local, alice, connection,
                     environment.Now());
  CHECK(State("a") == IceState::kCompleted);
  events.Take();
  SECTION("closed by the peer") {
    network.CloseTcp(tcp_local, alice, connection);
    engine->DeliverEvents();
    CHECK(events.Take() == Lines{"ice a disconnected"});
    CHECK_FALSE(engine->DumpWebRtcTransport("a")->ice_selected_tuple);
  }
  SECTION("with another tuple left") {
    Deliver(BindingRequest(a, false), local, bob);
    network.CloseTcp(tcp_local, alice, connection);
    environment.AdvanceBy(Duration::Seconds(2));  // tuples are told once a second
    CHECK(events.Take() == Lines{"tuple a 192.0.2.2:1000"});
  }
  environment.AdvanceBy(Duration::Seconds(1));
}

TEST_CASE_METHOD(ServerFixture, "a transport keeps eight connections, and none when it is gone",
                 "[webrtc_server]") {
  const IceCredentials a = Add("a");
  std::vector<std::unique_ptr<FakeWriter>> connections;
  for (uint16_t i = 0; i < 300; ++i) {
    connections.push_back(std::make_unique<FakeWriter>(TransportProtocol::kTcp, tcp_local));
    network.DeliverTcp(pool, BindingRequest(a, true), tcp_local,
                       Address("192.0.2.1", static_cast<uint16_t>(1000 + i)), *connections.back(),
                       environment.Now());
  }
  const auto open = [&] {
    return std::count_if(connections.begin(), connections.end(),
                         [](const auto& connection) { return !connection->closed(); });
  };
  CHECK(open() == static_cast<ptrdiff_t>(IceLiteAgent::kMaxTuples));
  CHECK_FALSE(connections.back()->closed());  // the selected one
  SECTION("closed") { REQUIRE(engine->CloseTransport("r", "a").ok()); }
  SECTION("without consent") { environment.AdvanceBy(Duration::Seconds(31)); }
  CHECK(open() == 0);
}

TEST_CASE_METHOD(ServerFixture, "create rules of WebRTC transports and servers",
                 "[webrtc_server]") {
  WebRtcTransportOptions options;
  CHECK(ClassOf(engine->CreateWebRtcTransport("r", "x", options).status()) == "TypeError");
  options.webrtc_server_id = "nowhere";
  CHECK(ClassOf(engine->CreateWebRtcTransport("r", "x", options).status()) == "Error");
  options.webrtc_server_id = "s";
  options.enable_udp = options.enable_tcp = false;
  CHECK(ClassOf(engine->CreateWebRtcTransport("r", "x", options).status()) == "TypeError");
  options.enable_udp = true;
  options.base.enable_sctp = true;
  options.base.sctp_send_buffer_size = DataCore::kMaxBuffer + 1;
  const auto sctp = engine->CreateWebRtcTransport("r", "x", options);
  CHECK(ClassOf(sctp.status()) == "TypeError");
  CHECK(std::string(sctp.status().message()).find("sctpSendBufferSize") != std::string::npos);
  CHECK(engine->DumpWebRtcServer("s")->transport_ids.empty());
  CHECK(engine->DumpWebRtcServer("s")->local_ice_ufrags.empty());
  CHECK(ClassOf(engine->CreateWebRtcServer("s2", {})) == "TypeError");
  ListenInfo busy = Listen();
  busy.port = local.port;
  CHECK(ClassOf(engine->CreateWebRtcServer("s2", {Listen(), busy})) == "Error");
  CHECK(network.open_sockets() == 2);
}

TEST_CASE_METHOD(ServerFixture, "DTLS connect rules", "[webrtc_transport]") {
  const IceCredentials a = Add("a");
  CHECK(ClassOf(engine->ConnectWebRtcTransport("a", {}).status()) == "TypeError");
  DtlsParameters parameters;
  parameters.fingerprints = {SharedDtls()->fingerprints().at(2)};
  SECTION("before ICE: nothing starts") {
    parameters.role = DtlsRole::kServer;
    CHECK(*engine->ConnectWebRtcTransport("a", parameters) == DtlsRole::kClient);
    CHECK(ClassOf(engine->ConnectWebRtcTransport("a", parameters).status()) == "Error");
    CHECK(EndTurnAndTake().empty());  // not a byte before ICE
    CHECK(engine->DumpWebRtcTransport("a")->dtls_role == DtlsRole::kClient);
    Deliver(BindingRequest(a, true), local, alice);
    const auto sent = EndTurnAndTake();
    REQUIRE(sent.size() >= 2);  // STUN answer, then ClientHello
    CHECK(sent[1].bytes[0] == 22);
  }
  SECTION("after ICE with the role we already have") {
    Deliver(BindingRequest(a, true), local, alice);
    CHECK(engine->DumpWebRtcTransport("a")->dtls_role == DtlsRole::kServer);
    (void)EndTurnAndTake();
    events.Take();
    parameters.role = DtlsRole::kClient;
    CHECK(*engine->ConnectWebRtcTransport("a", parameters) == DtlsRole::kServer);
    CHECK(events.Take().empty());
    CHECK(EndTurnAndTake().empty());
  }
  SECTION("after ICE with the other role: started again before the response") {
    Deliver(BindingRequest(a, true), local, alice);
    (void)EndTurnAndTake();
    events.Take();
    parameters.role = GENERATE(DtlsRole::kServer, DtlsRole::kAuto);
    CHECK(*engine->ConnectWebRtcTransport("a", parameters) == DtlsRole::kClient);
    CHECK(events.Take() == Lines{"dtls a connecting"});
    const auto sent = EndTurnAndTake();
    REQUIRE_FALSE(sent.empty());
    CHECK(sent[0].bytes[0] == 22);
  }
}

}  // namespace
}  // namespace sluice::worker
