#include "controller/signalling/sdp_session.h"

#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <catch2/catch.hpp>
#include <string>
#include <utility>
#include <vector>

#include "controller/sdp/reader.h"
#include "controller/sdp/writer.h"
#include "controller/signalling/sdp_gateway.h"
#include "tests/unit/controller/sdp/corpus.h"
#include "tests/unit/controller/signalling/room_fixture.h"

namespace sluice::controller {
namespace {

using sdp::CorpusText;
using sdp::Description;
using sdp::DescriptionType;
using sdp::Direction;
using sdp::Replaced;

/// A client's side of an SdpSession.
struct RecordingDialect : SdpDialect {
  void OnDescription(DescriptionType type, const Description& description) override {
    (type == DescriptionType::kOffer ? offers : answers).push_back(description);
  }
  void OnRefused(DescriptionType /*type*/, const Status& why) override {
    refused.emplace_back(why.message());
  }
  void OnEnded(EndReason reason, std::string_view /*text*/) override { ended = reason; }

  std::vector<Description> offers;
  std::vector<Description> answers;
  std::vector<std::string> refused;
  std::optional<EndReason> ended;
};

struct Client {
  std::shared_ptr<RecordingDialect> dialect = std::make_shared<RecordingDialect>();
  std::shared_ptr<SdpSession> session;

  void Offer(std::string text) { session->Take(DescriptionType::kOffer, std::move(text)); }
  /// Takes all of the newest offer, or with another direction.
  void Answer(const std::string& direction = "recvonly") {
    Description answer = dialect->offers.back();
    answer.ice_lite = false;
    for (sdp::Section& section : answer.sections) {
      section.setup = sdp::Setup::kActive;
      if (section.is_media()) {
        section.direction = section.direction == Direction::kSendOnly
                                ? *sdp::ParseDirection(direction)
                                : sdp::Reversed(section.direction);
      }
    }
    session->Take(DescriptionType::kAnswer, sdp::WriteDescription(answer));
  }
};

struct SdpSessionFixture : test::RoomFixture {
  Client Enter(const std::string& room_id, const std::string& peer_id) {
    auto room = Await(rooms.GetOrCreate(room_id));
    REQUIRE(room.ok());
    SdpClient identity;
    identity.peer_id = identity.display_name = peer_id;
    identity.address = identity.source = "192.0.2.1";
    SdpLimits limits;
    limits.budget = test::WithoutAnnouncementLimit().budget;
    Client client;
    client.session = std::make_shared<SdpSession>(*room, std::move(identity), limits);
    REQUIRE(client.session->Enter(client.dialect).ok());
    sessions.push_back(client.session);
    return client;
  }
  ~SdpSessionFixture() {
    for (const auto& session : sessions) session->Leave();
  }
  bool Answered(const Client& client, size_t count) {
    return Until([&] { return client.dialect->answers.size() == count; });
  }
  bool Offered(const Client& client, size_t count) {
    return Until([&] { return client.dialect->offers.size() == count; });
  }
  test::FakeWorker& worker() { return *launcher.workers.back(); }
  size_t Count(FBS::Request::Method method) { return worker().Count(method); }

