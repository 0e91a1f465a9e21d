// Data channels of rooms, by protoo and by REST: chat, bot, broadcasters, and what is refused.

#include <algorithm>
#include <catch2/catch.hpp>

#include "tests/unit/controller/signalling/room_fixture.h"

namespace sluice::controller {
namespace {

namespace json = boost::json;
using FBS::Request::Method;
using test::FakeClient;
using test::FakeWorker;
using test::RoomFixture;

constexpr const char* kStreams = R"("sctpCapabilities":{"numStreams":{"OS":1024,"MIS":1024}})";

class DataRoom : public RoomFixture {
 public:
  using RoomFixture::RoomFixture;

  /// Both transports with SCTP, and join with it.
  void JoinWithData(FakeClient& client) {
    for (const char* way : {"producing", "consuming"}) {
      const json::object made = Ask(client, "createWebRtcTransport",
                                    std::string("{\"") + way + "\":true," + kStreams + "}");
      REQUIRE(made.contains("ok"));
      CHECK(made.at("data").at("sctpParameters").at("port") == 5000);
      CHECK(made.at("data").at("sctpParameters").at("maxMessageSize") == 262'144);
      CHECK(made.at("data").at("sctpParameters").at("MIS") == 1'024);
    }
    CHECK(Ask(client, "join",
              R"({"displayName":"Neo","device":{},"rtpCapabilities":)" +
                  std::string(test::kOpusCapabilities) + "," + kStreams + "}")
              .contains("ok"));
  }
  std::string SendTransport(const FakeClient& client) {
    return client.Response(1)->at("data").at("id").as_string().c_str();
  }
  json::object ProduceData(FakeClient& client, const std::string& label,
                           const std::string& stream = R"("streamId":0,"ordered":false)") {
    return Ask(client, "produceData",
               R"({"transportId":")" + SendTransport(client) + R"(","label":")" + label +
                   R"(","protocol":"","appData":{"a":1},"sctpStreamParameters":{)" + stream + "}}");
  }
  /// newDataConsumer requests for producers with the label.
  static std::vector<const json::object*> Offers(const FakeClient& client, std::string_view label) {
    std::vector<const json::object*> offers;
    for (const json::object& message : client.socket->messages) {
      const json::value* method = message.if_contains("method");
      if (!method || method->as_string() != "newDataConsumer") continue;
      const json::object& data = message.at("data").as_object();
      if (data.at("label").as_string() == json::string_view(label.data(), label.size())) {
        offers.push_back(&data);
      }
    }
    return offers;
  }
  FakeWorker& worker() { return *launcher.workers.back(); }
};

TEST_CASE_METHOD(DataRoom, "room data: a chat reaches those who are here and those who come") {
  FakeClient neo = Connect("r", "neo");
  JoinWithData(neo);
  FakeClient trinity = Connect("r", "trinity");
  JoinWithData(trinity);
  const json::object made = ProduceData(neo, "chat", R"("streamId":3,"maxRetransmits":1)");
  REQUIRE(made.contains("ok"));
  const std::string id = made.at("data").at("id").as_string().c_str();
  REQUIRE(Until([&] { return Offers(trinity, "chat").size() == 1; }));
  FakeClient late = Connect("r", "late");
  JoinWithData(late);
  REQUIRE(Until([&] { return Offers(late, "chat").size() == 1; }));

  for (const FakeClient* client : {&trinity, &late}) {
    const json::object& offer = *Offers(*client, "chat").front();
    CHECK(offer.at("peerId") == "neo");
    CHECK(offer.at("dataProducerId").as_string() == id);
    CHECK(offer.at("protocol") == "");
    CHECK(offer.at("appData").at("a") == 1);
    CHECK(offer.at("appData").at("peerId") == "neo");
    const json::object& stream = offer.at("sctpStreamParameters").as_object();
    CHECK(stream.at("ordered") == false);
    CHECK(stream.at("maxRetransmits") == 1);
    CHECK_FALSE(stream.contains("maxPacketLifeTime"));
  }
  CHECK(Offers(neo, "chat").empty());
  CHECK(Ask(neo, "getDataProducerStats", R"({"dataProducerId":")" + id + "\"}")
            .at("data")
            .at(0)
            .at("messagesReceived") == 2);
  const std::string consumer_id = Offers(trinity, "chat").front()->at("id").as_string().c_str();
  CHECK(Ask(trinity, "getDataConsumerStats", R"({"dataConsumerId":")" + consumer_id + "\"}")
            .at("data")
            .at(0)
            .at("bufferedAmount") == 6);
  // Of another peer.
  CHECK(Ask(late, "getDataConsumerStats", R"({"dataConsumerId":")" + consumer_id + "\"}")
            .at("errorReason")
            .as_string()
            .find("not found") != json::string::npos);

  neo.session->OnClosed();
  REQUIRE(Until([&] { return trinity.Last("dataConsumerClosed") != nullptr; }));
  CHECK(trinity.Last("dataConsumerClosed")->at("data").at("dataConsumerId").as_string() ==
        consumer_id);
}

