// The management API: who may use it, what it lists, what it does, and what it says to bad input.
#include "controller/signalling/management_api.h"

#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "controller/auth/auth.h"
#include "tests/unit/controller/signalling/room_fixture.h"

namespace sluice::controller {
namespace {

namespace json = boost::json;
using FBS::Request::Method;
using std::chrono::milliseconds;
using test::FakeClient;
using test::FakeWorker;
using test::RoomFixture;

constexpr int64_t kNow = 1'800'000'000;
const std::string kSecret = "0123456789abcdef0123456789abcdef";

std::string AdminToken(const std::string& room, Permissions permissions = Permission::kAdmin) {
  return *Authority(Secret(kSecret))
              .Issue({{room, "", permissions, ""}, 0, kNow + 60}, JwtAlgorithm::kHs256);
}

struct Managed : RoomFixture {
  using RoomFixture::RoomFixture;

  json::value Ok(const std::string& method, const std::string& target, const std::string& body = "",
                 int status = 200) {
    const HttpResponse response = Manage(method, target, body);
    INFO(method << " " << target << " " << body << "\n" << response.body);
    CHECK(response.status == status);
    CHECK(response.content_type == "application/json; charset=utf-8");
    return json::parse(response.body);
  }
  /// The member "error" of a refusal.
  json::object Error(int status, const std::string& method, const std::string& target,
                     const std::string& body = "") {
    return Ok(method, target, body, status).at("error").as_object();
  }
  FakeClient Enter(const std::string& room, const std::string& peer) {
    FakeClient client = Connect(room, peer);
    Join(client);
    return client;
  }
  FakeWorker& worker() { return *launcher.workers.back(); }
};

struct GuardedManagement : Managed {
  GuardedManagement() : Managed(WithSecret()) {}
  static Options WithSecret() {
    Options options;
    options.auth = RequestAuth(Authority(Secret(kSecret)), [] { return kNow; });
    return options;
  }
};

std::string Text(const json::value& value) { return value.as_string().c_str(); }

std::vector<std::string> Ids(const json::value& list) {
  std::vector<std::string> ids;
  for (const json::value& entry : list.as_array()) ids.push_back(Text(entry.at("id")));
  return ids;
}

// ---- Who may

TEST_CASE_METHOD(Managed,
                 "management: without a secret it is for this machine, not through a proxy") {
  struct Row {
    const char* address;
    bool secure;
    const char* forwarded_for;
    int status;
  };
  for (const Row& row : {Row{"127.0.0.1", false, "", 200}, Row{"::1", false, "", 200},
                         Row{"127.0.0.1", true, "", 403}, Row{"192.0.2.1", false, "", 403},
                         Row{"127.0.0.1", false, "192.0.2.1", 403}}) {
    INFO(row.address << " " << row.secure << " " << row.forwarded_for);
    HttpRequest request;
    request.method = "GET";
    ParseTarget("/api/v1/rooms", &request);
    request.client_ip = request.source = row.address;
    request.secure = row.secure;
    request.forwarded_for = row.forwarded_for;
    request.proxied = *row.forwarded_for != '\0';
    const HttpResponse response = Await(management.Respond(std::move(request)));
    CHECK(response.status == row.status);
    if (row.status == 200) continue;
    const json::value error = json::parse(response.body).at("error");
    CHECK(error.at("permission") == "admin");
    CHECK_THAT(Text(error.at("message")), Catch::Contains("authSecret"));
  }
}

TEST_CASE_METHOD(GuardedManagement, "management: a token needs admin, and is for its rooms") {
  CHECK(Error(401, "GET", "/rooms").at("type") == "Unauthorized");
  caller.token = AdminToken("a*", Permission::kPublish);
  CHECK_THAT(Text(Error(403, "GET", "/rooms").at("message")),
             Catch::Contains("needs the permission admin; the token grants publish"));
  CHECK(Error(403, "GET", "/rooms/a1").at("permission") == "admin");
  caller.token = AdminToken("*");
  for (const char* id : {"a1", "a2", "b1"}) {
    Ok("POST", "/rooms", std::string(R"({"id":")") + id + "\"}", 201);
  }
  CHECK(Ids(Ok("GET", "/rooms").at("rooms")) == std::vector<std::string>{"a1", "a2", "b1"});
  caller.token = AdminToken("a*");
  const json::value mine = Ok("GET", "/rooms");
  CHECK(Ids(mine.at("rooms")) == std::vector<std::string>{"a1", "a2"});
  CHECK(mine.at("total") == 2);
  Ok("GET", "/rooms/a1");
  CHECK_THAT(Text(Error(403, "GET", "/rooms/b1").at("message")), Catch::Contains("another room"));
  Error(403, "POST", "/rooms", R"({"id":"b2"})");
  Error(403, "DELETE", "/rooms/b1");
}

TEST_CASE_METHOD(GuardedManagement, "management: a peer is moved only to a room of the token's") {
  caller.token = AdminToken("*");
  Ok("POST", "/rooms", R"({"id":"a1"})", 201);
  FakeClient peer = Enter("a1", "p");
  caller.token = AdminToken("a*");
  Error(403, "POST", "/rooms/a1/peers/p/move", R"({"roomId":"b1"})");
  CHECK(peer.socket->close_code == 0);
}

// ---- Rooms

TEST_CASE_METHOD(Managed, "management: a room is made with its policy, changed and closed") {
  const json::value made = Ok("POST", "/rooms",
                              R"({"id":"r","policy":{"kind":"live","maxPublishers":2,)"
                              R"("receive":["audio"]}})",
                              201);
  CHECK(made.at("policy").at("kind") == "live");
  CHECK(made.at("policy").at("maxPublishers") == 2);
  CHECK(json::serialize(made.at("policy").at("receive")) == R"(["audio"])");
  CHECK(made.at("ruledBy") == "management");
  CHECK(Error(409, "POST", "/rooms", R"({"id":"r"})").at("type") == "Conflict");
  FakeClient peer = Enter("r", "p");
  const json::value changed = Ok("PATCH", "/rooms/r", R"({"policy":{"locked":true}})");
  CHECK(changed.at("policy").at("kind") == "live");  // the rest stays
  CHECK(changed.at("policy").at("maxPublishers") == 2);
  CHECK(changed.at("policy").at("locked") == true);
  CHECK(Connect("r", "late").socket->close_code == kCloseForGood);
  CHECK(Ok("PATCH", "/rooms/r", R"({"policy":{"kind":"meet"}})").at("policy").at("locked") == true);
  Ok("DELETE", "/rooms/r");
  CHECK(peer.socket->close_code == kCloseForGood);
  Error(404, "GET", "/rooms/r");
  CHECK(Connect("r", "p").socket->close_code == 0);  // another room, without rules
}

TEST_CASE("management: its room stays without people, for as long as it was told") {
  Managed fixture({.empty_timeout = milliseconds(1), .protoo = test::WithoutAnnouncementLimit()});
  fixture.Ok("POST", "/rooms", R"({"id":"stays","emptyTimeout":0,"policy":{"kind":"call"}})", 201);
  fixture.Ok("POST", "/rooms", R"({"id":"goes"})", 201);
  CHECK(fixture.Until([&] { return fixture.rooms.size() == 1; }));
  { FakeClient peer = fixture.Enter("stays", "p"); }
  CHECK(fixture.Ok("GET", "/rooms/stays").at("policy").at("kind") == "call");
  // Who only asks for rooms does not push it out.
  for (int i = 0; i < 20; ++i) fixture.Rest("GET", "/rooms/x" + std::to_string(i));
  fixture.Ok("GET", "/rooms/stays");
  // It outlives its worker, with its rules.
  fixture.launcher.workers.back()->Die();
  REQUIRE(fixture.Until([&] { return fixture.launcher.workers.size() == 2; }));
  REQUIRE(fixture.Until([&] { return fixture.rooms.Find("stays") != nullptr; }));
  CHECK(fixture.Ok("GET", "/rooms/stays").at("policy").at("kind") == "call");
}

TEST_CASE_METHOD(Managed,
                 "management: people of a locked room come back after its worker's death") {
  FakeClient member = Enter("r", "member");
  Ok("PATCH", "/rooms/r", R"({"policy":{"locked":true}})");
  worker().Die();
  REQUIRE(Until([&] { return member.socket->close_code == kCloseReconnect; }));
  REQUIRE(Until([&] { return pool.ready(); }));
  caller.address = "192.0.2.66";
  CHECK(Connect("r", "member").socket->close_code == kCloseForGood);
  CHECK(Connect("r", "stranger").socket->close_code == kCloseForGood);
  caller.address = "192.0.2.1";
  CHECK(Connect("r", "member").socket->close_code == 0);
}

TEST_CASE_METHOD(Managed, "management: lists come in pages") {
  for (int i = 0; i < 5; ++i) Ok("POST", "/rooms", R"({"id":"r)" + std::to_string(i) + "\"}", 201);
  const json::value first = Ok("GET", "/rooms?limit=2");
  CHECK(Ids(first.at("rooms")) == std::vector<std::string>{"r0", "r1"});
  CHECK(first.at("total") == 5);
  CHECK(first.at("next") == "r1");
  CHECK(Ids(Ok("GET", "/rooms?limit=2&after=r1").at("rooms")) ==
        std::vector<std::string>{"r2", "r3"});
  const json::value last = Ok("GET", "/rooms?limit=2&after=r3");
  CHECK(Ids(last.at("rooms")) == std::vector<std::string>{"r4"});
  CHECK(last.at("next").is_null());
  for (const char* limit : {"0", "1001", "-1", "x", "", "99999999999999999999"}) {
    const json::object error = Error(400, "GET", std::string("/rooms?limit=") + limit);
    CHECK(error.at("field") == "limit");
    CHECK(Text(error.at("value")) == limit);
    CHECK_THAT(Text(error.at("message")), Catch::Contains("from 1 to 1000"));
  }
}

// ---- Who is there

TEST_CASE_METHOD(Managed, "management: peers and broadcasters, what they send, and their stats") {
  FakeClient sender = Enter("r", "sender");
  const std::string producer = Produce(sender);
  FakeClient viewer = Enter("r", "viewer");
  REQUIRE(Until([&] { return viewer.Last("newConsumer") != nullptr; }));
  CHECK(
      Rest("POST", "/rooms/r/broadcasters", R"({"id":"b","displayName":"B","device":{"name":"x"}})")
          .status == 200);
  const json::value peers = Ok("GET", "/rooms/r/peers");
  CHECK(Ids(peers.at("peers")) == std::vector<std::string>{"sender", "viewer"});
  CHECK(peers.at("peers").at(0).at("producers") == 1);
  CHECK(peers.at("peers").at(1).at("consumers") == 1);
  CHECK(Ids(Ok("GET", "/rooms/r/broadcasters").at("broadcasters")) ==
        std::vector<std::string>{"b"});
  const json::value one = Ok("GET", "/rooms/r/peers/sender");
  CHECK(one.at("producers").at(0).at("id").as_string() == producer);
  CHECK(one.at("producers").at(0).at("source") == "audio");
  CHECK(one.at("transports").as_array().size() == 2);
  CHECK(one.at("connected") == true);
  CHECK(Ok("GET", "/rooms/r/broadcasters/b").at("type") == "broadcaster");
  const json::value stats = Ok("GET", "/rooms/r/peers/viewer/stats?limit=1");
  CHECK(stats.at("transports").as_array().size() == 2);
  CHECK(stats.at("consumers").as_array().size() == 1);
  CHECK(stats.at("total") == 1);
  CHECK(stats.at("dataProducers").as_array().empty());
  CHECK(stats.at("dataConsumers").as_array().empty());
  const json::value room = Ok("GET", "/rooms/r/stats");
  CHECK(room.at("peersJoined") == 2);
  CHECK(room.at("broadcasters") == 1);
  CHECK(room.at("producers").at("audio") == 1);
  CHECK(room.at("consumers") == 1);
  // A broadcaster is no peer, nor the reverse.
  CHECK_THAT(Text(Error(404, "GET", "/rooms/r/peers/b").at("message")),
             Catch::Contains("no peer \"b\" in room \"r\""));
  Error(404, "GET", "/rooms/r/broadcasters/sender");
}

TEST_CASE_METHOD(Managed, "management: stats of a broadcaster, with its data, in pages") {
  FakeClient talker = Connect("r", "talker");
  Ask(talker, "createWebRtcTransport", R"({"producing":true,"enableSctp":true})");
  Ask(talker, "join", R"({"displayName":"N","device":{},"enableSctp":true})");
  const std::string transport = Text(talker.Response(1)->at("data").at("id"));
  const std::string chat =
      Text(Ask(talker, "produceData",
               R"({"transportId":")" + transport +
                   R"(","label":"chat","protocol":"","sctpStreamParameters":{"streamId":0}})")
               .at("data")
               .at("id"));
  const std::string at = "/rooms/r/broadcasters";
  REQUIRE(Rest("POST", at,
               R"({"id":"b","displayName":"B","device":{"name":"x"},"rtpCapabilities":)" +
                   std::string(test::kOpusCapabilities) + "}")
              .status == 200);
  const HttpResponse made =
      Rest("POST", at + "/b/transports", R"({"type":"plain","enableSctp":true})");
  const std::string data = at + "/b/transports/" + Text(json::parse(made.body).at("id"));
  REQUIRE(Rest("POST", data + "/produce/data",
               R"({"label":"robot","protocol":"","sctpStreamParameters":{"streamId":0}})")
              .status == 200);
  for (const std::string& id : {chat, std::string("bot")}) {
    REQUIRE(Rest("POST", data + "/consume/data", R"({"dataProducerId":")" + id + "\"}").status ==
            200);
  }
  REQUIRE(Rest("POST", data + "/producers",
               std::string(R"({"kind":"audio","rtpParameters":)") + test::kOpusParameters + "}")
              .status == 200);
  json::value stats = Ok("GET", "/rooms/r/broadcasters/b/stats?limit=1");
  CHECK(stats.at("transports").as_array().size() == 1);
  CHECK(stats.at("producers").as_array().size() == 1);
  CHECK(stats.at("dataProducers").at(0).at("stats").at(0).at("type") == "data-producer");
  CHECK(stats.at("total") == 2);
  CHECK(stats.at("dataConsumers").as_array().size() == 1);
  const std::string first = Text(stats.at("dataConsumers").at(0).at("id"));
  CHECK(Text(stats.at("next")) == first);
  stats = Ok("GET", "/rooms/r/broadcasters/b/stats?limit=1&after=" + first);
  CHECK(stats.at("dataConsumers").at(0).at("stats").at(0).at("type") == "data-consumer");
  CHECK(Text(stats.at("dataConsumers").at(0).at("id")) != first);
  CHECK(stats.at("next").is_null());
  // What is said to all is heard by whoever consumes the bot.
  CHECK(Ok("POST", "/rooms/r/data", R"({"text":"hello"})").at("receivers") == 1);
  Error(404, "GET", "/rooms/r/broadcasters/none/stats");
  Error(404, "GET", "/rooms/r/broadcasters/talker/stats");
}

