#include "controller/ops/drain.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include "tests/unit/controller/signalling/room_fixture.h"

namespace sluice::controller {
namespace {

using std::chrono::milliseconds;
using test::FakeClient;
using test::RoomFixture;

constexpr milliseconds kLong{60'000};

struct Draining : RoomFixture {
  void Start(milliseconds timeout = kLong) {
    Spawn(context.get_executor(),
          Keep(DrainRooms(&rooms, timeout, [this] { return hurry; }), &end));
    Settle();
  }
  static bool SaysWhen(const HttpResponse& response) {
    return std::any_of(response.headers.begin(), response.headers.end(),
                       [](const auto& header) { return header.first == "Retry-After"; });
  }
  bool hurry = false;
  std::optional<DrainEnd> end;
};

TEST_CASE_METHOD(Draining, "drain: a server without rooms has nothing to wait for") {
  CHECK_FALSE(rooms.draining());
  Start();
  CHECK(rooms.draining());
  CHECK(end == DrainEnd::kEmpty);
}

TEST_CASE_METHOD(Draining, "drain: no door opens a new room, each says when to come again") {
  FakeClient peer = Connect("r", "peer");
  Start();
  CHECK_FALSE(end);
  const HttpResponse rest_refused = Rest("GET", "/rooms/new");
  CHECK(rest_refused.status == 503);
  CHECK(SaysWhen(rest_refused));
  CHECK_THAT(rest_refused.body, Catch::Contains("is about to end and opens no more rooms"));
  const UpgradeDecision protoo_refused = Upgrade("new", "peer");
  CHECK_FALSE(protoo_refused.session);
  CHECK(protoo_refused.rejection.status == 503);
  CHECK(SaysWhen(protoo_refused.rejection));
  const HttpResponse managed = Manage("POST", "/rooms", R"({"id":"new"})");
  CHECK(managed.status == 503);
  CHECK(SaysWhen(managed));
  CHECK(rooms.counters().refused_drain == 3);
  CHECK(rooms.size() == 1);
}

TEST_CASE_METHOD(Draining, "drain: rooms that there are go on, and end it when they are empty") {
  std::optional<FakeClient> first(Connect("r", "first"));
  Join(*first);
  Start();
  CHECK_FALSE(end);
  CHECK(Rest("GET", "/rooms/r").status == 200);
  std::optional<FakeClient> second(Connect("r", "second"));
  Join(*second);
  Produce(*second);
  first.reset();
  Settle();
  CHECK_FALSE(end);
  second.reset();
  CHECK(Until([this] { return end.has_value(); }));
  CHECK(end == DrainEnd::kEmpty);
}

TEST_CASE_METHOD(Draining,
                 "drain: a broadcaster is waited for, a room kept without anybody is not") {
  REQUIRE(Manage("POST", "/rooms", R"({"id":"kept","emptyTimeout":0})").status == 201);
  REQUIRE(
      Rest("POST", "/rooms/r/broadcasters", R"({"id":"b","displayName":"B","device":{"name":"x"}})")
          .status == 200);
  Start();
  CHECK_FALSE(end);
  REQUIRE(Rest("DELETE", "/rooms/r/broadcasters/b").status == 200);
  CHECK(Until([this] { return end.has_value(); }));
  CHECK(end == DrainEnd::kEmpty);
  CHECK(rooms.size() == 1);
}

TEST_CASE_METHOD(Draining, "drain: the time is over, or somebody is in a hurry") {
  FakeClient peer = Connect("r", "peer");
  SECTION("time") {
    Start(milliseconds(100));
    CHECK(Until([this] { return end.has_value(); }));
    CHECK(end == DrainEnd::kTimeout);
  }
  SECTION("hurry") {
    Start();
    CHECK_FALSE(end);
    hurry = true;
    CHECK(Until([this] { return end.has_value(); }));
    CHECK(end == DrainEnd::kAtOnce);
  }
  // Ending them is for whoever asked.
  CHECK(peer.socket->close_code == 0);
  CHECK(rooms.size() == 1);
}

TEST_CASE_METHOD(Draining, "drain: a broadcast goes on after its worker's death") {
  const std::string at = "/rooms/r/broadcasters";
  REQUIRE(Rest("POST", at, R"({"id":"b","displayName":"B","device":{"name":"x"}})").status == 200);
  REQUIRE(Rest("POST", at + "/b/transports", R"({"type":"plain"})").status == 200);
  Start();
  const size_t before = launcher.workers.size();
  launcher.workers.back()->Die();
  CHECK(Until([&] {
    return launcher.workers.size() > before && rooms.Find("r") &&
           rooms.Find("r")->broadcaster_count() == 1;
  }));
  CHECK_FALSE(end);
}

}  // namespace
}  // namespace sluice::controller