TEST_CASE_METHOD(DataRoom, "room data: streams of a receiver are counted from 0 and used again") {
  FakeClient viewer = Connect("r", "viewer");
  JoinWithData(viewer);
  REQUIRE(Until([&] { return Offers(viewer, "bot").size() == 1; }));
  const auto stream_of = [&](const json::object& offer) {
    return offer.at("sctpStreamParameters").at("streamId").to_number<int>();
  };
  CHECK(stream_of(*Offers(viewer, "bot").front()) == 0);
  FakeClient first = Connect("r", "first");
  JoinWithData(first);
  ProduceData(first, "chat");
  REQUIRE(Until([&] { return Offers(viewer, "chat").size() == 1; }));
  CHECK(stream_of(*Offers(viewer, "chat")[0]) == 1);
  first.session->OnClosed();
  REQUIRE(Until([&] { return viewer.Last("dataConsumerClosed") != nullptr; }));
  FakeClient second = Connect("r", "second");
  JoinWithData(second);
  ProduceData(second, "chat");
  REQUIRE(Until([&] { return Offers(viewer, "chat").size() == 2; }));
  CHECK(stream_of(*Offers(viewer, "chat")[1]) == 1);
}

TEST_CASE_METHOD(DataRoom, "room data: the bot hears its channel and answers all") {
  FakeClient neo = Connect("r", "neo");
  JoinWithData(neo);
  FakeClient trinity = Connect("r", "trinity");
  JoinWithData(trinity);
  REQUIRE(Until([&] { return !Offers(neo, "bot").empty() && !Offers(trinity, "bot").empty(); }));
  CHECK(Offers(neo, "bot").front()->at("peerId").is_null());
  CHECK(worker().Count(Method::ROUTER_CREATE_DIRECTTRANSPORT) == 1);  // one for all
  REQUIRE(ProduceData(neo, "bot").contains("ok"));
  const auto ears = [&] {
    return std::find_if(worker().data_consumers.begin(), worker().data_consumers.end(),
                        [](const auto& consumer) { return consumer.direct; });
  };
  REQUIRE(Until([&] { return ears() != worker().data_consumers.end(); }));
  CHECK(Offers(trinity, "bot").size() == 1);  // what is said to the bot only it hears
  const std::string ear = ears()->id;

  worker().NotifyMessage(ear, kPpidText, "hello");
  REQUIRE(Until([&] { return !worker().data_sent.empty(); }));
  CHECK(worker().data_sent.back() == "Neo said me: \"hello\"");
  worker().NotifyMessage(ear, 53, "binary");
  worker().NotifyMessage(ear, kPpidText, std::string(513, 'x'));
  for (int i = 0; i < 50; ++i) worker().NotifyMessage(ear, kPpidText, "again");
  worker().NotifyScore("", 1);  // comes behind them
  Settle();
  REQUIRE(Until([&] { return worker().data_sent.size() >= 10; }));
  Settle();
  CHECK(worker().data_sent.size() <= 20);  // ten a second, of at most two seconds
  CHECK(std::none_of(worker().data_sent.begin(), worker().data_sent.end(), [](const auto& text) {
    return text.find("binary") != std::string::npos || text.find("xx") != std::string::npos;
  }));
}

