#include "worker/core/layers/descriptor_filter.h"

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <memory>
#include <vector>

namespace sluice::worker {
namespace {

struct Layer {
  uint8_t spatial = 0;
  uint8_t temporal = 0;
  friend bool operator==(const Layer&, const Layer&) = default;
};

/// A target for each of `layers`, which has the frames of all layers not above it.
std::shared_ptr<DependencyStructure> StructureOf(const std::vector<Layer>& layers) {
  auto structure = std::make_shared<DependencyStructure>();
  structure->target_count = static_cast<uint8_t>(layers.size());
  for (size_t i = 0; i < layers.size(); ++i) {
    structure->layers[i] = {layers[i].spatial, layers[i].temporal};
    for (size_t j = 0; j < layers.size(); ++j) {
      const bool within =
          layers[j].spatial <= layers[i].spatial && layers[j].temporal <= layers[i].temporal;
      if (within) structure->contained[i] |= uint32_t{1} << j;
    }
  }
  return structure;
}

/// A filter for `wanted` that has seen a key frame which begins all targets of `layers`.
class Chooser {
 public:
  Chooser(const std::vector<Layer>& layers, Layer wanted, uint32_t active = ~uint32_t{0}) {
    filter.SetTarget(wanted.spatial, wanted.temporal);
    descriptor_.structure = StructureOf(layers);
    descriptor_.brings_structure = true;
    descriptor_.start_of_frame = descriptor_.end_of_frame = true;
    descriptor_.active_targets = active & descriptor_.structure->AllTargets();
    descriptor_.frame.indications.fill(DecodeTargetIndication::kSwitch);
    Frame();
  }
  /// The next frame, of the lowest layer, from which every target can be switched to; it refers to
  /// the one so many before it.
  bool Frame(uint16_t distance = 1) {
    descriptor_.frame.references[0] = distance;
    RoutedPacket packet;
    packet.timestamp = RtpTimestamp(++descriptor_.frame_number * 3000u);
    packet.frame.descriptor = &descriptor_;
    const bool forwarded = filter.Decide(packet);
    descriptor_.brings_structure = false;
    descriptor_.frame.reference_count = 1;
    return forwarded;
  }
  void SetActive(uint32_t active) { descriptor_.active_targets = active; }
  Layer chosen() const { return {filter.spatial(), filter.temporal()}; }

  DescriptorFilter filter;

