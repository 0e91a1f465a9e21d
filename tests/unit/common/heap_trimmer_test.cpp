#include "common/heap_trimmer.h"

#include <catch2/catch.hpp>
#include <memory>
#include <vector>

namespace sluice {
namespace {

constexpr size_t kMb = 1 << 20;

TEST_CASE("memory is given back when much is idle and nothing is leaving any more") {
  HeapTrimmer trimmer;
  CHECK_FALSE(trimmer.ShouldTrim({20 * kMb, 5 * kMb}));     // 15 MB are the program
  CHECK_FALSE(trimmer.ShouldTrim({420 * kMb, 405 * kMb}));  // a storm, all of it in use
  CHECK_FALSE(trimmer.ShouldTrim({420 * kMb, 200 * kMb}));  // they are leaving
  CHECK_FALSE(trimmer.ShouldTrim({420 * kMb, 6 * kMb}));
  CHECK(trimmer.ShouldTrim({420 * kMb, 6 * kMb}));
  trimmer.OnTrimmed({24 * kMb, 6 * kMb});
  CHECK_FALSE(trimmer.ShouldTrim({24 * kMb, 6 * kMb}));
}

TEST_CASE("what cannot be given back is not tried again and again") {
  HeapTrimmer trimmer;
  trimmer.ShouldTrim({20 * kMb, 5 * kMb});
  trimmer.ShouldTrim({120 * kMb, 10 * kMb});
  REQUIRE(trimmer.ShouldTrim({120 * kMb, 10 * kMb}));
  trimmer.OnTrimmed({100 * kMb, 10 * kMb});
  for (int i = 0; i < 10; ++i) CHECK_FALSE(trimmer.ShouldTrim({101 * kMb, 10 * kMb}));
  CHECK(trimmer.ShouldTrim({120 * kMb, 10 * kMb}));
}

TEST_CASE("small gains are not worth it") {
  HeapTrimmer trimmer;
  trimmer.ShouldTrim({20 * kMb, 5 * kMb});
  for (int i = 0; i < 10; ++i) {
    CHECK_FALSE(trimmer.ShouldTrim({21 * kMb, 5 * kMb}));
    CHECK_FALSE(trimmer.ShouldTrim({1'015 * kMb, 980 * kMb}));
  }
  trimmer.ShouldTrim({22 * kMb, 5 * kMb});
  CHECK(trimmer.ShouldTrim({22 * kMb, 5 * kMb}));
}

#if defined(__has_feature)
#define SLUICE_HAS_FEATURE(name) __has_feature(name)
#else
#define SLUICE_HAS_FEATURE(name) 0
#endif
#if !SLUICE_HAS_FEATURE(address_sanitizer) && !defined(__SANITIZE_ADDRESS__)  // has its own heap
TEST_CASE("freed blocks below a used one go back to the system") {
  const auto before = ReadHeapUse();
  REQUIRE(before);
  std::vector<std::unique_ptr<char[]>> blocks;
  for (int i = 0; i < 100'000; ++i) {
    blocks.push_back(std::make_unique<char[]>(1'000));
    blocks.back()[0] = 1;
  }
  const auto last = std::make_unique<char[]>(1'000);  // keeps the top of the heap where it is
  const auto most = ReadHeapUse();
  REQUIRE(most);
  CHECK(most->used - before->used >= 90 * kMb);
  blocks.clear();
  blocks.shrink_to_fit();
  TrimHeap();
  const auto after = ReadHeapUse();
  REQUIRE(after);
  CHECK(after->used < before->used + 2 * kMb);
  CHECK(after->resident < most->resident - 80 * kMb);
}
#endif

}  // namespace
}  // namespace sluice
