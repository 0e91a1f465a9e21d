// Who may do what, as the doors ask it: REST and protoo, with and without a secret.
#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "controller/auth/auth.h"
#include "tests/unit/controller/signalling/room_fixture.h"

namespace sluice::controller {
namespace {

namespace json = boost::json;
using test::FakeClient;
using test::RoomFixture;

constexpr int64_t kNow = 1'800'000'000;
const std::string kSecret = "0123456789abcdef0123456789abcdef";
const std::string kBroadcasters = "/rooms/r/broadcasters";
const std::string kBroadcaster = R"({"id":"b","displayName":"B","device":{"name":"FFmpeg"}})";

std::string Token(const std::string& room, const std::string& peer, Permissions permissions) {
  return *Authority(Secret(kSecret))
              .Issue({{room, peer, permissions, ""}, 0, kNow + 60}, JwtAlgorithm::kHs256);
}

/// Rooms of a server with a secret.
struct Guarded : RoomFixture {
  Guarded() : RoomFixture(WithSecret()) {}
  static Options WithSecret() {
    Options options;
    options.auth = RequestAuth(Authority(Secret(kSecret)), [] { return kNow; });
    return options;
  }
};

TEST_CASE_METHOD(Guarded, "without a token nothing is answered, and no room is made") {
  const HttpResponse response = Rest("GET", "/rooms/r");
  CHECK(response.status == 401);
  CHECK_THAT(test::ErrorText(response), Catch::StartsWith("Unauthorized: a token is needed"));
  CHECK(Upgrade("r", "p").rejection.status == 401);
  CHECK(rooms.size() == 0);
}

TEST_CASE_METHOD(Guarded, "a token opens its room, for its peer, to what it names") {
  struct Row {
    std::string token, method, target, body;
    int status;
  };
  const Permissions publish = Permission::kPublish;
  const Permissions subscribe = Permission::kSubscribe;
  caller.token = Token("r", "b", publish);
  REQUIRE(Rest("POST", kBroadcasters, kBroadcaster).status == 200);
  const HttpResponse plain = Rest("POST", kBroadcasters + "/b/transports", R"({"type":"plain"})");
  REQUIRE(plain.status == 200);
  const std::string transport =
      kBroadcasters + "/b/transports/" + json::parse(plain.body).at("id").as_string().c_str();
  for (const Row& row : {
           Row{Token("r", "", subscribe), "GET", "/rooms/r", "", 200},
           Row{Token("*", "", subscribe), "GET", "/rooms/r", "", 200},
           Row{Token("other", "", subscribe), "GET", "/rooms/r", "", 403},
           Row{Token("r", "", subscribe) + "x", "GET", "/rooms/r", "", 401},
           Row{Token("r", "x", publish), "POST", kBroadcasters, kBroadcaster, 403},
           Row{Token("r", "b", subscribe), "POST", transport + "/producers", "{}", 403},
           Row{Token("r", "b", publish), "POST", transport + "/producers", "{}", 400},
           Row{Token("r", "b", publish), "POST", transport + "/consume", "{}", 403},
           Row{Token("r", "b", publish), "POST", transport + "/produce/data", "{}", 403},
           Row{Token("r", "x", publish), "DELETE", kBroadcasters + "/b", "", 403},
           Row{Token("r", "b", publish), "DELETE", kBroadcasters + "/b", "", 200},
       }) {
    INFO(row.method << " " << row.target << " " << row.status);
    caller.token = row.token;
    CHECK(Rest(row.method, row.target, row.body).status == row.status);
  }
}

TEST_CASE_METHOD(Guarded, "who may not publish has no place on a stage") {
  const std::string live =
      R"({"id":"b","displayName":"B","device":{"name":"FFmpeg"},"mode":"live"})";
  caller.token = Token("r", "b", Permission::kSubscribe);
  REQUIRE(Rest("POST", kBroadcasters, live).status == 200);
  CHECK(rooms.Find("r")->policy().Stage(RoomPolicy::TimePoint()).empty());
  caller.token = Token("r", "alice", Permission::kPublish);
  FakeClient alice = Connect("r", "alice");
  Join(alice);
  CHECK_FALSE(Produce(alice).empty());
  alice.session->OnClosed();
  alice.session.reset();
  // Who may has one from the start.
  caller.token = Token("r2", "", Permission::kAdmin);
  REQUIRE(Rest("POST", "/rooms/r2/broadcasters", live).status == 200);
  CHECK(rooms.Find("r2")->policy().Stage(RoomPolicy::TimePoint()) == std::vector<std::string>{"b"});
}

TEST_CASE_METHOD(Guarded, "protoo: the token's room and peer, and its permissions") {
  caller.token = Token("r", "alice", Permission::kPublish);
  CHECK(Upgrade("other", "alice").rejection.status == 403);
  CHECK(Upgrade("r", "bob").rejection.status == 403);
  FakeClient alice = Connect("r", "alice");
  Join(alice);
  CHECK_FALSE(Produce(alice).empty());

  caller.token = Token("r", "", Permission::kSubscribe);
  FakeClient viewer = Connect("r", "viewer");
  Join(viewer);
  CHECK(Until([&] { return viewer.Last("newConsumer") != nullptr; }));
  const json::object refused = Ask(viewer, "produce", "{}");
  CHECK(refused.at("errorCode").to_number<int>() == 403);
  // Who may only publish is offered nothing.
  caller.token = Token("r", "bob", Permission::kPublish);
  FakeClient bob = Connect("r", "bob");
  Join(bob);
  Produce(bob);
  CHECK(Until([&] { return viewer.consumers == 0 && viewer.Last("newPeer") != nullptr; }));
  Settle();
  CHECK(alice.Last("newConsumer") == nullptr);
}

TEST_CASE_METHOD(RoomFixture, "a broadcaster is its maker's: by address, or by the secret") {
  const HttpResponse made = Rest("POST", kBroadcasters, kBroadcaster);
  REQUIRE(made.status == 200);
  const std::string secret = json::parse(made.body).at("secret").as_string().c_str();
  CHECK(secret.size() >= 26);
  caller.address = "198.51.100.7";
  CHECK(Rest("DELETE", kBroadcasters + "/b").status == 403);
  CHECK(Rest("POST", kBroadcasters + "/b/transports", R"({"type":"plain"})").status == 403);
  caller.secret = secret + "x";
  CHECK(Rest("DELETE", kBroadcasters + "/b").status == 403);
  caller.secret = secret;
  CHECK(Rest("POST", kBroadcasters + "/b/transports", R"({"type":"plain"})").status == 200);
  caller = Caller();
  caller.secret = "wrong";  // who sends one is held to it
  CHECK(Rest("DELETE", kBroadcasters + "/b").status == 403);
  caller = Caller();
  CHECK(Rest("DELETE", kBroadcasters + "/b").status == 200);
}

TEST_CASE_METHOD(Guarded, "an admin may end what others made") {
  caller.token = Token("r", "b", Permission::kPublish);
  REQUIRE(Rest("POST", kBroadcasters, kBroadcaster).status == 200);
  caller = {"198.51.100.7", Token("r", "", Permission::kAdmin), ""};
  CHECK(Rest("DELETE", kBroadcasters + "/b").status == 200);
}

TEST_CASE_METHOD(Guarded, "who is named by a token is replaced only with one that names them") {
  caller.token = Token("r", "alice", Permission::kPublish);
  FakeClient alice = Connect("r", "alice");
  Join(alice);
  caller.token = Token("r", "", Permission::kPublish);  // the same address, but anybody's
  FakeClient other = Connect("r", "alice");
  CHECK(other.socket->close_code == kCloseReconnect);
  CHECK(alice.socket->close_code == 0);
  caller = {"198.51.100.7", Token("r", "alice", Permission::kPublish), ""};
  FakeClient again = Connect("r", "alice");
  CHECK(alice.socket->close_code == kCloseForGood);
  CHECK(again.socket->close_code == 0);
}

TEST_CASE_METHOD(RoomFixture, "a stranger does not take a peer's place by its id") {
  FakeClient owner = Connect("r", "p");
  Join(owner);
  caller.address = "198.51.100.7";
  {
    FakeClient stranger = Connect("r", "p");
    CHECK(stranger.socket->close_code == kCloseReconnect);
    CHECK(owner.socket->close_code == 0);
  }
  caller = Caller();
  const FakeClient again = Connect("r", "p");
  CHECK(again.socket->close_code == 0);
  CHECK(owner.socket->close_code != 0);
}

TEST_CASE_METHOD(Guarded, "a token that names the peer takes its place from any address") {
  caller.token = Token("r", "p", Permission::kPublish);
  const FakeClient before = Connect("r", "p");
  caller.address = "198.51.100.7";
  const FakeClient after = Connect("r", "p");
  CHECK(after.socket->close_code == 0);
  CHECK(before.socket->close_code != 0);
}

}  // namespace
}  // namespace sluice::controller
