#include <algorithm>
#include <array>
#include <cstdlib>
#include <span>

#include "worker/wire/dependency_descriptor.h"

// The input is a stream's descriptors one after the other, each behind a byte that says its size.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sluice::worker;
  DependencyDescriptorReader reader;
  DependencyDescriptor read;
  std::span<const uint8_t> rest(data, size);
  while (!rest.empty()) {
    const size_t length = std::min<size_t>(rest.front(), rest.size() - 1);
    const auto extension = rest.subspan(1, length);
    rest = rest.subspan(1 + length);
    if (!reader.Read(extension, &read)) continue;
    const DependencyStructure& structure = *read.structure;
    if (structure.target_count > FrameDependencies::kMaxTargets ||
        structure.chain_count > structure.target_count ||
        structure.templates.size() > DependencyStructure::kMaxTemplates ||
        read.frame.reference_count > FrameDependencies::kMaxReferences) {
      abort();
    }
    // Rewritten, it says the same of another frame number, and stays within its room.
    std::array<uint8_t, 255 + kMaxDescriptorGrowth> room;
    const DescriptorRewrite rewrite{1000, 5, structure.AllTargets() & 0x55555555};
    const std::span<uint8_t> out(room.data(), extension.size() + kMaxDescriptorGrowth);
    const size_t written = RewriteDescriptor(extension, read, rewrite, out);
    if (written == 0 || written > out.size()) abort();
    if (!read.brings_structure) continue;
    DependencyDescriptorReader receiver;
    DependencyDescriptor again;
    if (!receiver.Read(out.first(written), &again)) abort();
    if (again.frame_number != static_cast<uint16_t>(read.frame_number + 1000) ||
        again.frame.references != read.frame.references ||
        again.frame.indications != read.frame.indications ||
        again.frame.chains != read.frame.chains) {
      abort();
    }
  }
  return 0;
}
