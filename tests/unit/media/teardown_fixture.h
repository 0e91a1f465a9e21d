#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/unit/media/engine_fixture.h"
#include "tests/unit/media/stun_samples.h"
#include "worker/media/indexed_list.h"

namespace sluice::worker {

/// Elements touched so far by every list that closing goes through.
inline uint64_t Touched() {
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

/// What is closed in slices, as the channel does it.
struct SlicesFixture : TeardownFixture {
  Engine::Closed Closed() {
    return [this] {
      ++closed;
      events_before_closed = events.lines.size();
    };
  }
  /// Slices until `closed`; what one of them touches is bounded, however much there is.
  size_t Slices() {
    size_t slices = 0;
    for (; closed == 0 && slices < 1000; ++slices) {
      const uint64_t before = Touched();
      environment.AdvanceBy(Duration::Millis(1));
      CHECK(Touched() - before <= 2 * 4 * 512);
    }
    CHECK(closed == 1);
    return slices;
  }
  int closed = 0;
  size_t events_before_closed = 0;
};

struct ServerSlicesFixture : SlicesFixture {
  /// Server s with `transports` transports w0…, in routers r and other.
  void BuildServer(size_t transports) {
    REQUIRE(engine->CreateRouter("r").ok());
    REQUIRE(engine->CreateRouter("other").ok());
    REQUIRE(engine->CreateWebRtcServer("s", {Listen()}).ok());
    server = engine->DumpWebRtcServer("s")->udp_sockets.at(0);
    for (size_t i = 0; i < transports; ++i) {
      WebRtcTransportOptions options;
      options.webrtc_server_id = "s";
      const auto dump = engine->CreateWebRtcTransport(i % 2 == 0 ? "r" : "other",
                                                      "w" + std::to_string(i), options);
      REQUIRE(dump.ok());
      ice.push_back(dump->ice_parameters);
      Deliver(samples::BindingRequest(ice.back(), true), server,
              Address("192.0.2.9", static_cast<uint16_t>(1000 + i)));
    }
    environment.EndTurn();
    network.TakeSent();
    events.Take();
  }
  SocketAddress server;
  std::vector<IceCredentials> ice;
};

}  // namespace sluice::worker
