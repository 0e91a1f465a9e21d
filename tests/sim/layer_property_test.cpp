#include <fmt/format.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <iterator>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "tests/sim/layer_world.h"

// What leaves a consumer of layers can always be decoded, whatever the sender's structure, the
// network and the application do (docs/protocols/layers.md §7). Random worlds by seed; a failing
// one prints a line that replays it alone:
//   SLUICE_LAYERS_REPLAY=vp9:17 build/release/bin/sim "[layers-replay]"
// SLUICE_LAYERS_SEEDS runs so many of each codec, from SLUICE_LAYERS_FIRST on.
namespace sluice::worker {
namespace {

using Spatial = LayerStructure::Spatial;

struct CodecName {
  const char* name;
  CodecKind codec;
};
constexpr CodecName kCodecs[] = {{"vp8", CodecKind::kVp8},
                                 {"vp9", CodecKind::kVp9},
                                 {"h264", CodecKind::kH264},
                                 {"h265", CodecKind::kH265},
                                 {"av1", CodecKind::kAv1}};

class Choice {
 public:
  explicit Choice(uint64_t seed) : random_(seed * 2654435761u + 17) {}
  int Below(int bound) { return static_cast<int>(random_() % static_cast<uint64_t>(bound)); }
  int Between(int low, int high) { return low + Below(high - low + 1); }
  bool Chance(int percent) { return Below(100) < percent; }

 private:
  std::mt19937_64 random_;
};

LayerStructure StructureOf(CodecKind codec, Choice& choice) {
  LayerStructure structure;
  structure.codec = codec;
  structure.encodings = choice.Chance(60) ? choice.Between(2, 4) : 1;
  structure.temporal = choice.Between(1, 3);
  const bool spatial = codec == CodecKind::kVp9 || codec == CodecKind::kAv1;
  if (spatial && structure.encodings == 1) {
    structure.spatial = choice.Between(1, 3);
    structure.mode = static_cast<Spatial>(choice.Below(3));
  }
  if (structure.spatial == 1) structure.mode = Spatial::kFull;
  structure.descriptors = codec == CodecKind::kAv1    ? choice.Chance(70)
                          : codec == CodecKind::kH265 ? choice.Chance(30)
                                                      : choice.Chance(50);
  // Without a descriptor AV1 does not say which layers do without those below.
  const bool plain_av1 = codec == CodecKind::kAv1 && !structure.descriptors;
  if (plain_av1) structure.mode = Spatial::kFull;
  structure.chains = choice.Chance(50);
  if (codec == CodecKind::kVp9) {
    structure.flexible = choice.Chance(50);
    structure.group = !structure.flexible && choice.Chance(50);
  }
  const bool says_switches = codec != CodecKind::kH264 && !plain_av1;
  structure.chained = says_switches && !structure.group && choice.Chance(40);
  if (structure.encodings == 1 && structure.spatial == 1 && structure.temporal == 1) {
    structure.temporal = choice.Between(2, 3);  // else there is nothing to choose
  }
  return structure;
}

/// What was added later is chosen apart: a seed makes the same world as before but for that.
LayerStructure WithSeed(LayerStructure structure, uint64_t seed) {
  Choice choice(seed * 7 + 1'000'003);
  const bool independent = structure.mode == Spatial::kIndependent && structure.spatial > 1;
  structure.structure_once = independent && choice.Chance(50);
  return structure;
}

LayerPath PathOf(Choice& choice) {
  LayerPath path;
  path.delay = Duration::Millis(choice.Between(5, 60));
  if (choice.Chance(40)) path.loss = choice.Between(1, 20) / 100.0;
  if (choice.Chance(30)) path.duplicate = choice.Between(1, 5) / 100.0;
  if (choice.Chance(40)) path.reorder = choice.Between(1, 20) / 100.0;
  path.jitter = Duration::Millis(choice.Between(1, 20));
  return path;
}

/// What the consumer should have come to.
ConsumerLayers Expected(const LayerStructure& structure, const ConsumerLayers& preferred,
                        const std::vector<bool>& sending, int spatial_layers) {
  ConsumerLayers expected{0, preferred.temporal_layer};
  if (structure.encodings == 1) {
    expected.spatial_layer =
        static_cast<uint8_t>(std::min<int>(preferred.spatial_layer, spatial_layers - 1));
    return expected;
  }
  bool found = false;
  for (size_t i = 0; i < sending.size(); ++i) {
    if (!sending[i] || (found && i > preferred.spatial_layer)) continue;
    expected.spatial_layer = static_cast<uint8_t>(i);
    found = true;
  }
  return expected;
}

/// Whether the temporal layer that is reported can be told from outside.
bool TemporalIsExact(const LayerStructure& structure) {
  if (structure.descriptors) return true;
  return structure.codec != CodecKind::kH264;
}

struct Scenario {
  Choice choice;
  LayerStructure structure;
  LayerWorld world;
  ConsumerLayers preferred;
  std::vector<bool> sending;
  int spatial_layers;

