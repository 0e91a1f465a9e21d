#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "common/rtp_parameters.h"
#include "common/status.h"
#include "common/units.h"
#include "worker/media/options.h"
#include "worker/media/reports.h"

namespace sluice::worker {

/// What of its producer a consumer should send, until the policy says otherwise.
struct LayerTarget {
  static constexpr uint8_t kAll = 0xff;  ///< whatever layers there are

  uint8_t encoding = 0;  ///< of the producer: the one to be on
  uint8_t spatial = kAll;
  uint8_t temporal = kAll;
  // Of an encoding above or below this one, while it is sent until a key frame of this one comes.
  uint8_t temporal_above = kAll;
  uint8_t temporal_below = kAll;
  friend bool operator==(const LayerTarget&, const LayerTarget&) = default;
};

/// What the sender says of the spatial layers of one encoding (video-layers-allocation): bitrates,
/// picture sizes and rates.
struct AnnouncedLayers {
  static constexpr size_t kMaxSpatialLayers = 4;

  /// Whether it has ever said anything of its encodings.
  bool known = false;
  uint8_t active = 0;  ///< a bit for each spatial layer that it sends
  std::array<AnnouncedLayer, kMaxSpatialLayers> layers{};
  friend bool operator==(const AnnouncedLayers&, const AnnouncedLayers&) = default;
};

/// What a producer knows of one of its encodings.
struct EncodingLife {
  bool alive = false;  ///< media comes
  /// When it came back; the start of time for one that has not been away.
  Timestamp alive_since;
  uint8_t spatial_layers = 1;  ///< the highest that comes, and one
};

/// Decides what a consumer should get: its wishes (preferred layers, priority) and which encodings
/// of the producer live go in, the target comes out. The share of the bandwidth comes in as a
/// ceiling. It never sees a packet; when and how the target is reached is the LayerForwarder's
/// business.
///
/// Owned by a Consumer.
class LayerPolicy {
 public:
  /// The application's order of consumers when there is too little for all: 1…255, more is more
  /// important.
  static constexpr uint8_t kDefaultPriority = 1;
  /// How long an encoding that has come back must have been there before it is taken again, where a
  /// lower one can be had.
  static constexpr Duration kMinLife = Duration::Millis(2000);

  /// Nothing to choose: one encoding, all of it.
  LayerPolicy() = default;
  /// Of a consumer of this type: what it can prefer. Simulcast: as many spatial layers as the
  /// producer has encodings.
  LayerPolicy(RtpType type, uint8_t spatial_layers, uint8_t temporal_layers);

  /// TypeError for 0.
  Status SetPriority(uint8_t priority);
  uint8_t priority() const { return priority_; }
  /// The highest layers that the application wants, cut to what there is; no temporal layer: the
  /// highest. Returns what was set; nullopt where there are none to prefer.
  std::optional<ConsumerLayers> SetPreferredLayers(const ConsumerLayers& layers);
  /// The same, with the spatial layer as it is: screens whose viewers prefer size or motion.
  std::optional<ConsumerLayers> SetPreferredTemporalLayer(std::optional<uint8_t> layer);
  std::optional<ConsumerLayers> preferred_layers() const;

  /// What the bandwidth allows: no encoding and no layer above this; nullopt, as at first: it has
  /// no say. True when that is new.
  bool SetCeiling(const std::optional<LayerTarget>& ceiling);
  /// The bandwidth has a say: what is wanted may have to give way to what is below it.
  bool has_ceiling() const { return ceiling_.has_value(); }
  /// Chooses the target anew, with one element for each encoding.
  void Update(std::span<const EncodingLife> encodings, Timestamp now);
  const LayerTarget& target() const { return target_; }
  /// The living encoding to be sent to whoever prefers `preferred`: the highest that is not above
  /// it, else the lowest; nullopt: none lives. Where that may change with time alone, `next_update`
  /// becomes when, unless it is earlier.
  static std::optional<uint8_t> BestLiving(std::span<const EncodingLife> encodings,
                                           uint8_t preferred, Timestamp now,
                                           std::optional<Timestamp>* next_update);
  /// What the target would be if all encodings and layers lived.
  LayerTarget Wish() const;
  /// The target in the terms of the application; nullopt while no encoding lives.
  std::optional<ConsumerLayers> target_layers() const;
  /// What is sent in the terms of the application.
  ConsumerLayers LayersOf(uint8_t encoding, uint8_t spatial, uint8_t temporal) const;
  /// When Update() may choose otherwise though nothing has changed.
  std::optional<Timestamp> next_update() const { return next_update_; }
  bool chooses() const { return type_ != RtpType::kSimple; }

 private:
  RtpType type_ = RtpType::kSimple;
  uint8_t spatial_layers_ = 1;
  uint8_t temporal_layers_ = 1;
  uint8_t priority_ = kDefaultPriority;
  uint8_t preferred_spatial_ = 0;
  uint8_t preferred_temporal_ = 0;
  bool any_alive_ = false;
  std::optional<LayerTarget> ceiling_;
  LayerTarget target_;
  std::optional<Timestamp> next_update_;
};

/// What type of consumer an application asks for: pipe if it says so, else by the encodings that
/// can be consumed. Audio is simple.
RtpType ConsumerTypeOf(const ConsumeOptions& options);

}  // namespace sluice::worker
