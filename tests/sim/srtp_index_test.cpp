// The rollover counters of SRTP in a call: they live with the keys, not with producers and
// consumers.
#include <catch2/catch.hpp>

#include "tests/sim/call_fixture.h"

namespace sluice::worker {
namespace {

/// A publisher whose video numbers wrap after 3.6 s, and one viewer.
struct WrappingCall : CallFixture {
  static constexpr Duration kWrapped = Duration::Seconds(8);

  WrappingCall() {
    publisher = Join("pub");
    viewer = Join("view");
    REQUIRE(AwaitConnected(*publisher, "pub", Duration::Seconds(30)));
    REQUIRE(AwaitConnected(*viewer, "view", Duration::Seconds(30)));
    sender = std::make_unique<VideoSender>(environment, *publisher, kVideoSsrc, kVideoRtx);
    receiver = std::make_unique<VideoReceiver>(environment, *viewer, 3000, 3001);
  }
  void Produce() { REQUIRE(engine->Produce("pub", VideoOptions()).ok()); }
  void Consume() {
    REQUIRE(engine->Consume("view", samples::ConsumerOf(VideoOptions(), "c", 3000)).ok());
  }
  /// Packets that the viewer gets in the next second, of 150.
  uint64_t InOneSecond() {
    const uint64_t before = receiver->received();
    environment.AdvanceBy(Duration::Seconds(1));
    return receiver->received() - before;
  }

