// What senders say of pictures in header extensions of their last packets: type of content, timing,
// colors.
#include "tests/unit/consumer/consumer_fixture.h"

namespace sluice::worker {
namespace {

using PictureBytes = std::vector<uint8_t>;

class PictureExtensionsTest : protected ConsumerTest {
 protected:
  static constexpr uint8_t kTheirContentType = 6;
  static constexpr uint8_t kTheirTiming = 7;
  static constexpr uint8_t kTheirColors = 8;

  PictureExtensionsTest() {
    for (size_t i = 0; i < hdr_.size(); ++i) hdr_[i] = static_cast<uint8_t>(i + 1);
  }

  void Prepare(const std::string& mime_type) {
    ConsumerTest::Prepare(mime_type, true);
    produce_.rtp_parameters.header_extensions = {
        {RtpExtensionUri::kVideoContentType, kTheirContentType, false, {}},
        {RtpExtensionUri::kVideoTiming, kTheirTiming, false, {}},
        {RtpExtensionUri::kColorSpace, kTheirColors, false, {}}};
    AddExtension(RtpExtensionUri::kMid, 1);
  }
  void TakeAll(uint8_t content_type, uint8_t timing, uint8_t colors) {
    AddExtension(RtpExtensionUri::kVideoContentType, content_type);
    AddExtension(RtpExtensionUri::kVideoTiming, timing);
    AddExtension(RtpExtensionUri::kColorSpace, colors);
  }
  /// A picture of a screen, of one packet, with all three.
  Source Picture(uint16_t sequence, bool key_frame, const PictureBytes& colors) const {
    Source source = Vp8(sequence, sequence * 3000u, key_frame);
    source.extensions = {{kTheirContentType, {1}}, {kTheirTiming, timing_}, {kTheirColors, colors}};
    return source;
  }
  static PictureBytes Value(const RecordingEgress::Packet& packet, uint8_t id) {
    const auto value = packet.View().Extension(id);
    return {value.begin(), value.end()};
  }

