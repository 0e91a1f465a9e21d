// Closing is linear in what is closed: counted in elements that lists touch, not in time. What is
// large is destroyed in slices, of which nobody sees anything.
#include <catch2/catch.hpp>
#include <cstdint>
#include <string>

#include "tests/unit/media/engine_fixture.h"
#include "tests/unit/media/stun_samples.h"
#include "worker/media/indexed_list.h"

namespace sluice::worker {
namespace {

/// Elements touched so far by every list that closing goes through.
uint64_t Touched() {
  return IndexedList<std::unique_ptr<Transport>, &Transport::router_slot>::touched() +
         IndexedList<Producer*, &Producer::router_slot>::touched() +
         IndexedList<std::unique_ptr<Producer>, &Producer::owner_slot>::touched() +
         IndexedList<std::unique_ptr<Consumer>, &Consumer::owner_slot>::touched() +
         IndexedList<Consumer*, &Consumer::producer_slot>::touched() +
         IndexedList<Consumer*, &Consumer::active_slot>::touched();
}

struct TeardownFixture : EngineFixture {
  static constexpr size_t kConsumers = 5;

  static std::string TransportId(size_t i) { return "t" + std::to_string(i); }

  /// Router r: everybody on `transports` transports consumes five producers of transport "source".
  void BuildMeeting(size_t transports) {
    REQUIRE(engine->CreateRouter("r").ok());
    AddSender("r", "source", Address("192.0.2.1", 5000));
    for (size_t p = 0; p < kConsumers; ++p) {
      REQUIRE(engine->Produce("source", ProducerOf(p)).ok());
    }
    for (size_t t = 0; t < transports; ++t) {
      AddSender("r", TransportId(t), Address("192.0.2.2", static_cast<uint16_t>(6000 + t)));
      for (size_t p = 0; p < kConsumers; ++p) {
        const auto ssrc = static_cast<uint32_t>(100 + 2 * p);
        const std::string id = TransportId(t) + "-" + std::to_string(p);
        REQUIRE(engine->Consume(TransportId(t), samples::ConsumerOf(ProducerOf(p), id, ssrc)).ok());
      }
    }
  }
  static ProduceOptions ProducerOf(size_t p) {
    return samples::Audio("p" + std::to_string(p), static_cast<uint32_t>(10 + p));
  }
  /// Until everything that was closed is destroyed.
  void Finish() {
    REQUIRE(environment.AdvanceUntil([&] { return engine->closing() == 0; }, Duration::Seconds(5)));
  }
  /// Each object once for each list that it is in, and once for the one that takes its place.
  static uint64_t Bound(size_t transports) {
    const uint64_t consumers = transports * kConsumers;
    return 2 * (3 * consumers + (transports + 1) + 2 * kConsumers);
  }
};

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

}  // namespace
}  // namespace sluice::worker
