#include "worker/core/rtp/sequence_tracker.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

namespace sluice::worker {
namespace {

using Verdict = SequenceTracker::Verdict;

SequenceTracker::Outcome Feed(SequenceTracker& tracker, int sequence) {
  return tracker.OnPacket(SeqNumber(static_cast<uint16_t>(sequence)));
}

TEST_CASE("sequence tracker judges each number by its distance from the newest") {
  struct Row {
    std::string name;
    int start;
    int next;
    Verdict verdict;
  };
  const std::vector<Row> rows = {
      {"the next", 100, 101, Verdict::kNewest},
      {"the same", 100, 100, Verdict::kDuplicate},
      {"one before the first", 100, 99, Verdict::kLate},
      {"wrap ahead", 65535, 0, Verdict::kNewest},
      {"wrap behind", 2, 65534, Verdict::kLate},
      {"largest jump", 100, 100 + 2999, Verdict::kNewest},
      {"jump too far", 100, 100 + 3000, Verdict::kDiscarded},
      {"latest packet", 5000, 5000 - 1499, Verdict::kLate},
      {"too late", 5000, 5000 - 1500, Verdict::kDiscarded},
      {"half a circle", 0, 32768, Verdict::kDiscarded},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    SequenceTracker tracker;
    CHECK(Feed(tracker, row.start).verdict == Verdict::kNewest);
    CHECK(Feed(tracker, row.next).verdict == row.verdict);
  }
}

TEST_CASE("sequence tracker extends numbers over the wrap and keeps their low bits") {
  SequenceTracker tracker;
  const int64_t first = Feed(tracker, 65530).sequence.value();
  for (int i = 1; i < 200'000; ++i) {
    const auto outcome = Feed(tracker, 65530 + i);
    REQUIRE(outcome.verdict == Verdict::kNewest);
    REQUIRE(outcome.sequence.value() == first + i);
  }
}

TEST_CASE("sequence tracker sees a packet as new once only, also behind a jump") {
  SequenceTracker tracker;
  Feed(tracker, 10);
  Feed(tracker, 13);
  CHECK(Feed(tracker, 12).verdict == Verdict::kLate);
  CHECK(Feed(tracker, 12).verdict == Verdict::kDuplicate);
  CHECK(Feed(tracker, 11).verdict == Verdict::kLate);
  CHECK(Feed(tracker, 10).verdict == Verdict::kDuplicate);
  // A jump longer than the memory of seen numbers must not leave marks of an earlier round.
  Feed(tracker, 13 + 2990);
  for (int behind = 1; behind < SequenceTracker::kMaxMisorder; ++behind) {
    REQUIRE(Feed(tracker, 13 + 2990 - behind).verdict == Verdict::kLate);
    REQUIRE(Feed(tracker, 13 + 2990 - behind).verdict == Verdict::kDuplicate);
  }
}

TEST_CASE("sequence tracker follows a restart after two numbers in a row") {
  SequenceTracker tracker;
  Feed(tracker, 1000);
  const int64_t before = Feed(tracker, 1001).sequence.value();

  SECTION("two in a row restart past all old numbers") {
    CHECK(Feed(tracker, 40000).verdict == Verdict::kDiscarded);
    const auto outcome = Feed(tracker, 40001);
    CHECK(outcome.verdict == Verdict::kNewest);
    CHECK(outcome.restarted);
    CHECK(outcome.sequence.value() > before);
    CHECK(static_cast<uint16_t>(outcome.sequence.value()) == 40001);
    const auto late = Feed(tracker, 40000);  // the one that was not believed
    CHECK(late.verdict == Verdict::kLate);
    CHECK_FALSE(late.restarted);
  }
  SECTION("single strays do not") {
    CHECK(Feed(tracker, 40000).verdict == Verdict::kDiscarded);
    CHECK(Feed(tracker, 1002).verdict == Verdict::kNewest);
    CHECK(Feed(tracker, 40001).verdict == Verdict::kDiscarded);
    CHECK(Feed(tracker, 20000).verdict == Verdict::kDiscarded);
  }
  SECTION("repaired packets never do") {
    CHECK_FALSE(tracker.OnPacket(SeqNumber(40000), false).accepted());
    CHECK_FALSE(tracker.OnPacket(SeqNumber(40001), false).accepted());
  }
  SECTION("a restart close below the wrap stays past all old numbers") {
    Feed(tracker, 60000);
    Feed(tracker, 60001);
    int64_t newest = tracker.newest().value();
    Feed(tracker, 5);
    CHECK(Feed(tracker, 6).restarted);
    const auto late = Feed(tracker, 65000);
    CHECK(late.verdict == Verdict::kLate);
    CHECK(late.sequence.value() > newest);
  }
}

}  // namespace
}  // namespace sluice::worker
