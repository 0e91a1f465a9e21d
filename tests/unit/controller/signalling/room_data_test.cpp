// Data channels of rooms, by protoo and by REST: chat, bot, broadcasters, and what is refused.

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

TEST_CASE_METHOD(DataRoom,
                 "room data: who says something is told who hears it, if it asks for that") {
  const auto accept = [](FakeClient& client) {
    const auto messages = client.socket->messages;  // more may come
    for (const json::object& message : messages) {
      const json::value* method = message.if_contains("method");
      if (!method || method->as_string() != "newDataConsumer") continue;
      client.session->OnText(json::serialize(
          json::object{{"response", true}, {"id", message.at("id")}, {"ok", true}}));
    }
  };
  FakeClient trinity = Connect("r", "trinity");
  JoinWithData(trinity);
  FakeClient neo = Connect("r", "neo");
  JoinWithData(neo);
  const std::string transport = SendTransport(neo);
  const auto produce = [&](const char* label, int stream, const char* report) {
    return Ask(neo, "produceData",
               R"({"transportId":")" + transport + R"(","label":")" + label +
                   R"(","protocol":"","reportConsumers":)" + report +
                   R"(,"sctpStreamParameters":{"streamId":)" + std::to_string(stream) + "}}");
  };
  CHECK(produce("chat", 0, "7").at("errorCode") == 500);
  const json::object made = produce("chat", 0, "true");
  REQUIRE(Until([&] { return Offers(trinity, "chat").size() == 1; }));
  Settle();
  CHECK(neo.Last("dataProducerConsumed") == nullptr);
  accept(trinity);
  REQUIRE(neo.Last("dataProducerConsumed") != nullptr);
  CHECK(json::serialize(neo.Last("dataProducerConsumed")->at("data")) ==
        json::serialize(
            json::object{{"dataProducerId", made.at("data").at("id")}, {"peerId", "trinity"}}));
  CHECK(trinity.Last("dataProducerConsumed") == nullptr);
  FakeClient late = Connect("r", "late");
  JoinWithData(late);
  REQUIRE(Until([&] { return Offers(late, "chat").size() == 1; }));
  accept(late);
  CHECK(neo.Last("dataProducerConsumed")->at("data").at("peerId") == "late");
  neo.socket->messages.clear();
  trinity.socket->messages.clear();
  CHECK(produce("other", 1, "false").contains("ok"));
  REQUIRE(Until([&] { return Offers(trinity, "other").size() == 1; }));
  accept(trinity);
  CHECK(neo.Last("dataProducerConsumed") == nullptr);
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
    CHECK(Rest("POST", at + "/consume/data", R"({"dataProducerId":"none"})").status == 404);
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
  CHECK(Rest("POST", at + "/consume/data", R"({"dataProducerId":")" + chat + "\"}").status == 409);
  CHECK(Rest("DELETE", base + "/b").status == 200);
  REQUIRE(Until([&] { return neo.Last("dataConsumerClosed") != nullptr; }));
}

TEST_CASE_METHOD(DataRoom, "room data: a transport that is pinned elsewhere receives none") {
  FakeClient neo = Connect("r", "neo");
  JoinWithData(neo);
  const std::string chat = ProduceData(neo, "chat").at("data").at("id").as_string().c_str();
  const std::string base = "/rooms/r/broadcasters";
  REQUIRE(Rest("POST", base,
               R"({"id":"b","displayName":"B","device":{"name":"d"},"rtpCapabilities":)" +
                   std::string(test::kOpusCapabilities) + "}")
              .status == 200);
  const HttpResponse transport =
      Rest("POST", base + "/b/transports",
           std::string(R"({"type":"plain","remoteIp":"198.51.100.9",)") + kStreams + "}");
  REQUIRE(transport.status == 200);
  const HttpResponse refused =
      Rest("POST",
           base + "/b/transports/" + json::parse(transport.body).at("id").as_string().c_str() +
               "/consume/data",
           R"({"dataProducerId":")" + chat + "\"}");
  CHECK(refused.status == 409);
  CHECK(refused.body.find("pinned to another address") != std::string::npos);
  CHECK(Until([&] { return Offers(neo, "bot").size() == 1; }));
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

