// What a moderator says holds: for what is under way at the worker when it is said, for who comes
// back, and for what waits.
#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <catch2/catch.hpp>
#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "controller/room/room_policy.h"
#include "tests/unit/controller/signalling/room_fixture.h"

namespace sluice::controller {
namespace {

namespace json = boost::json;
using FBS::Request::Method;
using std::chrono::milliseconds;
using test::FakeClient;
using test::FakeWorker;
using test::RoomFixture;

/// What the management asks while requests are under way.
struct Moderated : RoomFixture {
  using RoomFixture::RoomFixture;

  void Do(const std::string& method, const std::string& target, const std::string& body = "",
          int status = 200) {
    const HttpResponse response = Manage(method, target, body);
    INFO(method << " " << target << " " << body << "\n" << response.body);
    CHECK(response.status == status);
  }
  /// A request of which the answer is not awaited.
  std::shared_ptr<std::optional<HttpResponse>> Begin(const std::string& method,
                                                     const std::string& target,
                                                     const std::string& body = "") {
    HttpRequest request;
    request.method = method;
    ParseTarget("/api/v1" + target, &request);
    if (!body.empty()) request.content_type = "application/json";
    request.body = body;
    request.client_ip = request.source = "127.0.0.1";
    auto answer = std::make_shared<std::optional<HttpResponse>>();
    Spawn(context.get_executor(), Hold(management.Respond(std::move(request)), answer));
    return answer;
  }
  static Task<void> Hold(Task<HttpResponse> task,
                         std::shared_ptr<std::optional<HttpResponse>> answer) {
    *answer = co_await std::move(task);
  }
  FakeClient Enter(const std::string& peer, const std::string& query = "") {
    FakeClient client = Connect("r", peer, query);
    Ask(client, "createWebRtcTransport", R"({"producing":true,"enableSctp":true})");
    Ask(client, "createWebRtcTransport", R"({"consuming":true,"enableSctp":true})");
    CHECK(Ask(client, "join",
              R"({"displayName":"N","device":{},"enableSctp":true,"rtpCapabilities":)" +
                  std::string(test::kOpusCapabilities) + "}")
              .contains("ok"));
    return client;
  }
  static std::string ProduceBody(const FakeClient& client) {
    return R"({"transportId":")" +
           std::string(client.Response(1)->at("data").at("id").as_string().c_str()) +
           R"(","kind":"audio","rtpParameters":)" + test::kOpusParameters + "}";
  }
  static std::string DataBody(const FakeClient& client) {
    return R"({"transportId":")" +
           std::string(client.Response(1)->at("data").at("id").as_string().c_str()) +
           R"(","label":"chat","sctpStreamParameters":{"streamId":0}})";
  }
  /// Sends a request and lets it come to the worker, which has it wait.
  int SendSlowly(FakeClient& client, const std::string& method, const std::string& body,
                 Method at_worker) {
    worker().delay = {at_worker};
    const size_t before = worker().Count(at_worker);
    const int id = client.Send(method, body);
    REQUIRE(Until([&] { return worker().Count(at_worker) > before; }));
    CHECK(client.Response(id) == nullptr);
    return id;
  }
  const json::object& Answer(const FakeClient& client, int id) {
    REQUIRE(Until([&] { return client.Response(id) != nullptr; }));
    return *client.Response(id);
  }
  /// How often each producer was offered to the client.
  static std::map<std::string, int> Offers(const FakeClient& client) {
    std::map<std::string, int> offers;
    for (const json::object& message : client.socket->messages) {
      const json::value* method = message.if_contains("method");
      if (!method || method->as_string() != "newConsumer") continue;
      ++offers[message.at("data").at("producerId").as_string().c_str()];
    }
    return offers;
  }
  void RunFor(milliseconds time) {
    bool over = false;
    asio::steady_timer timer(context, time);
    timer.async_wait([&over](const boost::system::error_code& /*error*/) { over = true; });
    Until([&over] { return over; });
  }
  FakeWorker& worker() { return *launcher.workers.back(); }
};

