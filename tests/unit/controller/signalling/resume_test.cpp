// A client whose WebSocket is lost comes back as the peer that it was (docs/protocols/room-api.md
// §9).
#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <catch2/catch.hpp>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "controller/room/subscriber.h"
#include "tests/unit/controller/captured_log.h"
#include "tests/unit/controller/signalling/room_fixture.h"

namespace sluice::controller {
namespace {

namespace json = boost::json;
using FBS::Request::Method;
using std::chrono::milliseconds;
using test::CapturedLog;
using test::FakeClient;
using test::FakeWorker;
using test::RoomFixture;

std::string Text(const json::value& value) { return value.as_string().c_str(); }

size_t CountOf(const FakeClient& client, std::string_view method) {
  const auto names = client.Names();
  return static_cast<size_t>(std::count(names.begin(), names.end(), method));
}

class ResumeFixture : public RoomFixture {
 public:
  explicit ResumeFixture(const Options& options = {}) : RoomFixture(options) {}

  /// Joins; asks for a resume token. The token, "" when there is none.
  std::string JoinResumable(FakeClient& client, bool resume = true) {
    Ask(client, "createWebRtcTransport", R"({"producing":true,"enableSctp":true})");
    Ask(client, "createWebRtcTransport", R"({"consuming":true,"enableSctp":true})");
    const json::object reply = Ask(
        client, "join",
        std::string(R"({"displayName":"N","device":{},"enableSctp":true,"resume":)") +
            (resume ? "true" : "false") + R"(,"rtpCapabilities":)" + test::kOpusCapabilities + "}");
    REQUIRE(reply.contains("ok"));
    const json::value* token = reply.at("data").as_object().if_contains("resumeToken");
    return token ? Text(*token) : "";
  }
  /// The WebSocket is lost, without a word.
  static void Lose(FakeClient& client) {
    client.session->OnClosed();
    client.session.reset();
  }
  /// The response to a request `resume` over a new connection.
  json::object Resume(FakeClient& client, const std::string& token, const std::string& more = "") {
    return Ask(client, "resume", R"({"resumeToken":")" + token + "\"" + more + "}");
  }
  FakeWorker& worker() { return *launcher.workers.back(); }
  const RoomCounters& counted() const { return rooms.room_counters(); }
};

TEST_CASE_METHOD(ResumeFixture,
                 "resume: the same peer, the same consumers; the others see nothing") {
  FakeClient other = Connect("r", "other");
  JoinResumable(other, false);
  const std::string heard = Produce(other);
  FakeClient before = Connect("r", "p");
  const std::string token = JoinResumable(before);
  CHECK(token.size() == Room::kResumeTokenLength);
  CHECK(before.Response(3)->at("data").at("resumeGrace") == 30);
  const std::string sent = Produce(before);
  REQUIRE(Until([&] { return before.Last("newConsumer") != nullptr; }));
  REQUIRE(Until([&] { return before.Last("newDataConsumer") != nullptr; }));
  const std::string consumer = Text(before.Last("newConsumer")->at("data").at("id"));
  before.AcceptAll();
  REQUIRE(Until([&] { return worker().Count(Method::CONSUMER_RESUME) == 1; }));
  other.AcceptAll();
  Settle();
  const size_t told = other.socket->messages.size();
  const size_t asked = worker().received.size();

  Lose(before);
  CHECK(rooms.CountPeople().away == 1);
  FakeClient after = Connect("r", "p");
  const json::object reply = Resume(after, token);
  REQUIRE(reply.contains("ok"));
  const json::object& state = reply.at("data").as_object();
  CHECK(Text(state.at("resumeToken")) != token);
  CHECK(Text(state.at("resumeToken")).size() == token.size());
  CHECK(state.at("peers").at(0).at("id") == "other");
  CHECK(state.at("producers").at(0).at("id").as_string() == sent);
  CHECK(state.at("consumers").as_array().size() == 1);
  CHECK(state.at("consumers").at(0).at("id").as_string() == consumer);
  CHECK(state.at("consumers").at(0).at("producerId").as_string() == heard);
  CHECK(state.at("consumers").at(0).at("producerPaused") == false);
  CHECK(state.at("dataConsumers").as_array().size() == 1);
  Settle();
  CHECK(CountOf(after, "newConsumer") == 0);
  CHECK(worker().received.size() == asked);  // nothing is asked of the worker, no key frame either
  CHECK(other.socket->messages.size() == told);
  CHECK(after.socket->kept);
  CHECK(rooms.CountPeople().away == 0);
  CHECK(rooms.CountPeople().peers == 2);
  CHECK(counted().resumed == 1);
  // It goes on.
  CHECK(Ask(after, "pauseConsumer", R"({"consumerId":")" + consumer + "\"}").contains("ok"));
  CHECK(Ask(after, "pauseProducer", R"({"producerId":")" + sent + "\"}").contains("ok"));
  FakeClient late = Connect("r", "late");
  JoinResumable(late, false);
  Produce(late);
  CHECK(
      Until([&] { return CountOf(after, "newConsumer") == 1 && CountOf(after, "newPeer") == 1; }));
}

