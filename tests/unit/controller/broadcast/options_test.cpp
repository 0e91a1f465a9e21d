#include "controller/broadcast/options.h"

#include <catch2/catch.hpp>
#include <map>

#include "controller/base/logging.h"

namespace sluice::controller::broadcast::test {
namespace {

using Variables = std::map<std::string, std::string>;

Result<CommandLine> Read(const std::vector<std::string>& arguments,
                         const Variables& variables = {}) {
  return ReadCommandLine(arguments,
                         [&variables](const std::string& name) -> std::optional<std::string> {
                           const auto it = variables.find(name);
                           if (it == variables.end()) return std::nullopt;
                           return it->second;
                         });
}

std::string ErrorOf(const std::vector<std::string>& arguments, const Variables& variables = {}) {
  const Result<CommandLine> command = Read(arguments, variables);
  return command.ok() ? "" : std::string(Reason(command.status()));
}

TEST_CASE("broadcast: the short form, and its environment") {
  const auto bare = Read({});
  REQUIRE(bare.ok());
  CHECK(bare->options.room == "demo");
  CHECK(bare->options.input.empty());
  CHECK(bare->options.url == "http://127.0.0.1:3000");
  const auto command = Read({"lounge", "movie.mp4"}, {{"SLUICE_URL", "https://x:4443/"},
                                                      {"SLUICE_SIZE", "320x180"},
                                                      {"SLUICE_RATE", "15"},
                                                      {"SLUICE_BITRATE", "400k"},
                                                      {"SLUICE_CODEC", "h264"},
                                                      {"SLUICE_NAME", "Stage"},
                                                      {"SLUICE_MODE", "meet"},
                                                      {"SLUICE_TOKEN", "secret"}});
  REQUIRE(command.ok());
  const Options& options = command->options;
  CHECK(options.room == "lounge");
  CHECK(options.input == "movie.mp4");
  CHECK_FALSE(options.loop);
  CHECK(options.url == "https://x:4443");
  CHECK(options.size->width == 320);
  CHECK(*options.rate == 15);
  CHECK(*options.bitrate == 400'000);
  CHECK(options.codec == CodecChoice::kH264);
  CHECK(options.name == "Stage");
  CHECK(options.mode == "meet");
  CHECK(options.token == "secret");
}

TEST_CASE("broadcast: options win over the environment, - is an input") {
  const auto command = Read({"--loop", "demo", "-", "--size=64x48", "--audioTrack", "1",
                             "--videoTrack", "none", "--inputOption", "rtsp_transport=tcp"},
                            {{"SLUICE_SIZE", "320x180"}});
  REQUIRE(command.ok());
  CHECK(command->options.loop);
  CHECK(command->options.input == "-");
  CHECK(command->options.size->width == 64);
  CHECK(command->options.audio.number == 1);
  CHECK(command->options.video.none);
  CHECK(command->options.input_options == std::vector<std::string>{"rtsp_transport=tcp"});
}

TEST_CASE("broadcast: an error names the option, the value and what would be right") {
  CHECK(ErrorOf({"--sise", "1x1"}) ==
        "there is no option --sise; sluice broadcast --help lists them");
  CHECK(ErrorOf({"a", "b", "c"}).find("argument \"c\"") == 0);
  CHECK(ErrorOf({"--size", "12"}) ==
        "option --size \"12\": must be WIDTHxHEIGHT, such as 1280x720");
  CHECK(ErrorOf({}, {{"SLUICE_RATE", "0"}}) ==
        "option SLUICE_RATE \"0\": must be a number from 1 to 120");
  CHECK(ErrorOf({"--codec", "theora"}) ==
        "option --codec \"theora\": must be one of auto, vp8, vp9, h264");
  CHECK(ErrorOf({"--url", "ftp://x"}).find("option --url \"ftp://x\": must be http://") == 0);
  CHECK(ErrorOf({"--audioTrack", "x"}).find("must be none or a track's number") !=
        std::string::npos);
  CHECK(ErrorOf({"--videoTrack", "none", "--audioTrack", "none"}) ==
        "options --videoTrack and --audioTrack: must not both be none");
  CHECK(ErrorOf({"--tokenFile", "/nowhere"}) ==
        "option --tokenFile \"/nowhere\": must be a readable file");
  CHECK(ErrorOf({"--inputOption", "x"}).find("must be NAME=VALUE") != std::string::npos);
}

TEST_CASE("broadcast: help is printed") {
  const auto help = Read({"--help"});
  REQUIRE(help.ok());
  REQUIRE(help->print);
  CHECK(help->print->find("--audioTrack") != std::string::npos);
}

TEST_CASE("broadcast: bit rates and sizes") {
  CHECK(ParseBitrate("1500k") == 1'500'000);
  CHECK(ParseBitrate("2.5M") == 2'500'000);
  CHECK(ParseBitrate("800000") == 800'000);
  for (const char* wrong : {"", "k", "9k", "101M", "1500kb", "-5M", "nan"}) {
    CHECK_FALSE(ParseBitrate(wrong));
  }
  for (const char* wrong : {"", "x", "640", "640x", "15x480", "640x9000", "64.5x48"}) {
    CHECK_FALSE(ParseSize(wrong));
  }
}

}  // namespace
}  // namespace sluice::controller::broadcast::test
