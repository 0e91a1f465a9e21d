// What every video codec has in common on its way to a consumer: it begins with a key frame, for
// the first one as for one that joins late, comes back from a pause or follows a sender that has
// begun anew.
#include <algorithm>
#include <iterator>

#include "tests/unit/consumer/consumer_fixture.h"
#include "tests/unit/media/codec_samples.h"

namespace sluice::worker {
namespace {

class VideoCodecTest : protected ConsumerTest {
 protected:
  void Begin(bool with_rtx = true) {
    codec_ = &samples::kVideoCodecs[GENERATE(range(size_t{0}, std::size(samples::kVideoCodecs)))];
    Prepare(codec_->mime_type, with_rtx);
    Create();
  }
  /// A picture of one packet, whose last byte is its number.
  Source Picture(uint16_t sequence, bool key) const {
    Source source;
    source.sequence = sequence;
    source.timestamp = sequence * 3000u;
    source.marker = true;
    source.payload = key ? codec_->key : codec_->other;
    source.payload.push_back(static_cast<uint8_t>(sequence));
    return source;
  }
  void Show(uint16_t sequence, bool key) { Forward(Picture(sequence, key)); }
  /// Numbers of the pictures that went out.
  std::vector<int> Shown() {
    std::vector<int> shown;
    for (const RecordingEgress::Packet& packet : egress_.Take()) {
      shown.push_back(packet.payload().back());
    }
    return shown;
  }
  const samples::VideoCodec* codec_ = nullptr;
};

TEST_CASE_METHOD(VideoCodecTest, "every video codec begins with a key frame, which is asked for") {
  Begin();
  INFO(codec_->mime_type);
  Show(1, false);
  Show(2, false);
  CHECK(Shown().empty());
  CHECK(plis_ == 1);
  Show(3, true);
  Show(4, false);
  CHECK(Shown() == std::vector<int>{3, 4});
}

TEST_CASE_METHOD(VideoCodecTest,
                 "every video codec: who joins late begins with the next key frame") {
  Begin();
  INFO(codec_->mime_type);
  Show(1, true);
  Show(2, false);
  CHECK(Shown().size() == 2);
  const size_t asked = plis_;
  environment_.AdvanceBy(Duration::Seconds(2));
  RecordingEgress late_egress;
  late_egress.environment = &environment_;
  consume_.consumer_id = "late";
  consume_.rtp_parameters.encodings[0].ssrc = kSsrc + 100;
  consume_.rtp_parameters.encodings[0].rtx_ssrc = kRtxSsrc + 100;
  auto late = Consumer::Create(consume_, *producer_, late_egress, environment_, events_);
  REQUIRE(late.ok());
  CHECK(plis_ == asked + 1);
  Show(3, false);
  CHECK(late_egress.packets.empty());
  Show(4, true);
  Show(5, false);
  REQUIRE(late_egress.packets.size() == 2);
  CHECK(late_egress.packets[0].payload().back() == 4);
  CHECK(Shown() == std::vector<int>{3, 4, 5});  // the first one sees no break
}

TEST_CASE_METHOD(VideoCodecTest, "every video codec comes back from a pause with a key frame") {
  Begin();
  INFO(codec_->mime_type);
  Show(1, true);
  const uint16_t before = SequenceOf(egress_.packets.at(0));
  consumer_->Pause();
  Show(2, false);
  environment_.AdvanceBy(Duration::Seconds(2));
  const size_t asked = plis_;
  consumer_->Resume();
  CHECK(plis_ == asked + 1);
  Show(3, false);
  Show(4, true);
  REQUIRE(egress_.packets.size() == 2);
  CHECK(SequenceOf(egress_.packets[1]) == static_cast<uint16_t>(before + 1));
  CHECK(Shown() == std::vector<int>{1, 4});
}

TEST_CASE_METHOD(VideoCodecTest, "every video codec is repaired, and only what was sent") {
  Begin();
  INFO(codec_->mime_type);
  Show(1, true);
  Show(2, false);
  const auto sent = egress_.Take();
  REQUIRE(sent.size() == 2);
  Nack(SequenceOf(sent[1]));
  REQUIRE(egress_.packets.size() == 1);
  CHECK(egress_.packets[0].rtp_class == RtpClass::kRetransmission);
  const auto again = egress_.packets[0].payload();
  const auto original = sent[1].payload();
  REQUIRE(again.size() == original.size() + 2);
  CHECK(std::equal(original.begin(), original.end(), again.begin() + 2));
}

TEST_CASE_METHOD(VideoCodecTest,
                 "every video codec: packets that overtook their key frame follow it") {
  Begin();
  INFO(codec_->mime_type);
  Show(11, false);
  Show(12, false);
  CHECK(Shown().empty());
  Show(10, true);
  Show(13, false);
  CHECK(Shown() == std::vector<int>{10, 11, 12, 13});
}

TEST_CASE_METHOD(VideoCodecTest, "every video codec: a viewer's request reaches the sender") {
  Begin();
  INFO(codec_->mime_type);
  Show(1, true);
  environment_.AdvanceBy(Duration::Seconds(3));
  const size_t asked = plis_;
  consumer_->OnPli(0, environment_.Now());
  CHECK(plis_ == asked + 1);
  consumer_->OnFir(0, environment_.Now());
  CHECK(plis_ == asked + 1);  // merged
}

TEST_CASE_METHOD(VideoCodecTest, "every video codec: a trace tells key frames from others") {
  Begin();
  INFO(codec_->mime_type);
  producer_->EnableTraces(TraceBit(ProducerTraceType::kKeyFrame) |
                          TraceBit(ProducerTraceType::kRtp));
  consumer_->EnableTraces(TraceBit(ConsumerTraceType::kKeyFrame) |
                          TraceBit(ConsumerTraceType::kRtp));
  Show(1, true);
  Show(2, false);
  REQUIRE(events_.traces.size() == 2);
  CHECK(events_.traces[0].type == TraceReport::Type::kKeyFrame);
  CHECK(events_.traces[1].type == TraceReport::Type::kRtp);
}

}  // namespace
}  // namespace sluice::worker
