#include "controller/signalling/rest.h"

#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <catch2/catch.hpp>
#include <set>
#include <string>
#include <vector>

#include "tests/unit/controller/signalling/room_fixture.h"

namespace sluice::controller {
namespace {

namespace json = boost::json;
using test::FakeClient;
using test::RoomFixture;

const std::string kBroadcasters = "/rooms/r/broadcasters";
const std::string kTransports = kBroadcasters + "/b/transports";
const std::string kValidBroadcaster =
    R"({"id":"b","displayName":"B","device":{"name":"FFmpeg"},"rtpCapabilities":)" +
    std::string(test::kOpusCapabilities) + "}";

TEST_CASE_METHOD(RoomFixture, "REST: the table of statuses and bodies") {
  REQUIRE(Rest("POST", kBroadcasters, kValidBroadcaster).status == 200);
  const HttpResponse plain = Rest("POST", kTransports, R"({"type":"plain"})");
  const std::string id = json::parse(plain.body).at("id").as_string().c_str();
  const std::string transport = kTransports + "/" + id;

  struct Row {
    std::string method, target, body;
    int status;
    std::string expected;
  };
  const std::vector<Row> rows = {
      {"GET", "/rooms/a%2Fb", "", 400, "TypeError: invalid roomId \"a/b\""},
      {"GET", "/rooms/..", "", 400, "TypeError: invalid roomId \"..\""},
      {"GET", "/rooms/" + std::string(65, 'x'), "", 400, "TypeError: invalid roomId"},
      {"GET", "/rooms", "", 404, "NotFoundError: Cannot GET /rooms"},
      {"PUT", "/rooms/r", "", 405, "TypeError: method PUT: must be GET, HEAD, OPTIONS"},
      {"POST", kBroadcasters, "{", 400, "SyntaxError: not JSON"},
      {"POST", kBroadcasters, "{}", 400, "TypeError: missing body.id"},
      {"POST", kBroadcasters, R"({"id":7})", 400, "TypeError: missing body.id"},
      {"POST", kBroadcasters, R"({"id":"a b"})", 400, "TypeError: invalid body.id"},
      {"POST", kBroadcasters, R"({"id":"c"})", 400, "TypeError: missing body.displayName"},
      {"POST", kBroadcasters, R"({"id":"c","displayName":"x","device":null})", 400,
       "TypeError: missing body.device.name"},
      {"POST", kBroadcasters,
       R"({"id":"c","displayName":"x","device":{"name":"y"},"rtpCapabilities":"z"})", 400,
       "TypeError: wrong body.rtpCapabilities"},
      {"POST", kBroadcasters, kValidBroadcaster, 409,
       "Error: broadcaster with id \"b\" already exists"},
      {"DELETE", kBroadcasters + "/nobody", "", 404,
       "NotFoundError: broadcaster with id \"nobody\" does not exist"},
      {"POST", kTransports, "{}", 400, "TypeError: invalid type"},
      {"POST", kTransports, R"({"type":"plain","comedia":"yes"})", 400,
       "TypeError: body.comedia must be a boolean, not a string"},
      {"POST", kTransports + "/none/connect", "", 404,
       "NotFoundError: transport with id \"none\" does not exist"},
      {"POST", transport + "/connect", "{}", 409,
       "Error: transport with id \"" + id + "\" is not a WebRtcTransport"},
      {"POST", transport + "/producers", R"({"kind":"smell"})", 400,
       "TypeError: invalid kind \"smell\""},
      {"POST", transport + "/producers", R"({"kind":"audio"})", 400,
       "TypeError: missing body.rtpParameters"},
      {"POST", transport + "/consume", "", 400, "TypeError: missing producerId"},
      {"POST", transport + "/consume?producerId=p", "", 404,
       "NotFoundError: Producer with id \"p\" not found"},
      {"POST", transport + "/consume/data", "{}", 400, "TypeError: missing dataProducerId"},
      {"POST", transport + "/consume/data", R"({"dataProducerId":"d"})", 404, "NotFoundError: "},
      {"POST", transport + "/produce/data", R"({"label":"x"})", 400,
       "TypeError: missing sctpStreamParameters"},
      {"POST", transport + "/produce/data", R"({"sctpStreamParameters":{"streamId":1}})", 409,
       "Error: SCTP not enabled and not a direct Transport"},
  };
  for (const Row& row : rows) {
    INFO(row.method << " " << row.target << " " << row.body);
    const HttpResponse response = Rest(row.method, row.target, row.body);
    CHECK(response.status == row.status);
    CHECK_THAT(test::ErrorText(response), Catch::StartsWith(row.expected));
    CHECK(response.content_type == "application/json; charset=utf-8");
  }
}

TEST_CASE_METHOD(RoomFixture, "REST: an error names its code, the field and the limit") {
  const auto error = [&](const std::string& method, const std::string& target,
                         const std::string& body) {
    return json::parse(Rest(method, target, body).body).at("error").as_object();
  };
  const json::object missing = error("POST", kBroadcasters, R"({"id":"c"})");
  CHECK(missing.at("code") == "bad_request");
  CHECK(missing.at("status") == 400);
  CHECK(missing.at("field") == "displayName");
  const json::object type =
      error("POST", kBroadcasters, R"({"id":"c","displayName":"x","device":7})");
  CHECK(type.at("field") == "device.name");
  const json::object large =
      error("POST", kBroadcasters, R"({"id":"c","displayName":")" + std::string(300, 'x') + "\"}");
  CHECK(large.at("limit") == "maxDisplayName");
  CHECK(error("DELETE", kBroadcasters + "/nobody", "").at("code") == "not_found");
  REQUIRE(Rest("POST", kBroadcasters, kValidBroadcaster).status == 200);
  CHECK(error("POST", kBroadcasters, kValidBroadcaster).at("code") == "conflict");
}

TEST_CASE_METHOD(RoomFixture, "REST: a broadcaster publishes the way ffmpeg.sh does") {
  const HttpResponse room = Rest("GET", "/rooms/r");
  CHECK(room.status == 200);
  CHECK(json::parse(room.body).at("codecs").as_array().size() > 1);
  const json::value made = json::parse(Rest("POST", kBroadcasters, kValidBroadcaster).body);
  CHECK(made.at("peers").as_array().empty());
  CHECK(made.at("secret").as_string().size() >= 16);  // who changes it may show this
  FakeClient viewer = Connect("r", "viewer");
  Join(viewer);

  const json::value plain =
      json::parse(Rest("POST", kTransports, R"({"type":"plain","rtcpMux":false})").body);
  for (const char* key : {"id", "ip", "port", "rtcpPort"}) CHECK(plain.as_object().contains(key));
  const json::value mux =
      json::parse(Rest("POST", kTransports, R"({"type":"plain","rtcpMux":true})").body);
  CHECK_FALSE(mux.as_object().contains("rtcpPort"));

  const std::string transport = kTransports + "/" + plain.at("id").as_string().c_str();
  const HttpResponse producer =
      Rest("POST", transport + "/producers",
           std::string(R"({"kind":"audio","rtpParameters":)") + test::kOpusParameters + "}");
  CHECK(producer.status == 200);
  const std::string producer_id = json::parse(producer.body).at("id").as_string().c_str();
  const HttpResponse consumer = Rest("POST", transport + "/consume?producerId=" + producer_id);
  CHECK(consumer.status == 200);
  CHECK(json::parse(consumer.body).at("producerId").as_string() == producer_id);

  REQUIRE(Until([&] { return viewer.Last("newConsumer") != nullptr; }));
  const json::object& offered = viewer.Last("newConsumer")->at("data").as_object();
  CHECK(offered.at("peerId") == "b");
  CHECK(offered.at("appData") == json::object());  // applications read it: never null, never absent
  const std::string watched = offered.at("id").as_string().c_str();
  viewer.AcceptAll();
  launcher.workers.back()->NotifyVolume(launcher.workers.back()->observer_id, producer_id, -30);
  REQUIRE(Until([&] { return viewer.Last("activeSpeaker") != nullptr; }));
  CHECK(json::serialize(viewer.Last("activeSpeaker")->at("data")) ==
        R"({"peerId":"b","volume":-30})");

  const HttpResponse deleted = Rest("DELETE", kBroadcasters + "/b");
  CHECK(deleted.status == 200);
  CHECK(deleted.body == "broadcaster deleted");
  REQUIRE(Until([&] { return viewer.Last("peerClosed") != nullptr; }));
  CHECK(viewer.Last("peerClosed")->at("data").at("peerId") == "b");
  REQUIRE(viewer.Last("consumerClosed") != nullptr);
  CHECK(viewer.Last("consumerClosed")->at("data").at("consumerId").as_string() == watched);
  const auto names = viewer.Names();
  CHECK(std::find(names.begin(), names.end(), "consumerClosed") <
        std::find(names.begin(), names.end(), "peerClosed"));
  CHECK(Rest("DELETE", kBroadcasters + "/b").status == 404);
}

TEST_CASE("REST: an option keeps the stream of a plain transport where it began") {
  RoomFixture::Options options;
  options.plain_relock = false;
  RoomFixture rooms(options);
  const HttpResponse broadcaster = rooms.Rest("POST", kBroadcasters, kValidBroadcaster);
  REQUIRE(broadcaster.status == 200);
  rooms.caller.secret = json::parse(broadcaster.body).at("secret").as_string().c_str();
  REQUIRE(rooms.Rest("POST", kTransports, R"({"type":"plain"})").status == 200);
  CHECK_FALSE(rooms.launcher.workers.back()->plain_protection.relock);
}

TEST_CASE("REST: a receiver may be thought gone earlier than the server says, not later") {
  const auto ask = [](RoomFixture& rooms, const std::string& timeout) {
    return rooms.Rest("POST", kTransports, R"({"type":"plain","receiverTimeout":)" + timeout + "}");
  };
  const auto refuses = [&](RoomFixture& rooms, const std::string& timeout,
                           const std::string& right) {
    const HttpResponse response = ask(rooms, timeout);
    CHECK(response.status == 400);
    CHECK(test::ErrorText(response) == "TypeError: body.receiverTimeout " + timeout + ": " + right);
  };
  SECTION("with a limit") {
    RoomFixture rooms;
    REQUIRE(rooms.Rest("POST", kBroadcasters, kValidBroadcaster).status == 200);
    const std::string right = "must be an integer from 1000 to 30000 (ms)";
    for (const char* wrong : {"0", "999", "30001", "3600000", "-1", "\"x\""}) {
      refuses(rooms, wrong, right);
    }
    const auto& asked = rooms.launcher.workers.back()->plain_protection;
    CHECK(ask(rooms, "1000").status == 200);
    CHECK(asked.receiver_timeout == 1'000);
    CHECK(ask(rooms, "30000").status == 200);
    CHECK(asked.receiver_timeout == 30'000);
  }
  SECTION("without") {
    RoomFixture rooms({.plain_receiver_timeout = std::chrono::milliseconds(0), .protoo = {}});
    REQUIRE(rooms.Rest("POST", kBroadcasters, kValidBroadcaster).status == 200);
    const auto& asked = rooms.launcher.workers.back()->plain_protection;
    CHECK(ask(rooms, "5000").status == 200);
    CHECK(asked.receiver_timeout == 5'000);
    CHECK(ask(rooms, "0").status == 200);
    CHECK(asked.receiver_timeout == 0);
    refuses(rooms, "999", "must be 0 (never) or an integer from 1000 to 86400000 (ms)");
  }
}

TEST_CASE_METHOD(RoomFixture, "REST: a receiver says where it listens, at its own address") {
  const HttpResponse broadcaster = Rest("POST", kBroadcasters, kValidBroadcaster);
  REQUIRE(broadcaster.status == 200);
  caller.secret = json::parse(broadcaster.body).at("secret").as_string().c_str();
  caller.address = "203.0.113.5";
  const auto make = [&](const char* body) {
    const HttpResponse made = Rest("POST", kTransports, body);
    REQUIRE(made.status == 200);
    return kTransports + "/" + json::parse(made.body).at("id").as_string().c_str() + "/connect";
  };
  const std::string two = make(R"({"type":"plain","comedia":false})");
  const std::string one = make(R"({"type":"plain","comedia":false,"rtcpMux":true})");
  const std::string learns = make(R"({"type":"plain","comedia":true})");
  const struct {
    const std::string& route;
    const char* body;
    int status;
    const char* says;
  } refused[] = {
      {two, R"({})", 409, "is not a WebRtcTransport"},
      {two, R"({"port":0,"rtcpPort":6001})", 400, "body.port"},
      {two, R"({"port":65536,"rtcpPort":6001})", 400, "body.port"},
      {two, R"({"port":6000,"rtcpPort":"x"})", 400, "body.rtcpPort"},
      {two, R"({"port":6000})", 400, "missing body.rtcpPort"},
      {one, R"({"port":6000,"rtcpPort":6001})", 400, "body.rtcpPort must be absent"},
      {two, R"({"ip":"192.0.2.9","port":6000,"rtcpPort":6001})", 400,
       "body.ip \"192.0.2.9\" must be the caller's address, 203.0.113.5"},
      {two, R"({"ip":"example.org","port":6000,"rtcpPort":6001})", 400,
       "body.ip \"example.org\" is not a literal"},
      {learns, R"({"port":6000,"rtcpPort":6001})", 409, "was made with comedia"},
  };
  for (const auto& row : refused) {
    INFO(row.body);
    const HttpResponse answer = Rest("POST", row.route, row.body);
    CHECK(answer.status == row.status);
    CHECK_THAT(test::ErrorText(answer), Catch::Contains(row.says));
  }
  const auto& told = launcher.workers.back()->destinations;
  CHECK(told.empty());
  CHECK(Rest("POST", two, R"({"port":6000,"rtcpPort":6001})").status == 200);
  CHECK(Rest("POST", one, R"({"ip":"203.0.113.5","port":7000})").status == 200);
  CHECK(told == std::vector<std::string>{"203.0.113.5 6000 6001", "203.0.113.5 7000"});
  CHECK(Rest("POST", one, R"({"port":7000})").body.find("already called") != std::string::npos);

  // What the other end does not know of: another worker sends there, too.
  launcher.workers.back()->Die();
  REQUIRE(Until([&] {
    return launcher.workers.size() == 2 && launcher.workers.back()->destinations.size() == 2;
  }));
  CHECK(std::set<std::string>(launcher.workers.back()->destinations.begin(),
                              launcher.workers.back()->destinations.end()) ==
        std::set<std::string>{"203.0.113.5 6000 6001", "203.0.113.5 7000"});
}

TEST_CASE_METHOD(RoomFixture, "REST: a receiver is not sent to where we listen ourselves") {
  caller.address = "127.0.0.1";
  const HttpResponse broadcaster = Rest("POST", kBroadcasters, kValidBroadcaster);
  REQUIRE(broadcaster.status == 200);
  caller.secret = json::parse(broadcaster.body).at("secret").as_string().c_str();
  const HttpResponse made =
      Rest("POST", kTransports, R"({"type":"plain","comedia":false,"rtcpMux":true})");
  const json::object transport = json::parse(made.body).as_object();
  const std::string route = kTransports + "/" + transport.at("id").as_string().c_str() + "/connect";
  const HttpResponse refused = Rest(
      "POST", route, R"({"port":)" + std::to_string(transport.at("port").to_number<int>()) + "}");
  CHECK(refused.status == 400);
  CHECK(refused.body.find("is one of this server") != std::string::npos);
  CHECK(rooms.room_counters().own_ports == 1);
  CHECK(launcher.workers.back()->destinations.empty());
  CHECK(Rest("POST", route, R"({"port":6000})").status == 200);
}

TEST_CASE_METHOD(RoomFixture, "REST: a plain transport belongs to the address that asked for it") {
  const HttpResponse broadcaster = Rest("POST", kBroadcasters, kValidBroadcaster);
  REQUIRE(broadcaster.status == 200);
  caller.secret = json::parse(broadcaster.body).at("secret").as_string().c_str();
  const auto& asked = launcher.workers.back()->plain_protection;
  caller.address = "203.0.113.5";
  REQUIRE(Rest("POST", kTransports, R"({"type":"plain"})").status == 200);
  CHECK(asked.source_ip == "203.0.113.5");
  CHECK_FALSE(asked.source_only);
  CHECK(asked.source_receives);
  CHECK(asked.relock);
  CHECK(asked.receiver_timeout == 30'000);
  CHECK(asked.public_destinations);
  caller.address = "2001:db8::7";
  REQUIRE(Rest("POST", kTransports, R"({"type":"plain"})").status == 200);
  CHECK(asked.source_ip == "2001:db8::7");
  caller.address = "203.0.113.5";
  REQUIRE(Rest("POST", kTransports, R"({"type":"plain","remoteIp":"192.0.2.9"})").status == 200);
  CHECK(asked.source_ip == "192.0.2.9");
  CHECK(asked.source_only);

  // A stranger cannot name a third party for media to go to.
  const HttpResponse named =
      Rest("POST", kTransports, R"({"type":"plain","remoteIp":"192.0.2.9"})");
  const std::string transport =
      kTransports + "/" + json::parse(named.body).at("id").as_string().c_str();
  const HttpResponse produced =
      Rest("POST", transport + "/producers",
           std::string(R"({"kind":"audio","rtpParameters":)") + test::kOpusParameters + "}");
  REQUIRE(produced.status == 200);
  const HttpResponse consumed = Rest(
      "POST",
      transport + "/consume?producerId=" + json::parse(produced.body).at("id").as_string().c_str());
  CHECK(consumed.status == 409);
  CHECK(consumed.body.find("it can send, not receive") != std::string::npos);

  const HttpResponse wrong =
      Rest("POST", kTransports, R"({"type":"plain","remoteIp":"example.org"})");
  CHECK(wrong.status == 400);
  CHECK(wrong.body.find("body.remoteIp \\\"example.org\\\"") != std::string::npos);
}

TEST_CASE_METHOD(RoomFixture, "REST: a producer is consumed once per transport") {
  REQUIRE(Rest("POST", kBroadcasters, kValidBroadcaster).status == 200);
  const auto transport = [this] {
    const json::value made = json::parse(Rest("POST", kTransports, R"({"type":"plain"})").body);
    return kTransports + "/" + made.at("id").as_string().c_str();
  };
  const std::string first = transport();
  const HttpResponse produced =
      Rest("POST", first + "/producers",
           std::string(R"({"kind":"audio","rtpParameters":)") + test::kOpusParameters + "}");
  const std::string consume =
      std::string("/consume?producerId=") + json::parse(produced.body).at("id").as_string().c_str();
  CHECK(Rest("POST", first + consume).status == 200);
  const HttpResponse again = Rest("POST", first + consume);
  CHECK(again.status == 409);
  CHECK(again.body.find("is consumed on transport") != std::string::npos);
  CHECK(Rest("POST", transport() + consume).status == 200);
}

TEST_CASE_METHOD(RoomFixture, "REST: a broadcaster's transports share a CNAME") {
  REQUIRE(Rest("POST", kBroadcasters, kValidBroadcaster).status == 200);
  const auto transport = [this] {
    const json::value made = json::parse(Rest("POST", kTransports, R"({"type":"plain"})").body);
    return std::string(made.at("id").as_string().c_str());
  };
  const auto produce = [this](const std::string& id, const std::string& cname) {
    json::value body = json::parse(std::string(R"({"kind":"audio","rtpParameters":)") +
                                   test::kOpusParameters + "}");
    if (!cname.empty()) body.at("rtpParameters").as_object()["rtcp"] = {{"cname", cname}};
    const std::string target = kTransports + "/" + id + "/producers";
    CHECK(Rest("POST", target, json::serialize(body)).status == 200);
    return launcher.workers.back()->cnames.back();
  };
  const std::string first = produce(transport(), "");
  CHECK(first.size() == 8);
  CHECK(produce(transport(), "") == first);
  const std::string own = transport();
  CHECK(produce(own, "mine") == "mine");
  CHECK(produce(own, "") == "mine");
  CHECK(produce(own, "other") == "mine");
  CHECK(produce(transport(), "") == first);
}

TEST_CASE_METHOD(RoomFixture, "REST: through a proxy that is not known nothing is sent to here") {
  caller.address = "127.0.0.1";
  REQUIRE(Rest("POST", kBroadcasters, kValidBroadcaster).status == 200);
  const auto connect = [&](bool proxied, bool trusted) {
    const HttpResponse made =
        Rest("POST", kTransports, R"({"type":"plain","comedia":false,"rtcpMux":true})");
    REQUIRE(made.status == 200);
    caller.proxied = proxied;
    caller.trusted_proxy = trusted;
    const HttpResponse answer =
        Rest("POST",
             kTransports + "/" + json::parse(made.body).at("id").as_string().c_str() + "/connect",
             R"({"port":6000})");
    caller.proxied = caller.trusted_proxy = false;
    return answer;
  };
  const auto& told = launcher.workers.back()->destinations;
  const HttpResponse refused = connect(true, false);
  CHECK(refused.status == 400);
  CHECK(refused.body.find("trustedProxies") != std::string::npos);
  CHECK(told.empty());
  CHECK(connect(false, false).status == 200);
  CHECK(connect(true, true).status == 200);  // a program here, as a proxy says that we trust
  CHECK(told == std::vector<std::string>{"127.0.0.1 6000", "127.0.0.1 6000"});
}

TEST_CASE_METHOD(RoomFixture, "REST: webrtc transport and connect") {
  REQUIRE(Rest("POST", kBroadcasters, kValidBroadcaster).status == 200);
  const json::value made = json::parse(Rest("POST", kTransports, R"({"type":"webrtc"})").body);
  CHECK_FALSE(made.as_object().contains("sctpParameters"));
  CHECK(made.at("iceCandidates").at(0).at("ip") == made.at("iceCandidates").at(0).at("address"));
  const std::string connect = kTransports + "/" + made.at("id").as_string().c_str() + "/connect";
  CHECK(test::ErrorText(Rest("POST", connect, "{}")) == "TypeError: missing body.dtlsParameters");
  CHECK(Rest("POST", connect,
             R"({"dtlsParameters":{"fingerprints":[{"algorithm":"md5","value":"AA"}]}})")
            .body.find("algorithm \\\"md5\\\"") != std::string::npos);
  const HttpResponse good = Rest(
      "POST", connect,
      R"({"dtlsParameters":{"role":"client","fingerprints":[{"algorithm":"sha-256","value":"AA:BB"}]}})");
  CHECK(good.status == 200);
  CHECK(good.body.empty());
  CHECK(good.content_type == "application/json; charset=utf-8");
}

TEST_CASE_METHOD(RoomFixture, "REST: rooms that nobody enters keep nobody out") {
  REQUIRE(Rest("POST", kBroadcasters, kValidBroadcaster).status == 200);  // in use
  for (int i = 0; i < 30; ++i) {
    CHECK(Rest("GET", "/rooms/asked-for-" + std::to_string(i)).status == 200);
  }
  CHECK(rooms.size() == 10);  // as many as the fixture allows
  CHECK(rooms.counters().evicted == 21);
  CHECK(rooms.CountPeople().broadcasters == 1);
  // The oldest went first.
  for (int i = 0; i < 30; ++i) {
    const std::string id = "asked-for-" + std::to_string(i);
    INFO(id);
    CHECK((rooms.Find(id) != nullptr) == (i >= 21));
  }
}

TEST_CASE_METHOD(RoomFixture, "REST: when all rooms are in use the answer says when to come back") {
  for (int i = 0; i < 10; ++i) {
    const std::string broadcasters = "/rooms/used-" + std::to_string(i) + "/broadcasters";
    REQUIRE(Rest("POST", broadcasters, kValidBroadcaster).status == 200);
  }
  const HttpResponse refused = Rest("GET", "/rooms/one-more");
  CHECK(refused.status == 503);
  CHECK(refused.body.find("maxRooms") != std::string::npos);
  CHECK(std::any_of(refused.headers.begin(), refused.headers.end(),
                    [](const auto& header) { return header.first == "Retry-After"; }));
  CHECK(rooms.counters().refused_full == 1);
}

}  // namespace
}  // namespace sluice::controller
