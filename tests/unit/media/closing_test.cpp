// What is closed in slices is gone for everybody else at once: it hears nothing, says nothing, and
// holds nothing that others may want.
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "tests/unit/media/stun_samples.h"
#include "tests/unit/media/teardown_fixture.h"

namespace sluice::worker {
namespace {

using Lines = std::vector<std::string>;
constexpr uint32_t kVideoSsrc = 9000;

struct ClosingFixture : SlicesFixture {
  /// Producer "v" of two encodings on "source", and `count` consumers of it on "viewer", shown a
  /// picture.
  void BuildSimulcast(uint32_t count) {
    REQUIRE(engine->CreateRouter("r").ok());
    source = LocalOf(AddSender("r", "source", publisher).tuple);
    AddSender("r", "viewer", Address("192.0.2.2", 6000));
    ProduceOptions video = samples::Video("v", kVideoSsrc);
    RtpEncodingParameters second;
    second.ssrc = kVideoSsrc + 1;
    video.rtp_parameters.encodings.push_back(second);
    video.rtp_mapping.encodings.push_back({"", kVideoSsrc + 1, kVideoSsrc + 5001});
    REQUIRE(engine->Produce("source", video).ok());
    for (uint32_t i = 0; i < count; ++i) {
      ConsumeOptions view = samples::ConsumerOf(video, "v" + std::to_string(i), 1000 + 2 * i);
      view.consumable_rtp_encodings.clear();
      for (const RtpEncodingMapping& each : video.rtp_mapping.encodings) {
        RtpEncodingParameters encoding;
        encoding.ssrc = each.mapped_ssrc;
        view.consumable_rtp_encodings.push_back(encoding);
      }
      view.rtp_parameters.encodings[0].scalability_mode = "L2T1";
      REQUIRE(engine->Consume("viewer", view).ok());
    }
    Picture();
    REQUIRE(events.Count("layers v0") >= 1);
    events.Take();
  }
  void Picture() {
    ++sequence;
    for (uint32_t i = 0; i < 2; ++i) {
      Deliver(samples::Rtp(samples::kVp8, kVideoSsrc + i, sequence, sequence * 3000u,
                           samples::Vp8Payload(true, sequence), true),
              source, publisher);
    }
    environment.EndTurn();
    network.TakeSent();
    engine->DeliverEvents();
  }
  void AddDirect(const std::string& id) {
    DirectTransportOptions direct;
    direct.base.direct = true;
    direct.base.max_send_message_size = direct.base.max_receive_message_size = 1000;
    REQUIRE(engine->CreateDirectTransport("r", id, direct).ok());
  }
  void ProduceData(const std::string& on, const std::string& id) {
    ProduceDataOptions options;
    options.data_producer_id = id;
    options.type = DataType::kDirect;
    REQUIRE(engine->ProduceData(on, options).ok());
  }
  Status ConsumeData(const std::string& on, const std::string& id, const std::string& of) {
    ConsumeDataOptions options;
    options.data_consumer_id = id;
    options.data_producer_id = of;
    options.type = DataType::kDirect;
    return engine->ConsumeData(on, options).status();
  }

