#include "controller/base/source_rate.h"

#include <catch2/catch.hpp>
#include <string>

#include "tests/unit/controller/signalling/room_fixture.h"

namespace sluice::controller {
namespace {

using std::chrono::milliseconds;
using test::RoomFixture;

TEST_CASE("rate: each source has a bucket of its own") {
  SourceRate::TimePoint now{};
  SourceRate rate(10, 3);
  for (int i = 0; i < 3; ++i) CHECK(rate.Take("192.0.2.1", now));
  CHECK_FALSE(rate.Take("192.0.2.1", now));
  CHECK(rate.Take("192.0.2.2", now));
  now += milliseconds(100);
  CHECK(rate.Take("192.0.2.1", now));
  CHECK_FALSE(rate.Take("192.0.2.1", now));
  SourceRate unlimited(0, 0);
  for (int i = 0; i < 1'000; ++i) REQUIRE(unlimited.Take("192.0.2.1", now));
  CHECK(unlimited.size() == 0);
}

TEST_CASE("rate: sources that have been quiet are forgotten, one that asks too often is not") {
  SourceRate::TimePoint now{};
  SourceRate rate(10, 10);
  for (int i = 0; i < 100; ++i) CHECK(rate.Take("quiet-" + std::to_string(i), now));
  CHECK(rate.size() == 100);
  now += milliseconds(1'000);
  for (int i = 0; i < 10; ++i) CHECK(rate.Take("loud", now));
  for (int i = 0; i < 30; ++i) CHECK(rate.Take("other-" + std::to_string(i), now));
  CHECK(rate.size() <= 31);
  CHECK_FALSE(rate.Take("loud", now));
}

TEST_CASE("rate: however many sources there are, memory is bounded") {
  const SourceRate::TimePoint now{};
  SourceRate rate(1, 1'000);
  for (size_t i = 0; i < SourceRate::kMaxSources + 1'000; ++i) {
    REQUIRE(rate.Take("2001:db8:" + std::to_string(i), now));
  }
  CHECK(rate.size() <= SourceRate::kMaxSources);
}

TEST_CASE("rate: REST answers 429 to an address that asks too often, and to no other") {
  SourceRate::TimePoint now{};
  RoomFixture::Options options;
  options.rest.requests_per_second = 2;
  options.rest.request_burst = 3;
  options.rest.now = [&now] { return now; };
  RoomFixture fixture(options);
  for (int i = 0; i < 3; ++i) CHECK(fixture.Rest("GET", "/rooms/r").status == 200);
  const HttpResponse refused = fixture.Rest("GET", "/rooms/r");
  CHECK(refused.status == 429);
  CHECK(refused.limit == "maxRestRequestsPerSecond");
  CHECK(refused.body.find("2 a second, 3 at once (maxRestRequestsPerSecond)") != std::string::npos);
  CHECK(refused.headers.back() == std::pair<std::string, std::string>("Retry-After", "1"));
  fixture.caller.address = "192.0.2.77";
  CHECK(fixture.Rest("GET", "/rooms/r").status == 200);
  fixture.caller.address = "192.0.2.1";
  now += milliseconds(500);
  CHECK(fixture.Rest("GET", "/rooms/r").status == 200);
  CHECK(fixture.Rest("GET", "/rooms/r").status == 429);
}

}  // namespace
}  // namespace sluice::controller
