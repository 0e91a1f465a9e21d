#include "controller/room/soft_value.h"

#include <catch2/catch.hpp>

namespace sluice::controller {
namespace {

using Soft = SoftValue<int>;
using std::chrono::milliseconds;

TEST_CASE("a soft value is told when it changes, once a second, the newest one") {
  Soft::TimePoint now{};
  Soft soft;
  CHECK(soft.Set(5, now) == Soft::Then::kTell);
  CHECK(soft.Set(5, now) == Soft::Then::kNothing);
  now += milliseconds(10);
  CHECK(soft.Set(6, now) == Soft::Then::kLater);
  CHECK(soft.Set(7, now) == Soft::Then::kNothing);  // the telling is under way
  now = soft.due();
  CHECK(soft.TakeDue(now) == 7);
  CHECK(soft.Set(8, now + milliseconds(999)) == Soft::Then::kLater);
  CHECK(soft.Set(7, now + milliseconds(999)) == Soft::Then::kNothing);
  CHECK(soft.TakeDue(now + Soft::kPeriod) == std::nullopt);  // as it was told
  CHECK(soft.Set(8, now + 2 * Soft::kPeriod) == Soft::Then::kTell);
}

}  // namespace
}  // namespace sluice::controller
