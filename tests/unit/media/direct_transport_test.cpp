#include "worker/media/direct_transport.h"

#include <catch2/catch.hpp>
#include <iterator>

#include "tests/unit/media/codec_samples.h"
#include "tests/unit/media/engine_fixture.h"
#include "worker/wire/rtcp.h"
#include "worker/wire/rtp_packet.h"

namespace sluice::worker {
namespace {

using Bytes = std::vector<uint8_t>;

std::string ClassOf(const Status& status) { return status.ok() ? "ok" : ErrorClassName(status); }

/// Keeps what direct transports send.
struct DirectEvents final : EngineEvents {
  struct Packet {
    std::string id;
    Bytes bytes;
  };
  std::vector<Packet> rtp, rtcp;
  std::function<void()> on_rtp;

  void OnConsumerRtp(const std::string& id, const DirectPacket& packet) override {
    rtp.push_back({id, {packet.bytes().begin(), packet.bytes().end()}});
    if (on_rtp) on_rtp();
  }
  void OnDirectRtcp(const std::string& id, const DirectPacket& packet) override {
    rtcp.push_back({id, {packet.bytes().begin(), packet.bytes().end()}});
  }
};

/// Router r with direct transports "in" (producers) and "out" (consumers).
struct DirectFixture : EngineFixture {
  DirectFixture() {
    engine = std::make_unique<TestEngine>(
        EngineDependencies{environment, network, pool, *srtp, SharedDtls(), direct});
    REQUIRE(engine->CreateRouter("r").ok());
    for (const char* id : {"in", "out"}) {
      REQUIRE(engine->CreateDirectTransport("r", id, Options()).ok());
    }
    REQUIRE(engine->Produce("in", video).ok());
    REQUIRE(engine->Produce("in", audio).ok());
    REQUIRE(engine->Consume("out", samples::ConsumerOf(video, "vc", 3000)).ok());
    REQUIRE(engine->Consume("out", samples::ConsumerOf(audio, "ac", 4000)).ok());
    environment.EndTurn();
  }
  ~DirectFixture() { engine.reset(); }
  static DirectTransportOptions Options() {
    DirectTransportOptions options;
    options.base.direct = true;
    return options;
  }
  void SendVideo(uint16_t sequence, bool key_frame = false) {
    REQUIRE(engine
                ->ProducerSend("v", samples::Rtp(samples::kVp8, 1111, sequence, 9000,
                                                 samples::Vp8Payload(key_frame, 1), true))
                .ok());
    environment.EndTurn();
  }
  template <typename Build>
  Bytes Rtcp(Build build) {
    Bytes bytes(rtcp::Builder::kMaxCompound);
    rtcp::Builder builder(bytes);
    build(builder);
    bytes.resize(builder.size());
    return bytes;
  }

