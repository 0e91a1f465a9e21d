#pragma once

#include <cstddef>
#include <cstdint>

namespace sluice::worker {

/// How much one transport may carry: options of the worker (docs/limits.md). Who owns the transport
/// may ask for as much, so each is far over what an honest one needs.
struct EngineLimits {
  size_t producers = 256;   ///< each costs receive state
  size_t consumers = 2048;  ///< a viewer of a meeting of 1,000 with audio and video
  /// Data producers, and as many data consumers: a direct transport may serve the channels of many
  /// peers.
  size_t data_channels = 4096;
};

/// Objects that were not made because one of these was reached, or RtpListener::kMaxSsrcs.
struct LimitCounters {
  uint64_t producers = 0;
  uint64_t consumers = 0;
  uint64_t ssrcs = 0;
  uint64_t data_channels = 0;
};

}  // namespace sluice::worker
