#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "bench/load_thread.h"

namespace sluice::worker::bench {

/// Heap in use, by step, of one viewer after the other being set up.
struct MemoryBreakdown {
  static constexpr size_t kViewers = 200;
  static constexpr size_t kTarget = 64 * 1024;  // bytes a viewer

  struct Step {
    std::string name;
    double bytes_per_viewer = 0;
  };
  std::vector<Step> steps;
  double total_per_viewer = 0;
  // Not in the total:
  double data_channel_bytes = 0;  ///< of a viewer that has one
  // Consumers that are their producer's only ones: of layers, with a filter that they share with
  // nobody, and without.
  double simulcast_consumer_bytes = 0;  ///< VP8 in three encodings, L1T3 each
  double svc_consumer_bytes = 0;        ///< VP9 L3T3_KEY
  double simple_consumer_bytes = 0;
  // The ring of recent packets, one per producer encoding, shared by all its viewers:
  size_t store_packets = 0;
  size_t store_ring_bytes = 0;
  size_t store_held_bytes = 0;  ///< packet buffers that it keeps
  size_t pool_bytes = 0;        ///< all packet buffers of the worker

  /// Sets kViewers up on a batched path and plays 30 fps video to them for three seconds.
  static MemoryBreakdown Measure(const Placement& placement);
  void Print() const;
};

}  // namespace sluice::worker::bench
