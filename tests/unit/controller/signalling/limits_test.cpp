// Each limit by its smallest value: what is one too many is refused by the name of the limit.
#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>
#include <functional>
#include <string>
#include <utility>

#include "controller/signalling/whip_api.h"
#include "tests/unit/controller/sdp/corpus.h"
#include "tests/unit/controller/signalling/room_fixture.h"

namespace sluice::controller {
namespace {

namespace json = boost::json;
using test::FakeClient;
using test::RoomFixture;

const std::string kBroadcasters = "/rooms/r/broadcasters";

std::string Broadcaster(const std::string& id) {
  return R"({"id":")" + id + R"(","displayName":"B","device":{"name":"x"},"rtpCapabilities":)" +
         test::kOpusCapabilities + "}";
}

/// A room with one thing more than its settings allow, asked for in the last step.
struct LimitedRoom : RoomFixture {
  explicit LimitedRoom(const std::function<void(RoomSettings*)>& change,
                       const ProtooLimits& protoo = test::WithoutAnnouncementLimit())
      : RoomFixture({.protoo = protoo, .change = change}), limits(protoo.counters) {}

  std::string MakeTransport(const std::string& broadcaster, const std::string& body) {
    const HttpResponse made = Rest("POST", kBroadcasters + "/" + broadcaster + "/transports", body);
    REQUIRE(made.status == 200);
    return kBroadcasters + "/" + broadcaster + "/transports/" +
           json::parse(made.body).at("id").as_string().c_str();
  }
  /// Refused over REST by the limit.
  static void CheckRefused(const HttpResponse& response, const std::string& limit) {
    INFO(response.body);
    CHECK(response.status >= 400);
    CHECK(response.limit == limit);
    CHECK_THAT(response.body, Catch::Contains("(" + limit + ")"));
  }
  /// Refused over protoo by the limit, and counted.
  void CheckRefused(FakeClient& client, const std::string& method, const std::string& data,
                    const std::string& limit) {
    const json::object answer = Ask(client, method, data);
    REQUIRE(answer.contains("errorReason"));
    CHECK_THAT(answer.at("errorReason").as_string().c_str(), Catch::Contains("(" + limit + ")"));
    CHECK(limits->counts().at(limit) == 1);
  }