TEST_CASE("resume: who comes too late is a new peer") {
  ResumeFixture fixture(
      {.resume_grace = milliseconds(5), .protoo = test::WithoutAnnouncementLimit()});
  FakeClient other = fixture.Connect("r", "other");
  fixture.JoinResumable(other, false);
  FakeClient before = fixture.Connect("r", "p");
  const std::string token = fixture.JoinResumable(before);
  fixture.Lose(before);
  CHECK(other.Last("peerClosed") == nullptr);
  REQUIRE(fixture.Until([&] { return other.Last("peerClosed") != nullptr; }));
  CHECK(fixture.counted().not_resumed == 1);
  FakeClient after = fixture.Connect("r", "p");
  const json::object reply = fixture.Resume(after, token);
  CHECK(reply.at("errorCode").to_number<int>() == 404);
  CHECK_THAT(Text(reply.at("errorReason")), Catch::Contains("resumeGrace"));
  CHECK(after.socket->close_code == 0);
  fixture.JoinResumable(after);
  CHECK(fixture.Until([&] { return CountOf(other, "newPeer") == 2; }));
}

TEST_CASE_METHOD(ResumeFixture, "resume: who did not ask for it leaves at once, as ever") {
  FakeClient other = Connect("r", "other");
  JoinResumable(other, false);
  FakeClient plain = Connect("r", "p");
  CHECK(JoinResumable(plain, false).empty());
  Lose(plain);
  CHECK(other.Last("peerClosed") != nullptr);
  CHECK(rooms.CountPeople().away == 0);
}

TEST_CASE("resume: off means off") {
  ResumeFixture fixture(
      {.resume_grace = milliseconds(0), .protoo = test::WithoutAnnouncementLimit()});
  FakeClient client = fixture.Connect("r", "p");
  CHECK(fixture.JoinResumable(client).empty());
  fixture.Lose(client);
  CHECK(fixture.rooms.size() == 0);
}

TEST_CASE_METHOD(ResumeFixture, "resume: a client that closes its connection has left") {
  struct Row {
    uint16_t code;
    bool left;
  };
  for (const Row& row :
       {Row{1000, true}, Row{1001, true}, Row{1005, true}, Row{1012, false}, Row{4001, false}}) {
    INFO(row.code);
    FakeClient client = Connect("r", "p");
    JoinResumable(client);
    client.session->OnLeft(row.code);
    Lose(client);
    CHECK(rooms.CountPeople().peers == (row.left ? 0 : 1));
    rooms.CloseAll();
    Settle();
  }
}

TEST_CASE_METHOD(ResumeFixture,
                 "resume: a token counts once, and the one before until the new one is known") {
  FakeClient client = Connect("r", "p");
  const std::string first = JoinResumable(client);
  Lose(client);
  FakeClient second = Connect("r", "p");
  CHECK(Resume(second, first).contains("ok"));
  // The answer was lost with the connection: the client still has the first.
  Lose(second);
  FakeClient third = Connect("r", "p");
  const json::object reply = Resume(third, first);
  REQUIRE(reply.contains("ok"));
  const std::string newest = Text(reply.at("data").at("resumeToken"));
  CHECK(Ask(third, "getRouterRtpCapabilities").contains("ok"));  // it has come
  Lose(third);
  FakeClient thief = Connect("r", "p");
  CHECK(Resume(thief, first).at("errorCode").to_number<int>() == 403);
  CHECK(Resume(thief, newest).contains("ok"));
  CHECK(counted().resume_refused == 1);
}

