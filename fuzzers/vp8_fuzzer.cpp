#include "fuzzers/descriptor_fuzzing.h"

using namespace sluice;
using namespace sluice::worker;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return FuzzDescriptor(CodecKind::kVp8, data, size);
}
