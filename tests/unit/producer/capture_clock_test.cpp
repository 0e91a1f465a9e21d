#include <catch2/catch.hpp>
#include <cstdlib>

#include "tests/unit/producer/producer_fixture.h"

namespace sluice::worker {
namespace {

using samples::Rtp;

constexpr uint32_t kAudioSsrc = 10;
constexpr uint32_t kVideoSsrc = 20;
constexpr uint32_t kAudioRate = 48'000;
constexpr uint32_t kVideoRate = 90'000;

/// One sender with a clock of its own: NTP and RTP times of what it captured `us` after its start.
struct Sender {
  int64_t ntp_start_us;
  uint32_t audio_rtp_start = 0xfffffff0;  // wraps soon
  uint32_t video_rtp_start = 12345;

  static uint32_t Units(int64_t us, uint32_t rate) {
    return static_cast<uint32_t>(us * rate / 1'000'000);
  }
  RtpTimestamp Audio(int64_t us) const {
    return RtpTimestamp(audio_rtp_start + Units(us, kAudioRate));
  }
  RtpTimestamp Video(int64_t us) const {
    return RtpTimestamp(video_rtp_start + Units(us, kVideoRate));
  }
  rtcp::SenderInfo Report(uint32_t ssrc, RtpTimestamp rtp, int64_t us) const {
    rtcp::SenderInfo info;
    info.ssrc = Ssrc(ssrc);
    info.ntp = NtpTime::FromMicros(ntp_start_us + us);
    info.rtp_timestamp = rtp;
    return info;
  }
};

class Fixture {
 public:
  Fixture() {
    ProduceOptions audio_options = samples::Audio("a", kAudioSsrc);
    ProduceOptions video_options = samples::Video("v", kVideoSsrc);
    audio_options.rtp_parameters.rtcp.cname = video_options.rtp_parameters.rtcp.cname = "one";
    audio = bed.Produce(audio_options);
    video = bed.Produce(video_options);
    bed.Receive(*audio, Rtp(samples::kOpus, kAudioSsrc, 1, 0, {1, 2, 3}));
    bed.Receive(*video, Rtp(samples::kVp8, kVideoSsrc, 1, 0, samples::Vp8Payload(true, 1)));
  }
  int64_t elapsed_us() const { return (bed.environment.Now() - VirtualEnvironment::kStart).us(); }

  ProducerBed bed{77};
  std::unique_ptr<Producer> audio;
  std::unique_ptr<Producer> video;
};

TEST_CASE("there is no capture time before a report, nor from a sender without a clock") {
  Fixture f;
  CHECK_FALSE(f.audio->CaptureTime(0, RtpTimestamp(0)));
  CHECK_FALSE(f.audio->CaptureTime(3, RtpTimestamp(0)));
  rtcp::SenderInfo no_clock;
  no_clock.ssrc = Ssrc(kAudioSsrc);
  f.audio->OnSenderReport(no_clock, f.bed.environment.Now());
  CHECK_FALSE(f.audio->CaptureTime(0, RtpTimestamp(0)));
}

TEST_CASE("audio and video of one sender agree within 5 ms under jitter") {
  Fixture f;
  // The sender's clock is years away from ours and 50 ppm fast; reports take 30 to 110 ms, those of
  // audio and video each their own.
  const Sender sender{1'000'000'000'000};
  int64_t worst_skew = 0;
  int64_t worst_error = 0;
  for (int second = 0; second < 120; ++second) {
    const int64_t sent_us = int64_t{second} * 1'000'000 + second * 50;
    for (const bool is_audio : {true, false}) {
      const int64_t delay_ms = 30 + f.bed.environment.RandomBelow(80);
      f.bed.environment.Schedule(Duration::Millis(delay_ms), [&f, &sender, is_audio, sent_us] {
        Producer& producer = is_audio ? *f.audio : *f.video;
        producer.OnSenderReport(is_audio
                                    ? sender.Report(kAudioSsrc, sender.Audio(sent_us), sent_us)
                                    : sender.Report(kVideoSsrc, sender.Video(sent_us), sent_us),
                                f.bed.environment.Now());
      });
    }
    f.bed.AdvanceBy(1000);
    const int64_t captured_us = f.elapsed_us() - 20'000;
    const auto audio = f.audio->CaptureTime(0, sender.Audio(captured_us));
    const auto video = f.video->CaptureTime(0, sender.Video(captured_us));
    REQUIRE(audio);
    REQUIRE(video);
    worst_skew = std::max<int64_t>(worst_skew, std::llabs(audio->ToMicros() - video->ToMicros()));
    if (second < 3) continue;
    // On our time line: late by the least delay of a report, early by nothing.
    const int64_t truth = VirtualEnvironment::kNtpStartUs + captured_us;
    worst_error = std::max<int64_t>(worst_error, std::llabs(audio->ToMicros() - truth));
  }
  CHECK(worst_skew < 5'000);
  CHECK(worst_error < 110'000);
}

TEST_CASE("streams of one name but different clocks are each mapped by their own") {
  Fixture f;
  const Sender one{1'000'000'000'000};
  const Sender other{2'000'000'000'000};
  for (int second = 0; second < 10; ++second) {
    const int64_t us = int64_t{second} * 1'000'000;
    f.audio->OnSenderReport(one.Report(kAudioSsrc, one.Audio(us), us), f.bed.environment.Now());
    f.video->OnSenderReport(other.Report(kVideoSsrc, other.Video(us), us), f.bed.environment.Now());
    const int64_t truth = VirtualEnvironment::kNtpStartUs + us;
    const auto audio = f.audio->CaptureTime(0, one.Audio(us));
    const auto video = f.video->CaptureTime(0, other.Video(us));
    REQUIRE(audio);
    REQUIRE(video);
    CHECK(std::llabs(audio->ToMicros() - truth) < 1000);
    CHECK(std::llabs(video->ToMicros() - truth) < 1000);
    f.bed.AdvanceBy(1000);
  }
}

TEST_CASE("a capture time that makes no sense is not given") {
  Fixture f;
  const Sender sender{1'000'000'000'000};
  f.audio->OnSenderReport(sender.Report(kAudioSsrc, sender.Audio(0), 0), f.bed.environment.Now());
  CHECK(f.audio->CaptureTime(0, sender.Audio(1'000'000)));
  CHECK_FALSE(f.audio->CaptureTime(0, sender.Audio(30'000'000)));   // half a minute ahead of now
  CHECK_FALSE(f.audio->CaptureTime(0, sender.Audio(500'000'000)));  // no report for too long
}

}  // namespace
}  // namespace sluice::worker
