#include "controller/signalling/gst_gateway.h"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <catch2/catch.hpp>
#include <list>
#include <string>
#include <utility>
#include <vector>

#include "controller/sdp/reader.h"
#include "controller/sdp/writer.h"
#include "tests/unit/controller/sdp/corpus.h"
#include "tests/unit/controller/signalling/room_fixture.h"

namespace sluice::controller {
namespace {

namespace json = boost::json;
using Method = FBS::Request::Method;
using sdp::CorpusText;
using sdp::Description;
using sdp::Direction;

constexpr const char* kSecret = "0123456789abcdef0123456789abcdef";

std::string Member(const json::object& object, const char* name) {
  const json::value* value = object.if_contains(name);
  if (!value || !value->is_string()) return "";
  return {value->get_string().data(), value->get_string().size()};
}

/// A client of the door on a fake socket.
struct GstClient {
  std::shared_ptr<test::FakeSocket> socket = std::make_shared<test::FakeSocket>();
  std::shared_ptr<WebSocketEvents> session;
  std::string id;

  void Say(const std::string& text) { session->OnText(text); }
  void SetStatus(const std::string& roles, const std::string& name = "") {
    Say(R"({"type":"setPeerStatus","roles":)" + roles + R"(,"meta":)" +
        (name.empty() ? "null" : R"({"name":")" + name + "\"}") + "}");
  }
  void Start(const std::string& peer, const std::string& offer = "") {
    json::object message{{"type", "startSession"}, {"peerId", peer}};
    if (!offer.empty()) message["offer"] = offer;
    Say(json::serialize(message));
  }
  void Describe(const std::string& session_id, const char* type, const std::string& text) {
    Say(json::serialize(json::object{{"type", "peer"},
                                     {"sessionId", session_id},
                                     {"sdp", json::object{{"type", type}, {"sdp", text}}}}));
  }
  size_t Count(std::string_view type) const {
    size_t count = 0;
    for (const auto& message : socket->messages) count += Member(message, "type") == type ? 1 : 0;
    return count;
  }
  /// The newest of that type.
  const json::object& Last(std::string_view type) const {
    static const json::object kNone;
    const json::object* last = &kNone;
    for (const auto& message : socket->messages) {
      if (Member(message, "type") == type) last = &message;
    }
    return *last;
  }
  std::string Session(std::string_view type) const { return Member(Last(type), "sessionId"); }
  /// Descriptions of that type, in order.
  std::vector<Description> Descriptions(std::string_view type) const {
    std::vector<Description> found;
    for (const auto& message : socket->messages) {
      if (Member(message, "type") != "peer") continue;
      const json::object& sdp = message.at("sdp").get_object();
      if (Member(sdp, "type") == type) found.push_back(*sdp::ReadDescription(Member(sdp, "sdp")));
    }
    return found;
  }
  /// Takes all of the newest offer.
  void Answer(const std::string& session_id) {
    Description answer = Descriptions("offer").back();
    answer.ice_lite = false;
    for (sdp::Section& section : answer.sections) {
      section.setup = sdp::Setup::kActive;
      section.direction = sdp::Reversed(section.direction);
    }
    Describe(session_id, "answer", sdp::WriteDescription(answer));
  }
};

struct GstFixture : test::RoomFixture {
  GstFixture() : GstFixture(RequestAuth()) {}
  explicit GstFixture(RequestAuth auth) : gateway(&rooms, std::move(auth), MakeSettings()) {}
  ~GstFixture() {
    for (const auto& client : clients) Close(client);
  }