// ---- What a moderator does

TEST_CASE_METHOD(Managed, "management: who is kicked is gone for good, and the stage is free") {
  Ok("POST", "/rooms", R"({"id":"r","policy":{"kind":"live"}})", 201);
  FakeClient anchor = Enter("r", "anchor");
  Produce(anchor);
  FakeClient viewer = Enter("r", "viewer");
  Ok("DELETE", "/rooms/r/peers/anchor", R"({"reason":"no shouting"})");
  CHECK(anchor.socket->close_code == kCloseForGood);
  CHECK(anchor.socket->close_reason == "no shouting");
  REQUIRE(Until([&] { return viewer.Last("peerClosed") != nullptr; }));
  CHECK_FALSE(Produce(viewer).empty());
  CHECK(rooms.room_counters().kicked == 1);
  CHECK(
      Rest("POST", "/rooms/r/broadcasters", R"({"id":"b","displayName":"B","device":{"name":"x"}})")
          .status == 200);
  Ok("DELETE", "/rooms/r/broadcasters/b");
  CHECK(Rest("DELETE", "/rooms/r/broadcasters/b").status == 404);
}

TEST_CASE_METHOD(Managed, "management: who is muted cannot unmute themselves") {
  FakeClient loud = Enter("r", "loud");
  const std::string producer = R"({"producerId":")" + Produce(loud) + "\"}";
  CHECK(json::serialize(Ok("POST", "/rooms/r/peers/loud/mute").at("muted")) == R"(["audio"])");
  CHECK(worker().Count(Method::PRODUCER_PAUSE) == 1);
  CHECK(json::serialize(loud.Last("muted")->at("data")) == R"({"sources":["audio"]})");
  const json::object refused = Ask(loud, "resumeProducer", producer);
  CHECK(refused.at("errorCode").to_number<int>() == 403);
  CHECK_THAT(Text(refused.at("errorReason")), Catch::Contains("open.muted"));
  CHECK(worker().Count(Method::PRODUCER_RESUME) == 0);
  CHECK_THAT(Text(Ask(loud, "produce",
                      R"({"transportId":")" + Text(loud.Response(1)->at("data").at("id")) +
                          R"(","kind":"audio","rtpParameters":)" + test::kOpusParameters + "}")
                      .at("errorReason")),
             Catch::Contains("open.muted"));
  // Paused by its own client meanwhile, it stays so.
  CHECK(Ask(loud, "pauseProducer", producer).contains("ok"));
  Ok("POST", "/rooms/r/peers/loud/unmute");
  CHECK(worker().Count(Method::PRODUCER_RESUME) == 0);
  CHECK(Ask(loud, "resumeProducer", producer).contains("ok"));
  Ok("POST", "/rooms/r/peers/loud/mute", R"({"sources":["audio","video","screen"]})");
  Ok("POST", "/rooms/r/peers/loud/unmute", R"({"sources":["audio"]})");
  CHECK(worker().Count(Method::PRODUCER_RESUME) == 2);
  CHECK(json::serialize(Ok("GET", "/rooms/r/peers/loud").at("muted")) == R"(["video","screen"])");
  const json::object error =
      Error(400, "POST", "/rooms/r/peers/loud/mute", R"({"sources":["smell"]})");
  CHECK(error.at("field") == "sources");
  CHECK_THAT(Text(error.at("message")), Catch::Contains("audio, video, screen, data"));
}

