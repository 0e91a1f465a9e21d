// What is kept of a room when its media worker dies, and what is not made again.
#include "controller/room/room_registry.h"

#include <boost/asio/steady_timer.hpp>
#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>
#include <chrono>
#include <set>
#include <string>
#include <vector>

#include "tests/unit/controller/signalling/room_fixture.h"

namespace sluice::controller {
namespace {

namespace json = boost::json;
using FBS::Request::Method;
using std::chrono::milliseconds;
using test::FakeClient;
using test::FakeWorker;
using test::RoomFixture;

struct Registry : RoomFixture {
  /// A broadcaster with a plain transport and a producer.
  void Broadcast(const std::string& more = "") {
    const std::string at = "/rooms/r/broadcasters";
    REQUIRE(Rest("POST", at, R"({"id":"b","displayName":"B","device":{"name":"x"})" + more + "}")
                .status == 200);
    const HttpResponse made = Rest("POST", at + "/b/transports", R"({"type":"plain"})");
    const std::string id = json::parse(made.body).at("id").as_string().c_str();
    REQUIRE(Rest("POST", at + "/b/transports/" + id + "/producers",
                 std::string(R"({"kind":"audio","rtpParameters":)") + test::kOpusParameters + "}")
                .status == 200);
  }
  FakeWorker& worker() { return *launcher.workers.back(); }
  /// The room's worker dies and another one is there.
  void Replace() {
    const size_t before = launcher.workers.size();
    worker().Die();
    REQUIRE(Until([&] { return launcher.workers.size() > before && pool.ready(); }));
  }
};

TEST_CASE_METHOD(Registry, "registry: who comes back is spread over all rooms of the worker") {
  constexpr size_t kRooms = 10;
  constexpr size_t kPeers = 31;
  std::vector<FakeClient> clients;
  clients.reserve(kRooms * kPeers);
  for (size_t i = 0; i < kRooms * kPeers; ++i) {
    const std::string number = std::to_string(i / kRooms);
    clients.push_back(Connect("r" + std::to_string(i % kRooms), "p" + number));
  }
  worker().Die();
  std::set<std::chrono::steady_clock::time_point> closings;
  const auto closed = [&] {
    size_t count = 0;
    for (const FakeClient& client : clients) count += client.socket->close_code != 0 ? 1 : 0;
    if (count > 0) closings.insert(std::chrono::steady_clock::now());
    return count == clients.size();
  };
  REQUIRE(Until(closed));
  // Ten rooms of 31 alone would be back in a tenth of that.
  CHECK(*closings.rbegin() - *closings.begin() > std::chrono::seconds(2));
  for (const FakeClient& client : clients) {
    CHECK(client.socket->close_code == kCloseReconnect);
    CHECK(client.socket->close_reason == "the media worker was restarted, reconnect within 100 ms");
  }
}

TEST_CASE_METHOD(Registry, "registry: rules of the management outlive the room's worker") {
  {
    FakeClient peer = Connect("r", "peer");
    Join(peer);
    REQUIRE(Manage("PATCH", "/rooms/r", R"({"policy":{"publish":["video"]}})").status == 200);
    Replace();
    REQUIRE(Until([&] { return peer.socket->close_code == kCloseReconnect; }));
  }
  FakeClient again = Connect("r", "peer");
  const RoomPolicy& policy = rooms.Find("r")->policy();
  CHECK(policy.ruled_by() == RuledBy::kManagement);
  CHECK(policy.rules().publish == MediaSources(MediaSource::kVideo));
  // But not the room itself.
  again.session->OnClosed();
  again.session.reset();
  FakeClient later = Connect("r", "peer");
  CHECK(rooms.Find("r")->policy().ruled_by() == RuledBy::kNobody);
}

TEST_CASE_METHOD(Registry, "registry: so do those of a room of which only a broadcaster is left") {
  SECTION("the management's") {
    Broadcast();
    REQUIRE(Manage("PATCH", "/rooms/r", R"({"policy":{"locked":true}})").status == 200);
  }
  SECTION("its own") { Broadcast(R"(,"mode":"call")"); }
  const RoomRules before = rooms.Find("r")->policy().rules();
  const RuledBy by = rooms.Find("r")->policy().ruled_by();
  CHECK(by != RuledBy::kNobody);
  Replace();
  REQUIRE(Until([&] { return worker().Count(Method::TRANSPORT_PRODUCE) == 1; }));
  CHECK(rooms.Find("r")->policy().rules() == before);
  CHECK(rooms.Find("r")->policy().ruled_by() == by);
}

TEST_CASE_METHOD(Registry, "registry: a room that is closed while it is rebuilt stays closed") {
  Broadcast();
  const size_t before = launcher.workers.size();
  launcher.workers.back()->Die();
  REQUIRE(Until([&] { return launcher.workers.size() > before; }));
  worker().delay = {Method::TRANSPORT_PRODUCE};
  REQUIRE(Until([&] { return worker().Count(Method::TRANSPORT_PRODUCE) == 1; }));
  CHECK(Manage("DELETE", "/rooms/r").status == 200);
  worker().Release();
  // Longer than before the next attempt.
  bool over = false;
  asio::steady_timer timer(context, milliseconds(1'300));
  timer.async_wait([&over](const boost::system::error_code& /*error*/) { over = true; });
  CHECK(Until([&] { return rooms.IsKnown("r") || over; }));
  CHECK_FALSE(rooms.IsKnown("r"));
  CHECK(worker().Count(Method::TRANSPORT_PRODUCE) == 1);
}

}  // namespace
}  // namespace sluice::controller