  const SocketAddress publisher = Address("192.0.2.1", 5000);
  SocketAddress source;
  uint16_t sequence = 0;
};

TEST_CASE_METHOD(ClosingFixture, "consumers of a closing transport say nothing of their layers",
                 "[teardown]") {
  BuildSimulcast(700);
  REQUIRE(*engine->CloseTransport("r", "viewer", Closed()) == Engine::Closing::kLater);
  CHECK(events.Take().empty());
  Picture();
  CHECK(events.Take().empty());
  // Their ids are free: what becomes of their producer is not told under these.
  REQUIRE(engine->PauseProducer("v").ok());
  REQUIRE(engine->ResumeProducer("v").ok());
  CHECK(events.Take().empty());
  CHECK(engine->DumpRouter("r")->consumer_producer_ids.empty());
  CHECK(Slices() >= 1);
  CHECK(events.lines.empty());
}

TEST_CASE_METHOD(ClosingFixture, "data consumers of a closing transport get nothing",
                 "[teardown]") {
  REQUIRE(engine->CreateRouter("r").ok());
  for (const char* id : {"a", "b", "c"}) AddDirect(id);
  ProduceData("b", "of-b");
  for (int i = 0; i < 700; ++i) REQUIRE(ConsumeData("a", "a" + std::to_string(i), "of-b").ok());
  events.Take();
  REQUIRE(*engine->CloseTransport("r", "a", Closed()) == Engine::Closing::kLater);
  REQUIRE(ConsumeData("c", "a699", "of-b").ok());
  const DataMessage message{53, std::make_shared<const std::vector<uint8_t>>(5), {}, {}, {}};
  REQUIRE(engine->DataProducerSend("of-b", message).ok());
  engine->DeliverEvents();
  CHECK(events.Take() == Lines{"data-message a699 53:5"});
  REQUIRE(engine->PauseDataProducer("of-b").ok());
  CHECK(events.Take() == Lines{"data-pause a699"});
  Slices();
  CHECK(events.lines.empty());
}

struct ReportingFixture : ClosingFixture {
  /// Producers "w", which reports what is wanted of it, and "p0" on "source", and 1,500 consumers
  /// of one of them on "t0".
  void Build(bool of_reporting) {
    REQUIRE(engine->CreateRouter("r").ok());
    AddSender("r", "source", publisher);
    AddSender("r", "t0", Address("192.0.2.2", 6000));
    ProduceOptions reporting = samples::Audio("w", 777);
    reporting.report_wanted_layers = true;
    REQUIRE(engine->Produce("source", reporting).ok());
    REQUIRE(engine->Produce("source", ProducerOf(0)).ok());
    for (uint32_t i = 0; i < 1500; ++i) {
      const std::string id = "c" + std::to_string(i);
      ConsumeOptions consume =
          samples::ConsumerOf(of_reporting ? reporting : ProducerOf(0), id, 1000 + 2 * i);
      consume.paused = true;
      REQUIRE(engine->Consume("t0", consume).ok());
    }
  }
};

TEST_CASE_METHOD(ReportingFixture, "producers that are closing report nothing", "[teardown]") {
  Build(false);
  // That nobody wants anything of it is told 5 s later, which is in the middle.
  environment.AdvanceBy(Duration::Millis(4999));
  REQUIRE(events.Count("wanted w") == 0);
  const bool router_closes = GENERATE(false, true);
  if (router_closes) {
    REQUIRE(engine->CloseRouter("r").ok());
    REQUIRE(engine->closing() == 1);
    Finish();
  } else {
    REQUIRE(*engine->CloseTransport("r", "source", Closed()) == Engine::Closing::kLater);
    Slices();
  }
  CHECK(events.Count("wanted w") == 0);
}

TEST_CASE_METHOD(ReportingFixture, "wishes for a producer that is closing are not told",
                 "[teardown]") {
  Build(true);
  environment.AdvanceBy(Duration::Seconds(10));
  REQUIRE(events.Count("wanted w") == 1);  // nothing
  events.Take();
  REQUIRE(*engine->CloseTransport("r", "source", Closed()) == Engine::Closing::kLater);
  REQUIRE(engine->ResumeConsumer("c1499").ok());
  Slices();
  CHECK(events.Count("wanted w") == 0);
  CHECK(events.Count("close c1499") == 1);
}

TEST_CASE_METHOD(ClosingFixture, "what a closing transport was consumed as can be consumed anew",
                 "[teardown]") {
  BuildMeeting(400);
  REQUIRE(*engine->CloseTransport("r", "source", Closed()) == Engine::Closing::kLater);
  AddSender("r", "source", publisher);
  REQUIRE(engine->Produce("source", ProducerOf(0)).ok());
  events.Take();
  // With the SSRC of t0-0, and with its id on another transport.
  REQUIRE(engine->Consume("t0", samples::ConsumerOf(ProducerOf(0), "again", 100)).ok());
  REQUIRE(engine->Consume("t1", samples::ConsumerOf(ProducerOf(0), "t2-0", 555)).ok());
  engine->DeliverEvents();
  CHECK(events.Count("close t0-0") == 1);
  CHECK(events.Count("close t2-0") == 1);
  CHECK(absl::IsNotFound(engine->CloseConsumer("t2", "t2-0")));
  // One that is not closing is in the way as before.
  CHECK_FALSE(engine->Consume("t0", samples::ConsumerOf(ProducerOf(0), "more", 100)).ok());
  CHECK_FALSE(engine->Consume("t0", samples::ConsumerOf(ProducerOf(0), "again", 557)).ok());
  Slices();
  CHECK(events.Count("close t0-0") == 1);
  CHECK(events.Count("close again") == 0);
  CHECK(engine->DumpRouter("r")->consumer_producer_ids.size() == 2);
}

TEST_CASE_METHOD(ClosingFixture, "data of a closing transport can be consumed anew", "[teardown]") {
  REQUIRE(engine->CreateRouter("r").ok());
  for (const char* id : {"a", "b", "c"}) AddDirect(id);
  PlainTransportOptions plain;
  plain.listen_info = Listen();
  plain.base.enable_sctp = true;
  plain.base.max_send_message_size = plain.base.max_receive_message_size = 1000;
  plain.base.sctp_send_buffer_size = plain.base.sctp_per_stream_send_queue_limit = 100'000;
  plain.base.sctp_max_receiver_window_buffer_size = 100'000;
  REQUIRE(engine->CreatePlainTransport("r", "p", plain).ok());
  ProduceData("a", "of-a");
  for (int i = 0; i < 700; ++i) REQUIRE(ConsumeData("b", "b" + std::to_string(i), "of-a").ok());
  ConsumeDataOptions stream;
  stream.data_consumer_id = "d";
  stream.data_producer_id = "of-a";
  stream.sctp_stream_parameters.emplace().stream_id = 3;
  REQUIRE(engine->ConsumeData("p", stream).ok());
  events.Take();
  REQUIRE(*engine->CloseTransport("r", "a", Closed()) == Engine::Closing::kLater);
  ProduceData("c", "of-c");
  CHECK(ConsumeData("c", "b699", "of-c").ok());
  stream.data_consumer_id = "e";
  stream.data_producer_id = "of-c";
  CHECK(engine->ConsumeData("p", stream).ok());
  engine->DeliverEvents();
  CHECK(events.Count("data-close b699") == 1);
  CHECK(events.Count("data-close d") == 1);
  Slices();
  CHECK(events.Count("data-close b699") == 1);
  CHECK(events.Count("data-close e") == 0);
}

TEST_CASE_METHOD(ServerSlicesFixture, "the port of a WebRtcServer that is closing can be had",
                 "[teardown]") {
  BuildServer(120);
  REQUIRE(*engine->CloseWebRtcServer("s", Closed()) == Engine::Closing::kLater);
  ListenInfo same = Listen();
  same.port = server.port;
  SECTION("by another server") { CHECK(engine->CreateWebRtcServer("next", {same}).ok()); }
  SECTION("by a transport") {
    WebRtcTransportOptions options;
    options.listen_infos = {same};
    CHECK(engine->CreateWebRtcTransport("r", "own", options).ok());
  }
  SECTION("by a plain transport") {
    PlainTransportOptions options;
    options.listen_info = same;
    CHECK(engine->CreatePlainTransport("r", "plain", options).ok());
  }
  CHECK(engine->closing() == 0);
  CHECK(network.open_sockets() == 1);
  CHECK(closed == 0);  // who waits for it is told, but not from here
  environment.AdvanceBy(Duration::Millis(1));
  CHECK(closed == 1);
}

TEST_CASE_METHOD(ServerSlicesFixture, "what is wrong is no reason to hurry", "[teardown]") {
  BuildServer(120);
  REQUIRE(*engine->CloseWebRtcServer("s", Closed()) == Engine::Closing::kLater);
  ListenInfo wanted = Listen();
  SECTION("no address at all") { CHECK_FALSE(engine->CreateWebRtcServer("next", {}).ok()); }
  SECTION("a port that somebody else has") {
    wanted.port = network.TakeForeignPort(TransportProtocol::kUdp, wanted.ip).port;
    CHECK_FALSE(engine->CreateWebRtcServer("next", {wanted}).ok());
  }
  SECTION("an address that cannot be bound") {
    wanted.ip = "203.0.113.1";
    wanted.port = server.port;
    network.RefuseAddress(wanted.ip);
    PlainTransportOptions options;
    options.listen_info = wanted;
    CHECK_FALSE(engine->CreatePlainTransport("r", "next", options).ok());
  }
  SECTION("a range that is used up") {
    wanted.port_min = wanted.port_max =
        network.TakeForeignPort(TransportProtocol::kUdp, wanted.ip).port;
    PipeTransportOptions options;
    options.listen_info = wanted;
    CHECK_FALSE(engine->CreatePipeTransport("r", "next", options).ok());
  }
  SECTION("the same port of the other protocol") {
    wanted.protocol = TransportProtocol::kTcp;
    wanted.port = network.TakeForeignPort(TransportProtocol::kTcp, wanted.ip, server.port).port;
    CHECK_FALSE(engine->CreateWebRtcServer("next", {wanted}).ok());
  }
  CHECK(engine->closing() == 121);
}

TEST_CASE_METHOD(ServerSlicesFixture, "who needs a port waits for what is on it only",
                 "[teardown]") {
  BuildServer(120);
  REQUIRE(engine->CreateRouter("large").ok());
  AddSender("large", "source", Address("192.0.2.1", 5000));
  for (size_t p = 0; p < 5; ++p) REQUIRE(engine->Produce("source", ProducerOf(p)).ok());
  for (size_t i = 0; i < 1500; ++i) {
    const auto ssrc = static_cast<uint32_t>(1000 + 2 * i);
    const std::string id = "c" + std::to_string(i);
    REQUIRE(engine->Consume("source", samples::ConsumerOf(ProducerOf(i % 5), id, ssrc)).ok());
  }
  REQUIRE(engine->CloseRouter("large").ok());
  REQUIRE(engine->closing() == 1);
  REQUIRE(*engine->CloseWebRtcServer("s", Closed()) == Engine::Closing::kLater);
  const bool router_goes = GENERATE(false, true);  // half of the transports with it
  if (router_goes) REQUIRE(engine->CloseRouter("other").ok());
  ListenInfo wanted = Listen();
  SECTION("the port itself") { wanted.port = server.port; }
  SECTION("a range with it") {
    wanted.port_min = static_cast<uint16_t>(server.port - 1);
    wanted.port_max = server.port;
    network.TakeForeignPort(TransportProtocol::kUdp, wanted.ip, wanted.port_min);
  }
  SECTION("any address") {
    wanted.ip = "0.0.0.0";
    wanted.port = server.port;
  }
  CHECK(engine->CreateWebRtcServer("next", {wanted}).ok());
  CHECK(engine->closing() == 1);
  Finish();
  CHECK(closed == 1);
}

TEST_CASE_METHOD(ServerSlicesFixture, "another transport takes over where a closing one was",
                 "[teardown]") {
  BuildServer(1);
  AddSender("r", "source", Address("192.0.2.1", 5000));
  REQUIRE(engine->Produce("source", ProducerOf(0)).ok());
  for (uint32_t i = 0; i < 1500; ++i) {
    const std::string id = "c" + std::to_string(i);
    REQUIRE(engine->Consume("w0", samples::ConsumerOf(ProducerOf(0), id, 1000 + 2 * i)).ok());
  }
  REQUIRE(*engine->CloseTransport("r", "w0", Closed()) == Engine::Closing::kLater);
  CHECK(engine->DumpWebRtcServer("s")->local_ice_ufrags.empty());
  WebRtcTransportOptions options;
  options.webrtc_server_id = "s";
  const auto dump = engine->CreateWebRtcTransport("r", "next", options);
  REQUIRE(dump.ok());
  Deliver(samples::BindingRequest(dump->ice_parameters, true), server, Address("192.0.2.9", 1000));
  CHECK(events.Count("ice next completed") == 1);
  Slices();
  // It stays there when the other one is gone.
  events.Take();
  EndTurnAndTake();
  Deliver(samples::BindingRequest(dump->ice_parameters, true), server, Address("192.0.2.9", 1000));
  CHECK(EndTurnAndTake().size() == 1);
  CHECK(engine->DumpWebRtcTransport("next")->ice_state == IceState::kCompleted);
}

}  // namespace
}  // namespace sluice::worker
