#include <algorithm>
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
  }
  return 0;
}
