// Connections with the id of a peer that may come back, before they have said whether they are that
// peer: they are not in the room.
#include <boost/json/serialize.hpp>
#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <vector>

#include "tests/unit/controller/signalling/room_fixture.h"

namespace sluice::controller {
namespace {

namespace json = boost::json;
using std::chrono::milliseconds;
using test::FakeClient;
using test::FakeWorker;
using test::RoomFixture;

constexpr const char* kElsewhere = "198.51.100.7";
constexpr const char* kHome = "192.0.2.1";

struct Newcomers : RoomFixture {
  explicit Newcomers(const Options& options = {}) : RoomFixture(options) {}

  /// Joins as a peer that may come back; its token.
  std::string JoinResumable(FakeClient& client) {
    const json::object reply = Ask(client, "join",
                                   R"({"displayName":"N","device":{},"resume":true,)"
                                   R"("rtpCapabilities":)" +
                                       std::string(test::kOpusCapabilities) + "}");
    REQUIRE(reply.contains("ok"));
    return reply.at("data").at("resumeToken").as_string().c_str();
  }
  bool Resume(FakeClient& client, const std::string& token) {
    return Ask(client, "resume", R"({"resumeToken":")" + token + "\"}").contains("ok");
  }
  FakeClient ConnectFrom(const std::string& address, const std::string& peer) {
    caller.address = address;
    FakeClient client = Connect("r", peer);
    caller.address = kHome;
    return client;
  }
};

TEST_CASE_METHOD(Newcomers, "newcomers: who says nothing takes nobody's place in a call") {
  FakeClient alice = Connect("r", "alice", "&mode=call");
  JoinResumable(alice);
  FakeClient silent = ConnectFrom(kElsewhere, "alice");
  CHECK(silent.socket->close_code == 0);
  CHECK(rooms.CountPeople().peers == 1);
  CHECK(rooms.Find("r")->peers().size() == 1);
  CHECK(Manage("GET", "/rooms/r").body.find(R"("peers":1)") != std::string::npos);
  FakeClient bob = Connect("r", "bob");
  CHECK(bob.socket->close_code == 0);
}

TEST_CASE_METHOD(Newcomers, "who loses the connection to a room that has closed is not awaited") {
  FakeClient alice = Connect("r", "alice");
  JoinResumable(alice);
  rooms.Find("r")->Close();
  alice.session->OnClosed();
  Settle();
  CHECK(rooms.room_counters().dropped == 0);
}

TEST_CASE_METHOD(Newcomers, "newcomers: they do not keep a room open") {
  FakeClient alice = Connect("r", "alice");
  JoinResumable(alice);
  FakeClient silent = ConnectFrom(kElsewhere, "alice");
  alice.session->OnLeft(1000);
  alice.session->OnClosed();
  alice.session.reset();
  CHECK(rooms.size() == 0);
  CHECK(silent.socket->close_code == kCloseReconnect);
}

TEST_CASE("newcomers: they have so long to say what they are") {
  Newcomers fixture(
      {.newcomer_patience = milliseconds(20), .protoo = test::WithoutAnnouncementLimit()});
  FakeClient alice = fixture.Connect("r", "alice");
  const std::string token = fixture.JoinResumable(alice);
  FakeClient silent = fixture.ConnectFrom(kElsewhere, "alice");
  REQUIRE(fixture.Until([&] { return silent.socket->close_code != 0; }));
  CHECK(silent.socket->close_code == kCloseReconnect);
  CHECK_THAT(silent.socket->close_reason,
             Catch::Contains("resume or join") && Catch::Contains("(newcomerTimeout)"));
  CHECK(fixture.rooms.room_counters().newcomers_silent == 1);
  // Who has said it has all the time there is.
  FakeClient back = fixture.Connect("r", "alice");
  CHECK(fixture.Resume(back, token));
  FakeClient late = fixture.Connect("r", "late");
  fixture.JoinResumable(late);
  FakeClient last = fixture.ConnectFrom(kElsewhere, "late");
  REQUIRE(fixture.Until([&] { return last.socket->close_code != 0; }));
  CHECK(back.socket->close_code == 0);
}

TEST_CASE_METHOD(Newcomers, "newcomers: many of one address do not keep the peer's client out") {
  FakeClient alice = Connect("r", "alice");
  const std::string token = JoinResumable(alice);
  std::vector<std::unique_ptr<FakeClient>> strangers;
  const auto add = [&] {
    strangers.push_back(std::make_unique<FakeClient>(ConnectFrom(kElsewhere, "alice")));
  };
  for (size_t i = 0; i < RoomSettings().max_newcomers; ++i) add();
  for (const auto& stranger : strangers) CHECK(stranger->socket->close_code == 0);
  FakeClient back = Connect("r", "alice");
  CHECK(strangers.front()->socket->close_code == kCloseReconnect);
  for (size_t i = 0; i < 2 * RoomSettings().max_newcomers; ++i) add();
  size_t open = 0;
  for (const auto& stranger : strangers) open += stranger->socket->close_code == 0 ? 1 : 0;
  CHECK(open == RoomSettings().max_newcomers - 1);
  CHECK(back.socket->close_code == 0);
  CHECK(Resume(back, token));
}

TEST_CASE("newcomers: how many there may be of one id is set") {
  Newcomers fixture({.protoo = test::WithoutAnnouncementLimit(),
                     .change = [](RoomSettings* settings) { settings->max_newcomers = 2; }});
  FakeClient alice = fixture.Connect("r", "alice");
  fixture.JoinResumable(alice);
  FakeClient first = fixture.ConnectFrom(kElsewhere, "alice");
  FakeClient second = fixture.ConnectFrom(kElsewhere, "alice");
  CHECK(first.socket->close_code == 0);
  FakeClient third = fixture.ConnectFrom(kElsewhere, "alice");
  CHECK(first.socket->close_code == kCloseReconnect);
  CHECK_THAT(first.socket->close_reason, Catch::Contains("(maxNewcomersPerPeer)"));
  CHECK(second.socket->close_code == 0);
  CHECK(fixture.rooms.room_counters().newcomers_surplus == 1);
}

TEST_CASE_METHOD(Newcomers, "newcomers: a worker's death lets none of them into a locked room") {
  FakeClient alice = Connect("r", "alice");
  JoinResumable(alice);
  CHECK(Manage("PATCH", "/rooms/r", R"({"policy":{"locked":true}})").status == 200);
  FakeClient silent = ConnectFrom(kElsewhere, "alice");
  launcher.workers.back()->Die();
  REQUIRE(Until([&] { return alice.socket->close_code == kCloseReconnect; }));
  CHECK(Until([&] { return silent.socket->close_code == kCloseReconnect; }));
  REQUIRE(Until([&] { return pool.ready(); }));
  CHECK(ConnectFrom(kElsewhere, "alice").socket->close_code == kCloseForGood);
  CHECK(Connect("r", "alice").socket->close_code == 0);
}

TEST_CASE_METHOD(Newcomers, "newcomers: one that settles is let in by the rules, or not") {
  FakeClient alice = Connect("r", "alice", "&mode=call");
  JoinResumable(alice);
  FakeClient other = ConnectFrom(kElsewhere, "alice");
  FakeClient bob = Connect("r", "bob");
  alice.session->OnLeft(1000);
  alice.session->OnClosed();
  alice.session.reset();
  FakeClient carol = Connect("r", "carol");
  CHECK(carol.socket->close_code == 0);
  other.Send("getRouterRtpCapabilities");
  CHECK(other.socket->close_code == kCloseForGood);
  CHECK_THAT(other.socket->close_reason, Catch::Contains("call.maxParticipants"));
  carol.session->OnClosed();
  carol.session.reset();
  FakeClient dave = ConnectFrom(kElsewhere, "alice");
  CHECK(Ask(dave, "getRouterRtpCapabilities").contains("ok"));
  CHECK(rooms.CountPeople().peers == 2);
}

}  // namespace
}  // namespace sluice::controller