TEST_CASE_METHOD(Managed, "management: data that is muted reaches nobody until it is unmuted") {
  FakeClient loud = Enter("r", "loud");
  const json::object transport =
      Ask(loud, "createWebRtcTransport", R"({"producing":true,"enableSctp":true})");
  const std::string channel =
      R"({"transportId":")" + Text(transport.at("data").at("id")) +
      R"(","label":"chat","protocol":"","sctpStreamParameters":{"streamId":)";
  const std::string id = Text(Ask(loud, "produceData", channel + "0}}").at("data").at("id"));
  Produce(loud);
  const json::value muted =
      Ok("POST", "/rooms/r/peers/loud/mute", R"({"sources":["audio","data"]})");
  CHECK(json::serialize(muted.at("muted")) == R"(["audio","data"])");
  CHECK(json::serialize(loud.Last("muted")->at("data")) == R"({"sources":["audio","data"]})");
  CHECK(worker().Count(Method::DATAPRODUCER_PAUSE) == 1);
  CHECK(worker().Count(Method::PRODUCER_PAUSE) == 1);
  const auto shown = [&] {
    return json::serialize(Ok("GET", "/rooms/r/peers/loud").at("dataProducers"));
  };
  CHECK(shown() == R"([{"id":")" + id + R"(","label":"chat","protocol":"","muted":true}])");
  const json::object refused = Ask(loud, "produceData", channel + "1}}");
  CHECK(refused.at("errorCode").to_number<int>() == 403);
  CHECK_THAT(Text(refused.at("errorReason")), Catch::Contains("open.muted"));
  // Muted twice it is paused once, and what else is muted stays so.
  Ok("POST", "/rooms/r/peers/loud/mute", R"({"sources":["data"]})");
  CHECK(worker().Count(Method::DATAPRODUCER_PAUSE) == 1);
  Ok("POST", "/rooms/r/peers/loud/unmute", R"({"sources":["data"]})");
  CHECK(worker().Count(Method::DATAPRODUCER_RESUME) == 1);
  CHECK(worker().Count(Method::PRODUCER_RESUME) == 0);
  CHECK_THAT(shown(), Catch::Contains(R"("muted":false)"));
  CHECK(Ask(loud, "produceData", channel + "1}}").contains("ok"));
}

