#include "worker/core/rtp/frame_info.h"

#include <algorithm>

namespace sluice::worker {

namespace {

bool IsSwitchPoint(const DependencyDescriptor& descriptor) {
  const auto& all = descriptor.frame.indications;
  const auto end = all.begin() + descriptor.structure->target_count;
  return std::find(all.begin(), end, DecodeTargetIndication::kSwitch) != end;
}

/// The frames of a picture have numbers one after the other, one for each spatial layer.
bool RefersToOwnPicture(const FrameDependencies& frame) {
  const auto begin = frame.references.begin();
  return std::any_of(begin, begin + frame.reference_count,
                     [&](uint16_t distance) { return distance <= frame.spatial_layer; });
}

}  // namespace

FrameInfo FrameInfo::Of(const PayloadInfo& payload, bool marker,
                        const DependencyDescriptor* descriptor) {
  FrameInfo frame;
  frame.key = payload.key_frame;
  frame.descriptor = descriptor;
  if (descriptor != nullptr) {
    // Encrypted from end to end, the payload does not tell.
    const bool alone = descriptor->frame.reference_count == 0;
    frame.key |= descriptor->brings_structure && descriptor->start_of_frame && alone;
    frame.start = descriptor->start_of_frame;
    frame.end = descriptor->end_of_frame;
    frame.switch_point = IsSwitchPoint(*descriptor);
    frame.inter_layer = RefersToOwnPicture(descriptor->frame);
    frame.spatial_layer = descriptor->frame.spatial_layer;
    frame.temporal_layer = descriptor->frame.temporal_layer;
    return frame;
  }
  frame.start = payload.start_of_frame;
  frame.end = payload.end_of_frame || marker;
  frame.switch_point = payload.layer_sync;
  frame.spatial_layer = payload.spatial_layer;
  frame.temporal_layer = payload.temporal_layer;
  return frame;
}

}  // namespace sluice::worker
