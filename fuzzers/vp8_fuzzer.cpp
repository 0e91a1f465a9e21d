#include "fuzzers/descriptor_fuzzing.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return sluice::FuzzDescriptor(sluice::CodecKind::kVp8, data, size);
}
