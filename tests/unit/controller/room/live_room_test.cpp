// The stage of a live room belongs to who publishes there first.
#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>

#include <string>

#include "controller/room/room_policy.h"
#include "tests/unit/controller/signalling/room_fixture.h"

namespace sluice::controller {
namespace {

namespace json = boost::json;
using FBS::Request::Method;
using std::chrono::milliseconds;
using test::FakeClient;
using test::RoomFixture;

constexpr const char* kStage = "its stage belongs to";

class LiveFixture : public RoomFixture {
 public:
  explicit LiveFixture(milliseconds grace = milliseconds(30'000))
      : RoomFixture({.stage_grace = grace, .protoo = {}}) {}

  FakeClient Enter(const std::string& peer, const std::string& query = "&mode=live") {
    FakeClient client = Connect("r", peer, query);
    Join(client);
    return client;
  }
  /// "" or why the client may not publish.
  std::string Publish(FakeClient& client) {
    const json::object& made = *client.Response(1);
    const json::object reply =
        Ask(client, "produce",
            R"({"transportId":")" + std::string(made.at("data").at("id").as_string().c_str()) +
                R"(","kind":"audio","rtpParameters":)" + test::kOpusParameters + "}");
    if (reply.contains("ok")) return "";
    CHECK(reply.at("errorCode").to_number<int>() == 403);
    return reply.at("errorReason").as_string().c_str();
  }
  /// A broadcaster with a producer, as a script makes it.
  HttpResponse Broadcast(const std::string& id, const std::string& more = "") {
    const std::string all = "/rooms/r/broadcasters";
    const HttpResponse made =
        Rest("POST", all,
             R"({"id":")" + id + R"(","displayName":"B","device":{"name":"x"})" + more + "}");
    if (made.status != 200) return made;
    const HttpResponse transport =
        Rest("POST", all + "/" + id + "/transports", R"({"type":"plain"})");
    const std::string base =
        all + "/" + id + "/transports/" + json::parse(transport.body).at("id").as_string().c_str();
    return Rest("POST", base + "/producers",
                std::string(R"({"kind":"audio","rtpParameters":)") + test::kOpusParameters + "}");
  }
  uint64_t refused() const { return rooms.room_counters().publishing_refused; }
};

TEST_CASE_METHOD(LiveFixture, "live: who publishes first has the stage, others are told so") {
  FakeClient anchor = Enter("anchor");
  FakeClient viewer = Enter("viewer");
  CHECK(Publish(anchor).empty());
  CHECK(Publish(anchor).empty());
  CHECK_THAT(Publish(viewer), Catch::Contains(kStage) && Catch::Contains("\"anchor\""));
  const HttpResponse refused_broadcast = Broadcast("b");
  CHECK(refused_broadcast.status == 403);
  CHECK_THAT(refused_broadcast.body, Catch::Contains(kStage));
  CHECK(refused() == 2);
}

TEST_CASE_METHOD(LiveFixture, "live: a broadcaster has the stage as well") {
  CHECK(Broadcast("b", R"(,"mode":"live")").status == 200);
  FakeClient viewer = Enter("viewer", "");
  CHECK_THAT(Publish(viewer), Catch::Contains("\"b\""));
  CHECK(Broadcast("c").status == 403);
  // Deleted: for good.
  CHECK(Rest("DELETE", "/rooms/r/broadcasters/b").status == 200);
  CHECK(Publish(viewer).empty());
}

TEST_CASE_METHOD(LiveFixture, "live: who comes first says so, later ones do not") {
  FakeClient first = Enter("first", "&mode=meet");
  CHECK(Publish(first).empty());
  FakeClient second = Enter("second");
  CHECK(Publish(second).empty());
  CHECK((*Await(rooms.GetOrCreate("r")))->policy().kind() == RoomKind::kMeet);
}

TEST_CASE_METHOD(LiveFixture, "live: in a room of which nobody says so nothing changes") {
  FakeClient first = Enter("first", "");
  FakeClient second = Enter("second", "");
  CHECK(Publish(first).empty());
  CHECK(Publish(second).empty());
  CHECK(Broadcast("b", R"(,"mode":"live")").status == 200);
}

TEST_CASE_METHOD(LiveFixture, "live: who waits in a room does not decide what it is for") {
  for (const char* mode : {"", "&mode=meet"}) {
    FakeClient squatter = Enter("squatter", mode);
    CHECK(Broadcast("b", R"(,"mode":"live")").status == 200);
    CHECK_THAT(Publish(squatter), Catch::Contains("\"b\""));
    CHECK(Rest("DELETE", "/rooms/r/broadcasters/b").status == 200);
  }
}

TEST_CASE_METHOD(LiveFixture, "live: who made a broadcaster has the stage before it sends") {
  CHECK(Rest("POST", "/rooms/r/broadcasters",
             R"({"id":"b","displayName":"B","device":{"name":"x"},"mode":"live"})")
            .status == 200);
  caller.address = "192.0.2.66";
  FakeClient stranger = Enter("stranger");
  CHECK_THAT(Publish(stranger), Catch::Contains("\"b\""));
}

TEST_CASE_METHOD(LiveFixture, "live: the stage is kept for who lost the connection") {
  FakeClient viewer = Enter("viewer");
  {
    FakeClient anchor = Enter("anchor");
    CHECK(Publish(anchor).empty());
  }
  CHECK_THAT(Publish(viewer), Catch::Contains(kStage));
  caller.address = "192.0.2.66";
  FakeClient thief = Enter("anchor");  // the id alone proves nothing
  CHECK_THAT(Publish(thief), Catch::Contains(kStage));
  thief.session->OnClosed();
  thief.session.reset();
  caller.address = "192.0.2.1";
  FakeClient again = Enter("anchor");
  CHECK(Publish(again).empty());
}

TEST_CASE("live: after the grace the stage is free") {
  LiveFixture fixture(milliseconds(1));
  FakeClient viewer = fixture.Enter("viewer");
  {
    FakeClient anchor = fixture.Enter("anchor");
    CHECK(fixture.Publish(anchor).empty());
  }
  const auto left = std::chrono::steady_clock::now();
  CHECK(fixture.Until([&] { return std::chrono::steady_clock::now() - left > milliseconds(5); }));
  CHECK(fixture.Publish(viewer).empty());
}

TEST_CASE_METHOD(LiveFixture, "live: the stage outlives the room, and its worker") {
  {
    FakeClient anchor = Enter("anchor");
    CHECK(Publish(anchor).empty());
    launcher.workers.back()->Die();
    REQUIRE(Until([&] { return anchor.socket->close_code == kCloseReconnect; }));
  }
  REQUIRE(Until([&] { return pool.ready(); }));
  FakeClient viewer = Enter("viewer", "");
  CHECK_THAT(Publish(viewer), Catch::Contains(kStage));
  FakeClient anchor = Enter("anchor");
  CHECK(Publish(anchor).empty());
}

TEST_CASE_METHOD(LiveFixture, "live: a broadcast goes on with its stage after its worker died") {
  CHECK(Broadcast("b", R"(,"mode":"live")").status == 200);
  launcher.workers.back()->Die();
  REQUIRE(
      Until([&] { return launcher.workers.size() == 2 && rooms.CountPeople().broadcasters == 1; }));
  REQUIRE(Until([&] { return launcher.workers.back()->Count(Method::TRANSPORT_PRODUCE) == 1; }));
  CHECK(Broadcast("c").status == 403);
}

TEST_CASE_METHOD(LiveFixture, "live: who could not publish has no stage") {
  FakeClient clumsy = Enter("clumsy");
  launcher.workers.back()->fail_once.insert(Method::TRANSPORT_PRODUCE);
  const json::object& made = *clumsy.Response(1);
  const std::string id = made.at("data").at("id").as_string().c_str();
  CHECK(Ask(clumsy, "produce",
            R"({"transportId":")" + id + R"(","kind":"audio","rtpParameters":)" +
                test::kOpusParameters + "}")
            .contains("errorCode"));
  FakeClient other = Enter("other");
  CHECK(Publish(other).empty());
  CHECK_THAT(Publish(clumsy), Catch::Contains("\"other\""));
}

TEST_CASE_METHOD(LiveFixture, "live: a mode that is none is refused") {
  const UpgradeDecision decision = Upgrade("r", "p", "&mode=party");
  CHECK(decision.rejection.status == 400);
  const HttpResponse refused_rest = Broadcast("b", R"(,"mode":"party")");
  CHECK(refused_rest.status == 400);
  CHECK_THAT(refused_rest.body, Catch::Contains("live, call or meet"));
}

TEST_CASE("live: a token says what the room is for") {
  const Secret secret("a secret of this test, 32 bytes or more");
  RoomFixture fixture({.protoo = {}, .auth = RequestAuth(Authority(secret), [] { return 1'000; })});
  TokenClaims claims;
  claims.expires = 2'000;
  claims.grants.mode = "live";
  fixture.caller.token = *Authority(secret).Issue(claims, JwtAlgorithm::kHs256);
  FakeClient first = fixture.Connect("r", "first", "&mode=meet");
  CHECK((*fixture.Await(fixture.rooms.GetOrCreate("r")))->policy().kind() == RoomKind::kLive);
}

TEST_CASE("replicas: a client gets one consumer per producer, whatever it asks for") {
  const int allowed = GENERATE(0, 2);
  RoomFixture fixture({.max_consumer_replicas = allowed, .protoo = {}});
  FakeClient greedy = fixture.Connect("r", "greedy", "&consumerReplicas=8");
  fixture.Join(greedy);
  FakeClient sender = fixture.Connect("r", "sender");
  fixture.Join(sender);
  fixture.Produce(sender);
  const auto consumers = [&] {
    greedy.AcceptAll();
    return greedy.consumers;
  };
  REQUIRE(fixture.Until([&] { return consumers() == static_cast<size_t>(allowed) + 1; }));
  fixture.Produce(sender);
  REQUIRE(fixture.Until([&] { return consumers() >= 2 * (static_cast<size_t>(allowed) + 1); }));
  fixture.Settle();
  CHECK(consumers() == 2 * (static_cast<size_t>(allowed) + 1));
}

}  // namespace
}  // namespace sluice::controller
