#include "controller/broadcast/plan.h"

#include <boost/json.hpp>
#include <catch2/catch.hpp>
#include <functional>

#include "controller/base/logging.h"

namespace sluice::controller::broadcast::test {
namespace {

RoomCodecs AllCodecs() {
  RoomCodecs room;
  room.opus = room.vp8 = room.vp9 = room.av1 = true;
  room.h264 = {"4d0032", "42e01f"};
  return room;
}

/// A picture that can be sent as it is.
VideoTrack GoodH264() {
  VideoTrack track;
  track.codec = "h264";
  track.profile = "High";
  track.pixel_format = "yuv420p";
  track.width = 1280;
  track.height = 720;
  track.rate = 30;
  track.key_interval = 2;
  return track;
}

Source FileSource() {
  Source source;
  source.kind = SourceKind::kFile;
  source.input = "x";
  return source;
}

Plan PlanOf(const VideoTrack& track, const Options& options = {},
            const RoomCodecs& room = AllCodecs()) {
  SourceInfo info;
  info.video = track;
  info.audio = AudioTrack{"aac", 2};
  const Result<Plan> plan = MakePlan(options, FileSource(), info, room);
  REQUIRE(plan.ok());
  return *plan;
}

TEST_CASE("broadcast: the codecs of a room") {
  const RoomCodecs room = ReadRoomCodecs(boost::json::parse(R"({"codecs":[
    {"mimeType":"audio/opus"}, {"mimeType":"video/VP8"},
    {"mimeType":"video/H264","parameters":{"packetization-mode":1,"profile-level-id":"42e01f"}},
    {"mimeType":"video/H264","parameters":{"packetization-mode":0,"profile-level-id":"42e01f"}}]})"));
  CHECK(room.opus);
  CHECK(room.vp8);
  CHECK_FALSE(room.vp9);
  CHECK(room.h264 == std::vector<std::string>{"42e01f"});
  CHECK_FALSE(ReadRoomCodecs(nullptr).opus);
  const auto vp9 = [](const std::string& profiles) {
    return ReadRoomCodecs(boost::json::parse("{\"codecs\":[" + profiles + "]}")).vp9_profile;
  };
  const std::string second = R"({"mimeType":"video/VP9","parameters":{"profile-id":2}})";
  CHECK(vp9(second) == "2");
  CHECK(vp9(second + R"(,{"mimeType":"video/VP9"})") == "0");
}

TEST_CASE("broadcast: what browsers can decode goes as it is") {
  const Plan h264 = PlanOf(GoodH264());
  CHECK(h264.video->copy);
  CHECK(h264.video->profile == "4d0032");
  CHECK_FALSE(h264.audio->copy);
  for (const auto& [name, codec, profile] :
       {std::tuple("vp8", Codec::kVp8, ""), std::tuple("vp9", Codec::kVp9, "Profile 0"),
        std::tuple("av1", Codec::kAv1, "Main")}) {
    VideoTrack track = GoodH264();
    track.codec = name;
    track.profile = profile;
    const Plan plan = PlanOf(track);
    CHECK(plan.video->copy);
    CHECK(plan.video->codec == codec);
  }
}

TEST_CASE("broadcast: what they cannot decode is encoded, and why is said") {
  using Change = std::function<void(VideoTrack*)>;
  const std::vector<std::pair<std::string, Change>> changes = {
      {"it is mpeg4", [](VideoTrack* track) { track->codec = "mpeg4"; }},
      {"it has B-frames", [](VideoTrack* track) { track->reordered = true; }},
      {"it is interlaced", [](VideoTrack* track) { track->interlaced = true; }},
      {"it is turned", [](VideoTrack* track) { track->turned = true; }},
      {"its pixels are not square", [](VideoTrack* track) { track->pixel_aspect = 1.42; }},
      {"its pixels are yuv420p10le",
       [](VideoTrack* track) { track->pixel_format = "yuv420p10le"; }},
      {"its profile is High 4:4:4", [](VideoTrack* track) { track->profile = "High 4:4:4"; }},
      {"it goes 4.0 s without a key frame", [](VideoTrack* track) { track->key_interval = 4; }},
      {"its key frames could not be seen", [](VideoTrack* track) { track->key_interval.reset(); }},
  };
  for (const auto& [why, change] : changes) {
    VideoTrack track = GoodH264();
    change(&track);
    const Plan plan = PlanOf(track);
    CHECK_FALSE(plan.video->copy);
    CHECK(plan.why_encoded == why);
    // Wider pixels make it larger than what goes as VP8.
    CHECK(plan.video->codec == (track.pixel_aspect > 1 ? Codec::kH264 : Codec::kVp8));
  }
}

TEST_CASE("broadcast: the shape is kept, turned and with square pixels") {
  VideoTrack track = GoodH264();
  track.width = 720;
  track.height = 576;
  track.pixel_aspect = 64.0 / 45;
  Plan plan = PlanOf(track);
  CHECK(plan.video->width == 1024);
  CHECK(plan.video->height == 576);
  track = GoodH264();
  track.turned = true;
  track.quarter_turned = true;
  plan = PlanOf(track);
  CHECK(plan.video->width == 720);
  CHECK(plan.video->height == 1280);
  Options options;
  options.size = Size{640, 480};
  plan = PlanOf(GoodH264(), options);
  CHECK(plan.video->width == 640);
  CHECK(plan.video->height == 360);
}

TEST_CASE("broadcast: large pictures are encoded as H264, unless VP8 is asked for") {
  VideoTrack track = GoodH264();
  track.reordered = true;
  track.width = 1920;
  track.height = 1080;
  track.rate = 60;
  CHECK(PlanOf(track).video->codec == Codec::kH264);
  CHECK(PlanOf(track).video->profile == "42e01f");
  Options options;
  options.codec = CodecChoice::kVp8;
  CHECK(PlanOf(track, options).video->codec == Codec::kVp8);
  RoomCodecs room = AllCodecs();
  room.h264.clear();
  CHECK(PlanOf(track, {}, room).video->codec == Codec::kVp8);
  room.vp8 = false;
  room.vp9 = false;
  SourceInfo info;
  info.video = track;
  CHECK_FALSE(MakePlan({}, FileSource(), info, room).ok());
}

TEST_CASE("broadcast: Opus of at most two channels goes as it is") {
  SourceInfo info;
  info.audio = AudioTrack{"opus", 2};
  CHECK(MakePlan({}, FileSource(), info, AllCodecs())->audio->copy);
  info.audio->channels = 6;
  const auto plan = MakePlan({}, FileSource(), info, AllCodecs());
  CHECK_FALSE(plan->audio->copy);
  CHECK_FALSE(plan->video);
}

TEST_CASE("broadcast: steps down as far as the machine's speed asks for") {
  VideoTrack track = GoodH264();
  track.reordered = true;
  track.width = 1920;
  track.height = 1080;
  track.rate = 60;
  Options options;
  options.codec = CodecChoice::kVp8;
  const Plan plan = PlanOf(track, options);
  const auto half = StepDown(plan, 0.63);
  REQUIRE(half);
  CHECK(half->video->codec == Codec::kVp8);  // asked for
  CHECK(half->video->rate == 30);
  CHECK(half->video->height == 1080);
  const auto tenth = StepDown(plan, 0.15);
  REQUIRE(tenth);
  CHECK(tenth->video->rate == 30);
  CHECK(tenth->video->height < 720);
  CHECK(tenth->video->bitrate < plan.video->bitrate);

  track.rate = 30;
  track.height = 720;
  track.width = 1280;
  const auto cheaper = StepDown(PlanOf(track), 0.7);
  REQUIRE(cheaper);
  CHECK(cheaper->video->codec == Codec::kH264);
  CHECK(cheaper->video->height == 720);
}

TEST_CASE("broadcast: there is an end to stepping down, and none for what is not encoded") {
  VideoTrack track = GoodH264();
  CHECK_FALSE(StepDown(PlanOf(track), 0.1));
  track.reordered = true;
  std::optional<Plan> plan = PlanOf(track);
  int steps = 0;
  while (plan && steps < 20) {
    plan = StepDown(*plan, 0.5);
    ++steps;
  }
  CHECK(steps < 20);
}

TEST_CASE("broadcast: what cannot be looked at is brought to a size that is usual") {
  SourceInfo info;
  info.known = false;
  Source source = FileSource();
  source.kind = SourceKind::kLive;
  source.probe = false;
  const auto plan = MakePlan({}, source, info, AllCodecs());
  REQUIRE(plan.ok());
  CHECK(plan->video->fit);
  CHECK(plan->video->height == 720);
  CHECK(plan->audio);
}

}  // namespace
}  // namespace sluice::controller::broadcast::test
