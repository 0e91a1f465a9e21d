#pragma once

#include <cstdint>
#include <string>

#include "tests/sim/layer_world.h"

// What tests of layers begin with.
namespace sluice::worker {

inline LayerWorld::Options Simulcast(CodecKind codec, int encodings, int temporal) {
  LayerWorld::Options options;
  options.structure.codec = codec;
  options.structure.encodings = encodings;
  options.structure.temporal = temporal;
  return options;
}

inline LayerWorld::Options Svc(CodecKind codec, int spatial, int temporal,
                               LayerStructure::Spatial mode, bool descriptors) {
  LayerWorld::Options options;
  options.structure.codec = codec;
  options.structure.spatial = spatial;
  options.structure.temporal = temporal;
  options.structure.mode = mode;
  options.structure.descriptors = descriptors;
  return options;
}

/// What is wrong, a line each.
inline std::string Told(LayerWorld& world) {
  std::string all;
  for (const std::string& fault : world.Faults()) all += fault + "\n";
  return all;
}

/// These layers are reported as sent.
inline bool IsAt(const LayerWorld& world, int spatial, int temporal) {
  return world.layers() ==
         ConsumerLayers{static_cast<uint8_t>(spatial), static_cast<uint8_t>(temporal)};
}

inline void Prefer(LayerWorld& world, int spatial, int temporal) {
  world.Prefer(static_cast<uint8_t>(spatial), static_cast<uint8_t>(temporal));
}

}  // namespace sluice::worker
