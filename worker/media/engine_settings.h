#pragma once

namespace sluice::worker {

/// How an engine works for all of its transports: options of the worker that are no limits.
struct EngineSettings {
  /// Whether the path to each viewer is estimated, paced and shared out
  /// (docs/congestion-control.md).
  bool estimate_bandwidth = false;
  /// Whether who joins a sender of video is sent the group of pictures so far, where that shows
  /// what happens now sooner than a key frame would come (docs/life-of-a-packet.md).
  bool replay_groups = false;
};

}  // namespace sluice::worker
