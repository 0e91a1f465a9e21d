#include "worker/core/layers/layer_filter.h"

namespace sluice::worker {

LayerFilter::Verdict LayerFilter::DecideAnew(const RoutedPacket& packet) {
  if (last_ended_ && last_ == Verdict::kForward && !uses_descriptors_) {
    by_picture_.OnFrameEnd(last_timestamp_, last_layer_);
  }
  const Verdict verdict = DecideFrame(packet);
  has_last_ = verdict != Verdict::kUnreadable;
  last_ended_ = has_last_ && packet.frame.end;
  last_ = verdict == Verdict::kDropPicture ? Verdict::kDrop : verdict;  // it is left out once
  last_timestamp_ = packet.timestamp;
  last_layer_ = packet.frame.spatial_layer;
  if (packet.frame.descriptor != nullptr) last_number_ = packet.frame.descriptor->frame_number;
  return verdict;
}

LayerFilter::Verdict LayerFilter::DecideFrame(const RoutedPacket& packet) {
  const bool has_descriptor = packet.frame.descriptor != nullptr;
  // A sender may begin to write descriptors, or cease, with a key frame.
  if (!started_ || (packet.frame.key && has_descriptor != uses_descriptors_)) {
    by_descriptor_.Reset();
    by_picture_.Reset();
    started_ = true;
    uses_descriptors_ = has_descriptor;
  }
  if (!IsReadable(packet)) [[unlikely]]
    return Verdict::kUnreadable;
  if (!uses_descriptors_) {
    if (by_picture_.Decide(packet)) [[likely]]
      return Verdict::kForward;
    return by_picture_.closes_picture() ? Verdict::kDropPicture : Verdict::kDrop;
  }
  if (by_descriptor_.Decide(packet)) [[likely]]
    return Verdict::kForward;
  // Where a picture has several frames its number is no picture id of VP8.
  return by_descriptor_.closes_frame() ? Verdict::kDropPicture : Verdict::kDrop;
}

}  // namespace sluice::worker