TEST_CASE_METHOD(Managed, "management: what is being made while it is muted is muted") {
  FakeClient loud = Enter("r", "loud");
  const std::string transport =
      Text(Ask(loud, "createWebRtcTransport", R"({"producing":true,"enableSctp":true})")
               .at("data")
               .at("id"));
  worker().delay = {Method::TRANSPORT_PRODUCE, Method::TRANSPORT_PRODUCE_DATA};
  const int media = loud.Send("produce", R"({"transportId":")" + transport +
                                             R"(","kind":"audio","rtpParameters":)" +
                                             test::kOpusParameters + "}");
  const int data = loud.Send("produceData", R"({"transportId":")" + transport +
                                                R"(","label":"chat","protocol":"",)"
                                                R"("sctpStreamParameters":{"streamId":0}})");
  REQUIRE(Until([&] {
    return worker().Count(Method::TRANSPORT_PRODUCE) == 1 &&
           worker().Count(Method::TRANSPORT_PRODUCE_DATA) == 1;
  }));
  Ok("POST", "/rooms/r/peers/loud/mute", R"({"sources":["audio","data"]})");
  CHECK(worker().Count(Method::PRODUCER_PAUSE) == 0);
  worker().Release();
  REQUIRE(Until([&] { return loud.Response(media) && loud.Response(data); }));
  CHECK(Until([&] {
    return worker().Count(Method::PRODUCER_PAUSE) == 1 &&
           worker().Count(Method::DATAPRODUCER_PAUSE) == 1;
  }));
}