std::string ReasonOf(const json::object& refused) {
  CHECK(refused.contains("errorReason"));
  return refused.at("errorReason").as_string().c_str();
}

// ---- What is under way

TEST_CASE_METHOD(Moderated, "moderation: who is muted while a producer is made sends nothing") {
  FakeClient loud = Enter("loud");
  const int id = SendSlowly(loud, "produce", ProduceBody(loud), Method::TRANSPORT_PRODUCE);
  Do("POST", "/rooms/r/peers/loud/mute");
  CHECK(worker().Count(Method::PRODUCER_PAUSE) == 0);
  worker().Release();
  CHECK(Answer(loud, id).contains("ok"));
  CHECK(Until([&] { return worker().Count(Method::PRODUCER_PAUSE) == 1; }));
  CHECK(rooms.Find("r")->FindPeer("loud")->producers.begin()->second->muted);
  CHECK_THAT(ReasonOf(Ask(loud, "produce", ProduceBody(loud))), Catch::Contains("open.muted"));
  // And who is let go on meanwhile is heard.
  Do("POST", "/rooms/r/peers/loud/unmute");
  const int next = SendSlowly(loud, "produce", ProduceBody(loud), Method::TRANSPORT_PRODUCE);
  Do("POST", "/rooms/r/peers/loud/mute");
  Do("POST", "/rooms/r/peers/loud/unmute");
  const size_t paused = worker().Count(Method::PRODUCER_PAUSE);
  worker().Release();
  CHECK(Answer(loud, next).contains("ok"));
  Settle();
  CHECK(worker().Count(Method::PRODUCER_PAUSE) == paused);
}

TEST_CASE_METHOD(Moderated, "moderation: who is taken down while a producer is made has none") {
  Do("POST", "/rooms", R"({"id":"r","policy":{"kind":"live"}})", 201);
  FakeClient anchor = Enter("anchor");
  FakeClient viewer = Enter("viewer");
  const int id = SendSlowly(anchor, "produce", ProduceBody(anchor), Method::TRANSPORT_PRODUCE);
  Do("DELETE", "/rooms/r/stage/anchor");
  worker().Release();
  CHECK_THAT(ReasonOf(Answer(anchor, id)), Catch::Contains("live.stage"));
  CHECK(Until([&] { return worker().Count(Method::TRANSPORT_CLOSE_PRODUCER) == 1; }));
  CHECK(rooms.Find("r")->FindPeer("anchor")->producers.empty());
  CHECK(worker().Count(Method::TRANSPORT_CONSUME) == 0);
  CHECK(Ask(viewer, "produce", ProduceBody(viewer)).contains("ok"));  // the stage is free
}

TEST_CASE_METHOD(Moderated, "moderation: rules that change hold for what is being made") {
  FakeClient peer = Enter("peer");
  SECTION("media") {
    const int id = SendSlowly(peer, "produce", ProduceBody(peer), Method::TRANSPORT_PRODUCE);
    Do("PATCH", "/rooms/r", R"({"policy":{"publish":["data"]}})");
    worker().Release();
    CHECK_THAT(ReasonOf(Answer(peer, id)), Catch::Contains("open.publish"));
    CHECK(Until([&] { return worker().Count(Method::TRANSPORT_CLOSE_PRODUCER) == 1; }));
  }
  SECTION("data") {
    const int id = SendSlowly(peer, "produceData", DataBody(peer), Method::TRANSPORT_PRODUCE_DATA);
    Do("PATCH", "/rooms/r", R"({"policy":{"publish":["audio"]}})");
    worker().Release();
    CHECK_THAT(ReasonOf(Answer(peer, id)), Catch::Contains("open.publish"));
    CHECK(Until([&] { return worker().Count(Method::TRANSPORT_CLOSE_DATAPRODUCER) == 1; }));
    // Its stream is free again.
    Do("PATCH", "/rooms/r", R"({"policy":{"publish":["data"]}})");
    CHECK(Ask(peer, "produceData", DataBody(peer)).contains("ok"));
  }
}

