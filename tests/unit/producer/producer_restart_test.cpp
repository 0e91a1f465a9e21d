// Senders that begin anew: under the same SSRC, or under another with the same MID.
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "tests/unit/producer/video_bed.h"

namespace sluice::worker {
namespace {

using namespace video_bed;  // NOLINT(google-build-using-namespace)

TEST_CASE("whatever a sender restarts with, its viewers' numbers and time go on") {
  struct Row {
    std::string name;
    int base;            // first number of the new run; the old one was 100 … 299
    uint32_t timestamp;  // its time
  };
  const std::vector<Row> rows = {
      {"the same base, another time", 100, 3'000'000'000},
      {"the same base, the same time", 100, 300'000},
      {"a lower base", 60'000, 3'000'000'000},
      {"a base a little lower than where it stopped", 280, 3'000'000'000},
      {"a far base", 30'000, 3'000'000'000},
      {"a base a little higher", 320, 3'000'000'000},
      {"the next number: time alone jumps", 300, 3'000'000'000},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    VideoBed f;
    const auto send = [&](int sequence, uint32_t timestamp, bool key_frame) {
      f.Receive(Rtp(samples::kVp8, kSsrc, static_cast<uint16_t>(sequence), timestamp,
                    samples::Vp8Payload(key_frame, static_cast<uint16_t>(sequence & 0x7fff))));
      f.bed.EndTurn();
      f.bed.AdvanceBy(33);
    };
    for (int i = 100; i < 300; ++i) {
      send(i, 300'000 + static_cast<uint32_t>(i - 100) * 3000, i == 100);
    }
    f.bed.AdvanceBy(1500);
    for (int i = 0; i < 3; ++i) {
      send(row.base + i, row.timestamp + static_cast<uint32_t>(i) * 3000, i == 0);
    }
    REQUIRE(f.sent.size() == 203);
    for (size_t i = 1; i < 203; ++i) {
      CHECK(f.sent[i].sequence == static_cast<uint16_t>(f.sent[i - 1].sequence + 1));
    }
    // 1.533 s have passed: no leap, and no standing still.
    const uint32_t step = f.sent[200].timestamp - f.sent[199].timestamp;
    CHECK(step >= 90 * 33);
    CHECK(step <= 90 * 1700);
    CHECK(f.sent[202].timestamp - f.sent[200].timestamp == 6000);
    CHECK(f.bed.plis.empty());  // it began with a key frame
    CHECK(f.bed.nacked.empty());
  }
}

TEST_CASE("a stream whose SSRC falls silent goes on under another with the same MID") {
  ProduceOptions options = samples::Video("p", kSsrc, kRtxSsrc);
  options.rtp_parameters.mid = "v";
  VideoBed f(1, options);
  const auto from = [](uint32_t ssrc, int sequence, bool key_frame = false) {
    return Rtp(samples::kVp8, ssrc, static_cast<uint16_t>(sequence),
               static_cast<uint32_t>(sequence) * 3000 + ssrc,
               samples::Vp8Payload(key_frame, static_cast<uint16_t>(sequence)));
  };
  f.Receive(from(kSsrc, 100, true));
  f.Receive(from(kSsrc, 101));
  const size_t scores = f.bed.events.scores.size();
  // While the old one is alive another has no say.
  f.bed.AdvanceBy(499);
  CHECK(f.Receive(from(5555, 7)) == Result::kDiscarded);
  f.Receive(from(kSsrc, 102));
  f.bed.AdvanceBy(499);
  CHECK(f.Receive(from(5555, 8)) == Result::kDiscarded);
  f.bed.AdvanceBy(1);
  CHECK(f.Receive(from(5555, 9)) == Result::kMedia);
  f.Receive(from(5555, 10));
  f.bed.EndTurn();
  REQUIRE(f.sent.size() == 5);
  for (size_t i = 1; i < 5; ++i) {
    CHECK(f.sent[i].sequence == static_cast<uint16_t>(f.sent[i - 1].sequence + 1));
  }
  CHECK(f.sent[3].timestamp - f.sent[2].timestamp <= 90 * 600);
  CHECK(f.bed.plis == std::vector<uint32_t>{5555});
  CHECK(f.bed.released == std::vector<uint32_t>{kSsrc});
  CHECK(f.bed.learned == std::vector<uint32_t>{5555});
  CHECK(f.bed.events.scores.size() == scores + 1);
  CHECK(f.bed.events.scores.back().at(0).ssrc == 5555);
  CHECK(f.Stats().ssrc == 5555);
  // What is reported to it is its own.
  std::vector<rtcp::ReportBlock> blocks;
  f.producer->FillReportBlocks(&blocks, f.bed.environment.Now());
  REQUIRE(blocks.size() == 1);
  CHECK(blocks[0].ssrc == Ssrc(5555));
  CHECK(blocks[0].extended_highest_seq == 10);

  // Its retransmissions come under another SSRC, too.
  f.sent.clear();
  f.Receive(from(5555, 12));
  auto repair = RtxPacket(1, 11);
  repair[8] = 0x12;
  const uint32_t timestamp = 11 * 3000 + 5555;
  for (size_t i = 0; i < 4; ++i) {
    repair[4 + i] = static_cast<uint8_t>(timestamp >> (24 - 8 * i));
  }
  CHECK(f.Receive(repair) == Result::kRetransmission);
  f.bed.EndTurn();
  CHECK(f.sent.size() == 2);
  CHECK(f.bed.released == std::vector<uint32_t>{kSsrc, kRtxSsrc});
}

TEST_CASE("an SSRC that was announced but never heard gives way to the one that comes") {
  VideoBed f;
  f.bed.AdvanceBy(500);
  auto packet = VideoPacket(1, true);
  packet[8] = 0x77;
  CHECK(f.Receive(packet) == Result::kMedia);
  CHECK(f.bed.released == std::vector<uint32_t>{kSsrc});
}

}  // namespace
}  // namespace sluice::worker
