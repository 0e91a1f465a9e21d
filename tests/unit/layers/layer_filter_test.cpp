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

}  // namespace
}  // namespace sluice::worker