TEST_CASE_METHOD(Moderated, "moderation: nobody is given what may not be received any more") {
  FakeClient sender = Enter("sender");
  FakeClient viewer = Enter("viewer");
  SECTION("media") {
    worker().delay = {Method::TRANSPORT_CONSUME};
    CHECK(Ask(sender, "produce", ProduceBody(sender)).contains("ok"));
    REQUIRE(Until([&] { return worker().Count(Method::TRANSPORT_CONSUME) == 1; }));
    Do("PATCH", "/rooms/r", R"({"policy":{"receive":["data"]}})");
    worker().Release();
    CHECK(Until([&] { return worker().Count(Method::TRANSPORT_CLOSE_CONSUMER) == 1; }));
    CHECK(Offers(viewer).empty());
  }
  SECTION("data") {
    const size_t before = worker().Count(Method::TRANSPORT_CONSUME_DATA);  // of the bot
    worker().delay = {Method::TRANSPORT_CONSUME_DATA};
    CHECK(Ask(sender, "produceData", DataBody(sender)).contains("ok"));
    REQUIRE(Until([&] { return worker().Count(Method::TRANSPORT_CONSUME_DATA) > before; }));
    Do("PATCH", "/rooms/r", R"({"policy":{"receive":["audio"]}})");
    const size_t closed = worker().Count(Method::TRANSPORT_CLOSE_DATACONSUMER);
    worker().Release();
    CHECK(Until([&] { return worker().Count(Method::TRANSPORT_CLOSE_DATACONSUMER) > closed; }));
    const std::shared_ptr<Participant> member = rooms.Find("r")->FindPeer("viewer");
    CHECK(Until([&] { return member->pending_consumers == 0 && member->data_consumers.empty(); }));
  }
}

TEST_CASE_METHOD(Moderated, "moderation: what is allowed again is given once") {
  FakeClient sender = Enter("sender");
  constexpr int kProducers = 12;  // more than are at the worker at a time: some wait
  FakeClient viewer = Enter("viewer");
  worker().delay = {Method::TRANSPORT_CONSUME};
  for (int i = 0; i < kProducers; ++i) {
    CHECK(Ask(sender, "produce", ProduceBody(sender)).contains("ok"));
  }
  REQUIRE(Until([&] { return worker().Count(Method::TRANSPORT_CONSUME) == 8; }));
  SECTION("what was under way when it was forbidden is not tried again") {
    Do("PATCH", "/rooms/r", R"({"policy":{"receive":["data"]}})");
    worker().Release();
    REQUIRE(Until([&] { return worker().Count(Method::TRANSPORT_CLOSE_CONSUMER) == 8; }));
    Do("PATCH", "/rooms/r", R"({"policy":{"receive":["audio"]}})");
  }
  SECTION("nor is what is still under way asked for again") {
    Do("PATCH", "/rooms/r", R"({"policy":{"receive":["data"]}})");
    Do("PATCH", "/rooms/r", R"({"policy":{"receive":["audio"]}})");
    worker().Release();
  }
  REQUIRE(Until([&] { return Offers(viewer).size() == kProducers; }));
  RunFor(milliseconds(600));  // longer than before a second attempt
  for (const auto& [producer, times] : Offers(viewer)) CHECK(times == 1);
}

TEST_CASE_METHOD(Moderated, "moderation: what comes while rules change is given once") {
  FakeClient sender = Enter("sender");
  FakeClient other = Enter("other");
  const json::object sent = Ask(sender, "produceData", DataBody(sender));
  Do("PATCH", "/rooms/r", R"({"policy":{"receive":["data"]}})");
  worker().delay = {Method::TRANSPORT_CLOSE_DATAPRODUCER};
  const auto answer =
      Begin("PATCH", "/rooms/r", R"({"policy":{"receive":["audio","data"],"publish":["audio"]}})");
  REQUIRE(Until([&] { return worker().Count(Method::TRANSPORT_CLOSE_DATAPRODUCER) == 1; }));
  CHECK_FALSE(*answer);
  CHECK(Ask(sender, "produce", ProduceBody(sender)).contains("ok"));
  REQUIRE(Until([&] { return Offers(other).size() == 1; }));
  worker().Release();
  REQUIRE(Until([&] { return answer->has_value(); }));
  Settle();
  Ask(other, "getRouterRtpCapabilities");
  CHECK(Offers(other).begin()->second == 1);
  CHECK(worker().Count(Method::TRANSPORT_CONSUME) == 1);
}

