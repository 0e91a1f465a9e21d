#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <random>
#include <string>
#include <utility>

#include "tests/sim/layer_scenes.h"

// Streams as certain senders lay them out: browsers, screens, several encodings in one SSRC.
namespace sluice::worker {
namespace {

using Spatial = LayerStructure::Spatial;

/// Through all layers, each of them is reached and can be decoded.
void GoThroughLayers(const LayerWorld::Options& options, uint64_t seed) {
  const LayerStructure& structure = options.structure;
  CAPTURE(structure.Name());
  LayerWorld world(options, seed);
  world.Run(Duration::Seconds(4));
  const int highest = (structure.encodings > 1 ? structure.encodings : structure.spatial) - 1;
  CHECK(IsAt(world, highest, structure.temporal - 1));
  for (const int layer : {0, 2, 1, 0, 1, 2, 0}) {
    const int spatial = std::min(layer, highest);
    const int temporal = std::min(layer, structure.temporal - 1);
    Prefer(world, spatial, temporal);
    world.Run(Duration::Millis(2000));
    CHECK(IsAt(world, spatial, temporal));
  }
  world.Pause();
  world.Run(Duration::Millis(700));
  world.Resume();
  world.Run(Duration::Millis(2000));
  CHECK(Told(world) == "");
  CHECK(world.decodable_pictures() > 200);
  CHECK(std::abs(world.ClockError()) <= 34);
}

TEST_CASE("layers of Firefox: AV1 without dependency descriptor") {
  // One layer an encoding: no OBU says what layer it is of.
  LayerWorld::Options bare = Simulcast(CodecKind::kAv1, 3, 1);
  bare.structure.bare = true;
  GoThroughLayers(bare, 31);
  // The OBUs' extensions say it.
  GoThroughLayers(Simulcast(CodecKind::kAv1, 3, 3), 32);
  GoThroughLayers(Svc(CodecKind::kAv1, 1, 3, Spatial::kFull, false), 33);
  GoThroughLayers(Svc(CodecKind::kAv1, 3, 3, Spatial::kFull, false), 34);
}

TEST_CASE("layers of Safari: VP9 in flexible mode, no group of pictures is announced") {
  LayerWorld::Options bare = Simulcast(CodecKind::kVp9, 3, 1);
  bare.structure.flexible = true;
  bare.structure.bare = true;
  GoThroughLayers(bare, 41);
  LayerWorld::Options simulcast = Simulcast(CodecKind::kVp9, 3, 3);
  simulcast.structure.flexible = true;
  GoThroughLayers(simulcast, 42);
  for (const Spatial mode : {Spatial::kFull, Spatial::kKey}) {
    LayerWorld::Options svc = Svc(CodecKind::kVp9, 3, 3, mode, false);
    svc.structure.flexible = true;
    GoThroughLayers(svc, 43);
  }
  LayerWorld::Options temporal = Svc(CodecKind::kVp9, 1, 3, Spatial::kFull, false);
  temporal.structure.flexible = true;
  GoThroughLayers(temporal, 44);
}

TEST_CASE("layers of hardware encoders: simulcast of H264 and H265") {
  for (const CodecKind codec : {CodecKind::kH264, CodecKind::kH265}) {
    GoThroughLayers(Simulcast(codec, 3, 1), 35);
    GoThroughLayers(Simulcast(codec, 3, 2), 36);
    for (const int encodings : {1, 3}) {
      LayerWorld::Options described = Simulcast(codec, encodings, 3);
      described.structure.descriptors = true;
      GoThroughLayers(described, 37);
    }
  }
  GoThroughLayers(Simulcast(CodecKind::kH265, 3, 3), 38);
  GoThroughLayers(Svc(CodecKind::kH265, 1, 3, Spatial::kFull, false), 39);
}

/// A screen at two pictures a second: it is slow, not dead, and its layers are to be had.
void WatchScreen(LayerWorld::Options options, uint64_t seed) {
  CAPTURE(options.structure.Name());
  options.frame_rate = 2;
  const LayerStructure& structure = options.structure;
  const bool is_simulcast = structure.encodings > 1;
  const int highest = (is_simulcast ? structure.encodings : structure.spatial) - 1;
  const int slowest = structure.temporal - 1;
  LayerWorld world(options, seed);
  world.Run(Duration::Seconds(8));
  CHECK(IsAt(world, highest, slowest));
  const size_t changes = world.layer_changes();
  const size_t requests = world.key_requests_total();
  world.Run(Duration::Seconds(30));
  CHECK(IsAt(world, highest, slowest));
  CHECK(world.layer_changes() == changes);
  CHECK(world.key_requests_total() == requests);
  for (const int layer : {0, highest, 0, highest}) {
    Prefer(world, layer, slowest);
    world.Run(Duration::Seconds(5));
    CHECK(IsAt(world, layer, slowest));
  }
  // What does stop is noticed, and noticed when it comes back.
  if (is_simulcast) {
    world.SetSending(highest, false);
  } else {
    world.SetSpatialLayers(highest);
  }
  if (is_simulcast || highest > 0) {
    world.Run(Duration::Seconds(8));
    CHECK(IsAt(world, highest - 1, slowest));
    if (is_simulcast) {
      world.SetSending(highest, true);
    } else {
      world.SetSpatialLayers(highest + 1);
      world.MakeKeyPicture(0);
    }
    world.Run(Duration::Seconds(8));
    CHECK(IsAt(world, highest, slowest));
  }
  CHECK(Told(world) == "");
  CHECK(std::abs(world.ClockError()) <= 34);
}

TEST_CASE("layers of a screen at two pictures a second: simulcast") {
  for (const CodecKind codec :
       {CodecKind::kVp8, CodecKind::kVp9, CodecKind::kH264, CodecKind::kH265, CodecKind::kAv1}) {
    for (const int temporal : {1, 2}) {
      LayerWorld::Options options = Simulcast(codec, 2, temporal);
      options.structure.descriptors = codec == CodecKind::kAv1;
      WatchScreen(options, 51);
    }
  }
}

TEST_CASE("layers of a screen at two pictures a second: SVC") {
  WatchScreen(Svc(CodecKind::kVp8, 1, 2, Spatial::kFull, false), 61);
  for (const bool descriptors : {false, true}) {
    WatchScreen(Svc(CodecKind::kVp9, 1, 2, Spatial::kFull, descriptors), 62);
    WatchScreen(Svc(CodecKind::kVp9, 2, 1, Spatial::kKey, descriptors), 63);
    WatchScreen(Svc(CodecKind::kAv1, 1, 2, Spatial::kFull, descriptors), 64);
    WatchScreen(Svc(CodecKind::kAv1, 2, 1, Spatial::kFull, descriptors), 65);
  }
}

TEST_CASE("layers of a sender that writes the structure into every packet") {
  for (const CodecKind codec : {CodecKind::kVp9, CodecKind::kAv1}) {
    for (const Spatial mode : {Spatial::kFull, Spatial::kKey, Spatial::kIndependent}) {
      LayerWorld::Options options = Svc(codec, 3, 3, mode, true);
      options.structure.structure_always = true;
      GoThroughLayers(options, 81);
    }
  }
  LayerWorld::Options temporal = Svc(CodecKind::kVp8, 1, 3, Spatial::kFull, true);
  temporal.structure.structure_always = true;
  temporal.structure.chained = true;
  GoThroughLayers(temporal, 82);
}

TEST_CASE("layers that are encodings of their own within one SSRC: S modes") {
  for (const bool structure_once : {false, true}) {
    for (const bool descriptors : {false, true}) {
      LayerWorld::Options vp9 = Svc(CodecKind::kVp9, 2, 1, Spatial::kIndependent, descriptors);
      vp9.structure.structure_once = structure_once;
      GoThroughLayers(vp9, 71);
      vp9.structure.spatial = 3;
      vp9.structure.temporal = 3;
      vp9.structure.flexible = true;
      GoThroughLayers(vp9, 72);
    }
    LayerWorld::Options av1 = Svc(CodecKind::kAv1, 2, 1, Spatial::kIndependent, true);
    av1.structure.structure_once = structure_once;
    GoThroughLayers(av1, 73);
    av1.structure.spatial = 3;
    av1.structure.temporal = 3;
    GoThroughLayers(av1, 74);
  }
}

/// In a network that does nothing else every target is reached as soon as decoders can follow: with
/// another spatial layer or encoding at a key picture, for which the request has to go up, with
/// another temporal layer when its next group begins.
void ReachTargetsInTime(const LayerWorld::Options& options, uint64_t seed) {
  constexpr Duration kEncoder = Duration::Millis(60);  // LayerWorld's own, from request to picture
  constexpr Duration kFrame = Duration::Micros(33'334);
  constexpr Duration kPackets = Duration::Millis(12);  // a picture of all encodings, one by one
  const LayerStructure& structure = options.structure;
  const Duration way = options.up.delay;
  const Duration key = way * 2 + kEncoder + kFrame + kPackets;
  const Duration group = kFrame * (1 << (structure.temporal - 1)) + way + kPackets;
  CAPTURE(structure.Name());
  LayerWorld world(options, seed);
  world.Run(Duration::Seconds(5));
  const int spatials = structure.encodings > 1 ? structure.encodings : structure.spatial;
  std::mt19937 random(static_cast<uint32_t>(seed));
  const auto below = [&random](int bound) {
    return static_cast<int>(random() % static_cast<uint32_t>(bound));
  };
  int spatial = spatials - 1;
  int temporal = structure.temporal - 1;
  REQUIRE(IsAt(world, spatial, temporal));
  for (int i = 0; i < 30; ++i) {
    const int from_spatial = std::exchange(spatial, below(spatials));
    const int from_temporal = std::exchange(temporal, below(structure.temporal));
    Duration limit = kFrame;
    if (spatial != from_spatial) limit = limit + key;
    if (temporal != from_temporal) limit = limit + group;
    CAPTURE(i, from_spatial, from_temporal, spatial, temporal);
    const Timestamp begin = world.Now();
    Prefer(world, spatial, temporal);
    while (!IsAt(world, spatial, temporal) && world.Now() - begin <= limit) {
      world.Run(Duration::Millis(1));
    }
    CHECK((world.Now() - begin).ms() <= limit.ms());
    world.Run(Duration::Millis(1100 + below(100)));  // key frames are asked for once a second
  }
  CHECK(Told(world) == "");
}

TEST_CASE("layers: a target is reached within a round trip and the next usable point") {
  for (const CodecKind codec :
       {CodecKind::kVp8, CodecKind::kVp9, CodecKind::kH264, CodecKind::kH265, CodecKind::kAv1}) {
    LayerWorld::Options options = Simulcast(codec, 3, 3);
    options.structure.descriptors = codec == CodecKind::kAv1 || codec == CodecKind::kH264;
    ReachTargetsInTime(options, 71);
  }
  for (const Spatial mode : {Spatial::kFull, Spatial::kKey}) {
    ReachTargetsInTime(Svc(CodecKind::kVp9, 3, 3, mode, false), 72);
    ReachTargetsInTime(Svc(CodecKind::kVp9, 3, 3, mode, true), 73);
    ReachTargetsInTime(Svc(CodecKind::kAv1, 3, 3, mode, true), 74);
  }
}

}  // namespace
}  // namespace sluice::worker
