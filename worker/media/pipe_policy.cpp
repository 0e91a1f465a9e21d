#include "worker/media/pipe_policy.h"

#include <algorithm>

namespace sluice::worker {

void PipePolicy::SetWishes(std::vector<WantedLayers> wishes) {
  wishes_ = std::move(wishes);
  if (!wants_anything()) stand_ins_.clear();
  stand_ins_.resize(wishes_.size());
  target_ = wishes_;
}

bool PipePolicy::wants_anything() const {
  return wishes_.empty() ||
         std::any_of(wishes_.begin(), wishes_.end(), [](const auto& each) { return each.any; });
}

void PipePolicy::Update(std::span<const EncodingLife> encodings, Timestamp now) {
  target_ = wishes_;
  next_update_.reset();
  std::vector<WantedLayers> needed(wishes_.size());
  for (size_t i = 0; i < wishes_.size(); ++i) {
    if (!wishes_[i].any) continue;
    const auto wanted = static_cast<uint8_t>(i);
    const auto best = LayerPolicy::BestLiving(encodings, wanted, now, &next_update_);
    if (best && *best != wanted && *best < needed.size()) needed[*best].Add(wishes_[i]);
  }
  for (size_t i = 0; i < wishes_.size(); ++i) {
    StandIn& stand_in = stand_ins_[i];
    const bool lives = i < encodings.size() && encodings[i].alive;
    if (needed[i].any) {
      stand_in = {needed[i], std::nullopt};
    } else if (!lives) {
      stand_in = {};  // nobody can be left on it
    } else if (stand_in.layers.any) {
      if (!stand_in.until) stand_in.until = now + kRest;
      if (now >= *stand_in.until) {
        stand_in = {};
      } else if (!next_update_ || *stand_in.until < *next_update_) {
        next_update_ = stand_in.until;
      }
    }
    target_[i].Add(stand_in.layers);
  }
}

}  // namespace sluice::worker