  GstGateway::Settings MakeSettings() {
    GstGateway::Settings settings;
    settings.limits.sdp.budget = test::WithoutAnnouncementLimit().budget;
    settings.limits.counters = counters;
    settings.limits.connect_within = std::chrono::milliseconds(300);
    settings.limits.first_retry = std::chrono::milliseconds(20);
    return settings;
  }
  UpgradeDecision Ask(const std::string& target) {
    HttpRequest request;
    request.method = "GET";
    request.client_ip = request.source = address;
    request.secure = secure;
    if (!caller.token.empty()) request.authorization = "Bearer " + caller.token;
    ParseTarget(target, &request);
    return Await(gateway.Upgrade(std::move(request)));
  }
  GstClient& Enter(const std::string& target = "/r") {
    GstClient& client = clients.emplace_back();
    UpgradeDecision decision = Ask(target);
    INFO(decision.rejection.body);
    REQUIRE(decision.session);
    client.session = decision.session;
    client.session->OnOpen(client.socket);
    client.id = Member(client.Last("welcome"), "peerId");
    return client;
  }
  static void Close(const GstClient& client) {
    if (client.session) client.session->OnClosed();
  }
  /// A producer whose media is in the room.
  GstClient& Publish(const std::string& offer = CorpusText("webrtcsink-offer")) {
    GstClient& camera = Enter();
    camera.SetStatus(R"(["producer"])", "cam");
    camera.Describe(camera.Session("startSession"), "offer", offer);
    REQUIRE(Until([&] { return camera.Count("peer") == 1; }));
    return camera;
  }
  /// Its newest session, which has an offer of ours.
  std::string See(GstClient& viewer, const std::string& producer) {
    viewer.Start(producer);
    const size_t before = viewer.Descriptions("offer").size();
    REQUIRE(Until([&] { return viewer.Descriptions("offer").size() > before; }));
    return viewer.Session("sessionStarted");
  }
  test::FakeWorker& worker() { return *launcher.workers.back(); }
  std::shared_ptr<Participant> Peer(const std::string& id) { return rooms.Find("r")->FindPeer(id); }