  static LayerWorld::Options OptionsOf(const LayerStructure& structure, Choice& choice) {
    LayerWorld::Options options;
    options.structure = structure;
    if (choice.Chance(70)) options.up = PathOf(choice);
    if (choice.Chance(70)) options.down = PathOf(choice);
    options.reports = choice.Chance(85);
    options.trailing = choice.Chance(20);
    options.receiver_takes_descriptors = choice.Chance(80);
    return options;
  }

  static LayerWorld::Options WithTwins(LayerWorld::Options options, uint64_t seed) {
    options.twins = static_cast<int>(seed % 3);
    return options;
  }

  Scenario(CodecKind codec, uint64_t seed)
      : choice(seed * 5 + static_cast<uint64_t>(codec)),
        structure(WithSeed(StructureOf(codec, choice), seed)),
        world(WithTwins(OptionsOf(structure, choice), seed), seed),
        sending(static_cast<size_t>(structure.encodings), true),
        spatial_layers(structure.spatial) {
    preferred.spatial_layer = static_cast<uint8_t>(MaxSpatial());
    preferred.temporal_layer = static_cast<uint8_t>(structure.temporal - 1);
  }

  int MaxSpatial() const {
    return (structure.encodings > 1 ? structure.encodings : structure.spatial) - 1;
  }

  void Command() {
    switch (choice.Below(10)) {
      case 0:
        world.Pause();
        world.Run(Duration::Millis(choice.Between(0, 1500)));
        world.Resume();
        return;
      case 1: {
        if (structure.encodings == 1) return StopLayer();
        const int encoding = choice.Below(structure.encodings);
        const auto index = static_cast<size_t>(encoding);
        const bool others = std::count(sending.begin(), sending.end(), true) > 1;
        if (sending[index] && !others) return;
        sending[index] = !sending[index];
        return world.SetSending(encoding, sending[index]);
      }
      case 2:
        CHECK(world.consumer().SetPriority(static_cast<uint8_t>(choice.Between(1, 255))).ok());
        return;
      case 3:
        return world.consumer().RequestKeyFrame();
      default:
        break;
    }
    std::optional<uint8_t> temporal = static_cast<uint8_t>(choice.Below(structure.temporal + 1));
    if (*temporal == structure.temporal) temporal.reset();
    const auto set = world.Prefer(static_cast<uint8_t>(choice.Below(MaxSpatial() + 2)), temporal);
    REQUIRE(set);
    preferred = *set;
  }

  void StopLayer() {
    if (structure.spatial == 1) return;
    spatial_layers = choice.Between(1, structure.spatial);
    world.SetSpatialLayers(spatial_layers);
    world.MakeKeyPicture(0);
  }

  void Trouble(Duration length) {
    const Timestamp end = world.Now() + length;
    while (world.Now() < end) {
      Command();
      const bool quick = choice.Chance(30);
      world.Run(Duration::Millis(quick ? choice.Between(1, 80) : choice.Between(200, 1500)));
    }
  }

  /// Nothing is asked for: what was, is reached, and stays.
  std::string Calm() {
    world.Run(Duration::Millis(6500));
    const ConsumerLayers expected = Expected(structure, preferred, sending, spatial_layers);
    const auto is = world.layers();
    if (!is) return "nothing is sent";
    const bool exact = TemporalIsExact(structure);
    const bool spatial_ok = is->spatial_layer == expected.spatial_layer;
    const bool temporal_ok = exact ? is->temporal_layer == expected.temporal_layer
                                   : is->temporal_layer <= expected.temporal_layer;
    if (!spatial_ok || !temporal_ok) {
      return fmt::format("at {}.{}, not at {}.{}", is->spatial_layer, *is->temporal_layer,
                         expected.spatial_layer, *expected.temporal_layer);
    }
    const size_t requests = world.key_requests_total();
    const size_t changes = world.layer_changes();
    const size_t sent = world.sent_packets();
    world.Run(Duration::Millis(1500));
    // Of the slowest structure there are eleven pictures in that time.
    if (world.sent_packets() < sent + 5) return "hardly anything is sent";
    if (world.key_requests_total() > requests + 1) return "key frames are asked for without need";
    if (world.layer_changes() != changes) return "layers change without need";
    return {};
  }

