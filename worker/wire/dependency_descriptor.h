#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace sluice::worker {

/// What a frame is to a decode target ("decode target indication"; AV1 RTP specification, appendix
/// A).
enum class DecodeTargetIndication : uint8_t {
  kNotPresent = 0,
  kDiscardable = 1,  ///< needed, but nothing later refers to it
  kSwitch = 2,       ///< needed; from here the target can be switched to
  kRequired = 3,
};

/// The dependencies of one frame, as its template has them or as the packet says itself.
struct FrameDependencies {
  static constexpr size_t kMaxTargets = 32;  // 5 bits
  static constexpr size_t kMaxChains = 32;   // at most one for each target
  /// Frames that one refers to: AV1 has 7 reference slots, VP9 3.
  static constexpr size_t kMaxReferences = 8;

  uint8_t spatial_layer = 0;
  uint8_t temporal_layer = 0;
  uint8_t reference_count = 0;
  std::array<DecodeTargetIndication, kMaxTargets> indications{};
  /// How many frames before this one (difference of frame numbers), reference_count of them.
  std::array<uint16_t, kMaxReferences> references{};
  /// For each chain the frame before this one that belongs to it, as a difference; 0 = none.
  std::array<uint8_t, kMaxChains> chains{};
  friend bool operator==(const FrameDependencies&, const FrameDependencies&) = default;
};

/// What a sender says once, with a key frame, and later frames refer to by template.
struct DependencyStructure {
  static constexpr size_t kMaxTemplates = 64;  // 6 bits
  struct Resolution {
    uint16_t width = 0;
    uint16_t height = 0;
  };

  uint8_t template_offset = 0;  ///< id of the first template
  uint8_t target_count = 0;
  uint8_t chain_count = 0;
  std::vector<FrameDependencies> templates;
  /// The chain that protects each target; meaningful while chain_count > 0.
  std::array<uint8_t, FrameDependencies::kMaxTargets> protected_by{};
  /// By spatial layer; empty when not said.
  std::vector<Resolution> resolutions;

  // Worked out from the templates.
  struct Layers {
    uint8_t spatial = 0;
    uint8_t temporal = 0;
  };
  /// The highest layers that each target has frames of.
  std::array<Layers, FrameDependencies::kMaxTargets> layers{};
  /// By target: one bit for each target all of whose frames are among its own (itself, too). To
  /// such a target a receiver can come down at any frame.
  std::array<uint32_t, FrameDependencies::kMaxTargets> contained{};

  /// `other` says the same: what is read by one can be read by the other.
  bool Repeats(const DependencyStructure& other) const {
    return template_offset == other.template_offset && target_count == other.target_count &&
           chain_count == other.chain_count && templates == other.templates;
  }
  /// One bit for each target.
  uint32_t AllTargets() const { return static_cast<uint32_t>((uint64_t{1} << target_count) - 1); }
};

/// The dependency descriptor of one packet.
struct DependencyDescriptor {
  bool start_of_frame = false;
  bool end_of_frame = false;
  uint8_t template_id = 0;
  uint8_t templates_end = 0;  ///< id behind that of the last template of `structure`, modulo 256
  uint16_t frame_number = 0;
  /// This packet brought the structure that is in force.
  bool brings_structure = false;
  /// One bit for each target of the structure: what the sender still sends.
  uint32_t active_targets = 0;
  /// Where the mask of active targets stands in the extension, or would: bits from its start.
  uint16_t targets_at = 0;
  bool brings_targets = false;  ///< it stands there
  FrameDependencies frame;
  std::shared_ptr<const DependencyStructure> structure;

  /// The extension with other active targets.
  struct Announcement {
    static constexpr size_t kMaxBytes = 32;  // without a structure few are longer than 12
    uint32_t active_targets = 0;
    uint8_t size = 0;  ///< 0: there is none
    std::array<uint8_t, kMaxBytes> bytes{};
  };
  /// Made by AnnounceTargets() for one receiver, and the same for all that are told the same.
  mutable std::array<Announcement, 2> announcements{};
};

/// How a descriptor changes on its way to one receiver.
struct DescriptorRewrite {
  /// Added to the frame number, the same for all frames of a structure: they count distances.
  uint16_t frame_number = 0;
  uint8_t template_id = 0;  ///< added to all template ids, modulo 64
  /// To be announced as active; 0: what the sender says.
  uint32_t active_targets = 0;
  friend bool operator==(const DescriptorRewrite&, const DescriptorRewrite&) = default;
};
/// How much longer than the original a rewritten descriptor can be: the flags, and the mask.
inline constexpr size_t kMaxDescriptorGrowth = 1 + (FrameDependencies::kMaxTargets + 7) / 8 + 1;