TEST_CASE_METHOD(DataRoom, "room data: who has not asked for data channels gets none") {
  FakeClient neo = Connect("r", "neo");
  JoinWithData(neo);
  ProduceData(neo, "chat");
  FakeClient plain = Connect("r", "plain");
  Join(plain);
  FakeClient half = Connect("r", "half");  // joins with data, its transports have none
  CHECK(Ask(half, "createWebRtcTransport", R"({"consuming":true})").contains("ok"));
  CHECK(Ask(half, "join", std::string(R"({"displayName":"h","device":{},)") + kStreams + "}")
            .contains("ok"));
  FakeClient last = Connect("r", "last");
  JoinWithData(last);
  REQUIRE(Until([&] { return Offers(last, "chat").size() == 1; }));
  CHECK(plain.Last("newDataConsumer") == nullptr);
  CHECK(half.Last("newDataConsumer") == nullptr);
}

TEST_CASE_METHOD(DataRoom, "room data: a client without capabilities asks with a flag") {
  FakeClient neo = Connect("r", "neo");
  CHECK(Ask(neo, "createWebRtcTransport", R"({"consuming":true,"enableSctp":true})")
            .at("data")
            .as_object()
            .contains("sctpParameters"));
  CHECK(Ask(neo, "join", R"({"displayName":"n","device":{},"enableSctp":true})").contains("ok"));
  REQUIRE(Until([&] { return Offers(neo, "bot").size() == 1; }));
  FakeClient other = Connect("r", "other");
  CHECK_FALSE(Ask(other, "createWebRtcTransport", R"({"consuming":true,"enableSctp":false})")
                  .at("data")
                  .as_object()
                  .contains("sctpParameters"));
  CHECK(Ask(other, "createWebRtcTransport", R"({"enableSctp":1})").at("errorReason") ==
        "enableSctp must be a boolean, not a number");
}

TEST_CASE_METHOD(DataRoom, "room data: a refused data consumer is closed") {
  FakeClient neo = Connect("r", "neo");
  JoinWithData(neo);
  REQUIRE(Until([&] { return Offers(neo, "bot").size() == 1; }));
  const json::object& offer = *neo.Last("newDataConsumer");
  neo.session->OnText(R"({"response":true,"errorCode":403,"errorReason":"no","id":)" +
                      std::to_string(offer.at("id").to_number<int>()) + "}");
  REQUIRE(Until([&] { return worker().Count(Method::TRANSPORT_CLOSE_DATACONSUMER) == 1; }));
}

