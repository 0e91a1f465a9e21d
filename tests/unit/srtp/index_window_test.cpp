#include "worker/core/srtp/index_window.h"

#include <catch2/catch.hpp>
#include <set>

#include "tests/unit/srtp/srtp_test_support.h"
#include "worker/core/srtp/ssrc_table.h"

using namespace sluice;
using namespace sluice::worker;
using State = IndexWindow::State;

TEST_CASE("IndexWindow keeps the newest 1024 indices") {
  IndexWindow window(5000);
  CHECK(window.Check(5000) == State::kSeen);
  CHECK(window.Check(5001) == State::kNew);
  CHECK(window.Check(4999) == State::kNew);
  CHECK(window.Check(5000 - 1023) == State::kNew);
  CHECK(window.Check(5000 - 1024) == State::kTooOld);
  window.Mark(5000 - 1023);
  CHECK(window.Check(5000 - 1023) == State::kSeen);
  window.Mark(5001);  // pushes that one out; its bit serves 5001 now
  CHECK(window.Check(5000 - 1023) == State::kTooOld);
  CHECK(window.Check(5001) == State::kSeen);
  window.Mark(5001 + 1023);
  CHECK(window.Check(5001) == State::kSeen);
  CHECK(window.Check(5002) == State::kNew);
  window.Mark(1'000'000);
  CHECK(window.highest() == 1'000'000);
  CHECK(window.Check(1'000'000 - 1) == State::kNew);
  window.Mark(5);  // too old: nothing changes
  CHECK(window.highest() == 1'000'000);
  CHECK(window.Check(1'000'000 - 1019) == State::kNew);  // shares its bit with 5
}

TEST_CASE("IndexWindow can start with all before it seen") {
  IndexWindow window(3000, true);
  CHECK(window.Check(2999) == State::kSeen);
  CHECK(window.Check(3001) == State::kNew);
  window.Mark(3005);
  CHECK(window.Check(3004) == State::kNew);
  CHECK(window.Check(3000) == State::kSeen);
}

TEST_CASE("IndexWindow agrees with a set on random walks") {
  srtp_test::Random random(7);
  uint64_t highest = 100'000;
  IndexWindow window(highest);
  std::set<uint64_t> seen{highest};
  for (int i = 0; i < 20'000; ++i) {
    uint64_t index = highest + random.Below(8);
    if (random.Below(3) == 0) index = highest - random.Below(1100);
    if (random.Below(500) == 0) index = highest + random.Below(3000);
    State expected = State::kNew;
    if (index + 1024 <= highest) {
      expected = State::kTooOld;
    } else if (seen.count(index) != 0) {
      expected = State::kSeen;
    }
    REQUIRE(window.Check(index) == expected);
    if (expected != State::kNew) continue;
    window.Mark(index);
    seen.insert(index);
    highest = std::max(highest, index);
  }
}

TEST_CASE("EstimateIndex follows RFC 3711 Appendix A") {
  CHECK(EstimateIndex(10, SeqNumber(11)) == 11);
  CHECK(EstimateIndex(65535, SeqNumber(0)) == 65536);
  CHECK(EstimateIndex(65536, SeqNumber(65535)) == 65535);
  CHECK(EstimateIndex(65536 + 40000, SeqNumber(7231)) == 2 * 65536 + 7231);
  CHECK(EstimateIndex(65536 + 40000, SeqNumber(7232)) == 65536 + 7232);  // exactly half: back
  CHECK(EstimateIndex(65536 + 100, SeqNumber(100 + 32768)) == 65536 + 100 + 32768);
  CHECK(EstimateIndex(65536 + 100, SeqNumber(101 + 32768)) == 101 + 32768);
  CHECK(EstimateIndex(5, SeqNumber(65534)) == -2);
}

TEST_CASE("SsrcTable finds, removes and refuses, scanned and indexed") {
  SsrcTable<int> table(100);
  for (uint32_t i = 0; i < 100; ++i) {
    REQUIRE(table.Find(Ssrc(i)) == nullptr);
    REQUIRE(table.Insert(Ssrc(i), static_cast<int>(i)) != nullptr);
    for (uint32_t j = 0; j <= i; ++j) REQUIRE(*table.Find(Ssrc(j)) == static_cast<int>(j));
  }
  CHECK(table.full());
  CHECK(table.Insert(Ssrc(100), 100) == nullptr);
  for (uint32_t i = 0; i < 100; i += 3) table.Remove(Ssrc(i));
  table.Remove(Ssrc(12345));
  for (uint32_t i = 0; i < 100; ++i) {
    const int* state = table.Find(Ssrc(i));
    REQUIRE((state == nullptr) == (i % 3 == 0));
    if (state != nullptr) REQUIRE(*state == static_cast<int>(i));
  }
  CHECK_FALSE(table.full());
  for (uint32_t i = 0; i < 100; ++i) table.Remove(Ssrc(i));
  CHECK(table.size() == 0);
  CHECK(table.Find(Ssrc(1)) == nullptr);
}