TEST_CASE_METHOD(Managed,
                 "management: a peer is told where it is moved to, and has a place there") {
  Ok("POST", "/rooms", R"({"id":"full","policy":{"kind":"call"}})", 201);
  Ok("POST", "/rooms", R"({"id":"shut","policy":{"locked":true}})", 201);
  FakeClient one = Enter("full", "one");
  FakeClient two = Enter("full", "two");
  FakeClient peer = Enter("r", "p");
  const json::object error = Error(409, "POST", "/rooms/r/peers/p/move", R"({"roomId":"full"})");
  CHECK(error.at("rule") == "call.maxParticipants");
  CHECK(peer.socket->close_code == 0);
  CHECK(Error(400, "POST", "/rooms/r/peers/p/move", R"({"roomId":"r"})").at("field") == "roomId");
  Error(400, "POST", "/rooms/r/peers/p/move", R"({"roomId":"a b"})");
  Ok("POST", "/rooms/r/peers/p/move", R"({"roomId":"shut"})");
  CHECK(json::serialize(peer.Last("moved")->at("data")) == R"({"roomId":"shut"})");
  CHECK(peer.socket->close_code == kCloseForGood);
  CHECK(Connect("shut", "other").socket->close_code == kCloseForGood);
  CHECK(Connect("shut", "p").socket->close_code == 0);
}