TEST_CASE_METHOD(DataRoom, "room data: what produceData refuses") {
  FakeClient neo = Connect("r", "neo");
  JoinWithData(neo);
  const auto reason = [&](const std::string& stream, const std::string& label = "chat") {
    return std::string(ProduceData(neo, label, stream).at("errorReason").as_string().c_str());
  };
  CHECK(reason("") == "missing params.streamId");
  CHECK(reason(R"("streamId":65535)").find("65534") != std::string::npos);
  CHECK(reason(R"("streamId":-1)").find("streamId") != std::string::npos);
  CHECK(reason(R"("streamId":0,"maxRetransmits":1,"maxPacketLifeTime":1)") ==
        "cannot provide both maxPacketLifeTime and maxRetransmits");
  CHECK(reason(R"("streamId":0,"maxRetransmits":1,"ordered":true)") ==
        "cannot be ordered with maxPacketLifeTime or maxRetransmits");
  CHECK(reason(R"("streamId":0,"maxRetransmits":65536)").find("65535") != std::string::npos);
  CHECK(reason(R"("streamId":0)", std::string(64 << 10, 'x')).find("label") != std::string::npos);
  CHECK(worker().Count(Method::TRANSPORT_PRODUCE_DATA) == 1);  // the bot's

  FakeClient plain = Connect("r", "plain");
  Join(plain);
  CHECK(ProduceData(plain, "chat").at("errorReason") ==
        "SCTP not enabled and not a direct Transport");
  CHECK(Ask(plain, "createWebRtcTransport", R"({"sctpCapabilities":7})").at("errorReason") ==
        "sctpCapabilities must be an object, not a number");

  size_t made = 0;
  const size_t most = RoomSettings().max_producers;
  for (size_t i = 0; i <= most; ++i) {
    made += ProduceData(neo, "x", R"("streamId":)" + std::to_string(i)).contains("ok") ? 1 : 0;
  }
  CHECK(made > 0);
  CHECK(made <= most);
}

TEST_CASE_METHOD(DataRoom, "room data: a broadcaster sends and receives by REST") {
  FakeClient neo = Connect("r", "neo");
  JoinWithData(neo);
  const std::string chat = ProduceData(neo, "chat").at("data").at("id").as_string().c_str();
  const std::string base = "/rooms/r/broadcasters";
  CHECK(Rest("POST", base,
             R"({"id":"b","displayName":"B","device":{"name":"d"},"rtpCapabilities":)" +
                 std::string(test::kOpusCapabilities) + "}")
            .status == 200);
  for (const char* type : {"webrtc", "plain"}) {
    const HttpResponse transport =
        Rest("POST", base + "/b/transports",
             std::string("{\"type\":\"") + type + "\"," + kStreams + "}");
    REQUIRE(transport.status == 200);
    const json::value info = json::parse(transport.body);
    CHECK(info.at("sctpParameters").at("port") == 5000);
    CHECK(info.at("sctpParameters").at("isDataChannel") == (std::string(type) == "webrtc"));
    const std::string at = base + "/b/transports/" + info.at("id").as_string().c_str();
    const HttpResponse consumed =
        Rest("POST", at + "/consume/data", R"({"dataProducerId":")" + chat + "\"}");
    REQUIRE(consumed.status == 200);
    CHECK(json::parse(consumed.body).at("streamId") == 0);
    CHECK(Rest("POST", at + "/consume/data", "{}").status == 400);
    CHECK(Rest("POST", at + "/consume/data", R"({"dataProducerId":"none"})").status == 500);
    const std::string body =
        R"({"label":")" + std::string(type) +
        R"(","protocol":"","appData":{"b":2},"sctpStreamParameters":{"streamId":5}})";
    REQUIRE(Rest("POST", at + "/produce/data", body).status == 200);
    REQUIRE(Until([&] { return Offers(neo, type).size() == 1; }));
    CHECK(Offers(neo, type).front()->at("peerId") == "b");
    CHECK(Offers(neo, type).front()->at("appData").at("b") == 2);
    CHECK(Offers(neo, type).front()->at("sctpStreamParameters").at("ordered") == true);
  }
  const HttpResponse without = Rest("POST", base + "/b/transports", R"({"type":"plain"})");
  const json::value info = json::parse(without.body);
  CHECK_FALSE(info.as_object().contains("sctpParameters"));
  const std::string at = base + "/b/transports/" + info.at("id").as_string().c_str();
  CHECK(Rest("POST", at + "/consume/data", R"({"dataProducerId":")" + chat + "\"}").status == 500);
  CHECK(Rest("DELETE", base + "/b").status == 200);
  REQUIRE(Until([&] { return neo.Last("dataConsumerClosed") != nullptr; }));
}

