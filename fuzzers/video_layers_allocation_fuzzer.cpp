#include <cstdlib>
#include <span>

#include "worker/wire/video_layers_allocation.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sluice::worker;
  const auto read = ParseVideoLayersAllocation(std::span(data, size));
  if (!read) return 0;
  if (read->layer_count > read->layers.size()) abort();
  for (size_t i = 0; i < read->layer_count; ++i) {
    const VideoLayersAllocation::Layer& layer = read->layers[i];
    if (layer.stream >= read->stream_count || layer.temporal_layers == 0 ||
        layer.temporal_layers > VideoLayersAllocation::kMaxTemporalLayers) {
      abort();
    }
  }
  return 0;
}
