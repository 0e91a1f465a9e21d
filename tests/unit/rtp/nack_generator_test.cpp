#include "worker/core/rtp/nack_generator.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <set>
#include <vector>

#include "tests/sim/virtual_environment.h"

namespace sluice::worker {
namespace {

constexpr Timestamp kStart = Timestamp::Millis(1'000'000);
constexpr int64_t kBase = 1 << 16;

Timestamp At(int64_t ms) { return kStart + Duration::Millis(ms); }

bool Feed(NackGenerator& nack, int64_t sequence, int64_t ms, bool key_frame = false) {
  return nack.OnPacket(ExtendedSeqNumber(kBase + sequence), key_frame, false, At(ms));
}

std::vector<int> Due(NackGenerator& nack, int64_t ms) {
  std::vector<SeqNumber> due;
  nack.TakeDue(At(ms), &due);
  std::vector<int> numbers;
  for (const SeqNumber number : due) numbers.push_back(number.value());
  return numbers;
}

TEST_CASE("a hole is given up when it is 10,000 numbers old, and not before") {
  NackGenerator nack;
  const int last = 2 + static_cast<int>(NackGenerator::kMaxAge);
  for (int number = 1; number <= last; ++number) {
    if (number != 2 && number != 4) Feed(nack, number, 0);
  }
  CHECK(nack.holes() == 2);
  Feed(nack, last + 1, 0);
  CHECK(Due(nack, 10) == std::vector<int>{4});
}

TEST_CASE("a hole is asked for after 10 ms, then each round trip, ten times in all") {
  NackGenerator nack;
  Feed(nack, 1, 0);
  CHECK_FALSE(nack.NextDue(At(0)));
  Feed(nack, 4, 0);
  CHECK(Due(nack, 9).empty());
  CHECK(nack.NextDue(At(0)) == At(10));
  CHECK(Due(nack, 10) == std::vector<int>{2, 3});
  CHECK(nack.NextDue(At(10)) == At(50));  // at most 40 ms without looking
  CHECK(Due(nack, 109).empty());
  int64_t now = 110;
  for (int tries = 1; tries < NackGenerator::kMaxTries; ++tries, now += 100) {
    CHECK(Due(nack, now) == std::vector<int>{2, 3});
  }
  CHECK(Due(nack, now).empty());
  CHECK(nack.holes() == 0);
  CHECK_FALSE(nack.NextDue(At(now)));
}

TEST_CASE("an overtaken packet is never asked for") {
  NackGenerator nack;
  Feed(nack, 1, 0);
  Feed(nack, 3, 0);
  CHECK_FALSE(Feed(nack, 2, 5));  // filled, but nobody had asked
  CHECK(Due(nack, 100).empty());
}

TEST_CASE("a packet that fills an asked hole says so") {
  NackGenerator nack;
  Feed(nack, 1, 0);
  Feed(nack, 3, 0);
  Due(nack, 20);
  CHECK(Feed(nack, 2, 60));
  CHECK_FALSE(Feed(nack, 2, 61));
  CHECK(nack.holes() == 0);
}

TEST_CASE("repeats are spaced by the round trip, but not closer than 20 ms") {
  NackGenerator nack;
  Feed(nack, 1, 0);
  Feed(nack, 3, 0);
  nack.SetRoundTrip(Duration::Millis(250));
  CHECK(Due(nack, 10).size() == 1);
  CHECK(Due(nack, 259).empty());
  nack.SetRoundTrip(Duration::Millis(1));
  CHECK(Due(nack, 260).size() == 1);
  CHECK(Due(nack, 279).empty());
  CHECK(Due(nack, 280).size() == 1);
}

TEST_CASE("the list is bounded: what lies before a key frame goes first, else all goes") {
  NackGenerator nack;
  Feed(nack, 0, 0);
  Feed(nack, 601, 0);  // 600 holes
  CHECK(nack.holes() == 600);

  SECTION("with a key frame") {
    Feed(nack, 602, 0, /*key_frame=*/true);
    Feed(nack, 1103, 0);  // 500 more: the 600 before the key frame make room
    CHECK(nack.holes() == 500);
    CHECK_FALSE(nack.TakeKeyFrameNeed());
    CHECK(Due(nack, 10).front() == 603);
  }
  SECTION("without one") {
    Feed(nack, 1102, 0);
    CHECK(nack.holes() == 0);
    CHECK(nack.TakeKeyFrameNeed());
    CHECK_FALSE(nack.TakeKeyFrameNeed());
    CHECK(Due(nack, 10).empty());
  }
  SECTION("a jump longer than the list") {
    Feed(nack, 3500, 0);
    CHECK(nack.holes() == 0);
    CHECK(nack.TakeKeyFrameNeed());
  }
}

TEST_CASE("holes older than 10 000 numbers are forgotten") {
  NackGenerator nack;
  Feed(nack, 0, 0);
  for (int64_t i = 2; i <= 10'001; ++i) Feed(nack, i, 0);
  CHECK(nack.holes() == 1);
  Feed(nack, 10'002, 0);
  CHECK(nack.holes() == 0);
}

TEST_CASE("a restart forgets the holes; a pause keeps the newest number") {
  NackGenerator nack;
  Feed(nack, 1, 0);
  Feed(nack, 5, 0);
  nack.OnPacket(ExtendedSeqNumber(kBase * 4), false, /*restarted=*/true, At(1));
  CHECK(nack.holes() == 0);
  nack.OnPacket(ExtendedSeqNumber(kBase * 4 + 2), false, false, At(1));
  CHECK(nack.holes() == 1);
  nack.ClearHoles();
  CHECK_FALSE(nack.NextDue(At(2)));
  nack.OnPacket(ExtendedSeqNumber(kBase * 4 + 4), false, false, At(3));
  CHECK(nack.holes() == 1);
}

TEST_CASE("under loss and reordering each missing packet is asked for until it comes") {
  // Seeded: 10 % of packets are lost, 5 % overtaken by up to 5 others, over two wraps; an answer
  // takes 50 ms and is lost with 30 %.
  VirtualEnvironment environment(20261121);
  NackGenerator nack;
  nack.SetRoundTrip(Duration::Millis(50));
  constexpr int64_t kPackets = 140'000;
  const int64_t first = kBase + 65'000;
  std::multimap<int64_t, int64_t> arrivals;  // ms → sequence
  std::set<int64_t> lost;
  for (int64_t i = 0; i < kPackets; ++i) {
    const uint32_t dice = environment.RandomBelow(100);
    if (i > 0 && dice < 10) {
      lost.insert(first + i);
    } else {
      arrivals.emplace(i + (dice < 15 ? 1 + environment.RandomBelow(5) : 0), first + i);
    }
  }
  std::map<int64_t, int> asked;
  int64_t newest = 0;
  int64_t recovered = 0;
  std::vector<SeqNumber> due;
  for (int64_t ms = 0; ms < kPackets + 2000; ++ms) {
    auto [begin, end] = arrivals.equal_range(ms);
    for (auto it = begin; it != end; ++it) {
      const bool filled = nack.OnPacket(ExtendedSeqNumber(it->second), false, false, At(ms));
      newest = std::max(newest, it->second);
      if (filled && lost.erase(it->second) == 1) ++recovered;
    }
    due.clear();
    nack.TakeDue(At(ms), &due);
    REQUIRE(nack.holes() <= NackGenerator::kMaxHoles);
    for (const SeqNumber number : due) {
      const int64_t sequence = newest + Distance(number, SeqNumber(static_cast<uint16_t>(newest)));
      REQUIRE(++asked[sequence] <= NackGenerator::kMaxTries);
      REQUIRE(lost.count(sequence) == 1);  // 5 ms of reordering never outlive the 10 ms delay
      if (environment.RandomBelow(100) >= 30) arrivals.emplace(ms + 50, sequence);
    }
  }
  CHECK(recovered > kPackets / 11);
  // 0.3^10: none is given up; a loss at the very end has nobody after it to show.
  CHECK(std::all_of(lost.begin(), lost.end(), [&](int64_t l) { return l > newest; }));
}

}  // namespace
}  // namespace sluice::worker