TEST_CASE_METHOD(Moderated, "moderation: who says something to a room that ends has an answer") {
  FakeClient peer = Connect("r", "peer");
  worker().delay = {Method::ROUTER_CREATE_DIRECTTRANSPORT};
  Ask(peer, "createWebRtcTransport", R"({"consuming":true,"enableSctp":true})");
  Ask(peer, "join", R"({"displayName":"N","device":{},"enableSctp":true})");
  REQUIRE(Until([&] { return worker().Count(Method::ROUTER_CREATE_DIRECTTRANSPORT) == 1; }));
  const auto answer = Begin("POST", "/rooms/r/data", R"({"text":"hello"})");
  Settle();
  CHECK_FALSE(*answer);
  rooms.Find("r")->Close();
  REQUIRE(Until([&] { return answer->has_value(); }));
  CHECK((*answer)->status != 200);
}

TEST_CASE_METHOD(Moderated, "moderation: who is let up onto the stage, or taken down, is told") {
  Do("POST", "/rooms", R"({"id":"r","policy":{"kind":"live"}})", 201);
  FakeClient anchor = Enter("anchor");
  FakeClient guest = Enter("guest");
  CHECK(Ask(anchor, "produce", ProduceBody(anchor)).contains("ok"));
  CHECK(guest.Last("stage") == nullptr);
  Do("PUT", "/rooms/r/stage/guest");
  REQUIRE(guest.Last("stage") != nullptr);
  CHECK(json::serialize(guest.Last("stage")->at("data")) == R"({"up":true})");
  CHECK(anchor.Last("stage") == nullptr);
  CHECK(Ask(guest, "produce", ProduceBody(guest)).contains("ok"));
  Do("DELETE", "/rooms/r/stage/guest");
  CHECK(json::serialize(guest.Last("stage")->at("data")) == R"({"up":false})");
  const std::vector<std::string> names = guest.Names();  // what ended was told before
  CHECK(std::find(names.begin(), names.end(), "producerClosed") <
        std::find(names.rbegin(), names.rend(), "stage").base());
  CHECK(anchor.Last("stage") == nullptr);
}

// ---- Who comes back

TEST_CASE_METHOD(Moderated, "moderation: who comes back is muted and off the stage as before") {
  Do("POST", "/rooms", R"({"id":"r","policy":{"kind":"live"}})", 201);
  std::optional<FakeClient> first(Enter("p"));
  CHECK(Ask(*first, "produce", ProduceBody(*first)).contains("ok"));
  Do("DELETE", "/rooms/r/stage/p");
  Do("POST", "/rooms/r/peers/p/mute", R"({"sources":["video"]})");
  const bool reload = GENERATE(true, false);
  INFO(reload);
  if (reload) {
    first.reset();
    CHECK(rooms.Find("r")->FindPeer("p") == nullptr);
  }
  {
    caller.address = "198.51.100.7";  // somebody else, once the peer is gone
    FakeClient stranger = Connect("r", "p");
    CHECK((stranger.socket->close_code == 0) == reload);
    if (reload) CHECK(rooms.Find("r")->FindPeer("p")->muted.empty());
    caller.address = "192.0.2.1";
  }
  FakeClient again = Enter("p");
  REQUIRE(again.Last("muted") != nullptr);
  CHECK(json::serialize(again.Last("muted")->at("data")) == R"({"sources":["video"]})");
  CHECK_THAT(ReasonOf(Ask(again, "produce", ProduceBody(again))), Catch::Contains("live.stage"));
  Do("PUT", "/rooms/r/stage/p");
  CHECK(Ask(again, "produce", ProduceBody(again)).contains("ok"));
}

