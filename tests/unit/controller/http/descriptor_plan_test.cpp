#include "controller/http/descriptor_plan.h"

#include <sys/resource.h>

#include <catch2/catch.hpp>

namespace sluice::controller {
namespace {

TEST_CASE("descriptors: connections get what the reserve leaves") {
  const DescriptorPlan small = PlanDescriptors(1'024, 2, 10'000);
  CHECK(small.reserve >= 64 + 2 * 16);
  CHECK(small.connections == 1'024 - small.reserve);
  const DescriptorPlan large = PlanDescriptors(1'048'576, 64, 10'000);
  CHECK(large.connections == 10'000);
  CHECK(PlanDescriptors(1'048'576, 8, 20'000).reserve > PlanDescriptors(1'048'576, 4, 1).reserve);
  // Too few for anything: one connection, so that the server can at least say so.
  CHECK(PlanDescriptors(16, 4, 10'000).connections == 1);
}

TEST_CASE("descriptors: the soft limit is raised to the hard one") {
  rlimit before;
  REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
  REQUIRE(before.rlim_max > 64);
  const rlimit low{64, before.rlim_max};
  REQUIRE(setrlimit(RLIMIT_NOFILE, &low) == 0);
  const size_t raised = RaiseDescriptorLimit();
  rlimit after;
  REQUIRE(getrlimit(RLIMIT_NOFILE, &after) == 0);
  setrlimit(RLIMIT_NOFILE, &before);
  CHECK(after.rlim_cur == before.rlim_max);
  CHECK(raised == after.rlim_cur);
}

}  // namespace
}  // namespace sluice::controller
