#include "worker/core/bwe/transport_feedback_generator.h"

#include <array>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "tests/sim/virtual_environment.h"
#include "worker/wire/rtcp.h"

namespace sluice::worker {
namespace {

constexpr int64_t kReferenceUnitUs = 64'000;

class Fixture : public rtcp::Visitor {
 public:
  void Send() {
    std::array<uint8_t, rtcp::Builder::kMaxCompound> bytes;
    for (;;) {
      const std::span<const uint8_t> rtcp = generator->TakeFeedback(bytes);
      if (rtcp.empty()) return;
      REQUIRE(rtcp::Parse(rtcp, *this));
      sent_at.push_back((environment.Now() - VirtualEnvironment::kStart).ms());
    }
  }
  void OnTransportFeedback(const rtcp::TransportFeedback& feedback) override {
    feedbacks.push_back(feedback);
  }
  void Receive(int64_t ms, int sequence) {
    environment.AdvanceTo(VirtualEnvironment::kStart + Duration::Millis(ms));
    generator->OnPacket(static_cast<uint16_t>(sequence), Ssrc(5), environment.Now());
  }
  void To(int64_t ms) { environment.AdvanceTo(VirtualEnvironment::kStart + Duration::Millis(ms)); }
  /// "1.1" – received, lost, received – from the base of feedback `index`.
  std::string Pattern(size_t index) const {
    std::string pattern;
    for (const auto& packet : feedbacks.at(index).packets) pattern += packet.received ? '1' : '.';
    return pattern;
  }

