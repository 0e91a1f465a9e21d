#pragma once

#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "common/units.h"
#include "worker/media/layer_policy.h"
#include "worker/media/reports.h"

namespace sluice::worker {

/// Decides what a pipe should send of each encoding of its producer: what is wanted at its far end
/// goes in, and which encodings live; the target comes out. The far end says what its viewers
/// prefer, whatever lives; where that is dead they live on another encoding, as those here do, so
/// the pipe has to bring it (docs/protocols/layers.md §6). It sees no packet: PipeForwarder's
/// business.
///
/// Owned by a Consumer.
class PipePolicy {
 public:
  /// An encoding that has stood in for another one goes on for so long when that lives again: the
  /// viewers there wait for LayerPolicy::kMinLife, and then for a key frame, before they leave it.
  static constexpr Duration kRest = Duration::Seconds(5);

  /// At first everything is wanted. One element for each encoding, here and below.
  void SetWishes(std::vector<WantedLayers> wishes);
  /// As they were told.
  std::span<const WantedLayers> wishes() const { return wishes_; }
  /// Something is wanted.
  bool wants_anything() const;

  /// Chooses the target anew. Wishes have been told.
  void Update(std::span<const EncodingLife> encodings, Timestamp now);
  /// The wishes, and what stands in for the dead among them.
  std::span<const WantedLayers> target() const { return target_; }
  /// When Update() may choose otherwise though nothing has changed.
  std::optional<Timestamp> next_update() const { return next_update_; }

 private:
  /// What is sent of an encoding for those who want another one.
  struct StandIn {
    WantedLayers layers;
    std::optional<Timestamp> until;  ///< none: as long as the other one is dead
  };

  std::vector<WantedLayers> wishes_;
  std::vector<StandIn> stand_ins_;
  std::vector<WantedLayers> target_;
  std::optional<Timestamp> next_update_;
};

}  // namespace sluice::worker