TEST_CASE_METHOD(ResumeFixture,
                 "resume: the old connection may seem alive, and another address is none") {
  FakeClient half_open = Connect("r", "p");
  const std::string token = JoinResumable(half_open);
  const std::string producer = Produce(half_open);
  caller.address = "198.51.100.7";
  FakeClient client = Connect("r", "p");
  CHECK(half_open.socket->close_code == 0);
  CHECK(Resume(client, token).contains("ok"));
  CHECK(half_open.socket->close_code == kCloseForGood);
  Lose(half_open);
  CHECK(rooms.CountPeople().peers == 1);
  CHECK(rooms.CountPeople().away == 0);
  CHECK(Ask(client, "pauseProducer", R"({"producerId":")" + producer + "\"}").contains("ok"));
}

TEST_CASE_METHOD(ResumeFixture, "resume: the stage moves with who has it") {
  FakeClient anchor = Connect("r", "anchor", "&mode=live");
  const std::string token = JoinResumable(anchor);
  Produce(anchor);
  Lose(anchor);
  caller.address = "198.51.100.7";
  FakeClient again = Connect("r", "anchor");
  const json::object reply = Resume(again, token);
  REQUIRE(reply.contains("ok"));
  const std::string transport = Text(anchor.Response(1)->at("data").at("id"));
  CHECK(Ask(again, "produce",
            R"({"transportId":")" + transport + R"(","kind":"audio","rtpParameters":)" +
                test::kOpusParameters + "}")
            .contains("ok"));
}

TEST_CASE_METHOD(ResumeFixture,
                 "resume: nobody takes the place of a peer without its token, from no address") {
  FakeClient other = Connect("r", "other");
  JoinResumable(other, false);
  FakeClient owner = Connect("r", "p");
  const std::string token = JoinResumable(owner);
  const bool away = GENERATE(false, true);
  INFO(away);
  if (away) Lose(owner);
  for (const char* address : {"198.51.100.7", "192.0.2.1"}) {
    INFO(address);
    caller.address = address;
    FakeClient stranger = Connect("r", "p");
    CHECK(stranger.socket->close_code == 0);  // it may be the client itself
    stranger.Send("join", R"({"displayName":"S","device":{}})");
    CHECK(stranger.socket->close_code == kCloseReconnect);
    CHECK_THAT(stranger.socket->close_reason, Catch::Contains("its resumeToken"));
  }
  CHECK(owner.socket->close_code == 0);
  CHECK(other.Last("peerClosed") == nullptr);
  CHECK(CountOf(other, "newPeer") == 1);
  FakeClient back = Connect("r", "p");
  CHECK(Resume(back, token).contains("ok"));
}

TEST_CASE("resume: a peer that has asked for no token is replaced, or not, by option") {
  const bool needs_token = GENERATE(false, true);
  INFO(needs_token);
  RoomFixture::Options options;
  options.takeover_needs_token = needs_token;
  ResumeFixture fixture(options);
  FakeClient plain = fixture.Connect("r", "p");
  fixture.JoinResumable(plain, false);
  fixture.caller.address = "198.51.100.7";
  FakeClient stranger = fixture.Connect("r", "p");
  CHECK(stranger.socket->close_code == kCloseReconnect);
  CHECK(plain.socket->close_code == 0);
  fixture.caller.address = "192.0.2.1";
  FakeClient second = fixture.Connect("r", "p");
  CHECK(second.socket->close_code == (needs_token ? kCloseReconnect : 0));
  CHECK(plain.socket->close_code == (needs_token ? 0 : kCloseForGood));
  if (needs_token) {
    CHECK_THAT(second.socket->close_reason, Catch::Contains("takeoverNeedsToken"));
  } else {
    CHECK(fixture.Ask(second, "getRouterRtpCapabilities").contains("ok"));
  }
}