TEST_CASE_METHOD(DataRoom,
                 "room data: what a broadcaster says outlives its worker, id and stream") {
  const std::string at = "/rooms/r/broadcasters";
  REQUIRE(Rest("POST", at, R"({"id":"b","displayName":"B","device":{"name":"x"}})").status == 200);
  const HttpResponse plain =
      Rest("POST", at + "/b/transports", R"({"type":"plain","enableSctp":true})");
  REQUIRE(plain.status == 200);
  const std::string transport = json::parse(plain.body).at("id").as_string().c_str();
  const HttpResponse produced =
      Rest("POST", at + "/b/transports/" + transport + "/produce/data",
           R"({"label":"chat","protocol":"p","appData":{"a":1},)"
           R"("sctpStreamParameters":{"streamId":5,"maxRetransmits":2}})");
  REQUIRE(produced.status == 200);
  const std::string id = json::parse(produced.body).at("id").as_string().c_str();
  launcher.workers.back()->Die();
  REQUIRE(Until([&] {
    return launcher.workers.size() == 2 && worker().Count(Method::TRANSPORT_PRODUCE_DATA) == 1;
  }));
  FakeClient viewer = Connect("r", "viewer");
  JoinWithData(viewer);
  REQUIRE(Until([&] { return Offers(viewer, "chat").size() == 1; }));
  const json::object& offer = *Offers(viewer, "chat").front();
  CHECK(offer.at("peerId") == "b");
  CHECK(offer.at("dataProducerId").as_string() == id);
  CHECK(offer.at("protocol") == "p");
  CHECK(offer.at("appData").at("a") == 1);
  CHECK(offer.at("sctpStreamParameters").at("maxRetransmits") == 2);
  // Its stream is in use, as it was.
  CHECK(Rest("POST", at + "/b/transports/" + transport + "/consume/data",
             R"({"dataProducerId":")" + id + "\"}")
            .status == 409);  // no rtpCapabilities were given
  CHECK(Rest("DELETE", at + "/b").status == 200);
  CHECK(Until([&] { return viewer.Last("dataConsumerClosed") != nullptr; }));
}

/// Broadcasters with a plain transport that has SCTP: one that sends data, one that receives it.
class DataBroadcasts : public DataRoom {
 public:
  static constexpr const char* kAt = "/rooms/r/broadcasters";

  /// A broadcaster and its transport; the transport's address.
  std::string Make(const std::string& id) {
    REQUIRE(Rest("POST", kAt,
                 R"({"id":")" + id + R"(","displayName":"B","device":{"name":"x"},)" +
                     R"("rtpCapabilities":)" + test::kOpusCapabilities + "}")
                .status == 200);
    const std::string transports = std::string(kAt) + "/" + id + "/transports";
    const HttpResponse made = Rest("POST", transports, R"({"type":"plain","enableSctp":true})");
    REQUIRE(made.status == 200);
    return transports + "/" + json::parse(made.body).at("id").as_string().c_str();
  }
  std::string Produce(const std::string& transport, int stream) {
    const HttpResponse made =
        Rest("POST", transport + "/produce/data",
             R"({"label":"chat","protocol":"p","sctpStreamParameters":{"streamId":)" +
                 std::to_string(stream) + R"(,"maxRetransmits":2}})");
    REQUIRE(made.status == 200);
    return json::parse(made.body).at("id").as_string().c_str();
  }
  /// {id, streamId}
  json::value Consume(const std::string& transport, const std::string& producer_id) {
    const HttpResponse made =
        Rest("POST", transport + "/consume/data", R"({"dataProducerId":")" + producer_id + "\"}");
    REQUIRE(made.status == 200);
    return json::parse(made.body);
  }
  /// The data consumers of the fixture's newest worker, once there are `workers` of these and it
  /// has `count`.
  std::vector<FakeWorker::DataConsumed> ConsumersAfter(size_t workers, size_t count) {
    REQUIRE(Until([&] {
      return launcher.workers.size() == workers &&
             worker().Count(Method::TRANSPORT_CONSUME_DATA) == count;
    }));
    Settle();
    return worker().data_consumers;
  }
};

TEST_CASE_METHOD(DataBroadcasts,
                 "room data: what a broadcaster receives outlives its worker, id and stream") {
  FakeClient peer = Connect("r", "peer");
  JoinWithData(peer);
  const std::string of_peer = ProduceData(peer, "chat").at("data").at("id").as_string().c_str();
  const std::string sender = Make("b");
  const std::string first = Produce(sender, 0);
  const std::string second = Produce(sender, 1);
  const std::string receiver = Make("r");
  CHECK(Consume(receiver, of_peer).at("streamId") == 0);
  CHECK(Consume(receiver, first).at("streamId") == 1);
  const json::value consumed = Consume(receiver, second);
  REQUIRE(consumed.at("streamId") == 2);
  launcher.workers.back()->Die();
  // What the peer sent is gone, the other two come back on their streams.
  const auto again = ConsumersAfter(2, 2);
  REQUIRE(again.size() == 2);
  const auto of_second = std::find_if(again.begin(), again.end(),
                                      [&](const auto& each) { return each.producer_id == second; });
  REQUIRE(of_second != again.end());
  CHECK(consumed.at("id").as_string() == of_second->id);
  CHECK(of_second->stream_id == 2);
  CHECK(of_second->max_retransmits == 2);
  CHECK(of_second->label == "chat");
  CHECK_FALSE(of_second->ordered);
  // Whoever comes next gets the stream that is free.
  CHECK(Consume(receiver, first).at("streamId") == 0);
  CHECK(Consume(receiver, first).at("streamId") == 3);
  CHECK(Rest("DELETE", std::string(kAt) + "/r").status == 200);
}

