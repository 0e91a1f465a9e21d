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
    has_last_ = false;
    last_ended_ = false;
    last_ = Verdict::kDrop;
    last_layer_ = 0;
    last_number_ = 0;
    last_timestamp_ = RtpTimestamp();
  }
  void SetTarget(uint8_t spatial, uint8_t temporal) {
    by_descriptor_.SetTarget(spatial, temporal);
    by_picture_.SetTarget(spatial, temporal);
  }

  /// All that lower layers consist of is taken, too, for receivers that choose again. Outlives
  /// Reset().
  void KeepBelow() {
    by_descriptor_.KeepBelow();
    by_picture_.KeepBelow();
  }

  Verdict Decide(const RoutedPacket& packet) {
    if (has_last_ && IsOfLastFrame(packet)) [[likely]] {
      last_ended_ |= packet.frame.end;
      return last_;
    }
    return DecideAnew(packet);
  }
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

  /// Filters in the same state are equal after that.
  void Arrange() { by_picture_.Arrange(); }
  /// They are in the same state, and arranged: whatever they are asked, they will say the same.
  friend bool operator==(const LayerFilter&, const LayerFilter&) = default;

 private:
  Verdict DecideAnew(const RoutedPacket& packet);
  Verdict DecideFrame(const RoutedPacket& packet);
  /// Of the frame that was decided last, which this packet does not begin.
  bool IsOfLastFrame(const RoutedPacket& packet) const {
    if (packet.timestamp != last_timestamp_ || packet.frame.key) return false;
    const DependencyDescriptor* descriptor = packet.frame.descriptor;
    if (uses_descriptors_) {
      return descriptor != nullptr && descriptor->frame_number == last_number_;
    }
    return packet.frame.spatial_layer == last_layer_ && packet.frame.readable &&
           descriptor == nullptr && !packet.info.has_structure;
  }

  bool started_ = false;
  bool uses_descriptors_ = false;
  bool has_last_ = false;
  bool last_ended_ = false;        ///< the last packet of the frame that was decided last has come
  Verdict last_ = Verdict::kDrop;  ///< for further packets of the frame
  uint8_t last_layer_ = 0;
  uint16_t last_number_ = 0;
  RtpTimestamp last_timestamp_;
  PictureFilter by_picture_;
  DescriptorFilter by_descriptor_;
};

}  // namespace sluice::worker