  std::unique_ptr<WebRtcPeer> publisher;
  std::unique_ptr<WebRtcPeer> viewer;
  std::unique_ptr<VideoSender> sender;
  std::unique_ptr<VideoReceiver> receiver;
};

TEST_CASE("the first packets before a wrap are lost: the video comes all the same", "[sim]") {
  WrappingCall call;
  call.Produce();
  call.Consume();
  call.SetLoss(1.0);
  call.sender->Start();
  call.environment.AdvanceBy(Duration::Seconds(4));
  REQUIRE(call.receiver->received() == 0);
  call.SetLoss(0);
  call.environment.AdvanceBy(Duration::Seconds(1));
  CHECK(call.InOneSecond() > 140);
}

TEST_CASE("media that comes before produce, and wraps: the video comes with produce", "[sim]") {
  WrappingCall call;
  call.sender->Start();
  call.environment.AdvanceBy(WrappingCall::kWrapped);
  call.Produce();
  call.Consume();
  call.environment.AdvanceBy(Duration::Seconds(1));
  CHECK(call.InOneSecond() > 140);
}

TEST_CASE("a producer that is closed after a wrap and made again with its SSRC", "[sim]") {
  WrappingCall call;
  call.Produce();
  call.Consume();
  call.sender->Start();
  call.environment.AdvanceBy(WrappingCall::kWrapped);
  REQUIRE(call.receiver->received() > 1000);
  for (int toggles = 0; toggles < 3; ++toggles) {
    REQUIRE(call.engine->CloseProducer("pub", "v").ok());
    // The camera goes on sending for a moment, or is off.
    if (toggles > 0) call.sender->Stop();
    call.environment.AdvanceBy(Duration::Seconds(2));
    call.Produce();
    call.Consume();
    if (toggles > 0) call.sender->Start();
    call.environment.AdvanceBy(Duration::Seconds(1));
    CHECK(call.InOneSecond() > 140);
  }
}

TEST_CASE("a consumer with the SSRC of an earlier one goes on after its numbers", "[sim]") {
  WrappingCall call;
  call.Produce();
  call.sender->Start();
  for (int times = 0; times < 5; ++times) {
    call.Consume();
    call.environment.AdvanceBy(Duration::Seconds(1));
    CHECK(call.InOneSecond() > 140);
    REQUIRE(call.engine->CloseConsumer("view", "c").ok());
  }
}

/// FlexFEC-03 (draft-ietf-payload-flexible-fec-scheme-03) of one packet, `protects`.
std::vector<uint8_t> FecOf(uint16_t protects, uint16_t sequence) {
  const auto high = static_cast<uint8_t>(protects >> 8);
  const auto low = static_cast<uint8_t>(protects);
  return samples::Rtp(98, 51, sequence, 3000,
                      {0, 0x60, 0, 9, 1, 2, 3, 4, 1, 0, 0, 0, 0, 0, 0, 50, high, low, 0xC0, 0, 7});
}

TEST_CASE("FEC of a consumer with the SSRCs of an earlier one goes on after its numbers", "[sim]") {
  const auto fec_codec = [](uint8_t payload_type) {
    RtpCodecParameters codec;
    codec.mime_type = "video/flexfec-03";
    codec.payload_type = payload_type;
    codec.clock_rate = 90'000;
    return codec;
  };
  WrappingCall call;
  ProduceOptions produced = samples::Video("v", 50);
  produced.rtp_parameters.codecs.push_back(fec_codec(98));
  produced.rtp_parameters.encodings[0].fec_ssrc = 51;
  produced.rtp_mapping.codecs.push_back({98, 103});
  REQUIRE(call.engine->Produce("pub", produced).ok());
  ConsumeOptions consumed = samples::ConsumerOf(produced, "c", 4000);
  consumed.rtp_parameters.codecs.push_back(fec_codec(103));
  consumed.rtp_parameters.encodings[0].fec_ssrc = 4002;
  int came = 0;
  call.viewer->on_rtp = [&](RtpPacket& packet) { came += packet.ssrc() == Ssrc(4002) ? 1 : 0; };
  uint16_t sequence = 100;
  for (int times = 1; times <= 6; ++times) {
    REQUIRE(call.engine->Consume("view", consumed).ok());
    for (int i = 0; i < 20; ++i, ++sequence) {
      call.publisher->SendRtp(samples::Rtp(samples::kVp8, 50, sequence, sequence * 3000U,
                                           samples::Vp8Payload(true, sequence)));
      call.environment.AdvanceBy(Duration::Millis(5));
      call.publisher->SendRtp(FecOf(sequence, sequence));
      call.environment.AdvanceBy(Duration::Millis(5));
    }
    call.environment.AdvanceBy(Duration::Millis(500));
    CHECK(came == times * 20);
    REQUIRE(call.engine->CloseConsumer("view", "c").ok());
  }
}

TEST_CASE("10^5 consumers come and go on one transport: the last one is heard", "[sim]") {
  WrappingCall call;
  const ProduceOptions audio = samples::Audio("a", 77);
  REQUIRE(call.engine->Produce("pub", audio).ok());
  call.SetDelay(Duration::Zero());
  uint32_t heard = 0;
  call.viewer->on_rtp = [&](RtpPacket&) { ++heard; };
  constexpr uint32_t kCycles = 100'000;
  for (uint32_t i = 0; i < kCycles; ++i) {
    REQUIRE(call.engine->Consume("view", samples::ConsumerOf(audio, "c", 10'000 + i)).ok());
    call.publisher->SendRtp(
        samples::Rtp(samples::kOpus, 77, static_cast<uint16_t>(i), 960 * i, {1, 2, 3, 4}));
    const uint32_t before = heard;
    REQUIRE(call.environment.AdvanceUntil([&] { return heard > before; }, Duration::Seconds(1)));
    REQUIRE(call.engine->CloseConsumer("view", "c").ok());
  }
  CHECK(heard == kCycles);
}

TEST_CASE("a handshake that comes again installs no keys again", "[sim]") {
  WrappingCall call;
  call.Produce();
  call.Consume();
  call.sender->Start();
  call.environment.AdvanceBy(Duration::Seconds(2));
  const std::vector<uint8_t> old_packet = call.publisher->last_rtp();
  const auto count = [&] { return call.engine->ReadCounters().counters.transports.srtp_replayed; };
  const auto handshakes = [&] {
    return call.events.Count("dtls pub connected") + call.events.Count("dtls view connected");
  };
  REQUIRE(handshakes() == 2);
  for (WebRtcPeer* peer : {call.publisher.get(), call.viewer.get()}) {
    const std::vector<std::vector<uint8_t>> handshake = peer->sent_dtls();
    REQUIRE(handshake.size() >= 2);
    for (int round = 0; round < 3; ++round) {
      for (const auto& datagram : handshake) peer->Replay(datagram);
      call.environment.AdvanceBy(Duration::Millis(50));
    }
  }
  CHECK(handshakes() == 2);
  const uint64_t before = count();
  call.publisher->Replay(old_packet);
  call.environment.AdvanceBy(Duration::Millis(50));
  CHECK(count() == before + 1);  // the window is what it was
  CHECK(call.InOneSecond() > 140);
}

}  // namespace
}  // namespace sluice::worker
