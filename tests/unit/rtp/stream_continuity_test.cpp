#include "worker/core/rtp/stream_continuity.h"

#include <array>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <optional>
#include <random>

namespace sluice::worker {
namespace {

constexpr Timestamp kStart = Timestamp::Millis(1'000'000);
constexpr uint32_t kClock = 90'000;

RoutedPacket Packet(uint32_t timestamp, Timestamp at, uint8_t encoding = 0) {
  RoutedPacket packet;
  packet.timestamp = RtpTimestamp(timestamp);
  packet.received_at = at;
  packet.encoding_index = encoding;
  return packet;
}

RoutedPacket Vp8(uint32_t timestamp, Timestamp at, uint16_t picture_id, uint8_t tl0) {
  RoutedPacket packet = Packet(timestamp, at);
  packet.info.picture_id = picture_id;
  packet.info.picture_id_offset = 2;
  packet.info.picture_id_long = true;
  packet.info.tl0_picture_index = tl0;
  packet.info.tl0_picture_index_offset = 4;
  return packet;
}

TEST_CASE("continuity: the first source passes unchanged") {
  StreamContinuity continuity(kClock);
  CHECK(continuity.Begin(Vp8(4'000'000'000u, kStart, 77, 3), nullptr) == RewriteOffsets{});
}

TEST_CASE("continuity: the same clock keeps its time over a pause, also over the wrap") {
  StreamContinuity continuity(kClock);
  continuity.OnSent(Packet(0xFFFFFF00u, kStart), {}, true);
  const RoutedPacket next = Packet(0xFFFFFF00u + 20 * kClock, kStart + Duration::Seconds(20));
  CHECK(continuity.Begin(next, nullptr).timestamp == 0);
}

TEST_CASE(
    "continuity: a clock that restarted is moved behind what was sent, by the time that passed") {
  StreamContinuity continuity(kClock);
  continuity.OnSent(Packet(5'000'000, kStart), {}, true);
  SECTION("backwards") {
    const RoutedPacket next = Packet(100, kStart + Duration::Seconds(2));
    const uint32_t offset = continuity.Begin(next, nullptr).timestamp;
    CHECK(100 + offset == 5'000'000 + 2 * kClock);
  }
  SECTION("far ahead") {
    const RoutedPacket next = Packet(5'000'000 + 3600 * kClock, kStart);
    const uint32_t offset = continuity.Begin(next, nullptr).timestamp;
    CHECK(next.timestamp.value() + offset == 5'000'000 + kClock * 33 / 1000);
  }
  SECTION("another source") {
    const RoutedPacket next = Packet(5'000'100, kStart + Duration::Seconds(1), 1);
    const RewriteOffsets offsets = continuity.Begin(next, nullptr);
    CHECK(offsets.source == 1);
    CHECK(next.timestamp.value() + offsets.timestamp == 5'000'000 + kClock);
  }
}

TEST_CASE("continuity: VP8 picture id and TL0PICIDX go on by one, over their wraps") {
  StreamContinuity continuity(kClock);
  continuity.OnSent(Vp8(0, kStart, 0x7fff, 255), {}, true);
  const RoutedPacket next = Vp8(90'000, kStart + Duration::Seconds(1), 500, 9);
  RewriteOffsets offsets = continuity.Begin(next, nullptr);
  CHECK(((500 + offsets.picture_id) & 0x7fff) == 0);
  CHECK(static_cast<uint8_t>(9 + offsets.tl0_picture_index) == 0);
  continuity.OnSent(next, offsets, true);
  const RoutedPacket again = Vp8(180'000, kStart + Duration::Seconds(2), 3, 200);
  offsets = continuity.Begin(again, nullptr);
  CHECK(((3 + offsets.picture_id) & 0x7fff) == 1);
  CHECK(static_cast<uint8_t>(200 + offsets.tl0_picture_index) == 1);
}

TEST_CASE("continuity: time never goes back over any restart") {
  std::mt19937 random(7);
  StreamContinuity continuity(kClock);
  Timestamp now = kStart;
  continuity.OnSent(Packet(static_cast<uint32_t>(random()), now), {}, true);
  for (int i = 0; i < 1000; ++i) {
    now = now + Duration::Millis(static_cast<int64_t>(random() % 60'000));
    const RoutedPacket next =
        Packet(static_cast<uint32_t>(random()), now, static_cast<uint8_t>(random() % 2));
    const RtpTimestamp before = continuity.last_timestamp();
    const RewriteOffsets offsets = continuity.Begin(next, nullptr);
    continuity.OnSent(next, offsets, true);
    REQUIRE(IsNewer(continuity.last_timestamp(), before));
  }
}

/// Captures of two encodings; nothing is known of the second one before it is reported.
class TwoCaptures final : public CaptureClock {
 public:
  /// The encoding's timestamp 0 was captured then.
  void Report(uint8_t encoding, int64_t zero_us) {
    zero_us_[encoding] = zero_us;
    ++reports_;
  }
  std::optional<int64_t> SenderTime(uint8_t encoding, RtpTimestamp timestamp) const override {
    if (!zero_us_[encoding]) return std::nullopt;
    return *zero_us_[encoding] + int64_t{timestamp.value()} * 1'000'000 / kClock;
  }

 private:
  std::array<std::optional<int64_t>, 2> zero_us_;
};

TEST_CASE("continuity: what a report puts right is taken back by 75 ms a picture at most") {
  // Pictures of the other encoding come by so much later, or earlier, than they were captured.
  const int64_t off_ms = GENERATE(300, -300, 40, -1000);
  const int64_t interval_ms = GENERATE(33, 200);
  CAPTURE(off_ms, interval_ms);
  constexpr int64_t kMostTicks = 75 * 90;
  constexpr uint32_t kSwitched = 900'000;  // timestamp of the other one's first picture
  TwoCaptures clock;
  StreamContinuity continuity(kClock);
  clock.Report(0, 0);
  continuity.OnSent(Packet(450'000, kStart), {}, true);  // captured after 5 s
  RoutedPacket next = Packet(kSwitched, kStart + Duration::Seconds(2), 1);
  RewriteOffsets offsets = continuity.Begin(next, &clock);
  CHECK(next.timestamp.value() + offsets.timestamp == 450'000 + 2 * kClock);  // by the arrivals
  CHECK_FALSE(continuity.aligned());
  continuity.OnSent(next, offsets, true);

  // Without a report nothing is known, and nothing is moved.
  next = Packet(kSwitched + 3000, next.received_at + Duration::Millis(33), 1);
  CHECK_FALSE(continuity.Correction(next, offsets.timestamp, &clock, true));
  continuity.OnSent(next, offsets, true);

  const int64_t captured_us = (7000 - off_ms) * 1000;  // of the switch
  clock.Report(1, captured_us - int64_t{kSwitched} * 1'000'000 / kClock);
  int pictures = 0;
  for (; pictures < 100 && !continuity.aligned(); ++pictures) {
    const RtpTimestamp before = continuity.last_timestamp();
    const auto ticks = static_cast<uint32_t>(interval_ms * 90);
    next =
        Packet(next.timestamp.value() + ticks, next.received_at + Duration::Millis(interval_ms), 1);
    const auto corrected = continuity.Correction(next, offsets.timestamp, &clock, true);
    REQUIRE(corrected);
    const int64_t moved =
        static_cast<int32_t>(next.timestamp.value() + *corrected - before.value()) - int64_t{ticks};
    CHECK(std::abs(moved) <= kMostTicks);
    offsets.timestamp = *corrected;
    continuity.OnSent(next, offsets, true);
    CHECK(IsNewer(continuity.last_timestamp(), before));
  }
  CHECK(continuity.aligned());
  CHECK(pictures >= std::abs(off_ms) / 75);
  CHECK_FALSE(continuity.Correction(next, offsets.timestamp, &clock, true));
  // Both are where their captures have them.
  const int64_t since_us =
      *clock.SenderTime(1, next.timestamp) - *clock.SenderTime(0, RtpTimestamp(450'000));
  CHECK(std::abs(int64_t{continuity.last_timestamp().value()} - 450'000 - since_us * 9 / 100) <= 2);
}

}  // namespace
}  // namespace sluice::worker
