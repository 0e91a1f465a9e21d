// Requests to a busy worker wait, up to the client's socket; nothing is refused and nothing grows.
#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "controller/room/subscriber.h"
#include "controller/signalling/data_gateway.h"
#include "controller/signalling/gst_gateway.h"
#include "controller/signalling/sdp_gateway.h"
#include "controller/worker/worker_channel.h"
#include "tests/unit/controller/signalling/room_fixture.h"

namespace sluice::controller {
namespace {

using FBS::Request::Method;
using test::FakeClient;
using test::FakeWorker;
using test::RoomFixture;

size_t CountOf(const FakeClient& client, std::string_view name) {
  const auto names = client.Names();
  return static_cast<size_t>(std::count(names.begin(), names.end(), name));
}

/// Clients in a room whose worker holds its answers back.
class BusyFixture : public RoomFixture {
 public:
  BusyFixture() : RoomFixture({.protoo = {.requests_per_second = 0}}) {}
  FakeWorker& worker() { return *launcher.workers.back(); }

  FakeClient ClientWithTransport(const std::string& peer_id) {
    FakeClient client = Connect("r", peer_id);
    Ask(client, "createWebRtcTransport", R"({"consuming":true})");
    return client;
  }
  /// A request that only the worker can answer.
  static int AskForStats(FakeClient& client) {
    const auto& id = client.Response(1)->at("data").at("id").as_string();
    return client.Send("getTransportStats",
                       R"({"transportId":")" + std::string(id.c_str()) + R"("})");
  }
  /// What a client sends as long as it is read. The number of requests.
  static size_t AskWhileRead(FakeClient& client, size_t at_most) {
    size_t asked = 0;
    for (; asked < at_most && !client.socket->paused; ++asked) AskForStats(client);
    return asked;
  }
};

TEST_CASE_METHOD(BusyFixture, "a client with many unanswered requests is not read until half are") {
  FakeClient client = ClientWithTransport("p");
  worker().hold = true;
  const size_t asked = AskWhileRead(client, 10'000);
  CHECK(asked == ProtooSession::kMaxClientRequests);
  Settle();
  CHECK(client.socket->paused);
  worker().Release();
  REQUIRE(Until([&] { return !client.socket->paused; }));
  REQUIRE(Until([&] { return CountOf(client, "ok") == asked + 1; }));
  CHECK(CountOf(client, "error") == 0);
  AskForStats(client);
  CHECK_FALSE(client.socket->paused);
}

TEST_CASE_METHOD(BusyFixture, "while a room's queue is full nobody in it is read, others are") {
  constexpr size_t kAtWorker = WorkerChannel::kWindow;
  std::vector<FakeClient> crowd;
  for (int i = 0; i < 8; ++i) crowd.push_back(ClientWithTransport("p" + std::to_string(i)));
  FakeClient quiet = ClientWithTransport("quiet");
  FakeClient elsewhere = Connect("other", "p");
  worker().hold = true;
  size_t asked = 0;
  for (FakeClient& client : crowd) {
    asked += AskWhileRead(client, 10'000);
    Settle();
  }
  // Each of the last ones was heard once: what it said found the queue full.
  CHECK(asked >= WorkerChannel::kBusy + kAtWorker);
  CHECK(asked <= WorkerChannel::kBusy + kAtWorker + ProtooSession::kMaxClientRequests);
  AskForStats(quiet);
  CHECK(quiet.socket->paused);
  elsewhere.Send("getRouterRtpCapabilities");
  CHECK_FALSE(elsewhere.socket->paused);

  worker().Release();
  const auto unread = [](const FakeClient& client) { return client.socket->paused; };
  REQUIRE(Until([&] { return std::none_of(crowd.begin(), crowd.end(), unread); }));
  REQUIRE(Until([&] { return !quiet.socket->paused; }));
  size_t answered = 0;
  REQUIRE(Until([&] {
    answered = 0;
    for (const FakeClient& client : crowd) answered += CountOf(client, "ok") - 1;
    return answered == asked;
  }));
  for (const FakeClient& client : crowd) CHECK(CountOf(client, "error") == 0);
}

/// Clients of the doors that speak SDP, beside those of protoo.
class DoorsFixture : public BusyFixture {
 public:
  struct Client {
    std::shared_ptr<test::FakeSocket> socket = std::make_shared<test::FakeSocket>();
    std::shared_ptr<WebSocketEvents> session;
    std::string word;  ///< that means nothing much
    void Say() { session->OnText(word); }
  };

  ~DoorsFixture() {
    for (const Client& client : clients) client.session->OnClosed();
  }
  /// One of each door, in that room.
  std::vector<Client> OneOfEach(const std::string& room) {
    const std::string query = "?roomId=" + room + "&peerId=";
    return {Open(sdp, "/sdp" + query + "sdp", R"({"type":"candidate"})"),
            Open(data, "/datachannel" + query + "data", R"({"type":"candidate"})"),
            Open(gst, "/" + room, R"({"type":"list"})")};
  }

 private:
  template <typename Door>
  Client Open(Door& door, const std::string& target, std::string word) {
    HttpRequest request;
    request.method = "GET";
    request.client_ip = request.source = "127.0.0.1";
    ParseTarget(target, &request);
    const UpgradeDecision decision = Await(door.Upgrade(std::move(request)));
    INFO(decision.rejection.body);
    REQUIRE(decision.session);
    Client client;
    client.session = decision.session;
    client.word = std::move(word);
    client.session->OnOpen(client.socket);
    clients.push_back(client);
    return client;
  }

  SdpGateway sdp{&rooms, RequestAuth(), DoorLimits()};
  DataGateway data{&rooms, RequestAuth(), DoorLimits()};
  GstGateway gst{&rooms, RequestAuth(), GstGateway::Settings()};
  std::vector<Client> clients;
};

TEST_CASE_METHOD(DoorsFixture, "while a room's queue is full nobody is read there by any door") {
  std::vector<FakeClient> crowd;
  for (int i = 0; i < 8; ++i) crowd.push_back(ClientWithTransport("p" + std::to_string(i)));
  std::vector<Client> here = OneOfEach("r");
  std::vector<Client> elsewhere = OneOfEach("other");
  launcher.workers.front()->hold = true;
  for (FakeClient& client : crowd) {
    AskWhileRead(client, 10'000);
    Settle();
  }
  for (Client& client : here) {
    INFO(client.word);
    client.Say();
    CHECK(client.socket->paused);
  }
  for (Client& client : elsewhere) {
    INFO(client.word);
    client.Say();
    CHECK_FALSE(client.socket->paused);
  }
  launcher.workers.front()->Release();
  for (const Client& client : here) {
    INFO(client.word);
    CHECK(Until([&] { return !client.socket->paused; }));
  }
}

TEST_CASE_METHOD(DoorsFixture, "who does not read is not read by any door, until it does") {
  std::vector<Client> here = OneOfEach("r");
  for (Client& client : here) {
    INFO(client.word);
    client.socket->full = true;
    client.Say();
    CHECK(client.socket->paused);
    client.Say();
    client.socket->full = false;
    client.session->OnDrained();
    CHECK_FALSE(client.socket->paused);
    client.socket->full = true;
    client.Say();
    REQUIRE(client.socket->paused);
  }
  // Whose session has ended is read, for its end.
  rooms.Find("r")->Close(EndReason::kShutdown);
  for (const Client& client : here) CHECK_FALSE(client.socket->paused);
}

TEST_CASE_METHOD(DoorsFixture, "a page with data channels whose starts wait is not read") {
  Client page = OneOfEach("r")[1];
  worker().hold = true;
  size_t sent = 0;
  for (; sent < 10 && !page.socket->paused; ++sent) page.session->OnText(R"({"type":"start"})");
  CHECK(sent < 5);
  CHECK(page.socket->paused);
  Settle();
  CHECK(page.socket->paused);
  worker().hold = false;
  worker().Release();
  CHECK(Until([&] { return !page.socket->paused; }));
  CHECK(Until([&] { return page.socket->messages.size() == sent; }));
}

TEST_CASE_METHOD(BusyFixture, "who asks for something waits for no consumers of the room") {
  FakeClient sender = Connect("r", "sender");
  Join(sender);
  for (size_t i = 0; i < 16; ++i) Produce(sender);
  FakeClient late = ClientWithTransport("late");
  // As many as may be at the worker, and more.
  worker().ignore = {Method::TRANSPORT_CONSUME};
  std::vector<FakeClient> viewers;
  for (size_t i = 0; i <= WorkerChannel::kWindow / Subscriber::kMaxAtWorker; ++i) {
    viewers.push_back(Connect("r", "v" + std::to_string(i)));
    Join(viewers.back());
  }
  REQUIRE(
      Until([&] { return worker().Count(Method::TRANSPORT_CONSUME) == WorkerChannel::kWindow; }));
  const int id = AskForStats(late);
  CHECK(Until([&] { return late.Response(id) != nullptr; }));
}

TEST_CASE_METHOD(BusyFixture, "who reads slowly is offered no more than its connection takes") {
  FakeClient sender = Connect("r", "sender");
  Join(sender);
  for (size_t i = 0; i < 24; ++i) Produce(sender);
  FakeClient viewer = Connect("r", "viewer");
  viewer.socket->full = true;
  Join(viewer);
  Settle();
  CHECK(CountOf(viewer, "newConsumer") == 0);
  CHECK(worker().Count(Method::TRANSPORT_CONSUME) == 0);
  viewer.socket->full = false;
  viewer.session->OnDrained();
  CHECK(Until([&] { return CountOf(viewer, "newConsumer") == 24; }));
}

TEST_CASE_METHOD(BusyFixture, "who does not read the answers is not read either, until it does") {
  FakeClient client = ClientWithTransport("p");
  CHECK(AskWhileRead(client, 10) == 10);
  client.socket->full = true;
  CHECK(AskWhileRead(client, 10) == 1);
  REQUIRE(Until([&] { return CountOf(client, "ok") == 12; }));  // what was asked is answered
  Settle();
  CHECK(client.socket->paused);
  client.socket->full = false;
  client.session->OnDrained();
  REQUIRE(Until([&] { return !client.socket->paused; }));
  CHECK(AskWhileRead(client, 10) == 10);
}

TEST_CASE_METHOD(BusyFixture, "few resumes of one peer are at the worker at a time") {
  FakeClient sender = Connect("r", "sender");
  Join(sender);
  for (size_t i = 0; i < 24; ++i) Produce(sender);
  FakeClient viewer = Connect("r", "viewer");
  Join(viewer);
  REQUIRE(Until([&] { return CountOf(viewer, "newConsumer") == 24; }));
  worker().hold = true;
  viewer.AcceptAll();
  REQUIRE(
      Until([&] { return worker().Count(Method::CONSUMER_RESUME) == Subscriber::kMaxAtWorker; }));
  Settle();
  CHECK(worker().Count(Method::CONSUMER_RESUME) == Subscriber::kMaxAtWorker);
  worker().Release();
  CHECK(Until([&] { return worker().Count(Method::CONSUMER_RESUME) == 24; }));
}

}  // namespace
}  // namespace sluice::controller