  std::shared_ptr<LimitCounters> limits;
};

TEST_CASE("limits: peers of a room") {
  LimitedRoom room([](RoomSettings* settings) { settings->max_peers = 1; });
  const FakeClient first = room.Connect("r", "first");
  const FakeClient second = room.Connect("r", "second");
  CHECK(first.socket->close_code == 0);
  CHECK(second.socket->close_code != 0);
  CHECK_THAT(second.socket->close_reason, Catch::Contains("(maxPeersPerRoom)"));
  CHECK(room.limits->counts().at("maxPeersPerRoom") == 1);
}

TEST_CASE("limits: broadcasters of a room") {
  LimitedRoom room([](RoomSettings* settings) { settings->max_broadcasters = 1; });
  REQUIRE(room.Rest("POST", kBroadcasters, Broadcaster("a")).status == 200);
  LimitedRoom::CheckRefused(room.Rest("POST", kBroadcasters, Broadcaster("b")),
                            "maxBroadcastersPerRoom");
}

TEST_CASE("limits: broadcasters of an address") {
  SourceBudget::Limits few;
  few.broadcasters = 1;
  ProtooLimits protoo;
  protoo.budget = std::make_shared<SourceBudget>(few);
  LimitedRoom room(nullptr, protoo);
  REQUIRE(room.Rest("POST", kBroadcasters, Broadcaster("a")).status == 200);
  const HttpResponse refused = room.Rest("POST", kBroadcasters, Broadcaster("b"));
  CHECK(refused.status >= 400);
  CHECK_THAT(refused.body, Catch::Contains("maxBroadcastersPerIp"));
  CHECK(protoo.budget->refused().broadcasters == 1);
  room.caller.address = "192.0.2.2";
  CHECK(room.Rest("POST", kBroadcasters, Broadcaster("b")).status == 200);
}

TEST_CASE("limits: transports of a peer, of either kind") {
  LimitedRoom room([](RoomSettings* settings) { settings->max_transports = 1; });
  FakeClient client = room.Connect("r", "p");
  const std::string ask = R"({"producing":true,"consuming":false})";
  REQUIRE(room.Ask(client, "createWebRtcTransport", ask).contains("ok"));
  room.CheckRefused(client, "createWebRtcTransport", ask, "maxTransportsPerPeer");
  REQUIRE(room.Rest("POST", kBroadcasters, Broadcaster("b")).status == 200);
  room.MakeTransport("b", R"({"type":"plain"})");
  LimitedRoom::CheckRefused(
      room.Rest("POST", kBroadcasters + "/b/transports", R"({"type":"plain"})"),
      "maxTransportsPerPeer");
}

TEST_CASE("limits: producers of a peer") {
  LimitedRoom room([](RoomSettings* settings) { settings->max_producers = 1; });
  FakeClient client = room.Connect("r", "p");
  room.Join(client);
  room.Produce(client);
  const std::string transport = client.Response(1)->at("data").at("id").as_string().c_str();
  room.CheckRefused(client, "produce",
                    R"({"transportId":")" + transport + R"(","kind":"audio","rtpParameters":)" +
                        test::kOpusParameters + R"(,"appData":{}})",
                    "maxProducersPerPeer");
}

TEST_CASE("limits: consumers of a broadcaster") {
  LimitedRoom room([](RoomSettings* settings) { settings->max_broadcaster_consumers = 1; });
  std::string producers[2];
  for (std::string& producer : producers) {
    const std::string id = "source" + std::to_string(&producer - producers);
    REQUIRE(room.Rest("POST", kBroadcasters, Broadcaster(id)).status == 200);
    const HttpResponse made =
        room.Rest("POST", room.MakeTransport(id, R"({"type":"plain"})") + "/producers",
                  R"({"kind":"audio","rtpParameters":)" + std::string(test::kOpusParameters) + "}");
    REQUIRE(made.status == 200);
    producer = json::parse(made.body).at("id").as_string().c_str();
  }
  REQUIRE(room.Rest("POST", kBroadcasters, Broadcaster("b")).status == 200);
  const std::string transport = room.MakeTransport("b", R"({"type":"plain"})");
  REQUIRE(room.Rest("POST", transport + "/consume?producerId=" + producers[0]).status == 200);
  LimitedRoom::CheckRefused(room.Rest("POST", transport + "/consume?producerId=" + producers[1]),
                            "maxConsumersPerBroadcaster");
}

TEST_CASE("limits: requests of an address to WHIP and WHEP") {
  RoomFixture fixture;
  WhipApi::Limits limits;
  limits.requests_per_second = 1;
  limits.request_burst = 1;
  WhipApi api(&fixture.rooms, RequestAuth(), limits);
  const auto post = [&] {
    HttpRequest request;
    request.method = "POST";
    request.content_type = "application/sdp";
    request.body = sdp::CorpusText("obs-offer");
    request.client_ip = request.source = "192.0.2.1";
    ParseTarget("/whip/r", &request);
    return fixture.Await(api.Respond(std::move(request)));
  };
  CHECK(post().status == 201);
  const HttpResponse refused = post();
  CHECK(refused.status == 429);
  CHECK(refused.limit == "maxRestRequestsPerSecond");
  CHECK_THAT(refused.body, Catch::Contains("maxRestRequestsPerSecond"));
}

TEST_CASE(
    "a plain transport receives from anywhere, and sends anywhere, only where the server says") {
  for (const bool any : {false, true}) {
    RoomFixture fixture({.protoo = {}, .change = [&](RoomSettings* settings) {
                           settings->plain_any_receiver = any;
                         }});
    REQUIRE(fixture.Rest("POST", kBroadcasters, Broadcaster("b")).status == 200);
    const HttpResponse made = fixture.Rest("POST", kBroadcasters + "/b/transports",
                                           R"({"type":"plain","comedia":false,"rtcpMux":true})");
    REQUIRE(made.status == 200);
    const std::string id = json::parse(made.body).at("id").as_string().c_str();
    // Not where the request comes from.
    const HttpResponse connected =
        fixture.Rest("POST", kBroadcasters + "/b/transports/" + id + "/connect",
                     R"({"ip":"198.51.100.7","port":5000})");
    INFO(connected.body);
    CHECK((connected.status == 200) == any);
  }
}

}  // namespace
}  // namespace sluice::controller
