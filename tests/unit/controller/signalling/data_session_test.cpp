#include "controller/signalling/data_session.h"

#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <catch2/catch.hpp>
#include <string>
#include <utility>
#include <vector>

#include "controller/sdp/reader.h"
#include "controller/sdp/writer.h"
#include "controller/signalling/data_gateway.h"
#include "tests/unit/controller/sdp/corpus.h"
#include "tests/unit/controller/signalling/room_fixture.h"

namespace sluice::controller {
namespace {

namespace json = boost::json;
using sdp::CorpusText;
using sdp::Replaced;

/// Chromium's answer to an offer of ours, in the old style or the new one.
std::string DataAnswer(bool old_style = false) {
  std::string answer = Replaced(CorpusText("chrome-answer-to-rawrtc"), "rawrtc-sctp-dc", "data");
  if (old_style) return answer;
  answer = Replaced(answer, "DTLS/SCTP 5000", "UDP/DTLS/SCTP webrtc-datachannel");
  return Replaced(answer, "a=sctpmap:5000 webrtc-datachannel 65535",
                  "a=sctp-port:5000\r\na=max-message-size:262144");
}

std::string AnswerMessage(const std::string& text) {
  return json::serialize(json::object{{"type", "answer"}, {"sdp", text}});
}

struct DataClient {
  std::shared_ptr<test::FakeSocket> socket = std::make_shared<test::FakeSocket>();
  std::shared_ptr<WebSocketEvents> session;

  static std::string TypeOf(const json::object& message) {
    return message.at("type").as_string().c_str();
  }
  size_t Count(const std::string& type) const {
    return static_cast<size_t>(
        std::count_if(socket->messages.begin(), socket->messages.end(),
                      [&](const json::object& message) { return TypeOf(message) == type; }));
  }
  /// The newest of a type, "" when there is none: its sdp or reason.
  std::string Last(const std::string& type) const {
    std::string text;
    for (const json::object& message : socket->messages) {
      if (TypeOf(message) != type) continue;
      text = message.at(type == "offer" ? "sdp" : "reason").as_string().c_str();
    }
    return text;
  }
};

struct DataFixture : test::RoomFixture {
  DataFixture() : DataFixture(DoorLimits()) {}
  explicit DataFixture(DoorLimits limits)
      : door(&rooms, RequestAuth(), WithBudget(std::move(limits))) {}
  ~DataFixture() {
    for (const auto& client : clients) client->session->OnClosed();
  }
  static DoorLimits WithBudget(DoorLimits limits) {
    limits.sdp.budget = test::WithoutAnnouncementLimit().budget;
    limits.now = [] { return TokenBucket::TimePoint(); };
    return limits;
  }

  UpgradeDecision Upgrade(const std::string& query) {
    HttpRequest request;
    request.method = "GET";
    request.client_ip = request.source = "192.0.2.1";
    ParseTarget("/datachannel?" + query, &request);
    return Await(door.Upgrade(std::move(request)));
  }
  std::shared_ptr<DataClient> Open(const std::string& query) {
    const UpgradeDecision decision = Upgrade(query);
    REQUIRE(decision.session);
    auto client = std::make_shared<DataClient>();
    client->session = decision.session;
    client->session->OnOpen(client->socket);
    clients.push_back(client);
    return client;
  }
  /// One that has our offer.
  std::shared_ptr<DataClient> Offered(const std::string& query,
                                      const std::string& start = R"({"type":"start"})") {
    auto client = Open(query);
    client->session->OnText(start);
    REQUIRE(Until([&] { return client->Count("offer") == 1; }));
    return client;
  }
  void Answer(DataClient& client, const std::string& answer = DataAnswer()) {
    const size_t before = worker().Count(FBS::Request::Method::WEBRTCTRANSPORT_CONNECT);
    client.session->OnText(AnswerMessage(answer));
    REQUIRE(Until([&] {
      return worker().Count(FBS::Request::Method::WEBRTCTRANSPORT_CONNECT) == before + 1;
    }));
    Settle();
  }
  std::shared_ptr<DataClient> Connected(const std::string& query) {
    auto client = Offered(query);
    Answer(*client);
    return client;
  }
  test::FakeWorker& worker() { return *launcher.workers.back(); }
  const std::string& transport() { return worker().transport_ids.back(); }
  /// The data consumers of a label, in order.
  std::vector<test::FakeWorker::DataConsumed> Consumers(const std::string& label) {
    std::vector<test::FakeWorker::DataConsumed> found;
    for (const auto& each : worker().data_consumers) {
      if (each.label == label) found.push_back(each);
    }
    return found;
  }

