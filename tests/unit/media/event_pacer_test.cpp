#include "worker/media/event_pacer.h"

#include <catch2/catch.hpp>

#include "tests/unit/media/engine_fixture.h"
#include "tests/unit/media/stun_samples.h"
#include "worker/media/event_queue.h"

namespace sluice::worker {
namespace {

using Kind = EventPacer::Kind;

struct PacerFixture {
  /// Reports `value` of `id`.
  void Report(Kind kind, const std::string& id, int value) {
    auto now = pacer.Pass(kind, id, [this, id, value](EngineEvents&) {
      reported.push_back(id + std::to_string(value));
    });
    if (now) (*now)(nobody);
  }
  std::vector<std::string> Take() { return std::exchange(reported, {}); }
  using Lines = std::vector<std::string>;

  VirtualEnvironment environment;
  EngineEvents nobody;
  std::vector<std::string> reported;
  EventPacer pacer{environment, [this](EventPacer::Event event) { event(nobody); }};
};

TEST_CASE_METHOD(PacerFixture, "the first passes, of what follows too soon the newest",
                 "[events]") {
  for (int i = 0; i < 1000; ++i) Report(Kind::kIceTuple, "t", i);
  CHECK(Take() == Lines{"t0"});
  CHECK(pacer.merged() == 998);
  environment.AdvanceBy(Duration::Millis(990));
  CHECK(Take().empty());
  environment.AdvanceBy(Duration::Millis(40));
  CHECK(Take() == Lines{"t999"});
  environment.AdvanceBy(Duration::Seconds(5));
  CHECK(Take().empty());
}

TEST_CASE_METHOD(PacerFixture, "a burst passes as it is, and grows back", "[events]") {
  for (int i = 0; i < 6; ++i) Report(Kind::kIceState, "t", i);
  CHECK(Take() == Lines{"t0", "t1", "t2", "t3"});
  environment.AdvanceBy(Duration::Seconds(10));
  CHECK(Take() == Lines{"t5"});
  for (int i = 0; i < 6; ++i) Report(Kind::kIceState, "t", i);
  CHECK(Take() == Lines{"t0", "t1", "t2", "t3"});
}

TEST_CASE_METHOD(PacerFixture, "objects and kinds do not wait for each other", "[events]") {
  Report(Kind::kIceTuple, "t", 1);
  Report(Kind::kIceTuple, "u", 1);
  Report(Kind::kPlainTuple, "t", 2);
  CHECK(Take() == Lines{"t1", "u1", "t2"});
}

TEST_CASE_METHOD(PacerFixture, "each kind keeps to its rate for ever", "[events]") {
  for (size_t i = 0; i < EventPacer::kKinds; ++i) {
    const auto kind = static_cast<Kind>(i);
    INFO("kind " << i);
    for (int ms = 0; ms < 10'000; ++ms) {
      Report(kind, "t", ms);
      environment.AdvanceBy(Duration::Millis(1));
    }
    const EventPacer::Rate rate = EventPacer::RateOf(kind);
    const size_t most = static_cast<size_t>(rate.burst + 10'000'000 / rate.interval.us());
    const size_t count = Take().size();
    CHECK(count <= most + 1);
    CHECK(count >= most * 4 / 10);  // what waits is looked at every 20 ms
    environment.AdvanceBy(Duration::Seconds(20));
    CHECK(Take().size() <= 1);
  }
}

TEST_CASE("a send buffer that was full and is low ends as low, however often it was full",
          "[events]") {
  struct Listener : EngineEvents {
    void OnDataConsumerSendBufferFull(const std::string& id) override {
      lines.push_back(id + " full");
    }
    void OnDataConsumerBufferedAmountLow(const std::string& id, uint32_t bytes) override {
      lines.push_back(id + " low " + std::to_string(bytes));
    }
    std::vector<std::string> lines;
  };
  VirtualEnvironment environment;
  Listener listener;
  EventQueue queue(listener, environment);
  for (int i = 0; i < 1000; ++i) queue.OnDataConsumerSendBufferFull("c");
  queue.OnDataConsumerBufferedAmountLow("c", 7);
  for (int i = 0; i < 100; ++i) {
    queue.Deliver();
    environment.AdvanceBy(Duration::Millis(20));
  }
  REQUIRE(listener.lines.size() >= 2);
  CHECK(listener.lines.front() == "c full");
  CHECK(listener.lines.back() == "c low 7");
  // And the other way round: the last that is told is what is true.
  for (int i = 0; i < 1000; ++i) queue.OnDataConsumerBufferedAmountLow("c", 7);
  queue.OnDataConsumerSendBufferFull("c");
  for (int i = 0; i < 100; ++i) {
    queue.Deliver();
    environment.AdvanceBy(Duration::Millis(20));
  }
  CHECK(listener.lines.back() == "c full");
}

TEST_CASE_METHOD(PacerFixture, "objects that have nothing to say are forgotten", "[events]") {
  for (int i = 0; i < 100'000; ++i) {
    Report(Kind::kIceTuple, "t" + std::to_string(i), 1);
    if (i % 100 == 0) environment.AdvanceBy(Duration::Millis(100));
  }
  CHECK(Take().size() == 100'000);
  CHECK(pacer.remembered() <= 4 * EventPacer::kMinSweep);
}

// ---- What a client drives, through an engine --------------------------------------------------

struct FloodFixture : EngineFixture {
  FloodFixture() {
    REQUIRE(engine->CreateRouter("r").ok());
    ListenInfo tcp = Listen();
    tcp.protocol = TransportProtocol::kTcp;
    WebRtcTransportOptions options;
    options.listen_infos = {Listen(), tcp};
    const auto dump = engine->CreateWebRtcTransport("r", "t", options);
    REQUIRE(dump.ok());
    credentials = dump->ice_parameters;
    udp = Address("127.0.0.1", dump->ice_candidates.at(0).port);
    tcp_local = Address("127.0.0.1", dump->ice_candidates.at(1).port);
  }
  size_t CountOf(const std::string& beginning) const {
    size_t count = 0;
    for (const std::string& line : events.lines) count += line.starts_with(beginning) ? 1 : 0;
    return count;
  }
  IceCredentials credentials;
  SocketAddress udp;
  SocketAddress tcp_local;
};

TEST_CASE_METHOD(FloodFixture, "two ports that nominate in turn are one report a second",
                 "[events]") {
  for (int i = 0; i < 5'000; ++i) {
    const auto port = static_cast<uint16_t>(1000 + i % 2);
    Deliver(samples::BindingRequest(credentials, true), udp, Address("192.0.2.1", port));
    if (i % 1000 == 999) environment.AdvanceBy(Duration::Seconds(1));
  }
  environment.AdvanceBy(Duration::Seconds(3));
  engine->DeliverEvents();
  CHECK(CountOf("tuple t") >= 3);
  CHECK(CountOf("tuple t") <= 8);
  CHECK(events.lines.back() == "tuple t 192.0.2.1:1001");
  CHECK(engine->ReadCounters().events_merged > 4'900);
}

TEST_CASE_METHOD(FloodFixture, "connections that come and go are a few reports a second",
                 "[events]") {
  for (int i = 0; i < 1'000; ++i) {
    FakeWriter connection(TransportProtocol::kTcp, tcp_local);
    const SocketAddress from = Address("192.0.2.1", static_cast<uint16_t>(1000 + i));
    network.DeliverTcp(pool, samples::BindingRequest(credentials, true), tcp_local, from,
                       connection, environment.Now());
    network.CloseTcp(tcp_local, from, connection);
    engine->DeliverEvents();
  }
  environment.AdvanceBy(Duration::Seconds(3));
  engine->DeliverEvents();
  CHECK(CountOf("ice t") <= 6);
  CHECK(events.lines.back() == "ice t disconnected");
}

}  // namespace
}  // namespace sluice::worker