/// Writes `extension`, which was read as `descriptor`, to `out` with these changes. Its size, or 0
/// when `out` has no room: extension.size() + kMaxDescriptorGrowth always has.
size_t RewriteDescriptor(std::span<const uint8_t> extension, const DependencyDescriptor& descriptor,
                         const DescriptorRewrite& rewrite, std::span<uint8_t> out);

std::span<const uint8_t> MakeAnnouncement(std::span<const uint8_t> extension,
                                          const DependencyDescriptor& descriptor,
                                          uint32_t active_targets);
/// `extension`, which was read as `descriptor`, with these active targets and nothing else changed.
/// It lives as long as `descriptor`. Empty where that keeps no copy: RewriteDescriptor() makes one.
inline std::span<const uint8_t> AnnounceTargets(std::span<const uint8_t> extension,
                                                const DependencyDescriptor& descriptor,
                                                uint32_t active_targets) {
  const DependencyDescriptor::Announcement& first = descriptor.announcements[0];
  if (first.size > 0 && first.active_targets == active_targets) [[likely]]
    return std::span(first.bytes).first(first.size);
  return MakeAnnouncement(extension, descriptor, active_targets);
}

/// Changes frame number and template ids at their place in `extension`, which was read as
/// `descriptor` and brings no structure.
inline void RenumberDescriptor(uint8_t* extension, const DependencyDescriptor& descriptor,
                               const DescriptorRewrite& rewrite) {
  constexpr uint8_t kTemplateIdMask = 0x3f;
  const auto template_id = static_cast<uint8_t>(descriptor.template_id + rewrite.template_id);
  const auto number = static_cast<uint16_t>(descriptor.frame_number + rewrite.frame_number);
  const int flags = (descriptor.start_of_frame ? 0x80 : 0) | (descriptor.end_of_frame ? 0x40 : 0);
  extension[0] = static_cast<uint8_t>(flags | (template_id & kTemplateIdMask));
  extension[1] = static_cast<uint8_t>(number >> 8);
  extension[2] = static_cast<uint8_t>(number);
}

/// Reads the dependency descriptors of one RTP stream (docs/protocols/forwarding.md): holds
/// the structures and the active targets that earlier packets announced.
class DependencyDescriptorReader {
 public:
  /// Structures that are held, the one in force among them: so many key frames can have come since
  /// that which a late packet is of.
  static constexpr size_t kMaxStructures = 4;
  /// So many frames behind the newest one, those before the structure in force are understood.
  static constexpr int kMaxLateFrames = 512;  // more than any ring of packets holds

  /// False when `extension` is malformed, or refers to a structure or template that is not known;
  /// what is held stays as it was. A structure that is written as the one in force was is that one:
  /// it is not read again. Allocates only where the packet brings another.
  bool Read(std::span<const uint8_t> extension, DependencyDescriptor* out);
  /// The layers that `extension` says its frame is of; false when that cannot be told. Changes
  /// nothing.
  bool PeekLayers(std::span<const uint8_t> extension, uint8_t* spatial, uint8_t* temporal) const;
  /// The sender has begun anew: frames before its next structure cannot be understood.
  void Reset();

 private:
  struct Known {
    std::shared_ptr<const DependencyStructure> structure;
    uint32_t active_targets = 0;
    /// With which it came; of the oldest one, where that is later, the oldest that is understood.
    uint16_t first_frame = 0;
  };

  size_t CountBehind(uint16_t frame_number) const;
  void Insert(size_t place, Known known);
  void KeepLate(size_t place, Known known);
  void ForgetBefore(uint16_t frame_number);
  bool RepeatsStructure(std::span<const uint8_t> extension) const;
  void KeepBytes(std::span<const uint8_t> extension, size_t end);

  /// In the order of their frames, the newest first; `count_` of them.
  std::array<Known, kMaxStructures> known_;
  size_t count_ = 0;
  /// How the newest one was written: the extension from the byte with its first bit on, and where
  /// it ends, in bits from the start of the extension.
  std::vector<uint8_t> structure_bytes_;
  size_t structure_end_ = 0;
};

}  // namespace sluice::worker