  std::string address = "127.0.0.1";
  bool secure = false;
  std::shared_ptr<GstCounters> counters = std::make_shared<GstCounters>();
  GstGateway gateway;
  std::list<GstClient> clients;
};

// ---- The door

TEST_CASE_METHOD(GstFixture, "GStreamer door: the path names the room, or there is a default") {
  Enter("/r");
  CHECK(rooms.Find("r"));
  Enter("/");
  Enter("");
  CHECK(rooms.Find("gst")->peer_count() == 2);
  for (const char* target : {"/r/s", "/..%2f", "/%20"}) {
    CHECK(Ask(target).rejection.status == 400);
  }
  CHECK(GstGateway::Respond().status == 426);
}

TEST_CASE_METHOD(GstFixture, "GStreamer door: without TLS only this machine is let in") {
  address = "192.0.2.1";
  CHECK(Ask("/r").rejection.status == 403);
  secure = true;
  CHECK(Ask("/r").session);
}

struct TokenFixture : GstFixture {
  TokenFixture()
      : GstFixture(RequestAuth(Authority(Secret(kSecret)), [] { return int64_t{1'000}; })) {}
};

TEST_CASE_METHOD(TokenFixture, "GStreamer door: without a token nobody is let in") {
  CHECK(Ask("/r").rejection.status == 401);
  CHECK(Ask("/r?token=garbage").rejection.status == 401);
}

TEST_CASE_METHOD(GstFixture,
                 "GStreamer door: who floods is cut off, a burst of candidates is not") {
  GstClient& client = Enter();
  for (int i = 0; i < 900; ++i) {
    client.Say(R"({"type":"peer","sessionId":"x","ice":{"candidate":"","sdpMLineIndex":0}})");
  }
  CHECK(client.socket->close_code == 0);
  for (int i = 0; i < 400; ++i) client.Say("garbage");
  CHECK(client.socket->close_code == 1008);
  CHECK(client.Count("error") == 0);
}

// ---- Producers

TEST_CASE_METHOD(GstFixture, "GStreamer door: a producer's offer becomes producers of the room") {
  auto viewer = Connect("r", "viewer");
  Join(viewer);
  GstClient& camera = Publish();
  const Description answer = camera.Descriptions("answer").front();
  CHECK(answer.ice_lite);
  REQUIRE(answer.sections.size() == 2);
  for (const sdp::Section& section : answer.sections) {
    CHECK(section.direction == Direction::kRecvOnly);
    for (const RtpCodecParameters& codec : section.codecs) {
      CHECK(codec.mime_type.find("red") == std::string::npos);
      CHECK(codec.mime_type.find("ulpfec") == std::string::npos);
    }
  }
  CHECK(answer.sections[1].formats.front() == "96");
  CHECK(Peer(camera.id)->producers.size() == 2);
  CHECK(Peer(camera.id)->display_name == "cam");
  CHECK(Until([&] { return viewer.Last("newPeer") != nullptr; }));
  CHECK(viewer.Last("newPeer")->at("data").at("id").as_string() == camera.id);
  // Who does not do any of that is told of nothing else.
  CHECK(camera.Count("error") == 0);
  CHECK(camera.Count("endSession") == 0);
}

TEST_CASE_METHOD(GstFixture, "GStreamer door: a producer that gives up its role is one no more") {
  GstClient& camera = Publish();
  camera.SetStatus("[]");
  Settle();
  CHECK(Peer(camera.id)->producers.empty());
  CHECK(Peer(camera.id)->transports.empty());
  camera.SetStatus(R"(["producer"])");
  CHECK(camera.Count("startSession") == 2);
}

TEST_CASE_METHOD(GstFixture,
                 "GStreamer door: an offer that means nothing ends the session, once more") {
  GstClient& camera = Enter();
  camera.SetStatus(R"(["producer"])");
  const std::string first = camera.Session("startSession");
  camera.Describe(first, "offer", "garbage");
  REQUIRE(Until([&] { return camera.Count("endSession") == 1; }));
  CHECK(camera.Session("endSession") == first);
  CHECK(Until([&] { return camera.Count("startSession") == 2; }));
  CHECK(camera.Session("startSession") != first);
  CHECK(camera.Count("error") == 0);
}

TEST_CASE_METHOD(GstFixture, "GStreamer door: an answer to no offer changes nothing") {
  GstClient& camera = Publish();
  GstClient& viewer = Enter();
  const std::string session = See(viewer, camera.id);
  viewer.Answer(session);
  REQUIRE(Until([&] { return worker().Count(Method::CONSUMER_RESUME) == 2; }));
  viewer.Answer(session);
  camera.Describe(camera.Session("startSession"), "answer", CorpusText("webrtcsrc-answer"));
  Settle();
  CHECK(counters->stray == 2);
  CHECK(viewer.Count("error") + viewer.Count("endSession") == 0);
  CHECK(camera.Count("error") + camera.Count("endSession") == 0);
}

TEST_CASE_METHOD(GstFixture, "GStreamer door: what does not connect in time has failed") {
  GstClient& camera = Enter();
  camera.SetStatus(R"(["producer"])");
  GstClient& viewer = Enter();
  viewer.Start(camera.id);
  CHECK(Until([&] { return camera.Count("endSession") == 1 && viewer.Count("endSession") == 1; }));
}

// ---- Consumers

TEST_CASE_METHOD(GstFixture, "GStreamer door: a consumer is offered what a producer sends") {
  GstClient& viewer = Enter();
  GstClient& camera = Enter();
  camera.SetStatus(R"(["producer"])", "cam");
  viewer.Start(camera.id);  // before anything is there
  CHECK(Member(viewer.Last("sessionStarted"), "peerId") == camera.id);
  const std::string session = viewer.Session("sessionStarted");
  camera.Describe(camera.Session("startSession"), "offer", CorpusText("webrtcsink-offer"));
  REQUIRE(Until([&] { return viewer.Descriptions("offer").size() == 1; }));
  const Description offer = viewer.Descriptions("offer").front();
  REQUIRE(offer.sections.size() == 2);
  std::string stream;
  for (const sdp::Section& section : offer.sections) {
    CHECK(section.setup == sdp::Setup::kActpass);
    CHECK(section.direction == Direction::kSendOnly);
    const std::string own = section.msid.substr(0, section.msid.find(' '));
    if (stream.empty()) stream = own;
    CHECK(own == stream);
  }
  CHECK(stream == camera.id);
  CHECK(offer.bundle.size() == 2);
  CHECK(worker().Count(Method::CONSUMER_RESUME) == 0);
  viewer.Answer(session);
  CHECK(Until([&] { return worker().Count(Method::CONSUMER_RESUME) == 2; }));
  viewer.Say(R"({"type":"endSession","sessionId":")" + session + "\"}");
  Settle();
  CHECK(Peer(viewer.id)->transports.empty());
  CHECK(Peer(camera.id)->producers.size() == 2);
  CHECK(viewer.Count("endSession") == 0);
}

TEST_CASE_METHOD(GstFixture, "GStreamer door: a consumer that offers is answered with media") {
  GstClient& camera = Publish();
  GstClient& page = Enter();
  const std::string offer =
      sdp::Replaced(CorpusText("chrome-av-dc-offer"), "a=sendrecv", "a=recvonly");
  page.Start(camera.id, offer);
  REQUIRE(Until([&] { return page.Descriptions("answer").size() == 1; }));
  const Description answer = page.Descriptions("answer").front();
  REQUIRE(answer.sections.size() == 3);
  CHECK(answer.sections[0].direction == Direction::kSendOnly);
  CHECK(answer.sections[1].direction == Direction::kSendOnly);
  CHECK(answer.sections[2].sctp_port == 5'000);
  CHECK(Peer(page.id)->consumers.size() == 2);
  CHECK(Peer(page.id)->producers.empty());
  // It cannot be offered anything more.
  Settle();
  CHECK(page.Descriptions("offer").empty());
}

TEST_CASE_METHOD(GstFixture, "GStreamer door: publishers of other doors are producers here") {
  GstClient& eye = Enter();
  eye.SetStatus(R"(["listener"])");
  auto ann = Connect("r", "ann");
  Join(ann);
  Produce(ann);
  REQUIRE(Until([&] { return Member(eye.Last("peerStatusChanged"), "peerId") == "ann"; }));
  CHECK(json::serialize(eye.Last("peerStatusChanged").at("roles")) == R"(["producer"])");
  eye.Say(R"({"type":"list"})");
  CHECK(json::serialize(eye.Last("list").at("producers").at(0).at("id")) == R"("ann")");
  const std::string session = See(eye, "ann");
  eye.Answer(session);
  CHECK(Until([&] { return worker().Count(Method::CONSUMER_RESUME) >= 1; }));
  ann.session->OnClosed();
  ann.session.reset();
  REQUIRE(Until([&] { return eye.Count("endSession") == 1; }));
  CHECK(eye.Session("endSession") == session);
  CHECK(Member(eye.Last("peerStatusChanged"), "peerId") == "ann");
  CHECK(json::serialize(eye.Last("peerStatusChanged").at("roles")) == "[]");
}

TEST_CASE_METHOD(GstFixture,
                 "GStreamer door: who comes later finds the publishers that are there") {
  auto ann = Connect("r", "ann");
  Join(ann);
  Produce(ann);
  GstClient& first = Enter();
  first.Say(R"({"type":"list"})");
  CHECK(first.Last("list").at("producers").get_array().size() == 1);
}

TEST_CASE_METHOD(GstFixture, "GStreamer door: a session that is lost ends alone") {
  GstClient& camera = Publish();
  GstClient& viewer = Enter();
  const std::string first = See(viewer, camera.id);
  const std::string transport = Peer(viewer.id)->transports.begin()->first;
  viewer.Answer(first);
  const std::string second = See(viewer, camera.id);
  worker().NotifyIceState(transport, FBS::WebRtcTransport::IceState::DISCONNECTED);
  REQUIRE(Until([&] { return viewer.Count("endSession") == 1; }));
  CHECK(viewer.Session("endSession") == first);
  CHECK(Peer(viewer.id)->transports.size() == 1);
  CHECK(viewer.socket->close_code == 0);
  viewer.Answer(second);
  CHECK(Until([&] { return worker().Count(Method::CONSUMER_RESUME) >= 2; }));
}

TEST_CASE_METHOD(GstFixture, "GStreamer door: a peer that is sent away hears why") {
  GstClient& camera = Publish();
  rooms.Find("r")->Kick(Peer(camera.id), "enough");
  CHECK(camera.socket->close_code == 4000);
  CHECK(camera.socket->close_reason == "enough");
  camera.Say(R"({"type":"list"})");  // after its end
  CHECK(camera.Count("list") == 0);
}

// ---- Control channels

TEST_CASE_METHOD(GstFixture, "GStreamer door: a consumer's navigation reaches the producer") {
  const std::string data = CorpusText("chrome-dc-offer");
  GstClient& camera = Publish(CorpusText("chrome-h264-offer"));  // with data channels
  const std::string ingest = Peer(camera.id)->transports.begin()->first;
  worker().NotifyChannel(ingest, ingest + "/channel0", 0, "control");
  REQUIRE(Until([&] { return worker().data_consumers.size() == 2; }));
  CHECK_FALSE(worker().data_consumers[1].opens_channel);  // it has opened it
  GstClient& viewer = Enter();
  const std::string session = See(viewer, camera.id);
  REQUIRE(viewer.Descriptions("offer").front().sections.size() == 3);
  viewer.Answer(session);
  REQUIRE(Until([&] { return worker().data_consumers.size() == 4; }));
  CHECK(worker().data_consumers[2].opens_channel);
  CHECK(worker().data_consumers[2].label == "control");
  Settle();
  // What the consumer says is heard on our transport.
  worker().NotifyMessage(worker().data_consumers[3].id, kPpidText,
                         R"({"id":5,"request":{"type":"navigationEvent","event":{}}})");
  REQUIRE(Until([&] { return worker().data_sent.size() == 1; }));
  CHECK_THAT(worker().data_sent[0], Catch::Contains(R"({"id":0,"request")"));
  worker().NotifyMessage(worker().data_consumers[0].id, kPpidText,
                         R"({"type":"ControlResponseMessage","id":0,"error":null})");
  REQUIRE(Until([&] { return worker().data_sent.size() == 2; }));
  CHECK_THAT(worker().data_sent[1], Catch::Contains(R"("id":5,"error":null)"));
  CHECK(counters->relayed == 2);
  worker().NotifyMessage(worker().data_consumers[3].id, kPpidText, "garbage");
  CHECK(Until([&] { return counters->not_relayed == 1; }));
}

TEST_CASE_METHOD(GstFixture, "GStreamer door: a control channel is nobody else's") {
  auto bob = Connect("r", "bob");
  Join(bob);
  GstClient& camera = Publish(CorpusText("chrome-h264-offer"));
  const std::string ingest = Peer(camera.id)->transports.begin()->first;
  worker().NotifyChannel(ingest, ingest + "/channel0", 0, "control");
  REQUIRE(Until([&] { return worker().data_consumers.size() == 2; }));
  Settle();
  CHECK(bob.Last("newDataConsumer") == nullptr);
}

TEST_CASE_METHOD(GstFixture, "GStreamer door: SCTP is for those alone who have agreed on it") {
  const auto has_sctp = [&](const GstClient& client) {
    return Peer(client.id)->transports.begin()->second->sctp;
  };
  const std::string offer = CorpusText("webrtcsink-offer");
  GstClient& camera = Publish(offer);
  CHECK_FALSE(has_sctp(camera));
  GstClient& viewer = Enter();
  See(viewer, camera.id);
  CHECK_FALSE(has_sctp(viewer));
  GstClient& page = Enter();
  page.Start(camera.id,
             sdp::Replaced(CorpusText("chrome-av-dc-offer"), "a=sendrecv", "a=recvonly"));
  REQUIRE(Until([&] { return page.Descriptions("answer").size() == 1; }));
  CHECK(has_sctp(page));

  // Too late for it.
  Description more = *sdp::ReadDescription(offer);
  sdp::Section data = sdp::FromCorpus("chrome-dc-offer").sections[0];
  data.mid = "more";
  more.bundle.push_back(data.mid);
  more.sections.push_back(std::move(data));
  camera.Describe(camera.Session("startSession"), "offer", sdp::WriteDescription(more));
  REQUIRE(Until([&] { return camera.Descriptions("answer").size() == 2; }));
  const Description answer = camera.Descriptions("answer").back();
  REQUIRE(answer.sections.size() == 3);
  CHECK(answer.sections[0].direction == Direction::kRecvOnly);
  CHECK(answer.sections[2].rejected());
}

TEST_CASE_METHOD(GstFixture, "GStreamer door: a consumer is offered the channels of its producer") {
  GstClient& camera = Publish(CorpusText("chrome-h264-offer"));  // with data channels
  GstClient& viewer = Enter();
  See(viewer, camera.id);
  REQUIRE(viewer.Descriptions("offer").back().sections.size() == 3);
  for (const GstClient* client : {&camera, &viewer}) {
    CHECK(Peer(client->id)->transports.begin()->second->sctp);
  }
}

// ---- Ends

TEST_CASE_METHOD(GstFixture, "GStreamer door: clients, sessions and rooms leave nothing behind") {
  std::weak_ptr<WebSocketEvents> camera_session;
  std::weak_ptr<Participant> camera_peer;
  std::weak_ptr<Room> room;
  {
    GstClient& camera = Publish();
    GstClient& viewer = Enter();
    See(viewer, camera.id);
    camera_session = camera.session;
    camera_peer = Peer(camera.id);
    room = rooms.Find("r");
    for (GstClient* client : {&camera, &viewer}) {
      client->session->OnClosed();
      client->session.reset();
    }
  }
  CHECK(Until([&] { return camera_session.expired() && camera_peer.expired(); }));
  CHECK(Until([&] { return room.expired(); }));
}

}  // namespace
}  // namespace sluice::controller
