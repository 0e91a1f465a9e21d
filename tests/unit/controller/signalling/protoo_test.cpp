#include "controller/signalling/protoo.h"

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <catch2/catch.hpp>

#include "tests/unit/controller/signalling/room_fixture.h"

namespace sluice::controller {
namespace {

namespace json = boost::json;
using FBS::Request::Method;
using test::FakeClient;
using test::FakeWorker;
using test::RoomFixture;

bool Has(const FakeClient& client, std::string_view method) {
  return client.Last(method) != nullptr;
}

size_t PositionOf(const FakeClient& client, const std::string& name) {
  const auto names = client.Names();
  return static_cast<size_t>(std::find(names.begin(), names.end(), name) - names.begin());
}

/// Accepts the newest newConsumer.
void Accept(FakeClient& client) {
  const json::object* offer = client.Last("newConsumer");
  client.session->OnText(R"({"response":true,"ok":true,"data":{},"id":)" +
                         std::to_string(offer->at("id").to_number<int>()) + "}");
}

TEST_CASE_METHOD(RoomFixture, "protoo: refused handshakes") {
  struct Row {
    std::string target, protocol;
    int status;
  };
  const std::vector<Row> rows = {{"/?roomId=r&peerId=p", "", 403},
                                 {"/?roomId=r&peerId=p", "chat", 403},
                                 {"/?roomId=r", "protoo", 400},
                                 {"/?roomId=a/b&peerId=p", "protoo", 400}};
  for (const Row& row : rows) {
    HttpRequest request;
    ParseTarget(row.target, &request);
    request.websocket_protocols = row.protocol;
    std::optional<UpgradeDecision> decision;
    const auto upgrade = [](ProtooGateway* gate, HttpRequest asked,
                            std::optional<UpgradeDecision>* out) -> Task<void> {
      *out = co_await gate->Upgrade(std::move(asked));
    };
    Spawn(context.get_executor(), upgrade(&gateway, request, &decision));
    REQUIRE(Until([&] { return decision.has_value(); }));
    CHECK_FALSE(decision->session);
    CHECK(decision->rejection.status == row.status);
  }
}

TEST_CASE_METHOD(RoomFixture, "protoo: the subprotocol among others, with blanks around it") {
  for (const char* offered : {"protoo", "chat, protoo", "chat,\tprotoo ,x", " protoo\t"}) {
    INFO(offered);
    HttpRequest request;
    ParseTarget("/?roomId=r&peerId=p", &request);
    request.websocket_protocols = offered;
    std::optional<UpgradeDecision> decision;
    const auto upgrade = [](ProtooGateway* gate, HttpRequest asked,
                            std::optional<UpgradeDecision>* out) -> Task<void> {
      *out = co_await gate->Upgrade(std::move(asked));
    };
    Spawn(context.get_executor(), upgrade(&gateway, request, &decision));
    REQUIRE(Until([&] { return decision.has_value(); }));
    CHECK(decision->session);
    CHECK(decision->subprotocol == "protoo");
  }
}

TEST_CASE_METHOD(RoomFixture, "protoo: message shapes and errors") {
  FakeClient client = Connect("r", "p");
  REQUIRE(client.Names() == std::vector<std::string>{"mediasoup-version"});
  CHECK(client.socket->messages[0].at("notification").as_bool());

  CHECK(Ask(client, "getRouterRtpCapabilities").at("data").as_object().contains("codecs"));
  CHECK(Ask(client, "dance").at("errorReason") == "unknown request.method \"dance\"");
  CHECK(Ask(client, "produce").at("errorReason") == "Peer not yet joined");
  CHECK(Ask(client, "produce").at("errorCode") == 500);
  CHECK(Ask(client, "dance").at("error").at("code") == "unsupported");
  CHECK(Ask(client, "produce").at("error").at("code") == "conflict");
  CHECK(Ask(client, "restartIce").at("error").at("field") == "transportId");
  CHECK(Ask(client, "restartIce", R"({"transportId":"t"})").at("error").at("code") == "not_found");
  CHECK(Ask(client, "applyNetworkThrottle").at("errorCode") == 403);
  CHECK(Ask(client, "restartIce").at("errorReason") == "missing transportId");
  CHECK(Ask(client, "restartIce", R"({"transportId":"t"})").at("errorReason") ==
        "transport with id \"t\" not found");
  CHECK(Ask(client, "join", R"({"displayName":7})").at("errorReason") ==
        "displayName must be a string, not a number");
  CHECK_FALSE(client.socket->kept);
  Join(client);
  CHECK(client.socket->kept);  // a connection that has joined makes no room for others
  CHECK(Ask(client, "join").at("errorReason") == "Peer already joined");
  CHECK(Ask(client, "setConsumerPriority", R"({"consumerId":"c"})").at("errorReason") ==
        "consumer with id \"c\" not found");

  const size_t before = client.socket->messages.size();
  for (const char* junk :
       {"", "{", "[]", "7", R"({"request":true,"method":"join"})",
        R"({"request":true,"id":"x","method":"join"})", R"({"request":true,"id":1})",
        R"({"request":true,"id":1,"method":5})", R"({"response":true,"id":99,"ok":true})", "{}"}) {
    client.session->OnText(junk);
  }
  client.session->OnText(std::string(10'000, '['));
  Settle();
  CHECK(client.socket->messages.size() == before);
}

TEST_CASE_METHOD(RoomFixture, "protoo: two peers see each other in the order of the spec") {
  FakeClient first = Connect("r", "first");
  Join(first);
  const std::string producer_id = Produce(first);
  FakeClient second = Connect("r", "second");
  Join(second);
  REQUIRE(Until([&] { return Has(second, "newConsumer"); }));
  CHECK(Has(first, "newPeer"));
  CHECK(PositionOf(second, "newConsumer") > 3);  // version, two transports, join come first

  const json::object& offer = second.Last("newConsumer")->at("data").as_object();
  CHECK(offer.at("peerId") == "first");
  CHECK(offer.at("producerId").as_string() == producer_id);
  CHECK(offer.at("kind") == "audio");
  CHECK(offer.at("type") == "simple");
  CHECK(offer.at("producerPaused") == false);
  CHECK(offer.at("appData").at("share") == true);
  CHECK(offer.at("appData").at("peerId") == "first");
  CHECK(offer.at("rtpParameters").at("mid") == "0");
  CHECK(launcher.workers.back()->key_frame_delays == std::vector<uint32_t>{1000});
  CHECK(launcher.workers.back()->Count(Method::CONSUMER_RESUME) == 0);
  Accept(second);
  REQUIRE(Until([&] { return Has(second, "consumerScore"); }));
  CHECK(launcher.workers.back()->Count(Method::CONSUMER_RESUME) == 1);

  // newPeer comes before newConsumer for that peer's producers.
  Produce(second);
  REQUIRE(Until([&] { return Has(first, "newConsumer"); }));
  CHECK(PositionOf(first, "newPeer") < PositionOf(first, "newConsumer"));

  launcher.workers.back()->NotifyVolume(launcher.workers.back()->observer_id, producer_id, -20);
  REQUIRE(Until([&] { return Has(second, "activeSpeaker"); }));
  CHECK(second.Last("activeSpeaker")->at("data") ==
        json::value({{"peerId", "first"}, {"volume", -20}}));

  CHECK(Ask(first, "changeDisplayName", R"({"displayName":"New"})").contains("ok"));
  CHECK(second.Last("peerDisplayNameChanged")->at("data").at("oldDisplayName") == "N");

  first.session->OnClosed();
  REQUIRE(Until([&] { return Has(second, "consumerClosed"); }));
  CHECK(PositionOf(second, "peerClosed") < PositionOf(second, "consumerClosed"));
}

TEST_CASE("protoo: producers have the room's delay between requests for key frames") {
  RoomFixture fixture({.change = [](RoomSettings* settings) {
    settings->key_frame_request_delay = std::chrono::milliseconds(2500);
  }});
  FakeClient client = fixture.Connect("r", "p");
  fixture.Join(client);
  fixture.Produce(client);
  CHECK(fixture.launcher.workers.back()->key_frame_delays == std::vector<uint32_t>{2500});
}

TEST_CASE_METHOD(RoomFixture, "protoo: a temporal layer alone keeps the spatial one") {
  FakeClient first = Connect("r", "first");
  Join(first);
  Produce(first);
  FakeClient second = Connect("r", "second");
  Join(second);
  REQUIRE(Until([&] { return Has(second, "newConsumer"); }));
  const auto prefer =
      [&, id = second.Last("newConsumer")->at("data").at("id")](const std::string& layers) {
        const json::object answer = Ask(second, "setConsumerPreferredLayers",
                                        R"({"consumerId":)" + json::serialize(id) + layers + "}");
        return answer.contains("ok") ? "ok" : std::string(answer.at("errorReason").as_string());
      };
  CHECK(prefer(R"(,"spatialLayer":2,"temporalLayer":1)") == "ok");
  CHECK(prefer(R"(,"spatialLayer":1)") == "ok");
  CHECK(prefer(R"(,"temporalLayer":0)") == "ok");
  CHECK(prefer(R"(,"spatialLayer":null,"temporalLayer":2)") == "ok");
  const std::vector<std::string> asked = {"2 1", "1 highest", "keep 0", "keep 2"};
  CHECK(launcher.workers.back()->preferred == asked);
  CHECK(prefer("") == "spatialLayer must be a number");
  CHECK(prefer(R"(,"temporalLayer":null)") == "spatialLayer must be a number");
  CHECK(prefer(R"(,"spatialLayer":"1","temporalLayer":1)") == "spatialLayer must be a number");
  CHECK(prefer(R"(,"temporalLayer":"1")").starts_with("temporalLayer"));
  CHECK(launcher.workers.back()->preferred == asked);
}

TEST_CASE_METHOD(RoomFixture, "protoo: who asks for it is told what is wanted of a producer") {
  FakeClient client = Connect("r", "p");
  Join(client);
  Produce(client);
  const std::string producer_id = Produce(client, R"(,"reportWantedLayers":true)");
  CHECK(launcher.workers.back()->reports_wanted == std::vector<bool>{false, true});
  launcher.workers.back()->NotifyWanted(producer_id);
  REQUIRE(Until([&] { return Has(client, "producerWantedLayers"); }));
  CHECK(client.Last("producerWantedLayers")->at("data") ==
        json::value({{"producerId", producer_id},
                     {"encodings",
                      json::array{json::object(), nullptr, json::object{{"spatialLayer", 1}}}}}));
  const std::string id = client.Response(1)->at("data").at("id").as_string().c_str();
  CHECK(Ask(client, "produce",
            R"({"transportId":")" + id +
                R"(","kind":"audio","rtpParameters":{},"reportWantedLayers":1})")
            .at("errorReason")
            .as_string()
            .starts_with("reportWantedLayers"));
}

TEST_CASE_METHOD(RoomFixture, "protoo: a refused consumer is closed") {
  FakeClient first = Connect("r", "first");
  Join(first);
  Produce(first);
  FakeClient second = Connect("r", "second");
  Join(second);
  REQUIRE(Until([&] { return Has(second, "newConsumer"); }));
  second.session->OnText(
      R"({"response":true,"errorCode":403,"errorReason":"I do not want to consume","id":)" +
      std::to_string(second.Last("newConsumer")->at("id").to_number<int>()) + "}");
  CHECK(
      Until([&] { return launcher.workers.back()->Count(Method::TRANSPORT_CLOSE_CONSUMER) == 1; }));
}

TEST_CASE_METHOD(RoomFixture, "protoo: the same peer id replaces the old one, the room stays") {
  FakeClient old = Connect("r", "p");
  Join(old);
  FakeClient fresh = Connect("r", "p");
  CHECK(old.socket->close_code == kCloseForGood);
  old.session->OnClosed();
  Join(fresh);
  CHECK(fresh.socket->close_code == 0);
  CHECK(rooms.size() == 1);
  fresh.session->OnClosed();
  Settle();
  CHECK(rooms.size() == 0);
}

TEST_CASE_METHOD(RoomFixture, "protoo: a transport is connected once, unless it could not be") {
  FakeClient client = Connect("r", "p");
  const json::object made = Ask(client, "createWebRtcTransport", R"({"producing":true})");
  std::string fingerprint = "AB";
  for (int i = 0; i < 31; ++i) fingerprint += ":AB";
  const std::string request =
      R"({"transportId":)" + json::serialize(made.at("data").at("id")) +
      R"(,"dtlsParameters":{"role":"client","fingerprints":[{"algorithm":"sha-256","value":")" +
      fingerprint + R"("}]}})";
  FakeWorker& worker = *launcher.workers.back();
  worker.fail_once.insert(Method::WEBRTCTRANSPORT_CONNECT);
  CHECK(Ask(client, "connectWebRtcTransport", request).contains("errorReason"));
  CHECK(Ask(client, "connectWebRtcTransport", request).contains("ok"));
  CHECK(Ask(client, "connectWebRtcTransport", request).at("errorReason") ==
        "connect() already called");
  CHECK(worker.Count(Method::WEBRTCTRANSPORT_CONNECT) == 2);
}

