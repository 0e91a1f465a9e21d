// Pipes that carry no more than is wanted at their far end, and viewers there: whatever is wanted
// by one of them must not be missing to another (docs/protocols/layers.md §6).
#include <catch2/catch.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tests/sim/routed_source.h"
#include "worker/media/pipe_forwarder.h"

namespace sluice::worker {
namespace {

using Action = ForwardDecision::Action;
using Spatial = LayerStructure::Spatial;

/// What of the frames of `source` has come somewhere.
class Arrivals {
 public:
  void Add(const RoutedPacket& packet) {
    const auto tail = LayerEncoder::ReadTail(packet.payload.data(), packet.payload.size());
    indices_[tail.frame].insert(tail.index);
  }
  /// The frame can be decoded.
  bool IsWhole(const RoutedSource& source, uint32_t id) const {
    const TrueFrame& frame = source.frames().at(id);
    const auto came = indices_.find(id);
    if (came == indices_.end() || static_cast<int>(came->second.size()) != frame.packets) {
      return false;
    }
    for (const uint32_t other : frame.references) {
      if (!IsWhole(source, other)) return false;
    }
    return true;
  }
  bool Has(uint32_t id) const { return indices_.contains(id); }

 private:
  std::map<uint32_t, std::set<int>> indices_;
};

/// A viewer at the far end that prefers this layer.
struct FarViewer {
  explicit FarViewer(uint8_t spatial) : layer(spatial) {
    forwarder->SetTarget({0, spatial, LayerTarget::kAll});
  }
  void OnPacket(const RoutedPacket& packet) {
    if (forwarder->Decide(packet).action == Action::kForward) got.Add(packet);
  }
  const uint8_t layer;
  std::unique_ptr<LayerForwarder> forwarder =
      *LayerForwarder::Create(RtpType::kSvc, CodecKind::kVp9, 1);
  Arrivals got;
};

struct Limited {
  explicit Limited(const LayerStructure& structure)
      : source(structure, 0, 11), pipe(structure.codec, 1) {}

  /// The far end says that this is the highest spatial layer that is wanted there.
  void Want(uint8_t spatial) {
    pipe.SetWanted(std::vector<WantedLayers>{{true, spatial, WantedLayers::kAll}});
  }
  void Turn(bool key = false) {
    const auto first = source.frames().size();
    for (const RoutedPacket* packet : source.Turn(key, 0)) {
      if (pipe.Decide(*packet).action != Action::kForward) continue;
      crossed.Add(*packet);
      RoutedPacket far = *packet;
      far_reader.Read(source.DescriptorOf(*packet), &far);
      for (auto& viewer : viewers) viewer->OnPacket(far);
    }
    size_t at = 0;
    for (const auto& [id, frame] : source.frames()) {
      if (at++ < first) continue;
      Judge(id, frame);
    }
  }
  void Judge(uint32_t id, const TrueFrame& frame) {
    if (crossed.Has(id)) ++carried[frame.spatial];
    for (auto& viewer : viewers) {
      const bool is_wanted = frame.spatial == viewer->layer;
      if (is_wanted && viewer->got.IsWhole(source, id)) ++shown[viewer->layer];
    }
  }
  void Turns(int count) {
    shown.clear();
    carried.clear();
    for (int i = 0; i < count; ++i) Turn();
  }
  void Add(uint8_t layer) { viewers.push_back(std::make_unique<FarViewer>(layer)); }

  RoutedSource source;
  PipeForwarder pipe;
  Arrivals crossed;
  FrameReader far_reader;  ///< of the producer at the far end
  std::vector<std::unique_ptr<FarViewer>> viewers;
  std::map<int, int> shown;    ///< pictures, by the layer that a viewer prefers
  std::map<int, int> carried;  ///< frames that have crossed, whole or not, by layer
};

/// "0:60 1:60"
std::string Text(const std::map<int, int>& counts) {
  std::string text;
  for (const auto& [layer, count] : counts) {
    if (!text.empty()) text += ' ';
    text += std::to_string(layer) + ':' + std::to_string(count);
  }
  return text;
}

LayerStructure StructureOf(CodecKind codec, Spatial mode, int temporal, bool descriptors,
                           bool flexible = false) {
  LayerStructure structure;
  structure.codec = codec;
  structure.spatial = 3;
  structure.temporal = temporal;
  structure.mode = mode;
  structure.descriptors = descriptors;
  structure.flexible = flexible;
  return structure;
}

const std::vector<LayerStructure> kStructures = {
    StructureOf(CodecKind::kVp9, Spatial::kKey, 1, false),
    StructureOf(CodecKind::kVp9, Spatial::kKey, 3, false, true),
    StructureOf(CodecKind::kVp9, Spatial::kKey, 1, true),
    StructureOf(CodecKind::kVp9, Spatial::kKey, 3, true, true),
    StructureOf(CodecKind::kVp9, Spatial::kIndependent, 1, false),
    StructureOf(CodecKind::kVp9, Spatial::kIndependent, 3, true),
    StructureOf(CodecKind::kVp9, Spatial::kFull, 3, false),
    StructureOf(CodecKind::kAv1, Spatial::kKey, 1, true),
    StructureOf(CodecKind::kAv1, Spatial::kKey, 3, true),
    StructureOf(CodecKind::kAv1, Spatial::kIndependent, 3, true),
    StructureOf(CodecKind::kAv1, Spatial::kFull, 3, true),
};

TEST_CASE("a limited pipe brings viewers of two layers what each of them needs") {
  for (const LayerStructure& structure : kStructures) {
    Limited world(structure);
    INFO(structure.Name());
    world.Turn(/*key=*/true);
    world.Add(0);
    world.Add(1);
    world.Want(1);
    world.Turn(/*key=*/true);
    world.Turns(60);
    CHECK(Text(world.shown) == "0:60 1:60");
    CHECK(Text(world.carried) == "0:60 1:60");
  }
}

TEST_CASE("a limited pipe of which more is wanted goes on with what was wanted before") {
  for (const LayerStructure& structure : kStructures) {
    Limited world(structure);
    INFO(structure.Name());
    world.Turn(/*key=*/true);
    world.Add(0);
    world.Want(0);
    world.Turn(/*key=*/true);
    world.Turns(30);
    CHECK(Text(world.shown) == "0:30");
    CHECK(Text(world.carried) == "0:30");

    world.Add(2);
    world.Want(WantedLayers::kAll);
    world.Turns(30);
    CHECK(world.shown[0] == 30);  // whether the layers above have begun or not
    world.Turn(/*key=*/true);
    world.Turns(60);
    CHECK(Text(world.shown) == "0:60 2:60");
    CHECK(Text(world.carried) == "0:60 1:60 2:60");

    // Down at any picture.
    world.viewers.pop_back();
    world.Want(0);
    world.Turns(30);
    CHECK(Text(world.shown) == "0:30");
    CHECK(Text(world.carried) == "0:30");
  }
}

}  // namespace
}  // namespace sluice::worker
