#include "worker/core/layers/layer_filter.h"

#include <catch2/catch.hpp>
#include <memory>

namespace sluice::worker {
namespace {

using Verdict = LayerFilter::Verdict;

/// A picture of one packet.
RoutedPacket Picture(int number, bool key = false) {
  RoutedPacket packet;
  packet.timestamp = RtpTimestamp(static_cast<uint32_t>(number) * 3000);
  packet.frame.start = packet.frame.end = true;
  packet.frame.key = key;
  return packet;
}

/// A stream of one layer that has descriptors.
class Describer {
 public:
  Describer() {
    auto structure = std::make_shared<DependencyStructure>();
    structure->target_count = 1;
    structure->contained[0] = 1;
    descriptor_.structure = structure;
    descriptor_.active_targets = 1;
    descriptor_.start_of_frame = descriptor_.end_of_frame = true;
    descriptor_.frame.indications[0] = DecodeTargetIndication::kSwitch;
  }
  /// `packet` with one, whose frame refers to the one before it unless it is a key frame.
  RoutedPacket With(RoutedPacket packet) {
    ++descriptor_.frame_number;
    descriptor_.brings_structure = packet.frame.key;
    descriptor_.frame.reference_count = packet.frame.key ? 0 : 1;
    descriptor_.frame.references[0] = 1;
    packet.frame.descriptor = &descriptor_;
    return packet;
  }

 private:
  DependencyDescriptor descriptor_;
};

TEST_CASE("layer filter: a sender may begin to write descriptors, and cease, with a key frame") {
  LayerFilter filter;
  filter.Reset();
  Describer describer;
  CHECK(filter.Decide(Picture(1, true)) == Verdict::kForward);
  CHECK(filter.Decide(Picture(2)) == Verdict::kForward);
  CHECK(filter.Decide(describer.With(Picture(3, true))) == Verdict::kForward);
  CHECK(filter.Decide(describer.With(Picture(4))) == Verdict::kForward);
  // Without one nothing can be said of a frame now.
  CHECK_FALSE(filter.IsReadable(Picture(5)));
  CHECK(filter.Decide(Picture(5)) == Verdict::kUnreadable);
  CHECK(filter.Decide(describer.With(Picture(6))) == Verdict::kForward);
  CHECK(filter.Decide(Picture(7, true)) == Verdict::kForward);
  CHECK(filter.Decide(Picture(8)) == Verdict::kForward);
}

TEST_CASE("layer filter: what came before a key frame is known behind it") {
  LayerFilter filter;
  filter.Reset();
  CHECK(filter.Decide(Picture(1, true)) == Verdict::kForward);
  CHECK(filter.Decide(Picture(2)) == Verdict::kForward);
  CHECK(filter.Decide(Picture(4, true)) == Verdict::kForward);
  CHECK(filter.Decide(Picture(3)) == Verdict::kForward);  // late, of the group before
  CHECK(filter.Decide(Picture(0)) != Verdict::kForward);  // from before the beginning
}

/// A packet of one of two spatial layers (VP9).
RoutedPacket PacketOf(int picture, uint8_t layer, bool key, bool end) {
  RoutedPacket packet = Picture(picture, key);
  packet.frame.start = key;
  packet.frame.end = end;
  packet.frame.spatial_layer = packet.info.spatial_layer = layer;
  packet.info.inter_layer = layer > 0;
  return packet;
}

TEST_CASE("layer filter: nothing follows what has gone out as the end of a picture") {
  LayerFilter filter;
  filter.Reset();
  filter.SetTarget(0, 0);
  CHECK(filter.Decide(PacketOf(1, 0, true, true)) == Verdict::kForward);
  CHECK(filter.Decide(PacketOf(1, 1, false, true)) == Verdict::kDrop);
  filter.SetTarget(1, 0);
  // Of a key picture what has overtaken its first packet.
  CHECK(filter.Decide(PacketOf(2, 0, false, false)) == Verdict::kForward);
  const bool has_end = GENERATE(false, true);
  if (has_end) CHECK(filter.Decide(PacketOf(2, 0, false, true)) == Verdict::kForward);
  CHECK(filter.picture_top() == 0);
  CHECK(filter.Decide(PacketOf(2, 0, true, false)) == Verdict::kForward);
  CHECK(filter.picture_top() == (has_end ? 0 : 1));
  CHECK((filter.Decide(PacketOf(2, 1, false, true)) == Verdict::kForward) == !has_end);
  CHECK(filter.wants_key_frame() == has_end);
  CHECK(filter.Decide(PacketOf(3, 0, false, true)) == Verdict::kForward);
  CHECK(filter.picture_top() == (has_end ? 0 : 1));
  CHECK((filter.Decide(PacketOf(3, 1, false, true)) == Verdict::kForward) == !has_end);
  CHECK(filter.Decide(PacketOf(4, 0, true, true)) == Verdict::kForward);
  CHECK(filter.picture_top() == 1);
  CHECK(filter.Decide(PacketOf(4, 1, false, true)) == Verdict::kForward);
  CHECK_FALSE(filter.wants_key_frame());
}

TEST_CASE("layer filter: where there is one layer, the end of a picture takes none away") {
  LayerFilter filter;
  filter.Reset();
  CHECK(filter.Decide(PacketOf(1, 0, true, true)) == Verdict::kForward);
  CHECK(filter.Decide(PacketOf(2, 0, false, true)) == Verdict::kForward);
  CHECK(filter.Decide(PacketOf(2, 0, true, false)) == Verdict::kForward);
  CHECK_FALSE(filter.wants_key_frame());
  CHECK(filter.Decide(PacketOf(3, 0, false, true)) == Verdict::kForward);
}

}  // namespace
}  // namespace sluice::worker
