#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "worker/core/rtp/routed_packet.h"
#include "worker/wire/dependency_descriptor.h"

namespace sluice::worker {

/// Chooses frames of one encoding by their dependency descriptors, so that every frame that is
/// chosen can be decoded from those chosen before (docs/protocols/layers.md §3). A state machine:
/// packets in, yes or no out; all packets of a frame get the same answer.
///
/// It is always at one decode target of the structure, and goes to another at a key frame, at a
/// switch indication all of whose references were forwarded, or, to a target whose frames are among
/// those that it sends, at any frame.
class DescriptorFilter {
 public:
  /// Frames remembered, by number: eight seconds of one layer at 30 fps, a second of nine.
  static constexpr size_t kFrames = 256;

  /// Forgets all; the next packet begins a key frame.
  void Reset();
  /// The highest layers wanted.
  void SetTarget(uint8_t spatial, uint8_t temporal);
  /// From now on the frames of all targets are taken that are not above the one which it is at, in
  /// neither kind of layer: whoever receives them chooses again. Outlives Reset().
  void KeepBelow() { keeps_below_ = true; }

  /// In the order of arrival; `packet` has a descriptor.
  bool Decide(const RoutedPacket& packet);
  /// The packet is the first of a frame which Decide() has just left out.
  bool closes_frame() const { return closes_frame_; }

  uint8_t spatial() const { return target_ == kNone ? 0 : structure_->layers[Target()].spatial; }
  uint8_t temporal() const { return target_ == kNone ? 0 : structure_->layers[Target()].temporal; }
  /// The highest spatial layer of the picture that was decided last.
  uint8_t picture_top() const { return picture_top_; }
  /// What the receiver is to be told of active targets; 0: what the sender says.
  uint32_t active_targets() const { return announced_; }
  /// Another spatial layer, or decodable frames at all, can only be had for certain with a key
  /// frame.
  bool wants_key_frame() const;

  /// They are in the same state: whatever they are asked, they will say the same.
  friend bool operator==(const DescriptorFilter&, const DescriptorFilter&) = default;

 private:
  static constexpr int8_t kNone = -1;
  enum class State : uint8_t {
    kUnknown,
    kPromised,  ///< not seen, but a frame that was forwarded refers to it
    kDropped,
    kForwarded,
  };
  struct Frame {
    State state = State::kUnknown;
    int8_t target = kNone;  ///< in force when it was decided
    RtpTimestamp picture;   ///< meaningful once it was decided
    friend bool operator==(const Frame&, const Frame&) = default;
  };

  size_t Target() const { return static_cast<uint8_t>(target_); }
  Frame& At(uint16_t number) { return frames_[number % kFrames]; }
  const Frame& At(uint16_t number) const { return frames_[number % kFrames]; }
  /// What is known of the frame `distance` before `number`.
  State StateBefore(uint16_t number, uint16_t distance) const;
  static bool Present(const DependencyDescriptor& descriptor, int8_t target);
  /// A receiver at `target` gets the frame, if it can be decoded.
  bool Takes(const DependencyDescriptor& descriptor, int8_t target) const;
  /// The targets all of whose frames are sent at `target`, which is one of the structure.
  uint32_t SentAt(const DependencyStructure& structure, int8_t target) const;
  void Advance(uint16_t number);
  void EnterStructure(const DependencyDescriptor& descriptor);
  bool DecideNew(const RoutedPacket& packet);
  bool CarriesStructure(const DependencyDescriptor& descriptor);
  bool DecideLate(const RoutedPacket& packet, int8_t* target) const;
  void PromiseReferences(const DependencyDescriptor& descriptor);
  void Retarget(const DependencyDescriptor& descriptor, bool begins_picture);
  int8_t Best(uint32_t active) const;
  /// How far a target is from the one that is wanted; 0: it is that one.
  int Distance(size_t target) const;
  bool AnyDropped(const DependencyDescriptor& descriptor) const;
  bool AllForwarded(const DependencyDescriptor& descriptor) const;
  void Announce(uint32_t active);

  std::shared_ptr<const DependencyStructure> structure_;
  bool started_ = false;
  bool broken_ = false;
  bool restricted_ = false;  ///< the receiver was told of fewer targets since the structure came
  bool closes_frame_ = false;
  bool began_structure_ = false;
  bool structure_sent_ = false;  ///< a frame that brings structure_ was forwarded
  /// Key frames of independent upper layers bring the structure, too. It is the sender's habit, and
  /// outlives Reset().
  bool layers_bring_structure_ = false;
  bool keeps_below_ = false;
  bool last_forwarded_ = false;     ///< what was said of newest_
  bool picture_forwarded_ = false;  ///< a frame of the newest picture was forwarded
  int8_t target_ = kNone;
  int8_t wanted_ = kNone;
  uint8_t picture_top_ = 0;
  uint8_t target_spatial_ = 0xff;
  uint8_t target_temporal_ = 0xff;
  uint16_t newest_ = 0;
  uint16_t first_ = 0;  ///< of the source, or the oldest remembered
  uint32_t active_ = 0;
  uint32_t announced_ = 0;
  RtpTimestamp picture_;            ///< of the newest frame
  RtpTimestamp structure_picture_;  ///< that structure_ came with
  std::array<Frame, kFrames> frames_{};
};

}  // namespace sluice::worker
