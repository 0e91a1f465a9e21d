// Who may do what in which kind of room: kind × role × action, through the doors that clients have.
#include "controller/room/room_rules.h"

#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>
#include <memory>
#include <string>

#include "controller/auth/auth.h"
#include "controller/room/participant.h"
#include "controller/room/room_policy.h"
#include "tests/unit/controller/signalling/room_fixture.h"

namespace sluice::controller {
namespace {

namespace json = boost::json;
using std::chrono::milliseconds;
using std::chrono::seconds;
using test::FakeClient;
using test::RoomFixture;

constexpr const char* kVideoParameters =
    R"({"codecs":[{"mimeType":"video/VP8","payloadType":101,"clockRate":90000}],)"
    R"("encodings":[{"ssrc":2222}]})";

/// A room with rules of the management in which "first" publishes sound, and "second" is there.
class RuledRoom : public RoomFixture {
 public:
  explicit RuledRoom(const std::string& policy) {
    CHECK(Manage("POST", "/rooms", R"({"id":"r","policy":)" + policy + "}").status == 201);
    first = Enter("first");
    if (first->refused.empty()) Act(*first, "audio");
    second = Enter("second");
  }

  struct Member {
    std::string id;
    FakeClient client;
    std::string refused;  ///< why it was not let in
    std::string transport;
  };

  std::unique_ptr<Member> Enter(const std::string& id) {
    auto member = std::make_unique<Member>(Member{id, Connect("r", id), "", ""});
    FakeClient& client = member->client;
    if (client.socket->close_code != 0) {
      CHECK(client.socket->close_code == kCloseForGood);
      member->refused = client.socket->close_reason;
      return member;
    }
    const json::object made =
        Ask(client, "createWebRtcTransport", R"({"producing":true,"enableSctp":true})");
    member->transport = made.at("data").at("id").as_string().c_str();
    Ask(client, "createWebRtcTransport", R"({"consuming":true,"enableSctp":true})");
    Ask(client, "join",
        R"({"displayName":"N","device":{},"enableSctp":true,"rtpCapabilities":)" +
            std::string(test::kOpusCapabilities) + "}");
    return member;
  }

  /// What the room says against it; "" = it is done.
  std::string Act(Member& member, const std::string& action) {
    const std::string of = R"({"transportId":")" + member.transport + R"(",)";
    if (action == "data") {
      return Say(Ask(member.client, "produceData",
                     of + R"("label":"chat","sctpStreamParameters":{"streamId":0}})"));
    }
    if (action == "consume") {
      // Of "first", who sends sound from the start.
      const bool offered = Until(
          [&] { return member.client.Last("newConsumer") != nullptr || Idle(member.client); });
      CHECK(offered);
      return member.client.Last("newConsumer") ? "" : "nothing is offered";
    }
    if (action == "enter") return Enter("third")->refused;
    if (action == "broadcast") return Broadcast();
    const bool audio = action == "audio";
    return Say(Ask(member.client, "produce",
                   of + R"("kind":")" + (audio ? "audio" : "video") + R"(","appData":{"share":)" +
                       (action == "screen" ? "true" : "false") + R"(},"rtpParameters":)" +
                       (audio ? test::kOpusParameters : kVideoParameters) + "}"));
  }

  std::unique_ptr<Member> first;
  std::unique_ptr<Member> second;

