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
  environment_.AdvanceBy(ResendGuard::kDefaultRoundTrip - Duration::Millis(1));
  Nack(own);
  CHECK(egress_.Take().empty());
  CHECK(consumer_->counters().nack_too_soon == 2);
  environment_.AdvanceBy(Duration::Millis(1));
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
  Forward(Opus(1, 960));
  Nack(SequenceOf(egress_.Take()[0]), 0b1);
  CHECK(egress_.packets.empty());
  CHECK(consumer_->counters().nack_not_repeatable == 2);
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
  Forward(Opus(1, 960));
  Nack(SequenceOf(egress_.Take()[0]), 0b1);
  CHECK(egress_.packets.empty());
  CHECK(consumer_->GetStats(environment_.Now())[0].nack_packet_count == 2);
}

TEST_CASE_METHOD(ConsumerTest, "repair: what cannot be had of a NACK does not hold back the rest") {
  Prepare("video/VP8", true);
  Create();
  const auto nack = [&](uint16_t own, uint16_t following) {
    Nack(own, following);
    std::vector<uint16_t> repaired;
    for (const auto& packet : egress_.Take()) {
      const auto payload = packet.payload();
      repaired.push_back(static_cast<uint16_t>(payload.at(0) << 8 | payload.at(1)));
    }
    return repaired;
  };
  Forward(Vp8(0, 0, true));
  const uint16_t first = SequenceOf(egress_.Take()[0]);
  const auto own = [&](int index) { return static_cast<uint16_t>(first + index); };
  environment_.AdvanceBy(PacketRing::kVideoMaxAge + Duration::Millis(1));
  for (uint16_t i = 1; i < 5; ++i) Forward(Vp8(i, 90'000 + i * 3000u, false));
  egress_.Take();

  CHECK(nack(own(0), 0b1) == std::vector{own(1)});  // the first one is too old
  CHECK(consumer_->counters().nack_missing == 1);
  CHECK(nack(own(1), 0b1) == std::vector{own(2)});  // has just been sent again
  CHECK(consumer_->counters().nack_too_soon == 1);
  CHECK(nack(own(-1), 0b1000) == std::vector{own(3)});  // was never sent
  CHECK(consumer_->counters().nack_unknown == 1);
  // Each that the transport has no room for is counted.
  egress_.full = true;
  CHECK(nack(own(3), 0b1).empty());
  CHECK(consumer_->counters().nack_too_soon == 2);
  CHECK(consumer_->counters().refused == 1);
  environment_.AdvanceBy(ResendGuard::kDefaultRoundTrip);
  CHECK(nack(own(3), 0b1).empty());
  CHECK(consumer_->counters().refused == 3);
  egress_.full = false;
  CHECK(nack(own(3), 0b1) == std::vector{own(3), own(4)});
}

TEST_CASE_METHOD(ConsumerTest, "repair: every number is counted for which the credit is used up") {
  Prepare("video/VP8", true);
  Create();
  for (uint16_t i = 0; i < 51; ++i) Forward(Vp8(i, i * 3000u, i == 0, 0, 0, 1200));
  const uint16_t first = SequenceOf(egress_.Take()[0]);
  for (int round = 0; consumer_->counters().nack_over_budget == 0; ++round) {
    REQUIRE(round < 5);
    environment_.AdvanceBy(ResendGuard::kDefaultRoundTrip);
    for (int i = 0; i < 51; i += 17) Nack(static_cast<uint16_t>(first + i), 0xffff);
  }
  const uint64_t before = consumer_->counters().nack_over_budget;
  environment_.AdvanceBy(ResendGuard::kDefaultRoundTrip);
  egress_.Take();
  Nack(first, 0xffff);
  CHECK(egress_.packets.empty());
  CHECK(consumer_->counters().nack_over_budget == before + 17);
}

TEST_CASE_METHOD(ConsumerTest, "repair: again after a round trip, once its time is known") {
  Prepare("video/VP8", true);
  Create();
  Forward(Vp8(0, 0, true));
  const uint16_t own = SequenceOf(egress_.Take()[0]);
  environment_.AdvanceBy(Duration::Seconds(1));
  rtcp::ReportBlock block;
  block.ssrc = Ssrc(kSsrc);
  block.last_sr = environment_.NtpNow().Compact() - 65'536 / 50;  // 20 ms ago
  consumer_->OnReportBlock(0, block, environment_.Now());
  REQUIRE(consumer_->round_trip_time() >= Duration::Millis(19));
  REQUIRE(consumer_->round_trip_time() <= Duration::Millis(21));
  Nack(own);
  environment_.AdvanceBy(Duration::Millis(18));
  Nack(own);
  CHECK(egress_.Take().size() == 1);
  environment_.AdvanceBy(Duration::Millis(3));
  Nack(own);
  CHECK(egress_.Take().size() == 1);
}

TEST_CASE_METHOD(ConsumerTest,
                 "repair: a NACK with too many numbers is left where they begin to be") {
  Prepare("video/VP8", true);
  Create();
  Forward(Vp8(0, 0, true));
  const uint16_t own = SequenceOf(egress_.Take()[0]);
  std::vector<rtcp::NackItem> items;
  while (items.size() * 17 <= ResendGuard::kMaxLookups) {
    items.push_back({SeqNumber(static_cast<uint16_t>(own + 1 + items.size() * 17)), 0xffff});
  }
  items.push_back({SeqNumber(own), 0});
  consumer_->OnNack(0, items, environment_.Now());
  CHECK(egress_.packets.empty());
  CHECK(consumer_->counters().nack_unknown == ResendGuard::kMaxLookups);
  CHECK(consumer_->counters().nack_limited == 1);
  CHECK(consumer_->GetStats(environment_.Now())[0].nack_packet_count ==
        ResendGuard::kMaxLookups + 1);
  environment_.AdvanceBy(ResendGuard::kLookupWindow);
  Nack(own);
  CHECK(egress_.packets.size() == 1);
}

TEST_CASE_METHOD(ConsumerTest, "repair: what does not leave takes no number of the RTX stream") {
  Prepare("video/VP8", true);
  Create();
  for (uint16_t i = 0; i < 3; ++i) Forward(Vp8(i, i * 3000u, i == 0));
  const auto media = egress_.Take();
  REQUIRE(media.size() == 3);
  Nack(SequenceOf(media[0]));
  egress_.refuses = true;
  Nack(SequenceOf(media[1]));
  egress_.refuses = false;
  CHECK(consumer_->counters().refused == 1);
  Nack(SequenceOf(media[1]));  // it was not sent again a moment ago
  Nack(SequenceOf(media[2]));
  const auto again = egress_.Take();
  REQUIRE(again.size() == 3);
  CHECK(SequenceOf(again[1]) == static_cast<uint16_t>(SequenceOf(again[0]) + 1));
  CHECK(SequenceOf(again[2]) == static_cast<uint16_t>(SequenceOf(again[0]) + 2));
}

// Its number stays open, since newer ones were sent: padding fills it.
TEST_CASE_METHOD(ConsumerTest, "repair: what came late and is not for the receiver is padding") {
  Prepare("audio/opus", false);
  consume_.ignore_dtx = true;
  Create();
  Forward(Opus(0, 0));
  const uint16_t first = SequenceOf(egress_.Take()[0]);
  Forward(Opus(3, 3 * 960));
  egress_.Take();
  egress_.full = true;  // what is late cannot go out at once
  Source silence = Opus(1, 960);
  silence.payload = {0x78};
  Forward(silence);
  Forward(Padding(2, 2 * 960));
  egress_.full = false;
  REQUIRE(consumer_->counters().dtx_dropped == 1);
  for (int i = 1; i <= 2; ++i) {
    CAPTURE(i);
    Nack(static_cast<uint16_t>(first + i));
    const auto sent = egress_.Take();
    REQUIRE(sent.size() == 1);
    CHECK(SequenceOf(sent[0]) == static_cast<uint16_t>(first + i));
    CHECK((sent[0].bytes[0] & 0x20) != 0);  // RFC 3550 §5.1
    CHECK(sent[0].payload() == std::vector<uint8_t>{1});
    CHECK_FALSE(sent[0].View().marker());
  }
}

/// Two encodings, the lower of which has two temporal layers, of which one is wanted.
class LeftEncodingTest : protected ConsumerTest {
 protected:
  LeftEncodingTest() {
    Prepare("video/VP8", true);
    RtpEncodingParameters upper;
    upper.ssrc = kProducerSsrc + 1;
    produce_.rtp_parameters.encodings.push_back(upper);
    produce_.rtp_mapping.encodings.push_back({"", kProducerSsrc + 1, kMappedSsrc + 1});
    RtpEncodingParameters consumable;
    consumable.ssrc = kMappedSsrc + 1;
    consume_.consumable_rtp_encodings.push_back(consumable);
    consume_.rtp_parameters.encodings[0].scalability_mode = "L2T2";
    Create();
    consumer_->SetPreferredLayers({0, uint8_t{0}});
    Forward(Lower(1, 1, 0, true, true));
    egress_.Take();
  }
  /// A packet of a picture of the lower encoding.
  static Source Lower(uint16_t sequence, uint32_t picture, uint8_t temporal, bool first,
                      bool last) {
    Source source = Vp8(sequence, picture * 3000, sequence == 1, static_cast<uint16_t>(picture));
    if (!first) source.payload[0] = 0x80;
    source.payload[5] = static_cast<uint8_t>(temporal << 6 | (temporal > 0 ? 0x20 : 0));
    source.marker = last;
    return source;
  }
  /// From here on the upper encoding is sent.
  void Switch() {
    consumer_->SetPreferredLayers({1, uint8_t{0}});
    Source key = Vp8(1000, 500'000, true);
    key.ssrc = kProducerSsrc + 1;
    Forward(key);
    REQUIRE(egress_.packets.size() == 1);
    egress_.Take();
  }
  uint16_t next_own() const { return consumer_->stream(0).next_sequence; }
  /// How much media comes on a NACK of this number.
  size_t Repaired(uint16_t own) {
    Nack(own);
    const auto sent = egress_.Take();
    REQUIRE(sent.size() == 1);
    return sent[0].payload().size() - 2;  // the number that it had
  }
};

TEST_CASE_METHOD(LeftEncodingTest,
                 "repair: what comes when its encoding was left gets what its frame got") {
  const uint16_t own = next_own();
  SECTION("which was left out: its first packet told") {
    Forward(Lower(2, 2, 1, true, false));
    Forward(Lower(4, 3, 0, true, true));
    CHECK(egress_.Take().size() == 1);
    Switch();
    Forward(Lower(3, 2, 1, false, true));
    CHECK(Repaired(own) == 0);
  }
  SECTION("which was left out: its last packet told") {
    Forward(Lower(3, 2, 1, false, true));
    Forward(Lower(4, 3, 0, true, true));
    CHECK(egress_.Take().size() == 1);
    Switch();
    Forward(Lower(2, 2, 1, true, false));
    CHECK(Repaired(own) == 0);
  }
  SECTION("which was sent") {
    Forward(Lower(2, 2, 0, true, false));
    Forward(Lower(5, 2, 0, false, true));
    CHECK(egress_.Take().size() == 2);
    Switch();
    Forward(Lower(4, 2, 0, false, false));
    Forward(Lower(3, 2, 0, false, false));
    CHECK(Repaired(static_cast<uint16_t>(own + 1)) == 100);
    CHECK(Repaired(static_cast<uint16_t>(own + 2)) == 100);
    CHECK(Repaired(own) == 100);
  }
  SECTION("which nobody knew, and a frame behind it was sent") {
    Forward(Lower(3, 3, 0, true, true));
    CHECK(egress_.Take().size() == 1);
    Switch();
    Forward(Lower(2, 2, 0, true, true));
    CHECK(Repaired(own) == 100);
  }
  SECTION("which nobody knew, and nothing behind it was sent") {
    Forward(Lower(3, 3, 1, true, false));
    Forward(Lower(5, 3, 1, false, true));
    CHECK(egress_.Take().empty());
    Forward(Lower(4, 3, 1, false, false));  // its number is behind that of what is missing
    CHECK(egress_.Take().size() == 1);
    Switch();
    Forward(Lower(2, 2, 0, true, true));
    CHECK(Repaired(own) == 0);
  }
}

}  // namespace
}  // namespace sluice::worker