TEST_CASE_METHOD(Moderated, "moderation: it outlives the room's worker") {
  FakeClient peer = Enter("p");
  Do("POST", "/rooms/r/peers/p/mute");
  worker().Die();
  REQUIRE(Until([&] { return peer.socket->close_code == kCloseReconnect; }));
  REQUIRE(Until([&] { return pool.ready(); }));
  FakeClient again = Enter("p");
  CHECK_THAT(ReasonOf(Ask(again, "produce", ProduceBody(again))), Catch::Contains("muted"));
}

TEST_CASE_METHOD(Moderated, "moderation: a broadcaster that is made again is off the stage still") {
  const std::string at = "/rooms/r/broadcasters";
  const std::string body = R"({"id":"b","displayName":"B","device":{"name":"x"}})";
  Do("POST", "/rooms", R"({"id":"r","policy":{"kind":"live"}})", 201);
  REQUIRE(Rest("POST", at, body).status == 200);
  const HttpResponse made = Rest("POST", at + "/b/transports", R"({"type":"plain"})");
  std::string producers =
      at + "/b/transports/" + json::parse(made.body).at("id").as_string().c_str() + "/producers";
  const std::string opus =
      std::string(R"({"kind":"audio","rtpParameters":)") + test::kOpusParameters + "}";
  CHECK(Rest("POST", producers, opus).status == 200);
  Do("DELETE", "/rooms/r/stage/b");
  CHECK(Rest("POST", producers, opus).status == 403);
  SECTION("by us, after a worker's death") {
    worker().Die();
    REQUIRE(Until([&] {
      return launcher.workers.size() == 2 &&
             worker().Count(Method::ROUTER_CREATE_PLAINTRANSPORT) == 1 && rooms.Find("r") &&
             rooms.Find("r")->FindBroadcaster("b") &&
             !rooms.Find("r")->FindBroadcaster("b")->restoring;
    }));
  }
  SECTION("by its maker") {
    CHECK(Rest("DELETE", at + "/b").status == 200);
    REQUIRE(Rest("POST", at, body).status == 200);
    const HttpResponse again = Rest("POST", at + "/b/transports", R"({"type":"plain"})");
    producers =
        at + "/b/transports/" + json::parse(again.body).at("id").as_string().c_str() + "/producers";
  }
  CHECK(Rest("POST", producers, opus).status == 403);
  Do("PUT", "/rooms/r/stage/b");
  CHECK(Rest("POST", producers, opus).status == 200);
}

TEST_CASE("policy: what a moderator said is remembered of so many, and of who says it is them") {
  RoomPolicy policy(milliseconds(0));
  const auto peer = [](const std::string& id, const std::string& address) {
    Participant participant;
    participant.id = id;
    participant.owner.address = address;
    return participant;
  };
  Participant loud = peer("loud", "192.0.2.1");
  policy.Remember(loud);
  CHECK_FALSE(policy.IsRemembering());  // nothing was said of it
  loud.muted = MediaSource::kAudio;
  loud.taken_down = true;
  policy.Remember(loud);
  Participant other = peer("loud", "192.0.2.2");
  policy.Recall(&other);
  CHECK(other.muted.empty());
  other.proven = true;
  policy.Recall(&other);
  CHECK(other.muted == MediaSources(MediaSource::kAudio));
  CHECK(other.taken_down);
  CHECK_FALSE(policy.IsRemembering());
  policy.Remember(loud);
  loud.muted = {};
  loud.taken_down = false;
  policy.Remember(loud);
  CHECK_FALSE(policy.IsRemembering());  // the newest counts
  for (size_t i = 0; i <= RoomPolicy::kMaxRemembered; ++i) {
    Participant one = peer(std::to_string(i), "192.0.2.1");
    one.taken_down = true;
    policy.Remember(one);
  }
  Participant oldest = peer("0", "192.0.2.1");
  policy.Recall(&oldest);
  CHECK_FALSE(oldest.taken_down);
  Participant second = peer("1", "192.0.2.1");
  policy.Recall(&second);
  CHECK(second.taken_down);
}

}  // namespace
}  // namespace sluice::controller