  std::vector<std::string> Run() {
    world.Run(Duration::Millis(choice.Between(0, 1500)));
    Trouble(Duration::Seconds(4));
    const std::string first = Calm();
    Trouble(Duration::Seconds(3));
    const std::string second = Calm();
    std::vector<std::string> faults = world.Faults();
    if (!second.empty()) faults.insert(faults.begin(), "after the second trouble: " + second);
    if (!first.empty()) faults.insert(faults.begin(), "after the first trouble: " + first);
    for (int i = 0; i < structure.encodings; ++i) {
      const auto& requests = world.key_requests(i);
      for (size_t k = 1; k < requests.size(); ++k) {
        if (requests[k] - requests[k - 1] >= Duration::Millis(990)) continue;
        faults.push_back(fmt::format("key frames of encoding {} were asked for within {} ms", i,
                                     (requests[k] - requests[k - 1]).us() / 1000));
        break;
      }
    }
    return faults;
  }
};

uint64_t NumberFrom(const char* variable, uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

/// False when it failed; tells how.
bool RunSeed(const CodecName& codec, uint64_t seed) {
  Scenario scenario(codec.codec, seed);
  const auto faults = scenario.Run();
  if (faults.empty()) return true;
  std::string text =
      fmt::format("SLUICE_LAYERS_REPLAY={}:{}  ({})", codec.name, seed, scenario.structure.Name());
  for (const std::string& fault : faults) text += "\n  " + fault;
  fmt::print(stderr, "{}\n", text);
  return false;
}

void RunCodec(const CodecName& codec) {
  const uint64_t count = NumberFrom("SLUICE_LAYERS_SEEDS", 200);
  const uint64_t first = NumberFrom("SLUICE_LAYERS_FIRST", 1);
  uint64_t failed = 0;
  for (uint64_t seed = first; seed < first + count; ++seed) {
    if (!RunSeed(codec, seed) && ++failed == 5) break;
  }
  CHECK(failed == 0);
}

TEST_CASE("layers: what is sent can be decoded, VP8", "[layers-property]") { RunCodec(kCodecs[0]); }
TEST_CASE("layers: what is sent can be decoded, VP9", "[layers-property]") { RunCodec(kCodecs[1]); }
TEST_CASE("layers: what is sent can be decoded, H264", "[layers-property]") {
  RunCodec(kCodecs[2]);
}
TEST_CASE("layers: what is sent can be decoded, H265", "[layers-property]") {
  RunCodec(kCodecs[3]);
}
TEST_CASE("layers: what is sent can be decoded, AV1", "[layers-property]") { RunCodec(kCodecs[4]); }

TEST_CASE("layers: worlds that once failed") {
  struct World {
    const char* codec;
    uint64_t seed;
    const char* fault;
  };
  constexpr World kWorlds[] = {
      {"h265", 266, "of an encoding that was left a packet of a frame that was left out was sent"},
      {"vp9", 283, "an encoding that came back for a moment was waited for, for it seemed slow"},
      {"vp8", 3210,
       "a frame was sent that refers to one which was late, and not wanted at its place"},
      {"av1", 1441, "the same, right behind a key picture"},
      {"vp9", 2025,
       "a picture was left without its marker when its last frame was not wanted any more"},
      {"vp8", 2573, "time was not put right while packets were missing before every picture"},
      {"vp8", 3111, "the same, but for one picture"},
      {"vp9", 1035,
       "the rest of a picture was asked for when its encoding had been left, and got"
       " another time"},
      {"h264", 1086, "the same"},
      {"av1", 1374, "a frame that came after two further structures could not be read"},
      {"av1", 1427, "the same of one that was left out: its number stayed open"},
      {"av1", 1670, "the same of the upper layer of the last picture before a key picture"},
      {"vp9", 2597, "a picture became a key picture behind its marker, and got another one"},
      {"vp9", 3988, "a late key frame began a source though what came behind it was gone"},
      {"av1", 2557, "the same"},
      {"vp9", 4945, "a late key frame began a source again that had been left behind it"},
      {"h264", 5689, "the same over a pause"},
      {"h265", 2906, "time was put right across a missing picture, for padding stood behind it"},
      {"av1", 486, "what had waited for its first packet got another time than that"},
  };
  for (const World& world : kWorlds) {
    const auto* codec =
        std::find_if(std::begin(kCodecs), std::end(kCodecs),
                     [&](const CodecName& each) { return std::string(each.name) == world.codec; });
    INFO(world.codec << ':' << world.seed << ": " << world.fault);
    CHECK(RunSeed(*codec, world.seed));
  }
}

TEST_CASE("layers: a world is replayed by its seed", "[.][layers-replay]") {
  const char* text = std::getenv("SLUICE_LAYERS_REPLAY");
  REQUIRE(text != nullptr);
  const std::string name = text;
  const size_t colon = name.find(':');
  REQUIRE(colon != std::string::npos);
  for (const CodecName& codec : kCodecs) {
    if (name.substr(0, colon) != codec.name) continue;
    CHECK(RunSeed(codec, std::strtoull(name.c_str() + colon + 1, nullptr, 10)));
    return;
  }
  FAIL("no such codec");
}

}  // namespace
}  // namespace sluice::worker
