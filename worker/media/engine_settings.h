#pragma once

namespace sluice::worker {

/// How an engine works for all of its transports: options of the worker that are no limits.
struct EngineSettings {
  /// Whether the path to each viewer is estimated, paced and shared out
  /// (docs/congestion-control.md).
  bool estimate_bandwidth = false;
};

}  // namespace sluice::worker
