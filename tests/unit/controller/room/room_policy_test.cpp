// What a peer is given of the producers in its room is its adapter's choice.
#include <catch2/catch.hpp>

#include <algorithm>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "controller/ortc/ortc.h"
#include "tests/unit/controller/signalling/room_fixture.h"

namespace sluice::controller {
namespace {

using FBS::Request::Method;
using test::RoomFixture;

/// An adapter that keeps what the room tells it.
class RecordingLink : public PeerLink {
 public:
  explicit RecordingLink(SubscriptionPolicy wanted) : policy_(wanted) {}

  SubscriptionPolicy policy() const override { return policy_; }
  void OnEvent(const RoomMessage& message) override { events.push_back(message.event()); }
  void Offer(const std::vector<std::shared_ptr<Consumer>>& consumers, OfferAnswer answer) override {
    offers.push_back(consumers.size());
    answers.push_back(std::move(answer));
  }
  void OfferData(const std::shared_ptr<DataConsumer>& /*consumer*/,
                 OfferAnswer /*answer*/) override {}
  void End(EndReason /*reason*/, std::string_view /*text*/) override {}

  std::vector<RoomEvent> events;
  std::vector<size_t> offers;  ///< consumers in each
  std::vector<OfferAnswer> answers;

 private:
  SubscriptionPolicy policy_;
};

class PolicyFixture : public RoomFixture {
 public:
  PolicyFixture() : sender(Connect("r", "sender")) {
    Join(sender);
    for (int i = 0; i < 12; ++i) producers.push_back(Produce(sender));
    room = *Await(rooms.GetOrCreate("r"));
  }

  std::shared_ptr<Participant> JoinAs(const std::shared_ptr<RecordingLink>& link) {
    const auto peer = *room->Connect("p", link);
    Room::TransportRequest request;
    request.consuming = true;
    CHECK(Await(room->CreateWebRtcTransport(peer, request)).ok());
    CHECK(room->Join(peer, "P", "", sender_capabilities()).ok());
    room->AnnounceJoin(peer);
    return peer;
  }
  static RtpCapabilities sender_capabilities() {
    return *ParseRtpCapabilities(boost::json::parse(test::kOpusCapabilities));
  }

  test::FakeClient sender;
  std::vector<std::string> producers;
  std::shared_ptr<Room> room;
};

TEST_CASE_METHOD(PolicyFixture, "automatic: an offer per consumer") {
  const auto link = std::make_shared<RecordingLink>(SubscriptionPolicy::kAutomatic);
  JoinAs(link);
  REQUIRE(Until([&] { return link->offers.size() == producers.size(); }));
  CHECK(std::count(link->offers.begin(), link->offers.end(), 1u) == 12);
}

TEST_CASE_METHOD(PolicyFixture, "batched: all that is ready in one offer, one at a time") {
  const auto link = std::make_shared<RecordingLink>(SubscriptionPolicy::kBatched);
  JoinAs(link);
  REQUIRE(Until([&] { return !link->offers.empty(); }));
  CHECK(link->offers == std::vector<size_t>{12});
  const std::string one = Produce(sender);
  const std::string two = Produce(sender);
  REQUIRE(Until([&] { return launcher.workers.back()->Count(Method::TRANSPORT_CONSUME) == 14; }));
  Settle();
  CHECK(link->offers.size() == 1);
  link->answers.front()(absl::OkStatus());
  REQUIRE(Until([&] { return link->offers.size() == 2; }));
  CHECK(link->offers.back() == 2);
  REQUIRE(Until([&] { return launcher.workers.back()->Count(Method::CONSUMER_RESUME) == 12; }));
  Settle();
  CHECK(launcher.workers.back()->Count(Method::CONSUMER_RESUME) == 12);
}

TEST_CASE_METHOD(PolicyFixture, "on request: the adapter hears of producers and chooses") {
  const auto link = std::make_shared<RecordingLink>(SubscriptionPolicy::kOnRequest);
  const auto peer = JoinAs(link);
  Settle();
  CHECK(link->offers.empty());
  const auto added = std::count_if(link->events.begin(), link->events.end(), [](const auto& event) {
    return std::holds_alternative<ProducerAdded>(event);
  });
  CHECK(added == 12);
  const auto consumer =
      Await(room->Consume(peer, ReceiveTransport(*peer), room->FindProducer(producers[3]), {}));
  REQUIRE(consumer.ok());
  room->Deliver(peer, *consumer);
  sender.session->OnClosed();
  CHECK(Until([&] { return std::holds_alternative<ConsumerEnded>(link->events.back()); }));
}

}  // namespace
}  // namespace sluice::controller