  DirectEvents direct;
  const ProduceOptions video = samples::Video("v", 1111, 1112);
  const ProduceOptions audio = samples::Audio("a", 2222);
};

TEST_CASE_METHOD(DirectFixture, "a direct transport is direct, and has no SCTP") {
  CHECK(ClassOf(engine->CreateDirectTransport("r", "x", {}).status()) == "TypeError");
  DirectTransportOptions sctp = Options();
  sctp.base.enable_sctp = true;
  CHECK(ClassOf(engine->CreateDirectTransport("r", "x", sctp).status()) == "TypeError");
  CHECK(ClassOf(engine->CreateDirectTransport("r", "in", Options()).status()) == "Error");
  CHECK(ClassOf(engine->CreateDirectTransport("x", "y", Options()).status()) == "NotFoundError");
  CHECK(engine->DumpDirectTransport("in")->base.direct);
  CHECK(network.open_sockets() == 0);
}

TEST_CASE_METHOD(DirectFixture,
                 "RTP goes in and out by the channel, each packet under its consumer") {
  SendVideo(1, /*key_frame=*/true);
  SendVideo(2);
  REQUIRE(engine->ProducerSend("a", samples::Rtp(samples::kOpus, 2222, 7, 0, {1, 2, 3})).ok());
  environment.EndTurn();
  REQUIRE(direct.rtp.size() == 3);
  CHECK(direct.rtp[0].id == "vc");
  CHECK(direct.rtp[2].id == "ac");
  const auto packet = RtpPacket::Parse(direct.rtp[1].bytes);
  REQUIRE(packet);
  CHECK(packet->ssrc() == Ssrc(3000));
  CHECK(packet->payload_type().value() == samples::kRoutedVp8);
  CHECK(packet->payload().size() == samples::Vp8Payload(false, 1).size());
  const auto stats = engine->GetDirectTransportStats("out");
  CHECK(stats->base.rtp_bytes_sent ==
        direct.rtp[0].bytes.size() + direct.rtp[1].bytes.size() + direct.rtp[2].bytes.size());
  CHECK(engine->GetDirectTransportStats("in")->base.bytes_received > 0);
}

TEST_CASE_METHOD(DirectFixture, "RTCP of a direct transport is told, and counted as sent") {
  SendVideo(1, true);
  environment.AdvanceBy(Duration::Millis(600));
  REQUIRE_FALSE(direct.rtcp.empty());
  size_t from_out = 0;
  for (const auto& packet : direct.rtcp) {
    CHECK(rtcp::LooksLikeRtcp(packet.bytes));
    if (packet.id == "out") from_out += packet.bytes.size();
  }
  CHECK(from_out > 0);
  const TransportStats stats = engine->GetDirectTransportStats("out")->base;
  CHECK(stats.bytes_sent == stats.rtp_bytes_sent + from_out);
}

TEST_CASE_METHOD(DirectFixture, "RTCP handed in repairs, asks for key frames and reports") {
  for (uint16_t i = 1; i <= 3; ++i) SendVideo(i, i == 1);
  direct.rtp.clear();
  direct.rtcp.clear();
  const auto lost = engine->DumpConsumer("vc");
  REQUIRE(lost.ok());
  // The second packet again: by RTX, under the same consumer's id.
  const Consumer* consumer = *engine->Find<Consumer>("vc");
  const uint16_t own = static_cast<uint16_t>(consumer->stream(0).next_sequence - 2);
  REQUIRE(engine
              ->SendRtcp("out", Rtcp([&](rtcp::Builder& b) {
                           b.AddNack(Ssrc(9), Ssrc(3000), {{{SeqNumber(own), 0}}});
                         }))
              .ok());
  environment.EndTurn();
  REQUIRE(direct.rtp.size() == 1);
  CHECK(direct.rtp[0].id == "vc");
  CHECK(RtpPacket::Parse(direct.rtp[0].bytes)->ssrc() == Ssrc(3001));

  environment.AdvanceBy(Duration::Seconds(2));
  direct.rtcp.clear();
  REQUIRE(
      engine->SendRtcp("out", Rtcp([](rtcp::Builder& b) { b.AddPli(Ssrc(9), Ssrc(3000)); })).ok());
  environment.EndTurn();
  CHECK((*engine->GetConsumerStats("vc"))[0].pli_count == 1);
  REQUIRE(direct.rtcp.size() == 1);  // it goes on to the producer's side at once
  CHECK(direct.rtcp[0].id == "in");

  REQUIRE(engine
              ->SendRtcp("in", Rtcp([](rtcp::Builder& b) {
                           b.AddSenderReport({Ssrc(1111), {5, 0}, RtpTimestamp(9000), 3, 600}, {});
                         }))
              .ok());
  CHECK(engine->ReadCounters().counters.transports.malformed_rtcp == 0);
}

TEST_CASE_METHOD(DirectFixture, "RTCP that is too long or broken is counted and dropped") {
  Bytes pli = Rtcp([](rtcp::Builder& b) { b.AddPli(Ssrc(9), Ssrc(3000)); });
  const auto pli_count = [&] { return (*engine->GetConsumerStats("vc"))[0].pli_count; };
  const auto malformed = [&] { return engine->ReadCounters().counters.transports.malformed_rtcp; };
  for (size_t size = 0; size < pli.size(); ++size) {
    REQUIRE(engine->SendRtcp("out", Bytes(pli.begin(), pli.begin() + static_cast<int>(size))).ok());
  }
  CHECK(pli_count() == 0);
  CHECK(malformed() >= pli.size() - 1);
  Bytes many;
  while (many.size() <= DirectTransport::kMaxRtcp) many.insert(many.end(), pli.begin(), pli.end());
  const uint64_t before = malformed();
  REQUIRE(engine->SendRtcp("out", many).ok());
  CHECK(pli_count() == 0);
  CHECK(malformed() == before + 1);
  many.resize(DirectTransport::kMaxRtcp / pli.size() * pli.size());
  REQUIRE(engine->SendRtcp("out", many).ok());
  CHECK(pli_count() == many.size() / pli.size());
}

TEST_CASE_METHOD(DirectFixture, "RTP that is none is counted and dropped") {
  const Bytes good = samples::Rtp(samples::kVp8, 1111, 1, 9000, samples::Vp8Payload(true, 1));
  for (size_t size = 0; size < 12; ++size) {
    const Bytes cut(good.begin(), good.begin() + static_cast<int>(size));
    CHECK(engine->ProducerSend("v", cut).ok());
  }
  Bytes padded = good;
  padded[0] |= 0x20;  // padding longer than the packet
  padded.back() = 255;
  CHECK(engine->ProducerSend("v", padded).ok());
  environment.EndTurn();
  CHECK(direct.rtp.empty());
  CHECK(engine->ReadCounters().counters.transports.malformed_rtp == 13);
  Bytes big = samples::Rtp(samples::kVp8, 1111, 1, 9000, samples::Vp8Payload(true, 1, 60'000));
  CHECK(engine->ProducerSend("v", big).ok());
  environment.EndTurn();
  REQUIRE(direct.rtp.size() == 1);
  CHECK(direct.rtp[0].bytes.size() >= 60'012);
}

TEST_CASE_METHOD(DirectFixture, "a direct transport may go from inside its packets") {
  direct.on_rtp = [this] { (void)engine->CloseTransport("r", "out"); };
  SendVideo(1, true);
  SendVideo(2);
  CHECK(direct.rtp.size() == 1);
  CHECK(ClassOf(engine->DumpConsumer("vc").status()) == "NotFoundError");
  direct.on_rtp = [this] { (void)engine->CloseRouter("r"); };
  REQUIRE(engine->CreateDirectTransport("r", "out", Options()).ok());
  REQUIRE(engine->Consume("out", samples::ConsumerOf(video, "vc", 3000)).ok());
  environment.EndTurn();
  SendVideo(3, true);
  CHECK_FALSE(engine->Find<Router>("r").ok());
}

TEST_CASE_METHOD(DirectFixture, "every video codec goes through the channel from a key frame on") {
  const samples::VideoCodec& codec =
      samples::kVideoCodecs[GENERATE(range(size_t{0}, std::size(samples::kVideoCodecs)))];
  INFO(codec.mime_type);
  const auto rename = [&](RtpParameters* parameters) {
    for (RtpCodecParameters& each : parameters->codecs) {
      if (each.mime_type == "video/VP8") each.mime_type = codec.mime_type;
    }
  };
  ProduceOptions options = samples::Video("coded", 7111, 7112);
  ConsumeOptions view = samples::ConsumerOf(options, "view", 8000);
  rename(&options.rtp_parameters);
  rename(&view.rtp_parameters);
  REQUIRE(engine->Produce("in", options).ok());
  REQUIRE(engine->Consume("out", view).ok());
  const auto send = [&](uint16_t sequence, Bytes payload) {
    payload.push_back(static_cast<uint8_t>(sequence));
    REQUIRE(engine
                ->ProducerSend("coded", samples::Rtp(samples::kVp8, 7111, sequence,
                                                     sequence * 3000u, payload, true))
                .ok());
    environment.EndTurn();
  };
  send(1, codec.other);
  CHECK(direct.rtp.empty());
  send(2, codec.key);
  send(3, codec.other);
  REQUIRE(direct.rtp.size() == 2);
  for (const bool key : {true, false}) {
    const auto packet = RtpPacket::Parse(direct.rtp[key ? 0 : 1].bytes);
    REQUIRE(packet);
    CHECK(packet->ssrc() == Ssrc(8000));
    const auto payload = packet->payload();
    CHECK(Bytes(payload.begin(), payload.end() - 1) == (key ? codec.key : codec.other));
  }
}

}  // namespace
}  // namespace sluice::worker
