#include "worker/media/active_speaker_observer.h"

#include <catch2/catch.hpp>
#include <map>
#include <string>
#include <vector>

#include "tests/unit/producer/producer_fixture.h"

namespace sluice::worker {
namespace {

constexpr uint8_t kLevelId = 6;
constexpr int kLoud = 30;   // −dBov
constexpr int kQuiet = 90;  // room noise
using Ids = std::vector<std::string>;

/// A meeting: people whose packets come every 20 ms while Talk() runs.
class Meeting {
 public:
  explicit Meeting(ActiveSpeakerObserverOptions options = {})
      : observer(
            std::make_unique<ActiveSpeakerObserver>("o", options, bed.environment, bed.events)) {}
  Producer& Join(const std::string& id) {
    auto options = samples::Audio(id, 100 + joined_++);
    options.rtp_parameters.header_extensions.push_back(
        {RtpExtensionUri::kAudioLevel, kLevelId, false, {}});
    people[id] = bed.Produce(options);
    REQUIRE(observer->AddProducer(*people[id]).ok());
    return *people[id];
  }
  /// `loud` speak, the others make noise.
  void Talk(const Ids& loud, int64_t ms) {
    for (int64_t t = 0; t < ms; t += 20) {
      for (const auto& [id, producer] : people) {
        const bool speaks = std::find(loud.begin(), loud.end(), id) != loud.end();
        // Speech goes up and down; noise does not.
        Send(*producer, speaks ? kLoud + static_cast<int>(t / 20 % 3) * 5 : kQuiet);
      }
      bed.AdvanceBy(20);
    }
  }
  void Send(Producer& producer, int level) {
    bed.Receive(producer, samples::WithExtension(
                              samples::Rtp(samples::kOpus, producer.ReceiveSsrcs().front().value(),
                                           ++sequences_[&producer], 0, {1, 2, 3}),
                              kLevelId, {static_cast<uint8_t>(level | 0x80)}));
  }
  Ids TakeDominant() { return std::exchange(bed.events.dominant, {}); }

  ProducerBed bed;
  std::unique_ptr<ActiveSpeakerObserver> observer;
  std::map<std::string, std::unique_ptr<Producer>> people;

