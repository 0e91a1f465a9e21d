#pragma once

#include <cstdint>

#include "worker/core/layers/descriptor_filter.h"
#include "worker/core/layers/picture_filter.h"
#include "worker/core/rtp/routed_packet.h"

namespace sluice::worker {

/// Chooses frames of one encoding on the way to the layers that are wanted: by dependency
/// descriptor where the sender writes one, else by the payload.
///
/// Owned by a LayerForwarder; told of the packets of the encoding that is being sent.
class LayerFilter {
 public:
  enum class Verdict : uint8_t {
    kForward,
    kDrop,
    /// The first packet of a picture that is left out as a whole.
    kDropPicture,
    /// Nothing can be said of it: its number stays open.
    kUnreadable,
  };

  /// Forgets all; the next packet begins a key frame.
  void Reset() {
    by_descriptor_.Reset();
    by_picture_.Reset();
    started_ = false;
  }
  void SetTarget(uint8_t spatial, uint8_t temporal) {
    by_descriptor_.SetTarget(spatial, temporal);
    by_picture_.SetTarget(spatial, temporal);
  }

  Verdict Decide(const RoutedPacket& packet);
  /// Decide() could say something of it.
  bool IsReadable(const RoutedPacket& packet) const {
    if (uses_descriptors_) return packet.frame.descriptor != nullptr;
    return packet.frame.readable || !packet.extensions.dependency_descriptor.empty();
  }

  uint8_t spatial() const {
    return uses_descriptors_ ? by_descriptor_.spatial() : by_picture_.spatial();
  }
  uint8_t temporal() const {
    return uses_descriptors_ ? by_descriptor_.temporal() : by_picture_.temporal();
  }
  /// The highest spatial layer of the picture that Decide() has just been asked of.
  uint8_t picture_top() const {
    return uses_descriptors_ ? by_descriptor_.picture_top() : by_picture_.picture_top();
  }
  uint32_t active_targets() const {
    return uses_descriptors_ ? by_descriptor_.active_targets() : 0;
  }
  bool wants_key_frame() const {
    return uses_descriptors_ ? by_descriptor_.wants_key_frame() : by_picture_.wants_key_frame();
  }

 private:
  DescriptorFilter by_descriptor_;
  PictureFilter by_picture_;
  bool started_ = false;
  bool uses_descriptors_ = false;
};

}  // namespace sluice::worker