  VirtualEnvironment environment;
  std::unique_ptr<TransportFeedbackGenerator> generator =
      std::make_unique<TransportFeedbackGenerator>(environment, [this] { Send(); });
  std::vector<rtcp::TransportFeedback> feedbacks;
  std::vector<int64_t> sent_at;
};

TEST_CASE("feedback goes out 100 ms after the first packet, and not while none comes") {
  Fixture f;
  f.To(1000);
  CHECK(f.feedbacks.empty());
  f.Receive(1000, 65534);
  f.Receive(1020, 65535);
  f.Receive(1030, 1);
  f.To(1099);
  CHECK(f.feedbacks.empty());
  f.To(5000);
  REQUIRE(f.feedbacks.size() == 1);
  CHECK(f.sent_at.front() == 1100);
  CHECK(f.feedbacks[0].base_sequence == 65534);
  CHECK(f.feedbacks[0].media == Ssrc(5));
  CHECK(f.Pattern(0) == "11.1");
  CHECK(f.environment.pending() == 0);
  f.Receive(5000, 3);
  f.To(5100);
  REQUIRE(f.feedbacks.size() == 2);
  CHECK(f.feedbacks[1].base_sequence == 2);
  CHECK(f.Pattern(1) == ".1");
  CHECK(f.feedbacks[1].feedback_count == 1);
}

TEST_CASE("feedback carries the arrival times to a quarter of a millisecond") {
  Fixture f;
  const std::vector<int64_t> arrivals = {1000, 1001, 1017, 1018, 1090};
  for (size_t i = 0; i < arrivals.size(); ++i) f.Receive(arrivals[i], static_cast<int>(i) + 1);
  f.To(1100);
  REQUIRE(f.feedbacks.size() == 1);
  const auto& packets = f.feedbacks[0].packets;
  REQUIRE(packets.size() == arrivals.size());
  const int64_t start = VirtualEnvironment::kStart.us();
  for (size_t i = 0; i < packets.size(); ++i) {
    const int64_t exact =
        start + arrivals[i] * 1000 - f.feedbacks[0].reference_time * kReferenceUnitUs;
    CHECK(std::llabs(packets[i].arrival_us - exact) <= 250);
  }
}

TEST_CASE("a packet that comes after it was reported lost is reported again") {
  Fixture f;
  f.Receive(0, 1);
  f.Receive(10, 3);
  f.To(100);
  CHECK(f.Pattern(0) == "1.1");
  f.Receive(150, 2);
  f.To(1000);
  REQUIRE(f.feedbacks.size() == 2);
  CHECK(f.feedbacks[1].base_sequence == 2);
  CHECK(f.Pattern(1) == "11");
}

TEST_CASE("a packet from before the arrival memory is ignored") {
  Fixture f;
  f.Receive(0, 1);
  f.Receive(10, 3);
  f.Receive(1000, 4);
  f.Receive(1600, 5);
  f.Receive(1610, 2);
  CHECK(f.generator->ignored() == 1);
}

TEST_CASE("what one feedback does not hold goes into several") {
  Fixture f;
  // Alternating losses and large deltas: the dearest encoding.
  for (int i = 0; i < 3000; i += 2) f.Receive(i % 4 == 0 ? 10 : 80, i);
  f.To(200);
  CHECK(f.feedbacks.size() == (2999 + TransportFeedbackGenerator::kMaxStatuses - 1) /
                                  TransportFeedbackGenerator::kMaxStatuses);
  uint16_t next = 0;
  for (const auto& feedback : f.feedbacks) {
    CHECK(feedback.base_sequence == next);
    for (const auto& packet : feedback.packets) {
      CHECK(packet.received == (packet.sequence % 2 == 0));
    }
    next = static_cast<uint16_t>(next + feedback.packets.size());
  }
  CHECK(next == 2999);
}

TEST_CASE("the window is bounded, and a sender that begins anew is followed") {
  Fixture f;
  f.Receive(0, 0);
  f.Receive(1, 8000);  // 7999 losses: only the window of them is told
  f.To(100);
  size_t statuses = 0;
  for (const auto& feedback : f.feedbacks) statuses += feedback.packets.size();
  CHECK(statuses == static_cast<size_t>(TransportFeedbackGenerator::kMaxWindow));
  f.feedbacks.clear();

  f.Receive(200, 30000);  // too far ahead to be a loss
  f.To(300);
  REQUIRE(f.feedbacks.size() == 1);
  CHECK(f.Pattern(0) == "1");
  f.feedbacks.clear();

  for (int i = 0; i < 40; ++i) f.Receive(400 + i, 100 + i);  // behind
  f.To(1000);
  REQUIRE(f.feedbacks.size() == 1);
  CHECK(f.feedbacks[0].packets.back().sequence == 139);
  CHECK(f.generator->ignored() == TransportFeedbackGenerator::kRestartAfter);
}

TEST_CASE("under loss and reordering every arrival is reported once its number was seen") {
  Fixture f;
  std::map<uint16_t, bool> received;
  int64_t ms = 0;
  for (int i = 65000; i < 65000 + 3000; ++i) {
    ms += f.environment.RandomBelow(3);
    if (f.environment.RandomBelow(100) < 10) continue;
    const int sequence = f.environment.RandomBelow(100) < 5 && i > 65010 ? i - 5 : i;
    f.Receive(ms, sequence);
    received[static_cast<uint16_t>(sequence)] = true;
  }
  f.To(ms + 1000);
  std::map<uint16_t, bool> reported;
  for (const auto& feedback : f.feedbacks) {
    for (const auto& packet : feedback.packets) {
      if (packet.received) reported[packet.sequence] = true;
    }
  }
  CHECK(reported == received);
  CHECK(f.environment.pending() == 0);
}

TEST_CASE("whoever is told of feedback may destroy its generator") {
  VirtualEnvironment environment;
  std::unique_ptr<TransportFeedbackGenerator> generator;
  int told = 0;
  generator = std::make_unique<TransportFeedbackGenerator>(environment, [&] {
    generator.reset();
    ++told;
  });
  generator->OnPacket(1, Ssrc(5), environment.Now());
  environment.AdvanceBy(Duration::Seconds(1));
  CHECK(told == 1);
  CHECK(environment.pending() == 0);
}

}  // namespace
}  // namespace sluice::worker
