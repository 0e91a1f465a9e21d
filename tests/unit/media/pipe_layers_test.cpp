// Every video codec through a pipe, in one and in three encodings, and pipes that carry no more
// than is wanted at their far end (docs/protocols/layers.md §6).
#include <catch2/catch.hpp>
#include <iterator>
#include <map>
#include <set>

#include "tests/unit/media/codec_samples.h"
#include "tests/unit/media/pipe_fixture.h"
#include "worker/media/consumer.h"

namespace sluice::worker {
namespace {

constexpr uint32_t kFirstSsrc = 1111;  // of the publisher
constexpr uint32_t kPipeSsrc = 3000;
constexpr WantedLayers kNothing{};
constexpr WantedLayers kWhole{true, WantedLayers::kAll, WantedLayers::kAll};

/// Keeps the encodings of which a key frame is asked for.
struct Plis final : rtcp::Visitor {
  void OnPli(Ssrc media) override { all.insert(media.value()); }
  std::set<uint32_t> all;
};

struct PipeLayers : PipeFixture {
  /// A publisher "v" at r1 of `encodings`, piped as "pp" to r2 and there consumed by "c".
  void Build(size_t encodings) {
    codec = &samples::kVideoCodecs[GENERATE(range(size_t{0}, std::size(samples::kVideoCodecs)))];
    Join(/*encrypted=*/false, /*rtx=*/true);
    in = LocalOf(AddComedia("r1", "in").tuple);
    AddSender("r2", "out", viewer);
    ProduceOptions video = samples::Video("v", kFirstSsrc);
    for (uint32_t i = 1; i < encodings; ++i) {
      RtpEncodingParameters encoding;
      encoding.ssrc = kFirstSsrc + i;
      video.rtp_parameters.encodings.push_back(encoding);
      video.rtp_mapping.encodings.push_back({"", kFirstSsrc + i, kFirstSsrc + i + 5'000'000});
    }
    video.report_wanted_layers = true;
    ConsumeOptions view = samples::ConsumerOf(video, "c", 5000);
    samples::SetCodec(*codec, &view.rtp_parameters);
    ConsumeOptions pipe = samples::PipeConsumerOf(video, "pc", kPipeSsrc, /*rtx=*/true);
    samples::SetCodec(*codec, &video.rtp_parameters);
    samples::SetCodec(*codec, &pipe.rtp_parameters);
    REQUIRE(engine->Produce("in", video).ok());
    REQUIRE(engine->Consume("p1", pipe).ok());
    ProduceOptions far = samples::PipeProducerOf(pipe, "pp");
    far.report_wanted_layers = true;
    REQUIRE(engine->Produce("p2", far).ok());
    view.producer_id = "pp";
    view.consumable_rtp_encodings.clear();
    for (const RtpEncodingMapping& each : far.rtp_mapping.encodings) {
      RtpEncodingParameters encoding;
      encoding.ssrc = each.mapped_ssrc;
      view.consumable_rtp_encodings.push_back(encoding);
    }
    if (encodings > 1) view.rtp_parameters.encodings[0].scalability_mode = "L3T1";
    REQUIRE(engine->Consume("out", view).ok());
    Pump();
    crossed.clear();
    outside.clear();
  }
  /// One picture of each encoding, whose last byte is its number, 33 ms after the ones before. What
  /// "pp" says is wanted of it is told to "pc", as a controller does.
  void Turn(size_t encodings, bool key = false) {
    ++picture;
    for (uint32_t i = 0; i < encodings; ++i) {
      if (stopped.contains(i)) continue;
      std::vector<uint8_t> payload = key ? codec->key : codec->other;
      payload.push_back(picture);
      ++sequences[i];
      if (lossy.contains(i) && sequences[i] % 3 == 0) continue;
      Deliver(
          samples::Rtp(samples::kVp8, kFirstSsrc + i, sequences[i], picture_time, payload, true),
          in, publisher);
    }
    picture_time += 3000;
    Pump();
    environment.AdvanceBy(Duration::Millis(33));
    Pump();
    for (const std::string& line : events.Take()) {
      if (line == "wanted pp" && tells) Tell(events.wanted.at("pp"));
    }
  }
  void Tell(const std::vector<WantedLayers>& wanted) {
    REQUIRE((*engine->Find<Consumer>("pc"))->SetWantedLayers(wanted).ok());
  }
  /// The publisher's sender reports, at each of which a stream is scored.
  void Report(size_t encodings) {
    for (uint32_t i = 0; i < encodings; ++i) {
      rtcp::SenderInfo info;
      info.ssrc = Ssrc(kFirstSsrc + i);
      info.ntp = environment.NtpNow();
      info.rtp_timestamp = RtpTimestamp(picture_time);
      std::vector<uint8_t> bytes(rtcp::Builder::kMaxCompound);
      rtcp::Builder builder(bytes);
      REQUIRE(builder.AddSenderReport(info, {}));
      bytes.resize(builder.size());
      Deliver(bytes, in, publisher);
    }
  }
  /// What is said of each encoding, by the producer and by its consumer.
  std::vector<uint8_t> ScoresOf(const std::string& producer) {
    std::vector<uint8_t> scores;
    for (const ProducerScoreEntry& each : events.producer_scores[producer]) {
      scores.push_back(each.score);
    }
    return scores;
  }
  std::vector<uint8_t> ScoresAt(const std::string& consumer) {
    return events.consumer_scores[consumer].producer_scores;
  }
  /// Media packets that have crossed the pipe since the last call, by encoding.
  std::map<uint32_t, size_t> Crossed() {
    std::map<uint32_t, size_t> count;
    for (SentDatagram& sent : std::exchange(crossed, {})) {
      if (rtcp::LooksLikeRtcp(sent.bytes)) continue;
      ++count[RtpPacket::Parse(sent.bytes)->ssrc().value() - kPipeSsrc];
    }
    return count;
  }
  /// Numbers of the pictures that the viewer has got since the last call, and of which encodings a
  /// key frame was asked for.
  std::vector<int> Seen(std::set<uint32_t>* asked = nullptr) {
    std::vector<int> seen;
    for (SentDatagram& sent : std::exchange(outside, {})) {
      if (sent.tuple.remote == publisher && rtcp::LooksLikeRtcp(sent.bytes)) {
        Plis plis;
        rtcp::Parse(sent.bytes, plis);
        if (asked != nullptr) asked->merge(plis.all);
      }
      if (sent.tuple.remote != viewer || rtcp::LooksLikeRtcp(sent.bytes)) continue;
      seen.push_back(RtpPacket::Parse(sent.bytes)->payload().back());
    }
    return seen;
  }

