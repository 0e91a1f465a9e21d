#include "worker/wire/dependency_descriptor.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace sluice::worker {

namespace {

/// Reads bits from the most significant on; past the end it gives zeros and is no longer ok().
class BitReader {
 public:
  explicit BitReader(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  uint32_t Read(size_t bits) {
    uint32_t value = 0;
    for (; bits > 0; --bits, ++at_) {
      const bool bit = at_ < bytes_.size() * 8 && (bytes_[at_ / 8] >> (7 - at_ % 8) & 1) != 0;
      value = value << 1 | static_cast<uint32_t>(bit);
    }
    return value;
  }
  bool ReadFlag() { return Read(1) != 0; }
  /// A value below `bound` (> 0) in as few bits as it needs: ns(n) of the AV1 bitstream
  /// specification.
  uint32_t ReadBelow(uint32_t bound) {
    const auto width = static_cast<size_t>(std::bit_width(bound));
    const uint32_t short_values = (uint32_t{1} << width) - bound;
    const uint32_t value = Read(width - 1);
    if (value < short_values) return value;
    return (value << 1) - short_values + Read(1);
  }
  size_t position() const { return at_; }
  void SkipTo(size_t at) { at_ = at; }
  void Fail() { failed_ = true; }
  bool ok() const { return !failed_ && at_ <= bytes_.size() * 8; }

 private:
  std::span<const uint8_t> bytes_;
  size_t at_ = 0;  ///< bits
  bool failed_ = false;
};

constexpr size_t kMandatoryBytes = 3;
// Bits from the start of the descriptor.
constexpr size_t kTargetsFlagAt = 25;
constexpr size_t kFlagsEnd = 29;
constexpr size_t kTemplateOffsetAt = kFlagsEnd;  // with a structure
constexpr size_t kTemplateIdBits = 6;

// Values of next_layer_idc.
constexpr uint32_t kNextTemporalLayer = 1;
constexpr uint32_t kNextSpatialLayer = 2;
constexpr uint32_t kNoMoreTemplates = 3;
constexpr uint8_t kMaxSpatialLayer = 3;
constexpr uint8_t kMaxTemporalLayer = 7;

void ReadIndications(BitReader& reader, size_t targets, FrameDependencies* frame) {
  for (size_t i = 0; i < targets; ++i) {
    frame->indications[i] = static_cast<DecodeTargetIndication>(reader.Read(2));
  }
}

void AddReference(BitReader& reader, uint32_t difference, FrameDependencies* frame) {
  if (frame->reference_count == FrameDependencies::kMaxReferences) return reader.Fail();
  frame->references[frame->reference_count++] = static_cast<uint16_t>(difference);
}

void ReadTemplateLayers(BitReader& reader, DependencyStructure* structure) {
  FrameDependencies next;
  for (;;) {
    if (structure->templates.size() == DependencyStructure::kMaxTemplates) return reader.Fail();
    structure->templates.push_back(next);
    const uint32_t step = reader.Read(2);
    if (step == kNoMoreTemplates || !reader.ok()) return;
    if (step == kNextTemporalLayer) {
      ++next.temporal_layer;
    } else if (step == kNextSpatialLayer) {
      next.temporal_layer = 0;
      ++next.spatial_layer;
    }
    if (next.temporal_layer > kMaxTemporalLayer || next.spatial_layer > kMaxSpatialLayer) {
      return reader.Fail();
    }
  }
}

void ReadTemplateChains(BitReader& reader, DependencyStructure* structure) {
  structure->chain_count = static_cast<uint8_t>(reader.ReadBelow(structure->target_count + 1u));
  if (structure->chain_count == 0) return;
  for (size_t i = 0; i < structure->target_count; ++i) {
    structure->protected_by[i] = static_cast<uint8_t>(reader.ReadBelow(structure->chain_count));
  }
  for (FrameDependencies& each : structure->templates) {
    for (size_t i = 0; i < structure->chain_count; ++i) {
      each.chains[i] = static_cast<uint8_t>(reader.Read(4));
    }
  }
}

bool IsPresent(const FrameDependencies& frame, size_t target) {
  return frame.indications[target] != DecodeTargetIndication::kNotPresent;
}

void DescribeTargets(DependencyStructure* structure) {
  for (size_t i = 0; i < structure->target_count; ++i) {
    DependencyStructure::Layers& layers = structure->layers[i];
    uint32_t contained = structure->AllTargets();
    for (const FrameDependencies& each : structure->templates) {
      if (IsPresent(each, i)) {
        layers.spatial = std::max(layers.spatial, each.spatial_layer);
        layers.temporal = std::max(layers.temporal, each.temporal_layer);
        continue;
      }
      for (size_t other = 0; other < structure->target_count; ++other) {
        if (IsPresent(each, other)) contained &= ~(uint32_t{1} << other);
      }
    }
    structure->contained[i] = contained;
  }
}

std::shared_ptr<DependencyStructure> ReadStructure(BitReader& reader) {
  auto structure = std::make_shared<DependencyStructure>();
  structure->template_offset = static_cast<uint8_t>(reader.Read(6));
  structure->target_count = static_cast<uint8_t>(reader.Read(5) + 1);
  ReadTemplateLayers(reader, structure.get());
  for (FrameDependencies& each : structure->templates) {
    ReadIndications(reader, structure->target_count, &each);
  }
  for (FrameDependencies& each : structure->templates) {
    while (reader.ReadFlag() && reader.ok()) AddReference(reader, reader.Read(4) + 1, &each);
  }
  ReadTemplateChains(reader, structure.get());
  if (reader.ReadFlag()) {
    const size_t layers = size_t{structure->templates.back().spatial_layer} + 1;
    for (size_t i = 0; i < layers; ++i) {
      DependencyStructure::Resolution& each = structure->resolutions.emplace_back();
      each.width = static_cast<uint16_t>(reader.Read(16) + 1);
      each.height = static_cast<uint16_t>(reader.Read(16) + 1);
    }
  }
  if (reader.ok()) DescribeTargets(structure.get());
  return structure;
}

constexpr size_t kMaxBits = 32;  // of the following two

/// So many bits of `bytes` from bit `at` on; zeros behind its end.
uint32_t GetBits(std::span<const uint8_t> bytes, size_t at, size_t bits) {
  uint64_t word = 0;
  const size_t first = at / 8;
  const size_t count = (at % 8 + bits + 7) / 8;  // at most 5
  for (size_t i = first; i < first + count; ++i) {
    word = word << 8 | (i < bytes.size() ? bytes[i] : 0);
  }
  word >>= count * 8 - at % 8 - bits;
  return static_cast<uint32_t>(word & ((uint64_t{1} << bits) - 1));
}

/// Overwrites `bits` bits of `bytes` from bit `at` on, which must be there.
void PutBits(std::span<uint8_t> bytes, size_t at, size_t bits, uint32_t value) {
  const size_t first = at / 8;
  const size_t count = (at % 8 + bits + 7) / 8;
  const size_t behind = count * 8 - at % 8 - bits;
  const uint64_t mask = ((uint64_t{1} << bits) - 1) << behind;
  const uint64_t word = uint64_t{value} << behind & mask;
  for (size_t i = 0; i < count; ++i) {
    uint8_t& byte = bytes[first + i];
    const size_t shift = (count - 1 - i) * 8;
    byte = static_cast<uint8_t>((byte & ~(mask >> shift)) | word >> shift);
  }
}

/// How far `a` is ahead of `b`, over the wrap.
int Ahead(uint16_t a, uint16_t b) { return static_cast<int16_t>(a - b); }

/// `template_id` modulo 64: the flags in front of it in its byte do not count.
size_t TemplateIndex(const DependencyStructure& structure, uint8_t template_id) {
  return (template_id + DependencyStructure::kMaxTemplates - structure.template_offset) %
         DependencyStructure::kMaxTemplates;
}

}  // namespace

bool DependencyDescriptorReader::Read(std::span<const uint8_t> extension,
                                      DependencyDescriptor* out) {
  if (extension.size() < kMandatoryBytes) return false;
  BitReader reader(extension);
  out->start_of_frame = reader.ReadFlag();
  out->end_of_frame = reader.ReadFlag();
  out->template_id = static_cast<uint8_t>(reader.Read(6));
  out->frame_number = static_cast<uint16_t>(reader.Read(16));
  out->brings_structure = false;
  out->brings_targets = false;
  out->targets_at = kFlagsEnd;
  for (DependencyDescriptor::Announcement& each : out->announcements) each.size = 0;

  const size_t place = CountBehind(out->frame_number);
  const bool late = place > 0;
  // Before the oldest one none is known: perhaps that was repeated, and began before.
  const Known& in_force = known_[place > 0 && place == count_ ? place - 1 : place];
  std::shared_ptr<const DependencyStructure> structure = in_force.structure;
  uint32_t active_targets = in_force.active_targets;
  bool custom_indications = false;
  bool custom_references = false;
  bool custom_chains = false;
  if (extension.size() > kMandatoryBytes) {
    out->brings_structure = reader.ReadFlag();
    const bool has_active_targets = reader.ReadFlag();
    custom_indications = reader.ReadFlag();
    custom_references = reader.ReadFlag();
    custom_chains = reader.ReadFlag();
    if (out->brings_structure) {
      if (RepeatsStructure(extension)) {
        structure = known_[0].structure;
        reader.SkipTo(structure_end_);
      } else {
        structure = ReadStructure(reader);
      }
      if (!reader.ok()) return false;
      active_targets = structure->AllTargets();
    }
    if (structure == nullptr) return false;
    out->targets_at = static_cast<uint16_t>(reader.position());
    out->brings_targets = has_active_targets;
    if (has_active_targets) active_targets = reader.Read(structure->target_count);
  }
  if (structure == nullptr) return false;

  const size_t index = TemplateIndex(*structure, out->template_id);
  if (index >= structure->templates.size()) return false;
  out->frame = structure->templates[index];
  if (custom_indications) ReadIndications(reader, structure->target_count, &out->frame);
  if (custom_references) {
    out->frame.reference_count = 0;
    for (uint32_t size = reader.Read(2); size > 0 && reader.ok(); size = reader.Read(2)) {
      AddReference(reader, reader.Read(4 * size) + 1, &out->frame);
    }
  }
  if (custom_chains) {
    for (size_t i = 0; i < structure->chain_count; ++i) {
      out->frame.chains[i] = static_cast<uint8_t>(reader.Read(8));
    }
  }
  if (!reader.ok()) return false;
  if (late) {
    if (out->brings_structure) KeepLate(place, {structure, active_targets, out->frame_number});
  } else {
    if (out->brings_structure) {
      // One that is repeated, as independent layers do in a key picture, replaces none: what came
      // before it can still be read.
      const bool is_written_alike = structure == known_[0].structure;
      if (count_ > 0 && structure->Repeats(*known_[0].structure)) {
        known_[0].structure = structure;
      } else {
        Insert(0, {structure, active_targets, out->frame_number});
      }
      if (!is_written_alike) KeepBytes(extension, out->targets_at);
    }
    known_[0].active_targets = active_targets;
    ForgetBefore(out->frame_number);
  }
  out->active_targets = active_targets;
  out->templates_end =
      static_cast<uint8_t>(structure->template_offset + structure->templates.size());
  out->structure = std::move(structure);
  return true;
}

/// How many of the structures that are held begin behind the frame, which came late.
size_t DependencyDescriptorReader::CountBehind(uint16_t frame_number) const {
  if (count_ == 0) return 0;
  const int ahead = Ahead(frame_number, known_[0].first_frame);
  if (ahead >= 0 || ahead <= -kMaxLateFrames) [[likely]]
    return 0;
  size_t count = 1;
  while (count < count_ && Ahead(frame_number, known_[count].first_frame) < 0) ++count;
  return count;
}

/// Of frame `known.first_frame` on; the oldest goes when there are too many.
void DependencyDescriptorReader::Insert(size_t place, Known known) {
  if (place == kMaxStructures) return;
  if (count_ < kMaxStructures) ++count_;
  std::move_backward(known_.begin() + static_cast<std::ptrdiff_t>(place),
                     known_.begin() + static_cast<std::ptrdiff_t>(count_ - 1),
                     known_.begin() + static_cast<std::ptrdiff_t>(count_));
  known_[place] = std::move(known);
}

/// It came late, and is in force from its frame on to that of the next newer one.
void DependencyDescriptorReader::KeepLate(size_t place, Known known) {
  const bool goes_on = place < count_ && known.structure->Repeats(*known_[place].structure);
  if (goes_on) return;
  Known& newer = known_[place - 1];
  if (known.structure->Repeats(*newer.structure)) {
    newer.first_frame = known.first_frame;
    return;
  }
  Insert(place, std::move(known));
}

/// What is too far behind the newest frame is not asked for any more. Frame numbers wrap: those
/// half a cycle on would count as late again.
void DependencyDescriptorReader::ForgetBefore(uint16_t frame_number) {
  const auto oldest = static_cast<uint16_t>(frame_number - (kMaxLateFrames - 1));
  while (count_ > 1 && Ahead(known_[count_ - 2].first_frame, oldest) < 0) {
    known_[--count_] = Known();
  }
  uint16_t& first = known_[count_ - 1].first_frame;
  if (Ahead(first, oldest) < 0) first = oldest;
}

/// Brings what the newest structure was read from, bit by bit.
bool DependencyDescriptorReader::RepeatsStructure(std::span<const uint8_t> extension) const {
  if (count_ == 0 || extension.size() * 8 < structure_end_) return false;
  const size_t first = kFlagsEnd / 8;
  const size_t last = (structure_end_ - 1) / 8;
  constexpr uint8_t kInFirst = 0xff >> kFlagsEnd % 8;
  const auto in_last = static_cast<uint8_t>(0xff << (last * 8 + 8 - structure_end_));
  const auto written = [&](size_t at) { return structure_bytes_[at - first]; };
  if (((extension[first] ^ written(first)) & kInFirst) != 0) return false;
  if (((extension[last] ^ written(last)) & in_last) != 0) return false;
  return std::equal(extension.begin() + first + 1,
                    extension.begin() + static_cast<std::ptrdiff_t>(last),
                    structure_bytes_.begin() + 1);
}

void DependencyDescriptorReader::KeepBytes(std::span<const uint8_t> extension, size_t end) {
  const auto written = extension.first((end + 7) / 8).subspan(kFlagsEnd / 8);
  structure_bytes_.assign(written.begin(), written.end());
  structure_end_ = end;
}

bool DependencyDescriptorReader::PeekLayers(std::span<const uint8_t> extension, uint8_t* spatial,
                                            uint8_t* temporal) const {
  if (count_ == 0 || extension.size() < kMandatoryBytes) return false;
  const DependencyStructure& structure = *known_[0].structure;
  const size_t index = TemplateIndex(structure, extension[0]);
  if (index >= structure.templates.size()) return false;
  *spatial = structure.templates[index].spatial_layer;
  *temporal = structure.templates[index].temporal_layer;
  return true;
}

void DependencyDescriptorReader::Reset() {
  known_.fill(Known());
  count_ = 0;
}

size_t RewriteDescriptor(std::span<const uint8_t> extension, const DependencyDescriptor& descriptor,
                         const DescriptorRewrite& rewrite, std::span<uint8_t> out) {
  if (out.size() < extension.size() + kMaxDescriptorGrowth) return 0;
  if (extension.size() < kMandatoryBytes || descriptor.structure == nullptr) return 0;
  std::copy(extension.begin(), extension.end(), out.begin());
  size_t size = extension.size();
  if (rewrite.active_targets != 0) {
    const size_t targets = descriptor.structure->target_count;
    const size_t at = descriptor.targets_at;
    if (!descriptor.brings_targets) {
      // What follows moves back by as many bits as the mask has.
      const size_t old_bits = std::max(extension.size() * 8, kFlagsEnd);
      if (at > old_bits) return 0;
      size = (old_bits + targets + 7) / 8;
      std::fill(out.begin() + static_cast<std::ptrdiff_t>(extension.size()),
                out.begin() + static_cast<std::ptrdiff_t>(size), uint8_t{0});
      for (size_t bit = at; bit < extension.size() * 8; bit += kMaxBits) {
        const size_t bits = std::min(extension.size() * 8 - bit, kMaxBits);
        PutBits(out, bit + targets, bits, GetBits(extension, bit, bits));
      }
      PutBits(out, kTargetsFlagAt, 1, 1);
    }
    PutBits(out, at, targets, rewrite.active_targets & descriptor.structure->AllTargets());
  }
  RenumberDescriptor(out.data(), descriptor, rewrite);
  if (descriptor.brings_structure) {
    PutBits(out, kTemplateOffsetAt, kTemplateIdBits,
            uint32_t{descriptor.structure->template_offset} + rewrite.template_id);
  }
  return size;
}

/// One that was made before, or is now.
std::span<const uint8_t> MakeAnnouncement(std::span<const uint8_t> extension,
                                          const DependencyDescriptor& descriptor,
                                          uint32_t active_targets) {
  using Announcement = DependencyDescriptor::Announcement;
  for (const Announcement& each : descriptor.announcements) {
    if (each.size > 0 && each.active_targets == active_targets) {
      return std::span(each.bytes).first(each.size);
    }
  }
  if (extension.size() + kMaxDescriptorGrowth > Announcement::kMaxBytes) return {};
  for (Announcement& each : descriptor.announcements) {
    if (each.size > 0) continue;
    DescriptorRewrite rewrite;
    rewrite.active_targets = active_targets;
    each.active_targets = active_targets;
    each.size = static_cast<uint8_t>(RewriteDescriptor(extension, descriptor, rewrite, each.bytes));
    return std::span(each.bytes).first(each.size);
  }
  return {};
}

}  // namespace sluice::worker
