#include "tests/unit/consumer/consumer_fixture.h"
#include "worker/core/rtp/packet_ring.h"
#include "worker/core/rtp/resend_guard.h"

namespace sluice::worker {
namespace {

TEST_CASE_METHOD(ConsumerTest, "repair: a NACK brings the packet back as RTX") {
  Prepare("video/VP8", true);
  AddExtension(RtpExtensionUri::kMid);
  AddExtension(RtpExtensionUri::kTransportWideCc);
  Create();
  for (uint16_t i = 0; i < 10; ++i) {
    if (i == 4) {
      Forward(Padding(4, 9000));
    } else {
      Forward(Vp8(i, i * 3000u, i == 0));
    }
  }
  const auto sent = egress_.Take();
  REQUIRE(sent.size() == 9);
  const auto first = SequenceOf(sent[0]);

  environment_.AdvanceBy(Duration::Millis(20));
  Nack(static_cast<uint16_t>(first + 3), 0b101);  // 3, 4 and 6 of ours: 3, 5 and 7 of the source
  const auto repaired = egress_.Take();
  REQUIRE(repaired.size() == 3);
  const size_t indices[] = {3, 4, 6};
  for (size_t i = 0; i < 3; ++i) {
    const auto& original = sent[indices[i]];
    const RtpPacket rtx = repaired[i].View();
    CHECK(repaired[i].rtp_class == RtpClass::kRetransmission);
    CHECK_FALSE(repaired[i].same_bytes_again);
    CHECK(rtx.ssrc() == Ssrc(kRtxSsrc));
    CHECK(rtx.payload_type() == PayloadType(kRtxPayloadType));
    CHECK(rtx.timestamp() == original.View().timestamp());
    CHECK(rtx.marker() == original.View().marker());
    CHECK(rtx.sequence_number() == repaired[0].View().sequence_number() + static_cast<int>(i));
    CHECK(ParseSdesItem(rtx.Extension(1)) == std::string_view("7"));
    CHECK(ParseTransportSequence(rtx.Extension(5)) == static_cast<uint16_t>(10 + i));
    auto expected = original.payload();
    const uint16_t own = SequenceOf(original);
    expected.insert(expected.begin(), {static_cast<uint8_t>(own >> 8), static_cast<uint8_t>(own)});
    CHECK(repaired[i].payload() == expected);
  }
  const RtpStreamStats stats = consumer_->GetStats(environment_.Now())[0];
  CHECK(stats.nack_count == 1);
  CHECK(stats.nack_packet_count == 3);
  CHECK(stats.packets_retransmitted == 3);
  CHECK(stats.packets_repaired == 3);
  CHECK(stats.packet_count == 9);
}

TEST_CASE_METHOD(ConsumerTest, "repair: not again within a round trip, nor when too old") {
  Prepare("video/VP8", true);
  Create();
  Forward(Vp8(0, 0, true));
  const uint16_t own = SequenceOf(egress_.Take()[0]);
  Nack(own);
  Nack(own);
  CHECK(egress_.Take().size() == 1);
  CHECK(consumer_->counters().nack_too_soon == 1);
  environment_.AdvanceBy(ResendGuard::kDefaultRoundTrip);
  Nack(own);
  CHECK(egress_.Take().size() == 1);
  CHECK(consumer_->GetStats(environment_.Now())[0].packets_retransmitted == 2);
  CHECK(consumer_->GetStats(environment_.Now())[0].packets_repaired == 1);
  environment_.AdvanceBy(PacketRing::kVideoMaxAge);
  Nack(own);
  CHECK(egress_.Take().empty());
  CHECK(consumer_->counters().nack_missing == 1);
}

TEST_CASE_METHOD(ConsumerTest,
                 "repair: numbers never sent, and those before a pause, are ignored") {
  Prepare("video/VP8", true);
  Create();
  Nack(5);
  Forward(Vp8(0, 0, true));
  Forward(Vp8(1, 3000, false));
  const uint16_t own = SequenceOf(egress_.Take()[0]);
  Nack(static_cast<uint16_t>(own + 2), 0xFFFF);
  Nack(static_cast<uint16_t>(own - 1));
  CHECK(egress_.packets.empty());
  CHECK(consumer_->counters().nack_unknown == 19);
  consumer_->Pause();
  Nack(own);
  consumer_->Resume();
  Nack(own);
  CHECK(egress_.packets.empty());
  Forward(Vp8(2, 6000, true));
  Nack(own);
  CHECK(egress_.Take().size() == 1);
  CHECK(consumer_->counters().nack_unknown == 21);
}

TEST_CASE_METHOD(ConsumerTest,
                 "repair: a receiver cannot draw more than its credit, nor endless work") {
  Prepare("video/VP8", true);
  Create();
  size_t sent_bytes = 0;
  for (uint16_t i = 0; i < 500; ++i) {
    Forward(Vp8(i, i * 3000u, i == 0, 0, 0, 1200));
    sent_bytes += egress_.packets.back().bytes.size();
    environment_.AdvanceBy(Duration::Millis(1));
  }
  const uint16_t first = SequenceOf(egress_.Take()[0]);
  // One NACK of 17 numbers for every millisecond, for half a second.
  size_t resent_bytes = 0;
  for (int i = 0; i < 500; ++i) {
    for (int j = 0; j < 29; ++j) Nack(static_cast<uint16_t>(first + j * 17), 0xFFFF);
    for (const auto& packet : egress_.Take()) resent_bytes += packet.bytes.size();
    environment_.AdvanceBy(Duration::Millis(1));
  }
  CHECK(resent_bytes > sent_bytes / 2);
  constexpr size_t kOverdraw = 1300;  // the packet that uses up the credit still goes
  CHECK(resent_bytes <= size_t{ResendGuard::kMaxCredit} + kOverdraw);
  CHECK(resent_bytes <= sent_bytes + ResendGuard::kInitialCredit + kOverdraw);
  CHECK(consumer_->counters().nack_over_budget > 0);
  CHECK(consumer_->counters().nack_limited > 0);
}

// RFC 7714 §8: without RTX the packet itself goes out again under its number, so every byte must be
// the same.
TEST_CASE_METHOD(ConsumerTest, "repair: without RTX the same bytes are sent again") {
  const bool video = GENERATE(true, false);
  Prepare(video ? "video/VP8" : "audio/opus", false);
  AddExtension(RtpExtensionUri::kMid);
  AddExtension(RtpExtensionUri::kAbsSendTime);
  AddExtension(RtpExtensionUri::kPlayoutDelay);
  Create();
  const auto forward = [&](uint16_t i, bool key_frame) {
    Forward(video ? Vp8(i, i * 3000u, key_frame, i, static_cast<uint8_t>(i)) : Opus(i, i * 960u));
    environment_.AdvanceBy(Duration::Millis(20));
  };
  forward(0, true);
  // A pause moves the picture ids, a restart of the source its time, padding its numbers.
  consumer_->Pause();
  for (uint16_t i = 1; i < 5; ++i) forward(i, false);
  consumer_->Resume();
  egress_.Take();
  for (uint16_t i = 5; i < 30; ++i) {
    if (i % 7 == 0) {
      Forward(Padding(i, i * 3000u));
    } else {
      forward(i, i == 5);
    }
  }
  const auto sent = egress_.Take();
  REQUIRE(sent.size() == 21);
  environment_.AdvanceBy(Duration::Millis(137));
  for (const auto& packet : sent) {
    Nack(SequenceOf(packet));
    const auto again = egress_.Take();
    REQUIRE(again.size() == 1);
    CHECK(again[0].bytes == packet.bytes);
    CHECK(again[0].same_bytes_again);
    CHECK(again[0].rtp_class == RtpClass::kRetransmission);
  }
}

TEST_CASE_METHOD(ConsumerTest, "repair: what cannot be repeated byte for byte is not sent again") {
  Prepare("audio/opus", false);
  AddExtension(RtpExtensionUri::kTransportWideCc);
  Create();
  Forward(Opus(0, 0));
  Nack(SequenceOf(egress_.Take()[0]));
  CHECK(egress_.packets.empty());
  CHECK(consumer_->counters().nack_not_repeatable == 1);
}

TEST_CASE_METHOD(ConsumerTest, "repair: a patched picture id is patched again") {
  Prepare("video/VP8", true);
  Create();
  Forward(Vp8(0, 0, true, 100, 1));
  consumer_->Pause();
  consumer_->Resume();
  Forward(Vp8(5, 3000, true, 777, 9));
  const auto sent = egress_.Take();
  Nack(SequenceOf(sent[1]));
  const auto again = egress_.Take();
  REQUIRE(again.size() == 1);
  const auto payload = again[0].payload();
  CHECK(std::vector<uint8_t>(payload.begin() + 2, payload.end()) == sent[1].payload());
}

TEST_CASE_METHOD(ConsumerTest, "repair: not for a codec without NACK") {
  Prepare("audio/opus", false);
  consume_.rtp_parameters.codecs[0].rtcp_feedback.clear();
  Create();
  Forward(Opus(0, 0));
  Nack(SequenceOf(egress_.Take()[0]));
  CHECK(egress_.packets.empty());
  CHECK(consumer_->GetStats(environment_.Now())[0].nack_packet_count == 1);
}

}  // namespace
}  // namespace sluice::worker
