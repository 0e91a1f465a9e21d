#include "controller/http/descriptor_plan.h"

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
  const size_t raised = RaiseDescriptorLimit();
  CHECK(raised > 0);
  CHECK(RaiseDescriptorLimit() == raised);
}

}  // namespace
}  // namespace sluice::controller
