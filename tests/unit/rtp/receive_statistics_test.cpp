#include "worker/core/rtp/receive_statistics.h"

#include <catch2/catch.hpp>
#include <string>
#include <utility>
#include <vector>

namespace sluice::worker {
namespace {

constexpr uint32_t kClockRate = 90'000;
constexpr Timestamp kStart = Timestamp::Millis(1'000'000);

class Stream {
 public:
  /// A packet each 10 ms, on time.
  void Send(int sequence) { SendAt(sequence, kStart + Duration::Millis(10 * count_++)); }
  void SendAt(int sequence, Timestamp at) {
    const auto outcome = Give(sequence, at);
    if (outcome.verdict == SequenceTracker::Verdict::kSuspect) suspects_.emplace_back(sequence, at);
    if (outcome.verdict != SequenceTracker::Verdict::kNewRun) return;
    for (const auto& [number, when] : std::exchange(suspects_, {})) Give(number, when);
    Give(sequence, at);
  }

  ReceiveStatistics statistics{kClockRate};

 private:
  SequenceTracker::Outcome Give(int sequence, Timestamp at) {
    return statistics.OnPacket(SeqNumber(static_cast<uint16_t>(sequence)),
                               RtpTimestamp(static_cast<uint32_t>(sequence) * 900), 100, at);
  }

  int64_t count_ = 0;
  std::vector<std::pair<int, Timestamp>> suspects_;
};

TEST_CASE("report blocks count loss as RFC 3550 A.3 does") {
  struct Row {
    std::string name;
    std::vector<int> sequences;
    int32_t cumulative;
    int fraction;
    uint32_t highest;
  };
  const std::vector<Row> rows = {
      {"no loss", {1, 2, 3, 4}, 0, 0, 4},
      {"one of four", {1, 2, 4}, 1, 64, 4},
      {"reordered is not lost", {1, 3, 2, 4}, 0, 0, 4},
      {"reordered before the first", {2, 1, 3, 4}, 0, 0, 4},
      {"duplicates do not hide loss", {1, 1, 1, 2, 4}, 1, 64, 4},
      {"across the wrap", {65534, 65535, 65537}, 1, 64, 65537},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Stream stream;
    for (const int sequence : row.sequences) stream.Send(sequence);
    const auto block = stream.statistics.MakeReportBlock(Ssrc(7), kStart);
    CHECK(block.ssrc == Ssrc(7));
    CHECK(block.cumulative_lost == row.cumulative);
    CHECK(block.fraction_lost == row.fraction);
    CHECK(block.extended_highest_seq == row.highest);
  }
}

TEST_CASE("fraction lost is of the interval and stops at 255") {
  Stream stream;
  for (int i = 0; i < 10; ++i) stream.Send(i);
  stream.statistics.MakeReportBlock(Ssrc(7), kStart);
  stream.Send(20);  // 10 … 19 are lost
  auto block = stream.statistics.MakeReportBlock(Ssrc(7), kStart);
  CHECK(block.fraction_lost == 10 * 256 / 11);
  CHECK(block.cumulative_lost == 10);
  block = stream.statistics.MakeReportBlock(Ssrc(7), kStart);
  CHECK(block.fraction_lost == 0);

  // Everything but repaired packets is lost: 256/256 does not fit in eight bits.
  stream.statistics.OnRepaired(SeqNumber(21), RtpTimestamp(21 * 900), 100, kStart);
  block = stream.statistics.MakeReportBlock(Ssrc(7), kStart);
  CHECK(block.fraction_lost == 255);
  CHECK(stream.statistics.packets() == 12);
}

TEST_CASE("a restart keeps the loss so far and adds none of its own") {
  Stream stream;
  for (const int sequence : {1, 2, 4}) stream.Send(sequence);
  for (const int sequence : {30000, 30001, 30002}) stream.Send(sequence);
  const auto block = stream.statistics.MakeReportBlock(Ssrc(7), kStart);
  CHECK(block.cumulative_lost == 1);
  CHECK(block.extended_highest_seq == 30002);
  CHECK(stream.statistics.discarded() == 0);
  CHECK(stream.statistics.packets() == 6);
  CHECK(stream.statistics.restarts() == 1);
}

TEST_CASE("jitter follows RFC 3550 A.8") {
  Stream stream;
  uint32_t expected_q4 = 0;
  Timestamp at = kStart;
  for (int i = 0; i < 100; ++i) {
    // Every other packet comes 5 ms late: |D| is 450 units each time.
    stream.SendAt(i, at + Duration::Millis(i % 2 == 0 ? 0 : 5));
    at = at + Duration::Millis(10);
    if (i > 0) expected_q4 += 450 - ((expected_q4 + 8) >> 4);
  }
  CHECK(stream.statistics.jitter() == expected_q4 >> 4);
  stream.statistics.ResetJitter();
  CHECK(stream.statistics.jitter() == 0);
}

TEST_CASE("report blocks name the last sender report and its age") {
  Stream stream;
  stream.Send(1);
  CHECK(stream.statistics.MakeReportBlock(Ssrc(7), kStart).last_sr == 0);
  rtcp::SenderInfo report;
  report.ntp = NtpTime{0x11223344, 0x55667788};
  stream.statistics.OnSenderReport(report, kStart);
  const auto block = stream.statistics.MakeReportBlock(Ssrc(7), kStart + Duration::Millis(1500));
  CHECK(block.last_sr == 0x33445566);
  CHECK(block.delay_since_last_sr == 65536 * 3 / 2);
}

TEST_CASE("the interval of a score counts repaired packets as lost") {
  Stream stream;
  for (const int sequence : {1, 2, 5, 6}) stream.Send(sequence);
  stream.statistics.OnRepaired(SeqNumber(3), RtpTimestamp(3 * 900), 100, kStart);
  auto interval = stream.statistics.TakeInterval();
  CHECK(interval.expected == 6);
  CHECK(interval.lost == 2);
  interval = stream.statistics.TakeInterval();
  CHECK(interval.expected == 0);
  CHECK(interval.lost == 0);
}

}  // namespace
}  // namespace sluice::worker
