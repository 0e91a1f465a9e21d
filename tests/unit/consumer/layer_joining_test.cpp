// Spatial layers of AV1 for receivers without dependency descriptors: one frame a picture.
#include <string_view>

#include "tests/unit/consumer/consumer_fixture.h"

namespace sluice::worker {
namespace {

using Bytes = std::vector<uint8_t>;

/// From zeros and ones; anything else separates.
Bytes Bits(std::string_view text) {
  Bytes bytes;
  size_t count = 0;
  for (const char c : text) {
    if (c != '0' && c != '1') continue;
    if (count++ % 8 == 0) bytes.push_back(0);
    if (c == '1') bytes.back() |= static_cast<uint8_t>(0x80 >> (count - 1) % 8);
  }
  return bytes;
}

/// A producer of L2T1 or L2T1_KEY with descriptors, and a consumer of it.
class LayerJoiningTest : protected ConsumerTest {
 protected:
  // Templates: 0 S0 of a key picture, 1 S0 later, 2 S1 of a key picture, 3 S1 later, which refers
  // to S0 of its picture, 4 S1 later, which does not. Targets: S0, S1.
  static constexpr std::string_view kStructure =
      "1 0000 000000 00001  00 10 00 00 11  1010 1010 0010 0011 0011"
      "  0  1 0001 0  1 0000 0  1 0001 1 0000 0  1 0001 0  0 0";
  enum Template : uint8_t { kKeyS0, kS0, kKeyS1, kS1, kAloneS1 };

  void Prepare(bool joins_layers, bool with_rtx = true) {
    ConsumerTest::Prepare("video/AV1", with_rtx);
    RtpHeaderExtensionParameters extension;
    extension.uri = RtpExtensionUri::kDependencyDescriptor;
    extension.id = kDescriptorId;
    produce_.rtp_parameters.header_extensions.push_back(extension);
    produce_.rtp_parameters.encodings[0].scalability_mode = "L2T1";
    consume_.rtp_parameters.encodings[0].scalability_mode = "L2T1";
    consume_.consumable_rtp_encodings[0].scalability_mode = "L2T1";
    consume_.joins_layers = joins_layers;
  }
  /// A frame of `packets` packets.
  void Frame(uint8_t used, bool marker, int packets = 1) {
    for (int i = 0; i < packets; ++i) {
      const bool first = i == 0;
      const bool last = i + 1 == packets;
      Source source;
      source.sequence = sequence_++;
      source.timestamp = picture_ * 3000;
      source.marker = marker && last;
      source.descriptor = {static_cast<uint8_t>((first ? 0x80 : 0) | (last ? 0x40 : 0) | used), 0,
                           number_};
      if (used == kKeyS0 && first) {
        const Bytes structure = Bits(kStructure);
        source.descriptor.insert(source.descriptor.end(), structure.begin(), structure.end());
      }
      uint8_t aggregation = used == kKeyS0 && first ? 0x18 : 0x10;
      if (!first) aggregation |= 0x80;
      if (!last) aggregation |= 0x40;
      source.payload = {aggregation, 0x30, used, static_cast<uint8_t>(i)};
      Forward(source);
    }
    ++number_;
    if (marker) ++picture_;
  }
  std::vector<Bytes> Payloads() {
    std::vector<Bytes> payloads;
    markers_.clear();
    for (const RecordingEgress::Packet& packet : taken_ = egress_.Take()) {
      payloads.push_back(packet.payload());
      markers_.push_back(packet.View().marker());
    }
    return payloads;
  }

  uint16_t sequence_ = 100;
  uint32_t picture_ = 1;
  uint8_t number_ = 0;
  std::vector<RecordingEgress::Packet> taken_;
  std::vector<bool> markers_;
};

TEST_CASE_METHOD(LayerJoiningTest, "AV1 layers: the layers of a picture hang together") {
  Prepare(true);
  Create();
  Frame(kKeyS0, false);
  Frame(kKeyS1, true);
  CHECK(Payloads() == std::vector<Bytes>{{0x58, 0x30, kKeyS0, 0}, {0xA0, 0, 0x30, kKeyS1, 0}});
  CHECK(markers_ == std::vector{false, true});
  Frame(kS0, false, 2);
  Frame(kS1, true, 2);
  CHECK(Payloads() == std::vector<Bytes>{{0x50, 0x30, kS0, 0},
                                         {0xD0, 0x30, kS0, 1},
                                         {0xE0, 0, 0x30, kS1, 0},
                                         {0x90, 0x30, kS1, 1}});
  // Its sender leaves the upper layer out.
  Frame(kS0, true);
  CHECK(Payloads() == std::vector<Bytes>{{0x10, 0x30, kS0, 0}});
}

TEST_CASE_METHOD(LayerJoiningTest, "AV1 layers: what goes out alone stays alone") {
  Prepare(true);
  Create();
  Frame(kKeyS0, false);
  Frame(kKeyS1, true);
  Payloads();
  // As with L2T1_KEY: the lower frame is none of the upper target's.
  Frame(kAloneS1, true);
  CHECK(Payloads() == std::vector<Bytes>{{0x10, 0x30, kAloneS1, 0}});
  consumer_->SetPreferredLayers({0, uint8_t{0}});
  Frame(kKeyS0, false);
  Frame(kKeyS1, true);
  CHECK(Payloads() == std::vector<Bytes>{{0x18, 0x30, kKeyS0, 0}});
  CHECK(markers_ == std::vector{true});
}

TEST_CASE_METHOD(LayerJoiningTest, "AV1 layers: what is sent again is what was sent") {
  Prepare(true);
  Create();
  Frame(kKeyS0, false);
  Frame(kKeyS1, true);
  Payloads();
  Nack(taken_[0].View().sequence_number().value(), 1);
  const auto payloads = Payloads();
  REQUIRE(payloads.size() == 2);
  CHECK(Bytes(payloads[0].begin() + 2, payloads[0].end()) == Bytes{0x58, 0x30, kKeyS0, 0});
  CHECK(Bytes(payloads[1].begin() + 2, payloads[1].end()) == Bytes{0xA0, 0, 0x30, kKeyS1, 0});
}

TEST_CASE_METHOD(LayerJoiningTest, "AV1 layers: left as they are for all other receivers") {
  const bool joins = GENERATE(true, false);
  Prepare(joins);
  if (joins) AddExtension(RtpExtensionUri::kDependencyDescriptor);
  Create();
  Frame(kKeyS0, false);
  Frame(kKeyS1, true);
  CHECK(Payloads() == std::vector<Bytes>{{0x18, 0x30, kKeyS0, 0}, {0x10, 0x30, kKeyS1, 0}});
}

}  // namespace
}  // namespace sluice::worker
