#include "controller/signalling/source_budget.h"

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <catch2/catch.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/unit/controller/signalling/room_fixture.h"

namespace sluice::controller {
namespace {

namespace json = boost::json;
using std::chrono::milliseconds;
using std::chrono::seconds;
using test::FakeClient;
using test::RoomFixture;

constexpr const char* kSource = "198.51.100.1";

/// A budget whose clock stands until it is told to go on.
struct BudgetFixture {
  explicit BudgetFixture(SourceBudget::Limits limits = {}) {
    limits.now = [this] { return now; };
    budget = std::make_shared<SourceBudget>(limits);
  }
  /// How many announcements are taken at once.
  static size_t TakeAll(SourceBudget::Visit& visit) {
    size_t taken = 0;
    while (taken < 10'000 && visit.TakeAnnouncement()) ++taken;
    return taken;
  }

  SourceBudget::TimePoint now{seconds(1'000)};
  std::shared_ptr<SourceBudget> budget;
};

TEST_CASE("source: who connects again finds what is left, not a new allowance") {
  BudgetFixture fixture;
  size_t told = 0;
  for (int round = 0; round < 300; ++round) {  // of 10 ms each
    const auto visit = fixture.budget->Enter(kSource, "r");
    if (visit->TakeAnnouncement()) {
      ++told;
      visit->SetAnnounced();
    }
    told += BudgetFixture::TakeAll(*visit);
    fixture.now += milliseconds(10);
  }
  CHECK(told <= 32 + 16);
  CHECK(told >= 32);
  CHECK(fixture.budget->refused().announcements > 0);
}

TEST_CASE("source: people who are there at the same time have a share each") {
  BudgetFixture fixture;
  std::vector<std::unique_ptr<SourceBudget::Visit>> office;
  for (int i = 0; i < 200; ++i) {
    office.push_back(fixture.budget->Enter(kSource, "r"));
    // Each joins, and publishes audio, video and a screen.
    for (int n = 0; n < 4; ++n) REQUIRE(office.back()->TakeAnnouncement());
    office.back()->SetAnnounced();
  }
  // All come back after a restart, at once.
  office.clear();
  for (int i = 0; i < 200; ++i) {
    office.push_back(fixture.budget->Enter(kSource, "r"));
    for (int n = 0; n < 3; ++n) REQUIRE(office.back()->TakeAnnouncement());
  }
  // Two who take turns are two, however often.
  BudgetFixture two;
  size_t told = 0;
  for (int round = 0; round < 100; ++round) {
    const auto first = two.budget->Enter(kSource, "r");
    const auto second = two.budget->Enter(kSource, "r");
    told += BudgetFixture::TakeAll(*first) + BudgetFixture::TakeAll(*second);
  }
  CHECK(told == 32 + SourceBudget::kShareOfBurst);
}

TEST_CASE("source: rooms and addresses have nothing to do with each other") {
  BudgetFixture fixture;
  const auto first = fixture.budget->Enter(kSource, "r");
  CHECK(BudgetFixture::TakeAll(*first) == 32);
  const auto elsewhere = fixture.budget->Enter(kSource, "s");
  CHECK(BudgetFixture::TakeAll(*elsewhere) == 32);
  const auto other = fixture.budget->Enter("203.0.113.1", "r");
  CHECK(BudgetFixture::TakeAll(*other) == 32);
}

TEST_CASE("source: the allowance comes back, and is not more for who was many once") {
  BudgetFixture fixture;
  {
    std::vector<std::unique_ptr<SourceBudget::Visit>> crowd;
    for (int i = 0; i < 50; ++i) crowd.push_back(fixture.budget->Enter(kSource, "r"));
    CHECK(BudgetFixture::TakeAll(*crowd.front()) == 32 + 49 * SourceBudget::kShareOfBurst);
  }
  fixture.now += seconds(3'600);
  const auto visit = fixture.budget->Enter(kSource, "r");
  CHECK(BudgetFixture::TakeAll(*visit) == 32);
  fixture.now += seconds(1);
  CHECK(BudgetFixture::TakeAll(*visit) == 5);
}

TEST_CASE("source: 0 is no limit") {
  SourceBudget::Limits limits;
  limits.requests_per_second = limits.announcements_per_second = 0;
  limits.broadcasters = limits.stored = limits.stored_of_all = 0;
  BudgetFixture fixture(limits);
  const auto visit = fixture.budget->Enter(kSource, "r");
  CHECK(BudgetFixture::TakeAll(*visit) == 10'000);
  for (int i = 0; i < 100'000; ++i) REQUIRE(fixture.budget->TakeRequest(kSource));
  CHECK(fixture.budget->Store(kSource, size_t{1} << 40).ok());
}

TEST_CASE("source: what is kept is bounded, of one and of all, and given back") {
  SourceBudget::Limits limits;
  limits.stored = 1'000'000;
  limits.stored_of_all = 1'500'000;
  BudgetFixture fixture(limits);
  Result<SourceBudget::Place> first = fixture.budget->Store(kSource, 900'000);
  REQUIRE(first.ok());
  const auto refused = fixture.budget->Store(kSource, 200'000);
  CHECK_FALSE(refused.ok());
  CHECK(refused.status().message().find("maxStoredPerIp") != std::string::npos);
  // Who keeps little is let in although all together have too much.
  Result<SourceBudget::Place> second = fixture.budget->Store("203.0.113.1", 600'000);
  REQUIRE(second.ok());
  const auto full = fixture.budget->Store("203.0.113.2", 300'000);
  CHECK_FALSE(full.ok());
  CHECK(full.status().message().find("maxStored)") != std::string::npos);
  CHECK(fixture.budget->Store("203.0.113.2", 4'000).ok());
  CHECK(fixture.budget->stored() == 1'500'000);
  *first = nullptr;
  CHECK(fixture.budget->stored() == 600'000);
  CHECK(fixture.budget->Store(kSource, 200'000).ok());
  CHECK(fixture.budget->refused().stored == 1);
  CHECK(fixture.budget->refused().stored_of_all == 1);
}

TEST_CASE("source: broadcasters of one address are counted until they end") {
  SourceBudget::Limits limits;
  limits.broadcasters = 2;
  BudgetFixture fixture(limits);
  auto first = *fixture.budget->TakeBroadcaster(kSource);
  const auto second = *fixture.budget->TakeBroadcaster(kSource);
  const auto third = fixture.budget->TakeBroadcaster(kSource);
  CHECK_FALSE(third.ok());
  CHECK(third.status().message().find("maxBroadcastersPerIp") != std::string::npos);
  CHECK(fixture.budget->TakeBroadcaster("203.0.113.1").ok());
  first = nullptr;
  CHECK(fixture.budget->TakeBroadcaster(kSource).ok());
}

/// Rooms whose clock stands.
struct StoodRooms {
  StoodRooms() : StoodRooms(SourceBudget::Limits()) {}
  explicit StoodRooms(SourceBudget::Limits limits) {
    limits.now = [this] { return now; };
    RoomFixture::Options options;
    options.limits.rooms = 100;
    options.protoo.now = limits.now;
    options.protoo.budget = budget = std::make_shared<SourceBudget>(limits);
    rooms.emplace(options);
  }
  SourceBudget::TimePoint now{seconds(1'000)};
  std::shared_ptr<SourceBudget> budget;
  std::optional<RoomFixture> rooms;
};

size_t CountOf(const FakeClient& client, const std::string& name) {
  const auto names = client.Names();
  return static_cast<size_t>(std::count(names.begin(), names.end(), name));
}

TEST_CASE(
    "source: a loop of join, renaming and going tells a viewer of some fifty in three seconds") {
  StoodRooms fixture;
  RoomFixture& rooms = *fixture.rooms;
  FakeClient viewer = rooms.Connect("r", "viewer");
  rooms.Join(viewer);
  rooms.caller.address = kSource;
  for (int round = 0; round < 60; ++round) {
    std::vector<FakeClient> loops;
    for (int n = 0; n < 2; ++n) {
      FakeClient& client = loops.emplace_back(rooms.Connect("r", "mallory" + std::to_string(n)));
      client.Send("join", std::string(R"({"displayName":"N","device":{},"rtpCapabilities":)") +
                              test::kOpusCapabilities + "}");
      for (int i = 0; i < 32; ++i) {
        client.Send("changeDisplayName", R"({"displayName":"n)" + std::to_string(i) + R"("})");
      }
    }
    rooms.Settle();
    fixture.now += milliseconds(50);
  }
  rooms.Settle();
  const size_t told = CountOf(viewer, "newPeer") + CountOf(viewer, "peerClosed") +
                      CountOf(viewer, "peerDisplayNameChanged");
  INFO("told of " << CountOf(viewer, "newPeer") << " arrivals, " << CountOf(viewer, "peerClosed")
                  << " ends, " << CountOf(viewer, "peerDisplayNameChanged") << " names");
  CHECK(CountOf(viewer, "peerDisplayNameChanged") <= 50);
  CHECK(told <= 60);
  CHECK(told >= 30);
  CHECK(fixture.budget->refused().announcements > 1'000);
}

TEST_CASE("source: broadcasters that come and go are announcements, too") {
  StoodRooms fixture;
  RoomFixture& rooms = *fixture.rooms;
  FakeClient viewer = rooms.Connect("r", "viewer");
  rooms.Join(viewer);
  rooms.caller.address = kSource;
  int refused = 0;
  for (int i = 0; i < 100; ++i) {
    const std::string id = "b" + std::to_string(i);
    const HttpResponse made =
        rooms.Rest("POST", "/rooms/r/broadcasters",
                   R"({"id":")" + id + R"(","displayName":"x","device":{"name":"x"}})");
    if (made.status != 200) {
      ++refused;
      CHECK(made.status == 429);
      CHECK(made.body.find("maxAnnouncementsPerSecondPerIp") != std::string::npos);
      continue;
    }
    CHECK(rooms.Rest("DELETE", "/rooms/r/broadcasters/" + id).status == 200);
  }
  CHECK(CountOf(viewer, "newPeer") <= 32);
  CHECK(refused >= 100 - 32);
}

TEST_CASE("source: what a broadcaster asks for is of its own allowance, not one for each request") {
  StoodRooms fixture;
  RoomFixture& rooms = *fixture.rooms;
  rooms.caller.address = kSource;
  const std::string base = "/rooms/r/broadcasters";
  REQUIRE(
      rooms.Rest("POST", base, R"({"id":"b","displayName":"x","device":{"name":"x"}})").status ==
      200);
  const HttpResponse made =
      rooms.Rest("POST", base + "/b/transports",
                 R"({"type":"plain","sctpCapabilities":{"numStreams":{"OS":1024,"MIS":1024}}})");
  const std::string at =
      base + "/b/transports/" + json::parse(made.body).at("id").as_string().c_str();
  int taken = 0;
  for (int i = 0; i < 100; ++i) {
    const bool data = i % 2 == 1;
    const HttpResponse response = rooms.Rest(
        "POST", at + (data ? "/produce/data" : "/producers"),
        data ? R"({"sctpStreamParameters":{"streamId":)" + std::to_string(i) + "}}"
             : std::string(R"({"kind":"audio","rtpParameters":)") + test::kOpusParameters + "}");
    taken += response.status == 429 ? 0 : 1;
  }
  CHECK(taken == 31);  // its own coming was one of the 32
}

TEST_CASE("source: requests of all clients of an address have one rate") {
  SourceBudget::Limits limits;
  limits.requests_per_second = 20;  // 100 at once
  StoodRooms fixture(limits);
  RoomFixture& rooms = *fixture.rooms;
  std::vector<FakeClient> clients;
  for (int i = 0; i < 10; ++i) clients.push_back(rooms.Connect("r", "p" + std::to_string(i)));
  for (FakeClient& client : clients) {
    for (int i = 0; i < 20; ++i) client.Send("getRouterRtpCapabilities");
  }
  rooms.Settle();
  size_t answered = 0;
  for (const FakeClient& client : clients) answered += CountOf(client, "ok");
  CHECK(answered == 100);
  CHECK(fixture.budget->refused().requests == 100);
  rooms.caller.address = "203.0.113.1";
  FakeClient other = rooms.Connect("r", "other");
  CHECK(rooms.Ask(other, "getRouterRtpCapabilities").contains("ok"));
}

TEST_CASE("source: capabilities full of what no router has cost next to nothing") {
  StoodRooms fixture;
  RoomFixture& rooms = *fixture.rooms;
  json::object capabilities = json::parse(test::kOpusCapabilities).as_object();
  json::object& opus = capabilities["codecs"].as_array()[0].as_object();
  for (int i = 0; i < 60; ++i) {
    opus["parameters"].as_object()["x" + std::to_string(i)] = std::string(700, 'x');
  }
  const std::string body = R"({"displayName":"x","device":{"name":"x"},"rtpCapabilities":)" +
                           json::serialize(capabilities) + R"(,"id":")";
  REQUIRE(body.size() > 40'000);
  for (int i = 0; i < 20; ++i) {
    REQUIRE(rooms.Rest("POST", "/rooms/r/broadcasters", body + std::to_string(i) + "\"}").status ==
            200);
  }
  CHECK(fixture.budget->stored() < 20 * 5'000);
}

TEST_CASE("source: what producers say of themselves is bounded over all rooms of an address") {
  SourceBudget::Limits limits;
  limits.stored = 300'000;
  StoodRooms fixture(limits);
  RoomFixture& rooms = *fixture.rooms;
  int made = 0;
  std::string error;
  std::vector<FakeClient> clients;
  for (int i = 0; i < 6; ++i) {
    FakeClient& client = clients.emplace_back(rooms.Connect("r" + std::to_string(i), "p"));
    rooms.Join(client);
    const std::string transport = client.Response(1)->at("data").at("id").as_string().c_str();
    for (int n = 0; n < 2; ++n) {
      const json::object reply =
          rooms.Ask(client, "produce",
                    R"({"transportId":")" + transport + R"(","kind":"audio","appData":{"x":")" +
                        std::string(15'000, static_cast<char>('a' + i)) + R"("},"rtpParameters":)" +
                        test::kOpusParameters + "}");
      made += reply.contains("ok") ? 1 : 0;
      if (!reply.contains("ok")) error = reply.at("errorReason").as_string().c_str();
    }
  }
  CHECK(made == 4);  // of some 62 KB each
  CHECK(error.find("maxStoredPerIp") != std::string::npos);
  CHECK(fixture.budget->stored() <= 300'000);
  // What has ended is counted no more.
  clients.clear();
  rooms.Settle();
  CHECK(rooms.Until([&] { return fixture.budget->stored() == 0; }));
}

}  // namespace
}  // namespace sluice::controller
