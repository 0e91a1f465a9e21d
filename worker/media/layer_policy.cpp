#include "worker/media/layer_policy.h"

namespace sluice::worker {

Status LayerPolicy::SetPriority(uint8_t priority) {
  if (priority == 0) return TypeError("priority 0 is not within 1 to 255");
  priority_ = priority;
  return {};
}

std::optional<ConsumerLayers> LayerPolicy::SetPreferredLayers(const ConsumerLayers& /*layers*/) {
  return std::nullopt;
}

RtpType ConsumerTypeOf(const ConsumeOptions& options) {
  if (options.type == RtpType::kPipe) return RtpType::kPipe;
  if (options.consumable_rtp_encodings.size() > 1) return RtpType::kSimulcast;
  if (!options.consumable_rtp_encodings.empty()) {
    // Temporal layers alone are forwarded as they come, as Producer::type() says.
    const ScalabilityMode mode =
        ParseScalabilityMode(options.consumable_rtp_encodings[0].scalability_mode);
    if (mode.spatial_layers > 1) return RtpType::kSvc;
  }
  return RtpType::kSimple;
}

}  // namespace sluice::worker
