// Consumers whose receiver has payload types of its own (ConsumeOptions::source_payload_type).
#include "tests/unit/consumer/consumer_fixture.h"

namespace sluice::worker {
namespace {

class OwnTypesTest : protected ConsumerTest {
 protected:
  static constexpr uint8_t kOwnType = 45;
  static constexpr uint8_t kOwnRtxType = 46;

  void Prepare(const std::string& mime_type, bool with_rtx) {
    ConsumerTest::Prepare(mime_type, with_rtx);
    auto& codecs = consume_.rtp_parameters.codecs;
    codecs[0].payload_type = kOwnType;
    if (with_rtx) {
      codecs[1].payload_type = kOwnRtxType;
      codecs[1].parameters["apt"] = int32_t{kOwnType};
    }
    consume_.source_payload_type = kPayloadType;
  }
  Status WhyNot() {
    auto producer = Producer::Create(produce_, *this, environment_, events_);
    REQUIRE(producer.ok());
    producer_ = *std::move(producer);
    return Consumer::Create(consume_, *producer_, egress_, environment_, events_).status();
  }
};

TEST_CASE_METHOD(OwnTypesTest, "consumer: media and repair go out with the receiver's numbers") {
  Prepare("video/VP8", true);
  Create();
  Forward(Vp8(0, 0, true));
  Forward(Vp8(1, 3000, false));
  const auto sent = egress_.Take();
  REQUIRE(sent.size() == 2);
  CHECK(sent[0].View().payload_type() == PayloadType(kOwnType));
  CHECK(sent[1].View().payload_type() == PayloadType(kOwnType));
  environment_.AdvanceBy(Duration::Millis(20));
  Nack(SequenceOf(sent[1]));
  const auto repaired = egress_.Take();
  REQUIRE(repaired.size() == 1);
  CHECK(repaired[0].View().payload_type() == PayloadType(kOwnRtxType));
}

TEST_CASE_METHOD(OwnTypesTest,
                 "consumer: without RTX the packet itself comes again, number and all") {
  Prepare("video/VP8", false);
  Create();
  Forward(Vp8(0, 0, true));
  const auto sent = egress_.Take();
  REQUIRE(sent.size() == 1);
  environment_.AdvanceBy(Duration::Millis(20));
  Nack(SequenceOf(sent[0]));
  const auto repaired = egress_.Take();
  REQUIRE(repaired.size() == 1);
  CHECK(repaired[0].bytes == sent[0].bytes);
}

TEST_CASE_METHOD(OwnTypesTest, "consumer: what else the producer sends is not forwarded") {
  constexpr uint8_t kSecond = kProducerPayloadType + 1;
  Prepare("video/VP8", false);
  // Its number in the router is that which the receiver has for VP8.
  produce_.rtp_parameters.codecs.push_back(Codec("video/H264", kSecond));
  produce_.rtp_mapping.codecs.push_back({kSecond, kOwnType});
  produce_.takes_any_codec = true;
  Create();
  Forward(Vp8(0, 0, true));
  CHECK(egress_.Take().size() == 1);
  Source other;
  other.sequence = 1;
  other.timestamp = 3000;
  other.marker = true;
  other.payload = {0x65, 0x88, 0x80};
  other.payload_type = kSecond;
  Forward(other);
  CHECK(egress_.Take().empty());
  Forward(Vp8(2, 6000, true));
  const auto after = egress_.Take();
  REQUIRE(after.size() == 1);
  CHECK(after[0].View().payload_type() == PayloadType(kOwnType));
}

TEST_CASE_METHOD(OwnTypesTest, "consumer: a number of the source that cannot be is refused") {
  Prepare("video/VP8", false);
  consume_.source_payload_type = 128;
  CHECK_THAT(std::string(WhyNot().message()), Catch::Contains("sourcePayloadType is 128"));
  consume_.source_payload_type = kPayloadType;
  consume_.rtp_parameters.codecs.push_back(Codec("video/VP9", 47));
  CHECK_THAT(std::string(WhyNot().message()), Catch::Contains("has 2 media codecs"));
}

/// A consumer, then another of the same SSRC on a producer that began anew.
class GoOnTest : protected ConsumerTest {
 protected:
  void Succeed(bool same_producer = false) {
    const StreamContinuity earlier = consumer_->continuity(0);
    FirstNumbers& first = consume_.first_numbers.emplace_back();
    first.sequence = consumer_->stream(0).next_sequence;
    consumer_.reset();
    Create();
    consumer_->GoOnAfter(0, earlier, same_producer);
  }
};

TEST_CASE_METHOD(GoOnTest, "consumer: a stream goes on with another producer as one stream") {
  Prepare("video/VP8", false);
  Create();
  Forward(Vp8(100, 900'000, true, 5'000, 100));
  Forward(Vp8(101, 903'000, false, 5'001, 101));
  const auto before = egress_.Take();
  REQUIRE(before.size() == 2);
  Succeed();
  environment_.AdvanceBy(Duration::Millis(500));
  // Earlier than what was sent, by half of all times: a receiver would throw it away.
  Forward(Vp8(7, 900'000 - (1u << 30), true, 3, 7));
  Forward(Vp8(8, 903'000 - (1u << 30), false, 4, 8));
  const auto after = egress_.Take();
  REQUIRE(after.size() == 2);
  const RtpPacket last = before[1].View();
  const RtpPacket first = after[0].View();
  CHECK(first.sequence_number() == last.sequence_number() + 1);
  CHECK(first.timestamp().value() - last.timestamp().value() == 45'000);
  CHECK(after[1].View().timestamp().value() - first.timestamp().value() == 3'000);
  const auto picture = [](const RecordingEgress::Packet& packet) {
    const auto payload = packet.payload();
    return (payload[2] & 0x7f) << 8 | payload[3];
  };
  CHECK(picture(after[0]) == picture(before[1]) + 1);
  CHECK(after[0].payload()[4] == static_cast<uint8_t>(before[1].payload()[4] + 1));
}

TEST_CASE_METHOD(GoOnTest, "consumer: the same numbers of another producer are not the same") {
  Prepare("audio/opus", false);
  Create();
  Forward(Opus(10, 48'000));
  const uint32_t before = egress_.Take().at(0).View().timestamp().value();
  Succeed();
  environment_.AdvanceBy(Duration::Millis(100));
  Forward(Opus(11, 48'960));
  CHECK(egress_.Take().at(0).View().timestamp().value() - before == 4'800);
}

TEST_CASE_METHOD(GoOnTest, "consumer: what comes of the same producer again goes on as it came") {
  Prepare("video/VP8", false);
  Create();
  Forward(Vp8(100, 900'000, true, 5'000, 100));
  egress_.Take();
  Succeed(/*same_producer=*/true);
  environment_.AdvanceBy(Duration::Millis(500));
  // Some pictures went by meanwhile.
  Forward(Vp8(115, 945'000, true, 5'015, 101));
  auto after = egress_.Take();
  REQUIRE(after.size() == 1);
  CHECK(after[0].View().timestamp() == RtpTimestamp(945'000));
  CHECK((after[0].payload()[2] & 0x7f) << 8 == (5'015 & 0x7f00));
  CHECK(after[0].payload()[3] == (5'015 & 0xff));
  // Its sender began anew, without the producer being another.
  Succeed(/*same_producer=*/true);
  environment_.AdvanceBy(Duration::Millis(100));
  Forward(Vp8(9'000, 77, true, 3, 7));
  after = egress_.Take();
  REQUIRE(after.size() == 1);
  CHECK(after[0].View().timestamp() == RtpTimestamp(954'000));
  CHECK(after[0].payload()[3] == (5'016 & 0xff));
}

}  // namespace
}  // namespace sluice::worker