  const PictureBytes timing_ = {1, 0, 1, 0, 9, 0, 10, 0, 12, 0, 0, 0, 0};
  const PictureBytes colors_ = {1, 13, 1, 0x10};
  PictureBytes hdr_ = PictureBytes(28);
};

TEST_CASE_METHOD(PictureExtensionsTest,
                 "consumer: what is said of a picture arrives byte for byte") {
  Prepare("video/VP8");
  // The receiver's own ids, or the router's where it has one.
  const bool own = GENERATE(false, true);
  const uint8_t content_type = own ? 3 : 13;
  const uint8_t timing = 4;
  const uint8_t colors = own ? 5 : 14;
  TakeAll(content_type, timing, colors);
  Create();
  Forward(Picture(0, true, colors_));
  Forward(Vp8(1, 3000, false));  // a picture of which nothing is said
  const auto sent = egress_.Take();
  REQUIRE(sent.size() == 2);
  CHECK(Value(sent[0], content_type) == PictureBytes{1});
  CHECK(Value(sent[0], timing) == timing_);
  CHECK(Value(sent[0], colors) == colors_);
  CHECK(Value(sent[0], 1) == PictureBytes{'7'});
  CHECK(sent[0].bytes[12] == 0xBE);
  CHECK(sent[1].View().extension_count() == 1);

  // As does what is asked for again.
  environment_.AdvanceBy(Duration::Millis(20));
  Nack(SequenceOf(sent[0]));
  const auto repaired = egress_.Take();
  REQUIRE(repaired.size() == 1);
  CHECK(repaired[0].View().payload_type() == PayloadType(kRtxPayloadType));
  CHECK(Value(repaired[0], content_type) == PictureBytes{1});
  CHECK(Value(repaired[0], timing) == timing_);
  CHECK(Value(repaired[0], colors) == colors_);
}

TEST_CASE_METHOD(PictureExtensionsTest,
                 "consumer: colors with metadata go to who takes both forms of extensions") {
  Prepare("video/VP8");
  TakeAll(13, 4, 14);
  consume_.extmap_allow_mixed = GENERATE(false, true);
  Create();
  Forward(Picture(0, true, hdr_));
  Forward(Picture(1, false, colors_));
  const auto sent = egress_.Take();
  REQUIRE(sent.size() == 2);
  const bool mixed = consume_.extmap_allow_mixed;
  CHECK(Value(sent[0], 14) == (mixed ? hdr_ : PictureBytes{}));
  CHECK(sent[0].bytes[12] == (mixed ? 0x10 : 0xBE));
  CHECK(sent[1].bytes[12] == 0xBE);
  CHECK(Value(sent[1], 14) == colors_);
  for (const RecordingEgress::Packet& packet : sent) {
    CHECK(Value(packet, 1) == PictureBytes{'7'});
    CHECK(Value(packet, 13) == PictureBytes{1});
    CHECK(Value(packet, 4) == timing_);
  }
  // The repair of the packet is in its form.
  environment_.AdvanceBy(Duration::Millis(20));
  Nack(SequenceOf(sent[0]));
  const auto repaired = egress_.Take();
  REQUIRE(repaired.size() == 1);
  CHECK(Value(repaired[0], 14) == Value(sent[0], 14));
}

TEST_CASE_METHOD(PictureExtensionsTest,
                 "consumer: a repair without RTX is the packet, bit by bit") {
  Prepare("video/VP8");
  consume_.rtp_parameters.codecs.resize(1);
  consume_.rtp_parameters.encodings[0].rtx_ssrc.reset();
  TakeAll(13, 4, 14);
  consume_.extmap_allow_mixed = true;
  Create();
  Forward(Picture(0, true, hdr_));
  const auto sent = egress_.Take();
  REQUIRE(sent.size() == 1);
  CHECK(Value(sent[0], 14) == hdr_);
  environment_.AdvanceBy(Duration::Millis(20));
  Nack(SequenceOf(sent[0]));
  const auto repaired = egress_.Take();
  REQUIRE(repaired.size() == 1);
  CHECK(repaired[0].bytes == sent[0].bytes);
}

TEST_CASE_METHOD(
    PictureExtensionsTest,
    "consumer: of layers, what is said of a picture goes with the pictures that are sent") {
  Prepare("video/VP8");
  produce_.rtp_parameters.encodings[0].scalability_mode = "L1T2";
  consume_.rtp_parameters.encodings[0].scalability_mode = "L1T2";
  consume_.consumable_rtp_encodings[0].scalability_mode = "L1T2";
  TakeAll(3, 4, 5);
  consume_.extmap_allow_mixed = true;
  Create();
  // Picture id, TL0PICIDX and T of the descriptor: every other picture is of the upper layer.
  const auto picture = [&](uint16_t number) {
    Source source = Picture(number, number == 0, number % 4 < 2 ? colors_ : hdr_);
    source.extensions[0].second = {static_cast<uint8_t>(number)};
    const bool upper = number % 2 != 0;
    source.payload = {0x90,
                      0xE0,
                      0x80,
                      static_cast<uint8_t>(number),
                      static_cast<uint8_t>(number / 2),
                      static_cast<uint8_t>(upper ? 0x60 : 0x00),
                      static_cast<uint8_t>(number == 0 ? 0x10 : 0x11)};
    source.payload.resize(50, 9);
    return source;
  };
  // In the upper one the type's byte is odd here: who gets the lower one alone gets even ones.
  for (uint16_t number = 0; number < 8; ++number) Forward(picture(number));
  CHECK(egress_.Take().size() == 8);
  consumer_->SetPreferredLayers({0, uint8_t{0}});
  for (uint16_t number = 8; number < 16; ++number) Forward(picture(number));
  const auto lower = egress_.Take();
  REQUIRE(lower.size() == 4);
  for (size_t i = 0; i < lower.size(); ++i) {
    CHECK(Value(lower[i], 3) == PictureBytes{static_cast<uint8_t>(8 + 2 * i)});
    CHECK(Value(lower[i], 4) == timing_);
    CHECK(Value(lower[i], 5) == (i % 2 == 0 ? colors_ : hdr_));
  }
}

}  // namespace
}  // namespace sluice::worker
