#include "controller/broadcast/ffmpeg_arguments.h"

#include <algorithm>
#include <catch2/catch.hpp>

namespace sluice::controller::broadcast::test {
namespace {

bool Has(const std::vector<std::string>& arguments, const std::vector<std::string>& part) {
  return std::search(arguments.begin(), arguments.end(), part.begin(), part.end()) !=
         arguments.end();
}

Source SourceFrom(SourceKind kind, const std::string& input) {
  Source source;
  source.kind = kind;
  source.input = input;
  return source;
}

TEST_CASE("ffmpeg: what is copied is only copied") {
  Plan plan;
  plan.video = VideoPlan{};
  plan.video->copy = true;
  plan.audio = AudioPlan{true, 0};
  Options options;
  options.loop = true;
  options.audio.number = 1;
  const auto arguments =
      FfmpegArguments(options, SourceFrom(SourceKind::kFile, "a.mkv"), plan, 12.5, 2);
  CHECK(Has(arguments, {"-ss", "12.500", "-stream_loop", "-1", "-i", "a.mkv"}));
  CHECK(Has(arguments, {"-map", "0:V:0", "-c:v", "copy", "-map", "0:a:1", "-c:a", "copy"}));
  CHECK(Has(arguments, {"-f", "nut", "pipe:1"}));
  CHECK_FALSE(Has(arguments, {"-re"}));
  CHECK_FALSE(Has(arguments, {"-vf"}));
}

TEST_CASE("ffmpeg: what is live is neither sought in nor repeated, and need not be whole") {
  Plan plan;
  plan.video = VideoPlan{};
  plan.video->codec = Codec::kH264;
  plan.video->width = 1280;
  plan.video->height = 720;
  plan.video->fit = true;
  plan.audio = AudioPlan{};
  Options options;
  options.loop = true;
  Source source = SourceFrom(SourceKind::kLive, "rtmp://x");
  source.probe = false;
  const auto arguments = FfmpegArguments(options, source, plan, 5, 2);
  CHECK_FALSE(Has(arguments, {"-ss"}));
  CHECK_FALSE(Has(arguments, {"-stream_loop"}));
  CHECK(Has(arguments, {"-map", "0:V:0?"}));
  CHECK(Has(arguments, {"-map", "0:a:0?"}));
  CHECK(Has(arguments, {"-c:v", "libx264"}));
}

TEST_CASE("ffmpeg: a small picture has one thread, a large one what there is") {
  Plan plan;
  plan.video = VideoPlan{};
  plan.video->width = 1280;
  plan.video->height = 720;
  plan.video->rate = 30;
  const Source source = SourceFrom(SourceKind::kFile, "a.avi");
  CHECK(Has(FfmpegArguments({}, source, plan, 0, 4), {"-threads", "1"}));
  plan.video->width = 1920;
  plan.video->height = 1080;
  plan.video->rate = 60;
  CHECK(Has(FfmpegArguments({}, source, plan, 0, 4), {"-threads", "4"}));
}

TEST_CASE("ffmpeg: its last words have no names of its parts, and no line that only follows") {
  CHECK(LastWords("[tcp @ 0x55d] Connection to tcp://x failed\nrtsp://x: Connection refused\n") ==
        "rtsp://x: Connection refused");
  CHECK(LastWords("[h264 @ 0x1] no frame!\nConversion failed!\n") == "no frame!");
  CHECK(LastWords("Conversion failed!\n") == "Conversion failed!");
  CHECK(LastWords("[mov @ 0x1] partial file\nError marking filters as finished\n") ==
        "partial file");
  CHECK(LastWords("") == "");
  CHECK(LastWords("rtsp://u:p@x/1: 401\n") == "rtsp://x/1: 401");
}

}  // namespace
}  // namespace sluice::controller::broadcast::test
