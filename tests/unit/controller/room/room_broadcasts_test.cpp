// Broadcasters that fall silent, and those whose worker dies.
#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>

#include <algorithm>
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

const std::string kBroadcasters = "/rooms/r/broadcasters";

/// Does what the broadcast script does: a broadcaster, a plain transport, a producer on it. The
/// transport's id.
std::string StartBroadcast(RoomFixture& fixture) {
  CHECK(fixture.Rest("POST", kBroadcasters, R"({"id":"b","displayName":"B","device":{"name":"x"}})")
            .status == 200);
  const HttpResponse made =
      fixture.Rest("POST", kBroadcasters + "/b/transports", R"({"type":"plain"})");
  const std::string id = json::parse(made.body).at("id").as_string().c_str();
  const HttpResponse produced = fixture.Rest(
      "POST", kBroadcasters + "/b/transports/" + id + "/producers",
      std::string(R"({"kind":"audio","rtpParameters":)") + test::kOpusParameters + "}");
  CHECK(produced.status == 200);
  return id;
}

size_t CountOf(const FakeClient& client, std::string_view method) {
  const auto names = client.Names();
  return static_cast<size_t>(std::count(names.begin(), names.end(), method));
}

TEST_CASE("a broadcaster that sends nothing is ended, and its room freed") {
  RoomFixture fixture({.broadcaster_timeout = milliseconds(15), .protoo = {}});
  {
    FakeClient viewer = fixture.Connect("r", "viewer");
    fixture.Join(viewer);
    StartBroadcast(fixture);
    REQUIRE(fixture.Until([&] { return viewer.Last("peerClosed") != nullptr; }));
    CHECK(viewer.Last("peerClosed")->at("data").at("peerId") == "b");
    CHECK(fixture.launcher.workers.back()->Count(Method::ROUTER_CLOSE_TRANSPORT) == 1);
    CHECK(fixture.Rest("DELETE", kBroadcasters + "/b").status == 500);
  }
  StartBroadcast(fixture);
  CHECK(fixture.Until([&] { return fixture.rooms.size() == 0; }));
}

TEST_CASE("a broadcaster that sends stays, until it stops") {
  RoomFixture fixture({.broadcaster_timeout = milliseconds(15), .protoo = {}});
  FakeWorker& worker = *fixture.launcher.workers.back();
  worker.rtp_bytes_step = 1'000;
  StartBroadcast(fixture);
  REQUIRE(fixture.Until([&] { return worker.Count(Method::TRANSPORT_GET_STATS) >= 10; }));
  CHECK(fixture.rooms.size() == 1);
  worker.rtp_bytes_step = 0;
  CHECK(fixture.Until([&] { return fixture.rooms.size() == 0; }));
}

TEST_CASE("a broadcaster outlives its worker: same ids, same ports, and viewers get it again") {
  RoomFixture fixture({.protoo = {}});
  FakeClient viewer = fixture.Connect("r", "viewer");
  fixture.Join(viewer);
  const std::string transport_id = StartBroadcast(fixture);
  REQUIRE(fixture.Until([&] { return viewer.Last("newConsumer") != nullptr; }));
  const json::value producer_id = viewer.Last("newConsumer")->at("data").at("producerId");
  CHECK(fixture.launcher.workers.back()->plain_ports == std::vector<uint16_t>{0});
  fixture.launcher.workers.back()->Die();
  REQUIRE(fixture.Until([&] { return viewer.socket->close_code == kCloseReconnect; }));
  viewer.session->OnClosed();

  FakeClient again = fixture.Connect("r", "viewer");
  fixture.Join(again);
  REQUIRE(fixture.Until([&] { return again.Last("newConsumer") != nullptr; }));
  const json::object& offer = again.Last("newConsumer")->at("data").as_object();
  CHECK(offer.at("peerId") == "b");
  CHECK(offer.at("producerId") == producer_id);
  const FakeWorker& heir = *fixture.launcher.workers.back();
  CHECK(heir.plain_ports == std::vector<uint16_t>{40'000, 40'001});
  CHECK(std::count(heir.transport_ids.begin(), heir.transport_ids.end(), transport_id) == 1);
  // Its program ends it as if nothing had happened.
  CHECK(fixture.Rest("DELETE", kBroadcasters + "/b").status == 200);
  CHECK(fixture.Until([&] { return CountOf(again, "peerClosed") == 1; }));
}

}  // namespace
}  // namespace sluice::controller
