#include "worker/core/rtp/send_statistics.h"

#include <catch2/catch.hpp>

#include "worker/core/rtp/sender_report_clock.h"

namespace sluice::worker {
namespace {

constexpr Timestamp kStart = Timestamp::Millis(1'000'000);
constexpr int64_t kNtpUs = 3'976'214'400LL * 1'000'000;

NtpTime NtpAt(Timestamp at) { return NtpTime::FromMicros(kNtpUs + (at - kStart).us()); }

TEST_CASE("send statistics: round trip from LSR and DLSR") {
  SendStatistics statistics;
  rtcp::ReportBlock block;
  block.last_sr = NtpAt(kStart).Compact();
  block.delay_since_last_sr = 65'536 / 2;
  const Timestamp now = kStart + Duration::Millis(550);
  statistics.OnReportBlock(block, NtpAt(now), now);
  CHECK(statistics.round_trip_time().us() == Approx(50'000).margin(40));

  SECTION("no report of ours received yet") {
    block.last_sr = 0;
    statistics.OnReportBlock(block, NtpAt(now), now);
    CHECK(statistics.round_trip_time().us() == Approx(50'000).margin(40));
    CHECK(statistics.bad_round_trips() == 0);
  }
  SECTION("a delay longer than the time that passed") {
    block.delay_since_last_sr = 65'536 * 2;
    statistics.OnReportBlock(block, NtpAt(now), now);
    CHECK(statistics.round_trip_time().us() == Approx(50'000).margin(40));
    CHECK(statistics.bad_round_trips() == 1);
  }
  SECTION("an absurd one") {
    block.last_sr -= 100 * 65'536;
    statistics.OnReportBlock(block, NtpAt(now), now);
    CHECK(statistics.bad_round_trips() == 1);
  }
}

TEST_CASE("send statistics: loss lowers the score, repair softens it, quiet streams stay at 10") {
  SendStatistics statistics;
  Timestamp now = kStart;
  rtcp::ReportBlock block;
  CHECK_FALSE(statistics.OnReportBlock(block, NtpAt(now), now));
  CHECK(statistics.score() == 10);

  for (int i = 0; i < 24; ++i) {
    now = now + Duration::Seconds(1);
    statistics.OnMediaSent(100, 120'000, 110'000, now);
    block.cumulative_lost += 16;
    block.fraction_lost = 41;
    statistics.OnReportBlock(block, NtpAt(now), now);
  }
  CHECK(statistics.score() == 5);  // 0.84^4
  CHECK(statistics.packets_lost() == 16 * 24);
  CHECK(statistics.fraction_lost() == 41);
  CHECK(statistics.Bitrate(now).bps() > 800'000);

  for (int i = 0; i < 24; ++i) {
    now = now + Duration::Seconds(1);
    statistics.OnMediaSent(100, 120'000, 110'000, now);
    for (int j = 0; j < 16; ++j) statistics.OnResent(true);
    block.cumulative_lost += 16;
    statistics.OnReportBlock(block, NtpAt(now), now);
  }
  CHECK(statistics.score() >= 7);
}

TEST_CASE("send statistics: a flood of reports gives one sample") {
  SendStatistics statistics;
  rtcp::ReportBlock block;
  statistics.OnReportBlock(block, NtpAt(kStart), kStart);
  statistics.OnMediaSent(10, 1000, 900, kStart);
  block.cumulative_lost = 10;
  for (int i = 1; i < 100; ++i) {
    const Timestamp now = kStart + Duration::Millis(i);
    REQUIRE_FALSE(statistics.OnReportBlock(block, NtpAt(now), now));
  }
  // A negative or shrinking count is not loss.
  block.cumulative_lost = -5;
  const Timestamp later = kStart + Duration::Seconds(1);
  CHECK_FALSE(statistics.OnReportBlock(block, NtpAt(later), later));
  CHECK(statistics.score() == 10);
}

TEST_CASE("score history: newest samples weigh most") {
  ScoreHistory history;
  CHECK_FALSE(history.Add(10));
  CHECK(history.Add(0));  // (1*10 + 2*0) / 3
  CHECK(history.score() == 3);
  for (int i = 0; i < 24; ++i) history.Add(10);
  CHECK(history.score() == 10);
  history.Reset(0);
  CHECK(history.score() == 0);
  CHECK(ScoreHistory::Sample(0, 0, 0, 0) == 10);
  CHECK(ScoreHistory::Sample(100, 0, 0, 0) == 10);
  CHECK(ScoreHistory::Sample(100, 200, 0, 0) == 0);
  CHECK(ScoreHistory::Sample(100, 50, 0, 0) == 1);
  CHECK(ScoreHistory::Sample(100, 10, 10, 10) > ScoreHistory::Sample(100, 10, 5, 30));
}

TEST_CASE("rate window: counts what is inside, forgets what is not") {
  RateWindow rate;
  rate.Add(2500, kStart);
  CHECK(rate.Rate(kStart).bps() == 8000);
  CHECK(rate.Rate(kStart + Duration::Millis(2300)).bps() == 8000);
  CHECK(rate.Rate(kStart + Duration::Millis(2600)).bps() == 0);
  rate.Add(2500, kStart + Duration::Seconds(100));
  CHECK(rate.Rate(kStart + Duration::Seconds(100)).bps() == 8000);
}

TEST_CASE("sender report: RTP time follows capture, else arrival") {
  SenderReportReference reference;
  reference.timestamp = RtpTimestamp(0xFFFFFF00u);
  reference.clock_rate = 48'000;
  reference.received_at = kStart;
  const Timestamp now = kStart + Duration::Millis(100);
  const NtpTime ntp = NtpAt(now);
  CHECK(SenderReportTimestamp(reference, ntp, now).value() == 0xFFFFFF00u + 4800u);
  reference.captured_at = NtpAt(kStart - Duration::Millis(150));
  CHECK(SenderReportTimestamp(reference, ntp, now).value() == 0xFFFFFF00u + 12'000u);
  reference.captured_at = NtpAt(now + Duration::Millis(500));  // estimate ahead of us
  CHECK(SenderReportTimestamp(reference, ntp, now).value() == 0xFFFFFF00u - 24'000u);
  reference.captured_at = NtpAt(kStart - Duration::Seconds(3600));  // another clock
  CHECK(SenderReportTimestamp(reference, ntp, now).value() == 0xFFFFFF00u + 4800u);
}

TEST_CASE("sender report: audio and video of one capturer meet on one time line") {
  // Captured at the same moment, arriving 200 ms apart.
  const Timestamp captured = kStart;
  SenderReportReference audio{RtpTimestamp(1000), 48'000, captured + Duration::Millis(40),
                              NtpAt(captured)};
  SenderReportReference video{RtpTimestamp(9'000'000), 90'000, captured + Duration::Millis(240),
                              NtpAt(captured)};
  const Timestamp now = captured + Duration::Millis(700);
  const uint32_t audio_now = SenderReportTimestamp(audio, NtpAt(now), now).value();
  const uint32_t video_now = SenderReportTimestamp(video, NtpAt(now), now).value();
  CHECK(audio_now - 1000 == Approx(33'600).margin(1));
  CHECK(video_now - 9'000'000 == Approx(63'000).margin(1));
}

}  // namespace
}  // namespace sluice::worker
