// Consumers of a producer that changes its codec (ProduceOptions::takes_any_codec).
#include "tests/unit/consumer/consumer_fixture.h"

namespace sluice::worker {
namespace {

/// Both have a second codec, without RTX, with the payload types that the first has with 10 added.
class CodecTest : protected ConsumerTest {
 protected:
  static constexpr uint8_t kSecond = kProducerPayloadType + 10;
  static constexpr uint8_t kForwardedSecond = kPayloadType + 10;

  void Prepare(const std::string& first, const std::string& second, bool with_rtx) {
    ConsumerTest::Prepare(first, with_rtx);
    for (auto [parameters, type] : {std::pair{&produce_.rtp_parameters, kSecond},
                                    {&consume_.rtp_parameters, kForwardedSecond}}) {
      RtpCodecParameters codec = Codec(second, type);
      if (second == "audio/PCMU") codec.clock_rate = 8'000;
      parameters->codecs.push_back(codec);
    }
    produce_.rtp_mapping.codecs.push_back({kSecond, kForwardedSecond});
    produce_.takes_any_codec = true;
  }
  Source OfSecond(Source source) const {
    source.payload_type = kSecond;
    return source;
  }
  static Source H264(uint16_t sequence, uint32_t timestamp, bool key_frame) {
    Source source;
    source.sequence = sequence;
    source.timestamp = timestamp;
    source.marker = true;
    source.payload = {0x61, 1, 2, 3};
    if (key_frame) source.payload = {0x78, 0, 2, 0x67, 1, 0, 2, 0x65, 0x88};  // SPS and IDR
    return source;
  }
  RtpPacket Only() {
    REQUIRE(egress_.packets.size() == 1);
    last_ = egress_.Take()[0];
    return last_.View();
  }
  RecordingEgress::Packet last_;
};

TEST_CASE_METHOD(CodecTest, "consumer: time and numbers run on over a change of the clock") {
  Prepare("audio/opus", "audio/PCMU", false);
  Create();
  Forward(Opus(10, 96'000));
  const RtpPacket before = Only();
  const uint32_t timestamp = before.timestamp().value();
  const uint16_t sequence = before.sequence_number().value();
  environment_.AdvanceBy(Duration::Millis(200));
  Forward(OfSecond(Opus(12, 3'000'000'000)));  // 11 was lost
  const RtpPacket after = Only();
  CHECK(after.payload_type().value() == kForwardedSecond);
  CHECK(after.timestamp().value() - timestamp == 1600);
  CHECK(static_cast<uint16_t>(after.sequence_number().value() - sequence) == 1);
  const RtpStreamParams params = consumer_->Dump().rtp_streams.at(0).params;
  CHECK(params.payload_type == kForwardedSecond);
  CHECK(params.mime_type == "audio/PCMU");
  CHECK(params.clock_rate == 8000);
  environment_.AdvanceBy(Duration::Seconds(1));
  const auto report = consumer_->MakeSenderReport(0, environment_.Now());
  REQUIRE(report);
  CHECK(report->info.rtp_timestamp.value() - after.timestamp().value() == 8000);
}

TEST_CASE_METHOD(CodecTest, "consumer: what the change has overtaken leaves no trace") {
  Prepare("video/VP8", "video/H264", true);
  Create();
  Forward(Vp8(1, 3000, true));
  Forward(OfSecond(H264(4, 12'000, true)));
  const uint16_t own = SequenceOf(egress_.Take().at(1));
  Forward(Vp8(3, 9000, true));
  Forward(Padding(5, 12'000));
  Forward(OfSecond(H264(6, 15'000, false)));
  CHECK(static_cast<uint16_t>(Only().sequence_number().value() - own) == 1);
  CHECK(consumer_->counters().too_late == 0);
  CHECK(consumer_->counters().unsupported_payload == 0);
}

TEST_CASE_METHOD(CodecTest, "consumer: VP8 is continued when it is the second codec, too") {
  Prepare("video/H264", "video/VP8", true);
  Create();
  Forward(OfSecond(Vp8(1, 3000, true, 5)));
  egress_.Take();
  consumer_->Pause();
  consumer_->Resume();
  Forward(OfSecond(Vp8(2, 6000, true, 300)));
  const RtpPacket packet = Only();
  CHECK(packet.payload()[3] == 6);
}

TEST_CASE_METHOD(CodecTest, "consumer: what it cannot repair by RTX it leaves") {
  Prepare("video/VP8", "video/H264", true);
  Create();
  Forward(Vp8(1, 3000, true, 5, 5));
  const uint16_t old = SequenceOf(egress_.Take()[0]);
  Forward(OfSecond(H264(2, 6000, false)));
  CHECK(egress_.packets.empty());
  Nack(old);
  CHECK(egress_.packets.empty());  // of the codec before
  Forward(OfSecond(H264(3, 9000, true)));
  const uint16_t own = Only().sequence_number().value();
  CHECK(static_cast<uint16_t>(own - old) == 1);
  Nack(own);
  CHECK(egress_.packets.empty());
  CHECK(consumer_->counters().nack_not_repeatable == 1);
  CHECK_FALSE(consumer_->Dump().rtp_streams.at(0).rtx);
  Forward(Vp8(4, 12'000, true, 9, 9));
  Nack(Only().sequence_number().value());
  CHECK(Only().payload_type().value() == kRtxPayloadType);
  CHECK(consumer_->Dump().rtp_streams.at(0).rtx);
}

TEST_CASE_METHOD(CodecTest,
                 "consumer: one that was away, or comes late, is of the stream's codec") {
  Prepare("video/VP8", "video/H264", true);
  Create();
  Forward(Vp8(1, 3000, true));
  Forward(OfSecond(H264(2, 6000, true)));
  CHECK(egress_.Take().size() == 2);
  consumer_->Pause();
  // Changes until the producer's count of them has come round.
  for (uint16_t i = 3; i < 3 + 255; ++i) {
    Forward(i % 2 == 0 ? OfSecond(H264(i, i * 3000u, true)) : Vp8(i, i * 3000u, true));
  }
  consumer_->Resume();
  Forward(Vp8(258, 258 * 3000, false));
  CHECK(egress_.packets.empty());
  Forward(Vp8(259, 259 * 3000, true));
  CHECK(Only().payload_type().value() == kPayloadType);
  CHECK(consumer_->Dump().rtp_streams.at(0).params.payload_type == kPayloadType);

  consume_.consumer_id = "late";
  consume_.rtp_parameters.encodings[0].ssrc = 9000;
  consume_.rtp_parameters.encodings[0].rtx_ssrc = 9001;
  Forward(OfSecond(H264(260, 260 * 3000, true)));
  egress_.Take();
  auto late = Consumer::Create(consume_, *producer_, egress_, environment_, events_);
  REQUIRE(late.ok());
  Forward(OfSecond(H264(261, 261 * 3000, false)));
  CHECK(egress_.Take().size() == 1);
  Forward(OfSecond(H264(262, 262 * 3000, true)));
  CHECK(egress_.Take().size() == 2);
  CHECK((*late)->Dump().rtp_streams.at(0).params.payload_type == kForwardedSecond);
}

}  // namespace
}  // namespace sluice::worker