 private:
  uint32_t joined_ = 0;
  std::map<Producer*, uint16_t> sequences_;
};

TEST_CASE("only audio producers, each once") {
  Meeting m;
  const auto video = m.bed.Produce(samples::Video("v", 5));
  CHECK(std::string(ErrorClassName(m.observer->AddProducer(*video))) == "TypeError");
  Producer& a = m.Join("a");
  CHECK(std::string(ErrorClassName(m.observer->AddProducer(a))) == "Error");
  m.observer->RemoveProducer(*video);  // not there: nothing happens
  CHECK(m.observer->Has(a));
}

TEST_CASE("who is alone is dominant at the first look, even silent or paused") {
  Meeting m;
  m.bed.AdvanceBy(1000);
  CHECK(m.TakeDominant().empty());
  m.Join("a").Pause();
  m.bed.AdvanceBy(299);
  CHECK(m.TakeDominant().size() <= 1);
  m.bed.AdvanceBy(1);
  CHECK(m.observer->dominant() == "a");
  m.bed.AdvanceBy(10'000);
  CHECK(m.TakeDominant().size() <= 1);  // on change only
}

TEST_CASE("the dominant speaker follows the conversation") {
  Meeting m;
  m.Join("a");
  m.Join("b");
  m.Join("c");
  m.Talk({"b"}, 2000);
  CHECK(m.observer->dominant() == "b");
  m.TakeDominant();
  m.Talk({"c"}, 2000);
  CHECK(m.TakeDominant() == Ids{"c"});
  m.Talk({"c"}, 300);
  m.Talk({"a", "c"}, 3000);  // talking over somebody does not take the floor
  CHECK(m.TakeDominant().empty());
  m.Talk({"a"}, 2000);
  CHECK(m.TakeDominant() == Ids{"a"});
  m.Talk({}, 3000);  // a silence changes nothing
  CHECK(m.TakeDominant().empty());
  m.Talk({"b"}, 60);  // nor does a cough
  m.Talk({}, 1000);
  CHECK(m.TakeDominant().empty());
  CHECK(m.observer->dominant() == "a");
}

TEST_CASE("when the dominant speaker goes, another is chosen at once") {
  Meeting m;
  m.Join("a");
  m.Join("b");
  m.Join("c");
  m.Talk({"a"}, 2000);
  m.Talk({"a", "c"}, 1000);
  m.TakeDominant();
  SECTION("removed") { m.observer->RemoveProducer(*m.people["a"]); }
  SECTION("closed") { m.people.erase("a"); }
  CHECK(m.TakeDominant() == Ids{"c"});
  m.people.erase("b");  // not dominant: no news
  CHECK(m.TakeDominant().empty());
  m.people.erase("c");  // nobody is left
  CHECK(m.TakeDominant().empty());
  CHECK(m.observer->dominant().empty());
  m.Join("d");
  m.bed.AdvanceBy(300);
  CHECK(m.TakeDominant() == Ids{"d"});
}

TEST_CASE("a paused producer does not become dominant, and gives way") {
  Meeting m;
  m.Join("a");
  m.Join("b");
  m.Talk({"b"}, 2000);
  m.people["a"]->Pause();
  m.Talk({"a"}, 2000);
  CHECK(m.observer->dominant() == "b");
  m.people["a"]->Resume();
  m.people["b"]->Pause();
  m.Talk({"a", "b"}, 2000);
  CHECK(m.observer->dominant() == "a");
}

TEST_CASE("what a producer said before a pause does not count after it") {
  // How long another must speak to become dominant.
  const auto takes = [](bool pauses) {
    Meeting m;
    m.Join("a");
    m.Join("b");
    m.Talk({"b"}, 4000);
    if (pauses) {
      m.people["b"]->Pause();
      m.people["b"]->Resume();
    }
    int64_t ms = 0;
    while (m.observer->dominant() != "a" && ms < 10'000) {
      m.Talk({"a"}, 20);
      ms += 20;
    }
    return ms;
  };
  CHECK(takes(true) < takes(false));
}

TEST_CASE("a paused observer hears and says nothing") {
  Meeting m({.interval = 100});
  m.Join("a");
  m.Join("b");
  m.Talk({"a"}, 2000);
  m.TakeDominant();
  m.observer->Pause();
  m.observer->Pause();
  m.Talk({"b"}, 2000);
  m.observer->RemoveProducer(*m.people["a"]);
  CHECK(m.TakeDominant().empty());
  m.observer->Resume();
  m.bed.AdvanceBy(99);
  CHECK(m.TakeDominant().empty());
  m.bed.AdvanceBy(1);
  CHECK(m.TakeDominant() == Ids{"b"});
}

TEST_CASE("who has been silent for an hour is not dominant by an old word") {
  Meeting m({.interval = 5000});
  m.Join("a");
  m.Join("b");
  m.Talk({"a"}, 6000);
  CHECK(m.observer->dominant() == "a");
  m.bed.AdvanceBy(3'700'000);
  m.TakeDominant();
  m.Talk({"b"}, 6000);
  CHECK(m.TakeDominant() == Ids{"b"});
}

TEST_CASE("the interval of an active speaker observer is held within 100 ms to 5 s") {
  for (const auto& [asked, real] : {std::pair{1, 100}, std::pair{65'535, 5000}}) {
    Meeting m({.interval = static_cast<uint16_t>(asked)});
    m.Join("a");
    m.bed.AdvanceBy(real - 1);
    CHECK(m.TakeDominant().empty());
    m.bed.AdvanceBy(1);
    CHECK(m.TakeDominant() == Ids{"a"});
  }
}

TEST_CASE("an active speaker observer may go before its producers") {
  Meeting m;
  Producer& a = m.Join("a");
  m.observer.reset();
  m.Send(a, kLoud);
}

}  // namespace
}  // namespace sluice::worker