TEST_CASE_METHOD(ResumeFixture, "resume: who has left, or has come too late, may come anew") {
  FakeClient client = Connect("r", "p");
  JoinResumable(client);
  FakeClient next = Connect("r", "p");
  client.session->OnLeft(1000);
  Lose(client);
  CHECK(next.socket->close_code == kCloseReconnect);  // the room has ended
  FakeClient again = Connect("r", "p");
  CHECK_FALSE(JoinResumable(again).empty());
}

TEST_CASE_METHOD(ResumeFixture, "resume: what was missed comes as it is now") {
  FakeClient other = Connect("r", "other");
  JoinResumable(other, false);
  const std::string first = Produce(other);
  const std::string second = Produce(other);
  FakeClient before = Connect("r", "p");
  const std::string token = JoinResumable(before);
  REQUIRE(Until([&] { return CountOf(before, "newConsumer") == 2; }));
  std::map<std::string, std::string> consumers;  // by producer
  for (const json::object& message : before.socket->messages) {
    if (!message.contains("request") || message.at("method") != "newConsumer") continue;
    consumers[Text(message.at("data").at("producerId"))] = Text(message.at("data").at("id"));
  }
  before.AcceptAll();
  REQUIRE(Until([&] { return worker().Count(Method::CONSUMER_RESUME) == 2; }));
  const std::string own = Produce(before);
  Lose(before);
  // One ends, one is paused, one is new, and somebody comes and goes.
  CHECK(Ask(other, "closeProducer", R"({"producerId":")" + first + "\"}").contains("ok"));
  worker().Notify(consumers[second], FBS::Notification::Event::CONSUMER_PRODUCER_PAUSE);
  worker().NotifyScore(consumers[second], 7);
  worker().NotifyProducerScore(own, 4);
  worker().NotifyProducerScore(own, 3);  // the second within a second
  const std::string third = Produce(other);
  {
    FakeClient guest = Connect("r", "guest");
    JoinResumable(guest, false);
  }
  FakeClient stays = Connect("r", "stays");
  JoinResumable(stays, false);
  Settle();
  CHECK(worker().Count(Method::TRANSPORT_CONSUME) == 9);  // 2, 1, 3 and 3; none while away

  FakeClient after = Connect("r", "p");
  const json::object reply =
      Resume(after, token,
             R"(,"consumerIds":[")" + consumers[first] + R"(",")" + consumers[second] + "\"]");
  REQUIRE(reply.contains("ok"));
  const json::array& now = reply.at("data").at("consumers").as_array();
  REQUIRE(now.size() == 1);
  CHECK(Text(now[0].at("id")) == consumers[second]);
  CHECK(now[0].at("producerPaused") == true);
  CHECK(now[0].at("score").at("score") == 7);
  CHECK(json::serialize(reply.at("data").at("producers")) ==
        R"([{"id":")" + own +
            R"(","paused":false,"score":[{"encodingIdx":0,"ssrc":1111,"score":3,"rid":"r0"}]}])");
  CHECK(reply.at("data").at("peers").as_array().size() == 2);
  REQUIRE(Until([&] { return after.Last("consumerClosed") != nullptr; }));
  CHECK(Text(after.Last("consumerClosed")->at("data").at("consumerId")) == consumers[first]);
  REQUIRE(Until([&] { return after.Last("newConsumer") != nullptr; }));
  CHECK(Text(after.Last("newConsumer")->at("data").at("producerId")) == third);
  CHECK(CountOf(after, "newConsumer") == 1);
}