TEST_CASE_METHOD(GuardedManagement, "management: who is moved gets a token for the new room") {
  caller.token =
      *Authority(Secret(kSecret))
           .Issue({{"r", "p", Permission::kPublish, ""}, 0, kNow + 60}, JwtAlgorithm::kHs256);
  FakeClient peer = Enter("r", "p");
  caller.token = AdminToken("*");
  Ok("POST", "/rooms/r/peers/p/move", R"({"roomId":"s"})");
  caller.token = Text(peer.Last("moved")->at("data").at("token"));
  CHECK(Upgrade("s", "q").rejection.status == 403);
  CHECK(Upgrade("r", "p").rejection.status == 403);
  FakeClient there = Connect("s", "p");
  CHECK(Ask(there, "join", "{}").contains("ok"));
  CHECK(Ask(there, "produceData", "{}").at("errorCode").to_number<int>() == 403);  // as before
}

TEST_CASE_METHOD(Managed, "management: what any proxy has passed on is refused") {
  HttpRequest request;
  request.method = "GET";
  ParseTarget("/api/v1/rooms", &request);
  request.client_ip = request.source = "127.0.0.1";
  request.proxied = true;  // by another field than X-Forwarded-For
  CHECK(Await(management.Respond(request)).status == 403);
  request.trusted_proxy = true;
  CHECK(Await(management.Respond(request)).status == 403);
}

TEST_CASE_METHOD(GuardedManagement, "management: an admin that is moved is none in the new room") {
  caller.token = AdminToken("r");
  FakeClient admin = Enter("r", "p");
  caller.token = AdminToken("*");
  Ok("POST", "/rooms/r/peers/p/move", R"({"roomId":"s"})");
  caller.token = Text(admin.Last("moved")->at("data").at("token"));
  CHECK_THAT(Text(Error(403, "GET", "/rooms/s").at("message")),
             Catch::Contains("the token grants publish, subscribe, data"));
  FakeClient there = Enter("s", "p");
  CHECK_FALSE(Produce(there).empty());
}

