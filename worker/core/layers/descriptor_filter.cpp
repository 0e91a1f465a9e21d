#include "worker/core/layers/descriptor_filter.h"

#include <algorithm>
#include <cstdlib>

namespace sluice::worker {

namespace {

/// How far `a` is ahead of `b`, over the wrap.
int Ahead(uint16_t a, uint16_t b) { return static_cast<int16_t>(a - b); }

/// Of a decode target that is not kNone.
size_t Index(int8_t target) { return static_cast<uint8_t>(target); }

}  // namespace

void DescriptorFilter::Reset() {
  frames_.fill(Frame());
  structure_ = nullptr;
  started_ = false;
  broken_ = false;
  restricted_ = false;
  closes_frame_ = false;
  began_structure_ = false;
  last_forwarded_ = false;
  picture_forwarded_ = false;
  structure_sent_ = false;
  target_ = wanted_ = kNone;
  picture_top_ = 0;
  newest_ = first_ = 0;
  active_ = 0;
  announced_ = 0;
  picture_ = structure_picture_ = RtpTimestamp();
}

void DescriptorFilter::SetTarget(uint8_t spatial, uint8_t temporal) {
  if (target_spatial_ == spatial && target_temporal_ == temporal) return;
  target_spatial_ = spatial;
  target_temporal_ = temporal;
  if (structure_ != nullptr) wanted_ = Best(active_);
}

bool DescriptorFilter::wants_key_frame() const {
  if (target_ == kNone || broken_) return true;
  return wanted_ != kNone && structure_->layers[Index(wanted_)].spatial != spatial();
}

bool DescriptorFilter::Decide(const RoutedPacket& packet) {
  const DependencyDescriptor& descriptor = *packet.frame.descriptor;
  const uint16_t number = descriptor.frame_number;
  closes_frame_ = false;
  began_structure_ = false;
  if (started_ && number == newest_) [[likely]] {
    picture_top_ = spatial();
    return last_forwarded_;
  }
  const int ahead = started_ ? Ahead(number, newest_) : 1;
  if (ahead > 0) {
    Advance(number);
    last_forwarded_ = DecideNew(packet);
    const State state = last_forwarded_ ? State::kForwarded : State::kDropped;
    At(number) = {state, target_, packet.timestamp};
    picture_top_ = spatial();
    closes_frame_ = !last_forwarded_;
    return last_forwarded_;
  }
  if (Ahead(number, first_) < 0) return false;
  Frame& frame = At(number);
  if (frame.state == State::kUnknown || frame.state == State::kPromised) {
    const bool forward = DecideLate(packet, &frame.target);
    frame.state = forward ? State::kForwarded : State::kDropped;
    frame.picture = packet.timestamp;
    if (forward) PromiseReferences(descriptor);
    if (descriptor.brings_structure && packet.timestamp == structure_picture_) {
      structure_sent_ |= forward;
    }
  }
  const bool known = frame.target != kNone;
  picture_top_ = known ? descriptor.structure->layers[Index(frame.target)].spatial : 0;
  return frame.state == State::kForwarded;
}

void DescriptorFilter::Advance(uint16_t number) {
  if (!started_) {
    started_ = true;
    first_ = newest_ = number;
    At(number) = Frame();
    return;
  }
  const int steps = std::min(Ahead(number, newest_), static_cast<int>(kFrames));
  for (int i = 0; i < steps; ++i) At(static_cast<uint16_t>(number - i)) = Frame();
  newest_ = number;
  if (Ahead(number, first_) >= static_cast<int>(kFrames)) {
    first_ = static_cast<uint16_t>(number - kFrames + 1);
  }
}

DescriptorFilter::State DescriptorFilter::StateBefore(uint16_t number, uint16_t distance) const {
  const auto other = static_cast<uint16_t>(number - distance);
  if (Ahead(other, first_) < 0) return State::kDropped;
  return At(other).state;
}

bool DescriptorFilter::Present(const DependencyDescriptor& descriptor, int8_t target) {
  return target != kNone &&
         descriptor.frame.indications[Index(target)] != DecodeTargetIndication::kNotPresent;
}

bool DescriptorFilter::Takes(const DependencyDescriptor& descriptor, int8_t target) const {
  if (Present(descriptor, target)) return true;
  if (!keeps_below_ || target == kNone) return false;
  const uint32_t sent = SentAt(*descriptor.structure, target);
  for (int8_t i = 0; Index(i) < descriptor.structure->target_count; ++i) {
    if ((sent >> i & 1) != 0 && Present(descriptor, i)) return true;
  }
  return false;
}

uint32_t DescriptorFilter::SentAt(const DependencyStructure& structure, int8_t target) const {
  uint32_t sent = structure.contained[Index(target)];
  const auto& most = structure.layers[Index(target)];
  for (size_t i = 0; keeps_below_ && i < structure.target_count; ++i) {
    const auto& layers = structure.layers[i];
    const bool below = layers.spatial <= most.spatial && layers.temporal <= most.temporal;
    if (below) sent |= uint32_t{1} << i;
  }
  return sent;
}

bool DescriptorFilter::AnyDropped(const DependencyDescriptor& descriptor) const {
  const FrameDependencies& frame = descriptor.frame;
  for (size_t i = 0; i < frame.reference_count; ++i) {
    if (StateBefore(descriptor.frame_number, frame.references[i]) == State::kDropped) return true;
  }
  return false;
}

bool DescriptorFilter::AllForwarded(const DependencyDescriptor& descriptor) const {
  const FrameDependencies& frame = descriptor.frame;
  for (size_t i = 0; i < frame.reference_count; ++i) {
    if (StateBefore(descriptor.frame_number, frame.references[i]) != State::kForwarded) {
      return false;
    }
  }
  return true;
}

void DescriptorFilter::EnterStructure(const DependencyDescriptor& descriptor) {
  const bool repeats = structure_ != nullptr && structure_picture_ == picture_ &&
                       descriptor.structure->Repeats(*structure_);
  if (repeats && target_ != kNone && picture_forwarded_) {
    // Frames of one picture bring the same one each: what was chosen for the picture stays.
    structure_ = descriptor.structure;
    return;
  }
  if (!repeats) structure_sent_ = false;
  structure_picture_ = picture_;
  structure_ = descriptor.structure;
  active_ = descriptor.active_targets;
  wanted_ = Best(active_);
  // At a key frame every target begins, also one that has no frame of the lowest layer.
  target_ = descriptor.frame.reference_count == 0 ? wanted_ : kNone;
  restricted_ = false;
  broken_ = false;
  began_structure_ = true;
}

int8_t DescriptorFilter::Best(uint32_t active) const {
  const DependencyStructure& structure = *structure_;
  if ((active & structure.AllTargets()) == 0) active = structure.AllTargets();
  int8_t best = kNone;
  const auto better = [&](size_t i, size_t than) {
    const auto& a = structure.layers[i];
    const auto& b = structure.layers[than];
    const bool a_fits = a.spatial <= target_spatial_;
    const bool b_fits = b.spatial <= target_spatial_;
    if (a_fits != b_fits) return a_fits;
    if (a.spatial != b.spatial) return a_fits == (a.spatial > b.spatial);
    const bool a_slow = a.temporal <= target_temporal_;
    const bool b_slow = b.temporal <= target_temporal_;
    if (a_slow != b_slow) return a_slow;
    return a.temporal != b.temporal && a_slow == (a.temporal > b.temporal);
  };
  for (size_t i = 0; i < structure.target_count; ++i) {
    if ((active >> i & 1) == 0) continue;
    if (best == kNone || better(i, Index(best))) best = static_cast<int8_t>(i);
  }
  return best;
}

int DescriptorFilter::Distance(size_t target) const {
  constexpr int kSpatialStep = 8;  // more than there are temporal layers
  const auto& layers = structure_->layers[target];
  const auto& wanted = structure_->layers[Index(wanted_)];
  return std::abs(layers.spatial - wanted.spatial) * kSpatialStep +
         std::abs(layers.temporal - wanted.temporal);
}

/// Goes from target_ towards wanted_ as far as this frame allows.
void DescriptorFilter::Retarget(const DependencyDescriptor& descriptor, bool begins_picture) {
  const DependencyStructure& structure = *structure_;
  const auto wanted = Index(wanted_);
  const auto may_move_to = [&](size_t target) {
    if (target_ == kNone || begins_picture) return true;
    // The packets that end the picture's lower frames have not been marked as its end.
    return structure.layers[target].spatial == structure.layers[Target()].spatial &&
           Takes(descriptor, static_cast<int8_t>(target));
  };
  if (target_ != kNone && (SentAt(structure, target_) >> wanted & 1) != 0) {
    if (may_move_to(wanted)) target_ = wanted_;
    return;
  }
  if (!AllForwarded(descriptor)) return;
  const bool stuck = target_ == kNone || broken_ || (active_ >> Target() & 1) == 0;
  int best = stuck ? INT32_MAX : Distance(Target());
  for (size_t i = 0; i < structure.target_count; ++i) {
    const bool switches = descriptor.frame.indications[i] == DecodeTargetIndication::kSwitch;
    if (!switches || (active_ >> i & 1) == 0 || !may_move_to(i) || Distance(i) >= best) continue;
    best = Distance(i);
    target_ = static_cast<int8_t>(i);
    broken_ = false;
  }
}

bool DescriptorFilter::DecideNew(const RoutedPacket& packet) {
  const DependencyDescriptor& descriptor = *packet.frame.descriptor;
  if (packet.timestamp != picture_) picture_forwarded_ = false;
  picture_ = packet.timestamp;
  const uint32_t announced_before = active_;
  const int8_t target_before = target_;
  const bool begins_anew = descriptor.brings_structure && descriptor.frame.reference_count == 0;
  if (begins_anew && descriptor.frame.spatial_layer > 0) layers_bring_structure_ = true;
  if (descriptor.structure != structure_ || begins_anew) {
    EnterStructure(descriptor);
  } else if (descriptor.active_targets != active_) {
    active_ = descriptor.active_targets;
    wanted_ = Best(active_);
  }
  if (target_ != wanted_ || broken_) Retarget(descriptor, !picture_forwarded_);
  if (target_ != target_before || active_ != announced_before || began_structure_) {
    Announce(active_);
  }
  if (!Takes(descriptor, target_)) return CarriesStructure(descriptor);
  if (AnyDropped(descriptor)) {
    const auto indication = descriptor.frame.indications[Target()];
    broken_ |= indication != DecodeTargetIndication::kDiscardable && Present(descriptor, target_);
    return false;
  }
  structure_sent_ |= descriptor.brings_structure;
  const bool begins = descriptor.start_of_frame && descriptor.frame.reference_count == 0;
  if (begins && !structure_sent_) {
    // The sender has ceased to write it with every layer.
    layers_bring_structure_ = false;
    broken_ = true;
    return false;
  }
  PromiseReferences(descriptor);
  picture_forwarded_ = true;
  return true;
}

/// Where spatial layers are independent, the receiver needs of the lowest one what it says of all
/// of them, unless each layer's key frame says it: then nothing but that is sent.
bool DescriptorFilter::CarriesStructure(const DependencyDescriptor& descriptor) {
  const bool carries = began_structure_ && descriptor.brings_structure && target_ != kNone &&
                       descriptor.frame.reference_count == 0;
  if (!carries || layers_bring_structure_) return false;
  structure_sent_ = true;
  picture_forwarded_ = true;
  return true;
}

/// A frame that is forwarded refers to frames that are late: these will be, too.
void DescriptorFilter::PromiseReferences(const DependencyDescriptor& descriptor) {
  const FrameDependencies& frame = descriptor.frame;
  for (size_t i = 0; i < frame.reference_count; ++i) {
    if (StateBefore(descriptor.frame_number, frame.references[i]) != State::kUnknown) continue;
    At(static_cast<uint16_t>(descriptor.frame_number - frame.references[i])).state =
        State::kPromised;
  }
}

/// A frame that others overtook: it is taken where one that was taken refers to it, or where both
/// its neighbours' targets have it. `target`: what counts as in force at its place.
bool DescriptorFilter::DecideLate(const RoutedPacket& packet, int8_t* target) const {
  const DependencyDescriptor& descriptor = *packet.frame.descriptor;
  const uint16_t number = descriptor.frame_number;
  const auto decided = [this](uint16_t at) {
    return At(at).state == State::kForwarded || At(at).state == State::kDropped;
  };
  auto newer = static_cast<uint16_t>(number + 1);
  while (newer != newest_ && !decided(newer)) ++newer;
  auto older = static_cast<uint16_t>(number - 1);
  while (Ahead(older, first_) > 0 && !decided(older)) --older;
  const bool follows = Ahead(older, first_) >= 0;
  // All frames of a picture are judged alike.
  const bool goes_on = follows && decided(older) && At(older).picture == packet.timestamp;
  const bool begins = !goes_on && decided(newer) && At(newer).picture == packet.timestamp;
  *target = follows && !begins ? At(older).target : At(newer).target;
  if (At(number).state == State::kPromised) return true;
  if (!follows || AnyDropped(descriptor) || !Takes(descriptor, *target)) return false;
  // Behind it another structure may be in force, whose targets say nothing of this frame.
  return goes_on || descriptor.structure != structure_ || Takes(descriptor, At(newer).target);
}

void DescriptorFilter::Announce(uint32_t active) {
  announced_ = 0;
  if (target_ == kNone) return;
  const uint32_t kept = SentAt(*structure_, target_) & active;
  if (kept == active && !restricted_) return;
  restricted_ = true;
  announced_ = kept;
}

}  // namespace sluice::worker
