// Viewers that wait for a key frame: what they cost, counted.
#include "tests/unit/producer/video_bed.h"

namespace sluice::worker::video_bed {
namespace {

TEST_CASE("a thousand viewers that wait look at each packet once, and keep nothing of it") {
  constexpr int kViewers = 1000;
  constexpr int kPackets = 600;
  constexpr int kPerTurn = 4;
  VideoBed bed(kViewers);
  bed.Receive(VideoPacket(1));
  bed.bed.EndTurn();
  const size_t memory = bed.consumers.front()->MemoryUsage();
  const uint64_t before = Consumer::looked_at();
  const uint64_t moved = IndexedList<Consumer*, &Consumer::active_slot>::touched();
  for (int sequence = 2; sequence < 2 + kPackets; ++sequence) {
    bed.Receive(VideoPacket(sequence));
    if (sequence % kPerTurn == 0) bed.bed.EndTurn();
    bed.bed.AdvanceBy(5);
  }
  bed.bed.EndTurn();
  CHECK(Consumer::looked_at() - before == uint64_t{kViewers} * kPackets);
  CHECK(IndexedList<Consumer*, &Consumer::active_slot>::touched() == moved);
  CHECK(bed.sent.empty());
  for (const auto& consumer : bed.consumers) CHECK(consumer->MemoryUsage() == memory);
  CHECK(bed.bed.plis.size() <= 5);  // in three seconds, for all of them

  bed.Receive(VideoPacket(2 + kPackets, /*key_frame=*/true));
  bed.bed.EndTurn();
  CHECK(bed.sent.size() == kViewers);
  CHECK(Consumer::looked_at() - before == uint64_t{kViewers} * kPackets);
}

}  // namespace
}  // namespace sluice::worker::video_bed
