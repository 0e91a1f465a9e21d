// Closing is linear in what is closed: counted in elements that lists touch, not in time. What is
// large is destroyed in slices, of which nobody sees anything.
#include <catch2/catch.hpp>
#include <cstdint>
#include <string>

#include "tests/unit/media/stun_samples.h"
#include "tests/unit/media/teardown_fixture.h"

namespace sluice::worker {
namespace {

TEST_CASE_METHOD(TeardownFixture, "closing a router touches each of its objects a few times",
                 "[teardown]") {
  for (const size_t transports : {20U, 80U}) {
    BuildMeeting(transports);
    const uint64_t before = Touched();
    REQUIRE(engine->CloseRouter("r").ok());
    Finish();
    const uint64_t work = Touched() - before;
    CHECK(work >= 3 * transports * kConsumers);  // it goes through these lists
    CHECK(work <= Bound(transports));
    CHECK(engine->Dump().request_handler_ids.empty());
    CHECK(network.open_sockets() == 0);
  }
}

TEST_CASE_METHOD(TeardownFixture, "closing transports one by one does, too", "[teardown]") {
  for (const size_t transports : {20U, 80U}) {
    BuildMeeting(transports);
    const uint64_t before = Touched();
    for (size_t t = 0; t < transports; ++t) {
      REQUIRE(engine->CloseTransport("r", TransportId(t)).ok());
    }
    REQUIRE(engine->CloseTransport("r", "source").ok());
    CHECK(Touched() - before <= Bound(transports));
    REQUIRE(engine->CloseRouter("r").ok());
    Finish();
  }
}

TEST_CASE_METHOD(TeardownFixture, "closing a producer with many consumers does, too",
                 "[teardown]") {
  for (const size_t transports : {20U, 80U}) {
    BuildMeeting(transports);
    const uint64_t before = Touched();
    REQUIRE(engine->CloseProducer("source", "p0").ok());
    CHECK(Touched() - before <= 2 * (3 * transports + 2));
    events.Take();
    REQUIRE(engine->CloseRouter("r").ok());
    Finish();
  }
}

TEST_CASE_METHOD(TeardownFixture, "a transport that leaves in the middle leaves the others whole",
                 "[teardown]") {
  BuildMeeting(4);
  REQUIRE(engine->CloseTransport("r", TransportId(1)).ok());
  const RouterDump dump = *engine->DumpRouter("r");
  CHECK(dump.transport_ids.size() == 4);
  CHECK(dump.consumer_producer_ids.size() == 3 * kConsumers);
  const auto packet = samples::Rtp(samples::kOpus, 10, 1, 960, {1, 2, 3});
  Deliver(packet, LocalOf(engine->DumpPlainTransport("source")->tuple), Address("192.0.2.1", 5000));
  CHECK(EndTurnAndTake().size() == 3);  // each that is left gets it once
}

TEST_CASE_METHOD(TeardownFixture, "a small router is gone with its response", "[teardown]") {
  BuildMeeting(4);
  REQUIRE(engine->CloseRouter("r").ok());
  CHECK(engine->closing() == 0);
}

TEST_CASE_METHOD(TeardownFixture, "of a large router nothing can be found while it is destroyed",
                 "[teardown]") {
  BuildMeeting(80);
  const SocketAddress source = LocalOf(engine->DumpPlainTransport("source")->tuple);
  events.Take();
  REQUIRE(engine->CloseRouter("r").ok());
  size_t slices = 0;
  for (; engine->closing() > 0; ++slices) {
    CHECK(engine->Dump().router_ids.empty());
    CHECK(engine->Dump().request_handler_ids.empty());
    CHECK(network.open_sockets() == 0);
    CHECK_FALSE(Deliver({0x80, 111}, source, Address("192.0.2.1", 5000)));
    CHECK(absl::IsNotFound(engine->CloseRouter("r")));
    CHECK(absl::IsNotFound(engine->CloseTransport("r", TransportId(0))));
    CHECK(absl::IsNotFound(engine->CloseProducer("source", "p0")));
    CHECK(absl::IsNotFound(engine->CloseConsumer(TransportId(0), "t0-0")));
    CHECK(absl::IsNotFound(engine->PauseConsumer("t79-4")));
    CHECK(absl::IsNotFound(engine->Produce("source", ProducerOf(9)).status()));
    CHECK(events.Take().empty());
    CHECK(EndTurnAndTake().empty());
    environment.AdvanceBy(Duration::Millis(1));
    REQUIRE(slices < 100);
  }
  CHECK(slices > 3);
}

TEST_CASE_METHOD(TeardownFixture, "a TCP connection may end while its transport is destroyed",
                 "[teardown]") {
  ListenInfo tcp = Listen();
  tcp.protocol = TransportProtocol::kTcp;
  REQUIRE(engine->CreateWebRtcServer("s", {tcp}).ok());
  const SocketAddress local = engine->DumpWebRtcServer("s")->tcp_servers.at(0);
  BuildMeeting(120);  // the first slice does not come to an end of the consumers
  WebRtcTransportOptions options;
  options.webrtc_server_id = "s";
  options.enable_tcp = true;
  const auto dump = engine->CreateWebRtcTransport("r", "tcp", options);
  REQUIRE(dump.ok());
  // One is selected, the other is a spare.
  FakeWriter ended(TransportProtocol::kTcp, local);
  FakeWriter open(TransportProtocol::kTcp, local);
  const SocketAddress alice = Address("192.0.2.7", 1000);
  const SocketAddress bob = Address("192.0.2.7", 1001);
  const bool selected_ends = GENERATE(true, false);
  network.DeliverTcp(pool, samples::BindingRequest(dump->ice_parameters, selected_ends), local,
                     alice, ended, environment.Now());
  network.DeliverTcp(pool, samples::BindingRequest(dump->ice_parameters, !selected_ends), local,
                     bob, open, environment.Now());
  REQUIRE(engine->CloseRouter("r").ok());
  REQUIRE(engine->closing() == 1);
  REQUIRE_FALSE(ended.closed());
  network.CloseTcp(local, alice, ended);  // from here on the writer is not there any more
  events.Take();
  Finish();
  CHECK_FALSE(ended.closed());
  CHECK(open.closed());
  CHECK(events.Take().empty());
}

TEST_CASE_METHOD(TeardownFixture, "ids of what is being destroyed are free for others",
                 "[teardown]") {
  BuildMeeting(80);
  REQUIRE(engine->CloseRouter("r").ok());
  BuildMeeting(20);
  REQUIRE(engine->closing() == 1);
  const auto packet = samples::Rtp(samples::kOpus, 10, 1, 960, {1, 2, 3});
  const auto forwarded = [&] {
    Deliver(packet, LocalOf(engine->DumpPlainTransport("source")->tuple),
            Address("192.0.2.1", 5000));
    return EndTurnAndTake().size();
  };
  CHECK(forwarded() == 20);
  Finish();  // takes none of the new ones with it
  CHECK(engine->Dump().request_handler_ids.size() == 1 + 21 + kConsumers + 20 * kConsumers);
  CHECK(engine->DumpRouter("r")->consumer_producer_ids.size() == 20 * kConsumers);
  CHECK(engine->CloseConsumer(TransportId(0), "t0-0").ok());
  CHECK(absl::IsNotFound(engine->CloseConsumer(TransportId(0), "t0-0")));
}

TEST_CASE_METHOD(TeardownFixture, "counters do not fall while a router is destroyed",
                 "[teardown]") {
  BuildMeeting(80);
  const auto packet = samples::Rtp(samples::kOpus, 10, 1, 960, {1, 2, 3});
  Deliver(packet, LocalOf(engine->DumpPlainTransport("source")->tuple), Address("192.0.2.1", 5000));
  REQUIRE(EndTurnAndTake().size() == 80);
  const EngineCounters before = engine->ReadCounters().counters;
  REQUIRE(engine->CloseRouter("r").ok());
  for (;;) {
    const EngineSnapshot now = engine->ReadCounters();
    CHECK(now.counters.traffic.rtp_packets_sent == before.traffic.rtp_packets_sent);
    CHECK(now.counters.traffic.rtp_packets_received == before.traffic.rtp_packets_received);
    CHECK(now.alive.routers == 0);
    CHECK(now.alive.plain_transports == 0);
    CHECK(now.alive.consumers == 0);
    if (engine->closing() == 0) break;
    environment.AdvanceBy(Duration::Millis(1));
  }
}

TEST_CASE_METHOD(TeardownFixture, "the worker ends in the middle of it", "[teardown]") {
  BuildMeeting(80);
  REQUIRE(engine->CloseRouter("r").ok());
  environment.AdvanceBy(Duration::Millis(2));
  REQUIRE(engine->closing() == 1);
  BuildMeeting(80);
  REQUIRE(engine->CloseRouter("r").ok());
  CHECK(engine->closing() == 2);
  engine.reset();
  CHECK(network.open_sockets() == 0);
}

// ---- One transport, or one WebRtcServer, with very much on it ----------------------------------

TEST_CASE_METHOD(SlicesFixture, "a transport with little on it is gone with its response",
                 "[teardown]") {
  BuildMeeting(4);
  CHECK(*engine->CloseTransport("r", "source", Closed()) == Engine::Closing::kDone);
  CHECK(engine->closing() == 0);
  CHECK(events.Count("close t0-0") == 1);
  CHECK(absl::IsNotFound(engine->CloseTransport("r", "source", Closed()).status()));
  environment.AdvanceBy(Duration::Seconds(1));
  CHECK(closed == 0);  // nobody waits for it
}

TEST_CASE_METHOD(SlicesFixture, "a transport whose producers have very many consumers",
                 "[teardown]") {
  constexpr size_t kTransports = 400;
  BuildMeeting(kTransports);
  const SocketAddress source = LocalOf(engine->DumpPlainTransport("source")->tuple);
  const size_t sockets = network.open_sockets();
  events.Take();
  REQUIRE(*engine->CloseTransport("r", "source", Closed()) == Engine::Closing::kLater);
  // Of what is closing nothing is seen, and its ids and ports are free.
  CHECK(absl::IsNotFound(engine->CloseTransport("r", "source", Closed()).status()));
  CHECK(absl::IsNotFound(engine->PauseProducer("p0")));
  CHECK(absl::IsNotFound(engine->CloseProducer("source", "p0")));
  CHECK(network.open_sockets() == sockets - 1);
  CHECK_FALSE(Deliver({0x80, 111}, source, Address("192.0.2.1", 5000)));
  const RouterDump dump = *engine->DumpRouter("r");
  CHECK(dump.transport_ids.size() == kTransports);
  CHECK(dump.producer_consumer_ids.empty());
  AddSender("r", "source", Address("192.0.2.1", 5000));
  REQUIRE(engine->Produce("source", ProducerOf(0)).ok());
  REQUIRE(engine->Consume(TransportId(0), samples::ConsumerOf(ProducerOf(0), "new", 901)).ok());
  // What is left of it can be closed meanwhile, and is not told of then.
  const bool was_told = events.Count("close t0-0") == 1;
  CHECK(engine->CloseConsumer(TransportId(0), "t0-0").ok() == !was_told);
  CHECK(Slices() >= 3);
  const size_t told = kTransports * kConsumers - (was_told ? 0 : 1);
  CHECK(events.lines.size() == told);
  CHECK(events_before_closed == told);  // the notifications, then the response
  CHECK(events.Count("close t399-4") == 1);
  CHECK(engine->DumpRouter("r")->consumer_producer_ids.size() == 1);
  CHECK(engine->PauseProducer("p0").ok());
}

TEST_CASE_METHOD(SlicesFixture, "a transport with very many consumers", "[teardown]") {
  BuildMeeting(1);
  for (uint32_t i = 0; i < 1500; ++i) {
    const std::string id = "c" + std::to_string(i);
    REQUIRE(
        engine->Consume(TransportId(0), samples::ConsumerOf(ProducerOf(0), id, 1000 + 2 * i)).ok());
  }
  environment.EndTurn();
  network.TakeSent();
  const SocketAddress source = LocalOf(engine->DumpPlainTransport("source")->tuple);
  const auto packet = samples::Rtp(samples::kOpus, 10, 1, 960, {1, 2, 3});
  events.Take();
  REQUIRE(*engine->CloseTransport("r", TransportId(0), Closed()) == Engine::Closing::kLater);
  CHECK(engine->DumpRouter("r")->consumer_producer_ids.empty());
  Deliver(packet, source, Address("192.0.2.1", 5000));
  CHECK(EndTurnAndTake().empty());  // it sends nothing any more
  // Their producer goes before them, and nobody hears of consumers that are closed.
  const bool producer_goes = GENERATE(false, true);
  if (producer_goes) REQUIRE(engine->CloseProducer("source", "p0").ok());
  CHECK(Slices() >= 3);
  CHECK(events.lines.empty());
  CHECK(engine->ReadCounters().alive.consumers == 0);
}

TEST_CASE_METHOD(SlicesFixture, "data channels of a transport that is closing", "[teardown]") {
  REQUIRE(engine->CreateRouter("r").ok());
  DirectTransportOptions direct;
  direct.base.direct = true;
  for (const char* id : {"a", "b"}) REQUIRE(engine->CreateDirectTransport("r", id, direct).ok());
  constexpr size_t kCount = 700;
  const auto produce = [&](const std::string& on, const std::string& id) {
    ProduceDataOptions options;
    options.data_producer_id = id;
    options.type = DataType::kDirect;
    REQUIRE(engine->ProduceData(on, options).ok());
  };
  const auto consume = [&](const std::string& on, const std::string& id, const std::string& of) {
    ConsumeDataOptions options;
    options.data_consumer_id = id;
    options.data_producer_id = of;
    options.type = DataType::kDirect;
    REQUIRE(engine->ConsumeData(on, options).ok());
  };
  produce("a", "of-a");
  produce("b", "of-b");
  for (size_t i = 0; i < kCount; ++i) {
    consume("b", "b" + std::to_string(i), "of-a");
    consume("a", "a" + std::to_string(i), "of-b");
  }
  events.Take();
  REQUIRE(*engine->CloseTransport("r", "a", Closed()) == Engine::Closing::kLater);
  CHECK(absl::IsNotFound(engine->PauseDataConsumer("a699")));
  CHECK(engine->DumpRouter("r")->data_consumer_producer_ids.empty());
  const bool producer_goes = GENERATE(false, true);
  if (producer_goes) REQUIRE(engine->CloseDataProducer("b", "of-b").ok());
  CHECK(Slices() >= 2);
  CHECK(events.lines.size() == kCount);  // those of b
  CHECK(engine->ReadCounters().alive.data_consumers == 0);
}

TEST_CASE_METHOD(SlicesFixture, "a router is closed while transports of it are", "[teardown]") {
  BuildMeeting(400);
  REQUIRE(*engine->CloseTransport("r", "source", Closed()) == Engine::Closing::kLater);
  environment.AdvanceBy(Duration::Millis(1));
  events.Take();
  REQUIRE(engine->CloseRouter("r").ok());
  CHECK(closed == 0);
  CHECK(engine->closing() == 1);
  Finish();
  CHECK(closed == 1);
  CHECK(events.lines.empty());
  CHECK(network.open_sockets() == 0);
  CHECK(engine->Dump().request_handler_ids.empty());
}

TEST_CASE_METHOD(SlicesFixture, "the worker ends while a transport is closing", "[teardown]") {
  BuildMeeting(400);
  REQUIRE(*engine->CloseTransport("r", "source", Closed()) == Engine::Closing::kLater);
  environment.AdvanceBy(Duration::Millis(1));
  engine.reset();
  CHECK(closed == 0);
  CHECK(network.open_sockets() == 0);
}

TEST_CASE_METHOD(SlicesFixture, "counters do not fall while a transport is closing", "[teardown]") {
  BuildMeeting(400);
  const auto packet = samples::Rtp(samples::kOpus, 10, 1, 960, {1, 2, 3});
  Deliver(packet, LocalOf(engine->DumpPlainTransport("source")->tuple), Address("192.0.2.1", 5000));
  REQUIRE(EndTurnAndTake().size() == 400);
  const EngineCounters before = engine->ReadCounters().counters;
  REQUIRE(*engine->CloseTransport("r", "source", Closed()) == Engine::Closing::kLater);
  for (; closed == 0; environment.AdvanceBy(Duration::Millis(1))) {
    const EngineSnapshot now = engine->ReadCounters();
    CHECK(now.counters.traffic.rtp_packets_sent == before.traffic.rtp_packets_sent);
    CHECK(now.counters.traffic.rtp_packets_received == before.traffic.rtp_packets_received);
    CHECK(now.alive.plain_transports == 400);
    CHECK(now.alive.producers == 0);
  }
}

TEST_CASE_METHOD(ServerSlicesFixture, "a WebRtcServer with very many transports", "[teardown]") {
  constexpr size_t kTransports = 120;
  BuildServer(kTransports);
  REQUIRE(*engine->CloseWebRtcServer("s", Closed()) == Engine::Closing::kLater);
  // Its transports take nothing and say nothing.
  CHECK(absl::IsNotFound(engine->DumpWebRtcServer("s").status()));
  CHECK(absl::IsNotFound(engine->DumpWebRtcTransport("w0").status()));
  CHECK(engine->DumpRouter("r")->transport_ids.empty());
  CHECK(engine->Dump().webrtc_server_ids.empty());
  Deliver(samples::BindingRequest(ice[0], true), server, Address("192.0.2.9", 1000));
  Deliver(samples::BindingRequest(ice[1], true), server, Address("192.0.2.10", 1000));
  CHECK(EndTurnAndTake().empty());
  WebRtcTransportOptions options;
  options.webrtc_server_id = "s";
  CHECK_FALSE(engine->CreateWebRtcTransport("r", "late", options).ok());
  CHECK(network.open_sockets() == 1);  // goodbyes leave by it
  const bool router_goes = GENERATE(false, true);
  if (router_goes) REQUIRE(engine->CloseRouter("r").ok());
  CHECK(Slices() >= 5);
  CHECK(network.open_sockets() == 0);
  CHECK(engine->closing() == 0);
  CHECK(events.lines.empty());
  CHECK(engine->ReadCounters().alive.webrtc_transports == 0);
}

TEST_CASE_METHOD(ServerSlicesFixture, "a WebRtcServer with few transports is gone at once",
                 "[teardown]") {
  BuildServer(3);
  CHECK(*engine->CloseWebRtcServer("s", Closed()) == Engine::Closing::kDone);
  CHECK(network.open_sockets() == 0);
  CHECK(engine->closing() == 0);
}

TEST_CASE_METHOD(ServerSlicesFixture, "the worker ends while a WebRtcServer is closing",
                 "[teardown]") {
  BuildServer(120);
  REQUIRE(*engine->CloseWebRtcServer("s", Closed()) == Engine::Closing::kLater);
  environment.AdvanceBy(Duration::Millis(1));
  REQUIRE(engine->CloseRouter("other").ok());
  engine.reset();
  CHECK(network.open_sockets() == 0);
}

}  // namespace
}  // namespace sluice::worker
