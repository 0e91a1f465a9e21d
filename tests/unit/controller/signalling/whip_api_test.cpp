#include "controller/signalling/whip_api.h"

#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>
#include <string>
#include <utility>
#include <vector>

#include "controller/sdp/reader.h"
#include "tests/unit/controller/sdp/corpus.h"
#include "tests/unit/controller/signalling/room_fixture.h"

namespace sluice::controller {
namespace {

using sdp::CorpusText;
using sdp::Replaced;

constexpr const char* kSecret = "0123456789abcdef0123456789abcdef";

struct WhipFixture : test::RoomFixture {
  WhipFixture() : WhipFixture(RequestAuth()) {}
  explicit WhipFixture(RequestAuth auth, WhipApi::Limits limits = {})
      : api(&rooms, std::move(auth), std::move(limits)) {}

  HttpResponse Ask(const std::string& method, const std::string& target,
                   const std::string& type = "", const std::string& body = "",
                   const std::string& if_match = "") {
    HttpRequest request;
    request.method = method;
    request.content_type = type;
    request.body = body;
    request.if_match = if_match;
    request.client_ip = request.source = caller.address;
    request.origin_allowed = origin_allowed;
    if (!caller.token.empty()) request.authorization = "Bearer " + caller.token;
    ParseTarget(target, &request);
    return Await(api.Respond(std::move(request)));
  }
  HttpResponse Post(const std::string& target, const std::string& offer) {
    return Ask("POST", target, "application/sdp", offer);
  }
  HttpResponse Patch(const std::string& session, const std::string& fragment,
                     const std::string& if_match) {
    return Ask("PATCH", session, "application/trickle-ice-sdpfrag", fragment, if_match);
  }
  static std::string Header(const HttpResponse& response, const std::string& name) {
    std::string all;
    for (const auto& [key, value] : response.headers) {
      if (key == name) all += (all.empty() ? "" : ", ") + value;
    }
    return all;
  }
  /// The address of a new session.
  std::string Open(const std::string& target, const std::string& offer) {
    const HttpResponse response = Post(target, offer);
    INFO(response.body);
    REQUIRE(response.status == 201);
    return Header(response, "Location");
  }
  test::FakeWorker& worker() { return *launcher.workers.back(); }
  static std::string Player(const std::string& name = "chrome-av-dc-offer") {
    return Replaced(CorpusText(name), "a=sendrecv", "a=recvonly");
  }