TEST_CASE_METHOD(ResumeFixture,
                 "resume: offers that were not answered are made again, unless they are known") {
  FakeClient other = Connect("r", "other");
  JoinResumable(other, false);
  Produce(other);
  Produce(other);
  FakeClient before = Connect("r", "p");
  std::string token = JoinResumable(before);
  REQUIRE(Until([&] { return CountOf(before, "newConsumer") == 2; }));
  REQUIRE(Until([&] { return CountOf(before, "newDataConsumer") == 1; }));
  const std::string known = Text(before.Last("newConsumer")->at("data").at("id"));
  Lose(before);
  {
    FakeClient after = Connect("r", "p");
    const json::object reply = Resume(after, token);
    token = Text(reply.at("data").at("resumeToken"));
    REQUIRE(Until([&] { return CountOf(after, "newConsumer") == 2; }));
    REQUIRE(Until([&] { return CountOf(after, "newDataConsumer") == 1; }));
    Settle();
    CHECK(worker().Count(Method::CONSUMER_RESUME) == 0);
    Lose(after);
  }
  FakeClient after = Connect("r", "p");
  Resume(after, token, R"(,"consumerIds":[")" + known + R"("],"dataConsumerIds":[])");
  REQUIRE(Until([&] { return CountOf(after, "newConsumer") == 1; }));
  REQUIRE(Until([&] { return worker().Count(Method::CONSUMER_RESUME) == 1; }));
  CHECK(Text(after.Last("newConsumer")->at("data").at("id")) != known);
  after.AcceptAll();
  CHECK(Until([&] { return worker().Count(Method::CONSUMER_RESUME) == 2; }));
}

TEST_CASE_METHOD(ResumeFixture, "resume: what the client sends without knowing of it is closed") {
  FakeClient before = Connect("r", "p");
  const std::string token = JoinResumable(before);
  const std::string known = Produce(before);
  Produce(before);  // the answer got lost, say
  Lose(before);
  FakeClient after = Connect("r", "p");
  CHECK(Resume(after, token, R"(,"producerIds":[")" + known + "\"]").contains("ok"));
  REQUIRE(Until([&] { return worker().Count(Method::TRANSPORT_CLOSE_PRODUCER) == 1; }));
  CHECK(rooms.Find("r")->FindProducer(known) != nullptr);
}

TEST_CASE_METHOD(ResumeFixture, "resume: a transport that is lost is awaited as well") {
  FakeClient client = Connect("r", "p");
  JoinResumable(client);
  FakeClient plain = Connect("r", "plain");
  JoinResumable(plain, false);
  const std::string transport = Text(client.Response(2)->at("data").at("id"));
  worker().NotifyIceState(transport, FBS::WebRtcTransport::IceState::DISCONNECTED);
  worker().NotifyIceState(Text(plain.Response(2)->at("data").at("id")),
                          FBS::WebRtcTransport::IceState::DISCONNECTED);
  REQUIRE(Until([&] { return plain.socket->close_code != 0; }));
  CHECK(client.socket->close_code == 0);
  CHECK(Ask(client, "restartIce", R"({"transportId":")" + transport + "\"}").contains("ok"));
}

