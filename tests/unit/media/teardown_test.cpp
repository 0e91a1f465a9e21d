// Closing is linear in what is closed: counted in elements that lists touch, not in time.
#include <catch2/catch.hpp>
#include <cstdint>
#include <string>

#include "tests/unit/media/engine_fixture.h"
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

}  // namespace
}  // namespace sluice::worker