  bool origin_allowed = true;
  WhipApi api;
};

const std::string kFragment =
    "a=ice-ufrag:pTrS\r\na=ice-pwd:Ck3cmGX5kKmvuAzdP5QLcr\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\n"
    "a=candidate:1 1 udp 2122260223 192.0.2.1 61764 typ host\r\na=candidate:garbage\r\n";
/// The same with new credentials.
std::string NewFragment(const std::string& ufrag = "qUsT", const std::string& pwd = "Dl4dn") {
  return Replaced(Replaced(kFragment, "pTrS", ufrag), "Ck3cm", pwd);
}

TEST_CASE_METHOD(WhipFixture, "WHIP: an offer becomes producers that everybody is given") {
  auto viewer = Connect("r", "viewer");
  Join(viewer);
  const HttpResponse response = Post("/whip/r/cam", CorpusText("obs-offer"));
  INFO(response.body);
  REQUIRE(response.status == 201);
  CHECK(response.content_type == "application/sdp");
  const std::string location = Header(response, "Location");
  CHECK(location.starts_with("/whip/r/cam/"));
  CHECK(Header(response, "ETag").starts_with("\""));
  const auto answer = sdp::ReadDescription(response.body);
  REQUIRE(answer.ok());
  CHECK(answer->ice_lite);
  CHECK(answer->sections[0].direction == sdp::Direction::kRecvOnly);
  CHECK(answer->sections[1].direction == sdp::Direction::kRecvOnly);

  const std::shared_ptr<Room> room = rooms.Find("r");
  REQUIRE(room->FindPeer("cam"));
  CHECK(room->FindPeer("cam")->producers.size() == 2);
  CHECK(api.sessions() == 1);
  // The viewer of the fixture takes Opus alone.
  CHECK(Until([&] { return viewer.Last("newConsumer") != nullptr; }));
  CHECK(viewer.Last("newPeer") != nullptr);

  CHECK(Ask("DELETE", location, "", "", "\"anything\"").status == 200);
  CHECK_FALSE(room->FindPeer("cam"));
  CHECK(api.sessions() == 0);
  CHECK(Ask("DELETE", location).status == 404);
  CHECK(Until([&] { return viewer.Last("peerClosed") != nullptr; }));
}

TEST_CASE_METHOD(WhipFixture, "WHIP: requests that are refused") {
  const std::string obs = CorpusText("obs-offer");
  struct Case {
    std::string method, target, type, body;
    int status;
    std::string detail;
  };
  const Case cases[] = {
      {"POST", "/whip/r", "text/plain", obs, 415, "must be application/sdp"},
      {"POST", "/whip/r", "application/sdp", "", 400, "SDP is empty"},
      {"POST", "/whip/r", "application/sdp", "v=0\r\nx\r\n", 400, "SDP line 2"},
      {"POST", "/whip/r%20", "application/sdp", obs, 400, "room"},
      {"POST", "/whip/r/%3f", "application/sdp", obs, 400, "name"},
      {"POST", "/whip/r", "application/sdp", Replaced(obs, "a=sendonly", "a=recvonly"), 422,
       "is recvonly"},
      {"POST", "/whip/r", "application/sdp", Replaced(obs, "a=sendonly", "a=inactive"), 422,
       "is inactive"},
      {"POST", "/whip/r", "application/sdp", Replaced(obs, "H264/90000", "H333/90000"), 422,
       "no video codec"},
      {"POST", "/whip/r", "application/sdp", CorpusText("libdatachannel-data-offer"), 422,
       "neither audio nor video"},
      {"POST", "/whip/r", "application/sdp", Replaced(obs, "a=ice-ufrag:pTrS", "a=x"), 400,
       "no a=ice-ufrag"},
      {"POST", "/whep/r", "application/sdp", Player(), 409, "nothing is live"},
      {"PUT", "/whip/r", "application/sdp", obs, 405, "not one of POST"},
      {"PATCH", "/whip/r", "", "", 405, "not one of POST"},
      {"DELETE", "/whep/r/name", "", "", 405, "not one of POST"},
      {"POST", "/whip/r/name/id", "application/sdp", obs, 405, "not one of PATCH"},
      {"GET", "/whip/r/name/id", "", "", 404, "no such session"},
      {"PATCH", "/whep/r/name/id", "application/trickle-ice-sdpfrag", kFragment, 404,
       "no such session"},
  };
  for (const Case& each : cases) {
    INFO(each.method << " " << each.target << " " << each.detail);
    const HttpResponse response = Ask(each.method, each.target, each.type, each.body);
    CHECK(response.status == each.status);
    CHECK(response.content_type == "application/problem+json");
    const auto problem = boost::json::parse(response.body).as_object();
    CHECK(problem.at("status").as_int64() == each.status);
    CHECK(!problem.at("title").as_string().empty());
    CHECK_THAT(std::string(problem.at("detail").as_string()), Catch::Contains(each.detail));
  }
  CHECK(Header(Ask("PUT", "/whip/r"), "Allow") == "POST, GET, HEAD, OPTIONS");
  CHECK(Header(Ask("POST", "/whip/r", "text/plain", obs), "Accept-Post") == "application/sdp");
  CHECK(Header(Post("/whep/r", Player()), "Retry-After") != "");
  CHECK(api.sessions() == 0);
  // Who was refused has left nothing behind; asking to play makes no room.
  CHECK_FALSE(rooms.Find("elsewhere"));
  Post("/whep/elsewhere", Player());
  CHECK_FALSE(rooms.Find("elsewhere"));
  if (const auto room = rooms.Find("r")) CHECK(room->peer_count() == 0);
}

TEST_CASE_METHOD(WhipFixture, "WHIP: methods at the endpoint, and what pages may do") {
  for (const std::string endpoint : {"/whip/r", "/whip/r/name", "/whep/r", "/whep/r/name"}) {
    INFO(endpoint);
    const HttpResponse options = Ask("OPTIONS", endpoint);
    CHECK(options.status == 200);
    CHECK(Header(options, "Accept-Post") == "application/sdp");
    CHECK(Header(options, "Access-Control-Allow-Origin") == "*");
    CHECK_THAT(Header(options, "Access-Control-Allow-Methods"), Catch::Contains("PATCH"));
    CHECK_THAT(Header(options, "Access-Control-Allow-Headers"), Catch::Contains("If-Match"));
    for (const std::string method : {"GET", "HEAD"}) {
      const HttpResponse get = Ask(method, endpoint);
      CHECK(get.status == 200);
      CHECK(get.body.empty());
      CHECK(get.content_type == (endpoint.starts_with("/whep") ? "application/sdp" : ""));
      CHECK_THAT(Header(get, "Access-Control-Expose-Headers"), Catch::Contains("Location"));
    }
  }
  origin_allowed = false;
  CHECK(Header(Ask("OPTIONS", "/whip/r"), "Access-Control-Allow-Origin").empty());
}

TEST_CASE_METHOD(WhipFixture, "WHIP: trickle and restarts") {
  const HttpResponse made = Post("/whip/r/cam", CorpusText("obs-offer"));
  REQUIRE(made.status == 201);
  const std::string session = Header(made, "Location");
  const std::string etag = Header(made, "ETag");
  CHECK(Ask("GET", session).status == 200);
  CHECK(Ask("GET", session).body.empty());
  const HttpResponse wrong = Ask("PATCH", session, "application/json", "{}", etag);
  CHECK(wrong.status == 415);
  CHECK(Header(wrong, "Accept-Patch") == "application/trickle-ice-sdpfrag");
  CHECK(Patch(session, kFragment, "").status == 428);
  CHECK(Patch(session, kFragment, "\"other\"").status == 412);
  CHECK(Patch(session, kFragment, "W/" + etag).status == 412);
  CHECK(Patch(session, "nonsense", etag).status == 400);
  CHECK(Patch(session, "", etag).status == 400);
  const HttpResponse trickled = Patch(session, kFragment, etag);
  CHECK(trickled.status == 204);
  CHECK(trickled.body.empty());
  CHECK(Header(trickled, "ETag").empty());
  CHECK(Patch(session, kFragment, "\"other\", " + etag).status == 204);
  CHECK(Patch(session, kFragment, "*").status == 204);
  CHECK(worker().Count(FBS::Request::Method::TRANSPORT_RESTART_ICE) == 0);

  CHECK(Patch(session, Replaced(kFragment, "pTrS", "qUsT"), "*").status == 400);
  const HttpResponse restarted = Patch(session, NewFragment(), "\"*\"");
  CHECK(restarted.status == 200);
  CHECK(restarted.content_type == "application/trickle-ice-sdpfrag");
  CHECK(worker().Count(FBS::Request::Method::TRANSPORT_RESTART_ICE) == 1);
  const auto fragment = sdp::ReadFragment(restarted.body);
  REQUIRE(fragment.ok());
  CHECK_FALSE(fragment->ice_ufrag.empty());
  CHECK_FALSE(fragment->candidates.empty());
  CHECK(fragment->end_of_candidates);
  CHECK(fragment->mid == "0");
  CHECK_THAT(restarted.body, Catch::StartsWith("a=ice-lite\r\na=ice-options:trickle\r\n"));
  const std::string next = Header(restarted, "ETag");
  CHECK(next != etag);
  CHECK(Patch(session, NewFragment(), etag).status == 412);
  CHECK(Patch(session, NewFragment(), next).status == 204);
  // Candidates that were under way when it was restarted.
  CHECK(Patch(session, kFragment, next).status == 204);
  CHECK(worker().Count(FBS::Request::Method::TRANSPORT_RESTART_ICE) == 1);
  // Credentials that are new with the right tag are a restart, too.
  CHECK(Patch(session, NewFragment("rVtU", "Em5eo"), next).status == 200);
  worker().refuse.insert(FBS::Request::Method::TRANSPORT_RESTART_ICE);
  CHECK(Patch(session, NewFragment("sWuV", "Fn6fp"), "*").status >= 400);
  CHECK(Ask("GET", session).status == 200);
}

TEST_CASE_METHOD(WhipFixture,
                 "WHIP: a name is one publisher; who comes again takes its own place") {
  const std::string first = Open("/whip/r", CorpusText("obs-offer"));
  CHECK(first.starts_with("/whip/r/whip/"));
  const std::string again = Open("/whip/r", CorpusText("webrtcsink-offer"));
  CHECK(Ask("GET", first).status == 404);
  CHECK(Ask("GET", again).status == 200);
  Open("/whip/r/other", CorpusText("firefox-offer"));
  CHECK(api.sessions() == 2);
  caller.address = "198.51.100.7";
  CHECK(Post("/whip/r", CorpusText("obs-offer")).status == 409);
  CHECK(Ask("GET", again).status == 200);
}

TEST_CASE_METHOD(WhipFixture, "WHIP: what cannot be made leaves nothing behind") {
  for (const auto method :
       {FBS::Request::Method::ROUTER_CREATE_WEBRTCTRANSPORT,
        FBS::Request::Method::ROUTER_CREATE_WEBRTCTRANSPORT_WITH_SERVER,
        FBS::Request::Method::WEBRTCTRANSPORT_CONNECT, FBS::Request::Method::TRANSPORT_PRODUCE}) {
    Open("/whip/r/other", CorpusText("obs-offer"));  // keeps the room
    worker().refuse = {method};
    Post("/whip/r/cam", CorpusText("obs-offer"));
    worker().refuse.clear();
    const auto room = rooms.Find("r");
    REQUIRE(room);
    if (const auto peer = room->FindPeer("cam")) CHECK(peer->producers.size() == 2);
    Open("/whip/r/cam", CorpusText("obs-offer"));
    CHECK(api.sessions() == 2);
  }
}

TEST_CASE_METHOD(WhipFixture, "WHIP: the end of the room, or of the peer, is that of the session") {
  const std::string session = Open("/whip/r/cam", CorpusText("obs-offer"));
  const auto room = rooms.Find("r");
  room->Kick(room->FindPeer("cam"), "enough");
  CHECK(Ask("GET", session).status == 404);
  const std::string other = Open("/whip/r/cam", CorpusText("obs-offer"));
  const auto transport = worker().transport_ids.back();
  worker().NotifyIceState(transport, FBS::WebRtcTransport::IceState::DISCONNECTED);
  CHECK(Until([&] { return api.sessions() == 0; }));
  CHECK(Ask("GET", other).status == 404);
}

TEST_CASE_METHOD(WhipFixture, "WHEP: a player gets what is published, in its own numbers") {
  Open("/whip/r/cam", CorpusText("webrtcsink-offer"));
  const HttpResponse response = Post("/whep/r", Player());
  INFO(response.body);
  REQUIRE(response.status == 201);
  const auto answer = sdp::ReadDescription(response.body);
  REQUIRE(answer.ok());
  REQUIRE(answer->sections.size() == 3);
  CHECK(answer->sections[0].direction == sdp::Direction::kSendOnly);
  CHECK(answer->sections[0].formats == std::vector<std::string>{"111"});
  CHECK(answer->sections[1].direction == sdp::Direction::kSendOnly);
  CHECK(answer->sections[1].formats == std::vector<std::string>{"96", "97"});
  CHECK(answer->sections[2].rejected());
  const auto stream = [](const sdp::Section& section) {
    return section.msid.substr(0, section.msid.find(' '));
  };
  CHECK(stream(answer->sections[0]) == stream(answer->sections[1]));
  REQUIRE(worker().consumer_types.size() == 2);
  CHECK(worker().consumer_types[0].starts_with("111<"));
  CHECK(worker().consumer_types[1].starts_with("96<"));
  CHECK(worker().consumer_ssrcs[1] == answer->sections[1].ssrcs[0].ssrc);
  const std::string session = Header(response, "Location");
  CHECK(session.starts_with("/whep/r/_/"));
  CHECK_THAT(Header(response, "Link"), Catch::Contains("<" + session + "/layer>"));
  CHECK(Ask("DELETE", session).status == 200);
  CHECK(Post("/whep/r/cam", Player()).status == 201);
  CHECK(Post("/whep/r/nobody", Player()).status == 409);
}

TEST_CASE_METHOD(WhipFixture, "WHEP: a player says whether it takes both forms of extensions") {
  Open("/whip/r/cam", CorpusText("webrtcsink-offer"));
  REQUIRE(Post("/whep/r", Player()).status == 201);
  CHECK(worker().consumer_mixed == std::vector<bool>{true, true});
  const std::string neither = Replaced(Player(), "a=extmap-allow-mixed\r\n", "");
  REQUIRE(Post("/whep/r", neither).status == 201);
  CHECK(worker().consumer_mixed == std::vector<bool>{true, true, false, false});
  const std::string video = Replaced(neither, "a=mid:1\r\n", "a=mid:1\r\na=extmap-allow-mixed\r\n");
  REQUIRE(Post("/whep/r", video).status == 201);
  CHECK(worker().consumer_mixed == std::vector<bool>{true, true, false, false, false, true});
}

TEST_CASE_METHOD(WhipFixture, "WHEP: offers that get less, or nothing") {
  Open("/whip/r/cam", CorpusText("ffmpeg-offer"));
  // H264 to who has none of that profile.
  CHECK(Post("/whep/r", Replaced(Player("chrome-h264-offer"), "42e01f", "64001f")).status == 201);
  CHECK(Post("/whep/r", Replaced(Player(), "a=recvonly", "a=sendonly")).status == 422);
  CHECK(Post("/whep/r", Replaced(Player(), "a=recvonly", "a=inactive")).status == 422);
  const HttpResponse none =
      Post("/whep/r", Replaced(Replaced(Player(), "opus/", "supo/"), "H264/", "H462/"));
  CHECK(none.status == 422);
  CHECK_THAT(none.body, Catch::Contains("no codec of what"));
  // sendrecv is answered by sendonly, whatever its writer could send.
  const HttpResponse both = Post("/whep/r", CorpusText("chrome-av-dc-offer"));
  REQUIRE(both.status == 201);
  CHECK(sdp::ReadDescription(both.body)->sections[1].direction == sdp::Direction::kSendOnly);
}

TEST_CASE_METHOD(WhipFixture, "WHEP: the streams go on when the publisher comes back") {
  const std::string publisher = Open("/whip/r/cam", CorpusText("webrtcsink-offer"));
  const std::string session = Open("/whep/r", Player());
  const std::vector<uint32_t> ssrcs = worker().consumer_ssrcs;
  REQUIRE(ssrcs.size() == 2);
  CHECK(Ask("DELETE", publisher).status == 200);
  Settle();
  CHECK(Ask("GET", session).status == 200);
  // Another codec than the one that was answered is of no use; audio is.
  const std::string other = Open("/whip/r/cam", CorpusText("obs-offer"));
  CHECK(Until([&] { return worker().consumer_ssrcs.size() == 3; }));
  CHECK(worker().consumer_ssrcs[2] == ssrcs[0]);
  CHECK(Ask("DELETE", other).status == 200);
  Open("/whip/r/cam", CorpusText("webrtcsink-offer"));
  CHECK(Until([&] { return worker().consumer_ssrcs.size() == 5; }));
  CHECK(std::vector<uint32_t>(worker().consumer_ssrcs.end() - 2, worker().consumer_ssrcs.end()) ==
        ssrcs);
  // One that takes the place of a session that is there still.
  Open("/whip/r/cam", CorpusText("webrtcsink-offer"));
  CHECK(Until([&] { return worker().consumer_ssrcs.size() == 7; }));
  CHECK(worker().consumer_types[5] == worker().consumer_types[0]);
}

TEST_CASE_METHOD(WhipFixture, "WHEP: events") {
  const std::string publisher = Open("/whip/r/cam", CorpusText("webrtcsink-offer"));
  const std::string session = Open("/whep/r", Player());
  CHECK(Ask("POST", session + "/events", "application/json", "{\"active\"").status == 400);
  CHECK(Ask("POST", session + "/events", "application/json", "[1]").status == 400);
  const std::string longest = "\"" + std::string(65, 'x') + "\"";
  CHECK(Ask("POST", session + "/events", "application/json", "[" + longest + "]").status == 400);
  std::string many = "\"0\"";
  for (int i = 1; i <= 32; ++i) many += ",\"" + std::to_string(i) + "\"";
  CHECK(Ask("POST", session + "/events", "application/json", "[" + many + "]").status == 400);
  const HttpResponse made =
      Ask("POST", session + "/events", "application/json", R"(["active","inactive"])");
  CHECK(made.status == 201);
  const std::string address = Header(made, "Location");
  const HttpResponse response = Ask("GET", address);
  CHECK(response.status == 200);
  CHECK(response.content_type == "text/event-stream");
  REQUIRE(response.stream);
  CHECK(Await(response.stream->Next()) == "event: active\ndata: {}\n\n");
  Ask("DELETE", publisher);
  CHECK_THAT(Await(response.stream->Next()), Catch::StartsWith("event: inactive\ndata: {}\n\n"));
  Open("/whip/r/cam", CorpusText("webrtcsink-offer"));
  std::string told;
  while (told.find("event: active") == std::string::npos) told += Await(response.stream->Next());
  CHECK(Ask("DELETE", address).status == 200);
  Await(response.stream->Next());
  CHECK(Await(response.stream->Next()).empty());
  CHECK(Ask("GET", address).status == 404);
  for (size_t i = 0; i < DoorSizes().event_streams; ++i) {
    CHECK(Ask("POST", session + "/events").status == 201);
  }
  const HttpResponse full = Ask("POST", session + "/events");
  CHECK(full.status == 409);
  CHECK(full.limit == "maxEventStreams");
  CHECK_THAT(full.body, Catch::Contains("(maxEventStreams)"));
}

TEST_CASE("WHIP: how many tracks one client publishes is set") {
  WhipApi::Limits limits;
  limits.sdp.sizes.tracks = 1;
  WhipFixture fixture(RequestAuth(), std::move(limits));
  const HttpResponse refused = fixture.Post("/whip/r/cam", CorpusText("obs-offer"));
  CHECK(refused.status == 422);
  CHECK(refused.limit == "maxTracksPerPublisher");
  CHECK_THAT(refused.body, Catch::Contains("at most 1 are taken (maxTracksPerPublisher)"));
}

TEST_CASE("WHIP: how long a client has to connect is set, and who does not is counted") {
  WhipApi::Limits limits;
  limits.sdp.sizes.connect_within = std::chrono::milliseconds(20);
  const std::shared_ptr<LimitCounters> counters = limits.sdp.counters;
  WhipFixture fixture(RequestAuth(), std::move(limits));
  fixture.Open("/whip/r/cam", CorpusText("obs-offer"));
  CHECK(fixture.Until([&] { return fixture.api.sessions() == 0; }));
  CHECK(counters->counts().at("connectTimeout") == 1);
}

TEST_CASE_METHOD(WhipFixture, "WHEP: layers") {
  Open("/whip/r/cam", CorpusText("obs-offer"));
  const std::string session = Open("/whep/r", Player());
  const auto choose = [&](const std::string& wish) {
    return Ask("POST", session + "/layer", "application/json", wish).status;
  };
  CHECK(choose("{}") == 200);
  CHECK(choose(R"({"mediaId":"1","maxSpatialLayerId":0,"maxTemporalLayerId":1})") == 200);
  CHECK(choose(R"({"mediaId":"99"})") == 400);
  CHECK(choose(R"({"mediaId":"0"})") == 400);
  CHECK(choose(R"({"encodingId":"x"})") == 400);
  CHECK(choose(R"({"rid":"x"})") == 400);
  CHECK(choose(R"({"spatialLayerId":-1})") == 400);
  CHECK(choose("[]") == 400);
  CHECK(Ask("POST", session + "/layer", "text/plain", "{}").status == 415);
  CHECK(Ask("DELETE", session + "/layer").status == 200);
}

struct GuardedWhip : WhipFixture {
  GuardedWhip() : WhipFixture(RequestAuth(Guard(), [] { return int64_t{1'000}; })) {}
  static Authority Guard() { return Authority(Secret(kSecret)); }
  static std::string Token(const std::string& room, const std::string& peer,
                           Permissions permissions) {
    TokenClaims claims;
    claims.grants = {room, peer, permissions, ""};
    claims.expires = 2'000;
    return *Guard().Issue(claims, JwtAlgorithm::kHs256);
  }
};

TEST_CASE_METHOD(GuardedWhip, "WHIP and WHEP ask for a token in everything but OPTIONS") {
  const std::string obs = CorpusText("obs-offer");
  const HttpResponse bare = Post("/whip/r/cam", obs);
  CHECK(bare.status == 401);
  CHECK(Header(bare, "WWW-Authenticate") == "Bearer");
  CHECK(bare.content_type == "application/problem+json");
  CHECK(Header(bare, "Access-Control-Allow-Origin") == "*");
  CHECK(Ask("OPTIONS", "/whip/r/cam").status == 200);
  CHECK(Ask("GET", "/whep/r").status == 401);
  caller.token = "not.a.token";
  CHECK(Post("/whip/r/cam", obs).status == 401);
  caller.token = Token("r", "", Permission::kSubscribe);
  CHECK(Post("/whip/r/cam", obs).status == 403);
  caller.token = Token("other", "", Permission::kPublish);
  CHECK(Post("/whip/r/cam", obs).status == 403);
  caller.token = Token("r", "ann", Permission::kPublish);
  CHECK(Post("/whip/r/cam", obs).status == 403);
  // Without a name it is the token's.
  const std::string session = Open("/whip/r", obs);
  CHECK(session.starts_with("/whip/r/ann/"));
  CHECK(Post("/whep/r", Player()).status == 403);
  caller.token = Token("r", "", Permission::kSubscribe);
  CHECK(Post("/whep/r", Player()).status == 201);
  CHECK(Ask("DELETE", session).status == 403);
  caller.token = "";
  CHECK(Ask("DELETE", session).status == 401);
  caller.token = Token("r", "ann", Permission::kPublish);
  CHECK(Ask("DELETE", session).status == 200);
}

}  // namespace
}  // namespace sluice::controller