TEST_CASE("resume: who comes back has all the time there is for its transport") {
  constexpr milliseconds kGrace{1'000};
  ResumeFixture fixture({.resume_grace = kGrace, .protoo = test::WithoutAnnouncementLimit()});
  using Clock = std::chrono::steady_clock;
  FakeClient before = fixture.Connect("r", "p");
  const std::string token = fixture.JoinResumable(before);
  const std::string id = Text(before.Response(2)->at("data").at("id"));
  fixture.worker().NotifyIceState(id, FBS::WebRtcTransport::IceState::DISCONNECTED);
  const auto peer = fixture.rooms.Find("r")->FindPeer("p");
  REQUIRE(fixture.Until([&] { return peer->transports.at(id)->lost; }));
  // The loss of the WebSocket is noticed later, so the wait for the transport began without it.
  bool noticed = false;
  asio::steady_timer timer(fixture.context, kGrace / 3);
  timer.async_wait([&noticed](const boost::system::error_code& /*error*/) { noticed = true; });
  REQUIRE(fixture.Until([&noticed] { return noticed; }));
  Clock::time_point start;
  std::optional<FakeClient> after;
  SECTION("when the WebSocket was lost, too") {
    fixture.Lose(before);
    after.emplace(fixture.Connect("r", "p"));
    start = Clock::now();
    REQUIRE(fixture.Resume(*after, token).contains("ok"));
  }
  SECTION("when it was back for a moment") {
    fixture.worker().NotifyIceState(id, FBS::WebRtcTransport::IceState::CONNECTED);
    REQUIRE(fixture.Until([&] { return !peer->transports.at(id)->lost; }));
    start = Clock::now();
    fixture.worker().NotifyIceState(id, FBS::WebRtcTransport::IceState::DISCONNECTED);
  }
  const FakeClient& client = after ? *after : before;
  REQUIRE(fixture.Until([&] { return client.socket->close_code != 0; }));
  CHECK(Clock::now() - start >= kGrace);
}

TEST_CASE("resume: a transport that stays lost ends its peer") {
  ResumeFixture fixture(
      {.resume_grace = milliseconds(5), .protoo = test::WithoutAnnouncementLimit()});
  FakeClient client = fixture.Connect("r", "p");
  fixture.JoinResumable(client);
  fixture.worker().NotifyIceState(Text(client.Response(2)->at("data").at("id")),
                                  FBS::WebRtcTransport::IceState::DISCONNECTED);
  CHECK(fixture.Until([&] { return client.socket->close_code == kCloseForGood; }));
}

TEST_CASE_METHOD(ResumeFixture,
                 "resume: who is away ends with the room, its worker, or by the management") {
  FakeClient client = Connect("r", "p");
  std::string token = JoinResumable(client);
  Lose(client);
  CHECK(Manage("GET", "/rooms/r/peers/p").body.find(R"("connected":false)") != std::string::npos);
  CHECK(Manage("DELETE", "/rooms/r/peers/p").status == 200);
  CHECK(rooms.size() == 0);
  FakeClient second = Connect("r", "p");
  token = JoinResumable(second);
  Lose(second);
  worker().Die();
  REQUIRE(Until([&] { return rooms.size() == 0; }));
  REQUIRE(Until([&] { return pool.ready(); }));
  FakeClient third = Connect("r", "p");
  CHECK(Resume(third, token).at("errorCode").to_number<int>() == 404);
}

TEST_CASE("resume: what waits for who is away is what there is, not what there was") {
  RoomFixture::Options options;
  options.protoo.requests_per_second = 0;
  options.protoo.announcements_per_second = 0;
  ResumeFixture fixture(options);
  FakeWorker& worker = fixture.worker();
  FakeClient other = fixture.Connect("r", "other");
  fixture.JoinResumable(other, false);
  FakeClient before = fixture.Connect("r", "p");
  const std::string token = fixture.JoinResumable(before);
  fixture.Lose(before);
  for (size_t i = 0; i < 3 * Subscriber::kFirstSweep; ++i) {
    const std::string producer = fixture.Produce(other);
    fixture.Ask(other, "closeProducer", R"({"producerId":")" + producer + "\"}");
  }
  const std::string last = fixture.Produce(other);
  const auto& subscriber = fixture.rooms.Find("r")->FindPeer("p")->subscriber;
  CHECK(subscriber->waiting() <= Subscriber::kFirstSweep);
  CHECK(worker.Count(Method::TRANSPORT_CONSUME) == 0);
  FakeClient after = fixture.Connect("r", "p");
  CHECK(fixture.Resume(after, token).contains("ok"));
  REQUIRE(fixture.Until([&] { return after.Last("newConsumer") != nullptr; }));
  fixture.Settle();
  CHECK(worker.Count(Method::TRANSPORT_CONSUME) == 1);
  CHECK(Text(after.Last("newConsumer")->at("data").at("producerId")) == last);
}

TEST_CASE_METHOD(ResumeFixture, "resume: who was muted while away hears of it, and of the end") {
  auto client = std::make_unique<FakeClient>(Connect("r", "p"));
  std::string token = JoinResumable(*client);
  for (const char* what : {"mute", "unmute"}) {
    Lose(*client);
    CHECK(Manage("POST", std::string("/rooms/r/peers/p/") + what).status == 200);
    client = std::make_unique<FakeClient>(Connect("r", "p"));
    const json::object reply = Resume(*client, token);
    REQUIRE(reply.contains("ok"));
    token = Text(reply.at("data").at("resumeToken"));
    REQUIRE(Until([&] { return client->Last("muted") != nullptr; }));
    CHECK(json::serialize(client->Last("muted")->at("data").at("sources")) ==
          (std::string(what) == "mute" ? R"(["audio"])" : "[]"));
  }
}