TEST_CASE_METHOD(
    DataBroadcasts,
    "room data: a broadcaster is told who says what, and hears the bot of any worker") {
  FakeClient peer = Connect("r", "peer");
  JoinWithData(peer);
  const std::string chat = ProduceData(peer, "chat").at("data").at("id").as_string().c_str();
  REQUIRE(Until([&] { return Offers(peer, "bot").size() == 1; }));
  const std::string bot = Offers(peer, "bot").front()->at("dataProducerId").as_string().c_str();
  const HttpResponse made =
      Rest("POST", kAt,
           R"({"id":"first","displayName":"B","device":{"name":"x"},"rtpCapabilities":)" +
               std::string(test::kOpusCapabilities) + "}");
  const json::value answer = json::parse(made.body);
  CHECK(json::serialize(answer.at("peers").at(0).at("dataProducers")) ==
        R"([{"id":")" + chat + R"(","label":"chat"}])");
  const std::string receiver = Make("b");
  const json::value by_name = Consume(receiver, "bot");
  const json::value by_id = Consume(receiver, bot);
  for (size_t i = worker().data_consumers.size() - 2; i < worker().data_consumers.size(); ++i) {
    CHECK(worker().data_consumers[i].producer_id == bot);
    CHECK(worker().data_consumers[i].label == "bot");
  }
  launcher.workers.back()->Die();
  const auto again = ConsumersAfter(2, 2);
  REQUIRE(again.size() == 2);
  for (const json::value& before : {by_name, by_id}) {
    const auto after = std::find_if(again.begin(), again.end(), [&](const auto& each) {
      return before.at("id").as_string() == each.id;
    });
    REQUIRE(after != again.end());
    CHECK(before.at("streamId").to_number<int>() == after->stream_id);
    CHECK(after->producer_id != bot);
    CHECK(after->label == "bot");
  }
}

TEST_CASE_METHOD(DataBroadcasts, "room data: a bot that cannot be made is not found") {
  const std::string receiver = Make("b");
  worker().refuse = {Method::ROUTER_CREATE_DIRECTTRANSPORT};
  const HttpResponse refused =
      Rest("POST", receiver + "/consume/data", R"({"dataProducerId":"bot"})");
  CHECK(refused.status == 404);
  CHECK(json::parse(refused.body).at("error").at("message") ==
        "DataProducer with id \"bot\" not found");
  worker().refuse.clear();
  CHECK(Consume(receiver, "bot").at("streamId") == 0);
}

TEST_CASE_METHOD(DataBroadcasts,
                 "room data: consumers come back although the next worker dies before they do") {
  const std::string producer = Produce(Make("b"), 0);
  const json::value consumed = Consume(Make("r"), producer);
  launcher.workers.back()->Die();
  REQUIRE(Until([&] { return launcher.workers.size() == 2; }));
  const std::shared_ptr<FakeWorker> heir = launcher.workers.back();
  heir->before_answer = [heir](const FBS::Request::Request& request) {
    if (request.method() == Method::TRANSPORT_CONSUME_DATA) heir->Die();
  };
  const auto again = ConsumersAfter(3, 1);
  heir->before_answer = nullptr;
  REQUIRE(again.size() == 1);
  CHECK(consumed.at("id").as_string() == again.front().id);
}

TEST_CASE_METHOD(DataBroadcasts, "room data: a stream that is awaited is given to nobody else") {
  const std::string producer = Produce(Make("b"), 0);
  const std::string receiver = Make("r");
  for (const int stream : {0, 1}) {
    REQUIRE(Consume(receiver, producer).at("streamId").to_number<int>() == stream);
  }
  launcher.workers.back()->Die();
  REQUIRE(Until([&] { return launcher.workers.size() == 2; }));
  // While the first is being made again, and the second still awaited, somebody wants a third.
  worker().delay = {Method::TRANSPORT_CONSUME_DATA};
  REQUIRE(Until([&] { return worker().Count(Method::TRANSPORT_CONSUME_DATA) == 1; }));
  HttpRequest request;
  request.method = "POST";
  ParseTarget(receiver + "/consume/data", &request);
  request.content_type = "application/json";
  request.body = R"({"dataProducerId":")" + producer + "\"}";
  request.client_ip = request.source = caller.address;
  std::optional<HttpResponse> third;
  Spawn(context.get_executor(), Keep(rest.Respond(std::move(request)), &third));
  REQUIRE(Until([&] { return worker().Count(Method::TRANSPORT_CONSUME_DATA) == 2; }));
  worker().Release();
  REQUIRE(Until([&] { return third && worker().data_consumers.size() == 3; }));
  CHECK(json::parse(third->body).at("streamId") == 2);
}

TEST_CASE_METHOD(DataBroadcasts, "room data: who is muted is muted on the next worker as well") {
  const std::string sender = Make("b");
  Produce(sender, 0);
  REQUIRE(Manage("POST", "/rooms/r/broadcasters/b/mute", R"({"sources":["data"]})").status == 200);
  CHECK(worker().Count(Method::DATAPRODUCER_PAUSE) == 1);
  launcher.workers.back()->Die();
  REQUIRE(Until([&] {
    return launcher.workers.size() == 2 && worker().Count(Method::DATAPRODUCER_PAUSE) == 1;
  }));
  CHECK(Rest("POST", sender + "/produce/data",
             R"({"label":"x","protocol":"","sctpStreamParameters":{"streamId":1}})")
            .status == 403);
}

}  // namespace
}  // namespace sluice::controller
