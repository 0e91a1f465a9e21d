#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "worker/core/rtp/score_history.h"

namespace sluice::worker {
namespace {

TEST_CASE("a receive sample follows the formula of the score table") {
  struct Row {
    std::string name;
    uint64_t expected;
    uint64_t lost;
    uint64_t repaired;
    uint64_t retransmitted;
    int sample;
  };
  const std::vector<Row> rows = {
      {"nothing expected", 0, 0, 0, 0, 10},
      {"nothing lost", 100, 0, 0, 0, 10},
      {"everything lost", 100, 100, 0, 0, 0},
      {"5 % lost", 100, 5, 0, 0, 8},       // 0.95^4 = 0.81
      {"10 % lost", 100, 10, 0, 0, 7},     // 0.9^4 = 0.66
      {"half lost", 100, 50, 0, 0, 1},     // 0.5^4 = 0.06
      {"5 % repaired", 100, 5, 5, 5, 10},  // weight (1/1.05)^4 = 0.82: 1 of 5 counts
      {"repaired at the second try", 100, 10, 10, 20, 7},  // weight 0.68 / 2: 3 of 10 come back
      {"repairs of an earlier interval", 100, 5, 50, 5, 10},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    CHECK(int{ScoreHistory::Sample(row.expected, row.lost, row.repaired, row.retransmitted)} ==
          row.sample);
  }
}

}  // namespace
}  // namespace sluice::worker