  const samples::VideoCodec* codec = nullptr;
  uint8_t picture = 0;
  uint32_t picture_time = 0;
  std::set<uint32_t> stopped;  ///< encodings that the publisher does not send
  std::set<uint32_t> lossy;    ///< encodings of which every third packet does not arrive at r1
  bool tells = true;           ///< the pipe hears what is wanted behind it
  std::map<uint32_t, uint16_t> sequences;
};

TEST_CASE_METHOD(PipeLayers, "every video codec crosses a pipe and is repaired there") {
  Build(1);
  INFO(codec->mime_type);
  Turn(1);
  CHECK(Crossed().empty());  // nothing to begin with
  Turn(1, /*key=*/true);
  bool lost = false;
  lose = [&](const SentDatagram& sent) {
    if (lost || sent.tuple.remote != to || rtcp::LooksLikeRtcp(sent.bytes)) return false;
    return lost = true;
  };
  Turn(1);
  Turn(1);
  CHECK(lost);
  for (int i = 0; i < 5; ++i) Turn(1);
  const std::vector<int> seen = Seen();
  CHECK(std::set<int>(seen.begin(), seen.end()) == std::set<int>{2, 3, 4, 5, 6, 7, 8, 9});
  CHECK(seen.size() == 8);
}

TEST_CASE_METHOD(PipeLayers, "where a wanted encoding is dead a pipe carries what lives instead") {
  Build(3);
  INFO(codec->mime_type);
  const auto turns = [&](Duration time) {
    for (Duration passed; passed < time; passed = passed + Duration::Millis(33)) Turn(3);
  };
  Turn(3, /*key=*/true);
  turns(Duration::Seconds(7));
  REQUIRE(events.wanted["pp"] == std::vector<WantedLayers>{kNothing, kNothing, kWhole});
  Crossed();
  Seen();

  stopped = {2};  // the publisher's uplink has no room for it
  turns(Duration::Seconds(3));
  CHECK(Crossed().empty());
  std::set<uint32_t> asked;
  Seen(&asked);
  CHECK(asked.contains(kFirstSsrc + 1));
  CHECK_FALSE(asked.contains(kFirstSsrc + 2));
  Turn(3, /*key=*/true);
  turns(Duration::Seconds(2));
  CHECK(Crossed() == std::map<uint32_t, size_t>{{1, 62}});
  CHECK(Seen(&asked).size() == 62);
  CHECK(events.wanted["v"] == std::vector<WantedLayers>{kNothing, kNothing, kWhole});

  // It comes back: the far viewer is shown the other one until it has gone up.
  stopped = {};
  Turn(3, /*key=*/true);
  turns(Duration::Seconds(3));
  Turn(3, /*key=*/true);
  turns(Duration::Seconds(1));
  const std::vector<int> seen = Seen();
  CHECK(std::set<int>(seen.begin(), seen.end()).size() == 124);
  turns(Duration::Seconds(5));
  Crossed();
  turns(Duration::Millis(500));
  CHECK(Crossed() == std::map<uint32_t, size_t>{{2, 16}});
}

TEST_CASE_METHOD(PipeLayers, "a pipe whose path is slow asks for key frames of what it carries") {
  Build(3);
  INFO(codec->mime_type);
  Turn(3, /*key=*/true);
  for (int i = 0; i < 200; ++i) Turn(3);  // what was asked for at first is no longer
  Tell({kNothing, kWhole, kNothing});
  for (int i = 0; i < 2; ++i) {  // the second one is for the far viewer, who has to change
    Turn(3, /*key=*/true);
    for (int j = 0; j < 100; ++j) Turn(3);
  }
  Seen();
  (*engine->Find<Consumer>("pc"))->RequestKeyFrame();
  std::set<uint32_t> asked;
  Pump();
  Seen(&asked);
  CHECK(asked == std::set<uint32_t>{kFirstSsrc + 1});
}

TEST_CASE_METHOD(PipeLayers, "a pipe carries the encodings that are wanted at its far end") {
  Build(3);
  INFO(codec->mime_type);
  const auto turns = [&](Duration time) {
    for (Duration passed; passed < time; passed = passed + Duration::Millis(33)) Turn(3);
  };
  Turn(3, /*key=*/true);
  turns(Duration::Seconds(1));
  CHECK(Crossed().size() == 3);  // what was never said is wanted
  turns(Duration::Seconds(6));
  REQUIRE(events.wanted["pp"] == std::vector<WantedLayers>{kNothing, kNothing, kWhole});
  Crossed();
  Seen();
  turns(Duration::Millis(500));
  CHECK(Crossed() == std::map<uint32_t, size_t>{{2, 16}});
  CHECK(Seen().size() == 16);
  // The publisher hears it, too: the pipe is all that consumes it.
  turns(Duration::Seconds(6));
  CHECK(events.wanted["v"] == std::vector<WantedLayers>{kNothing, kNothing, kWhole});

  // Another one is wanted: it begins with a key frame, the old one goes on until it is shown.
  (*engine->Find<Consumer>("c"))->SetPreferredLayers({0, std::nullopt});
  Crossed();
  Seen();
  turns(Duration::Seconds(1));
  CHECK(events.wanted["pp"] == std::vector<WantedLayers>{kWhole, kNothing, kWhole});
  CHECK(events.wanted["v"] == std::vector<WantedLayers>{kWhole, kNothing, kWhole});
  std::set<uint32_t> asked;
  CHECK(Seen(&asked).size() == 31);
  CHECK(asked == std::set<uint32_t>{kFirstSsrc});
  CHECK(Crossed() == std::map<uint32_t, size_t>{{2, 31}});
  Turn(3, /*key=*/true);
  turns(Duration::Seconds(3));
  Turn(3, /*key=*/true);
  turns(Duration::Seconds(3));
  CHECK_FALSE(Crossed().contains(1));
  Seen();
  turns(Duration::Seconds(1));
  CHECK(Crossed() == std::map<uint32_t, size_t>{{0, 31}});
  CHECK(Seen().size() == 31);

  // Nobody is there any more: nothing crosses, and the publisher hears that nobody is.
  REQUIRE(engine->PauseConsumer("c").ok());
  turns(Duration::Seconds(12));
  CHECK(events.wanted["v"] == std::vector<WantedLayers>(3, kNothing));
  Crossed();
  turns(Duration::Seconds(1));
  CHECK(Crossed().empty());
  REQUIRE(engine->ResumeConsumer("c").ok());
  turns(Duration::Seconds(1));
  Turn(3, /*key=*/true);
  turns(Duration::Millis(500));
  CHECK(Crossed() == std::map<uint32_t, size_t>{{0, 17}});
}

TEST_CASE_METHOD(PipeLayers, "an encoding that stops scores 0 behind the pipe until it is back") {
  Build(3);
  INFO(codec->mime_type);
  tells = false;  // all encodings cross
  const auto turns = [&](Duration time) {
    for (Duration passed; passed < time; passed = passed + Duration::Millis(33)) Turn(3);
  };
  using Scores = std::vector<uint8_t>;
  for (const uint32_t each : {1U, 2U, 0U}) {
    Turn(3, /*key=*/true);
    turns(Duration::Seconds(2));
    INFO(each);
    for (const char* producer : {"v", "pp"}) CHECK(ScoresOf(producer) == Scores{10, 10, 10});
    CHECK(ScoresAt("c") == Scores{10, 10, 10});

    Scores without{10, 10, 10};
    without[each] = 0;
    stopped = {each};
    turns(Duration::Seconds(3));
    for (const char* producer : {"v", "pp"}) CHECK(ScoresOf(producer) == without);
    CHECK(ScoresAt("c") == without);
    CHECK((*engine->Find<Consumer>("c"))->Report().score.producer_scores == without);
    CHECK((*engine->Find<Consumer>("pc"))->Report().score == ConsumerScore{10, 10, without});
    stopped = {};
  }
}

TEST_CASE_METHOD(PipeLayers,
                 "what an uplink loses lowers the score of its encoding behind a pipe") {
  Build(3);
  INFO(codec->mime_type);
  tells = false;
  Turn(3, /*key=*/true);
  const auto turns = [&](Duration time) {
    Timestamp reported = environment.Now();
    for (Duration passed; passed < time; passed = passed + Duration::Millis(33)) {
      Turn(3);
      if (environment.Now() - reported < Duration::Seconds(1)) continue;
      reported = environment.Now();
      Report(3);
    }
  };
  using Scores = std::vector<uint8_t>;
  turns(Duration::Seconds(10));
  CHECK(ScoresOf("v") == Scores{10, 10, 10});
  CHECK(ScoresOf("pp") == Scores{10, 10, 10});
  lossy = {1};
  turns(Duration::Seconds(20));
  for (const Scores& scores : {ScoresOf("v"), ScoresOf("pp"), ScoresAt("c")}) {
    REQUIRE(scores.size() == 3);
    CHECK(scores[0] == 10);
    CHECK(scores[1] < 5);
    CHECK(scores[2] == 10);
  }
  lossy = {};
  turns(Duration::Seconds(40));
  for (const Scores& scores : {ScoresOf("v"), ScoresOf("pp"), ScoresAt("c")}) {
    CHECK(scores == Scores{10, 10, 10});
  }
}

}  // namespace
}  // namespace sluice::worker
