// What layers cost: consumers of simulcast and of SVC against consumers of one encoding without
// layers that forward packets of the same kind, per forwarded packet, in one run and turn by turn;
// and whether switching layers leaves memory behind. Egress drops the packets: encryption and
// sockets, which cost all alike and several times as much, are not in the numbers.
//
//   layers_bench [--check] [--blocks N] [--switches N]
#include <malloc.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <string_view>

#include "bench/layer_room.h"
#include "bench/must.h"

namespace sluice::worker::bench {
namespace {

constexpr const char* kHelp =
    R"(layers_bench: consumers of layers against consumers without, and memory over layer switches.

  --check         exit with 1 unless every ratio is at most 1.15 and switches leave memory flat
  --blocks N      blocks of 50 turns that each ratio is the best of (60)
  --switches N    layer switches, simulcast and SVC each (100000)
  --only TEXT     only shapes with this in their name, for a profiler
)";

constexpr size_t kConsumers = 200;
constexpr int kBurst = 9;  // packets of a picture
constexpr double kMaxRatio = 1.15;
constexpr size_t kMaxGrowth = 4096;  // bytes of heap over all switches: the allocator's own
using Spatial = LayerStructure::Spatial;

LayerStructure Structure(CodecKind codec, int encodings, int spatial, int temporal,
                         bool descriptors, Spatial mode = Spatial::kFull) {
  LayerStructure structure;
  structure.codec = codec;
  structure.encodings = encodings;
  structure.spatial = spatial;
  structure.temporal = temporal;
  structure.descriptors = descriptors;
  structure.mode = mode;
  structure.packets = kBurst / spatial;
  return structure;
}

/// Of what a producer sends to consumers of layers, as much as consumers that know of no layers are
/// to forward beside them: as many packets of the same kind. With K-SVC all but the highest spatial
/// layer is left out between key pictures; looking at that and leaving it out is part of what
/// layers cost.
LayerStructure SimpleOf(const LayerStructure& structure) {
  LayerStructure simple = structure;
  simple.encodings = 1;
  if (structure.mode == Spatial::kKey) simple.spatial = 1;
  return simple;
}

/// Block by block with consumers that forward as many packets without knowing of layers.
bool Compare(const char* name, const LayerStructure& structure, int blocks) {
  LayerRoom simple(SimpleOf(structure), true, kConsumers);
  LayerRoom layered(structure, false, kConsumers);
  double best_simple = std::numeric_limits<double>::max();
  double best_layered = std::numeric_limits<double>::max();
  const uint64_t simple_before = simple.sent();
  const uint64_t layered_before = layered.sent();
  for (int i = 0; i < blocks; ++i) {
    best_simple = std::min(best_simple, simple.Block());
    best_layered = std::min(best_layered, layered.Block());
  }
  if (simple.sent() - simple_before != layered.sent() - layered_before) {
    Die("what is compared has not forwarded as many packets");
  }
  const double ratio = best_layered / best_simple;
  std::printf(
      "  %-40s %6.1f ns/packet, simple %6.1f: ratio %.3f  %6zu bytes/consumer, simple %zu\n", name,
      best_layered, best_simple, ratio, layered.consumer_bytes(), simple.consumer_bytes());
  std::fflush(stdout);
  return ratio <= kMaxRatio;
}

size_t HeapInUse() {
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

/// One viewer that changes its layers with every picture, which is a key picture.
bool Switch(const char* name, const LayerStructure& structure, int switches) {
  LayerRoom room(structure, false, 1);
  const int highest = (structure.encodings > 1 ? structure.encodings : structure.spatial) - 1;
  const auto once = [&](int i) {
    room.Prefer(static_cast<uint8_t>(i % 2 == 0 ? 0 : highest),
                static_cast<uint8_t>(i % structure.temporal));
    room.Turn(true);
  };
  const int warm_up = 2000;  // rings and pools reach their size
  for (int i = 0; i < warm_up; ++i) once(i);
  const size_t heap = HeapInUse();
  const size_t pool = room.pool_bytes();
  const size_t bytes = room.consumer_bytes();
  const uint64_t changes = room.changes();
  for (int i = 0; i < switches; ++i) once(i);
  const auto growth = static_cast<int64_t>(HeapInUse()) - static_cast<int64_t>(heap) -
                      static_cast<int64_t>(room.pool_bytes() - pool);
  std::printf(
      "  %-40s %d switches asked, %llu layers changes seen: heap %+lld bytes beside packet "
      "buffers, consumer %zu "
      "bytes before, %zu after\n",
      name, switches, static_cast<unsigned long long>(room.changes() - changes),
      static_cast<long long>(growth), bytes, room.consumer_bytes());
  std::fflush(stdout);
  const bool switched = room.changes() - changes >= static_cast<uint64_t>(switches) * 9 / 10;
  return switched && growth <= static_cast<int64_t>(kMaxGrowth) && bytes == room.consumer_bytes();
}

struct Shape {
  const char* name;
  LayerStructure structure;
  bool switches = false;  ///< memory over layer switches is looked at, too
};

int Run(bool check, int blocks, int switches, std::string_view only) {
  const Shape shapes[] = {
      {"VP8 simulcast x3, L1T3", Structure(CodecKind::kVp8, 3, 1, 3, false), true},
      {"VP8 simulcast x3, L1T3, descriptors", Structure(CodecKind::kVp8, 3, 1, 3, true)},
      {"VP9 simulcast x3, L1T3", Structure(CodecKind::kVp9, 3, 1, 3, false)},
      {"H264 simulcast x3, L1T3", Structure(CodecKind::kH264, 3, 1, 3, false)},
      {"H265 simulcast x3, L1T3", Structure(CodecKind::kH265, 3, 1, 3, false)},
      {"AV1 simulcast x3, L1T3, descriptors", Structure(CodecKind::kAv1, 3, 1, 3, true)},
      {"H264 L1T3", Structure(CodecKind::kH264, 1, 1, 3, false)},
      {"H265 L1T3", Structure(CodecKind::kH265, 1, 1, 3, false)},
      {"VP9 L3T3", Structure(CodecKind::kVp9, 1, 3, 3, false)},
      {"VP9 L3T3_KEY", Structure(CodecKind::kVp9, 1, 3, 3, false, Spatial::kKey), true},
      {"VP9 L3T3_KEY, descriptors", Structure(CodecKind::kVp9, 1, 3, 3, true, Spatial::kKey), true},
      {"AV1 L3T3, descriptors", Structure(CodecKind::kAv1, 1, 3, 3, true), true},
      {"AV1 L3T3_KEY, descriptors", Structure(CodecKind::kAv1, 1, 3, 3, true, Spatial::kKey)},
      {"AV1 L1T3", Structure(CodecKind::kAv1, 1, 1, 3, false)},
  };
  std::printf(
      "layers: %zu consumers, best of %d blocks of %d turns, each beside a simple consumer's\n",
      kConsumers, blocks, LayerRoom::kTurnsPerBlock);
  bool cheap = true;
  for (const Shape& shape : shapes) {
    if (std::string_view(shape.name).find(only) == std::string_view::npos) continue;
    cheap &= Compare(shape.name, shape.structure, blocks);
  }
  std::printf("layer switches of one viewer\n");
  bool flat = true;
  for (const Shape& shape : shapes) {
    if (!shape.switches) continue;
    if (std::string_view(shape.name).find(only) == std::string_view::npos) continue;
    flat &= Switch(shape.name, shape.structure, switches);
  }
  if (!check) return 0;
  std::printf("check: cost %s, memory %s\n", cheap ? "ok" : "FAILED", flat ? "ok" : "FAILED");
  return cheap && flat ? 0 : 1;
}

}  // namespace
}  // namespace sluice::worker::bench

int main(int argc, char** argv) {
  using namespace sluice::worker::bench;
  bool check = false;
  int blocks = 60;
  int switches = 100'000;
  std::string_view only;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    const int number = i + 1 < argc ? std::atoi(argv[i + 1]) : 0;
    if (argument == "--check") {
      check = true;
    } else if (argument == "--blocks" && number > 0) {
      blocks = number;
      ++i;
    } else if (argument == "--switches" && number > 0) {
      switches = number;
      ++i;
    } else if (argument == "--only" && i + 1 < argc) {
      only = argv[++i];
    } else {
      std::fputs(kHelp, argument == "--help" ? stdout : stderr);
      return argument == "--help" ? 0 : 2;
    }
  }
  return Run(check, blocks, switches, only);
}
