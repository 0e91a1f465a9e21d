// Counters of an engine: they count, and what has closed stays in them.
#include "worker/media/engine_counters.h"

#include <catch2/catch.hpp>

#include "tests/unit/media/engine_fixture.h"

namespace sluice::worker {
namespace {

struct CountersFixture : EngineFixture {
  CountersFixture() {
    REQUIRE(engine->CreateRouter("r").ok());
    source = LocalOf(AddSender("r", "in", sender).tuple);
    AddSender("r", "out", Address("192.0.2.2", 5000));
    REQUIRE(engine->Produce("in", audio).ok());
    REQUIRE(engine->Consume("out", samples::ConsumerOf(audio, "c", 100)).ok());
  }
  void SendMedia(uint16_t first, uint16_t count) {
    for (uint16_t i = 0; i < count; ++i) {
      const auto sequence = static_cast<uint16_t>(first + i);
      Deliver(samples::Rtp(samples::kOpus, 10, sequence, sequence * 960u, {1, 2, 3}), source,
              sender);
    }
    environment.EndTurn();
  }

  const SocketAddress sender = Address("192.0.2.1", 5000);
  const ProduceOptions audio = samples::Audio("p", 10);
  SocketAddress source;
};

TEST_CASE_METHOD(CountersFixture, "an engine counts what it carries", "[counters]") {
  SendMedia(1, 5);
  Deliver({0x80, 1}, source, sender);                                    // too short for RTP
  Deliver(samples::Rtp(samples::kOpus, 99, 1, 0, {1}), source, sender);  // nobody's SSRC
  Deliver(samples::Rtp(samples::kOpus, 10, 9, 0, {1}), source, Address("192.0.2.9", 1));
  const EngineSnapshot snapshot = engine->ReadCounters();
  const EngineCounters& counters = snapshot.counters;
  CHECK(counters.traffic.rtp_packets_received == 5);
  CHECK(counters.traffic.rtp_bytes_received == 5 * 15);
  CHECK(counters.traffic.rtp_packets_sent == 5);
  CHECK(counters.traffic.bytes_sent >= 5 * 15);
  CHECK(counters.transports.no_producer == 1);
  CHECK(counters.transports.wrong_source == 1);
  CHECK(snapshot.alive.routers == 1);
  CHECK(snapshot.alive.plain_transports == 2);
  CHECK(snapshot.alive.producers == 1);
  CHECK(snapshot.alive.consumers == 1);
}

TEST_CASE_METHOD(CountersFixture, "what has closed stays in the counters", "[counters]") {
  SendMedia(1, 5);
  SendMedia(8, 2);  // two are missing
  const EngineCounters before = engine->ReadCounters().counters;
  CHECK(before.producers.packets_lost == 2);
  SECTION("a consumer") { REQUIRE(engine->CloseConsumer("out", "c").ok()); }
  SECTION("a producer") { REQUIRE(engine->CloseProducer("in", "p").ok()); }
  SECTION("transports") {
    REQUIRE(engine->CloseTransport("r", "in").ok());
    REQUIRE(engine->CloseTransport("r", "out").ok());
  }
  SECTION("the router") { REQUIRE(engine->CloseRouter("r").ok()); }
  const EngineCounters after = engine->ReadCounters().counters;
  CHECK(after.traffic.rtp_packets_received == before.traffic.rtp_packets_received);
  CHECK(after.traffic.rtp_packets_sent == before.traffic.rtp_packets_sent);
  CHECK(after.traffic.bytes_received == before.traffic.bytes_received);
  CHECK(after.producers.packets_lost == 2);
  CHECK(after.producers.packets_discarded == before.producers.packets_discarded);
}

TEST_CASE_METHOD(CountersFixture, "senders that begin anew are counted, in numbers and in time",
                 "[counters]") {
  SendMedia(10'000, 20);
  environment.AdvanceBy(Duration::Seconds(2));
  SendMedia(100, 5);
  CHECK(engine->ReadCounters().counters.producers.restarts == 1);
  CHECK(engine->ReadCounters().counters.producers.time_jumps == 0);
  for (uint16_t i = 0; i < 5; ++i) {
    Deliver(samples::Rtp(samples::kOpus, 10, static_cast<uint16_t>(105 + i),
                         3'000'000'000u + i * 960u, {1, 2, 3}),
            source, sender);
  }
  environment.EndTurn();
  CHECK(engine->ReadCounters().counters.producers.time_jumps == 1);
  REQUIRE(engine->CloseProducer("in", "p").ok());
  CHECK(engine->ReadCounters().counters.producers.restarts == 1);
}

TEST_CASE_METHOD(CountersFixture, "lost packets that come late do not make the counter fall",
                 "[counters]") {
  SendMedia(1, 2);
  SendMedia(5, 1);
  CHECK(engine->ReadCounters().counters.producers.packets_lost == 2);
  SendMedia(3, 2);
  CHECK(engine->ReadCounters().counters.producers.packets_lost == 2);
}

TEST_CASE_METHOD(CountersFixture, "refusals of ICE and servers outlive their objects",
                 "[counters]") {
  REQUIRE(engine->CreateWebRtcServer("s", {Listen()}).ok());
  const SocketAddress port = engine->DumpWebRtcServer("s")->udp_sockets.front();
  Deliver({0x80, 111, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0}, port, sender);
  CHECK(engine->ReadCounters().counters.servers.unknown_tuple == 1);
  CHECK(engine->ReadCounters().alive.webrtc_servers == 1);
  REQUIRE(engine->CloseWebRtcServer("s").ok());
  CHECK(engine->ReadCounters().counters.servers.unknown_tuple == 1);
  CHECK(engine->ReadCounters().alive.webrtc_servers == 0);
}

TEST_CASE_METHOD(CountersFixture, "congestion feedback is counted, over the end of its transport",
                 "[counters]") {
  ProduceOptions video = samples::Video("v", 20);
  RtpHeaderExtensionParameters extension;
  extension.uri = RtpExtensionUri::kTransportWideCc;
  extension.id = samples::kTransportCcId;
  video.rtp_parameters.header_extensions = {extension};
  REQUIRE(engine->Produce("in", video).ok());
  environment.EndTurn();
  const auto deliver = [&](uint8_t number) {
    const auto packet = samples::Rtp(samples::kVp8, 20, number, 0, samples::Vp8Payload(true, 1));
    Deliver(samples::WithExtension(packet, samples::kTransportCcId, {1, number}), source, sender);
    environment.AdvanceBy(Duration::Millis(600));
  };
  deliver(2);
  deliver(4);
  deliver(1);  // from before what was told already
  CHECK(engine->ReadCounters().counters.feedback.sent == 2);
  CHECK(engine->ReadCounters().counters.feedback.late_packets == 1);
  REQUIRE(engine->CloseTransport("r", "in").ok());
  CHECK(engine->ReadCounters().counters.feedback.sent == 2);
  CHECK(engine->ReadCounters().counters.feedback.late_packets == 1);
}

TEST_CASE_METHOD(CountersFixture, "the forwarding delay is that of packets with consumers",
                 "[counters]") {
  Deliver(samples::Rtp(samples::kOpus, 10, 1, 0, {1}), source, sender);
  CHECK(engine->forwarded());
  environment.EndTurn();
  engine->OnFlushed(environment.Now() + Duration::Micros(50));
  CHECK(engine->ReadCounters().forwarding_delay.counts[1] == 1);
  CHECK_FALSE(engine->forwarded());
  REQUIRE(engine->PauseConsumer("c").ok());
  Deliver(samples::Rtp(samples::kOpus, 10, 2, 960, {1}), source, sender);
  CHECK_FALSE(engine->forwarded());
}

}  // namespace
}  // namespace sluice::worker