  DataGateway door;
  std::vector<std::shared_ptr<DataClient>> clients;
};

TEST_CASE("data channels: how many a client has, and how long it may take to connect, are set") {
  DoorLimits limits;
  limits.sdp.sizes.channels = 1;
  limits.sdp.sizes.connect_within = std::chrono::milliseconds(20);
  const std::shared_ptr<LimitCounters> counters = limits.sdp.counters;
  DataFixture fixture(std::move(limits));
  CHECK(fixture.Upgrade("roomId=r&peerId=ann&label=a").session);
  const auto client = fixture.Offered("roomId=r&peerId=ben");
  client->session->OnText(
      R"({"type":"start","channels":[{"label":"a","id":1},{"label":"b","id":2}]})");
  CHECK_THAT(client->Last("error"), Catch::Contains("at most 1 (maxChannelsPerDataClient)"));
  CHECK(counters->counts().at("maxChannelsPerDataClient") == 1);
  fixture.Answer(*client);
  CHECK(fixture.Until([&] { return client->socket->close_code == kCloseForGood; }));
  CHECK_THAT(client->socket->close_reason, Catch::Contains("(connectTimeout)"));
  CHECK(counters->counts().at("connectTimeout") == 1);
}

TEST_CASE_METHOD(DataFixture, "data channels: the offer, new style and old") {
  struct Case {
    std::string query, start;
    bool old_style;
  };
  const Case cases[] = {
      {"", R"({"type":"start"})", false},
      {"", R"({"type":"start","sdp":"new"})", false},
      {"&sdp=old", R"({"type":"start"})", true},
      {"&sdp=new", R"({"type":"start","sdp":"old"})", true},
  };
  int number = 0;
  for (const Case& each : cases) {
    INFO(each.query << each.start);
    const auto client =
        Offered("roomId=r&peerId=p" + std::to_string(number++) + each.query, each.start);
    const auto offer = sdp::ReadDescription(client->Last("offer"));
    REQUIRE(offer.ok());
    REQUIRE(offer->sections.size() == 1);
    const sdp::Section& section = offer->sections.front();
    CHECK(offer->ice_lite);
    CHECK(offer->bundle == std::vector<std::string>{"data"});
    CHECK(section.setup == sdp::Setup::kActpass);
    CHECK(section.old_sctp == each.old_style);
    CHECK(section.protocol == (each.old_style ? "DTLS/SCTP" : "UDP/DTLS/SCTP"));
    CHECK(section.sctp_port == 5'000);
    CHECK(section.max_message_size.has_value());
    CHECK_FALSE(section.candidates.empty());
    CHECK(section.end_of_candidates);
    CHECK_FALSE(section.fingerprints.empty());
    CHECK(client->socket->kept);
    // Whatever style the answer is in.
    Answer(*client, DataAnswer(!each.old_style));
    CHECK(client->Count("error") == 0);
  }
  CHECK(door.counters().sessions == 4);
}

TEST_CASE_METHOD(DataFixture,
                 "data channels: an agreed channel gives back, before the offer is made") {
  const auto client = Offered("roomId=r&peerId=ann&echo=true&label=cat-noises&id=0");
  // There before the client can send anything.
  CHECK(worker().Count(FBS::Request::Method::TRANSPORT_PRODUCE_DATA) == 1);
  REQUIRE(Consumers("cat-noises").size() == 1);
  CHECK(Consumers("cat-noises")[0].stream_id == 0);
  CHECK_FALSE(Consumers("cat-noises")[0].opens_channel);
  Answer(*client);
  // An echo is not in the room.
  CHECK_FALSE(rooms.Find("r")->FindPeer("ann")->joined);
  // A channel that it opens gives back as well, and nobody else hears it.
  auto viewer = Connect("r", "viewer");
  Join(viewer);
  const std::string sender = rooms.Find("r")->FindPeer("ann")->transports.begin()->first;
  worker().NotifyChannel(sender, sender + "/channel0", 2, "dinosaur-noises");
  REQUIRE(Until([&] { return Consumers("dinosaur-noises").size() == 1; }));
  CHECK(Consumers("dinosaur-noises")[0].stream_id == 2);
  CHECK(Consumers("dinosaur-noises")[0].producer_id == sender + "/channel0");
  CHECK_FALSE(Consumers("dinosaur-noises")[0].opens_channel);
  Settle();
  CHECK(viewer.Last("newPeer") == nullptr);
  worker().NotifyChannelClosed(sender, sender + "/channel0");
  CHECK(Until([&] { return rooms.Find("r")->FindPeer("ann")->data_producers.size() == 1; }));
}

TEST_CASE_METHOD(
    DataFixture,
    "data channels: those that we open give back, once it is known whose numbers are whose") {
  const auto client = Offered("roomId=r&peerId=ann&echo=true&open=bear-noises");
  CHECK(Consumers("bear-noises").empty());
  Answer(*client);
  REQUIRE(Until([&] { return Consumers("bear-noises").size() == 1; }));
  CHECK(Consumers("bear-noises")[0].opens_channel);
  CHECK(Consumers("bear-noises")[0].stream_id == 1);  // the client begins DTLS
  const auto other = Offered("roomId=r&peerId=bob&echo=true",
                             R"({"type":"start","open":["moose-noises","owl-noises"]})");
  Answer(*other, Replaced(DataAnswer(), "a=setup:active", "a=setup:passive"));
  REQUIRE(Until([&] { return Consumers("owl-noises").size() == 1; }));
  CHECK(Consumers("moose-noises")[0].stream_id == 0);
  CHECK(Consumers("owl-noises")[0].stream_id == 2);
  // Where we begin DTLS the even ones are ours whatever the answer.
  const auto eve = Offered("roomId=r&peerId=eve&echo=true&open=fox-noises&setup=active");
  CHECK(sdp::ReadDescription(eve->Last("offer"))->sections[0].setup == sdp::Setup::kActive);
  eve->session->OnText(AnswerMessage(DataAnswer()));
  REQUIRE(Until([&] { return eve->Count("error") == 1; }));
  CHECK_THAT(eve->Last("error"), Catch::Contains("must have a=setup:passive"));
  Answer(*eve, Replaced(DataAnswer(), "a=setup:active", "a=setup:passive"));
  REQUIRE(Until([&] { return Consumers("fox-noises").size() == 1; }));
  CHECK(Consumers("fox-noises")[0].stream_id == 0);
  // The client closes one: what it said there is heard no more.
  const auto bob = rooms.Find("r")->FindPeer("bob");
  CHECK(bob->data_producers.size() == 2);
  worker().Notify(Consumers("owl-noises")[0].id,
                  FBS::Notification::Event::DATACONSUMER_DATAPRODUCER_CLOSE);
  CHECK(Until([&] { return bob->data_producers.size() == 1; }));
}

TEST_CASE_METHOD(DataFixture, "data channels: in a room a label is one channel, to and fro") {
  const auto ann = Connected("roomId=r&peerId=ann&label=chat&id=7");
  const auto bob = Connected("roomId=r&peerId=bob&label=chat&id=3");
  REQUIRE(Until([&] { return Consumers("chat").size() == 2; }));
  CHECK(rooms.Find("r")->FindPeer("ann")->joined);
  // Each hears the other in its own channel, which nobody opens.
  std::vector<uint16_t> streams;
  for (const auto& each : Consumers("chat")) {
    streams.push_back(each.stream_id);
    CHECK_FALSE(each.opens_channel);
  }
  std::sort(streams.begin(), streams.end());
  CHECK(streams == std::vector<uint16_t>{3, 7});
  // A third: both hear it where they hear each other.
  const auto eve = Connected("roomId=r&peerId=eve&label=chat");
  REQUIRE(Until([&] { return Consumers("chat").size() == 6; }));
  CHECK(std::count_if(worker().data_consumers.begin(), worker().data_consumers.end(),
                      [](const auto& each) { return each.stream_id == 7; }) == 2);
  // Who has no channel of a label is opened one; what comes back there is theirs.
  const std::string sender = rooms.Find("r")->FindPeer("ann")->transports.begin()->first;
  worker().NotifyChannel(sender, sender + "/channel0", 2, "moose");
  REQUIRE(Until([&] { return Consumers("moose").size() == 2; }));
  for (const auto& each : Consumers("moose")) {
    CHECK(each.opens_channel);
    CHECK(each.stream_id % 2 == 1);
  }
  const std::string other = rooms.Find("r")->FindPeer("bob")->transports.begin()->first;
  worker().NotifyChannel(other, other + "/channel0", 4, "moose");
  REQUIRE(Until([&] { return Consumers("moose").size() == 4; }));
  CHECK(std::count_if(worker().data_consumers.begin(), worker().data_consumers.end(),
                      [](const auto& each) {
                        return each.label == "moose" && each.stream_id == 2 && !each.opens_channel;
                      }) == 1);
}

TEST_CASE_METHOD(DataFixture,
                 "data channels: who is in the room by another door hears and is heard") {
  auto viewer = Connect("r", "viewer");
  Ask(viewer, "createWebRtcTransport",
      R"({"producing":false,"consuming":true,"sctpCapabilities":{"numStreams":{"OS":1024,"MIS":1024}}})");
  Ask(viewer, "join",
      R"({"displayName":"v","device":{},"sctpCapabilities":{"numStreams":{"OS":1024,"MIS":1024}}})");
  const auto ann = Offered("roomId=r&peerId=ann&label=chat");
  Settle();
  // Not before the peer is there.
  CHECK(Consumers("chat").empty());
  Answer(*ann);
  REQUIRE(Until([&] { return Consumers("chat").size() == 1; }));
  CHECK_FALSE(Consumers("chat")[0].opens_channel);
  CHECK(Until([&] { return viewer.Last("newDataConsumer") != nullptr; }));
}

TEST_CASE_METHOD(DataFixture,
                 "data channels: what makes no sense is an error, and changes nothing") {
  struct Case {
    std::string message, reason;
  };
  const Case malformed[] = {
      {"no json", "must be a JSON object"},
      {"[]", "must be a JSON object"},
      {"{}", "must be start, answer, candidate or bye"},
      {R"({"type":7})", "must be start, answer, candidate or bye"},
      {R"({"type":"offer","sdp":"v=0"})", "this door makes the offers"},
      {R"({"type":"start","sdp":"odd"})", "must be new or old"},
      {R"({"type":"start","setup":"passive"})", "must be actpass or active"},
      {R"({"type":"start","channels":7})", "channels must be a list"},
      {R"({"type":"start","channels":[7]})", "must be objects"},
      {R"({"type":"start","channels":[{"label":"a"}]})", "channels.id"},
      {R"({"type":"start","channels":[{"id":1024}]})", "channels.id"},
      {R"({"type":"start","channels":[{"id":1,"maxRetransmits":1,"maxPacketLifeTime":1}]})",
       "give one of them"},
      {R"({"type":"start","channels":[{"id":1},{"id":1}]})", "the id 1 twice"},
      {R"({"type":"start","open":["a"]})", "open is for echo"},
      {R"({"type":"start","echo":true,"open":[7]})", "must be a list of labels"},
      {R"({"type":"start","echo":true,"open":[")" + std::string(257, 'x') + "\"]}", "at most 256"},
      {R"({"type":"start","channels":[{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}]})",
       "at most 16 (maxChannelsPerDataClient)"},
  };
  const auto client = Open("roomId=r&peerId=ann");
  size_t count = 0;
  for (const Case& each : malformed) {
    INFO(each.message);
    client->session->OnText(each.message);
    CHECK(client->Count("error") == ++count);
    CHECK_THAT(client->Last("error"), Catch::Contains(each.reason));
  }
  CHECK(door.counters().malformed == count);
  // What is no error: candidates, and messages of the page itself.
  client->session->OnText(R"({"type":"candidate","candidate":""})");
  client->session->OnText(R"({"type":"msg","text":"hello"})");
  CHECK(client->Count("error") == count);

  const auto refused = [&](const std::string& answer, const std::string& reason) {
    INFO(reason);
    client->session->OnText(AnswerMessage(answer));
    REQUIRE(Until([&] { return client->Count("error") == count + 1; }));
    ++count;
    CHECK_THAT(client->Last("error"), Catch::StartsWith("answer: ") && Catch::Contains(reason));
  };
  refused(DataAnswer(), "no offer waits for an answer");
  client->session->OnText(R"({"type":"start"})");
  REQUIRE(Until([&] { return client->Count("offer") == 1; }));
  refused("nonsense", "SDP line 1");
  refused("", "SDP is empty");
  refused(std::string(sdp::kMaxText + 1, 'x'), "65536");
  refused(CorpusText("chrome-av-dc-offer"), "3 m= lines: the offer has 1");
  refused(
      Replaced(Replaced(DataAnswer(), "a=mid:data", "a=mid:other"), "BUNDLE data", "BUNDLE other"),
      "it was data");
  refused(Replaced(DataAnswer(), "m=application 9", "m=application 0"), "does not take");
  refused(Replaced(DataAnswer(), "a=ice-ufrag:Ewvk\r\n", ""), "no a=ice-ufrag");
  refused(Replaced(DataAnswer(), "a=setup:active", "a=setup:actpass"), "a=setup:active or passive");
  refused(Replaced(DataAnswer(), "a=group", "a=ice-lite\r\na=group"), "one side must not");
  worker().refuse.insert(FBS::Request::Method::WEBRTCTRANSPORT_CONNECT);
  client->session->OnText(AnswerMessage(DataAnswer()));
  REQUIRE(Until([&] { return client->Count("error") == count + 1; }));
  worker().refuse.clear();
  Answer(*client);
  CHECK(client->Count("error") == count + 1);
  client->session->OnText(AnswerMessage(DataAnswer()));
  CHECK(Until([&] { return client->Count("error") == count + 2; }));
  CHECK_THAT(client->Last("error"), Catch::Contains("no offer waits"));
}

TEST_CASE_METHOD(
    DataFixture,
    "data channels: a second start sends the offer again, later one that restarts ICE") {
  const auto client = Offered("roomId=r&peerId=ann&label=chat");
  const std::string first = client->Last("offer");
  client->session->OnText(R"({"type":"start"})");
  REQUIRE(Until([&] { return client->Count("offer") == 2; }));
  CHECK(worker().Count(FBS::Request::Method::TRANSPORT_RESTART_ICE) == 0);
  CHECK(worker().Count(FBS::Request::Method::TRANSPORT_PRODUCE_DATA) == 1);
  CHECK(sdp::ReadDescription(client->Last("offer"))->version ==
        sdp::ReadDescription(first)->version + 1);
  Answer(*client);
  client->session->OnText(R"({"type":"start"})");
  REQUIRE(Until([&] { return client->Count("offer") == 3; }));
  CHECK(worker().Count(FBS::Request::Method::TRANSPORT_RESTART_ICE) == 1);
  CHECK(sdp::ReadDescription(client->Last("offer"))->sections[0].ice_ufrag == "ufrag2");
  client->session->OnText(AnswerMessage(DataAnswer()));
  Settle();
  CHECK(client->Count("error") == 0);
  CHECK(worker().Count(FBS::Request::Method::WEBRTCTRANSPORT_CONNECT) == 1);
}

TEST_CASE_METHOD(DataFixture, "data channels: nobody makes it hold or do much") {
  const auto client = Open("roomId=r&peerId=ann");
  Settle();
  for (size_t i = 0; i < 3 * DataSession::kMaxWaiting; ++i) {
    client->session->OnText(AnswerMessage("nonsense"));
  }
  CHECK(Until([&] { return client->Count("error") == 3 * DataSession::kMaxWaiting; }));
  CHECK(door.counters().refused_answers == 3 * DataSession::kMaxWaiting);
  const auto flooder = Open("roomId=r&peerId=bob");
  for (int i = 0; i < 150; ++i) flooder->session->OnText("{}");
  CHECK(flooder->socket->close_code == 1008);
  CHECK(flooder->Count("error") == 100);
  CHECK((!rooms.Find("r") || !rooms.Find("r")->FindPeer("bob")));
}

TEST_CASE_METHOD(DataFixture, "data channels: the end, by either side") {
  const auto ann = Connected("roomId=r&peerId=ann&label=chat");
  const auto bob = Connected("roomId=r&peerId=bob&label=chat");
  ann->session->OnText(R"({"type":"bye"})");
  CHECK(ann->socket->close_code == 1000);
  CHECK_FALSE(rooms.Find("r")->FindPeer("ann"));
  // Nothing that comes after it does anything.
  const size_t messages = ann->socket->messages.size();
  ann->session->OnText(R"({"type":"start"})");
  ann->session->OnText("no json");
  Settle();
  CHECK(ann->socket->messages.size() == messages);
  rooms.Find("r")->Kick(rooms.Find("r")->FindPeer("bob"), "enough");
  CHECK(bob->Count("bye") == 1);
  CHECK(bob->socket->close_code == 4'000);
}

TEST_CASE_METHOD(DataFixture, "data channels: who is not let in") {
  for (const std::string query :
       {"roomId=r", "peerId=p", "roomId=r&peerId=a%20b", "roomId=r&peerId=p&mode=what",
        "roomId=r&peerId=p&sdp=what", "roomId=r&peerId=p&label=a&id=x",
        "roomId=r&peerId=p&label=%FF", "roomId=r&peerId=p&echo=true&open=a%C3",
        "roomId=r&peerId=p&label=a&id=1024", "roomId=r&peerId=p&open=a"}) {
    INFO(query);
    CHECK(Upgrade(query).rejection.status == 400);
  }
  CHECK_FALSE(rooms.Find("r"));
  const auto client = Open("roomId=r&peerId=p&start=now");
  CHECK(Until([&] { return client->Count("offer") == 1; }));
}

}  // namespace
}  // namespace sluice::controller
