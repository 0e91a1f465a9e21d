// Redundant audio (RFC 2198) on its way from a sender to receivers that take it, and to those that
// do not.
#include "tests/unit/consumer/consumer_fixture.h"

namespace sluice::worker {
namespace {

using Bytes = std::vector<uint8_t>;

class RedTest : protected ConsumerTest {
 protected:
  static constexpr uint8_t kRed = kProducerPayloadType + 10;
  static constexpr uint8_t kForwardedRed = kPayloadType + 10;

  static RtpCodecParameters RedCodec(uint8_t payload_type) {
    RtpCodecParameters codec;
    codec.mime_type = "audio/red";
    codec.payload_type = payload_type;
    codec.clock_rate = 48'000;
    codec.channels = 2;
    return codec;
  }
  void Prepare(bool receiver_takes_red) {
    ConsumerTest::Prepare("audio/opus", false);
    produce_.rtp_parameters.codecs.push_back(RedCodec(kRed));
    produce_.rtp_mapping.codecs.push_back({kRed, kForwardedRed});
    if (receiver_takes_red) consume_.rtp_parameters.codecs.push_back(RedCodec(kForwardedRed));
  }
  /// A packet with one older block and `primary`.
  static Source Red(uint16_t sequence, uint32_t timestamp, const Bytes& older, const Bytes& primary,
                    uint8_t type = kProducerPayloadType) {
    Source source;
    source.sequence = sequence;
    source.timestamp = timestamp;
    source.payload_type = kRed;
    source.payload = {static_cast<uint8_t>(0x80 | type), 960 >> 6, (960 & 0x3f) << 2,
                      static_cast<uint8_t>(older.size()), type};
    source.payload.insert(source.payload.end(), older.begin(), older.end());
    source.payload.insert(source.payload.end(), primary.begin(), primary.end());
    return source;
  }
};

const Bytes kOlder{0x7B, 1, 2};
const Bytes kPrimary{0x7B, 3, 4, 5};

TEST_CASE_METHOD(RedTest, "RED: goes on whole to a receiver that takes it, blocks renumbered") {
  Prepare(true);
  Create();
  Forward(Red(10, 960, kOlder, kPrimary));
  const auto sent = egress_.Take();
  REQUIRE(sent.size() == 1);
  CHECK(sent[0].View().payload_type() == PayloadType(kForwardedRed));
  const auto expected = Red(10, 960, kOlder, kPrimary, kPayloadType).payload;
  CHECK(sent[0].payload() == expected);
  Nack(SequenceOf(sent[0]));
  REQUIRE(egress_.packets.size() == 1);
  CHECK(egress_.packets[0].bytes == sent[0].bytes);
  CHECK(consumer_->Dump().supported_codec_payload_types ==
        std::vector<uint8_t>{kPayloadType, kForwardedRed});
}

TEST_CASE_METHOD(RedTest, "RED: a receiver without it gets the primary block as plain audio") {
  Prepare(false);
  Create();
  Forward(Red(10, 960, kOlder, kPrimary));
  const auto sent = egress_.Take();
  REQUIRE(sent.size() == 1);
  CHECK(sent[0].View().payload_type() == PayloadType(kPayloadType));
  CHECK(sent[0].View().timestamp() == RtpTimestamp(960));
  CHECK(sent[0].payload() == kPrimary);
  Nack(SequenceOf(sent[0]));
  REQUIRE(egress_.packets.size() == 1);
  CHECK(egress_.packets[0].bytes == sent[0].bytes);  // also when it is asked for again
}

TEST_CASE_METHOD(RedTest, "RED: a packet with nothing but redundancy leaves no hole") {
  Prepare(false);
  Create();
  Forward(Red(10, 960, kOlder, kPrimary));
  Forward(Red(11, 1920, kPrimary, {}));
  Forward(Red(12, 2880, {}, kPrimary));
  const auto sent = egress_.Take();
  REQUIRE(sent.size() == 2);
  CHECK(SequenceOf(sent[1]) == static_cast<uint16_t>(SequenceOf(sent[0]) + 1));
  CHECK(sent[1].View().timestamp() == RtpTimestamp(2880));
}

TEST_CASE_METHOD(RedTest, "RED: plain audio and redundant audio are one stream") {
  Prepare(false);
  Create();
  const Source plain = Opus(10, 960);
  Forward(plain);
  Forward(Red(11, 1920, kOlder, kPrimary));
  Forward(Opus(12, 2880));
  const auto sent = egress_.Take();
  REQUIRE(sent.size() == 3);
  for (size_t i = 0; i < sent.size(); ++i) {
    CHECK(SequenceOf(sent[i]) == static_cast<uint16_t>(SequenceOf(sent[0]) + i));
    CHECK(sent[i].View().payload_type() == PayloadType(kPayloadType));
    CHECK(sent[i].View().timestamp() == RtpTimestamp(static_cast<uint32_t>(960 * (i + 1))));
  }
  const auto stats = producer_->GetStats(environment_.Now());
  REQUIRE(stats.size() == 1);
  CHECK(stats[0].mime_type == "audio/opus");
  CHECK(stats[0].packet_count == 3);
  CHECK(producer_->totals().restarts == 0);
}

TEST_CASE_METHOD(RedTest, "RED: a stream may begin with it, and its jitter is measured") {
  Prepare(true);
  Create();
  for (uint16_t i = 0; i < 20; ++i) {
    Forward(Red(i, 960u * i, kOlder, kPrimary));
    environment_.AdvanceBy(Duration::Millis(i % 2 == 0 ? 10 : 30));
  }
  CHECK(egress_.Take().size() == 20);
  CHECK(producer_->GetStats(environment_.Now())[0].jitter > 0);
}

TEST_CASE_METHOD(RedTest, "RED: silence in the primary block is left out where that is asked for") {
  Prepare(true);
  consume_.ignore_dtx = true;
  Create();
  Forward(Red(10, 960, kOlder, kPrimary));
  Forward(Red(11, 1920, kPrimary, {0x08}));
  Forward(Red(12, 2880, {0x08}, kPrimary));
  const auto sent = egress_.Take();
  REQUIRE(sent.size() == 2);
  CHECK(SequenceOf(sent[1]) == static_cast<uint16_t>(SequenceOf(sent[0]) + 1));
  CHECK(consumer_->counters().dtx_dropped == 1);
}

TEST_CASE_METHOD(RedTest, "RED: lengths beyond the payload and unknown blocks are counted") {
  const bool takes_red = GENERATE(false, true);
  Prepare(takes_red);
  Create();
  Forward(Red(10, 960, kOlder, kPrimary));
  Source cut = Red(11, 1920, kOlder, kPrimary);
  cut.payload.resize(6);
  Forward(cut);
  Forward(Red(12, 2880, kOlder, kPrimary, 55));    // a type that nobody has
  Forward(Red(13, 3840, kOlder, kPrimary, kRed));  // redundancy of redundancy
  Source empty = Red(14, 4800, {}, {});
  empty.payload = {0x80};
  Forward(empty);
  Forward(Red(15, 5760, kOlder, kPrimary));
  const auto sent = egress_.Take();
  REQUIRE(sent.size() == 2);
  CHECK(SequenceOf(sent[1]) == static_cast<uint16_t>(SequenceOf(sent[0]) + 1));
  CHECK(producer_->counters().unreadable_red == 4);
}

}  // namespace
}  // namespace sluice::worker
