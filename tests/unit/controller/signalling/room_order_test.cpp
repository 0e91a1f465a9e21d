// What clients hear of consumers, and when: in the order in which the worker said it.
#include <catch2/catch.hpp>

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/controller/signalling/room_fixture.h"

namespace sluice::controller {
namespace {

namespace json = boost::json;
using FBS::Notification::Event;
using FBS::Request::Method;
using test::FakeClient;
using test::FakeWorker;
using test::RoomFixture;

/// Names of what the client got from its newConsumer on.
std::vector<std::string> SinceOffer(const FakeClient& client) {
  const auto names = client.Names();
  return {std::find(names.begin(), names.end(), "newConsumer"), names.end()};
}

bool Has(const FakeClient& client, std::string_view method) {
  return client.Last(method) != nullptr;
}

size_t CountOf(const FakeClient& client, std::string_view method) {
  const auto names = client.Names();
  return static_cast<size_t>(std::count(names.begin(), names.end(), method));
}

/// A room with a peer that sends, and one that shall receive.
class OrderFixture : public RoomFixture {
 public:
  OrderFixture() : first(Connect("r", "first")), second(Connect("r", "second")) {
    Join(first);
    producer_id = Produce(first);
  }
  FakeWorker& worker() { return *launcher.workers.back(); }

