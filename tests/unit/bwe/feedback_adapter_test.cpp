#include "worker/core/bwe/feedback_adapter.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <vector>

namespace sluice::worker {
namespace {

Timestamp At(int64_t ms) { return Timestamp::Millis(1'000'000 + ms); }

struct AdapterTest {
  void Send(uint16_t first, int count, int64_t ms) {
    for (int i = 0; i < count; ++i) {
      history.Add(static_cast<uint16_t>(first + i), 1000, RtpClass::kMedia, 0, At(ms));
    }
  }
  /// All received, a millisecond apart, but for those that `lost` names.
  static rtcp::TransportFeedback Feedback(uint16_t first, int count, int32_t reference,
                                          std::vector<uint16_t> lost = {}) {
    rtcp::TransportFeedback feedback;
    feedback.base_sequence = first;
    feedback.reference_time = reference;
    for (int i = 0; i < count; ++i) {
      const auto number = static_cast<uint16_t>(first + i);
      const bool is_lost = std::find(lost.begin(), lost.end(), number) != lost.end();
      feedback.packets.push_back({number, !is_lost, is_lost ? 0 : i * 1000});
    }
    return feedback;
  }

  SentPacketHistory history;
  FeedbackAdapter adapter;
};

TEST_CASE_METHOD(AdapterTest,
                 "feedback: each packet is told of once as lost and once as received") {
  Send(65'530, 20, 0);
  auto report = adapter.Adapt(Feedback(65'530, 20, 5, {0, 1}), history, At(50));
  REQUIRE(report.packets.size() == 20);
  CHECK(report.packets[0].sent_at == At(0));
  CHECK(report.packets[0].size == 1000);
  CHECK(report.packets[0].received);
  CHECK(!report.packets[6].received);
  CHECK(report.packets[1].received_at - report.packets[0].received_at == Duration::Millis(1));
  // The same again: nothing new but that one of the lost has come.
  report = adapter.Adapt(Feedback(65'530, 20, 5, {1}), history, At(60));
  REQUIRE(report.packets.size() == 1);
  CHECK(report.packets[0].received);
  CHECK(report.packets[0].was_lost);
  CHECK(adapter.Adapt(Feedback(65'530, 20, 5), history, At(70)).packets.size() == 1);
  CHECK(adapter.Adapt(Feedback(65'530, 20, 5), history, At(80)).packets.empty());
}

TEST_CASE_METHOD(AdapterTest, "feedback: packets never sent, or too long ago, are counted") {
  Send(100, 10, 0);
  CHECK(adapter.Adapt(Feedback(5000, 32'768, 5), history, At(50)).packets.size() == 0);
  CHECK(adapter.counters().unknown_packets == 32'768);
  CHECK(adapter.Adapt(Feedback(90, 30, 5), history, At(60)).packets.size() == 10);
  Send(200, 10, 100);
  CHECK(adapter.Adapt(Feedback(200, 10, 40), history, At(2200)).packets.empty());
}

TEST_CASE_METHOD(AdapterTest, "feedback: arrivals go on over a wrap of the reference time") {
  Send(1, 3, 0);
  const int32_t last = (1 << 23) - 1;  // 24 bits, signed
  const auto first = adapter.Adapt(Feedback(1, 1, last), history, At(50)).packets[0];
  const auto second = adapter.Adapt(Feedback(2, 1, -(1 << 23)), history, At(114));
  CHECK(!second.clock_stepped);
  CHECK(second.packets[0].received_at - first.received_at == Duration::Millis(64));
}

TEST_CASE_METHOD(AdapterTest,
                 "feedback: a clock that was set is said so, and arrivals stay near now") {
  Send(1, 4, 0);
  adapter.Adapt(Feedback(1, 1, 1000), history, At(50));
  auto report = adapter.Adapt(Feedback(2, 1, 900'000), history, At(100));
  CHECK(report.clock_stepped);
  CHECK(report.packets[0].received_at == At(100));
  report = adapter.Adapt(Feedback(3, 1, 900'001), history, At(164));
  CHECK(!report.clock_stepped);
  CHECK(report.packets[0].received_at == At(164));
  CHECK(adapter.Adapt(Feedback(4, 1, -4'000'000), history, At(200)).clock_stepped);
  CHECK(adapter.counters().clock_steps == 2);
}

TEST_CASE_METHOD(AdapterTest, "feedback: memory follows what is at hand, not the largest report") {
  uint16_t number = 0;
  for (int i = 0; i < 8000; ++i) {
    history.Add(number++, 100, RtpClass::kMedia, 0, At(0));
  }
  CHECK(adapter.Adapt(Feedback(0, 8000, 5), history, At(50)).packets.size() == 8000);
  Send(8000, 10, 60);
  adapter.Adapt(Feedback(8000, 10, 6), history, At(100));
  adapter.Adapt(Feedback(8000, 10, 6), history, At(110));
  CHECK(adapter.HeapBytes() < 16 * 1024);
}

}  // namespace
}  // namespace sluice::worker