TEST_CASE_METHOD(RoomFixture, "protoo: a lost transport closes the peer") {
  FakeClient client = Connect("r", "p");
  Join(client);
  launcher.workers.back()->NotifyIceState(launcher.workers.back()->transport_ids.front(),
                                          FBS::WebRtcTransport::IceState::DISCONNECTED);
  CHECK(Until([&] { return client.socket->close_code == kCloseForGood; }));
}

TEST_CASE_METHOD(RoomFixture, "protoo: after a worker's death peers reconnect into a new room") {
  FakeClient client = Connect("r", "p");
  Join(client);
  launcher.workers.back()->Die();
  REQUIRE(Until([&] { return client.socket->close_code != 0; }));
  CHECK(client.socket->close_code == kCloseReconnect);
  client.session->OnClosed();
  FakeClient again = Connect("r", "p");
  Join(again);
  CHECK(launcher.workers.size() == 2);
  CHECK(launcher.workers.back()->Count(Method::WORKER_CREATE_ROUTER) == 1);
}

TEST_CASE("protoo: broadcasters keep a room only when configured") {
  for (const bool keep : {false, true}) {
    RoomFixture fixture({.keep_for_broadcasters = keep, .protoo = {}});
    FakeClient client = fixture.Connect("r", "p");
    fixture.Join(client);
    CHECK(fixture
              .Rest("POST", "/rooms/r/broadcasters",
                    R"({"id":"b","displayName":"B","device":{"name":"x"}})")
              .status == 200);
    CHECK(client.Last("newPeer")->at("data").at("device").at("flag") == "broadcaster");
    client.session->OnClosed();
    fixture.Settle();
    CHECK(fixture.rooms.size() == (keep ? 1u : 0u));
    if (!keep) continue;
    CHECK(fixture.Rest("DELETE", "/rooms/r/broadcasters/b").status == 200);
    CHECK(fixture.rooms.size() == 0);
  }
}

