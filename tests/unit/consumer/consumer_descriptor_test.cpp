// Dependency descriptors on their way to a consumer that takes them: what a receiver reads there
// fits what it is sent.
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

/// A producer of L1T2 with descriptors, and a consumer that reads them.
class DescriptorTest : protected ConsumerTest {
 protected:
  // Templates: 0 T0 of a key frame, 1 T0 later, which refers to two before it, 2 T1, to the one
  // before it, and nothing refers to it. Targets: T0, T1.
  static constexpr std::string_view kStructure =
      "1 0000 000000 00001  00 01 11  1010 1010 0001  0  1 0001 0  1 0000 0  0 0";
  enum Template : uint8_t { kKey, kT0, kT1 };

  DescriptorTest() {
    Prepare("video/AV1", true);
    RtpHeaderExtensionParameters extension;
    extension.uri = RtpExtensionUri::kDependencyDescriptor;
    extension.id = kDescriptorId;
    produce_.rtp_parameters.header_extensions.push_back(extension);
    AddExtension(extension.uri, kDescriptorId);
    produce_.rtp_parameters.encodings[0].scalability_mode = "L1T2";
    consume_.rtp_parameters.encodings[0].scalability_mode = "L1T2";
    consume_.consumable_rtp_encodings[0].scalability_mode = "L1T2";
    Create();
  }
  /// The descriptors of the frame's packets as the receiver reads them; none: it is left out.
  std::vector<DependencyDescriptor> Frame(Template used, int packets = 1) {
    ++number_;
    for (int i = 0; i < packets; ++i) {
      const bool first = i == 0;
      const bool last = i + 1 == packets;
      Source source;
      source.sequence = ++sequence_;
      source.timestamp = number_ * 3000u;
      source.marker = last;
      source.descriptor = {static_cast<uint8_t>((first ? 0x80 : 0) | (last ? 0x40 : 0) | used), 0,
                           number_};
      if (used == kKey && first) {
        const Bytes structure = Bits(kStructure);
        source.descriptor.insert(source.descriptor.end(), structure.begin(), structure.end());
      }
      source.payload = {static_cast<uint8_t>(used == kKey && first ? 0x18 : 0x10), 0x30, used};
      Forward(source);
    }
    std::vector<DependencyDescriptor> read;
    for (const RecordingEgress::Packet& packet : egress_.Take()) {
      REQUIRE(reader_.Read(packet.View().Extension(kDescriptorId), &read.emplace_back()));
    }
    return read;
  }

  uint16_t sequence_ = 100;
  uint8_t number_ = 0;
  DependencyDescriptorReader reader_;
};

TEST_CASE_METHOD(DescriptorTest, "descriptor: goes on as it came while all layers are sent") {
  const auto key = Frame(kKey);
  REQUIRE(key.size() == 1);
  CHECK(key[0].brings_structure);
  CHECK(key[0].active_targets == 0b11);
  const auto upper = Frame(kT1);
  REQUIRE(upper.size() == 1);
  CHECK_FALSE(upper[0].brings_targets);
  CHECK(upper[0].frame_number == 2);
  CHECK(upper[0].frame.temporal_layer == 1);
}

TEST_CASE_METHOD(DescriptorTest,
                 "descriptor: says when layers are left out, and when they return") {
  Frame(kKey);
  Frame(kT1);
  consumer_->SetPreferredLayers({0, uint8_t{0}});
  const auto lower = Frame(kT0, 2);
  REQUIRE(lower.size() == 2);
  CHECK(lower[0].brings_targets);
  CHECK(lower[0].active_targets == 0b01);
  CHECK_FALSE(lower[1].brings_targets);  // it is said once a frame
  CHECK(lower[1].active_targets == 0b01);
  CHECK(Frame(kT1).empty());
  CHECK(Frame(kT0).at(0).active_targets == 0b01);
  CHECK(Frame(kT1).empty());

  consumer_->SetPreferredLayers({0, uint8_t{1}});
  const auto all = Frame(kT0);
  REQUIRE(all.size() == 1);
  CHECK(all[0].brings_targets);
  CHECK(all[0].active_targets == 0b11);
  const auto upper = Frame(kT1);
  REQUIRE(upper.size() == 1);
  CHECK(upper[0].active_targets == 0b11);
}

TEST_CASE_METHOD(DescriptorTest, "descriptor: a pause ends the layers, and its end brings them") {
  struct Reports final : EngineEvents {
    void OnConsumerLayers(const std::string&,
                          const std::optional<ConsumerLayers>& layers) override {
      all.push_back(layers);
    }
    std::vector<std::optional<ConsumerLayers>> all;
  };
  Reports reports;
  RecordingEgress egress;
  egress.environment = &environment_;
  consume_.consumer_id = "d";
  auto created = Consumer::Create(consume_, *producer_, egress, environment_, reports);
  REQUIRE(created.ok());
  Consumer& consumer = **created;
  const ConsumerLayers layers{0, uint8_t{1}};
  Frame(kKey);
  Frame(kT1);
  REQUIRE(reports.all.size() == 1);
  CHECK(reports.all[0] == layers);
  consumer.Pause();
  REQUIRE(reports.all.size() == 2);
  CHECK_FALSE(reports.all[1]);
  consumer.Resume();
  CHECK(reports.all.size() == 2);
  Frame(kKey);
  REQUIRE(reports.all.size() == 3);
  CHECK(reports.all[2] == layers);
}

TEST_CASE_METHOD(DescriptorTest, "descriptor: what waits to be read counts as memory") {
  Frame(kKey);
  const size_t before = consumer_->MemoryUsage();
  Source unreadable;
  unreadable.sequence = ++sequence_;
  unreadable.timestamp = ++number_ * 3000u;
  unreadable.payload = {0x10, 0x30, 1};
  Forward(unreadable);
  CHECK(egress_.packets.empty());
  CHECK(consumer_->MemoryUsage() > before);
}

}  // namespace
}  // namespace sluice::worker
