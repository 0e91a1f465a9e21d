// What one address may make of rooms, and transports that nobody uses.
#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>

#include <algorithm>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controller/room/own_ports.h"
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
constexpr const char* kBroadcaster = R"({"id":"b","displayName":"B","device":{"name":"x"}})";

std::string MakeTransport(RoomFixture& fixture, const char* body) {
  const HttpResponse made = fixture.Rest("POST", kBroadcasters + "/b/transports", body);
  REQUIRE(made.status == 200);
  return json::parse(made.body).at("id").as_string().c_str();
}

TEST_CASE("rooms: one address has so many, and its own empty ones make way") {
  RoomFixture fixture({.limits = {.rooms = 10, .rooms_per_source = 3}, .protoo = {}});
  std::deque<FakeClient> peers;
  for (const char* room : {"a", "b"}) peers.push_back(fixture.Connect(room, "p"));
  CHECK(fixture.Rest("GET", "/rooms/c").status == 200);
  CHECK(fixture.Rest("GET", "/rooms/d").status == 200);  // in the place of c
  CHECK(fixture.rooms.size() == 3);
  CHECK(fixture.rooms.counters().evicted == 1);
  peers.push_back(fixture.Connect("d", "p"));

  const HttpResponse refused = fixture.Rest("GET", "/rooms/e");
  CHECK(refused.status == 503);
  CHECK_THAT(refused.body, Catch::Contains("maxRoomsPerIp"));
  CHECK(std::any_of(refused.headers.begin(), refused.headers.end(),
                    [](const auto& header) { return header.first == "Retry-After"; }));
  const UpgradeDecision upgrade = fixture.Upgrade("e", "p");
  CHECK(upgrade.rejection.status == 503);
  CHECK(fixture.rooms.counters().refused_source == 2);
  CHECK(fixture.rooms.counters().refused_full == 0);
  // Rooms that there are can be entered, and others may open more.
  CHECK(fixture.Rest("GET", "/rooms/a").status == 200);
  fixture.caller.address = "192.0.2.2";
  CHECK(fixture.Rest("GET", "/rooms/e").status == 200);

  peers.pop_front();
  fixture.Settle();
  fixture.caller.address = "192.0.2.1";
  CHECK(fixture.Rest("GET", "/rooms/f").status == 200);
}

TEST_CASE("rooms: one that could not be made counts for nobody") {
  RoomFixture fixture({.limits = {.rooms = 10, .rooms_per_source = 1}, .protoo = {}});
  for (int attempt = 0; attempt < 3; ++attempt) {
    fixture.launcher.workers.back()->fail_once.insert(Method::WORKER_CREATE_ROUTER);
    CHECK(fixture.Rest("GET", "/rooms/a").status == 500);
  }
  CHECK(fixture.Rest("GET", "/rooms/a").status == 200);
}

TEST_CASE("transports: those that nobody ever used are closed, and their places given back") {
  RoomFixture fixture({.unused_transport_timeout = milliseconds(400), .protoo = {}});
  FakeWorker& worker = *fixture.launcher.workers.back();
  REQUIRE(fixture.Rest("POST", kBroadcasters, kBroadcaster).status == 200);
  const std::string plain = MakeTransport(fixture, R"({"type":"plain"})");
  const std::string webrtc = MakeTransport(fixture, R"({"type":"webrtc"})");
  const std::string connected = MakeTransport(fixture, R"({"type":"webrtc"})");
  worker.NotifyDtlsState(connected, FBS::WebRtcTransport::DtlsState::CONNECTED);
  const std::string base = kBroadcasters + "/b/transports/" + plain;
  REQUIRE(
      fixture
          .Rest("POST", base + "/producers",
                std::string(R"({"kind":"audio","rtpParameters":)") + test::kOpusParameters + "}")
          .status == 200);
  REQUIRE(fixture.Until([&] { return fixture.rooms.room_counters().unused_transports == 2; }));
  CHECK(fixture.Until([&] { return worker.Count(Method::ROUTER_CLOSE_TRANSPORT) == 2; }));
  for (const std::string& id : {plain, webrtc}) {
    for (const char* route :
         {"connect", "producers", "consume?producerId=x", "consume/data", "produce/data"}) {
      INFO(route);
      const HttpResponse refused =
          fixture.Rest("POST", kBroadcasters + "/b/transports/" + id + "/" + route, "{}");
      const bool consumes = std::string_view(route).starts_with("consume");
      CHECK(refused.status == (consumes ? 409 : 404));
      const json::value error = json::parse(refused.body).at("error");
      CHECK(error.at("message").as_string() ==
            (consumes ? "broadcaster does not have rtpCapabilities"
                      : "transport with id \"" + id + "\" does not exist"));
    }
  }
  // Sixteen at once, again and again.
  for (int made = 0; made < 15; ++made) MakeTransport(fixture, R"({"type":"webrtc"})");
  CHECK(fixture.Rest("POST", kBroadcasters + "/b/transports", R"({"type":"plain"})").status == 503);
  REQUIRE(fixture.Until([&] { return fixture.rooms.room_counters().unused_transports == 17; }));
  MakeTransport(fixture, R"({"type":"plain"})");
}