TEST_CASE("protoo: deleting one of two broadcasters leaves the other alone") {
  for (const bool keep : {false, true}) {
    RoomFixture fixture({.keep_for_broadcasters = keep, .protoo = {}});
    for (const char* id : {"a", "b"}) {
      CHECK(fixture
                .Rest("POST", "/rooms/r/broadcasters",
                      R"({"id":")" + std::string(id) +
                          R"(","displayName":"B","device":{"name":"x"}})")
                .status == 200);
    }
    CHECK(fixture.Rest("DELETE", "/rooms/r/broadcasters/a").status == 200);
    CHECK(fixture.rooms.size() == 1);
    CHECK(fixture.Rest("DELETE", "/rooms/r/broadcasters/b").status == 200);
  }
}

TEST_CASE("rooms that were only asked for close, used ones stay") {
  RoomFixture fixture({.empty_timeout = std::chrono::milliseconds(1), .protoo = {}});
  FakeClient client = fixture.Connect("used", "p");
  CHECK(fixture.Rest("GET", "/rooms/idle").status == 200);
  // Both timers have passed when the later one has.
  REQUIRE(fixture.Until([&] { return fixture.rooms.size() == 1; }));
  CHECK(fixture.Ask(client, "getRouterRtpCapabilities").contains("ok"));
}

