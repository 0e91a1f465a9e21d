#include "worker/media/audio_level_observer.h"

#include <catch2/catch.hpp>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/producer/producer_fixture.h"

namespace sluice::worker {
namespace {

constexpr uint8_t kLevelId = 6;
using Volumes = std::vector<std::pair<std::string, int8_t>>;

class Fixture {
 public:
  explicit Fixture(AudioLevelObserverOptions options = {.max_entries = 2}) {
    auto created = AudioLevelObserver::Create("o", options, bed.environment, bed.events);
    REQUIRE(created.ok());
    observer = *std::move(created);
  }
  Producer& AddSpeaker(const std::string& id) {
    auto options = samples::Audio(id, 100 + static_cast<uint32_t>(producers.size()));
    options.rtp_parameters.header_extensions.push_back(
        {RtpExtensionUri::kAudioLevel, kLevelId, false, {}});
    producers.push_back(bed.Produce(options));
    REQUIRE(observer->AddProducer(*producers.back()).ok());
    return *producers.back();
  }
  /// `count` packets of one level (−dBov), all at this moment.
  void Speak(Producer& producer, int level, int count = 20) {
    for (int i = 0; i < count; ++i) {
      bed.Receive(producer,
                  samples::WithExtension(
                      samples::Rtp(samples::kOpus, producer.ReceiveSsrcs().front().value(),
                                   sequence_++, 0, {1, 2, 3}),
                      kLevelId, {static_cast<uint8_t>(level | 0x80)}));
    }
  }

  ProducerBed bed;
  std::unique_ptr<AudioLevelObserver> observer;
  std::vector<std::unique_ptr<Producer>> producers;
  uint16_t sequence_ = 1;
};

TEST_CASE("wrong options and wrong producers are TypeErrors") {
  Fixture f;
  for (const AudioLevelObserverOptions& options :
       {AudioLevelObserverOptions{.threshold = 1}, AudioLevelObserverOptions{.threshold = -128},
        AudioLevelObserverOptions{.max_entries = 0}}) {
    const auto created = AudioLevelObserver::Create("o", options, f.bed.environment, f.bed.events);
    REQUIRE_FALSE(created.ok());
    CHECK(std::string(ErrorClassName(created.status())) == "TypeError");
  }
  for (const int8_t threshold : {int8_t{0}, int8_t{-127}}) {
    AudioLevelObserverOptions options;
    options.threshold = threshold;
    options.max_entries = 1;
    CHECK(AudioLevelObserver::Create("o", options, f.bed.environment, f.bed.events).ok());
  }
  const auto video = f.bed.Produce(samples::Video("v", 5));
  const Status status = f.observer->AddProducer(*video);
  CHECK(std::string(ErrorClassName(status)) == "TypeError");
}

TEST_CASE("each interval gives the loudest, and silence once") {
  Fixture f;
  Producer& a = f.AddSpeaker("a");
  Producer& b = f.AddSpeaker("b");
  Producer& c = f.AddSpeaker("c");
  f.bed.AdvanceBy(3000);
  CHECK(f.bed.events.volumes.empty());  // silent from the beginning: nothing to say

  f.Speak(a, 40);
  f.Speak(b, 20, 10);
  f.Speak(b, 31, 10);
  f.Speak(c, 60);
  f.bed.AdvanceBy(1000);
  REQUIRE(f.bed.events.volumes.size() == 1);
  CHECK(f.bed.events.volumes[0] == Volumes{{"b", -25}, {"a", -40}});  // c: only two are wanted
  f.bed.AdvanceBy(3000);
  REQUIRE(f.bed.events.volumes.size() == 2);
  CHECK(f.bed.events.volumes[1].empty());
}

TEST_CASE("too few packets or too quiet says nothing") {
  Fixture f;
  Producer& a = f.AddSpeaker("a");
  f.Speak(a, 10, 9);
  f.bed.AdvanceBy(1000);
  f.Speak(a, 81);
  f.bed.AdvanceBy(1000);
  CHECK(f.bed.events.volumes.empty());
  f.Speak(a, 80);
  f.bed.AdvanceBy(1000);
  CHECK(f.bed.events.volumes.size() == 1);
}

TEST_CASE("sums do not overflow in a long interval") {
  Fixture f({.max_entries = 1, .threshold = -127, .interval = 5000});
  Producer& a = f.AddSpeaker("a");
  f.Speak(a, 127, 700);
  f.bed.AdvanceBy(5000);
  REQUIRE(f.bed.events.volumes.size() == 1);
  CHECK(f.bed.events.volumes[0] == Volumes{{"a", -127}});
}

TEST_CASE("the interval is held within 250 ms to 5 s") {
  Fixture f({.interval = 1});
  Producer& a = f.AddSpeaker("a");
  f.Speak(a, 10);
  f.bed.AdvanceBy(249);
  CHECK(f.bed.events.volumes.empty());
  f.bed.AdvanceBy(1);
  CHECK(f.bed.events.volumes.size() == 1);
}

TEST_CASE("paused observers and producers are silent") {
  Fixture f;
  Producer& a = f.AddSpeaker("a");
  f.Speak(a, 10);
  f.bed.AdvanceBy(1000);
  CHECK(f.bed.events.volumes.size() == 1);

  f.observer->Pause();
  REQUIRE(f.bed.events.volumes.size() == 2);
  CHECK(f.bed.events.volumes[1].empty());
  f.Speak(a, 10);
  f.bed.AdvanceBy(3000);
  f.observer->Resume();
  f.bed.AdvanceBy(1000);
  CHECK(f.bed.events.volumes.size() == 2);

  f.Speak(a, 10);
  a.Pause();  // forgets what it said
  f.bed.AdvanceBy(1000);
  f.Speak(a, 10);
  f.bed.AdvanceBy(1000);
  CHECK(f.bed.events.volumes.size() == 2);
  a.Resume();
  f.Speak(a, 10);
  f.bed.AdvanceBy(1000);
  CHECK(f.bed.events.volumes.size() == 3);
}

TEST_CASE("producers and observers may go in any order") {
  Fixture f;
  Producer& a = f.AddSpeaker("a");
  f.AddSpeaker("b");
  CHECK(f.observer->producer_ids() == std::vector<std::string>{"a", "b"});
  CHECK(f.observer->AddProducer(a).ok());  // twice is once
  f.producers.pop_back();
  CHECK(f.observer->producer_ids() == std::vector<std::string>{"a"});
  f.observer->RemoveProducer(a);
  f.observer->RemoveProducer(a);
  f.Speak(a, 10);
  f.bed.AdvanceBy(1000);
  CHECK(f.bed.events.volumes.empty());
  REQUIRE(f.observer->AddProducer(a).ok());
  f.observer.reset();
  f.Speak(a, 10);
}

}  // namespace
}  // namespace sluice::worker