TEST_CASE("transports: nothing holds one that is closed until somebody looks whether it is used") {
  RoomFixture fixture({.unused_transport_timeout = std::chrono::hours(24), .protoo = {}});
  FakeClient peer = fixture.Connect("r", "peer");
  fixture.Join(peer);
  REQUIRE(fixture.Rest("POST", kBroadcasters, kBroadcaster).status == 200);
  MakeTransport(fixture, R"({"type":"plain"})");
  MakeTransport(fixture, R"({"type":"webrtc"})");
  std::vector<std::weak_ptr<Transport>> transports;
  for (const char* id : {"peer", "b"}) {
    for (const auto& [_, transport] : fixture.rooms.Find("r")->FindParticipant(id)->transports) {
      transports.emplace_back(transport);
    }
  }
  REQUIRE(transports.size() == 4);
  CHECK(fixture.Rest("DELETE", kBroadcasters + "/b").status == 200);
  peer.session->OnLeft(1000);
  std::exchange(peer.session, nullptr)->OnClosed();
  fixture.Settle();
  for (const auto& transport : transports) CHECK(transport.expired());
}

TEST_CASE("transports: one that somebody sends to stays, and so do those of peers") {
  RoomFixture fixture({.unused_transport_timeout = milliseconds(10), .protoo = {}});
  FakeWorker& worker = *fixture.launcher.workers.back();
  worker.rtp_bytes_step = 100;
  FakeClient peer = fixture.Connect("r", "peer");
  fixture.Join(peer);  // two transports, never connected
  REQUIRE(fixture.Rest("POST", kBroadcasters, kBroadcaster).status == 200);
  MakeTransport(fixture, R"({"type":"plain"})");
  REQUIRE(fixture.Until([&] { return worker.Count(Method::TRANSPORT_GET_STATS) >= 10; }));
  fixture.Settle();
  CHECK(fixture.rooms.room_counters().unused_transports == 0);
  CHECK(worker.Count(Method::ROUTER_CLOSE_TRANSPORT) == 0);
}

TEST_CASE("transports: of those that a peer never connects the newest stay") {
  RoomFixture fixture({.unused_transport_timeout = milliseconds(50), .protoo = {}});
  FakeWorker& worker = *fixture.launcher.workers.back();
  FakeClient peer = fixture.Connect("r", "peer");
  REQUIRE(fixture.Rest("POST", kBroadcasters, kBroadcaster).status == 200);
  std::vector<std::string> ids;
  const auto make = [&] {
    const auto response =
        fixture.Ask(peer, "createWebRtcTransport", R"({"producing":true,"consuming":false})");
    ids.emplace_back(response.at("data").at("id").as_string().c_str());
  };
  const auto is_there = [&](size_t i) {
    return fixture.Ask(peer, "restartIce", R"({"transportId":")" + ids[i] + R"("})").contains("ok");
  };
  uint64_t ended = 0;
  // A broadcaster's that is made last is closed last: by then all others have been looked at.
  const auto wait_for_all = [&] {
    MakeTransport(fixture, R"({"type":"webrtc"})");
    ++ended;
    REQUIRE(fixture.Until([&] { return worker.Count(Method::ROUTER_CLOSE_TRANSPORT) >= ended; }));
    CHECK(fixture.rooms.room_counters().unused_transports == ended);
  };
  for (int i = 0; i < 5; ++i) make();
  worker.NotifyDtlsState(ids[0], FBS::WebRtcTransport::DtlsState::CONNECTED);
  wait_for_all();  // one is connected, and four may wait for hours

  make();
  make();
  ended += 2;
  wait_for_all();
  const std::vector<bool> expected = {true, false, false, true, true, true, true};
  for (size_t i = 0; i < ids.size(); ++i) CHECK(is_there(i) == expected[i]);
  for (const char* method : {"connectWebRtcTransport", "restartIce", "getTransportStats"}) {
    INFO(method);
    CHECK(fixture.Ask(peer, method, R"({"transportId":")" + ids[1] + R"("})")
              .at("errorReason")
              .as_string() == "transport with id \"" + ids[1] + "\" not found");
  }

  // One that is connected at last is none of them any more.
  worker.NotifyDtlsState(ids[3], FBS::WebRtcTransport::DtlsState::CONNECTED);
  make();
  wait_for_all();
  for (size_t i = 3; i < ids.size(); ++i) CHECK(is_there(i));
}