TEST_CASE_METHOD(Managed, "management: who is taken off the stage stops sending") {
  CHECK_THAT(Text(Error(404, "PUT", "/rooms/r/stage/x").at("message")), Catch::Contains("no room"));
  FakeClient a = Enter("r", "a");
  CHECK_THAT(Text(Error(409, "PUT", "/rooms/r/stage/a").at("message")),
             Catch::Contains("has no stage"));
  Ok("PATCH", "/rooms/r", R"({"policy":{"kind":"live"}})");
  const std::string producer = Produce(a);
  FakeClient b = Enter("r", "b");
  REQUIRE(Until([&] { return b.Last("newConsumer") != nullptr; }));
  Error(404, "DELETE", "/rooms/r/stage/b");
  const json::value stage = Ok("PUT", "/rooms/r/stage/b").at("stage");
  CHECK(json::serialize(stage) == R"(["a","b"])");
  CHECK(json::serialize(Ok("DELETE", "/rooms/r/stage/a").at("stage")) == R"(["b"])");
  CHECK(a.Last("producerClosed")->at("data").at("producerId").as_string() == producer);
  REQUIRE(Until([&] { return b.Last("consumerClosed") != nullptr; }));
  CHECK(Ok("GET", "/rooms/r/peers/a").at("onStage") == false);
}

TEST_CASE_METHOD(Managed, "management: rules that change end what they do not allow any more") {
  FakeClient a = Enter("r", "a");
  const std::string producer = Produce(a);
  FakeClient b = Enter("r", "b");
  REQUIRE(Until([&] { return b.Last("newConsumer") != nullptr; }));
  Ok("PATCH", "/rooms/r", R"({"policy":{"receive":["video"]}})");
  CHECK(b.Last("consumerClosed") != nullptr);
  b.socket->messages.clear();
  Ok("PATCH", "/rooms/r", R"({"policy":{"receive":["audio","video"]}})");
  REQUIRE(Until([&] { return b.Last("newConsumer") != nullptr; }));
  Ok("PATCH", "/rooms/r", R"({"policy":{"publish":["video"]}})");
  CHECK(a.Last("producerClosed")->at("data").at("producerId").as_string() == producer);
}

TEST_CASE_METHOD(Managed, "management: what is said to a room goes to all who take data") {
  FakeClient mute = Enter("r", "no-data");
  FakeClient hears = Connect("r", "hears");
  Ask(hears, "createWebRtcTransport", R"({"consuming":true,"enableSctp":true})");
  Ask(hears, "join", R"({"displayName":"N","device":{},"enableSctp":true})");
  REQUIRE(Until([&] { return hears.Last("newDataConsumer") != nullptr; }));
  CHECK(Ok("POST", "/rooms/r/data", R"({"text":"five minutes left"})").at("receivers") == 1);
  REQUIRE(Until([&] { return !worker().data_sent.empty(); }));
  CHECK(worker().data_sent.back() == "five minutes left");
  const std::string longest(ManagementApi::kMaxMessage, 'x');
  Ok("POST", "/rooms/r/data", R"({"text":")" + longest + "\"}");
  CHECK(Error(400, "POST", "/rooms/r/data", R"({"text":"x)" + longest + "\"}").at("field") ==
        "text");
  Error(400, "POST", "/rooms/r/data", "{}");
}

// ---- Bad input

