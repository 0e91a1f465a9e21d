#include <algorithm>
#include <vector>

#include "fuzzers/script.h"
#include "worker/wire/red.h"

// Blocks lie inside the payload, one behind the other, and the primary one is what is left; with
// other payload types they are still the same.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sluice;
  using namespace sluice::worker;
  std::vector<uint8_t> payload(data, data + size);
  const auto red = ParseRed(payload);
  if (!red) return 0;
  fuzz::Check(red->count > 0 && red->count <= RedPayload::kMaxBlocks);
  const uint8_t* at = payload.data() + (red->count - 1) * 4 + 1;
  for (size_t i = 0; i < red->count; ++i) {
    fuzz::Check(red->blocks[i].data.data() == at);
    at += red->blocks[i].data.size();
  }
  fuzz::Check(at == payload.data() + size);
  fuzz::Check(payload.data() + red->primary_offset == red->primary().data.data());
  fuzz::Check(red->primary().timestamp_offset == 0);
  for (size_t i = 0; i < red->count; ++i) {
    SetRedBlockType(payload, i, PayloadType(static_cast<uint8_t>(100 + i)));
  }
  const auto again = ParseRed(payload);
  fuzz::Check(again.has_value() && again->count == red->count);
  for (size_t i = 0; i < red->count; ++i) {
    fuzz::Check(again->blocks[i].payload_type.value() == 100 + i);
    fuzz::Check(again->blocks[i].timestamp_offset == red->blocks[i].timestamp_offset);
    fuzz::Check(again->blocks[i].data.data() == red->blocks[i].data.data());
  }
  return 0;
}