  FakeClient first;
  FakeClient second;
  std::string producer_id;
};

TEST_CASE_METHOD(OrderFixture, "events in the same read as a consume's answer follow the offer") {
  const auto tell = [&](const FBS::Request::Request& request, std::vector<Event> events) {
    if (request.method() != Method::TRANSPORT_CONSUME) return;
    const std::string id = request.body_as_Transport_ConsumeRequest()->consumer_id()->str();
    for (const Event event : events) worker().Notify(id, event);
  };
  SECTION("a pause after it") {
    worker().after_answer = [&](const auto& request) {
      tell(request, {Event::CONSUMER_PRODUCER_PAUSE});
    };
    Join(second);
    REQUIRE(Until([&] { return Has(second, "consumerPaused"); }));
    CHECK(SinceOffer(second) == std::vector<std::string>{"newConsumer", "consumerPaused"});
    CHECK(second.Last("newConsumer")->at("data").at("producerPaused") == false);
  }
  SECTION("a pause and its end before it") {
    worker().before_answer = [&](const auto& request) {
      tell(request, {Event::CONSUMER_PRODUCER_PAUSE, Event::CONSUMER_PRODUCER_RESUME});
    };
    Join(second);
    REQUIRE(Until([&] { return Has(second, "consumerResumed"); }));
    CHECK(SinceOffer(second) ==
          std::vector<std::string>{"newConsumer", "consumerPaused", "consumerResumed"});
  }
  SECTION("a score after it") {
    worker().after_answer = [&](const FBS::Request::Request& request) {
      if (request.method() != Method::TRANSPORT_CONSUME) return;
      worker().NotifyScore(request.body_as_Transport_ConsumeRequest()->consumer_id()->str(), 3);
    };
    Join(second);
    REQUIRE(Until([&] { return Has(second, "newConsumer"); }));
    worker().NotifyScore(worker().consumer_ids.back(), 4);
    worker().Notify(worker().consumer_ids.back(), Event::CONSUMER_PRODUCER_PAUSE);
    REQUIRE(Until([&] { return Has(second, "consumerPaused"); }));
    // An application that has not taken it yet would forget the score: it is told once, then.
    CHECK_FALSE(Has(second, "consumerScore"));
    second.AcceptAll();
    REQUIRE(Until([&] { return Has(second, "consumerScore"); }));
    CHECK(second.Last("consumerScore")->at("data").at("score").at("score") == 4);
    CHECK(CountOf(second, "consumerScore") == 1);
  }
  SECTION("its end") {
    worker().after_answer = [&](const auto& request) {
      tell(request, {Event::CONSUMER_PRODUCER_CLOSE});
    };
    Join(second);
    REQUIRE(Until([&] { return Has(second, "consumerClosed"); }));
    CHECK(SinceOffer(second) == std::vector<std::string>{"newConsumer", "consumerClosed"});
    // The answer to an offer that is void is no longer waited for, nor harmful.
    second.AcceptAll();
    Settle();
    CHECK(worker().Count(Method::CONSUMER_RESUME) == 0);
    CHECK(worker().Count(Method::TRANSPORT_CLOSE_CONSUMER) == 0);
  }
}

TEST_CASE_METHOD(OrderFixture, "the offer says what the worker said of the producer's pause") {
  worker().producer_paused = true;
  Join(second);
  REQUIRE(Until([&] { return Has(second, "newConsumer"); }));
  CHECK(second.Last("newConsumer")->at("data").at("producerPaused") == true);
}

TEST_CASE_METHOD(OrderFixture, "a consumer goes to the newest transport that is connected") {
  // As UUIDs have no order, several transports make a chance hit unlikely.
  std::vector<std::string> ids;
  for (int i = 0; i < 8; ++i) {
    const json::object made = Ask(second, "createWebRtcTransport", R"({"consuming":true})");
    ids.emplace_back(made.at("data").at("id").as_string().c_str());
  }
  const size_t connected = GENERATE(2, 5, 8);  // 8: none
  if (connected < ids.size()) {
    worker().NotifyDtlsState(ids[1], FBS::WebRtcTransport::DtlsState::CONNECTED);
    worker().NotifyDtlsState(ids[connected], FBS::WebRtcTransport::DtlsState::CONNECTED);
  }
  // Its answer comes behind the notifications.
  CHECK(Ask(second, "createWebRtcTransport", R"({"producing":true})").contains("ok"));
  CHECK(Ask(second, "join",
            std::string(R"({"displayName":"N","device":{},"rtpCapabilities":)") +
                test::kOpusCapabilities + "}")
            .contains("ok"));
  REQUIRE(Until([&] { return Has(second, "newConsumer"); }));
  const auto consume = std::find_if(
      worker().received.begin(), worker().received.end(),
      [](const FakeWorker::Received& got) { return got.method == Method::TRANSPORT_CONSUME; });
  CHECK(consume->handler_id == ids[std::min(connected, ids.size() - 1)]);
}

TEST_CASE_METHOD(OrderFixture, "a consumer that could not be made is made later") {
  worker().fail_once = {Method::TRANSPORT_CONSUME};
  Join(second);
  REQUIRE(Until([&] { return Has(second, "newConsumer"); }));
  CHECK(worker().Count(Method::TRANSPORT_CONSUME) == 2);
}

TEST_CASE_METHOD(OrderFixture, "a consumer that could not be resumed is resumed later") {
  worker().fail_once = {Method::CONSUMER_RESUME};
  Join(second);
  REQUIRE(Until([&] { return Has(second, "newConsumer"); }));
  second.AcceptAll();
  REQUIRE(Until([&] { return Has(second, "consumerScore"); }));
  CHECK(worker().Count(Method::CONSUMER_RESUME) == 2);
}

TEST_CASE_METHOD(OrderFixture,
                 "what a client asks before it takes a consumer holds from its start") {
  Join(second);
  REQUIRE(Until([&] { return Has(second, "newConsumer"); }));
  const std::string id = second.Last("newConsumer")->at("data").at("id").as_string().c_str();
  SECTION("layers") {
    second.Send("setConsumerPreferredLayers", R"({"spatialLayer":0,"consumerId":")" + id + R"("})");
    second.AcceptAll();
    REQUIRE(Until([&] { return worker().Count(Method::CONSUMER_RESUME) == 1; }));
    const auto place = [&](Method method) {
      return std::find_if(worker().received.begin(), worker().received.end(),
                          [&](const auto& got) { return got.method == method; }) -
             worker().received.begin();
    };
    CHECK(worker().Count(Method::CONSUMER_SET_PREFERRED_LAYERS) == 1);
    CHECK(place(Method::CONSUMER_SET_PREFERRED_LAYERS) < place(Method::CONSUMER_RESUME));
  }
  SECTION("a pause") {
    second.Send("pauseConsumer", R"({"consumerId":")" + id + R"("})");
    second.AcceptAll();
    REQUIRE(Until([&] { return Has(second, "consumerScore"); }));
    Settle();
    CHECK(worker().Count(Method::CONSUMER_RESUME) == 0);
    CHECK(Ask(second, "resumeConsumer", R"({"consumerId":")" + id + R"("})").contains("ok"));
    CHECK(worker().Count(Method::CONSUMER_RESUME) == 1);
  }
}

TEST_CASE_METHOD(OrderFixture, "a consumer that its client has paused meanwhile stays paused") {
  worker().fail_once = {Method::CONSUMER_RESUME};
  Join(second);
  REQUIRE(Until([&] { return Has(second, "newConsumer"); }));
  const std::string id = second.Last("newConsumer")->at("data").at("id").as_string().c_str();
  second.AcceptAll();
  REQUIRE(Until([&] { return worker().Count(Method::CONSUMER_RESUME) == 1; }));
  CHECK(Ask(second, "pauseConsumer", R"({"consumerId":")" + id + R"("})").contains("ok"));
  // Another one, that fails later, is resumed: by then the first would have been, too.
  worker().fail_once = {Method::CONSUMER_RESUME};
  Produce(first);
  REQUIRE(Until([&] { return CountOf(second, "newConsumer") == 2; }));
  second.AcceptAll();
  // Of both the score is told, of the first though it stays paused.
  REQUIRE(Until([&] { return CountOf(second, "consumerScore") == 2; }));
  CHECK(second.Last("consumerScore")->at("data").at("consumerId").as_string() != id);
  CHECK(worker().Count(Method::CONSUMER_RESUME) == 3);
}

TEST_CASE_METHOD(OrderFixture,
                 "a consumer that its client could not pause is resumed all the same") {
  worker().fail_once = {Method::CONSUMER_RESUME};
  Join(second);
  REQUIRE(Until([&] { return Has(second, "newConsumer"); }));
  const std::string id = second.Last("newConsumer")->at("data").at("id").as_string().c_str();
  second.AcceptAll();
  REQUIRE(Until([&] { return worker().Count(Method::CONSUMER_RESUME) == 1; }));
  const std::string data = R"({"consumerId":")" + id + R"("})";
  SECTION("when the answer comes before its next attempt") {
    worker().fail_once = {Method::CONSUMER_PAUSE};
    CHECK_FALSE(Ask(second, "pauseConsumer", data).contains("ok"));
    REQUIRE(Until([&] { return Has(second, "consumerScore"); }));
    CHECK(worker().Count(Method::CONSUMER_RESUME) == 2);
  }
  SECTION("when it comes after that") {
    worker().delay = {Method::CONSUMER_PAUSE};
    const int pause = second.Send("pauseConsumer", data);
    REQUIRE(Until([&] { return worker().Count(Method::CONSUMER_PAUSE) == 1; }));
    // Another one, that fails later, is resumed: by then the first would have been, too.
    worker().fail_once = {Method::CONSUMER_RESUME};
    Produce(first);
    REQUIRE(Until([&] { return CountOf(second, "newConsumer") == 2; }));
    second.AcceptAll();
    REQUIRE(Until([&] { return worker().Count(Method::CONSUMER_RESUME) == 3; }));
    worker().fail_once = {Method::CONSUMER_PAUSE};
    worker().Release();
    REQUIRE(Until([&] { return second.Response(pause) != nullptr; }));
    CHECK_FALSE(second.Response(pause)->contains("ok"));
    REQUIRE(Until([&] { return worker().Count(Method::CONSUMER_RESUME) == 4; }));
  }
}

TEST_CASE_METHOD(OrderFixture, "a consumer that can never be made is not asked for again") {
  worker().refuse = {Method::TRANSPORT_CONSUME};
  Join(second);
  REQUIRE(Until([&] { return worker().Count(Method::TRANSPORT_CONSUME) == 1; }));
  worker().refuse.clear();
  Produce(first);
  REQUIRE(Until([&] { return Has(second, "newConsumer"); }));
  CHECK(worker().Count(Method::TRANSPORT_CONSUME) == 2);
}

TEST_CASE_METHOD(OrderFixture, "an offer that is not answered holds back no other") {
  Join(second);
  REQUIRE(Until([&] { return Has(second, "newConsumer"); }));
  for (int i = 0; i < 20; ++i) Produce(first);
  REQUIRE(Until([&] { return CountOf(second, "newConsumer") == 21; }));
  second.AcceptAll();
  CHECK(Until([&] { return worker().Count(Method::CONSUMER_RESUME) == 21; }));
}

TEST_CASE_METHOD(OrderFixture, "a connection that ends leaves nothing half-made behind") {
  worker().ignore = {Method::ROUTER_CREATE_WEBRTCTRANSPORT};
  const size_t before = worker().Count(Method::ROUTER_CREATE_WEBRTCTRANSPORT);
  second.Send("createWebRtcTransport", R"({"consuming":true})");
  REQUIRE(
      Until([&] { return worker().Count(Method::ROUTER_CREATE_WEBRTCTRANSPORT) == before + 1; }));
  second.session->OnClosed();
  CHECK(Until([&] { return worker().Count(Method::ROUTER_CLOSE_TRANSPORT) == 1; }));
}

TEST_CASE_METHOD(OrderFixture, "a peer that leaves costs a request per transport, no more") {
  Join(second);
  REQUIRE(Until([&] { return Has(second, "newConsumer"); }));
  Produce(second);
  second.session->OnClosed();
  REQUIRE(Until([&] { return worker().Count(Method::ROUTER_CLOSE_TRANSPORT) == 2; }));
  Settle();
  CHECK(worker().Count(Method::TRANSPORT_CLOSE_CONSUMER) == 0);
  CHECK(worker().Count(Method::TRANSPORT_CLOSE_PRODUCER) == 0);
}

TEST_CASE_METHOD(OrderFixture, "a flood of scores becomes one message a second") {
  Join(second);
  REQUIRE(Until([&] { return Has(second, "newConsumer"); }));
  second.AcceptAll();
  REQUIRE(Until([&] { return Has(second, "consumerScore"); }));
  const std::string consumer_id = worker().consumer_ids.back();
  for (int i = 0; i < 100; ++i) worker().NotifyScore(consumer_id, static_cast<uint8_t>(i % 8));
  worker().NotifyScore(consumer_id, 9);
  worker().Notify(consumer_id, Event::CONSUMER_PRODUCER_PAUSE);  // says that all were read
  REQUIRE(Until([&] { return Has(second, "consumerPaused"); }));
  CHECK(CountOf(second, "consumerScore") == 1);
  REQUIRE(Until([&] { return CountOf(second, "consumerScore") == 2; }));
  CHECK(second.Last("consumerScore")->at("data").at("score").at("score") == 9);
}

TEST_CASE_METHOD(OrderFixture, "a flood of layers becomes one message a second, none are null") {
  Join(second);
  REQUIRE(Until([&] { return Has(second, "newConsumer"); }));
  second.AcceptAll();
  const std::string id = worker().consumer_ids.back();
  const auto last = [&] {
    return json::serialize(second.Last("consumerLayersChanged")->at("data"));
  };
  worker().NotifyLayers(id, std::pair(uint8_t{2}, uint8_t{1}));
  REQUIRE(Until([&] { return Has(second, "consumerLayersChanged"); }));
  CHECK(last() == R"({"consumerId":")" + id + R"(","spatialLayer":2,"temporalLayer":1})");
  for (uint8_t i = 0; i < 100; ++i) {
    worker().NotifyLayers(id, std::pair(static_cast<uint8_t>(i % 3), uint8_t{0}));
  }
  worker().NotifyLayers(id, std::nullopt);
  worker().Notify(id, Event::CONSUMER_PRODUCER_PAUSE);  // says that all were read
  REQUIRE(Until([&] { return Has(second, "consumerPaused"); }));
  CHECK(CountOf(second, "consumerLayersChanged") == 1);
  REQUIRE(Until([&] { return CountOf(second, "consumerLayersChanged") == 2; }));
  CHECK(last() == R"({"consumerId":")" + id + R"(","spatialLayer":null,"temporalLayer":null})");
}

TEST_CASE_METHOD(OrderFixture, "a flood of a producer's scores becomes one message a second") {
  const std::string id = producer_id;
  worker().NotifyProducerScore(id, 10);
  REQUIRE(Until([&] { return Has(first, "producerScore"); }));
  for (uint8_t i = 0; i < 100; ++i) worker().NotifyProducerScore(id, i % 8);
  worker().NotifyProducerScore(id, 9);
  worker().NotifyWanted(id);  // says that all were read
  REQUIRE(Until([&] { return Has(first, "producerWantedLayers"); }));
  CHECK(CountOf(first, "producerScore") == 1);
  REQUIRE(Until([&] { return CountOf(first, "producerScore") == 2; }));
  CHECK(json::serialize(first.Last("producerScore")->at("data")) ==
        R"({"producerId":")" + id +
            R"(","score":[{"encodingIdx":0,"ssrc":1111,"score":9,"rid":"r0"}]})");
}

