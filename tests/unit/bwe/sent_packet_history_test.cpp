#include "worker/core/bwe/sent_packet_history.h"

#include <catch2/catch.hpp>

namespace sluice::worker {
namespace {

Timestamp At(int64_t ms) { return Timestamp::Millis(1'000'000 + ms); }

TEST_CASE("sent history: finds what was sent in the last two seconds, and nothing else") {
  SentPacketHistory history;
  history.Add(65'535, 1200, RtpClass::kMedia, 0, At(0));
  history.Add(0, 300, RtpClass::kProbation, 7, At(10));
  REQUIRE(history.Find(0, At(20)) != nullptr);
  CHECK(history.Find(0, At(20))->size == 300);
  CHECK(history.Find(0, At(20))->probe == 7);
  CHECK(history.Find(0, At(20))->rtp_class == RtpClass::kProbation);
  CHECK(history.Find(65'535, At(2000)) != nullptr);
  CHECK(history.Find(65'535, At(2001)) == nullptr);
  CHECK(history.Find(1, At(20)) == nullptr);
  CHECK(history.Find(256, At(20)) == nullptr);  // the same place in the ring
}

TEST_CASE("sent history: starts small, grows with the rate, and no further than its bound") {
  SentPacketHistory history;
  uint16_t number = 0;
  // 1 Mbit/s: 120 packets a second.
  for (int i = 0; i < 1200; ++i) history.Add(number++, 1000, RtpClass::kMedia, 0, At(i * 8));
  CHECK(history.HeapBytes() <= 8 * 1024);
  CHECK(history.Find(static_cast<uint16_t>(number - 240), At(1199 * 8)) != nullptr);
  // 400 Mbit/s.
  for (int i = 0; i < 100'000; ++i) {
    history.Add(number++, 1000, RtpClass::kMedia, 0, At(10'000 + i / 50));
  }
  CHECK(history.HeapBytes() == SentPacketHistory::kMaxPackets * 16);
  const Timestamp now = At(12'000);
  CHECK(history.Find(static_cast<uint16_t>(number - 1), now) != nullptr);
  CHECK(history.Find(static_cast<uint16_t>(number - 8192), now) != nullptr);
  CHECK(history.Find(static_cast<uint16_t>(number - 8193), now) == nullptr);
}

TEST_CASE("sent history: what has no number counts with the next that has") {
  SentPacketHistory history;
  history.AddUntracked(160);
  history.AddUntracked(170);
  history.Add(1, 1000, RtpClass::kMedia, 0, At(0));
  history.Add(2, 1000, RtpClass::kMedia, 0, At(0));
  CHECK(history.Find(1, At(0))->untracked() == 320);  // in steps of 16 bytes
  CHECK(history.Find(2, At(0))->untracked() == 0);
}

}  // namespace
}  // namespace sluice::worker
