// Consumers that a peer wants but the worker could not make at first.
#include "controller/room/subscriber.h"

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <boost/json/object.hpp>
#include <catch2/catch.hpp>
#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "tests/unit/controller/clock_jump.h"
#include "tests/unit/controller/signalling/room_fixture.h"

namespace sluice::controller {
namespace {

using FBS::Request::Method;
using test::FakeClient;
using test::FakeWorker;
using test::RoomFixture;

class SubscriberTest : public RoomFixture {
 protected:
  SubscriberTest()
      : RoomFixture({.unused_transport_timeout = std::chrono::hours(24), .protoo = {}}) {
    Join(sender_);
    Produce(sender_);
  }
  /// A viewer whose consumer has been asked for, and that has been answered.
  FakeClient JoinAndAsk(const std::string& id) {
    const size_t before = asked();
    FakeClient viewer = Connect("r", id);
    Join(viewer);
    REQUIRE(Until([&] { return asked() > before; }));
    // Its answer comes behind that.
    REQUIRE(Ask(viewer, "createWebRtcTransport", R"({"producing":true})").contains("ok"));
    return viewer;
  }
  /// That much time, and what it brings.
  void Pass(std::chrono::nanoseconds time) {
    test::JumpAhead(time);
    bool woken = false;
    // One that is due now: the loop looks at all of them.
    asio::steady_timer timer(context, std::chrono::milliseconds(1));
    timer.async_wait([&woken](const boost::system::error_code&) { woken = true; });
    REQUIRE(Until([&] { return woken; }));
    Settle();
  }
  size_t asked() const { return worker_.Count(Method::TRANSPORT_CONSUME); }

  FakeWorker& worker_ = *launcher.workers.back();
  FakeClient sender_ = Connect("r", "sender");
};

TEST_CASE_METHOD(SubscriberTest, "subscriber: what failed is tried again, and offered once") {
  worker_.fail_once = {Method::TRANSPORT_CONSUME, Method::TRANSPORT_CONSUME};
  FakeClient viewer = JoinAndAsk("viewer");
  CHECK(Until([&] { return viewer.Last("newConsumer") != nullptr; }));
  CHECK(asked() == 3);
  Settle();
  CHECK(asked() == 3);
}

TEST_CASE_METHOD(SubscriberTest, "subscriber: for who has left meanwhile nothing is tried again") {
  for (int i = 0; i < 100; ++i) worker_.fail_once.insert(Method::TRANSPORT_CONSUME);
  { const FakeClient leaver = JoinAndAsk("leaver"); }
  Settle();
  const size_t before = asked();
  worker_.fail_once = {Method::TRANSPORT_CONSUME};
  FakeClient stayer = JoinAndAsk("stayer");
  // The other's time has come before this one's.
  CHECK(Until([&] { return stayer.Last("newConsumer") != nullptr; }));
  CHECK(asked() == before + 2);
}

TEST_CASE_METHOD(SubscriberTest, "subscriber: what cannot be done is not tried again") {
  worker_.refuse = {Method::TRANSPORT_CONSUME};
  const FakeClient hopeless = JoinAndAsk("hopeless");
  worker_.refuse.clear();
  worker_.fail_once = {Method::TRANSPORT_CONSUME};
  FakeClient lucky = JoinAndAsk("lucky");
  CHECK(Until([&] { return lucky.Last("newConsumer") != nullptr; }));
  CHECK(hopeless.Last("newConsumer") == nullptr);
  CHECK(asked() == 3);
}

size_t CountOf(const FakeClient& client, std::string_view method) {
  const auto names = client.Names();
  return static_cast<size_t>(std::count(names.begin(), names.end(), method));
}

TEST_CASE_METHOD(SubscriberTest, "subscriber: an offer has no time limit") {
  FakeClient sleeper = JoinAndAsk("sleeper");
  REQUIRE(Until([&] { return CountOf(sleeper, "newConsumer") == 1; }));
  // A laptop that sleeps: the oldest protoo servers gave up after half a minute.
  Pass(std::chrono::seconds(50));
  Produce(sender_);
  REQUIRE(Until([&] { return CountOf(sleeper, "newConsumer") == 2; }));
  Pass(std::chrono::hours(8));
  CHECK(CountOf(sleeper, "consumerClosed") == 0);
  CHECK(worker_.Count(Method::CONSUMER_RESUME) == 0);
  sleeper.AcceptAll();
  CHECK(Until([&] { return worker_.Count(Method::CONSUMER_RESUME) == 2; }));
}

TEST_CASE("subscriber: no more is offered than may wait for an answer") {
  constexpr size_t kOfEach = 32;  // producers that a peer may have
  constexpr size_t kSenders = Subscriber::kMaxUnanswered / kOfEach + 1;
  RoomFixture::Options options;
  options.protoo.requests_per_second = 0;
  options.protoo.announcements_per_second = 0;
  RoomFixture fixture(options);
  const FakeWorker& worker = *fixture.launcher.workers.back();
  const auto made = [&worker] { return worker.Count(Method::TRANSPORT_CONSUME); };
  std::vector<FakeClient> senders;
  for (size_t i = 0; i < kSenders; ++i) {
    FakeClient& sender = senders.emplace_back(fixture.Connect("r", "s" + std::to_string(i)));
    // They take no part in the room but send: nothing is consumed for them.
    REQUIRE(fixture.Ask(sender, "createWebRtcTransport", R"({"producing":true})").contains("ok"));
    REQUIRE(
        fixture.Ask(sender, "join", R"({"displayName":"N","device":{"name":"d"}})").contains("ok"));
    for (size_t p = 0; p < kOfEach; ++p) fixture.Produce(sender);
  }
  FakeClient viewer = fixture.Connect("r", "viewer");
  fixture.Join(viewer);
  // Counted without a look at each: there are many.
  const size_t before = viewer.socket->messages.size();
  const auto reached = [&viewer, before](size_t offers) {
    return [&viewer, before, offers] { return viewer.socket->messages.size() >= before + offers; };
  };
  REQUIRE(fixture.Until(reached(Subscriber::kMaxUnanswered)));
  fixture.Settle();
  // What was under way at the worker meanwhile has come to an end, too.
  CHECK(CountOf(viewer, "newConsumer") < Subscriber::kMaxUnanswered + Subscriber::kMaxAtWorker);
  CHECK(made() < Subscriber::kMaxUnanswered + Subscriber::kMaxAtWorker);
  viewer.AcceptAll();
  REQUIRE(fixture.Until([&] { return made() == kSenders * kOfEach; }));
  CHECK(fixture.Until([&] { return CountOf(viewer, "newConsumer") == kSenders * kOfEach; }));
}

}  // namespace
}  // namespace sluice::controller