TEST_CASE_METHOD(ResumeFixture, "resume: who is away is not moved, as it cannot be told") {
  FakeClient client = Connect("r", "p");
  const std::string token = JoinResumable(client);
  Lose(client);
  const HttpResponse refused = Manage("POST", "/rooms/r/peers/p/move", R"({"roomId":"s"})");
  CHECK(refused.status == 409);
  CHECK_THAT(refused.body, Catch::Contains("awaited"));
  CHECK(rooms.Find("s") == nullptr);
  FakeClient after = Connect("r", "p");
  CHECK(Resume(after, token).contains("ok"));
  CHECK(Manage("POST", "/rooms/r/peers/p/move", R"({"roomId":"s"})").status == 200);
  CHECK(after.Last("moved") != nullptr);
}

TEST_CASE("resume: its lists are short, and it cannot be asked for all the time") {
  RoomFixture::Options options;
  options.protoo.now = [] { return TokenBucket::TimePoint(); };
  ResumeFixture fixture(options);
  FakeClient owner = fixture.Connect("r", "p");
  const std::string token = fixture.JoinResumable(owner);
  FakeClient client = fixture.Connect("r", "p");
  const auto list = [](size_t size) {
    std::string ids = "[";
    for (size_t i = 0; i < size; ++i) ids += (i == 0 ? "\"" : ",\"") + std::to_string(i) + "\"";
    return ids + "]";
  };
  for (const char* name : {"producerIds", "consumerIds", "dataProducerIds", "dataConsumerIds"}) {
    const std::string reason =
        Text(fixture.Resume(client, token, std::string(",\"") + name + "\":" + list(4'097))
                 .at("errorReason"));
    CHECK_THAT(reason, Catch::Contains(std::string(name) + " has 4097 ids"));
    CHECK_THAT(reason, Catch::Contains("at most 4096"));
  }
  CHECK(owner.socket->close_code == 0);
  std::string reason;
  for (uint32_t i = 0; i < options.protoo.announcement_burst; ++i) {
    reason = Text(fixture.Resume(client, "wrong").at("errorReason"));
  }
  CHECK_THAT(reason,
             Catch::Contains("maxAnnouncementsPerSecond") || Catch::Contains("too many changes"));
  FakeClient again = fixture.Connect("r", "p");
  CHECK(fixture.Resume(again, token, ",\"consumerIds\":" + list(4'096)).contains("ok"));
  CHECK(CountOf(again, "consumerClosed") <= 4'096);
  REQUIRE(fixture.Until([&] { return CountOf(again, "consumerClosed") == 4'096; }));
}

TEST_CASE_METHOD(ResumeFixture,
                 "resume: bad input is answered, changes nothing, and nothing secret is logged") {
  CapturedLog log;
  FakeClient owner = Connect("r", "p");
  const std::string token = JoinResumable(owner);
  Produce(owner);
  FakeClient client = Connect("r", "p");
  for (const char* data : {"{}", R"({"resumeToken":5})", R"({"resumeToken":"x","consumerIds":5})",
                           R"({"resumeToken":"x","producerIds":[5]})",
                           R"({"resumeToken":"x","dataConsumerIds":{}})"}) {
    INFO(data);
    CHECK(Ask(client, "resume", data).at("errorCode").to_number<int>() == 500);
  }
  CHECK(Resume(client, std::string(token.size(), 'a')).at("errorCode").to_number<int>() == 403);
  CHECK(Resume(client, token + "x").at("errorCode").to_number<int>() == 403);
  CHECK(Resume(client, token.substr(1)).at("errorCode").to_number<int>() == 403);
  CHECK(owner.socket->close_code == 0);
  const json::object reply = Resume(client, token);
  REQUIRE(reply.contains("ok"));
  // A peer that is here cannot be resumed by itself, nor somebody who is new.
  CHECK(Resume(client, token).at("errorCode").to_number<int>() == 404);
  FakeClient fresh = Connect("r", "fresh");
  CHECK(Resume(fresh, token).at("errorCode").to_number<int>() == 404);
  Lose(client);
  CHECK_FALSE(log.Has(token));
  CHECK_FALSE(log.Has(Text(reply.at("data").at("resumeToken"))));
  CHECK(Ask(fresh, "join", R"({"resume":"yes"})").contains("errorCode"));
}

}  // namespace
}  // namespace sluice::controller