TEST_CASE_METHOD(Managed, "management: an error names field, value and what would be right") {
  FakeClient peer = Enter("r", "p");
  struct Row {
    const char* method;
    const char* target;
    const char* body;
    int status;
    const char* field;
    const char* right;
  };
  for (const Row& row : {
           Row{"POST", "/rooms", "[]", 400, "body", "JSON object"},
           Row{"POST", "/rooms", "{", 400, "", "not JSON"},
           Row{"POST", "/rooms", "{}", 400, "", "missing id"},
           Row{"POST", "/rooms", R"({"id":""})", 400, "", "missing id"},
           Row{"POST", "/rooms", R"({"id":"a/b"})", 400, "", "invalid id"},
           Row{"POST", "/rooms", R"({"id":"x","polcy":{}})", 400, "polcy", "there are id, policy"},
           Row{"POST", "/rooms", R"({"id":"x","policy":"live"})", 400, "policy", "an object"},
           Row{"POST", "/rooms", R"({"id":"x","policy":{"kind":"party"}})", 400, "policy.kind",
               "open, live, call or meet"},
           Row{"POST", "/rooms", R"({"id":"x","policy":{"kind":7}})", 400, "policy.kind",
               "open, live, call or meet"},
           Row{"POST", "/rooms", R"({"id":"x","policy":{"maxParticipants":-1}})", 400,
               "policy.maxParticipants", "an integer from 0"},
           Row{"POST", "/rooms", R"({"id":"x","policy":{"maxPublishers":1.5}})", 400,
               "policy.maxPublishers", "an integer from 0"},
           Row{"POST", "/rooms", R"({"id":"x","policy":{"kind":"call","maxParticipants":3}})", 400,
               "", "a call is for 2"},
           Row{"POST", "/rooms", R"({"id":"x","policy":{"publish":"audio"}})", 400,
               "policy.publish", "a list of audio, video, screen, data"},
           Row{"POST", "/rooms", R"({"id":"x","policy":{"receive":["smell"]}})", 400,
               "policy.receive", "a list of audio, video, screen, data"},
           Row{"POST", "/rooms", R"({"id":"x","policy":{"stage":"open"}})", 400, "policy.stage",
               "first or invited"},
           Row{"POST", "/rooms", R"({"id":"x","policy":{"locked":"yes"}})", 400, "policy.locked",
               "true or false"},
           Row{"POST", "/rooms", R"({"id":"x","policy":{"colour":1}})", 400, "policy.colour",
               "policy.kind"},
           Row{"POST", "/rooms", R"({"id":"x","emptyTimeout":-5})", 400, "emptyTimeout",
               "an integer from 0"},
           Row{"PATCH", "/rooms/r", R"({"id":"s"})", 400, "id", "there are policy"},
           Row{"POST", "/rooms/r/peers/p/mute", R"({"sources":"all"})", 400, "sources",
               "a list of audio, video, screen"},
           Row{"POST", "/rooms/r/peers/p/move", "{}", 400, "", "missing roomId"},
           Row{"DELETE", "/rooms/r/peers/p", R"({"reason":5})", 400, "reason", "a text of 1 to"},
           Row{"GET", "/rooms/none", "", 404, "", "no room \"none\""},
           Row{"GET", "/rooms/r/peers/none", "", 404, "", "no peer \"none\""},
           Row{"GET", "/rooms/%01", "", 400, "", "invalid room"},
           Row{"GET", "/nothing", "", 404, "", "there is no /api/v1/nothing"},
           Row{"GET", "", "", 404, "", "there is no /api/v1"},
           Row{"PUT", "/rooms", "", 405, "", "must be GET, HEAD, POST"},
           Row{"POST", "/rooms/r/peers/p", "", 405, "", "must be GET, HEAD, DELETE"},
       }) {
    INFO(row.method << " " << row.target << " " << row.body);
    const json::object error = Error(row.status, row.method, row.target, row.body);
    CHECK(error.at("status") == row.status);
    CHECK_THAT(Text(error.at("message")), Catch::Contains(row.right));
    if (row.field[0] != '\0') CHECK(Text(error.at("field")) == row.field);
  }
  CHECK(rooms.size() == 1);  // none of them made a room
  CHECK(peer.socket->close_code == 0);
}

TEST_CASE_METHOD(Managed, "management: a body of another type is not read; requests have a rate") {
  HttpRequest form;
  form.method = "POST";
  ParseTarget("/api/v1/rooms", &form);
  form.content_type = "text/plain";
  form.body = R"({"id":"x"})";
  form.client_ip = form.source = "127.0.0.1";
  CHECK(Await(management.Respond(form)).status == 415);
  CHECK(rooms.size() == 0);
  ManagementApi::Limits limits;
  limits.requests_per_second = 1;
  limits.request_burst = 2;
  const auto now = SourceRate::TimePoint();
  limits.now = [now] { return now; };
  ManagementApi slow(&rooms, RequestAuth(), limits);
  form.method = "GET";
  form.body.clear();
  for (const int status : {200, 200, 429}) {
    const HttpResponse response = Await(slow.Respond(form));
    CHECK(response.status == status);
    CHECK(response.limit == (status == 429 ? "maxRestRequestsPerSecond" : ""));
  }
}

}  // namespace
}  // namespace sluice::controller