TEST_CASE("room data: who sends data only stays when what it received has ended") {
  DataRoom room({.broadcaster_timeout = std::chrono::milliseconds(15), .protoo = {}});
  room.worker().other_bytes_step = 100;
  FakeClient viewer = room.Connect("r", "viewer");
  room.JoinWithData(viewer);
  FakeClient neo = room.Connect("r", "neo");
  room.JoinWithData(neo);
  const std::string chat = room.ProduceData(neo, "chat").at("data").at("id").as_string().c_str();
  const std::string base = "/rooms/r/broadcasters";
  REQUIRE(room.Rest("POST", base,
                    R"({"id":"b","displayName":"B","device":{"name":"d"},"rtpCapabilities":)" +
                        std::string(test::kOpusCapabilities) + "}")
              .status == 200);
  const HttpResponse transport = room.Rest("POST", base + "/b/transports",
                                           std::string(R"({"type":"plain",)") + kStreams + "}");
  const std::string at =
      base + "/b/transports/" + json::parse(transport.body).at("id").as_string().c_str();
  // The same stream in both directions.
  const HttpResponse consumed =
      room.Rest("POST", at + "/consume/data", R"({"dataProducerId":")" + chat + "\"}");
  REQUIRE(json::parse(consumed.body).at("streamId") == 0);
  REQUIRE(room.Rest("POST", at + "/produce/data",
                    R"({"label":"sensor","protocol":"","sctpStreamParameters":{"streamId":0}})")
              .status == 200);
  neo.session->OnClosed();
  REQUIRE(room.Until([&] { return viewer.Last("peerClosed") != nullptr; }));
  // More looks than one that sends nothing is allowed.
  const size_t looks = room.worker().Count(Method::TRANSPORT_GET_STATS);
  REQUIRE(room.Until([&] {
    return room.rooms.CountPeople().broadcasters == 0 ||
           room.worker().Count(Method::TRANSPORT_GET_STATS) >= looks + 30;
  }));
  CHECK(room.rooms.CountPeople().broadcasters == 1);
  // Once it stops it is ended.
  room.worker().other_bytes_step = 0;
  CHECK(room.Until([&] { return room.rooms.CountPeople().broadcasters == 0; }));
}

TEST_CASE_METHOD(DataRoom,
                 "room data: after a bot that could not be made there is one bot, not two") {
  worker().fail_once = {Method::ROUTER_CREATE_DIRECTTRANSPORT};
  worker().delay = {Method::ROUTER_CREATE_DIRECTTRANSPORT};
  std::vector<FakeClient> clients;
  for (const char* id : {"neo", "trinity", "morpheus"}) {
    clients.push_back(Connect("r", id));
    JoinWithData(clients.back());
  }
  // The one that asked first fails; of those who waited one asks again.
  worker().Release();
  REQUIRE(Until(
      [&] { return !Offers(clients[1], "bot").empty() && !Offers(clients[2], "bot").empty(); }));
  Settle();
  CHECK(worker().Count(Method::ROUTER_CREATE_DIRECTTRANSPORT) == 2);
  CHECK(Offers(clients[1], "bot").front()->at("dataProducerId") ==
        Offers(clients[2], "bot").front()->at("dataProducerId"));
}

TEST_CASE_METHOD(DataRoom, "room data: a consumer that could not be made is tried again") {
  FakeClient neo = Connect("r", "neo");
  JoinWithData(neo);
  REQUIRE(Until([&] { return Offers(neo, "bot").size() == 1; }));
  FakeClient trinity = Connect("r", "trinity");
  JoinWithData(trinity);
  worker().fail_once.insert(Method::TRANSPORT_CONSUME_DATA);
  ProduceData(trinity, "chat");
  REQUIRE(Until([&] { return Offers(neo, "chat").size() == 1; }));
}

}  // namespace
}  // namespace sluice::controller