TEST_CASE("own ports: taken for as long as the lease lives, at addresses of this machine") {
  OwnPorts ports([] { return std::vector<std::string>{"192.0.2.1", "2001:db8::1"}; });
  const OwnPorts::Lease fixed = ports.Take({443});
  {
    const OwnPorts::Lease lease = ports.Take({40'000, 40'001, 443});
    for (const char* ip : {"127.0.0.1", "127.8.8.8", "::1", "192.0.2.1", "2001:db8::1",
                           "::ffff:192.0.2.1", "2001:DB8:0::1"}) {
      CHECK(ports.Has(ip, 40'001));
    }
    CHECK_FALSE(ports.Has("192.0.2.2", 40'001));
    CHECK_FALSE(ports.Has("192.0.2.1", 40'002));
    CHECK_FALSE(ports.Has("example.org", 40'001));
  }
  CHECK_FALSE(ports.Has("192.0.2.1", 40'001));
  CHECK(ports.Has("192.0.2.1", 443));
}

TEST_CASE_METHOD(RoomFixture, "own ports: a transport that would send to us is closed") {
  FakeWorker& worker = *launcher.workers.back();
  REQUIRE(Rest("POST", kBroadcasters, kBroadcaster).status == 200);
  MakeTransport(*this, R"({"type":"plain"})");  // has the ports 40000 and 40001
  const std::string second = MakeTransport(*this, R"({"type":"plain"})");
  worker.NotifyTuple(second, "127.0.0.1", 50'000);
  worker.NotifyTuple(second, "192.0.2.50", 40'001);
  Settle();
  CHECK(rooms.room_counters().own_ports == 0);
  worker.NotifyTuple(second, "127.0.0.1", 40'001);
  REQUIRE(Until([&] { return rooms.room_counters().own_ports == 1; }));
  CHECK(Until([&] { return worker.Count(Method::ROUTER_CLOSE_TRANSPORT) == 1; }));
}

TEST_CASE_METHOD(RoomFixture, "a broadcaster over WebRTC that loses its transport is ended") {
  FakeClient viewer = Connect("r", "viewer");
  Join(viewer);
  FakeWorker& worker = *launcher.workers.back();
  const bool by_ice = GENERATE(true, false);
  REQUIRE(Rest("POST", kBroadcasters, kBroadcaster).status == 200);
  const std::string transport = MakeTransport(*this, R"({"type":"webrtc"})");
  worker.NotifyDtlsState(transport, FBS::WebRtcTransport::DtlsState::CONNECTED);
  Settle();
  CHECK(viewer.Last("peerClosed") == nullptr);
  if (by_ice) {
    worker.NotifyIceState(transport, FBS::WebRtcTransport::IceState::DISCONNECTED);
  } else {
    worker.NotifyDtlsState(transport, FBS::WebRtcTransport::DtlsState::CLOSED);
  }
  REQUIRE(Until([&] { return viewer.Last("peerClosed") != nullptr; }));
  CHECK(viewer.Last("peerClosed")->at("data").at("peerId") == "b");
  CHECK(rooms.room_counters().lost_broadcasters == 1);
  CHECK(worker.Count(Method::ROUTER_CLOSE_TRANSPORT) == 1);
  CHECK(Rest("POST", kBroadcasters, kBroadcaster).status == 200);
}

}  // namespace
}  // namespace sluice::controller
