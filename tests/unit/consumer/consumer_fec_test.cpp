// FlexFEC on its way from a sender to receivers: it goes on only where it is true of what they got.
#include "tests/unit/consumer/consumer_fixture.h"
#include "worker/media/fec_stream.h"
#include "worker/wire/flexfec.h"

namespace sluice::worker {
namespace {

using Bytes = std::vector<uint8_t>;

class FecTest : protected ConsumerTest {
 protected:
  static constexpr uint8_t kFecType = kProducerPayloadType + 10;
  static constexpr uint8_t kForwardedFecType = kPayloadType + 10;
  static constexpr uint32_t kProducerFecSsrc = 1113;
  static constexpr uint32_t kFecSsrc = 3335;

  static RtpCodecParameters FecCodec(uint8_t payload_type) {
    RtpCodecParameters codec;
    codec.mime_type = "video/flexfec-03";
    codec.payload_type = payload_type;
    codec.clock_rate = 90'000;
    return codec;
  }
  void Prepare(bool receiver_takes_fec = true) {
    ConsumerTest::Prepare("video/VP8", false);
    produce_.rtp_parameters.codecs.push_back(FecCodec(kFecType));
    produce_.rtp_parameters.encodings[0].fec_ssrc = kProducerFecSsrc;
    produce_.rtp_mapping.codecs.push_back({kFecType, kForwardedFecType});
    if (!receiver_takes_fec) return;
    consume_.rtp_parameters.codecs.push_back(FecCodec(kForwardedFecType));
    consume_.rtp_parameters.encodings[0].fec_ssrc = kFecSsrc;
  }
  /// The receiver says one half of what it takes to be sent FEC.
  void PrepareHalf(bool codec) {
    Prepare(false);
    if (codec) {
      consume_.rtp_parameters.codecs.push_back(FecCodec(kForwardedFecType));
    } else {
      consume_.rtp_parameters.encodings[0].fec_ssrc = kFecSsrc;
    }
  }
  void Fec(uint16_t sequence, uint16_t base, uint16_t mask, uint32_t timestamp = 3000,
           uint32_t protects = kProducerSsrc) {
    Bytes bytes{0x80, kFecType, static_cast<uint8_t>(sequence >> 8),
                static_cast<uint8_t>(sequence)};
    for (const uint32_t word : {timestamp, kProducerFecSsrc}) Append(word, &bytes);
    const Bytes head{0, 0x60, 0, 9, 1, 2, 3, 4, 1, 0, 0, 0};
    bytes.insert(bytes.end(), head.begin(), head.end());
    Append(protects, &bytes);
    for (const uint16_t word : {base, static_cast<uint16_t>(0x8000 | mask)}) {
      bytes.push_back(static_cast<uint8_t>(word >> 8));
      bytes.push_back(static_cast<uint8_t>(word));
    }
    bytes.insert(bytes.end(), {7, 8, 9});
    const PacketRef buffer = pool_.Copy(bytes);
    auto packet = RtpPacket::Parse({buffer.data(), bytes.size()});
    REQUIRE(packet);
    result_ = producer_->OnRtp(buffer, *packet, environment_.Now());
    Deliver();
  }
  static void Append(uint32_t word, Bytes* bytes) {
    for (int shift = 24; shift >= 0; shift -= 8) {
      bytes->push_back(static_cast<uint8_t>(word >> shift));
    }
  }
  Producer::ReceiveResult result_ = Producer::ReceiveResult::kDiscarded;
};

constexpr uint16_t kFirstThree = 0x7000;

TEST_CASE_METHOD(FecTest, "FEC: goes on under the names that the receiver knows") {
  Prepare();
  consume_.rtp_parameters.mid = "";
  Create();
  for (uint16_t i = 0; i < 3; ++i) Forward(Vp8(100 + i, 3000, i == 0));
  const auto media = egress_.Take();
  REQUIRE(media.size() == 3);
  Fec(9, 100, kFirstThree);
  CHECK(result_ == Producer::ReceiveResult::kRepair);
  Fec(10, 101, 0x4000);
  const auto sent = egress_.Take();
  REQUIRE(sent.size() == 2);
  const RtpPacket packet = sent[0].View();
  CHECK(packet.ssrc() == Ssrc(kFecSsrc));
  CHECK(packet.payload_type() == PayloadType(kForwardedFecType));
  CHECK(packet.timestamp() == RtpTimestamp(3000));
  const auto header = ParseFlexfec(packet.payload());
  REQUIRE(header);
  CHECK(header->ssrc == Ssrc(kSsrc));
  CHECK(header->base.value() == SequenceOf(media[0]));
  CHECK(header->protected_count == 3);
  // The payload types of three packets are in the XOR, an odd number: it is that of the receiver.
  CHECK(packet.payload()[1] == (0x60 ^ kProducerPayloadType ^ kPayloadType));
  CHECK(Bytes(packet.payload().end() - 3, packet.payload().end()) == Bytes{7, 8, 9});
  CHECK(SequenceOf(sent[1]) == static_cast<uint16_t>(SequenceOf(sent[0]) + 1));
  CHECK(ParseFlexfec(sent[1].View().payload())->base.value() == SequenceOf(media[1]));
  // The media has no holes where FEC came in between.
  Forward(Vp8(103, 6000, false));
  CHECK(SequenceOf(egress_.Take().at(0)) == static_cast<uint16_t>(SequenceOf(media[2]) + 1));
  CHECK(consumer_->counters().fec_unfit == 0);
}

TEST_CASE_METHOD(FecTest, "FEC: is not for a receiver that did not negotiate it") {
  Prepare(false);
  Create();
  Forward(Vp8(100, 3000, true));
  egress_.Take();
  Fec(9, 100, 0x4000);
  CHECK(egress_.packets.empty());
  CHECK(consumer_->counters().fec_unfit == 0);
}

TEST_CASE_METHOD(FecTest, "FEC: of packets whose header extensions were written anew is wrong") {
  Prepare();
  AddExtension(RtpExtensionUri::kMid);  // the sender's packets have none
  Create();
  Forward(Vp8(100, 3000, true));
  egress_.Take();
  Fec(9, 100, 0x4000);
  CHECK(egress_.packets.empty());
  CHECK(consumer_->counters().fec_unfit == 1);
}

TEST_CASE_METHOD(FecTest, "FEC: of packets with other distances than their sender's is wrong") {
  Prepare();
  consume_.rtp_parameters.mid = "";
  Create();
  Forward(Vp8(100, 3000, true));
  Forward(Padding(101, 3000));
  Forward(Vp8(102, 6000, false));
  egress_.Take();
  Fec(9, 100, 0x5000);  // 100 and 102, which now follow each other
  CHECK(egress_.packets.empty());
  Fec(10, 100, kFirstThree);  // the padding, too, which has not gone out
  CHECK(egress_.packets.empty());
  Fec(11, 102, 0x4000);
  CHECK(egress_.packets.size() == 1);
  CHECK(consumer_->counters().fec_unfit == 2);
}

TEST_CASE_METHOD(FecTest,
                 "FEC: waits for nobody: of packets that have not gone out it is not sent") {
  Prepare();
  consume_.rtp_parameters.mid = "";
  Create();
  Fec(8, 100, 0x4000);  // before any media
  CHECK(result_ == Producer::ReceiveResult::kDiscarded);
  Forward(Vp8(100, 3000, true));
  Forward(Vp8(102, 6000, false));
  egress_.Take();
  Fec(9, 100, kFirstThree);  // 101 was lost
  Fec(10, 102, 0x6000);      // 103 has not come
  CHECK(egress_.packets.empty());
  Forward(Vp8(101, 3000, false));
  egress_.Take();
  Fec(11, 100, kFirstThree);
  CHECK(egress_.packets.size() == 1);
}

TEST_CASE_METHOD(FecTest, "FEC: of a stream whose time or picture ids were moved is wrong") {
  Prepare();
  consume_.rtp_parameters.mid = "";
  Create();
  Forward(Vp8(100, 3000, true, 5));
  consumer_->Pause();
  environment_.AdvanceBy(Duration::Seconds(5));
  Forward(Vp8(101, 453'000, false, 6));
  consumer_->Resume();
  Forward(Vp8(102, 456'000, true, 7));  // its picture id closes up
  egress_.Take();
  Fec(9, 102, 0x4000, 456'000);
  CHECK(egress_.packets.empty());
  CHECK(consumer_->counters().fec_unfit == 1);
}

TEST_CASE_METHOD(FecTest, "FEC: masks over no packets, of other streams, repeated: counted") {
  Prepare();
  consume_.rtp_parameters.mid = "";
  Create();
  Forward(Vp8(100, 3000, true));
  egress_.Take();
  Fec(9, 100, 0);
  Fec(10, 100, 0x4000, 3000, /*protects=*/77);
  CHECK(producer_->counters().unreadable_fec == 2);
  Fec(10, 100, 0x4000);
  CHECK(result_ == Producer::ReceiveResult::kDiscarded);
  CHECK(egress_.packets.empty());
  Fec(11, 40'000, 0x7fff);  // far away from all that was sent
  CHECK(egress_.packets.empty());
}

TEST_CASE_METHOD(FecTest, "FEC: what does not leave takes no number and counts as refused") {
  Prepare();
  Create();
  for (uint16_t i = 0; i < 3; ++i) Forward(Vp8(i, 3000, i == 0));
  REQUIRE(egress_.Take().size() == 3);
  egress_.refuses = true;
  Fec(1, 0, kFirstThree);
  egress_.refuses = false;
  egress_.full = true;
  Fec(2, 0, kFirstThree);
  egress_.full = false;
  CHECK(consumer_->counters().refused == 2);
  Fec(3, 0, kFirstThree);
  Fec(4, 0, kFirstThree);
  const auto sent = egress_.Take();
  REQUIRE(sent.size() == 2);
  CHECK(SequenceOf(sent[1]) == static_cast<uint16_t>(SequenceOf(sent[0]) + 1));
  CHECK(consumer_->counters().fec_unfit == 0);
}

TEST_CASE_METHOD(FecTest, "FEC: its SSRC can be learned, and may not be the media's") {
  Prepare();
  consume_.rtp_parameters.mid = "";
  produce_.rtp_parameters.encodings[0].fec_ssrc.reset();
  produce_.rtp_parameters.mid = "0";
  Create();
  Forward(Vp8(100, 3000, true));
  egress_.Take();
  Fec(9, 100, 0x4000);
  CHECK(egress_.packets.size() == 1);
  CHECK(producer_->HasSsrc(Ssrc(kProducerFecSsrc)));
  produce_.rtp_parameters.encodings[0].fec_ssrc = kProducerSsrc;
  CHECK_FALSE(Producer::Create(produce_, *this, environment_, events_).ok());
}

TEST_CASE_METHOD(FecTest, "FEC: of packets that were forgotten, or refused, is not sent") {
  Prepare();
  consume_.rtp_parameters.mid = "";
  Create();
  constexpr uint16_t kLast = 100 + FecStream::kRemembered - 1;
  for (uint16_t i = 100; i <= kLast; ++i) Forward(Vp8(i, 3000, i == 100));
  egress_.Take();
  Fec(1, 100, 0x4000);
  CHECK(egress_.Take().size() == 1);
  // The next one's place is that of the first.
  egress_.full = true;
  Forward(Vp8(kLast + 1, 3000, false));
  egress_.full = false;
  Fec(2, kLast + 1, 0x4000);
  CHECK(egress_.Take().empty());
  Forward(Vp8(kLast + 2, 3000, false));
  egress_.Take();
  Fec(3, 101, 0x4000);
  CHECK(egress_.Take().empty());
  Fec(4, 102, 0x4000);
  CHECK(egress_.Take().size() == 1);
  CHECK(consumer_->counters().fec_unfit == 2);
}

TEST_CASE_METHOD(FecTest, "FEC: half of a negotiation is none") {
  PrepareHalf(GENERATE(false, true));
  Create();
  Forward(Vp8(1, 3000, true));
  Fec(1, 1, 0x4000);
  Forward(Vp8(2, 6000, false));
  const auto sent = egress_.Take();
  REQUIRE(sent.size() == 2);
  for (const auto& packet : sent) CHECK(packet.View().payload_type() == PayloadType(kPayloadType));
}

}  // namespace
}  // namespace sluice::worker
