#pragma once

#include <cstdint>
#include <span>

#include "worker/wire/payload_descriptor.h"

namespace sluice::worker {

/// The group of pictures that a VP9 sender outside flexible mode announces (RFC 9628 §4.2.1): which
/// pictures each one refers to follows from its place in the group.
class PictureGroup {
 public:
  /// `payload` has a structure; `info` was read from it.
  void OnStructure(std::span<const uint8_t> payload, const PayloadInfo& info) {
    known_ = ParseVp9Structure(payload, &structure_) && structure_.picture_count > 0 &&
             info.picture_id.has_value();
    first_ = info.picture_id.value_or(0);
  }
  /// Adds what the picture refers to, where that is not said and the group tells it.
  void Complete(PayloadInfo* info) const {
    if (!known_ || info->references_known || !info->picture_id) return;
    const uint16_t mask = info->picture_id_long ? 0x7fff : 0x7f;
    const auto since = static_cast<uint16_t>((*info->picture_id - first_) & mask);
    const Vp9Structure::Picture& picture = structure_.pictures[since % structure_.picture_count];
    if (picture.temporal_layer != info->temporal_layer) return;  // it does not keep to it
    info->references_known = true;
    info->reference_count = picture.reference_count;
    info->references = picture.references;
  }
  const Vp9Structure& structure() const { return structure_; }

 private:
  Vp9Structure structure_;
  uint16_t first_ = 0;
  bool known_ = false;
};

}  // namespace sluice::worker
