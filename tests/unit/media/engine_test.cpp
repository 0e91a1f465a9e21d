#include "worker/media/engine.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "tests/unit/media/engine_fixture.h"
#include "worker/media/rtp_core.h"

namespace sluice::worker {
namespace {

std::string ClassOf(const Status& status) { return status.ok() ? "ok" : ErrorClassName(status); }

using Lines = std::vector<std::string>;

/// Router r: transport a produces audio "pa" and video "pv"; a and b consume both.
struct GraphFixture : EngineFixture {
  GraphFixture() {
    REQUIRE(engine->CreateRouter("r").ok());
    AddSender("r", "a", Address("192.0.2.1", 5000));
    AddSender("r", "b", Address("192.0.2.2", 5000));
    REQUIRE(engine->Produce("a", audio).ok());
    REQUIRE(engine->Produce("a", video).ok());
    REQUIRE(engine->Consume("a", samples::ConsumerOf(audio, "aa", 10)).ok());
    REQUIRE(engine->Consume("b", samples::ConsumerOf(audio, "ba", 10)).ok());
    REQUIRE(engine->Consume("a", samples::ConsumerOf(video, "av", 20)).ok());
    REQUIRE(engine->Consume("b", samples::ConsumerOf(video, "bv", 20)).ok());
    events.Take();
  }
  const ProduceOptions audio = samples::Audio("pa", 1);
  const ProduceOptions video = samples::Video("pv", 2, 3);
};

TEST_CASE_METHOD(EngineFixture, "ids are unique in a worker whatever the class", "[engine]") {
  REQUIRE(engine->CreateRouter("r").ok());
  REQUIRE(engine->CreateRouter("r2").ok());
  CHECK(ClassOf(engine->CreateRouter("r")) == "Error");
  REQUIRE(engine->CreateWebRtcServer("s", {Listen()}).ok());
  CHECK(ClassOf(engine->CreateWebRtcServer("r", {Listen()})) == "Error");
  CHECK(ClassOf(engine->CreateRouter("s")) == "Error");
  AddComedia("r", "t");
  PlainTransportOptions plain;
  plain.listen_info = Listen();
  CHECK(ClassOf(engine->CreatePlainTransport("r2", "t", plain).status()) == "Error");
  CHECK(ClassOf(engine->Produce("t", samples::Audio("t", 1)).status()) == "Error");
  REQUIRE(engine->Produce("t", samples::Audio("p", 1)).ok());
  CHECK(ClassOf(engine->CreateAudioLevelObserver("r", "p", {})) == "Error");
  auto consume = samples::ConsumerOf(samples::Audio("p", 1), "p", 10);
  CHECK(ClassOf(engine->Consume("t", consume).status()) == "Error");
}

TEST_CASE_METHOD(EngineFixture, "unknown ids are NotFoundErrors, wrong classes Errors",
                 "[engine]") {
  REQUIRE(engine->CreateRouter("r").ok());
  AddComedia("r", "t");
  CHECK(ClassOf(engine->CloseRouter("x")) == "NotFoundError");
  CHECK(ClassOf(engine->CloseRouter("t")) == "Error");
  CHECK(ClassOf(engine->DumpRouter("t").status()) == "Error");
  CHECK(ClassOf(engine->CloseTransport("r", "x")) == "NotFoundError");
  CHECK(ClassOf(engine->Produce("x", samples::Audio("p", 1)).status()) == "NotFoundError");
  CHECK(ClassOf(engine->DumpProducer("x").status()) == "NotFoundError");
  CHECK(ClassOf(engine->DumpProducer("t").status()) == "Error");
  CHECK(ClassOf(engine->PauseConsumer("x")) == "NotFoundError");
  CHECK(ClassOf(engine->RestartIce("t").status()) == "Error");
  CHECK(ClassOf(engine->ConnectWebRtcTransport("t", {}).status()) == "Error");
  CHECK(ClassOf(engine->CloseProducer("t", "x")) == "NotFoundError");
  CHECK(ClassOf(engine->CloseConsumer("t", "x")) == "NotFoundError");
  CHECK(ClassOf(engine->CloseWebRtcServer("x")) == "NotFoundError");
  CHECK(ClassOf(engine->CloseRtpObserver("r", "x")) == "NotFoundError");
  CHECK(ClassOf(engine->PauseRtpObserver("x")) == "NotFoundError");
  const auto consume = samples::ConsumerOf(samples::Audio("gone", 1), "c", 10);
  CHECK(ClassOf(engine->Consume("t", consume).status()) == "NotFoundError");
  CHECK_FALSE(engine->Find<Producer>("t").ok());
  CHECK(ClassOf(engine->ProducerSend("x", {})) == "NotFoundError");
}

TEST_CASE_METHOD(EngineFixture, "a producer of another router is not found", "[engine]") {
  REQUIRE(engine->CreateRouter("r1").ok());
  REQUIRE(engine->CreateRouter("r2").ok());
  AddComedia("r1", "t1");
  AddComedia("r2", "t2");
  REQUIRE(engine->Produce("t1", samples::Audio("p", 1)).ok());
  const auto consume = samples::ConsumerOf(samples::Audio("p", 1), "c", 10);
  CHECK(ClassOf(engine->Consume("t2", consume).status()) == "NotFoundError");
  REQUIRE(engine->CreateAudioLevelObserver("r2", "o", {}).ok());
  CHECK(ClassOf(engine->AddProducerToObserver("o", "p")) == "NotFoundError");
}

TEST_CASE_METHOD(EngineFixture, "a refused producer leaves nothing behind", "[engine]") {
  REQUIRE(engine->CreateRouter("r").ok());
  AddComedia("r", "t");
  REQUIRE(engine->Produce("t", samples::Video("p", 1, 2)).ok());
  CHECK(ClassOf(engine->Produce("t", samples::Video("q", 9, 2)).status()) == "Error");
  CHECK_FALSE(engine->Find<Producer>("q").ok());
  const TransportDump dump = engine->DumpPlainTransport("t")->base;
  CHECK(dump.producer_ids == Lines{"p"});
  CHECK(dump.listener_ssrcs.size() == 2);
  CHECK(engine->DumpRouter("r")->producer_consumer_ids.size() == 1);
}

TEST_CASE_METHOD(GraphFixture, "closing a producer closes its consumers everywhere", "[engine]") {
  REQUIRE(engine->CloseProducer("a", "pv").ok());
  CHECK(events.Take() == Lines{"close av", "close bv"});
  CHECK(ClassOf(engine->DumpProducer("pv").status()) == "NotFoundError");
  CHECK(ClassOf(engine->DumpConsumer("av").status()) == "NotFoundError");
  CHECK(ClassOf(engine->DumpConsumer("bv").status()) == "NotFoundError");
  CHECK(engine->DumpConsumer("ba").ok());
  CHECK(ClassOf(engine->CloseProducer("a", "pv")) == "NotFoundError");
  // Its SSRCs and those of its consumers are free again.
  REQUIRE(engine->Produce("a", video).ok());
  REQUIRE(engine->Consume("b", samples::ConsumerOf(video, "bv", 20)).ok());
}

TEST_CASE_METHOD(GraphFixture, "closing a consumer tells nobody", "[engine]") {
  REQUIRE(engine->CloseConsumer("b", "bv").ok());
  CHECK(events.Take().empty());
  CHECK(engine->DumpRouter("r")->consumer_producer_ids.size() == 3);
  CHECK(ClassOf(engine->CloseConsumer("a", "ba")) == "NotFoundError");  // not of this transport
}

TEST_CASE_METHOD(GraphFixture, "closing a transport closes its producers, then its consumers",
                 "[engine]") {
  SECTION("of the producers") {
    REQUIRE(engine->CloseTransport("r", "a").ok());
    CHECK(events.Take() == Lines{"close aa", "close ba", "close av", "close bv"});
    CHECK(engine->Dump().request_handler_ids == Lines{"r", "b"});
  }
  SECTION("of consumers only") {
    REQUIRE(engine->CloseTransport("r", "b").ok());
    CHECK(events.Take().empty());
    CHECK(engine->DumpRouter("r")->consumer_producer_ids.size() == 2);
  }
  CHECK(network.open_sockets() == 1);
}

TEST_CASE_METHOD(GraphFixture, "closing a router is silent and frees every id", "[engine]") {
  REQUIRE(engine->CreateAudioLevelObserver("r", "o", {}).ok());
  REQUIRE(engine->AddProducerToObserver("o", "pa").ok());
  REQUIRE(engine->CloseRouter("r").ok());
  CHECK(events.Take().empty());
  CHECK(engine->Dump().request_handler_ids.empty());
  CHECK(network.open_sockets() == 0);
  REQUIRE(engine->CreateRouter("pa").ok());
  environment.AdvanceBy(Duration::Seconds(5));
}

TEST_CASE_METHOD(GraphFixture, "destroying the engine in the middle of a turn is clean",
                 "[engine]") {
  const SocketAddress local = LocalOf(engine->DumpPlainTransport("a")->tuple);
  const auto packet = samples::Rtp(samples::kVp8, 2, 1, 1, samples::Vp8Payload(true, 1), true);
  Deliver(packet, local, Address("192.0.2.1", 5000));
  REQUIRE(engine->SetMaxIncomingBitrate("a", 500'000).ok());
  SECTION("the producer with packets waiting") { REQUIRE(engine->CloseProducer("a", "pv").ok()); }
  SECTION("its transport") { REQUIRE(engine->CloseTransport("r", "a").ok()); }
  SECTION("a consumer of it") { REQUIRE(engine->CloseConsumer("b", "bv").ok()); }
  SECTION("its router") { REQUIRE(engine->CloseRouter("r").ok()); }
  SECTION("everything") {
    engine.reset();
    engine = std::make_unique<TestEngine>(
        EngineDependencies{environment, network, pool, *srtp, SharedDtls(), events});
  }
  environment.EndTurn();
  environment.AdvanceBy(Duration::Seconds(3));
}

TEST_CASE_METHOD(GraphFixture, "dumps list what there is", "[engine]") {
  const WorkerDump worker = engine->Dump();
  CHECK(worker.router_ids == Lines{"r"});
  CHECK(worker.request_handler_ids == Lines{"r", "a", "b", "pa", "pv", "aa", "ba", "av", "bv"});
  CHECK(worker.notification_handler_ids == Lines{"a", "b", "pa", "pv"});

  REQUIRE(engine->CreateAudioLevelObserver("r", "o", {}).ok());
  REQUIRE(engine->AddProducerToObserver("o", "pa").ok());
  REQUIRE(engine->AddProducerToObserver("o", "pa").ok());  // twice is accepted
  CHECK(ClassOf(engine->AddProducerToObserver("o", "pv")) == "TypeError");
  RouterDump router = *engine->DumpRouter("r");
  CHECK(router.transport_ids == Lines{"a", "b"});
  CHECK(router.rtp_observer_ids == Lines{"o"});
  REQUIRE(router.producer_consumer_ids.size() == 2);
  CHECK(router.producer_consumer_ids[0] == std::pair<std::string, Lines>("pa", {"aa", "ba"}));
  REQUIRE(router.producer_observer_ids.size() == 2);
  CHECK(router.producer_observer_ids[0] == std::pair<std::string, Lines>("pa", {"o"}));
  CHECK(router.producer_observer_ids[1] == std::pair<std::string, Lines>("pv", {}));
  REQUIRE(engine->CloseProducer("a", "pa").ok());
  router = *engine->DumpRouter("r");
  CHECK(router.producer_observer_ids.size() == 1);
  REQUIRE(engine->RemoveProducerFromObserver("o", "pv").ok());  // of a non-member

  const TransportDump a = engine->DumpPlainTransport("a")->base;
  CHECK(a.id == "a");
  CHECK(a.producer_ids == Lines{"pv"});
  CHECK(a.consumer_ids == Lines{"av"});
  CHECK(a.ssrc_consumer_ids == std::vector<std::pair<uint32_t, std::string>>{{20, "av"}});
  CHECK(a.rtx_ssrc_consumer_ids == std::vector<std::pair<uint32_t, std::string>>{{21, "av"}});
}

TEST_CASE_METHOD(GraphFixture, "a worker's dump names every kind of object, in order of making",
                 "[engine]") {
  REQUIRE(engine->CreateWebRtcServer("server", {Listen()}).ok());
  REQUIRE(engine->CreateAudioLevelObserver("r", "levels", {}).ok());
  REQUIRE(engine->CreateActiveSpeakerObserver("r", "speaker", {}).ok());
  WebRtcTransportOptions webrtc;
  webrtc.webrtc_server_id = "server";
  REQUIRE(engine->CreateWebRtcTransport("r", "webrtc", webrtc).ok());
  PipeTransportOptions pipe;
  pipe.listen_info = Listen();
  REQUIRE(engine->CreatePipeTransport("r", "pipe", pipe).ok());
  DirectTransportOptions direct;
  direct.base.direct = true;
  direct.base.max_send_message_size = direct.base.max_receive_message_size = 1000;
  REQUIRE(engine->CreateDirectTransport("r", "direct", direct).ok());
  ProduceDataOptions produce;
  produce.data_producer_id = "said";
  produce.type = DataType::kDirect;
  REQUIRE(engine->ProduceData("direct", produce).ok());
  ConsumeDataOptions consume;
  consume.data_consumer_id = "heard";
  consume.data_producer_id = "said";
  consume.type = DataType::kDirect;
  REQUIRE(engine->ConsumeData("direct", consume).ok());

  const WorkerDump worker = engine->Dump();
  CHECK(worker.webrtc_server_ids == Lines{"server"});
  CHECK(worker.router_ids == Lines{"r"});
  CHECK(worker.request_handler_ids == Lines{"r", "a", "b", "pa", "pv", "aa", "ba", "av", "bv",
                                            "server", "levels", "speaker", "webrtc", "pipe",
                                            "direct", "said", "heard"});
  CHECK(worker.notification_handler_ids ==
        Lines{"a", "b", "pa", "pv", "webrtc", "pipe", "direct", "said"});

  // What is gone is not named, what is left keeps its place.
  REQUIRE(engine->CloseRtpObserver("r", "levels").ok());
  REQUIRE(engine->CloseDataProducer("direct", "said").ok());
  REQUIRE(engine->CloseWebRtcServer("server").ok());
  CHECK(engine->Dump().request_handler_ids ==
        Lines{"r", "a", "b", "pa", "pv", "aa", "ba", "av", "bv", "speaker", "pipe", "direct"});
  CHECK(engine->Dump().notification_handler_ids == Lines{"a", "b", "pa", "pv", "pipe", "direct"});
}

TEST_CASE_METHOD(GraphFixture, "a router keeps its observers apart", "[engine]") {
  for (const char* id : {"o1", "o2", "o3"}) {
    REQUIRE(engine->CreateAudioLevelObserver("r", id, {}).ok());
    REQUIRE(engine->AddProducerToObserver(id, "pa").ok());
  }
  const auto observers_of_pa = [&] {
    const auto router = engine->DumpRouter("r");
    for (const auto& [producer, ids] : router->producer_observer_ids) {
      if (producer == "pa") return ids;
    }
    return std::vector<std::string>{"no such producer"};
  };
  CHECK(engine->DumpRouter("r")->rtp_observer_ids == Lines{"o1", "o2", "o3"});
  CHECK(observers_of_pa() == Lines{"o1", "o2", "o3"});
  REQUIRE(engine->RemoveProducerFromObserver("o2", "pa").ok());
  CHECK(observers_of_pa() == Lines{"o1", "o3"});
  REQUIRE(engine->RemoveProducerFromObserver("o2", "pa").ok());  // no member: accepted
  REQUIRE(engine->CloseRtpObserver("r", "o1").ok());
  CHECK(engine->DumpRouter("r")->rtp_observer_ids == Lines{"o2", "o3"});
  CHECK(observers_of_pa() == Lines{"o3"});
  CHECK_FALSE(engine->CloseRtpObserver("r", "o1").ok());
  REQUIRE(engine->CreateAudioLevelObserver("r", "o1", {}).ok());  // its id is free
  CHECK(engine->DumpRouter("r")->rtp_observer_ids == Lines{"o2", "o3", "o1"});
  CHECK(observers_of_pa() == Lines{"o3"});
}

TEST_CASE_METHOD(GraphFixture, "an SSRC is sent once per transport", "[engine]") {
  const auto again = samples::ConsumerOf(audio, "again", 20);
  CHECK(ClassOf(engine->Consume("b", again).status()) == "Error");
  const auto rtx = samples::ConsumerOf(audio, "again", 21);
  CHECK(ClassOf(engine->Consume("b", rtx).status()) == "Error");
  CHECK_FALSE(engine->Find<Consumer>("again").ok());
}

TEST_CASE_METHOD(GraphFixture, "pause and resume reach the consumers before the response",
                 "[engine]") {
  REQUIRE(engine->PauseProducer("pv").ok());
  CHECK(events.Take() == Lines{"pause av", "pause bv"});
  REQUIRE(engine->Consume("b", samples::ConsumerOf(video, "late", 30)).ok());
  CHECK(events.Take() == Lines{"pause late"});
  REQUIRE(engine->ResumeProducer("pv").ok());
  CHECK(events.Take() == Lines{"resume av", "resume bv", "resume late"});
}

TEST_CASE_METHOD(GraphFixture, "bitrate limits follow their rules", "[engine]") {
  const uint64_t too_much = RtpCore::kMaxBitrate + 1;
  CHECK(ClassOf(engine->SetMaxIncomingBitrate("a", too_much)) == "TypeError");
  CHECK(ClassOf(engine->SetMaxOutgoingBitrate("a", too_much)) == "TypeError");
  CHECK(ClassOf(engine->SetMinOutgoingBitrate("a", too_much)) == "TypeError");
  CHECK(ClassOf(engine->SetMaxOutgoingBitrate("a", 29'999)) == "TypeError");
  CHECK(ClassOf(engine->SetMinOutgoingBitrate("a", 29'999)) == "TypeError");
  CHECK(engine->SetMaxIncomingBitrate("a", 1).ok());
  CHECK(engine->SetMinOutgoingBitrate("a", 100'000).ok());
  CHECK(ClassOf(engine->SetMaxOutgoingBitrate("a", 99'999)) == "TypeError");
  CHECK(engine->SetMaxOutgoingBitrate("a", 200'000).ok());
  CHECK(ClassOf(engine->SetMinOutgoingBitrate("a", 200'001)) == "TypeError");
  const TransportStats stats = engine->GetPlainTransportStats("a")->base;
  CHECK(stats.max_incoming_bitrate == 1U);
  CHECK(stats.max_outgoing_bitrate == 200'000U);
  CHECK(stats.min_outgoing_bitrate == 100'000U);
  CHECK(engine->SetMaxOutgoingBitrate("a", 0).ok());
  CHECK_FALSE(engine->GetPlainTransportStats("a")->base.max_outgoing_bitrate);
}

}  // namespace
}  // namespace sluice::worker
