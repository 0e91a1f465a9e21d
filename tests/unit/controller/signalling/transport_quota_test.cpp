#include "controller/signalling/transport_quota.h"

#include <catch2/catch.hpp>
#include <memory>
#include <optional>
#include <vector>

#include "tests/unit/controller/signalling/room_fixture.h"

namespace sluice::controller {
namespace {

using test::RoomFixture;

std::string TextOf(const Status& status) { return std::string(status.message()); }

TEST_CASE("quota: a broadcaster and an address have so many transports, until some go") {
  TransportQuota quota({.per_broadcaster = 2, .per_source = 3});
  std::vector<TransportQuota::Place> places;
  for (const char* broadcaster : {"r/a", "r/a", "r/b"}) {
    const auto place = quota.Take(broadcaster, "192.0.2.1");
    REQUIRE(place.ok());
    places.push_back(*place);
  }
  CHECK(TextOf(quota.Take("r/a", "192.0.2.2").status()).find("maxTransportsPerBroadcaster") !=
        std::string::npos);
  CHECK(TextOf(quota.Take("r/b", "192.0.2.1").status()).find("maxTransportsPerIp") !=
        std::string::npos);
  CHECK(quota.refused().per_broadcaster == 1);
  CHECK(quota.refused().per_source == 1);
  CHECK(quota.Take("r/b", "192.0.2.2").ok());
  places.erase(places.begin());
  CHECK(quota.Take("r/a", "192.0.2.1").ok());
  TransportQuota unlimited({.per_broadcaster = 0, .per_source = 0});
  for (int i = 0; i < 1'000; ++i) {
    auto place = unlimited.Take("r/a", "192.0.2.1");
    REQUIRE(place.ok());
    places.push_back(*std::move(place));
  }
}

TEST_CASE_METHOD(RoomFixture, "quota: REST refuses the seventeenth transport, not after a delete") {
  const std::string broadcaster = R"({"id":"b","displayName":"B","device":{"name":"d"}})";
  for (int round = 0; round < 2; ++round) {
    REQUIRE(Rest("POST", "/rooms/r/broadcasters", broadcaster).status == 200);
    for (int made = 0; made < 16; ++made) {
      const char* body = made % 2 == 0 ? R"({"type":"plain"})" : R"({"type":"webrtc"})";
      REQUIRE(Rest("POST", "/rooms/r/broadcasters/b/transports", body).status == 200);
    }
    const HttpResponse refused =
        Rest("POST", "/rooms/r/broadcasters/b/transports", R"({"type":"plain"})");
    CHECK(refused.status == 503);
    CHECK(refused.body.find("16 transports") != std::string::npos);
    CHECK(Rest("DELETE", "/rooms/r/broadcasters/b").status == 200);
    Settle();
  }
}

TEST_CASE("quota: the peers of an address have so many transports, until some leave") {
  RoomFixture::Options options;
  options.protoo.quota =
      std::make_shared<TransportQuota>(TransportQuota::Limits{.peers_per_source = 4});
  RoomFixture fixture(options);
  const auto create = [&](test::FakeClient& client) {
    return fixture.Ask(client, "createWebRtcTransport", R"({"consuming":true})");
  };
  test::FakeClient ann = fixture.Connect("r", "ann");
  std::optional<test::FakeClient> bob(fixture.Connect("other", "bob"));
  for (int i = 0; i < 2; ++i) {
    CHECK(create(ann).contains("ok"));
    CHECK(create(*bob).contains("ok"));
  }
  const boost::json::object refused = create(ann);
  CHECK(refused.at("errorReason") ==
        "the peers of this address have 4 transports already (maxPeerTransportsPerIp)");
  CHECK(options.protoo.quota->refused().peers_per_source == 1);
  // It is counted there, as the other quotas are, and not a second time by its option's name.
  CHECK_FALSE(options.protoo.counters->counts().contains("maxPeerTransportsPerIp"));
  fixture.caller.address = "192.0.2.7";
  test::FakeClient elsewhere = fixture.Connect("r", "eve");
  CHECK(create(elsewhere).contains("ok"));
  bob.reset();
  fixture.Settle();
  CHECK(create(ann).contains("ok"));
  CHECK(create(ann).contains("ok"));
  CHECK_FALSE(create(ann).contains("ok"));
}

}  // namespace
}  // namespace sluice::controller