  std::vector<std::shared_ptr<SdpSession>> sessions;
};

const std::string& Browser() {
  static const std::string offer = CorpusText("chrome-av-dc-offer");
  return offer;
}

TEST_CASE_METHOD(SdpSessionFixture, "SDP session: audio, video and data in one offer") {
  Client ann = Enter("r", "ann");
  ann.Offer(CorpusText("chrome-h264-offer"));
  REQUIRE(Answered(ann, 1));
  const Description& answer = ann.dialect->answers[0];
  CHECK(answer.sections[0].direction == Direction::kRecvOnly);
  CHECK(answer.sections[1].formats == std::vector<std::string>{"106"});
  CHECK(answer.sections[2].sctp_port == 5'000);
  CHECK(rooms.Find("r")->FindPeer("ann")->producers.size() == 2);
  Settle();
  CHECK(ann.dialect->offers.empty());  // nothing to offer
  CHECK(ann.dialect->refused.empty());
}

TEST_CASE_METHOD(SdpSessionFixture, "SDP session: what is under way ends with the session") {
  worker().ignore = {FBS::Request::Method::ROUTER_CREATE_WEBRTCTRANSPORT};
  Client ann = Enter("r", "ann");
  ann.Offer(Browser());
  REQUIRE(Until([&] { return Count(FBS::Request::Method::ROUTER_CREATE_WEBRTCTRANSPORT) == 1; }));
  const std::weak_ptr<SdpSession> session = ann.session;
  SECTION("its client leaves") { ann.session->Leave(); }
  SECTION("the room ends") { rooms.CloseAll(); }
  sessions.clear();
  ann.session.reset();
  CHECK_FALSE(session.expired());  // its task has it
  Settle();
  CHECK(session.expired());
  CHECK(ann.dialect->answers.empty());
}

TEST_CASE_METHOD(SdpSessionFixture, "SDP session: what others publish is offered at once") {
  Client ann = Enter("r", "ann");
  ann.Offer(Browser());
  REQUIRE(Answered(ann, 1));
  Client bob = Enter("r", "bob");
  bob.Offer(Browser());
  REQUIRE(Answered(bob, 1));
  REQUIRE(Offered(bob, 1));
  REQUIRE(Offered(ann, 1));
  const Description& offer = ann.dialect->offers[0];
  REQUIRE(offer.sections.size() == 5);
  CHECK(offer.version == 1);
  CHECK(offer.session_id == ann.dialect->answers[0].session_id);
  CHECK(offer.bundle == std::vector<std::string>{"0", "1", "2", "s0", "s1"});
  for (size_t i = 0; i < 5; ++i) CHECK(offer.sections[i].setup == sdp::Setup::kActpass);
  CHECK(offer.sections[1].direction == Direction::kRecvOnly);
  for (size_t i = 3; i < 5; ++i) {
    CHECK(offer.sections[i].direction == Direction::kSendOnly);
    CHECK(offer.sections[i].msid.starts_with("bob "));
  }
  // Paused until they are answered.
  CHECK(Count(FBS::Request::Method::CONSUMER_RESUME) == 0);
  ann.Answer();
  CHECK(Until([&] { return Count(FBS::Request::Method::CONSUMER_RESUME) == 2; }));
  Settle();
  CHECK(ann.dialect->offers.size() == 1);
  CHECK(worker().consumer_mixed == std::vector<bool>(4, true));
}

TEST_CASE_METHOD(SdpSessionFixture,
                 "SDP session: who does not take both forms of extensions is sent one") {
  Client ann = Enter("r", "ann");
  ann.Offer(Replaced(Browser(), "a=extmap-allow-mixed\r\n", ""));
  REQUIRE(Answered(ann, 1));
  Client bob = Enter("r", "bob");
  bob.Offer(Browser());
  REQUIRE(Answered(bob, 1));
  REQUIRE(Offered(bob, 1));
  REQUIRE(Offered(ann, 1));
  REQUIRE(worker().consumer_mixed.size() == 4);
  CHECK(std::count(worker().consumer_mixed.begin(), worker().consumer_mixed.end(), true) == 2);
  CHECK_FALSE(ann.dialect->offers[0].extmap_allow_mixed);
}

TEST_CASE_METHOD(SdpSessionFixture, "SDP session: sections of what has ended are used again") {
  Client ann = Enter("r", "ann");
  ann.Offer(Browser());
  REQUIRE(Answered(ann, 1));
  for (size_t round = 0; round < 3; ++round) {
    Client bob = Enter("r", "bob");
    bob.Offer(Browser());
    REQUIRE(Offered(ann, 2 * round + 1));
    CHECK(ann.dialect->offers.back().sections.size() == 5);
    CHECK(ann.dialect->offers.back().sections[3].direction == Direction::kSendOnly);
    ann.Answer();
    Settle();
    bob.session->Leave();
    REQUIRE(Offered(ann, 2 * round + 2));
    CHECK(ann.dialect->offers.back().sections.size() == 5);
    CHECK(ann.dialect->offers.back().sections[3].direction == Direction::kInactive);
    CHECK(ann.dialect->offers.back().sections[3].mid == "s0");
    ann.Answer();
    Settle();
  }
}

TEST_CASE_METHOD(SdpSessionFixture, "SDP session: when both offer, the client's counts") {
  Client ann = Enter("r", "ann");
  ann.Offer(Browser());
  REQUIRE(Answered(ann, 1));
  Client bob = Enter("r", "bob");
  bob.Offer(Browser());
  REQUIRE(Offered(ann, 1));
  // It has not seen ours: its own has one more section of its own.
  std::string more = Replaced(Browser(), "a=group:BUNDLE 0 1 2", "a=group:BUNDLE 0 1 2 3");
  std::string audio = Browser().substr(Browser().find("m=audio"));
  audio = audio.substr(0, audio.find("m=video"));
  audio = Replaced(Replaced(audio, "a=mid:0", "a=mid:3"), "1718950437", "1718950438");
  ann.Offer(more + audio);
  REQUIRE(Answered(ann, 2));
  CHECK(ann.dialect->answers[1].sections.size() == 4);
  CHECK(ann.dialect->refused.empty());
  REQUIRE(Offered(ann, 2));
  CHECK(ann.dialect->offers[1].sections.size() == 6);
  CHECK(rooms.Find("r")->FindPeer("ann")->producers.size() == 3);
  CHECK(rooms.Find("r")->FindPeer("ann")->consumers.size() == 2);
}

TEST_CASE_METHOD(SdpSessionFixture, "SDP session: a section that is not taken has no consumer") {
  Client ann = Enter("r", "ann");
  ann.Offer(Browser());
  REQUIRE(Answered(ann, 1));
  Client bob = Enter("r", "bob");
  bob.Offer(Browser());
  REQUIRE(Offered(ann, 1));
  ann.Answer("inactive");
  CHECK(Until([&] { return rooms.Find("r")->FindPeer("ann")->consumers.empty(); }));
  CHECK(Count(FBS::Request::Method::CONSUMER_RESUME) == 0);
}

TEST_CASE_METHOD(SdpSessionFixture, "SDP session: later offers change what is sent") {
  Client ann = Enter("r", "ann");
  ann.Offer(Browser());
  REQUIRE(Answered(ann, 1));
  const auto room = rooms.Find("r");
  const auto producers = [&] { return room->FindPeer("ann")->producers.size(); };
  // The same again: nothing happens.
  ann.Offer(Browser());
  REQUIRE(Answered(ann, 2));
  CHECK(Count(FBS::Request::Method::TRANSPORT_PRODUCE) == 2);
  CHECK(Count(FBS::Request::Method::TRANSPORT_RESTART_ICE) == 0);
  // No video.
  std::string quiet = Browser();
  const size_t video = quiet.find("a=sendrecv", quiet.find("m=video"));
  quiet.replace(video, 10, "a=inactive");
  ann.Offer(quiet);
  REQUIRE(Answered(ann, 3));
  CHECK(producers() == 1);
  CHECK(ann.dialect->answers[2].sections[1].direction == Direction::kInactive);
  // And back, from another sender.
  ann.Offer(Replaced(Browser(), "670690924", "670690925"));
  REQUIRE(Answered(ann, 4));
  CHECK(producers() == 2);
  // New credentials: an ICE restart, DTLS stays.
  ann.Offer(Replaced(Replaced(Browser(), "J5m9", "K6n0"), "Qmi4ak9lkB9hkWGoO+lUe1AY",
                     "Rnj5bl0mlC0ilXHpP+mVf2BZ"));
  REQUIRE(Answered(ann, 5));
  CHECK(Count(FBS::Request::Method::TRANSPORT_RESTART_ICE) == 1);
  CHECK(Count(FBS::Request::Method::WEBRTCTRANSPORT_CONNECT) == 1);
  CHECK(ann.dialect->answers[4].version == 4);
}

TEST_CASE_METHOD(SdpSessionFixture, "SDP session: descriptions that make no sense change nothing") {
  Client ann = Enter("r", "ann");
  ann.session->Take(DescriptionType::kAnswer, Browser());
  ann.Offer("nonsense");
  ann.Offer(Replaced(Browser(), "a=ice-ufrag:J5m9\r\n", ""));
  CHECK(Until([&] { return ann.dialect->refused.size() == 3; }));
  CHECK_THAT(ann.dialect->refused[0], Catch::Contains("no offer waits for an answer"));
  CHECK_THAT(ann.dialect->refused[1], Catch::Contains("SDP line 1"));
  ann.Offer(Browser());
  REQUIRE(Answered(ann, 1));
  ann.Offer(CorpusText("chrome-dc-offer"));
  CHECK(Until([&] { return ann.dialect->refused.size() == 4; }));
  CHECK_THAT(ann.dialect->refused[3], Catch::Contains("there are 3 in this session"));
  ann.Offer(Replaced(Replaced(Browser(), "a=mid:1", "a=mid:7"), "BUNDLE 0 1 2", "BUNDLE 0 7 2"));
  REQUIRE(Until([&] { return ann.dialect->refused.size() == 5; }));
  CHECK_THAT(ann.dialect->refused[4], Catch::Contains("SDP section 1 is 7: it was 1"));
  CHECK(rooms.Find("r")->FindPeer("ann")->producers.size() == 2);
  for (size_t i = 0; i < 2 * SdpSession::kMaxWaiting; ++i) ann.Offer("nonsense");
  CHECK(Until([&] { return ann.dialect->refused.size() == 5 + 2 * SdpSession::kMaxWaiting; }));
}

TEST_CASE_METHOD(SdpSessionFixture,
                 "SDP session: a client that never answers is told of no more than there are") {
  Client ann = Enter("r", "ann");
  ann.Offer(Browser());
  REQUIRE(Answered(ann, 1));
  Client silent = Enter("r", "silent");
  silent.Offer(CorpusText("chrome-dc-offer"));
  REQUIRE(Offered(silent, 1));
  for (int i = 0; i < 8; ++i) {
    Client guest = Enter("r", "guest" + std::to_string(i));
    guest.Offer(Browser());
    REQUIRE(Answered(guest, 1));
    REQUIRE(Until([&] { return silent.session->wanted() > 0; }));
    Settle();
    CHECK(silent.session->wanted() <= 2);  // the guest's audio and video
    guest.session->Leave();
    Settle();
  }
  CHECK(silent.dialect->offers.size() == 1);
}

TEST_CASE_METHOD(SdpSessionFixture,
                 "SDP session: who has described data alone is sent what there is") {
  Client ann = Enter("r", "ann");
  ann.Offer(Browser());
  REQUIRE(Answered(ann, 1));
  Client viewer = Enter("r", "viewer");
  viewer.Offer(CorpusText("chrome-dc-offer"));
  REQUIRE(Answered(viewer, 1));
  REQUIRE(Offered(viewer, 1));
  REQUIRE(viewer.dialect->offers[0].sections.size() == 3);
  viewer.Answer();
  CHECK(Until([&] { return Count(FBS::Request::Method::CONSUMER_RESUME) == 2; }));
}

TEST_CASE_METHOD(SdpSessionFixture,
                 "SDP session: channels that one opens are opened to the others") {
  Client ann = Enter("r", "ann");
  ann.Offer(CorpusText("chrome-dc-offer"));
  REQUIRE(Answered(ann, 1));
  const std::string transport = ann.session->peer().transport()->id;
  Client bob = Enter("r", "bob");
  bob.Offer(CorpusText("chrome-dc-offer"));
  REQUIRE(Answered(bob, 1));
  worker().NotifyChannel(transport, transport + "/channel0", 0, "chat");
  const auto chat = [&] {
    const auto& all = worker().data_consumers;
    return std::find_if(all.begin(), all.end(),
                        [](const auto& each) { return each.label == "chat"; });
  };
  REQUIRE(Until([&] { return chat() != worker().data_consumers.end(); }));
  CHECK(chat()->producer_id == transport + "/channel0");
  CHECK(chat()->opens_channel);
  // The client begins DTLS, so that even numbers are its own.
  CHECK(chat()->stream_id % 2 == 1);
  const auto room = rooms.Find("r");
  CHECK(room->FindPeer("ann")->data_producers.size() == 1);
  worker().NotifyChannelClosed(transport, transport + "/channel0");
  CHECK(Until([&] { return room->FindPeer("ann")->data_producers.empty(); }));
  CHECK(room->FindDataProducer(transport + "/channel0") == nullptr);
}

TEST_CASE_METHOD(SdpSessionFixture, "SDP session: a channel whose label is no UTF-8 is closed") {
  Client ann = Enter("r", "ann");
  ann.Offer(CorpusText("chrome-dc-offer"));
  REQUIRE(Answered(ann, 1));
  const std::string transport = ann.session->peer().transport()->id;
  worker().NotifyChannel(transport, transport + "/channel0", 0, "chat\xff");
  worker().NotifyChannel(transport, transport + "/channel2", 2, "chat");
  const auto room = rooms.Find("r");
  REQUIRE(Until([&] { return room->FindDataProducer(transport + "/channel2") != nullptr; }));
  CHECK(room->FindDataProducer(transport + "/channel0") == nullptr);
}

TEST_CASE_METHOD(SdpSessionFixture, "SDP session: it ends with its peer, and the other way round") {
  Client ann = Enter("r", "ann");
  ann.Offer(Browser());
  REQUIRE(Answered(ann, 1));
  rooms.Find("r")->Kick(rooms.Find("r")->FindPeer("ann"), "enough");
  CHECK(ann.dialect->ended == EndReason::kForGood);
  ann.Offer(Browser());
  Settle();
  CHECK(ann.dialect->answers.size() == 1);
  Client bob = Enter("r", "bob");
  bob.session->Leave();
  CHECK_FALSE(bob.dialect->ended);
  CHECK((!rooms.Find("r") || !rooms.Find("r")->FindPeer("bob")));
}

// ---- Over a WebSocket

struct SdpSocketFixture : SdpSessionFixture {
  SdpGateway sdp{&rooms, RequestAuth(), DoorLimits{}};

  UpgradeDecision Open(const std::string& query) {
    HttpRequest request;
    request.method = "GET";
    request.client_ip = request.source = "192.0.2.1";
    request.websocket_protocols = "any, other";
    ParseTarget("/sdp?" + query, &request);
    return Await(sdp.Upgrade(std::move(request)));
  }
};

std::string Message(const std::string& type, const std::string& text) {
  return boost::json::serialize(boost::json::object{{"sessionId", "mine"},
                                                    {"type", type},
                                                    {"sdp", text},
                                                    {"candidate", nullptr},
                                                    {"sdpMid", nullptr},
                                                    {"sdpMLineIndex", nullptr}});
}

TEST_CASE_METHOD(SdpSocketFixture, "SDP WebSocket: the envelope, both ways") {
  const UpgradeDecision decision = Open("roomId=r&peerId=ann&candidates=true");
  REQUIRE(decision.session);
  CHECK(decision.subprotocol == "any");
  const auto socket = std::make_shared<test::FakeSocket>();
  decision.session->OnOpen(socket);
  decision.session->OnText(Message("offer", Browser()));
  CHECK(Until([&] { return socket->messages.size() == 2; }));
  const auto& answer = socket->messages[0];
  CHECK(answer.size() == 6);
  CHECK(answer.at("sessionId") == "mine");
  CHECK(answer.at("type") == "answer");
  CHECK(answer.at("candidate").is_null());
  CHECK(sdp::ReadDescription(std::string(answer.at("sdp").as_string())).ok());
  const auto& candidate = socket->messages[1];
  CHECK(candidate.at("type") == "candidate");
  CHECK(candidate.at("sdp").is_null());
  CHECK(candidate.at("sdpMid") == "0");
  CHECK(candidate.at("sdpMLineIndex") == 0);
  CHECK(sdp::ParseCandidate(std::string(candidate.at("candidate").as_string())));

  decision.session->OnText(R"({"sessionId":"mine","type":"candidate","candidate":""})");
  decision.session->OnText("no json");
  decision.session->OnText(R"({"sessionId":"other","type":"bye"})");
  decision.session->OnText(R"({"type":"what"})");
  CHECK(socket->messages.size() == 5);
  for (size_t i = 2; i < 5; ++i) CHECK(socket->messages[i].at("type") == "error");
  decision.session->OnText(R"({"type":"bye"})");
  CHECK(socket->close_code == 1000);
  decision.session->OnClosed();
}

TEST_CASE_METHOD(SdpSocketFixture, "SDP WebSocket: names are UTF-8, and not cut") {
  for (const std::string& wrong :
       {std::string("%FF"), std::string("a%C3"), std::string(257, 'x')}) {
    INFO(wrong);
    const HttpResponse refused = Open("roomId=r&peerId=p&displayName=" + wrong).rejection;
    CHECK(refused.status == 400);
    CHECK_THAT(refused.body, Catch::Contains("displayName"));
  }
  CHECK(Open("roomId=r&peerId=p&displayName=%C3%A9" + std::string(254, 'x')).session);
}

TEST_CASE_METHOD(SdpSocketFixture, "SDP WebSocket: a client whose descriptions wait is not read") {
  const UpgradeDecision decision = Open("roomId=r&peerId=ann");
  REQUIRE(decision.session);
  const auto socket = std::make_shared<test::FakeSocket>();
  decision.session->OnOpen(socket);
  decision.session->OnText(Message("offer", Browser()));
  REQUIRE(Until([&] { return socket->messages.size() == 1; }));
  CHECK_FALSE(socket->paused);
  worker().hold = true;
  const std::string other = Replaced(Browser(), "a=sendrecv", "a=recvonly");
  size_t sent = 0;
  for (; sent < 10 && !socket->paused; ++sent) decision.session->OnText(Message("offer", other));
  CHECK(sent < 4);
  CHECK(socket->paused);
  Settle();
  CHECK(socket->paused);
  worker().hold = false;
  worker().Release();
  CHECK(Until([&] { return !socket->paused; }));
  CHECK(Until([&] { return socket->messages.size() == 1 + sent; }));
  decision.session->OnClosed();
}

TEST_CASE_METHOD(SdpSocketFixture, "SDP WebSocket: a client that does not read is not read") {
  const UpgradeDecision decision = Open("roomId=r&peerId=ann");
  const auto socket = std::make_shared<test::FakeSocket>();
  decision.session->OnOpen(socket);
  socket->full = true;
  decision.session->OnText("{}");
  CHECK(socket->paused);
  socket->full = false;
  decision.session->OnDrained();
  CHECK_FALSE(socket->paused);
  decision.session->OnClosed();
}

TEST_CASE_METHOD(SdpSocketFixture, "SDP WebSocket: what all clients of an address may ask") {
  SourceBudget::Limits few;
  few.requests_per_second = 1;
  DoorLimits limits;
  limits.sdp.budget = std::make_shared<SourceBudget>(few);
  sdp = SdpGateway(&rooms, RequestAuth(), limits);
  const UpgradeDecision decision = Open("roomId=r&peerId=ann");
  const auto socket = std::make_shared<test::FakeSocket>();
  decision.session->OnOpen(socket);
  for (int i = 0; i < 50; ++i) decision.session->OnText(R"({"type":"candidate"})");
  REQUIRE_FALSE(socket->messages.empty());
  CHECK_THAT(std::string(socket->messages.back().at("reason").as_string()),
             Catch::Contains("maxRequestsPerSecondPerIp"));
  CHECK(limits.sdp.budget->refused().requests == socket->messages.size());
  decision.session->OnClosed();
}

TEST_CASE_METHOD(SdpSocketFixture, "SDP WebSocket: who is not let in") {
  CHECK(Open("roomId=r").rejection.status == 400);
  CHECK(Open("peerId=p").rejection.status == 400);
  CHECK(Open("roomId=r&peerId=a%20b").rejection.status == 400);
  CHECK(Open("roomId=r&peerId=p&mode=what").rejection.status == 400);
  const UpgradeDecision decision = Open("roomId=r&peerId=p");
  REQUIRE(decision.session);
  const auto socket = std::make_shared<test::FakeSocket>();
  decision.session->OnOpen(socket);
  for (int i = 0; i < 101; ++i) decision.session->OnText("{}");
  CHECK(socket->close_code == 1008);
  CHECK_THAT(socket->close_reason, Catch::Contains("maxRequestsPerSecond"));
  decision.session->OnClosed();
}

}  // namespace
}  // namespace sluice::controller
