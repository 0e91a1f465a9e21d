#pragma once

#include <cstdint>
#include <optional>

#include "common/rtp_parameters.h"
#include "common/status.h"
#include "worker/media/options.h"

namespace sluice::worker {

/// What of its producer a consumer should send, until the policy says otherwise.
struct LayerTarget {
  static constexpr uint8_t kAll = 0xff;  ///< whatever layers there are

  uint8_t encoding = 0;  ///< of the producer: the one to be on
  uint8_t spatial = kAll;
  uint8_t temporal = kAll;
  friend bool operator==(const LayerTarget&, const LayerTarget&) = default;
};

/// Decides what a consumer should get: its wishes (preferred layers, priority) go in, the target
/// comes out. Bandwidth (the allocator's share) and which encodings of the producer live are to
/// come in here, too, when there is more than one encoding to choose from. It never sees a packet;
/// when and how the target is reached is the LayerForwarder's business.
///
/// Owned by a Consumer. Today's only kind is the simple one: one encoding, all of it.
class LayerPolicy {
 public:
  /// The application's order of consumers when there is too little for all: 1…255, more is more
  /// important.
  static constexpr uint8_t kDefaultPriority = 1;

  /// TypeError for 0.
  Status SetPriority(uint8_t priority);
  uint8_t priority() const { return priority_; }
  /// The highest layers that the application wants; returns what was set. nullopt where there are
  /// none to prefer: a single encoding.
  std::optional<ConsumerLayers> SetPreferredLayers(const ConsumerLayers& layers);

  const LayerTarget& target() const { return target_; }

 private:
  LayerTarget target_;
  uint8_t priority_ = kDefaultPriority;
};

/// What type of consumer an application asks for: pipe if it says so, else by the encodings that
/// can be consumed (one encoding with temporal layers only is simple).
RtpType ConsumerTypeOf(const ConsumeOptions& options);

}  // namespace sluice::worker
