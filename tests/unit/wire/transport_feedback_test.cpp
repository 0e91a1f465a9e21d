#include <array>
#include <catch2/catch.hpp>
#include <random>
#include <string>
#include <vector>

#include "tests/unit/wire/hex.h"
#include "tests/unit/wire/recording_visitor.h"
#include "worker/wire/rtcp.h"

namespace sluice::worker::rtcp {
namespace {

using sluice::worker::testing::Hex;
using testing::RecordingVisitor;

constexpr int64_t kTick = 250;  // µs

/// Arrivals in ticks since the reference time; kLost for a packet that did not come.
constexpr int64_t kLost = INT64_MIN;

TransportFeedback Feedback(uint16_t base, const std::vector<int64_t>& ticks) {
  TransportFeedback feedback;
  feedback.sender = Ssrc(1);
  feedback.media = Ssrc(2);
  feedback.base_sequence = base;
  feedback.feedback_count = 255;
  feedback.reference_time = -2;
  for (const int64_t tick : ticks) {
    TransportPacketStatus status;
    status.sequence = base++;
    status.received = tick != kLost;
    if (status.received) status.arrival_us = tick * kTick;
    feedback.packets.push_back(status);
  }
  return feedback;
}

/// Builds, parses, compares; returns the size on the wire.
size_t RoundTrip(const TransportFeedback& feedback) {
  std::array<uint8_t, 4096> buffer{};
  Builder builder(buffer);
  REQUIRE(builder.AddTransportFeedback(feedback));
  CHECK(builder.size() % 4 == 0);
  RecordingVisitor visitor;
  REQUIRE(Parse(builder.packet(), visitor));
  REQUIRE(visitor.transport_feedbacks.size() == 1);
  const TransportFeedback& got = visitor.transport_feedbacks[0];
  CHECK(got.sender == feedback.sender);
  CHECK(got.media == feedback.media);
  CHECK(got.base_sequence == feedback.base_sequence);
  CHECK(got.feedback_count == feedback.feedback_count);
  CHECK(got.reference_time == feedback.reference_time);
  REQUIRE(got.packets.size() == feedback.packets.size());
  bool same = true;
  for (size_t i = 0; i < got.packets.size(); ++i) {
    same = same && got.packets[i].sequence == feedback.packets[i].sequence &&
           got.packets[i].received == feedback.packets[i].received &&
           got.packets[i].arrival_us == feedback.packets[i].arrival_us;
  }
  CHECK(same);
  return builder.size();
}

bool IsMalformed(const std::string& fci) {
  auto bytes = Hex("8f cd 0000 00000001 00000002" + fci);
  bytes.resize((bytes.size() + 3) & ~size_t{3});
  bytes[3] = static_cast<uint8_t>(bytes.size() / 4 - 1);
  RecordingVisitor visitor;
  return !Parse(bytes, visitor) && visitor.calls() == 0;
}

}  // namespace

TEST_CASE("transport-cc: one packet", "[tcc]") {
  CHECK(RoundTrip(Feedback(7, {3})) == 24);
  CHECK(RoundTrip(Feedback(7, {0})) == 24);
  CHECK(RoundTrip(Feedback(7, {255})) == 24);
  CHECK(RoundTrip(Feedback(7, {256})) == 24);
  CHECK(RoundTrip(Feedback(7, {-1})) == 24);
  CHECK(RoundTrip(Feedback(7, {kLost})) == 24);
}

TEST_CASE("transport-cc: a known packet", "[tcc]") {
  // Base 0xfffe, 5 packets, reference 0x010203, count 9: a run of 2 small, a two-bit vector of
  // large, lost, small. Deltas: 1, 2, -4, 16 ticks.
  const auto bytes =
      Hex("8f cd 0007 00000001 00000002 fffe 0005 010203 09 2002 e100 01 02 fffc 10 000000");
  RecordingVisitor visitor;
  REQUIRE(Parse(bytes, visitor));
  const TransportFeedback& feedback = visitor.transport_feedbacks.at(0);
  CHECK(feedback.reference_time == 0x010203);
  CHECK(feedback.feedback_count == 9);
  REQUIRE(feedback.packets.size() == 5);
  CHECK(feedback.packets[0].arrival_us == 250);
  CHECK(feedback.packets[1].arrival_us == 750);
  CHECK(feedback.packets[2].arrival_us == -250);
  CHECK(feedback.packets[2].sequence == 0);
  CHECK_FALSE(feedback.packets[3].received);
  CHECK(feedback.packets[4].arrival_us == 3750);
}

TEST_CASE("transport-cc: run-length chunks, and runs longer than one chunk", "[tcc]") {
  CHECK(RoundTrip(Feedback(0, std::vector<int64_t>(1000, kLost))) == 24);
  CHECK(RoundTrip(Feedback(0, std::vector<int64_t>(20'000, kLost))) == 28);
  std::vector<int64_t> steady;
  for (int i = 0; i < 100; ++i) steady.push_back(i * 4);
  CHECK(RoundTrip(Feedback(0, steady)) == 20 + 2 + 100 + 2);
}

TEST_CASE("transport-cc: vectors of one and two bits", "[tcc]") {
  std::vector<int64_t> alternating;
  for (int i = 0; i < 28; ++i) alternating.push_back(i % 2 == 0 ? i : kLost);
  CHECK(RoundTrip(Feedback(0, alternating)) == 20 + 2 * 2 + 14 + 2);  // two one-bit vectors
  std::vector<int64_t> mixed;
  for (int i = 0; i < 21; ++i) mixed.push_back(i % 3 == 0 ? kLost : i * 300);
  RoundTrip(Feedback(0, mixed));
}

TEST_CASE("transport-cc: large and negative deltas, and their limits", "[tcc]") {
  RoundTrip(Feedback(1, {0, 255, 511, 200, 100, 32'767, 0, kLost, -32'768, -1}));
  std::array<uint8_t, 64> buffer{};
  Builder builder(buffer);
  CHECK_FALSE(builder.AddTransportFeedback(Feedback(1, {0, 32'768})));
  CHECK_FALSE(builder.AddTransportFeedback(Feedback(1, {0, -32'769})));
  CHECK(builder.empty());
}

TEST_CASE("transport-cc: sequence and reference time wrap", "[tcc]") {
  RoundTrip(Feedback(65'530, {1, 2, 3, kLost, 5, 6, 7, 8, 9, 10}));
  TransportFeedback feedback = Feedback(0, {1});
  for (const int32_t reference : {0x7fffff, -0x800000, 0, -1}) {
    feedback.reference_time = reference;
    RoundTrip(feedback);
  }
}

TEST_CASE("transport-cc: rounding errors do not add up", "[tcc]") {
  TransportFeedback feedback = Feedback(0, std::vector<int64_t>(200, 0));
  for (size_t i = 0; i < feedback.packets.size(); ++i) {
    feedback.packets[i].arrival_us = static_cast<int64_t>(i) * 333;
  }
  std::array<uint8_t, 1024> buffer{};
  Builder builder(buffer);
  REQUIRE(builder.AddTransportFeedback(feedback));
  RecordingVisitor visitor;
  REQUIRE(Parse(builder.packet(), visitor));
  const auto& packets = visitor.transport_feedbacks.at(0).packets;
  for (size_t i = 0; i < packets.size(); ++i) {
    CHECK(std::abs(packets[i].arrival_us - static_cast<int64_t>(i) * 333) <= kTick / 2);
  }
}

TEST_CASE("transport-cc: random feedbacks, there and back", "[tcc]") {
  std::mt19937 random(42);
  for (int round = 0; round < 500; ++round) {
    std::vector<int64_t> ticks;
    int64_t now = 0;
    const auto loss = random() % 100;
    const auto spread = 1ul << random() % 11;
    const size_t count = 1 + random() % 300;
    for (size_t i = 0; i < count; ++i) {
      if (random() % 100 < loss) {
        ticks.push_back(kLost);
        continue;
      }
      now += static_cast<int64_t>(random() % spread) - (random() % 10 == 0 ? 300 : 0);
      ticks.push_back(now);
    }
    RoundTrip(Feedback(static_cast<uint16_t>(random()), ticks));
  }
}

TEST_CASE("transport-cc: what does not fit is refused", "[tcc]") {
  std::vector<int64_t> steady;
  for (int i = 0; i < 2000; ++i) steady.push_back(i);
  std::array<uint8_t, Builder::kMaxCompound> buffer{};
  Builder builder(buffer);
  CHECK_FALSE(builder.AddTransportFeedback(Feedback(0, steady)));
  CHECK(builder.empty());
  steady.resize(1200);
  CHECK(builder.AddTransportFeedback(Feedback(0, steady)));
}

TEST_CASE("transport-cc: malformed feedback", "[tcc]") {
  const std::string time = "000000 00";
  CHECK(IsMalformed(""));
  CHECK(IsMalformed("0000 0000" + time));               // no packets
  CHECK(IsMalformed("0000 0001" + time));               // no chunk
  CHECK(IsMalformed("0000 ffff" + time + "1fff1fff"));  // more packets than chunks
  CHECK(IsMalformed("0000 ffff" + time + "1fff1fff 1fff1fff 1fff1fff 1fff1fff 1fff1fff"));
  CHECK(IsMalformed("0000 8001" + time + "1fff1fff 1fff1fff 1fff1fff"));  // over half the circle
  CHECK(IsMalformed("0000 0001" + time + "6001 0000"));  // reserved symbol in a run
  CHECK(IsMalformed("0000 0001" + time + "f000 0000"));  // and in a vector
  CHECK(IsMalformed("0000 0003" + time + "2003 0102"));  // a delta short
  CHECK(IsMalformed("0000 0002" + time + "4002 0102"));  // half of the large deltas
  CHECK(IsMalformed("0000 0002" + time + "0000 0000"));  // empty runs only
}

TEST_CASE("transport-cc: chunks may claim more packets than there are", "[tcc]") {
  RecordingVisitor visitor;
  REQUIRE(Parse(Hex("8f cd 0005 00000001 00000002 0000 0002 00000000 3fff 0102"), visitor));
  REQUIRE(Parse(Hex("8f cd 0005 00000001 00000002 0000 0002 00000000 bfff 0102"), visitor));
  REQUIRE(Parse(Hex("8f cd 0005 00000001 00000002 0000 0002 00000000 d7ff 0102"), visitor));
  REQUIRE(visitor.transport_feedbacks.size() == 3);
  for (const auto& feedback : visitor.transport_feedbacks) {
    REQUIRE(feedback.packets.size() == 2);
    CHECK(feedback.packets[1].arrival_us == 750);
  }
}

}  // namespace sluice::worker::rtcp
