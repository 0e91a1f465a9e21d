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
  CHECK(next.offsets->picture_id == 39);
  CHECK(rewriter.Find(SeqNumber(10))->offsets.picture_id == 40);  // as it was sent

  offsets.picture_id = 7;
  rewriter.ChangeOffsets(Ext(104), offsets);
  CHECK(rewriter.Map(Ext(104)).offsets->picture_id == 7);
  CHECK(rewriter.Find(SeqNumber(12))->offsets.picture_id == 7);
  CHECK(rewriter.Find(SeqNumber(11))->offsets.picture_id == 39);
}

TEST_CASE("sequence rewriter: a run is skipped as its packets would be, one by one") {
  for (const bool closes_picture : {false, true}) {
    for (const int first_skipped : {101, 104}) {  // right behind what was skipped, or sent
      SequenceRewriter at_once(SeqNumber(10));
      SequenceRewriter one_by_one(SeqNumber(10));
      RewriteOffsets offsets;
      offsets.picture_id = 5;
      for (SequenceRewriter* each : {&at_once, &one_by_one}) {
        each->Start(ExtendedSeqNumber(100), offsets, false);
        each->Map(ExtendedSeqNumber(100));
        each->Skip(ExtendedSeqNumber(101));
        for (int i = 102; i < first_skipped; ++i) each->Map(ExtendedSeqNumber(i));
      }
      const int begin = std::max(first_skipped, 102);
      CHECK(at_once.Skip(ExtendedSeqNumber(begin), closes_picture, 4));
      for (int i = 0; i < 4; ++i) {
        CHECK(one_by_one.Skip(ExtendedSeqNumber(begin + i), closes_picture && i == 0));
      }
      for (int i = 100; i < begin + 8; ++i) {
        const auto a = at_once.Map(ExtendedSeqNumber(i));
        const auto b = one_by_one.Map(ExtendedSeqNumber(i));
        REQUIRE(static_cast<bool>(a) == static_cast<bool>(b));
        if (!a) continue;
        CHECK(a.own == b.own);
        CHECK(a.newest == b.newest);
        CHECK(*a.offsets == *b.offsets);
      }
      // Behind what has gone out nothing can be closed up.
      CHECK_FALSE(at_once.Skip(ExtendedSeqNumber(begin + 1), closes_picture, 2));
    }
  }
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
  CHECK(*first.offsets == offsets);
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
    CHECK(int{mapped.offsets->top_layer} == (sequence == 102 ? 0 : 2));
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
    CHECK(int{rewriter.Map(Ext(sequence)).offsets->top_layer} == 1);
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

TEST_CASE("sequence rewriter: each packet keeps the offsets that it was sent with") {
  // Offsets that come again, that are all different, and that begin anew with few.
  for (const uint32_t different : {1u, 3u, 1000u}) {
    SequenceRewriter rewriter(SeqNumber(65'500));
    RewriteOffsets offsets;
    offsets.picture_id = 60'000;  // 16 bits of it are kept
    offsets.descriptor.frame_number = 3;
    rewriter.Start(Ext(-5), offsets, false);  // an earlier one may come yet
    std::vector<RewriteOffsets> sent;
    for (uint32_t i = 0; i < 500; ++i) {
      offsets.timestamp = i % different;
      offsets.descriptor.active_targets = i % different;
      offsets.picture_id = static_cast<uint16_t>(60'000 + i * 100);
      rewriter.ChangeOffsets(Ext(int64_t{i} - 5), offsets);
      REQUIRE(rewriter.offsets() == offsets);
      const auto mapped = rewriter.Map(Ext(int64_t{i} - 5));
      REQUIRE(mapped);
      REQUIRE(*mapped.offsets == offsets);
      sent.push_back(offsets);
      const size_t known = std::min<size_t>(sent.size(), SequenceRewriter::kMaxIntervals);
      for (size_t back = 0; back < known; ++back) {
        const auto own = static_cast<uint16_t>(65'500 + i - back);
        const auto origin = rewriter.Find(SeqNumber(own));
        REQUIRE(origin);
        REQUIRE(origin->sequence == Ext(int64_t{i} - 5 - static_cast<int64_t>(back)));
        REQUIRE(origin->offsets == sent[sent.size() - 1 - back]);
        const auto late = rewriter.Map(origin->sequence);
        REQUIRE(late);
        REQUIRE(*late.offsets == origin->offsets);
      }
    }
    // One rule and one set of offsets for each interval at most.
    constexpr size_t kBytes = 2 * sizeof(int64_t) + sizeof(RewriteOffsets);
    CHECK(rewriter.HeapBytes() <= SequenceRewriter::kMaxIntervals * kBytes);
    if (different == 1) {
      CHECK(rewriter.HeapBytes() < SequenceRewriter::kMaxIntervals * 2 * sizeof(int64_t) + 100);
    }
  }
}

TEST_CASE("sequence rewriter: a late packet gets a layer of its own among offsets all different") {
  SequenceRewriter rewriter(SeqNumber(10));
  RewriteOffsets offsets = WithTop(2);
  rewriter.Start(Ext(0), offsets, false);
  for (int64_t i = 0; i < 200; i += 2) {  // of each two the first one is missing
    for (const int64_t sequence : {i, i + 1}) {
      offsets.timestamp = static_cast<uint32_t>(sequence);
      rewriter.ChangeOffsets(Ext(sequence), offsets);
    }
    CHECK(Own(rewriter, i + 1) == i + 11);
  }
  for (int64_t i = 190; i < 200; i += 2) rewriter.ChangeTopOfLate(Ext(i), 1);
  for (int64_t i = 180; i < 200; ++i) {
    const auto mapped = rewriter.Map(Ext(i));
    REQUIRE(mapped);
    CHECK(mapped.own == i + 10);
    CHECK(mapped.offsets->timestamp == static_cast<uint32_t>(i));
    CHECK(int{mapped.offsets->top_layer} == (i >= 190 && i % 2 == 0 ? 1 : 2));
  }
  constexpr size_t kBytes = 2 * sizeof(int64_t) + sizeof(RewriteOffsets);
  CHECK(rewriter.HeapBytes() <= SequenceRewriter::kMaxIntervals * kBytes);
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
      REQUIRE(*mapped.offsets == offsets);
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

RewriteOffsets Of(uint8_t source, uint32_t began_at) {
  RewriteOffsets offsets;
  offsets.source = source;
  offsets.began_at = began_at;
  return offsets;
}

TEST_CASE(
    "sequence rewriter: of a source that was left it is known when, and what was sent of it") {
  SequenceRewriter rewriter(SeqNumber(10));
  rewriter.Start(Ext(100), Of(0, 1), false);
  CHECK(Own(rewriter, 100) == 10);
  rewriter.Skip(Ext(101));
  CHECK(Own(rewriter, 103) == 12);  // 102, which is 11, is missing
  rewriter.Skip(Ext(104));
  rewriter.Skip(Ext(106));  // 105 is missing
  CHECK(Own(rewriter, 107) == 14);
  rewriter.Skip(Ext(108));
  REQUIRE(rewriter.Find(SeqNumber(11)));
  CHECK_FALSE(rewriter.Find(SeqNumber(11))->ended_at);
  rewriter.Start(Ext(500), Of(1, 20), false);
  CHECK(Own(rewriter, 500) == 15);
  rewriter.Skip(Ext(501));
  CHECK(Own(rewriter, 502) == 16);
  rewriter.Start(Ext(110), Of(0, 30), false);
  CHECK(Own(rewriter, 110) == 17);

  const auto missing = rewriter.Find(SeqNumber(13));
  REQUIRE(missing);
  CHECK(missing->sequence == Ext(105));
  CHECK(missing->ended_at == 20);
  CHECK(rewriter.Find(SeqNumber(15))->ended_at == 30);
  CHECK_FALSE(rewriter.Find(SeqNumber(17))->ended_at);
  const auto own_of = [&](int64_t sequence) { return rewriter.OwnNear(*missing, Ext(sequence)); };
  CHECK(own_of(99) == std::nullopt);
  CHECK(own_of(100) == 10);
  CHECK(own_of(101) == std::nullopt);
  CHECK(own_of(102) == 11);
  CHECK(own_of(103) == 12);
  CHECK(own_of(104) == std::nullopt);
  CHECK(own_of(105) == 13);
  CHECK(own_of(106) == std::nullopt);
  CHECK(own_of(107) == 14);
  for (int64_t sequence = 108; sequence < 112; ++sequence) {
    CHECK(own_of(sequence) == std::nullopt);  // 110 is of the source that came back
  }
  const auto running = rewriter.Find(SeqNumber(17));
  CHECK(rewriter.OwnNear(*running, Ext(110)) == 17);
  CHECK(rewriter.OwnNear(*running, Ext(111)) == std::nullopt);
  rewriter.ClearHistory();
  CHECK(own_of(105) == std::nullopt);
}

}  // namespace
}  // namespace sluice::worker
