#include "worker/core/rtp/time_bends.h"

#include <catch2/catch.hpp>

namespace sluice::worker {
namespace {

constexpr Timestamp kStart = Timestamp::Millis(1'000'000);

constexpr uint32_t kSource = 5;

/// Between a picture at `before` and one at `time`, whose offsets are these.
TimeBends::Bend Bend(int64_t first, uint32_t before, uint32_t offset_before, uint32_t time,
                     uint32_t offset, Timestamp at = kStart) {
  TimeBends::Bend bend;
  bend.source = kSource;
  bend.first = ExtendedSeqNumber(first);
  bend.time = RtpTimestamp(time);
  bend.offset = offset;
  bend.time_before = RtpTimestamp(before);
  bend.offset_before = offset_before;
  bend.at = at;
  return bend;
}

std::optional<uint32_t> OffsetOf(const TimeBends& bends, int64_t sequence, uint32_t time) {
  return bends.OffsetOf(kSource, ExtendedSeqNumber(sequence), RtpTimestamp(time));
}

TEST_CASE("time bends: what comes late stands between the pictures around it") {
  // Over the wrap of the time; to the front and back.
  const auto change = static_cast<int32_t>(GENERATE(-6000, -5999, -1, 1, 6750));
  constexpr uint32_t kBefore = 0xffff'f000;
  constexpr uint32_t kStep = 12'000;
  constexpr uint32_t kOffset = 77;
  const uint32_t offset = kOffset + static_cast<uint32_t>(change);
  TimeBends bends;
  bends.Add(Bend(100, kBefore, kOffset, kBefore + kStep, offset));
  const auto sent_after = [&](uint32_t time) {
    const auto late = OffsetOf(bends, 95, kBefore + time);
    return late ? time + *late - kOffset : time;
  };
  CHECK_FALSE(OffsetOf(bends, 95, kBefore));  // of the picture before
  CHECK_FALSE(OffsetOf(bends, 95, kBefore - 3000));
  CHECK(OffsetOf(bends, 99, kBefore + kStep) == offset);  // of the one behind
  CHECK_FALSE(OffsetOf(bends, 101, kBefore + kStep));     // goes with those around it
  uint32_t last = 0;
  for (uint32_t time = 2; time <= kStep; time += 2) {
    CAPTURE(time);
    REQUIRE(sent_after(time) > last);
    last = sent_after(time);
  }
  CHECK(last == kStep + static_cast<uint32_t>(change));
  bends.Clear();
  CHECK_FALSE(OffsetOf(bends, 95, kBefore + 100));
}

TEST_CASE("time bends: of several the one in whose gap a packet belongs") {
  TimeBends bends;
  bends.Add(Bend(100, 1000, 0, 2000, static_cast<uint32_t>(-400)));
  bends.Add(Bend(200, 5000, static_cast<uint32_t>(-400), 6000, static_cast<uint32_t>(-600)));
  CHECK(OffsetOf(bends, 99, 1500) == static_cast<uint32_t>(-200));
  CHECK_FALSE(OffsetOf(bends, 90, 900));
  CHECK_FALSE(OffsetOf(bends, 110, 2100));
  CHECK(OffsetOf(bends, 199, 5500) == static_cast<uint32_t>(-500));
  CHECK_FALSE(OffsetOf(bends, 201, 6100));
  CHECK_FALSE(bends.OffsetOf(kSource + 1, ExtendedSeqNumber(99), RtpTimestamp(1500)));
}

TEST_CASE("time bends: as many are kept as there is room for while something may come") {
  TimeBends bends;
  for (size_t i = 0; i < TimeBends::kMax; ++i) {
    CHECK(bends.HasRoom(kStart));
    const auto at = static_cast<uint32_t>(1000 * i);
    bends.Add(Bend(static_cast<int64_t>(100 * i + 100), at, 0, at + 500, 10));
  }
  CHECK_FALSE(bends.HasRoom(kStart + TimeBends::kKept));
  CHECK(OffsetOf(bends, 99, 250) == 5u);
  const Timestamp later = kStart + TimeBends::kKept + Duration::Millis(1);
  REQUIRE(bends.HasRoom(later));
  bends.Add(Bend(900, 8000, 0, 8500, 10, later));
  CHECK_FALSE(OffsetOf(bends, 99, 250));  // the oldest has gone
  CHECK(OffsetOf(bends, 199, 1250) == 5u);
  CHECK(OffsetOf(bends, 899, 8250) == 5u);
  CHECK_FALSE(bends.HasRoom(kStart));
}

}  // namespace
}  // namespace sluice::worker