 private:
  static std::string Say(const json::object& reply) {
    if (reply.contains("ok")) return "";
    CHECK(reply.at("errorCode").to_number<int>() == 403);
    return reply.at("errorReason").as_string().c_str();
  }
  /// Two requests after everything that was under way have been answered.
  bool Idle(FakeClient& client) {
    for (int i = 0; i < 2; ++i) Ask(client, "getRouterRtpCapabilities");
    Settle();
    return true;
  }
  std::string Broadcast() {
    const std::string at = "/rooms/r/broadcasters";
    const HttpResponse made =
        Rest("POST", at, R"({"id":"b","displayName":"B","device":{"name":"x"}})");
    if (made.status != 200) return made.body;
    const HttpResponse transport = Rest("POST", at + "/b/transports", R"({"type":"plain"})");
    const std::string id = json::parse(transport.body).at("id").as_string().c_str();
    const HttpResponse produced =
        Rest("POST", at + "/b/transports/" + id + "/producers",
             std::string(R"({"kind":"audio","rtpParameters":)") + test::kOpusParameters + "}");
    return produced.status == 200 ? "" : produced.body;
  }
};

struct Row {
  const char* policy;
  /// first, second, guest (second, let up), down (first, taken down), muted (second, of all it
  /// sends)
  const char* role;
  const char* action;
  const char* rule;  ///< that is against it; "" = it is allowed
};

constexpr const char* kOpen = R"({"kind":"open"})";
constexpr const char* kLive = R"({"kind":"live"})";
constexpr const char* kLiveForTwo = R"({"kind":"live","maxPublishers":2})";
constexpr const char* kLiveByInvitation = R"({"kind":"live","stage":"invited"})";
constexpr const char* kCall = R"({"kind":"call"})";
constexpr const char* kChat = R"({"kind":"chat"})";
constexpr const char* kMeet = R"({"kind":"meet"})";
constexpr const char* kMeetOfOne = R"({"kind":"meet","maxPublishers":1})";
constexpr const char* kMeetForTwo = R"({"kind":"meet","maxParticipants":2})";
constexpr const char* kNoScreen = R"({"kind":"meet","publish":["audio","video"]})";
constexpr const char* kSilent = R"({"kind":"meet","receive":["video","screen","data"]})";
constexpr const char* kLocked = R"({"kind":"meet","locked":true})";

TEST_CASE("rules: kind × role × action") {
  const Row row = GENERATE(values<Row>({
      {kOpen, "first", "video", ""},
      {kOpen, "second", "audio", ""},
      {kOpen, "second", "screen", ""},
      {kOpen, "second", "data", ""},
      {kOpen, "second", "consume", ""},
      {kOpen, "second", "enter", ""},
      {kOpen, "second", "broadcast", ""},
      {kLive, "first", "audio", ""},
      {kLive, "first", "video", ""},
      {kLive, "first", "screen", ""},
      {kLive, "first", "data", ""},
      {kLive, "first", "broadcast", "live.stage"},
      {kLive, "second", "audio", "live.stage"},
      {kLive, "second", "video", "live.stage"},
      {kLive, "second", "screen", "live.stage"},
      {kLive, "second", "data", ""},
      {kLive, "second", "consume", ""},
      {kLive, "second", "enter", ""},
      {kLive, "guest", "audio", ""},
      {kLive, "guest", "screen", ""},
      {kLive, "down", "audio", "live.stage"},
      {kLive, "down", "data", ""},
      {kLiveForTwo, "second", "video", ""},
      {kLiveForTwo, "second", "broadcast", ""},
      {kLiveByInvitation, "second", "audio", "live.stage"},
      {kLiveByInvitation, "guest", "audio", ""},
      {kLiveByInvitation, "second", "broadcast", "live.stage"},
      {kCall, "second", "audio", ""},
      {kCall, "second", "screen", ""},
      {kCall, "second", "data", ""},
      {kCall, "second", "consume", ""},
      {kCall, "second", "enter", "call.maxParticipants"},
      {kCall, "second", "broadcast", "call.maxParticipants"},
      {kChat, "second", "enter", "call.maxParticipants"},
      {kMeet, "second", "audio", ""},
      {kMeet, "second", "video", ""},
      {kMeet, "second", "screen", ""},
      {kMeet, "second", "data", ""},
      {kMeet, "second", "consume", ""},
      {kMeet, "second", "enter", ""},
      {kMeet, "second", "broadcast", ""},
      {kMeetOfOne, "first", "video", ""},
      {kMeetOfOne, "second", "audio", "meet.maxPublishers"},
      {kMeetOfOne, "guest", "audio", ""},
      {kMeetForTwo, "second", "enter", "meet.maxParticipants"},
      {kNoScreen, "first", "screen", "meet.publish"},
      {kNoScreen, "second", "data", "meet.publish"},
      {kNoScreen, "second", "video", ""},
      {kSilent, "second", "audio", ""},
      {kSilent, "second", "consume", "nothing is offered"},
      {kLocked, "first", "enter", "meet.locked"},
      {kLocked, "first", "broadcast", "meet.locked"},
      {kLocked, "second", "audio", ""},
      {kLocked, "second", "data", ""},
      {kLocked, "second", "consume", ""},
      {kLiveByInvitation, "first", "audio", "live.stage"},
      {kLiveByInvitation, "guest", "screen", ""},
      {kCall, "first", "video", ""},
      {kCall, "first", "data", ""},
      {kMeet, "first", "data", ""},
      {kNoScreen, "second", "screen", "meet.publish"},
      {kOpen, "muted", "audio", "open.muted"},
      {kOpen, "muted", "video", "open.muted"},
      {kOpen, "muted", "data", "open.muted"},
      {kOpen, "muted", "consume", ""},
      {kOpen, "muted", "enter", ""},
      {kLive, "muted", "audio", "live.muted"},
      {kLive, "muted", "data", "live.muted"},
      {kCall, "muted", "screen", "call.muted"},
      {kMeet, "muted", "screen", "meet.muted"},
      {kMeet, "muted", "data", "meet.muted"},
      {kMeet, "muted", "consume", ""},
  }));
  INFO(row.policy << " " << row.role << " " << row.action);
  const bool locked = row.policy == std::string(kLocked);
  // Who is in a locked room came before it was locked.
  RuledRoom room(locked ? kMeet : row.policy);
  if (locked)
    CHECK(room.Manage("PATCH", "/rooms/r", R"({"policy":{"locked":true}})").status == 200);
  const std::string role = row.role;
  if (role == "guest") CHECK(room.Manage("PUT", "/rooms/r/stage/second").status == 200);
  if (role == "down") CHECK(room.Manage("DELETE", "/rooms/r/stage/first").status == 200);
  if (role == "muted") {
    CHECK(room.Manage("POST", "/rooms/r/peers/second/mute",
                      R"({"sources":["audio","video","screen","data"]})")
              .status == 200);
  }
  const bool is_first = role == "first" || role == "down";
  const std::string said = room.Act(is_first ? *room.first : *room.second, row.action);
  if (row.rule[0] == '\0') {
    CHECK(said.empty());
  } else {
    CHECK_THAT(said, Catch::Contains(row.rule));
  }
}

TEST_CASE("rules: what a token says of a room counts before what its page says") {
  struct TokenRow {
    const char* mode;   ///< the token's of who comes first
    const char* query;  ///< what its page says
    RoomKind kind;
    const char* rule;  ///< that is against a third participant; "" = none
  };
  const TokenRow row = GENERATE(values<TokenRow>({
      {"call", "&mode=meet", RoomKind::kCall, "call.maxParticipants"},
      {"chat", "&mode=live", RoomKind::kCall, "call.maxParticipants"},
      {"call", "", RoomKind::kCall, "call.maxParticipants"},
      {"meet", "&mode=call", RoomKind::kMeet, ""},
      {"meet", "&mode=live", RoomKind::kMeet, ""},
      {"meet", "", RoomKind::kMeet, ""},
  }));
  INFO(row.mode << " " << row.query);
  const Secret secret("0123456789abcdef0123456789abcdef");
  RoomFixture::Options options;
  options.auth = RequestAuth(Authority(secret), [] { return 1'000; });
  RoomFixture fixture(options);
  const auto carry = [&](const char* mode) {
    TokenClaims claims;
    claims.expires = 2'000;
    claims.grants.permissions = Permissions(Permission::kPublish) | Permission::kSubscribe;
    claims.grants.mode = mode;
    fixture.caller.token = *Authority(secret).Issue(claims, JwtAlgorithm::kHs256);
  };
  carry(row.mode);
  FakeClient first = fixture.Connect("r", "first", row.query);
  CHECK(fixture.rooms.Find("r")->policy().kind() == row.kind);
  carry("");
  FakeClient second = fixture.Connect("r", "second", "&mode=live");
  CHECK(second.socket->close_code == 0);
  CHECK(fixture.rooms.Find("r")->policy().kind() == row.kind);
  FakeClient third = fixture.Connect("r", "third", "&mode=meet");
  const HttpResponse broadcaster =
      fixture.Rest("POST", "/rooms/r/broadcasters",
                   R"({"id":"b","displayName":"B","device":{"name":"x"},"mode":"meet"})");
  if (row.rule[0] == '\0') {
    CHECK(third.socket->close_code == 0);
    CHECK(broadcaster.status == 200);
  } else {
    CHECK(third.socket->close_code == kCloseForGood);
    CHECK_THAT(third.socket->close_reason, Catch::Contains(row.rule));
    CHECK(broadcaster.status == 403);
    CHECK_THAT(broadcaster.body, Catch::Contains(row.rule));
  }
  CHECK(fixture.rooms.Find("r")->policy().kind() == row.kind);
}

TEST_CASE("rules: by the first joiner a call is for two as well") {
  RoomFixture fixture;
  FakeClient one = fixture.Connect("r", "one", "&mode=chat");
  FakeClient two = fixture.Connect("r", "two", "&mode=meet");  // nobody has published yet
  FakeClient three = fixture.Connect("r", "three", "&mode=call");
  CHECK(three.socket->close_code == 0);  // too many were here for that
  CHECK(fixture.rooms.Find("r")->policy().kind() == RoomKind::kMeet);
  three.session->OnClosed();
  three.session.reset();
  two.session->OnClosed();
  two.session.reset();
  FakeClient again = fixture.Connect("r", "two", "&mode=call");
  FakeClient fourth = fixture.Connect("r", "four");
  CHECK(fourth.socket->close_code == kCloseForGood);
  CHECK_THAT(fourth.socket->close_reason, Catch::Contains("call.maxParticipants"));
  CHECK(fixture.rooms.room_counters().joining_refused == 1);
  // Who is in it may come back in place of their own connection.
  FakeClient back = fixture.Connect("r", "two");
  CHECK(back.socket->close_code == 0);
}

// ---- The policy by itself

struct PolicyOfRoom {
  explicit PolicyOfRoom(const RoomRules& rules) { policy.SetRules(rules, {}); }
  static Participant Peer(const std::string& id, const std::string& address = "192.0.2.1") {
    Participant peer;
    peer.id = id;
    peer.owner.address = address;
    return peer;
  }
  RoomPolicy::TimePoint now{};
  RoomPolicy policy{milliseconds(30'000)};
};

TEST_CASE("policy: a lower rank does not change what a higher one has said") {
  RoomPolicy policy(milliseconds(0));
  const RoomPolicy::TimePoint now{};
  policy.Choose({RoomKind::kMeet, RuledBy::kToken}, 0, now);
  policy.Choose({RoomKind::kLive, RuledBy::kJoiner}, 1, now);
  CHECK(policy.kind() == RoomKind::kMeet);
  policy.Choose({RoomKind::kLive, RuledBy::kToken}, 1, now);
  CHECK(policy.kind() == RoomKind::kLive);
  RoomRules rules = RulesOf(RoomKind::kCall);
  policy.SetRules(rules, {});
  policy.Choose({RoomKind::kLive, RuledBy::kToken}, 0, now);
  CHECK(policy.kind() == RoomKind::kCall);
  CHECK(policy.ruled_by() == RuledBy::kManagement);
}

TEST_CASE("policy: who is expected has a place that nobody else takes, for a while") {
  PolicyOfRoom room(RulesOf(RoomKind::kCall));
  CHECK(room.policy.Expect("a", "192.0.2.1", 0, room.now).ok());
  CHECK(room.policy.Expect("b", "192.0.2.2", 0, room.now).ok());
  CHECK(RuleOf(room.policy.Expect("c", "192.0.2.3", 0, room.now)) == "call.maxParticipants");
  CHECK(RuleOf(room.policy.Admit(room.Peer("c"), 0, room.now)) == "call.maxParticipants");
  // The id alone is not enough.
  CHECK_FALSE(room.policy.Admit(room.Peer("b", "192.0.2.66"), 0, room.now).ok());
  CHECK(room.policy.Admit(room.Peer("b", "192.0.2.2"), 0, room.now).ok());
  CHECK(room.policy.IsExpecting(room.now));
  CHECK(room.policy.Admit(room.Peer("c"), 1, room.now + RoomPolicy::kExpectFor).ok());
  CHECK_FALSE(room.policy.IsExpecting(room.now + RoomPolicy::kExpectFor));
}

TEST_CASE("policy: rules that get a stage leave those on it who publish") {
  PolicyOfRoom room(RulesOf(RoomKind::kMeet));
  const Participant a = room.Peer("a");
  const Participant b = room.Peer("b");
  CHECK(room.policy.Publish(a, MediaSource::kAudio, room.now).ok());
  CHECK(room.policy.Publish(b, MediaSource::kAudio, room.now).ok());
  room.policy.SetRules(RulesOf(RoomKind::kLive), {&a, &b});
  CHECK(room.policy.Stage(room.now) == std::vector<std::string>{"a", "b"});
  CHECK(room.policy.Publish(b, MediaSource::kVideo, room.now).ok());
  CHECK(RuleOf(room.policy.Publish(room.Peer("c"), MediaSource::kVideo, room.now).status()) ==
        "live.stage");
}

TEST_CASE("policy: a stage has so many places, and no more") {
  RoomRules rules = RulesOf(RoomKind::kLive);
  rules.by_invitation = true;
  PolicyOfRoom room(rules);
  for (size_t i = 0; i < RoomPolicy::kMaxStage; ++i) {
    CHECK(room.policy.LetUp(room.Peer("p" + std::to_string(i)), room.now).ok());
    CHECK(room.policy.LetUp(room.Peer("p" + std::to_string(i)), room.now).ok());
  }
  CHECK_FALSE(room.policy.LetUp(room.Peer("one more"), room.now).ok());
  CHECK(room.policy.Stage(room.now).size() == RoomPolicy::kMaxStage);
}

TEST_CASE("rules: what cannot be is refused, with what would be right") {
  RoomRules call = RulesOf(RoomKind::kCall);
  call.max_participants = 3;
  CHECK_THAT(std::string(CheckRules(call).message()), Catch::Contains("a call is for 2"));
  RoomRules live = RulesOf(RoomKind::kLive);
  live.max_publishers = 0;
  CHECK_THAT(std::string(CheckRules(live).message()), Catch::Contains("from 1 to 64"));
  for (const RoomKind kind : {RoomKind::kOpen, RoomKind::kLive, RoomKind::kCall, RoomKind::kMeet}) {
    CHECK(CheckRules(RulesOf(kind)).ok());
    CHECK(*ParseRoomKind(ToString(kind)) == kind);
  }
}

}  // namespace
}  // namespace sluice::controller