TEST_CASE_METHOD(OrderFixture, "an event for many peers is one text") {
  Join(second);
  FakeClient third = Connect("r", "third");
  Join(third);
  REQUIRE(Has(first, "newPeer"));
  REQUIRE(Has(second, "newPeer"));
  CHECK(first.socket->shared.back() == second.socket->shared.back());
}

TEST_CASE("a room of 300 that comes at once gets all its consumers, none is refused") {
  // The worker's death brings everyone back at the same moment. 60 of 300 send: 17,940 consumers,
  // whose requests are more than twice what a pipe's queue used to hold.
  constexpr size_t kPeers = 300;
  constexpr size_t kSenders = 60;
  RoomFixture fixture({.protoo = {.requests_per_second = 0}});
  FakeWorker& worker = *fixture.launcher.workers.back();
  for (size_t i = 0; i < 50; ++i) worker.fail_once.insert(Method::TRANSPORT_CONSUME);
  std::vector<FakeClient> clients;
  for (size_t i = 0; i < kPeers; ++i) {
    clients.push_back(fixture.Connect("r", "p" + std::to_string(i)));
  }
  for (FakeClient& client : clients) fixture.Join(client);
  for (size_t i = 0; i < kSenders; ++i) fixture.Produce(clients[i]);
  const auto all_there = [&] {
    return std::all_of(clients.begin(), clients.end(), [&](FakeClient& client) {
      client.AcceptAll();
      const bool sends = &client < &clients[kSenders];
      return client.consumers == kSenders - (sends ? 1 : 0);
    });
  };
  for (int round = 0; round < 10'000 && !all_there(); ++round) {
    fixture.Until([count = 0]() mutable { return ++count > 1'000; });
  }
  CHECK(all_there());
  CHECK(fixture.pool.deaths() == 0);
}

}  // namespace
}  // namespace sluice::controller
