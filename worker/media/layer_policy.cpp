#include "worker/media/layer_policy.h"

#include <algorithm>
#include <utility>

namespace sluice::worker {

LayerPolicy::LayerPolicy(RtpType type, uint8_t spatial_layers, uint8_t temporal_layers)
    : type_(type),
      spatial_layers_(std::max<uint8_t>(spatial_layers, 1)),
      temporal_layers_(std::max<uint8_t>(temporal_layers, 1)),
      preferred_spatial_(static_cast<uint8_t>(spatial_layers_ - 1)),
      preferred_temporal_(static_cast<uint8_t>(temporal_layers_ - 1)) {
  Update({}, Timestamp());
}

Status LayerPolicy::SetPriority(uint8_t priority) {
  if (priority == 0) return TypeError("priority 0 is not within 1 to 255");
  priority_ = priority;
  return {};
}

std::optional<ConsumerLayers> LayerPolicy::SetPreferredLayers(const ConsumerLayers& layers) {
  if (!chooses()) return std::nullopt;
  const auto highest = static_cast<uint8_t>(temporal_layers_ - 1);
  preferred_spatial_ = std::min(layers.spatial_layer, static_cast<uint8_t>(spatial_layers_ - 1));
  preferred_temporal_ = std::min(layers.temporal_layer.value_or(highest), highest);
  return preferred_layers();
}

std::optional<ConsumerLayers> LayerPolicy::SetPreferredTemporalLayer(std::optional<uint8_t> layer) {
  return SetPreferredLayers({preferred_spatial_, layer});
}

std::optional<ConsumerLayers> LayerPolicy::preferred_layers() const {
  if (!chooses()) return std::nullopt;
  return ConsumerLayers{preferred_spatial_, preferred_temporal_};
}

bool LayerPolicy::SetCeiling(const std::optional<LayerTarget>& ceiling) {
  return std::exchange(ceiling_, ceiling) != ceiling;
}

void LayerPolicy::Update(std::span<const EncodingLife> encodings, Timestamp now) {
  if (!chooses()) return;
  next_update_.reset();
  any_alive_ = std::any_of(encodings.begin(), encodings.end(),
                           [](const EncodingLife& each) { return each.alive; });
  target_ = LayerTarget();
  // Layers that were not announced go along with the highest that was.
  const bool all_temporal = preferred_temporal_ + 1 >= temporal_layers_;
  if (!all_temporal) target_.temporal = preferred_temporal_;
  target_.temporal_above = target_.temporal_below = target_.temporal;
  uint8_t preferred = preferred_spatial_;
  if (ceiling_) {
    target_.temporal_above = 0;  // what has to go for want of bandwidth goes on as little as can be
    target_.temporal = std::min(target_.temporal, ceiling_->temporal);
    const uint8_t most = type_ == RtpType::kSimulcast ? ceiling_->encoding : ceiling_->spatial;
    preferred = std::min(preferred, most);
  }
  if (type_ == RtpType::kSvc) {
    uint8_t highest = preferred;
    if (!encodings.empty() && encodings[0].alive) {
      const uint8_t living = std::max<uint8_t>(encodings[0].spatial_layers, 1);
      highest = std::min(highest, static_cast<uint8_t>(living - 1));
    }
    if (highest + 1 < spatial_layers_) target_.spatial = highest;
    return;
  }
  target_.encoding = BestLiving(encodings, preferred, now, &next_update_).value_or(preferred);
}

std::optional<uint8_t> LayerPolicy::BestLiving(std::span<const EncodingLife> encodings,
                                               uint8_t preferred, Timestamp now,
                                               std::optional<Timestamp>* next_update) {
  std::optional<uint8_t> best;
  for (size_t i = 0; i < encodings.size(); ++i) {
    const EncodingLife& each = encodings[i];
    if (!each.alive || (best && i > preferred)) continue;
    const Timestamp settled = each.alive_since + kMinLife;
    const bool is_new = each.alive_since != Timestamp() && now < settled;
    if (best && is_new) {
      if (!*next_update || settled < **next_update) *next_update = settled;
      continue;
    }
    best = static_cast<uint8_t>(i);
  }
  return best;
}

LayerTarget LayerPolicy::Wish() const {
  LayerTarget wish;
  if (!chooses()) return wish;
  if (preferred_temporal_ + 1 < temporal_layers_) wish.temporal = preferred_temporal_;
  if (type_ == RtpType::kSimulcast) {
    wish.encoding = preferred_spatial_;
  } else if (preferred_spatial_ + 1 < spatial_layers_) {
    wish.spatial = preferred_spatial_;
  }
  return wish;
}

std::optional<ConsumerLayers> LayerPolicy::target_layers() const {
  if (!chooses() || !any_alive_) return std::nullopt;
  return LayersOf(target_.encoding, target_.spatial, target_.temporal);
}

ConsumerLayers LayerPolicy::LayersOf(uint8_t encoding, uint8_t spatial, uint8_t temporal) const {
  const uint8_t layer = type_ == RtpType::kSimulcast ? encoding : spatial;
  return {std::min(layer, static_cast<uint8_t>(spatial_layers_ - 1)),
          std::min(temporal, static_cast<uint8_t>(temporal_layers_ - 1))};
}

RtpType ConsumerTypeOf(const ConsumeOptions& options) {
  if (options.type == RtpType::kPipe) return RtpType::kPipe;
  if (options.kind == MediaKind::kAudio) return RtpType::kSimple;
  if (options.consumable_rtp_encodings.size() > 1) return RtpType::kSimulcast;
  if (!options.consumable_rtp_encodings.empty()) {
    const ScalabilityMode mode =
        ParseScalabilityMode(options.consumable_rtp_encodings[0].scalability_mode);
    if (mode.spatial_layers > 1 || mode.temporal_layers > 1) return RtpType::kSvc;
  }
  return RtpType::kSimple;
}

}  // namespace sluice::worker
