// Fragments of session descriptions (RFC 8840 §9): candidates and credentials that come by PATCH.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "controller/sdp/reader.h"
#include "controller/sdp/writer.h"

using namespace sluice::controller;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto fragment = sdp::ReadFragment({reinterpret_cast<const char*>(data), size});
  if (!fragment.ok()) return 0;
  for (const bool ice_lite : {false, true}) {
    // What was read, written again, must read to the same.
    const std::string text = sdp::WriteFragment(*fragment, ice_lite);
    if (text.size() > sdp::kMaxText) continue;
    const auto again = sdp::ReadFragment(text);
    if (!again.ok() || sdp::WriteFragment(*again, ice_lite) != text) abort();
  }
  return 0;
}
