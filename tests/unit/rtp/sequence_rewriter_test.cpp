#include "worker/core/rtp/sequence_rewriter.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <random>
#include <set>
#include <vector>

namespace sluice::worker {
namespace {

ExtendedSeqNumber Ext(int64_t value) { return ExtendedSeqNumber(value); }

int64_t Own(SequenceRewriter& rewriter, int64_t sequence) {
  const auto mapped = rewriter.Map(Ext(sequence));
  REQUIRE(mapped);
  return mapped.own;
}

TEST_CASE(
    "sequence rewriter: starts at its first number and leaves holes where packets were lost") {
  SequenceRewriter rewriter(SeqNumber(1000));
  CHECK_FALSE(rewriter.Map(Ext(5)));
  rewriter.Start(Ext(70'000), {}, false);
  CHECK(Own(rewriter, 70'000) == 1000);
  CHECK(Own(rewriter, 70'003) == 1003);
  CHECK(Own(rewriter, 70'001) == 1001);  // late, its number is free
  CHECK_FALSE(rewriter.Map(Ext(69'999)));
}

TEST_CASE("sequence rewriter: skipped packets leave no hole and have no number") {
  SequenceRewriter rewriter(SeqNumber(10));
  rewriter.Start(Ext(100), {}, false);
  CHECK(Own(rewriter, 100) == 10);
  rewriter.Skip(Ext(101));
  rewriter.Skip(Ext(102));
  CHECK(Own(rewriter, 103) == 11);
  CHECK(rewriter.Skip(Ext(106)));  // 104 and 105 are on their way
  CHECK(Own(rewriter, 107) == 14);
  CHECK(Own(rewriter, 105) == 13);
  CHECK(Own(rewriter, 104) == 12);
  CHECK_FALSE(rewriter.Map(Ext(101)));
  CHECK_FALSE(rewriter.Map(Ext(106)));
  CHECK_FALSE(rewriter.Skip(Ext(104)));  // already sent: nothing changes
  CHECK(Own(rewriter, 108) == 15);
}

TEST_CASE("sequence rewriter: a late packet behind a skipped one keeps its number to itself") {
  SequenceRewriter rewriter(SeqNumber(10));
  rewriter.Start(Ext(100), {}, false);
  CHECK(Own(rewriter, 100) == 10);
  rewriter.Skip(Ext(102));
  CHECK(Own(rewriter, 101) == 11);
  rewriter.Start(Ext(500), {}, false);
  CHECK(Own(rewriter, 500) == 12);
}

TEST_CASE("sequence rewriter: picture ids close up behind a picture that is left out") {
  SequenceRewriter rewriter(SeqNumber(10));
  RewriteOffsets offsets;
  offsets.picture_id = 40;
  rewriter.Start(Ext(100), offsets, false);
  CHECK(Own(rewriter, 100) == 10);
  rewriter.Skip(Ext(101), /*closes_picture=*/true);
  rewriter.Skip(Ext(102));  // the rest of that picture
  const auto next = rewriter.Map(Ext(103));
  CHECK(next.own == 11);
  CHECK(next.interval->offsets.picture_id == 39);
  CHECK(rewriter.Find(SeqNumber(10))->offsets.picture_id == 40);  // as it was sent

  offsets.picture_id = 7;
  rewriter.ChangeOffsets(Ext(104), offsets);
  CHECK(rewriter.Map(Ext(104)).interval->offsets.picture_id == 7);
  CHECK(rewriter.Find(SeqNumber(12))->offsets.picture_id == 7);
  CHECK(rewriter.Find(SeqNumber(11))->offsets.picture_id == 39);
}

TEST_CASE("sequence rewriter: a new source goes on with the next number, with a gap on request") {
  SequenceRewriter rewriter(SeqNumber(65'535));
  rewriter.Start(Ext(1), {}, false);
  CHECK(Own(rewriter, 1) == 65'535);
  rewriter.Skip(Ext(3));
  RewriteOffsets offsets;
  offsets.source = 1;
  offsets.timestamp = 77;
  rewriter.Start(Ext(5000), offsets, false);
  const auto first = rewriter.Map(Ext(5000));
  CHECK(first.own == 65'536);
  CHECK(first.interval->offsets == offsets);
  CHECK(rewriter.next_own() == SeqNumber(1));
  CHECK_FALSE(rewriter.Map(Ext(4)));  // of the old source
  rewriter.Start(Ext(9), {}, true);
  CHECK(Own(rewriter, 9) == 65'538);
}

TEST_CASE("sequence rewriter: finds what a number was sent for") {
  SequenceRewriter rewriter(SeqNumber(65'530));
  rewriter.Start(Ext(100), {}, false);
  for (int64_t i = 100; i < 110; ++i) {
    if (i == 104) {
      rewriter.Skip(Ext(i));
    } else {
      rewriter.Map(Ext(i));
    }
  }
  CHECK(rewriter.Find(SeqNumber(65'530))->sequence == Ext(100));
  CHECK(rewriter.Find(SeqNumber(65'534))->sequence == Ext(105));
  CHECK(rewriter.Find(SeqNumber(2))->sequence == Ext(109));
  CHECK_FALSE(rewriter.Find(SeqNumber(3)));       // future
  CHECK_FALSE(rewriter.Find(SeqNumber(65'529)));  // before the first
  rewriter.ClearHistory();
  CHECK_FALSE(rewriter.Find(SeqNumber(2)));
  CHECK_FALSE(rewriter.Map(Ext(110)));
  rewriter.Start(Ext(200), {}, false);
  CHECK(Own(rewriter, 200) == 65'539);
  CHECK(rewriter.Find(SeqNumber(3))->sequence == Ext(200));
  CHECK_FALSE(rewriter.Find(SeqNumber(2)));
}

TEST_CASE("sequence rewriter: sees a restart of the source in a jump ahead") {
  SequenceRewriter rewriter(SeqNumber(0));
  rewriter.Start(Ext(10), {}, false);
  rewriter.Map(Ext(10));
  CHECK_FALSE(rewriter.IsJump(Ext(10 + SequenceRewriter::kMaxGap)));
  CHECK(rewriter.IsJump(Ext(11 + SequenceRewriter::kMaxGap)));
}

// Whatever arrives: numbers are unique, ascend with the source, and without loss have no gaps;
// every number of the recent past leads back to the packet and the offsets it was sent with.
TEST_CASE("sequence rewriter: a packet follows where all before it was sent or skipped") {
  SequenceRewriter rewriter(SeqNumber(10));
  CHECK_FALSE(rewriter.Follows(Ext(100)));  // no source
  rewriter.Start(Ext(100), {}, false);
  CHECK(rewriter.Follows(Ext(100)));
  CHECK_FALSE(rewriter.Follows(Ext(101)));
  CHECK(Own(rewriter, 100) == 10);
  CHECK_FALSE(rewriter.Follows(Ext(100)));  // it has been sent
  CHECK(rewriter.Follows(Ext(101)));
  CHECK_FALSE(rewriter.Follows(Ext(102)));  // 101 may come yet
  rewriter.Skip(Ext(101));
  CHECK(rewriter.Follows(Ext(102)));
  rewriter.Skip(Ext(103));
  CHECK_FALSE(rewriter.Follows(Ext(104)));  // 102 is missing behind what was skipped
  CHECK(Own(rewriter, 102) == 11);
  CHECK(rewriter.Follows(Ext(104)));
  CHECK(Own(rewriter, 106) == 14);
  CHECK_FALSE(rewriter.Follows(Ext(105)));  // late
  CHECK(rewriter.Follows(Ext(107)));
  rewriter.Start(Ext(500), {}, true);
  CHECK(rewriter.Follows(Ext(500)));
  rewriter.Stop();
  CHECK_FALSE(rewriter.Follows(Ext(500)));
}

RewriteOffsets WithTop(uint8_t top) {
  RewriteOffsets offsets;
  offsets.top_layer = top;
  return offsets;
}

TEST_CASE("sequence rewriter: a late packet has a highest layer of its own") {
  SequenceRewriter rewriter(SeqNumber(10));
  rewriter.Start(Ext(100), WithTop(2), false);
  CHECK(Own(rewriter, 100) == 10);
  CHECK(Own(rewriter, 104) == 14);  // 101 to 103 are missing
  rewriter.ChangeTopOfLate(Ext(102), 0);
  for (int sequence = 101; sequence <= 104; ++sequence) {
    const auto mapped = rewriter.Map(Ext(sequence));
    REQUIRE(mapped);
    CHECK(mapped.own == sequence - 90);
    CHECK(int{mapped.interval->offsets.top_layer} == (sequence == 102 ? 0 : 2));
    const auto origin = rewriter.Find(SeqNumber(static_cast<uint16_t>(sequence - 90)));
    REQUIRE(origin);
    CHECK(origin->sequence == Ext(sequence));
    CHECK(int{origin->offsets.top_layer} == (sequence == 102 ? 0 : 2));
  }
  // At both ends of an interval, and again.
  rewriter.ChangeTopOfLate(Ext(101), 1);
  rewriter.ChangeTopOfLate(Ext(103), 1);
  rewriter.ChangeTopOfLate(Ext(102), 1);
  rewriter.ChangeTopOfLate(Ext(102), 1);
  for (int sequence = 101; sequence <= 103; ++sequence) {
    CHECK(int{rewriter.Map(Ext(sequence)).interval->offsets.top_layer} == 1);
    CHECK(rewriter.Map(Ext(sequence)).own == sequence - 90);
  }
  CHECK(int{rewriter.offsets().top_layer} == 2);
  CHECK(Own(rewriter, 105) == 15);
}

TEST_CASE("sequence rewriter: what was skipped, or is of another source, has no layer to change") {
  SequenceRewriter rewriter(SeqNumber(10));
  rewriter.Start(Ext(100), WithTop(2), false);
  CHECK(Own(rewriter, 100) == 10);
  rewriter.Skip(Ext(101));
  CHECK(Own(rewriter, 102) == 11);
  rewriter.ChangeTopOfLate(Ext(101), 0);
  CHECK_FALSE(rewriter.Map(Ext(101)));
  rewriter.Start(Ext(500), WithTop(1), false);
  CHECK(Own(rewriter, 500) == 12);
  rewriter.ChangeTopOfLate(Ext(102), 0);
  rewriter.ChangeTopOfLate(Ext(499), 0);
  CHECK(int{rewriter.Find(SeqNumber(11))->offsets.top_layer} == 2);
  CHECK(int{rewriter.Find(SeqNumber(12))->offsets.top_layer} == 1);
  CHECK_FALSE(rewriter.Map(Ext(499)));
}

TEST_CASE("sequence rewriter: layers of late packets change no number, however many there are") {
  std::mt19937 random(11);
  const auto below = [&random](uint32_t bound) { return static_cast<uint32_t>(random() % bound); };
  for (int run = 0; run < 50; ++run) {
    SequenceRewriter rewriter(SeqNumber(static_cast<uint16_t>(random())));
    rewriter.Start(Ext(1000), WithTop(2), false);
    std::map<int64_t, int64_t> own;  // of what was sent
    int64_t next = 1000;
    for (int step = 0; step < 400; ++step) {
      const uint32_t what = below(4);
      if (what == 0) {
        rewriter.Skip(Ext(next++));
      } else if (what == 1) {
        ++next;  // lost
      } else {
        const auto mapped = rewriter.Map(Ext(next));
        REQUIRE(mapped);
        own[next++] = mapped.own;
      }
      const int64_t late = next - 1 - static_cast<int64_t>(below(12));
      if (!own.contains(late) && late >= 1000) {
        rewriter.ChangeTopOfLate(Ext(late), static_cast<uint8_t>(below(3)));
      }
      for (int64_t sequence = std::max<int64_t>(1000, next - 12); sequence < next; ++sequence) {
        const auto at = own.find(sequence);
        if (at == own.end()) continue;
        const auto found = rewriter.Find(SeqNumber(static_cast<uint16_t>(at->second)));
        REQUIRE(found);
        REQUIRE(found->sequence == Ext(sequence));
      }
    }
  }
}

TEST_CASE("sequence rewriter: says with which number a packet went out, and changes nothing") {
  SequenceRewriter rewriter(SeqNumber(10));
  CHECK_FALSE(rewriter.OwnOf(Ext(100)));
  rewriter.Start(Ext(100), {}, false);
  CHECK_FALSE(rewriter.OwnOf(Ext(100)));  // not yet
  CHECK(Own(rewriter, 100) == 10);
  rewriter.Skip(Ext(101));
  CHECK(Own(rewriter, 103) == 12);
  CHECK(rewriter.OwnOf(Ext(100)) == 10);
  CHECK_FALSE(rewriter.OwnOf(Ext(101)));
  CHECK(rewriter.OwnOf(Ext(102)) == 11);
  CHECK(rewriter.OwnOf(Ext(103)) == 12);
  CHECK_FALSE(rewriter.OwnOf(Ext(104)));
  CHECK_FALSE(rewriter.OwnOf(Ext(99)));
  CHECK(rewriter.next_own() == SeqNumber(13));
}

TEST_CASE("sequence rewriter: properties hold over loss, reordering, skips and new sources") {
  const auto seed = GENERATE(range(1u, 31u));
  CAPTURE(seed);
  std::mt19937 random(seed);
  const bool lossy = seed % 2 == 0;
  const auto chance = [&random](uint32_t percent) { return random() % 100 < percent; };

  SequenceRewriter rewriter(SeqNumber(static_cast<uint16_t>(random())));
  struct SentPacket {
    int64_t sequence;
    RewriteOffsets offsets;
  };
  std::map<int64_t, SentPacket> sent;  // by own number
  int64_t sequence = static_cast<int64_t>(random() % 100'000);
  const int64_t first_own = rewriter.next_own().value();

  for (int run = 0; run < 20; ++run) {
    // One source: a list of packets, some of them to be skipped, in a disturbed order.
    struct Arrival {
      int64_t key;
      int64_t sequence;
      bool skip;
    };
    std::vector<Arrival> arrivals;
    const auto length = static_cast<int>(50 + random() % 300);
    for (int i = 0; i < length; ++i, ++sequence) {
      if (lossy && chance(5)) continue;
      const int64_t delay = lossy && chance(10) ? static_cast<int64_t>(random() % 20) : 0;
      arrivals.push_back({sequence + delay, sequence, chance(10)});
    }
    std::stable_sort(arrivals.begin(), arrivals.end(),
                     [](const auto& a, const auto& b) { return a.key < b.key; });
    RewriteOffsets offsets;
    offsets.timestamp = static_cast<uint32_t>(random());
    offsets.source = static_cast<uint8_t>(run);
    rewriter.Start(Ext(arrivals.front().sequence), offsets, false);
    std::map<int64_t, int64_t> own_by_sequence;
    for (const Arrival& arrival : arrivals) {
      if (arrival.skip) {
        rewriter.Skip(Ext(arrival.sequence));
        continue;
      }
      const auto mapped = rewriter.Map(Ext(arrival.sequence));
      if (!mapped) {
        REQUIRE(lossy);  // only a late packet can have lost its place
        continue;
      }
      REQUIRE(mapped.interval->offsets == offsets);
      REQUIRE(sent.emplace(mapped.own, SentPacket{arrival.sequence, offsets}).second);
      own_by_sequence[arrival.sequence] = mapped.own;
    }
    int64_t last = -1;
    for (const auto& [original, own] : own_by_sequence) {
      REQUIRE(own > last);
      last = own;
    }
    sequence += static_cast<int64_t>(random() % 5000);
  }

  if (!lossy) {
    int64_t expected = first_own;
    for (const auto& [own, packet] : sent) REQUIRE(own == expected++);
  }
  // 5 of 64 intervals at least are younger than the last 50 numbers.
  size_t checked = 0;
  for (auto it = sent.rbegin(); it != sent.rend() && checked < 50; ++it, ++checked) {
    const auto origin = rewriter.Find(SeqNumber(static_cast<uint16_t>(it->first)));
    REQUIRE(origin);
    REQUIRE(origin->sequence == Ext(it->second.sequence));
    REQUIRE(origin->offsets == it->second.offsets);
    REQUIRE(origin->own == it->first);
  }
}

}  // namespace
}  // namespace sluice::worker
