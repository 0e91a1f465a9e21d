#include "controller/signalling/network_throttle.h"

#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>
#include <optional>
#include <string>

#include "tests/unit/controller/signalling/room_fixture.h"

namespace sluice::controller::test {
namespace {

boost::json::object Json(const std::string& text) { return boost::json::parse(text).as_object(); }

class FakeThrottle : public NetworkThrottle {
 public:
  Task<Status> Apply(NetworkConditions conditions) override {
    if (!answer.ok()) co_return answer;
    applied = conditions;
    co_return absl::OkStatus();
  }
  Task<Status> Reset() override {
    applied.reset();
    co_return absl::OkStatus();
  }
  std::optional<NetworkConditions> applied;
  Status answer;
};

TEST_CASE("network conditions: what is asked for, within what makes sense") {
  const Result<NetworkConditions> none = ReadNetworkConditions(Json("{}"));
  REQUIRE(none.ok());
  CHECK(none->uplink == 1'000'000);
  CHECK(none->downlink == 1'000'000);
  CHECK(none->rtt == 0);
  CHECK(none->packet_loss == 0);
  const auto all = ReadNetworkConditions(
      Json(R"({"uplink":1,"downlink":4294967295,"rtt":60000,"packetLoss":100})"));
  REQUIRE(all.ok());
  CHECK(all->uplink == 1);
  CHECK(all->downlink == 4'294'967'295);
  CHECK(all->rtt == 60'000);
  CHECK(all->packet_loss == 100);
  for (const std::string wrong :
       {R"({"uplink":0})", R"({"uplink":"x"})", R"({"downlink":0})", R"({"downlink":4294967296})",
        R"({"rtt":-1})", R"({"rtt":60001})", R"({"packetLoss":101})", R"({"packetLoss":[]})"}) {
    INFO(wrong);
    const Status refused = ReadNetworkConditions(Json(wrong)).status();
    CHECK(absl::IsInvalidArgument(refused));
    const std::string field = wrong.substr(2, wrong.find('"', 2) - 2);
    CHECK(std::string(refused.message()).find(field) != std::string::npos);
  }
}

TEST_CASE("the throttle opens to its secret alone") {
  const auto throttle = std::make_shared<FakeThrottle>();
  const ThrottleAccess access(Secret("long enough"), throttle);
  CHECK(access.Open(Json(R"({"secret":"long enough"})")).ok());
  for (const std::string wrong :
       {R"({})", R"({"secret":""})", R"({"secret":"long enougH"})", R"({"secret":"long"})",
        R"({"secret":"long enough "})", R"({"secret":7})", R"({"secret":null})"}) {
    INFO(wrong);
    CHECK(absl::IsPermissionDenied(access.Open(Json(wrong)).status()));
  }
  const ThrottleAccess closed(Secret(), throttle);
  CHECK(absl::IsPermissionDenied(closed.Open(Json(R"({"secret":""})")).status()));
  CHECK(absl::IsPermissionDenied(closed.Open(Json("{}")).status()));
}

class ThrottleFixture : public RoomFixture {
 public:
  ThrottleFixture() : ThrottleFixture(std::make_shared<FakeThrottle>()) {}

  std::shared_ptr<FakeThrottle> throttle;

 private:
  explicit ThrottleFixture(const std::shared_ptr<FakeThrottle>& fake)
      : RoomFixture(WithThrottle(fake)), throttle(fake) {}
  static Options WithThrottle(const std::shared_ptr<FakeThrottle>& fake) {
    Options options;
    options.protoo.throttle = std::make_shared<ThrottleAccess>(Secret("long enough"), fake);
    return options;
  }
};

TEST_CASE_METHOD(ThrottleFixture, "protoo: the network throttle") {
  FakeClient client = Connect("r", "p");
  CHECK(Ask(client, "applyNetworkThrottle", R"({"secret":"wrong","uplink":5})").at("errorCode") ==
        403);
  CHECK(Ask(client, "resetNetworkThrottle").at("errorCode") == 403);
  CHECK_FALSE(throttle->applied);
  CHECK(Ask(client, "applyNetworkThrottle", R"({"secret":"long enough","uplink":0})")
            .at("errorCode") == 500);
  CHECK_FALSE(throttle->applied);
  CHECK(Ask(client, "applyNetworkThrottle", R"({"secret":"long enough","uplink":500,"rtt":40})")
            .at("data")
            .as_object()
            .empty());
  REQUIRE(throttle->applied);
  CHECK(throttle->applied->uplink == 500);
  CHECK(throttle->applied->rtt == 40);
  CHECK(Ask(client, "resetNetworkThrottle", R"({"secret":"long enough"})")
            .at("data")
            .as_object()
            .empty());
  CHECK_FALSE(throttle->applied);
  throttle->answer = UnsupportedError("no netem");
  const auto refused = Ask(client, "applyNetworkThrottle", R"({"secret":"long enough"})");
  CHECK(refused.at("errorCode") == 501);
  CHECK(refused.at("errorReason") == "no netem");
}

}  // namespace
}  // namespace sluice::controller::test
