// Broadcasters that fall silent, and those whose worker dies.
#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/unit/controller/signalling/room_fixture.h"

namespace sluice::controller {
namespace {

namespace json = boost::json;
using FBS::Request::Method;
using std::chrono::milliseconds;
using test::FakeClient;
using test::FakeWorker;
using test::RoomFixture;

const std::string kBroadcasters = "/rooms/r/broadcasters";

/// Does what the broadcast script does: a broadcaster, a plain transport, a producer on it. The
/// transport's id.
std::string StartBroadcast(RoomFixture& fixture) {
  CHECK(fixture.Rest("POST", kBroadcasters, R"({"id":"b","displayName":"B","device":{"name":"x"}})")
            .status == 200);
  const HttpResponse made =
      fixture.Rest("POST", kBroadcasters + "/b/transports", R"({"type":"plain"})");
  const std::string id = json::parse(made.body).at("id").as_string().c_str();
  const HttpResponse produced = fixture.Rest(
      "POST", kBroadcasters + "/b/transports/" + id + "/producers",
      std::string(R"({"kind":"audio","rtpParameters":)") + test::kOpusParameters + "}");
  CHECK(produced.status == 200);
  return id;
}

size_t CountOf(const FakeClient& client, std::string_view method) {
  const auto names = client.Names();
  return static_cast<size_t>(std::count(names.begin(), names.end(), method));
}

TEST_CASE("a broadcaster that sends nothing is ended, and its room freed") {
  RoomFixture fixture({.broadcaster_timeout = milliseconds(15), .protoo = {}});
  {
    FakeClient viewer = fixture.Connect("r", "viewer");
    fixture.Join(viewer);
    StartBroadcast(fixture);
    REQUIRE(fixture.Until([&] { return viewer.Last("peerClosed") != nullptr; }));
    CHECK(viewer.Last("peerClosed")->at("data").at("peerId") == "b");
    CHECK(fixture.launcher.workers.back()->Count(Method::ROUTER_CLOSE_TRANSPORT) == 1);
    CHECK(fixture.Rest("DELETE", kBroadcasters + "/b").status == 404);
  }
  StartBroadcast(fixture);
  CHECK(fixture.Until([&] { return fixture.rooms.size() == 0; }));
}

TEST_CASE("a broadcaster that sends stays, until it stops") {
  RoomFixture fixture({.broadcaster_timeout = milliseconds(15), .protoo = {}});
  FakeWorker& worker = *fixture.launcher.workers.back();
  worker.rtp_bytes_step = 1'000;
  StartBroadcast(fixture);
  REQUIRE(fixture.Until([&] { return worker.Count(Method::TRANSPORT_GET_STATS) >= 10; }));
  CHECK(fixture.rooms.size() == 1);
  worker.rtp_bytes_step = 0;
  CHECK(fixture.Until([&] { return fixture.rooms.size() == 0; }));
}

TEST_CASE("a broadcaster outlives its worker: same ids, same ports, and viewers get it again") {
  RoomFixture fixture({.protoo = {}});
  FakeClient viewer = fixture.Connect("r", "viewer");
  fixture.Join(viewer);
  const std::string transport_id = StartBroadcast(fixture);
  REQUIRE(fixture.Until([&] { return viewer.Last("newConsumer") != nullptr; }));
  const json::value producer_id = viewer.Last("newConsumer")->at("data").at("producerId");
  CHECK(fixture.launcher.workers.back()->plain_ports == std::vector<uint16_t>{0});
  fixture.launcher.workers.back()->Die();
  REQUIRE(fixture.Until([&] { return viewer.socket->close_code == kCloseReconnect; }));
  viewer.session->OnClosed();

  FakeClient again = fixture.Connect("r", "viewer");
  fixture.Join(again);
  REQUIRE(fixture.Until([&] { return again.Last("newConsumer") != nullptr; }));
  const json::object& offer = again.Last("newConsumer")->at("data").as_object();
  CHECK(offer.at("peerId") == "b");
  CHECK(offer.at("producerId") == producer_id);
  const FakeWorker& heir = *fixture.launcher.workers.back();
  CHECK(heir.plain_ports == std::vector<uint16_t>{40'000, 40'001});
  CHECK(std::count(heir.transport_ids.begin(), heir.transport_ids.end(), transport_id) == 1);
  // Its program ends it as if nothing had happened.
  CHECK(fixture.Rest("DELETE", kBroadcasters + "/b").status == 200);
  CHECK(fixture.Until([&] { return CountOf(again, "peerClosed") == 1; }));
}

/// A broadcaster that receives on a plain transport; the transport's id.
std::string StartReceiver(RoomFixture& fixture, const std::string& producer_id) {
  CHECK(fixture
            .Rest("POST", kBroadcasters,
                  R"({"id":"r","displayName":"R","device":{"name":"x"},"rtpCapabilities":)" +
                      std::string(test::kOpusCapabilities) + "}")
            .status == 200);
  const HttpResponse made =
      fixture.Rest("POST", kBroadcasters + "/r/transports", R"({"type":"plain"})");
  const std::string id = json::parse(made.body).at("id").as_string().c_str();
  CHECK(fixture
            .Rest("POST",
                  kBroadcasters + "/r/transports/" + id + "/consume?producerId=" + producer_id)
            .status == 200);
  return id;
}

std::string ProducerOf(RoomFixture& fixture, const std::string& transport_id) {
  const HttpResponse produced = fixture.Rest(
      "POST", kBroadcasters + "/b/transports/" + transport_id + "/producers",
      std::string(R"({"kind":"audio","rtpParameters":)") + test::kOpusParameters + "}");
  return json::parse(produced.body).at("id").as_string().c_str();
}

TEST_CASE("a receiver that nobody listens at is ended like a sender that sends nothing") {
  RoomFixture fixture({.broadcaster_timeout = milliseconds(15), .protoo = {}});
  FakeWorker& worker = *fixture.launcher.workers.back();
  FakeClient sender = fixture.Connect("r", "sender");
  fixture.Join(sender);
  const std::string transport_id = StartReceiver(fixture, fixture.Produce(sender));
  const size_t looks = worker.Count(Method::TRANSPORT_GET_STATS);
  // As long as somebody seems to listen it is not even looked at.
  const auto start = std::chrono::steady_clock::now();
  fixture.Until([&] { return std::chrono::steady_clock::now() - start > milliseconds(100); });
  CHECK(worker.Count(Method::TRANSPORT_GET_STATS) == looks);
  CHECK(fixture.rooms.CountPeople().broadcasters == 1);
  worker.NotifyReceiver(transport_id, false);
  REQUIRE(fixture.Until([&] { return sender.Last("peerClosed") != nullptr; }));
  CHECK(sender.Last("peerClosed")->at("data").at("peerId") == "r");
}

TEST_CASE("a receiver whose listener comes back stays") {
  RoomFixture fixture({.broadcaster_timeout = milliseconds(60), .protoo = {}});
  FakeWorker& worker = *fixture.launcher.workers.back();
  FakeClient sender = fixture.Connect("r", "sender");
  fixture.Join(sender);
  const std::string transport_id = StartReceiver(fixture, fixture.Produce(sender));
  worker.NotifyReceiver(transport_id, false);
  worker.NotifyReceiver(transport_id, true);
  const auto start = std::chrono::steady_clock::now();
  fixture.Until([&] { return std::chrono::steady_clock::now() - start > milliseconds(500); });
  CHECK(fixture.rooms.CountPeople().broadcasters == 1);
}

TEST_CASE("a broadcaster is made again although the next worker dies over it, too") {
  RoomFixture fixture({.protoo = {}});
  StartBroadcast(fixture);
  fixture.launcher.workers.back()->Die();
  REQUIRE(fixture.Until([&] { return fixture.launcher.workers.size() == 2; }));
  const std::shared_ptr<FakeWorker> heir = fixture.launcher.workers.back();
  heir->before_answer = [heir](const FBS::Request::Request& request) {
    if (request.method() == Method::ROUTER_CREATE_PLAINTRANSPORT) heir->Die();
  };
  REQUIRE(fixture.Until([&] {
    return fixture.launcher.workers.size() == 3 &&
           fixture.launcher.workers.back()->Count(Method::TRANSPORT_PRODUCE) == 1;
  }));
  heir->before_answer = nullptr;
  CHECK(fixture.launcher.workers.back()->plain_ports == std::vector<uint16_t>{40'000, 40'001});
  CHECK(fixture.Rest("DELETE", kBroadcasters + "/b").status == 200);
}

TEST_CASE("who receives over a plain transport does not notice the worker's death either") {
  RoomFixture fixture({.protoo = {}});
  const std::string sending = StartBroadcast(fixture);
  const std::string producer_id = ProducerOf(fixture, sending);
  const std::string receiving = StartReceiver(fixture, producer_id);
  const FakeWorker& first = *fixture.launcher.workers.back();
  const std::string consumer_id = first.consumer_ids.back();
  const uint32_t ssrc = first.consumer_ssrcs.back();
  REQUIRE(ssrc != 0);
  fixture.launcher.workers.back()->Die();
  REQUIRE(fixture.Until([&] {
    return fixture.launcher.workers.size() == 2 &&
           fixture.launcher.workers.back()->Count(Method::TRANSPORT_CONSUME) == 1;
  }));
  const FakeWorker& heir = *fixture.launcher.workers.back();
  CHECK(heir.consumer_ids == std::vector<std::string>{consumer_id});
  CHECK(heir.consumer_ssrcs == std::vector<uint32_t>{ssrc});
  CHECK(std::count(heir.transport_ids.begin(), heir.transport_ids.end(), receiving) == 1);
  CHECK(heir.plain_ports.size() == 4);  // both ports of both
  // And it may not consume it a second time.
  CHECK(fixture
            .Rest("POST", kBroadcasters + "/r/transports/" + receiving +
                              "/consume?producerId=" + producer_id)
            .status == 409);
}

TEST_CASE("consumers made after a worker's death get other MIDs than those that came back") {
  RoomFixture fixture({.protoo = {}});
  FakeClient peer = fixture.Connect("r", "peer");
  fixture.Join(peer);
  const std::string receiving = StartReceiver(fixture, fixture.Produce(peer));
  const std::string sending = StartBroadcast(fixture);
  const auto consume = [&](const std::string& producer_id) {
    const HttpResponse consumed =
        fixture.Rest("POST", kBroadcasters + "/r/transports/" + receiving +
                                 "/consume?producerId=" + producer_id);
    REQUIRE(consumed.status == 200);
    return std::string(
        json::parse(consumed.body).at("rtpParameters").at("mid").as_string().c_str());
  };
  REQUIRE(consume(ProducerOf(fixture, sending)) == "1");
  fixture.launcher.workers.back()->Die();
  // What the peer sent is gone, so only the second of the two consumers comes back.
  REQUIRE(fixture.Until([&] {
    return fixture.launcher.workers.size() == 2 &&
           fixture.launcher.workers.back()->Count(Method::TRANSPORT_CONSUME) == 1;
  }));
  fixture.Settle();
  CHECK(consume(ProducerOf(fixture, sending)) == "2");
}

/// The fixture's newest worker, once there are `count`.
std::shared_ptr<FakeWorker> WorkerNumber(RoomFixture& fixture, size_t count) {
  REQUIRE(fixture.Until([&] { return fixture.launcher.workers.size() == count; }));
  return fixture.launcher.workers.back();
}

TEST_CASE("a receiver gets its consumer again although the next worker dies before it is made") {
  RoomFixture fixture({.protoo = {}});
  const std::string producer_id = ProducerOf(fixture, StartBroadcast(fixture));
  StartReceiver(fixture, producer_id);
  const std::vector<std::string> consumer_ids = fixture.launcher.workers.back()->consumer_ids;
  REQUIRE(consumer_ids.size() == 1);
  fixture.launcher.workers.back()->Die();
  const std::shared_ptr<FakeWorker> heir = WorkerNumber(fixture, 2);
  heir->before_answer = [heir](const FBS::Request::Request& request) {
    if (request.method() == Method::TRANSPORT_CONSUME) heir->Die();
  };
  const std::shared_ptr<FakeWorker> last = WorkerNumber(fixture, 3);
  heir->before_answer = nullptr;
  REQUIRE(fixture.Until([&] { return last->Count(Method::TRANSPORT_CONSUME) == 1; }));
  CHECK(last->consumer_ids == consumer_ids);
}

TEST_CASE("consumers are made again after all broadcasters, also of those that took longer") {
  RoomFixture fixture({.protoo = {}});
  const std::string producer_id = ProducerOf(fixture, StartBroadcast(fixture));
  StartReceiver(fixture, producer_id);
  const std::vector<std::string> consumer_ids = fixture.launcher.workers.back()->consumer_ids;
  fixture.launcher.workers.back()->Die();
  // The second worker dies between the sender "b" and the receiver "r".
  const std::shared_ptr<FakeWorker> heir = WorkerNumber(fixture, 2);
  heir->before_answer = [heir](const FBS::Request::Request& request) {
    if (request.method() != Method::ROUTER_CREATE_PLAINTRANSPORT) return;
    if (heir->Count(Method::ROUTER_CREATE_PLAINTRANSPORT) == 2) heir->Die();
  };
  const std::shared_ptr<FakeWorker> last = WorkerNumber(fixture, 3);
  heir->before_answer = nullptr;
  // The third takes longer for the sender's producers than a receiver waits for its next attempt.
  last->delay = {Method::TRANSPORT_PRODUCE};
  const auto start = std::chrono::steady_clock::now();
  fixture.Until([&] { return std::chrono::steady_clock::now() - start > milliseconds(1'500); });
  last->Release();
  REQUIRE(fixture.Until([&] { return last->Count(Method::TRANSPORT_CONSUME) == 1; }));
  CHECK(last->consumer_ids == consumer_ids);
}

TEST_CASE("a plain transport that was used once is given back when nobody uses it any more") {
  RoomFixture fixture({.unused_transport_timeout = milliseconds(10), .protoo = {}});
  FakeWorker& worker = *fixture.launcher.workers.back();
  FakeClient viewer = fixture.Connect("r", "viewer");
  fixture.Join(viewer);
  worker.rtp_bytes = 8;  // one datagram has come
  StartBroadcast(fixture);
  REQUIRE(fixture.Until([&] { return worker.Count(Method::ROUTER_CLOSE_TRANSPORT) == 1; }));
  CHECK(worker.Count(Method::TRANSPORT_GET_STATS) >= 5);
  CHECK(fixture.rooms.room_counters().unused_transports == 1);
}

}  // namespace
}  // namespace sluice::controller