TEST_CASE_METHOD(RoomFixture, "a peer and a broadcaster cannot share an id") {
  FakeClient client = Connect("r", "p");
  const std::string broadcaster = R"(","displayName":"B","device":{"name":"x"}})";
  CHECK(test::ErrorText(Rest("POST", "/rooms/r/broadcasters", R"({"id":"p)" + broadcaster)) ==
        "Error: peer with id \"p\" already exists");
  CHECK(Rest("POST", "/rooms/r/broadcasters", R"({"id":"b)" + broadcaster).status == 200);
  const FakeClient impostor = Connect("r", "b");
  CHECK(impostor.socket->close_code == kCloseForGood);
}

TEST_CASE_METHOD(RoomFixture, "protoo: an id that is used twice is answered twice") {
  FakeClient client = Connect("r", "p");
  client.next_id = 7;
  client.Send("getRouterRtpCapabilities");
  client.next_id = 7;
  client.Send("createWebRtcTransport", R"({"consuming":true})");
  const auto answers = [&] {
    size_t count = 0;
    for (const json::object& message : client.socket->messages) {
      if (message.contains("response") && message.at("id") == 7) ++count;
    }
    return count;
  };
  CHECK(Until([&] { return answers() == 2; }));
  Settle();
  CHECK(answers() == 2);
}

TEST_CASE("protoo: a peer that asks too often gets errors until time has passed") {
  TokenBucket::TimePoint now{};
  RoomFixture::Options options;
  options.protoo = {.requests_per_second = 2, .now = [&now] { return now; }};
  RoomFixture fixture(options);
  FakeClient client = fixture.Connect("r", "p");
  CHECK(fixture.Ask(client, "getRouterRtpCapabilities").contains("ok"));
  CHECK(fixture.Ask(client, "getRouterRtpCapabilities").contains("ok"));
  const json::object refused = fixture.Ask(client, "getRouterRtpCapabilities");
  CHECK(refused.at("errorCode") == 500);
  CHECK(refused.at("errorReason") ==
        "too many requests: at most 2 a second (maxRequestsPerSecond)");
  now += std::chrono::milliseconds(500);
  CHECK(fixture.Ask(client, "getRouterRtpCapabilities").contains("ok"));
  CHECK(fixture.Ask(client, "getRouterRtpCapabilities").contains("errorCode"));
}

TEST_CASE("protoo: what everybody is told of has a rate of its own") {
  TokenBucket::TimePoint now{};
  RoomFixture::Options options;
  options.protoo.requests_per_second = 100;
  options.protoo.now = [&now] { return now; };
  RoomFixture fixture(options);
  FakeClient client = fixture.Connect("r", "p");
  fixture.Join(client);
  const std::string name = R"({"displayName":"new"})";
  for (uint32_t i = 1; i < ProtooLimits().announcement_burst; ++i) {  // joining was one
    CHECK(fixture.Ask(client, "changeDisplayName", name).contains("ok"));
  }
  const json::object refused = fixture.Ask(client, "changeDisplayName", name);
  CHECK(refused.at("errorReason").as_string().starts_with("too many changes that everybody"));
  CHECK(fixture.Ask(client, "getRouterRtpCapabilities").contains("ok"));
  now += std::chrono::milliseconds(100);
  CHECK(fixture.Ask(client, "changeDisplayName", name).contains("ok"));
  CHECK(fixture.Ask(client, "changeDisplayName", name).contains("errorCode"));
}

}  // namespace
}  // namespace sluice::controller
