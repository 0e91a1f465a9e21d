#include "worker/core/rtp/speaker_activity.h"

#include <array>
#include <catch2/catch.hpp>

namespace sluice::worker {
namespace {

constexpr uint8_t kLoud = 95;
constexpr uint8_t kQuiet = 35;

/// Somebody whose packets come every 20 ms.
class Talker {
 public:
  void Say(uint8_t level, int packets) {
    for (int i = 0; i < packets; ++i) {
      activity.OnLevel(level, now);
      now = now + SpeakerActivity::kSample;
    }
  }
  void Pass(int64_t ms) {
    now = now + Duration::Millis(ms);
    activity.OnTime(now);
  }

  SpeakerActivity activity;
  Timestamp now = Timestamp::Millis(100'000);
};

const SpeechScores kSilence = SpeakerActivity().Scores();

TEST_CASE("a second of speech raises all three scores, a second of silence lowers them") {
  Talker talker;
  talker.Say(kLoud, 50);
  const SpeechScores speech = talker.activity.Scores();
  CHECK(speech.immediate > kSilence.immediate);
  CHECK(speech.medium > kSilence.medium);
  CHECK(speech.longer > kSilence.longer);
  talker.Pass(1000);
  CHECK(talker.activity.Scores().immediate == kSilence.immediate);
  CHECK(talker.activity.Scores().medium == kSilence.medium);
  CHECK(talker.activity.Scores().longer == kSilence.longer);
}

TEST_CASE("a cough is immediate, not long") {
  Talker talker;
  talker.Say(kQuiet, 50);
  talker.Say(120, 3);
  const SpeechScores cough = talker.activity.Scores();
  CHECK(cough.immediate > kSilence.immediate);
  CHECK(cough.longer == kSilence.longer);
}

TEST_CASE("long packets fill the time that they stand for, pauses do not") {
  Talker every_60;
  for (int i = 0; i < 18; ++i) {
    every_60.activity.OnLevel(kLoud, every_60.now);
    every_60.now = every_60.now + Duration::Millis(60);
  }
  Talker every_20;
  every_20.Say(kLoud, 50);
  CHECK(every_60.activity.Scores().longer == every_20.activity.Scores().longer);

  Talker paused;
  paused.Say(kQuiet, 50);
  paused.now = paused.now + Duration::Millis(900);
  paused.activity.OnLevel(kLoud, paused.now);  // one packet says nothing of the second before it
  CHECK(paused.activity.Scores().longer == kSilence.longer);
  CHECK(paused.activity.Scores().medium < every_20.activity.Scores().medium);
}

TEST_CASE("packets in a burst are all heard") {
  Talker talker;
  talker.Say(kQuiet, 50);
  talker.now = talker.now + Duration::Millis(1000);
  for (int i = 0; i < 50; ++i) talker.activity.OnLevel(kLoud, talker.now);
  Talker steady;
  steady.Say(kLoud, 50);
  CHECK(talker.activity.Scores().longer == steady.activity.Scores().longer);
}

TEST_CASE("a steady noise is learned as one, and forgotten when it stops") {
  Talker fan;
  fan.Say(kLoud, 2 * SpeakerActivity::kNoiseWindow);
  CHECK(fan.activity.noise_floor() == kLoud);
  CHECK(fan.activity.Scores().longer == kSilence.longer);
  fan.Say(kLoud + 15, 50);  // speech above it
  CHECK(fan.activity.Scores().longer > kSilence.longer);
  fan.Say(kQuiet, 1);
  CHECK(fan.activity.noise_floor() == kQuiet);
  fan.Say(kLoud, 50);
  CHECK(fan.activity.Scores().longer > kSilence.longer);
}

TEST_CASE("levels out of range and time that stands still do no harm") {
  SpeakerActivity activity;
  for (int level = 0; level < 256; ++level) {
    activity.OnLevel(static_cast<uint8_t>(level), Timestamp());
    activity.OnTime(Timestamp());
  }
  activity.OnTime(Timestamp::Micros(INT64_MAX / 2));
  CHECK(activity.Scores().longer == kSilence.longer);
}

SpeakerCandidate Saying(uint8_t level, int packets) {
  Talker talker;
  talker.Say(kQuiet, 50);
  talker.Say(level, packets);
  return {talker.activity.Scores()};
}

TEST_CASE("nobody is dominant without candidates; one alone is, silent or not") {
  CHECK_FALSE(ChooseDominantSpeaker({}, std::nullopt));
  const std::array one = {SpeakerCandidate{{}, /*eligible=*/false}};
  CHECK(ChooseDominantSpeaker(one, std::nullopt) == 0U);
}

TEST_CASE("who speaks takes over from who is silent, not from who speaks as well") {
  const std::array silent_first = {Saying(kQuiet, 50), Saying(kLoud, 50), Saying(kQuiet, 50)};
  CHECK(ChooseDominantSpeaker(silent_first, 0) == 1U);
  CHECK(ChooseDominantSpeaker(silent_first, std::nullopt) == 1U);
  const std::array both = {Saying(kLoud, 50), Saying(kLoud + 20, 50)};
  CHECK(ChooseDominantSpeaker(both, 0) == 0U);
  const std::array cough = {Saying(kQuiet, 50), Saying(120, 2)};
  CHECK(ChooseDominantSpeaker(cough, 0) == 0U);
}

TEST_CASE("who may not be dominant does not take over") {
  std::array candidates = {Saying(kQuiet, 50), Saying(kLoud, 50)};
  candidates[1].eligible = false;
  CHECK(ChooseDominantSpeaker(candidates, 0) == 0U);
}

}  // namespace
}  // namespace sluice::worker
