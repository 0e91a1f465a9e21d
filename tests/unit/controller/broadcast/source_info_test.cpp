#include "controller/broadcast/source_info.h"

#include <fmt/format.h>

#include <catch2/catch.hpp>

#include "controller/base/logging.h"

namespace sluice::controller::broadcast::test {
namespace {

Source SourceOf(const std::string& input, const std::string& format = "",
                std::vector<std::string> input_options = {}) {
  Options options;
  options.input = input;
  options.format = format;
  options.input_options = std::move(input_options);
  return MakeSource(options, false);
}

TEST_CASE("broadcast: what an input is, by its name") {
  CHECK(SourceOf("").kind == SourceKind::kTest);
  CHECK(SourceOf("movie.mp4").kind == SourceKind::kFile);
  CHECK(SourceOf("http://x/movie.mp4").kind == SourceKind::kFile);
  CHECK(SourceOf("rtsp://x/1").kind == SourceKind::kLive);
  CHECK(SourceOf("srt://x:1").kind == SourceKind::kLive);
  CHECK(SourceOf("-").kind == SourceKind::kPipe);
  CHECK(SourceOf("-").input == "pipe:0");
  const Source camera = SourceOf("/dev/video0");
  CHECK(camera.kind == SourceKind::kLive);
  CHECK(camera.options == std::vector<std::string>{"-f", "v4l2"});
  CHECK_FALSE(camera.probe);
  CHECK(SourceOf("default", "alsa").kind == SourceKind::kLive);
}

TEST_CASE("broadcast: who connects to us is not asked first what it has") {
  CHECK_FALSE(SourceOf("rtmp://0.0.0.0/live", "", {"listen=1"}).probe);
  CHECK_FALSE(SourceOf("srt://0.0.0.0:9000?mode=listener").probe);
  CHECK(SourceOf("rtmp://x/live").probe);
  CHECK(SourceOf("rtsp://x/1").options == std::vector<std::string>{"-rtsp_transport", "tcp"});
  CHECK(SourceOf("rtsp://x/1", "", {"rtsp_transport=udp"}).options ==
        std::vector<std::string>{"-rtsp_transport", "udp"});
}

TEST_CASE("broadcast: lists of files are told from HLS") {
  CHECK(IsFileList("#EXTM3U\n#EXTINF:1,x\na.mp4\n"));
  CHECK(IsFileList("ffconcat version 1.0\nfile a.mp4\n"));
  CHECK_FALSE(IsFileList("#EXTM3U\n#EXT-X-TARGETDURATION:4\n"));
  CHECK_FALSE(IsFileList(""));
  CHECK(ConcatScript("#EXTM3U\r\n#EXTINF:1,x\r\na b.mp4\r\n/c/it's.mp4\n", "/m") ==
        "ffconcat version 1.0\nfile '/m/a b.mp4'\nfile '/c/it'\\''s.mp4'\n");
  CHECK(ConcatScript("ffconcat version 1.0\nfile 'a.mp4'\nduration 2\n", "/m") ==
        "ffconcat version 1.0\nfile '/m/a.mp4'\nduration 2\n");
}

std::string Packets(const std::vector<double>& times, double key_every) {
  std::string text;
  double next = 0;
  for (const double time : times) {
    const bool key = time >= next;
    if (key) next = time + key_every;
    text += fmt::format(R"({}{{"stream_index":1,"pts_time":"{:.3f}","flags":"{}"}})",
                        text.empty() ? "" : ",", time, key ? "K_" : "__");
  }
  return text;
}

std::string Json(const std::string& packets, const std::string& video = "") {
  return R"({"packets":[)" + packets + R"(],"streams":[
    {"index":0,"codec_name":"aac","codec_type":"audio","channels":6},
    {"index":1,"codec_name":"h264","profile":"High","codec_type":"video","width":720,"height":576,
     "pix_fmt":"yuv420p","has_b_frames":2,"field_order":"tt","avg_frame_rate":"25/1",
     "sample_aspect_ratio":"64:45")" +
         video + R"(},
    {"index":2,"codec_name":"mjpeg","codec_type":"video","disposition":{"attached_pic":1}},
    {"index":3,"codec_name":"ac3","codec_type":"audio","channels":2}],
    "format":{"duration":"8.5"}})";
}

TEST_CASE("broadcast: what ffprobe says") {
  const std::vector<double> straight = {0, 0.5, 1, 1.5, 2, 2.5, 3};
  const auto info = ReadProbe(Json(Packets(straight, 1.5)), Options());
  REQUIRE(info.ok());
  REQUIRE(info->video);
  CHECK(info->video->codec == "h264");
  CHECK(info->video->profile == "High");
  CHECK(info->video->pixel_aspect == Approx(64.0 / 45));
  CHECK(info->video->rate == 25);
  CHECK(info->video->interlaced);
  CHECK_FALSE(info->video->reordered);  // whatever the parameter sets allow
  CHECK(*info->video->key_interval == Approx(1.5));
  CHECK(info->video_tracks == 1);  // a cover is no picture
  CHECK(info->audio->codec == "aac");
  CHECK(info->audio_tracks == 2);
  CHECK(*info->duration == 8.5);
}

TEST_CASE("broadcast: B-frames, turned pictures, one key frame at the beginning") {
  const auto info = ReadProbe(
      Json(Packets({0, 1.5, 0.5, 1, 3, 2}, 100), R"(,"side_data_list":[{"rotation":-90}])"),
      Options());
  REQUIRE(info.ok());
  CHECK(info->video->reordered);
  CHECK(info->video->turned);
  CHECK(info->video->quarter_turned);
  CHECK(*info->video->key_interval == Approx(3));
}

TEST_CASE("broadcast: the tracks that were asked for") {
  Options options;
  options.audio.number = 1;
  CHECK(ReadProbe(Json(""), options)->audio->codec == "ac3");
  options.audio.number = 2;
  const auto missing = ReadProbe(Json(""), options);
  REQUIRE_FALSE(missing.ok());
  CHECK(Reason(missing.status()) ==
        "option --audioTrack \"2\": must be below 2, the input has no more");
  options.audio = {true, 0};
  CHECK_FALSE(ReadProbe(Json(""), options)->audio);
  options = Options();
  options.video.none = true;
  const auto sound = ReadProbe(Json(Packets({0, 0.5, 1}, 100)), options);
  REQUIRE(sound.ok());
  CHECK_FALSE(sound->video);
  CHECK(sound->audio);
  const auto unread = ReadProbe(
      R"({"streams":[{"index":0,"codec_type":"video","codec_name":"h264","width":16,"height":16}]})",
      Options());
  REQUIRE(unread.ok());
  CHECK(unread->video);
  CHECK_FALSE(ReadProbe(R"({"streams":[]})", Options()).ok());
  CHECK_FALSE(ReadProbe("no JSON", Options()).ok());
}

}  // namespace
}  // namespace sluice::controller::broadcast::test
