#include <catch2/catch.hpp>
#include <cmath>
#include <string>

#include "tests/sim/layer_scenes.h"
#include "worker/media/receive_stream.h"

// Faults that users of other servers reported, each as a test of ours.
namespace sluice::worker {
namespace {

/// Simulcast of each codec in turn. With descriptors where nothing else says what is needed: AV1,
/// and H264 with temporal layers.
LayerWorld::Options SimulcastOfEach(int encodings, int temporal) {
  const CodecKind codec = GENERATE(CodecKind::kVp8, CodecKind::kVp9, CodecKind::kH264,
                                   CodecKind::kH265, CodecKind::kAv1);
  LayerWorld::Options options = Simulcast(codec, encodings, temporal);
  options.structure.descriptors =
      codec == CodecKind::kAv1 || (codec == CodecKind::kH264 && temporal > 1);
  UNSCOPED_INFO(options.structure.Name());
  return options;
}

TEST_CASE("layer fault 1: picture ids and TL0PICIDX have no gap at a switch") {
  LayerWorld world(Simulcast(CodecKind::kVp8, 3, 3), 1);
  for (const int layer : {0, 2, 1, 0, 1, 2}) {
    Prefer(world, layer, layer);
    world.Run(Duration::Millis(1500));
    CHECK(IsAt(world, layer, layer));
  }
  CHECK(Told(world) == "");
}

TEST_CASE("layer fault 2: preferred layers that are flipped quickly leave no frozen picture") {
  LayerWorld world(SimulcastOfEach(3, 2), 2);
  world.Run(Duration::Seconds(4));
  for (int i = 0; i < 60; ++i) {
    Prefer(world, i % 3, i % 2);
    world.Run(Duration::Millis(20 + 7 * (i % 5)));
  }
  Prefer(world, 1, 1);
  world.Run(Duration::Seconds(4));
  CHECK(IsAt(world, 1, 1));
  CHECK(Told(world) == "");
}

TEST_CASE("layer fault 2: a key frame that is older than what was sent is taken") {
  // The upper encodings come a tenth of a second later: their key frames were captured before
  // pictures of the lowest that have gone out.
  LayerWorld::Options options = SimulcastOfEach(3, 1);
  options.trailing = true;
  options.preferred = ConsumerLayers{0, std::nullopt};
  LayerWorld world(options, 3);
  world.Run(Duration::Seconds(4));
  Prefer(world, 2, 0);
  world.Run(Duration::Seconds(2));
  CHECK(IsAt(world, 2, 0));
  CHECK(world.key_requests(2).size() <= 3);
  world.Run(Duration::Seconds(2));
  CHECK(std::abs(world.ClockError()) <= 34);
  CHECK(Told(world) == "");
}

TEST_CASE("layer fault 3: a key frame whose packets overtake each other is shown") {
  LayerWorld::Options options = SimulcastOfEach(2, 1);
  options.up.reorder = 0.5;
  options.up.jitter = Duration::Millis(8);
  LayerWorld world(options, 4);
  for (int i = 0; i < 8; ++i) {
    Prefer(world, i % 2, 0);
    world.Run(Duration::Millis(1500));
  }
  CHECK(Told(world) == "");
}

TEST_CASE("layer fault 4: packets that are asked for again are found over dropped layers") {
  LayerWorld::Options options = Svc(CodecKind::kVp9, 3, 3, LayerStructure::Spatial::kFull, false);
  options.structure.flexible = true;
  options.down.loss = 0.1;
  LayerWorld world(options, 5);
  for (int i = 0; i < 6; ++i) {
    Prefer(world, i % 3, i % 2);
    world.Run(Duration::Millis(1200));
  }
  world.Run(Duration::Seconds(2));
  CHECK(Told(world) == "");
}

TEST_CASE("layer fault 5: the last packet of each picture has the marker, whatever was dropped") {
  for (const bool descriptors : {false, true}) {
    LayerWorld world(Svc(CodecKind::kVp9, 3, 1, LayerStructure::Spatial::kFull, descriptors), 6);
    world.Run(Duration::Seconds(1));
    Prefer(world, 1, 0);
    world.Run(Duration::Seconds(2));
    CHECK(IsAt(world, 1, 0));
    Prefer(world, 0, 0);
    world.Run(Duration::Seconds(3));
    CHECK(IsAt(world, 0, 0));
    CHECK(Told(world) == "");
  }
}

TEST_CASE("layer fault 6: K-SVC sends no lower layer between key pictures") {
  for (const bool descriptors : {false, true}) {
    LayerWorld world(Svc(CodecKind::kVp9, 3, 1, LayerStructure::Spatial::kKey, descriptors), 7);
    world.Run(Duration::Seconds(4));
    CHECK(IsAt(world, 2, 0));
    CHECK(world.unwanted_packets() == 0);
    CHECK(Told(world) == "");
  }
}

TEST_CASE("layer fault 7: VP9 encodings with layers of their own are encodings") {
  LayerWorld::Options options = Simulcast(CodecKind::kVp9, 3, 3);
  options.structure.flexible = true;
  LayerWorld world(options, 8);
  world.Run(Duration::Seconds(5));
  CHECK(IsAt(world, 2, 2));
  CHECK(world.layer_changes() <= 3);  // on the way up
  CHECK(world.unwanted_packets() == 0);
  CHECK(world.consumer().totals().nacked_packets == 0);
  CHECK(Told(world) == "");
}

TEST_CASE("layer fault 8: simulcast goes to the right encoding, also after a pause") {
  LayerWorld world(SimulcastOfEach(3, 1), 9);
  for (int i = 0; i < 6; ++i) {
    world.Pause();
    Prefer(world, 2 - i % 3, 0);
    world.Resume();
    world.MakeKeyPicture(i % 3);
    world.Run(Duration::Millis(1500));
    CHECK(IsAt(world, 2 - i % 3, 0));
  }
  CHECK(world.unwanted_packets() == 0);
  CHECK(Told(world) == "");
}

TEST_CASE("layer fault 9: decode targets without chains") {
  LayerWorld::Options options = Svc(CodecKind::kAv1, 3, 3, LayerStructure::Spatial::kFull, true);
  options.structure.chains = false;
  LayerWorld world(options, 10);
  for (const int layer : {2, 0, 1, 2}) {
    Prefer(world, layer, layer);
    world.Run(Duration::Seconds(2));
    CHECK(IsAt(world, layer, layer));
  }
  CHECK(Told(world) == "");
}

TEST_CASE("layer fault 10: an encoding that vanishes takes no viewer with it") {
  LayerWorld world(SimulcastOfEach(3, 1), 11);
  Prefer(world, 1, 0);
  world.Run(Duration::Seconds(3));
  REQUIRE(IsAt(world, 1, 0));
  world.SetSending(1, false);
  world.Run(Duration::Seconds(3));
  CHECK(IsAt(world, 0, 0));
  world.SetSending(1, true);
  world.Run(Duration::Seconds(4));
  CHECK(IsAt(world, 1, 0));
  CHECK(Told(world) == "");
}

TEST_CASE("layer fault 10: the way down waits for a key frame, and the old encoding goes on") {
  LayerWorld world(SimulcastOfEach(3, 1), 19);
  world.Run(Duration::Seconds(4));
  REQUIRE(IsAt(world, 2, 0));
  world.IgnoreKeyFrameRequests(true);
  Prefer(world, 0, 0);
  const size_t sent = world.sent_packets();
  world.Run(Duration::Seconds(3));
  CHECK(IsAt(world, 2, 0));
  CHECK(world.sent_packets() > sent + 80);  // a packet a picture, at least
  world.MakeKeyPicture(0);
  world.Run(Duration::Millis(100));
  CHECK(IsAt(world, 0, 0));
  world.Run(Duration::Seconds(2));
  CHECK(Told(world) == "");
}

TEST_CASE("layer fault 10: no two encodings are relayed at once") {
  LayerWorld::Options options = SimulcastOfEach(3, 1);
  options.up.reorder = 0.2;
  LayerWorld world(options, 20);
  for (int i = 0; i < 20; ++i) {
    Prefer(world, i % 3, 0);
    world.Run(Duration::Millis(700));
  }
  CHECK(world.unwanted_packets() == 0);
  CHECK(Told(world) == "");
}

TEST_CASE("layer fault 10: a screen at four and at one picture a second has not stopped") {
  LayerWorld::Options options = SimulcastOfEach(2, 1);
  for (const int divisor : {8, 30}) {
    options.encoding_divisors = {divisor, divisor};
    LayerWorld world(options, 12);
    world.Run(Duration::Seconds(8));
    const size_t changes = world.layer_changes();
    world.Run(Duration::Seconds(20));
    CHECK(IsAt(world, 1, 0));
    CHECK(world.layer_changes() == changes);
  }
}

TEST_CASE("layer fault 10: no delay grows over a hundred switches") {
  LayerWorld world(SimulcastOfEach(2, 1), 13);
  world.Run(Duration::Seconds(4));
  for (int i = 0; i < 100; ++i) {
    Prefer(world, i % 2, 0);
    world.Run(Duration::Millis(1100));
  }
  CHECK(std::abs(world.ClockError()) <= 34);
  CHECK(Told(world) == "");
}

TEST_CASE("layer fault 11: an SVC layer that stops is noticed; wishes count from the beginning") {
  LayerWorld::Options options = Svc(CodecKind::kVp9, 3, 3, LayerStructure::Spatial::kFull, false);
  options.preferred = ConsumerLayers{2, uint8_t{1}};
  LayerWorld world(options, 14);
  world.Run(Duration::Seconds(1));
  CHECK(IsAt(world, 2, 1));
  CHECK(world.unwanted_packets() == 0);
  world.SetSpatialLayers(2);
  world.Run(Duration::Seconds(4));
  CHECK(IsAt(world, 1, 1));
  world.SetSpatialLayers(3);
  world.MakeKeyPicture(0);
  world.Run(Duration::Seconds(4));
  CHECK(IsAt(world, 2, 1));
  CHECK(Told(world) == "");
}

TEST_CASE("layer fault 12: a pause adds no delay") {
  LayerWorld world(SimulcastOfEach(3, 1), 15);
  world.Run(Duration::Seconds(4));
  for (const int pause : {100, 3000, 700}) {
    world.Pause();
    world.Run(Duration::Millis(pause));
    world.Resume();
    world.Run(Duration::Seconds(2));
    CHECK(IsAt(world, 2, 0));
    CHECK(std::abs(world.ClockError()) <= 34);
  }
  CHECK(Told(world) == "");
}

TEST_CASE("layer fault 12: a sender that is muted adds no delay") {
  LayerWorld world(SimulcastOfEach(3, 1), 21);
  world.Run(Duration::Seconds(4));
  for (const int mute : {200, 4000, 1000}) {
    for (int i = 0; i < 3; ++i) world.SetSending(i, false);
    world.Run(Duration::Millis(mute));
    for (int i = 0; i < 3; ++i) world.SetSending(i, true);
    world.Run(Duration::Seconds(5));
    CHECK(IsAt(world, 2, 0));
    CHECK(std::abs(world.ClockError()) <= 34);
  }
  CHECK(Told(world) == "");
}

TEST_CASE("layer fault 12: a producer whose sender is silent while it is paused has not stopped") {
  LayerWorld::Options options = SimulcastOfEach(3, 1);
  const bool simulcast = GENERATE(true, false);
  if (!simulcast) {
    const CodecKind codec = options.structure.codec;
    if (codec != CodecKind::kVp9 && codec != CodecKind::kAv1) return;  // no spatial layers
    options = Svc(codec, 3, 3, LayerStructure::Spatial::kFull, codec == CodecKind::kAv1);
  }
  LayerWorld world(options, 22);
  const int temporal = simulcast ? 0 : 2;
  const int encodings = simulcast ? 3 : 1;
  world.Run(Duration::Seconds(4));
  REQUIRE(IsAt(world, 2, temporal));
  for (const int pause : {2000, 13'000}) {
    world.producer().Pause();
    for (int i = 0; i < encodings; ++i) world.SetSending(i, false);
    world.Run(Duration::Millis(pause));
    CHECK(world.producer().encoding_lives()[0].alive);
    CHECK(world.producer().encoding_score(0) > 0);
    world.producer().Resume();
    for (int i = 0; i < encodings; ++i) world.SetSending(i, true);
    world.Run(Duration::Millis(500));
    CHECK(IsAt(world, 2, temporal));  // at once: nothing of it has been away
    CHECK(std::abs(world.ClockError()) <= 34);
    world.Run(Duration::Seconds(3));
  }
  // What does not come back has stopped.
  world.producer().Pause();
  for (int i = 0; i < encodings; ++i) world.SetSending(i, false);
  world.Run(Duration::Seconds(5));
  world.producer().Resume();
  world.SetSending(0, true);
  world.SetSpatialLayers(simulcast ? 1 : 2);
  world.Run(Duration::Seconds(5));
  CHECK(IsAt(world, simulcast ? 0 : 1, temporal));
  CHECK(Told(world) == "");
}

TEST_CASE("layer fault 13: loss between sender and server lowers nobody's layers") {
  LayerWorld::Options options = SimulcastOfEach(3, 1);
  options.up.loss = 0.1;
  LayerWorld world(options, 16);
  world.Run(Duration::Seconds(4));
  const size_t changes = world.layer_changes();
  world.Run(Duration::Seconds(10));
  CHECK(IsAt(world, 2, 0));
  CHECK(world.layer_changes() == changes);
}

TEST_CASE("layers: loss of the encoding that was left does not count against the next") {
  LayerWorld world(SimulcastOfEach(3, 1), 24);
  world.Run(Duration::Seconds(4));
  REQUIRE(IsAt(world, 2, 0));
  rtcp::ReportBlock block;
  block.ssrc = Ssrc(5000);
  for (int i = 0; i < 10; ++i) {
    world.Run(Duration::Seconds(1));
    block.fraction_lost = 128;
    block.cumulative_lost += 100;
    world.consumer().OnReportBlock(0, block, world.Now());
  }
  REQUIRE(world.consumer().Report().score.score < 5);
  Prefer(world, 0, 0);
  world.Run(Duration::Millis(500));
  REQUIRE(IsAt(world, 0, 0));
  CHECK(world.consumer().Report().score.score == 10);
  CHECK(world.told_score() == 10);
}

TEST_CASE("layers: viewers leave a dead encoding at once, however recent the last report") {
  LayerWorld world(SimulcastOfEach(3, 1), 25);
  world.Run(Duration::Seconds(4));
  REQUIRE(IsAt(world, 2, 0));
  world.SetSending(1, false);
  world.Run(Duration::Millis(300));
  world.SetSending(2, false);
  // That of the first is told after 1.5 s, that of the other would wait for a second more.
  world.Run(ReceiveStream::kMinSilence + Duration::Millis(200));
  CHECK(IsAt(world, 0, 0));
  world.Run(Duration::Seconds(1));
  CHECK(Told(world) == "");
}

TEST_CASE("layers: a viewer's first picture is the first that can be had") {
  LayerWorld::Options options = SimulcastOfEach(3, 1);
  LayerWorld world(options, 17);
  world.Run(Duration::Seconds(3));
  world.Pause();
  world.IgnoreKeyFrameRequests(true);
  world.Run(Duration::Millis(500));
  world.Resume();
  world.Run(Duration::Millis(300));
  CHECK_FALSE(world.layers());
  world.MakeKeyPicture(0);  // not what is wanted, but a picture
  world.Run(Duration::Millis(100));
  CHECK(IsAt(world, 0, 0));
  world.IgnoreKeyFrameRequests(false);
  world.Run(Duration::Millis(2500));
  CHECK(IsAt(world, 2, 0));
  CHECK(Told(world) == "");
}

TEST_CASE("layers: without sender reports a switch goes by the arrivals") {
  LayerWorld::Options options = SimulcastOfEach(3, 1);
  options.reports = false;
  LayerWorld world(options, 18);
  for (const int layer : {0, 2, 1}) {
    Prefer(world, layer, 0);
    world.Run(Duration::Millis(1500));
    CHECK(IsAt(world, layer, 0));
  }
  CHECK(Told(world) == "");
}

}  // namespace
}  // namespace sluice::worker