 private:
  DependencyDescriptor descriptor_;
};

const std::vector<Layer> kTwoByThree = {{0, 0}, {0, 1}, {0, 2}, {1, 0}, {1, 1}, {1, 2}};

/// `all` in an order of its own for each `seed`.
std::vector<Layer> Shuffled(std::vector<Layer> all, int seed) {
  std::rotate(all.begin(), all.begin() + seed % static_cast<int>(all.size()), all.end());
  if (seed >= static_cast<int>(all.size())) std::reverse(all.begin(), all.end());
  return all;
}

TEST_CASE("descriptor filter: what is wanted is taken, in whatever order the targets stand") {
  for (int seed = 0; seed < 12; ++seed) {
    const std::vector<Layer> layers = Shuffled(kTwoByThree, seed);
    for (const Layer& wanted : layers) {
      CAPTURE(seed, +wanted.spatial, +wanted.temporal);
      CHECK(Chooser(layers, wanted).chosen() == wanted);
    }
    CHECK(Chooser(layers, {0xff, 0xff}).chosen() == Layer{1, 2});
  }
}

TEST_CASE("descriptor filter: else the nearest below, or where there is none the lowest above") {
  for (int seed = 0; seed < 8; ++seed) {
    CAPTURE(seed);
    CHECK(Chooser(Shuffled({{0, 1}, {0, 2}, {0, 3}, {0, 0}}, seed), {0, 2}).chosen() ==
          Layer{0, 2});
    CHECK(Chooser(Shuffled({{0, 3}, {0, 1}, {0, 4}, {0, 2}}, seed), {0, 0}).chosen() ==
          Layer{0, 1});
    CHECK(Chooser(Shuffled({{0, 0}, {1, 0}, {3, 0}, {4, 0}}, seed), {2, 0}).chosen() ==
          Layer{1, 0});
    CHECK(Chooser(Shuffled({{4, 0}, {2, 0}, {3, 0}, {1, 0}}, seed), {0, 0}).chosen() ==
          Layer{1, 0});
    // The size of the picture counts before its rate.
    CHECK(Chooser(Shuffled({{0, 0}, {0, 1}, {1, 2}, {2, 0}}, seed), {1, 0}).chosen() ==
          Layer{1, 2});
  }
}

TEST_CASE("descriptor filter: targets that the sender has stopped are no choice") {
  // S1T2 and S1T1 are off.
  Chooser chooser(kTwoByThree, {1, 2}, 0b001111);
  CHECK(chooser.chosen() == Layer{1, 0});
  // None is on: that says nothing.
  CHECK(Chooser(kTwoByThree, {1, 2}, 0).chosen() == Layer{1, 2});
  // On again: from the next frame that allows it.
  chooser.SetActive(0b111111);
  CHECK(chooser.Frame());
  CHECK(chooser.chosen() == Layer{1, 2});
}

TEST_CASE("descriptor filter: what refers to a frame that is not remembered is left out") {
  Chooser chooser({{0, 0}}, {0, 0});  // with the first frame
  CHECK_FALSE(chooser.Frame(2));      // to what came before it
  CHECK(chooser.Frame(2));
  for (size_t i = 3; i < 2 * DescriptorFilter::kFrames; ++i) REQUIRE(chooser.Frame());
  CHECK(chooser.Frame(DescriptorFilter::kFrames - 1));
  CHECK_FALSE(chooser.Frame(DescriptorFilter::kFrames));
}

TEST_CASE("descriptor filter: tells the receiver of the targets that are left to it, and back") {
  Chooser chooser(kTwoByThree, {1, 2});
  CHECK(chooser.filter.active_targets() == 0);  // as the sender says
  chooser.filter.SetTarget(0, 1);
  chooser.Frame();
  CHECK(chooser.filter.active_targets() == 0b000011);
  chooser.Frame();
  CHECK(chooser.filter.active_targets() == 0b000011);
  chooser.filter.SetTarget(1, 2);
  chooser.Frame();
  CHECK(chooser.chosen() == Layer{1, 2});
  CHECK(chooser.filter.active_targets() == 0b111111);  // it has to be taken back
}

TEST_CASE("descriptor filter: a picture of which frames were sent is sent to its end") {
  const std::vector<Layer> layers = {{0, 0}, {0, 1}, {1, 0}, {1, 1}};
  DescriptorFilter filter;
  filter.SetTarget(1, 1);
  DependencyDescriptor descriptor;
  descriptor.structure = StructureOf(layers);
  descriptor.active_targets = descriptor.structure->AllTargets();
  descriptor.start_of_frame = descriptor.end_of_frame = true;
  const auto decide = [&](int picture, Layer layer) {
    ++descriptor.frame_number;
    descriptor.brings_structure = picture == 1 && layer.spatial == 0;
    for (size_t i = 0; i < layers.size(); ++i) {
      const bool has = layer.spatial <= layers[i].spatial && layer.temporal <= layers[i].temporal;
      descriptor.frame.indications[i] =
          has ? DecodeTargetIndication::kSwitch : DecodeTargetIndication::kNotPresent;
    }
    RoutedPacket packet;
    packet.timestamp = RtpTimestamp(static_cast<uint32_t>(picture) * 3000);
    packet.frame.descriptor = &descriptor;
    return filter.Decide(packet);
  };
  CHECK(decide(1, {0, 0}));
  CHECK(decide(1, {1, 0}));
  CHECK(decide(2, {0, 1}));
  filter.SetTarget(1, 0);
  CHECK(decide(2, {1, 1}));  // the marker is to come with it
  CHECK(decide(3, {0, 0}));
  CHECK(decide(3, {1, 0}));
  CHECK_FALSE(decide(4, {0, 1}));
  // Where the picture goes on to be sent, the change need not wait.
  filter.SetTarget(1, 1);
  CHECK(decide(5, {0, 0}));
  filter.SetTarget(1, 0);
  CHECK(decide(5, {1, 0}));
  CHECK_FALSE(decide(6, {0, 1}));
}

}  // namespace
}  // namespace sluice::worker
