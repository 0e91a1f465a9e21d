#include "controller/ops/config.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "controller/base/logging.h"
#include "controller/ops/command_line.h"
#include "controller/ops/options.h"
#include "tests/temporary_file.h"

namespace sluice::controller {
namespace {

using Variables = std::map<std::string, std::string>;

HostFacts Host(const Variables& variables, int processors = 2) {
  HostFacts host;
  host.environment = [variables](const std::string& name) -> std::optional<std::string> {
    const auto it = variables.find(name);
    if (it == variables.end()) return std::nullopt;
    return it->second;
  };
  host.processors = processors;
  host.program_folder = "/opt/sluice/bin";
  host.addresses = [] { return std::vector<std::string>{"2001:db8::1", "192.0.2.7", "127.0.0.1"}; };
  return host;
}

Result<CommandLine> Read(const std::vector<std::string>& arguments,
                         const Variables& variables = {}) {
  return ReadCommandLine(arguments, Host(variables));
}

std::string ErrorOf(const std::vector<std::string>& arguments, const Variables& variables = {}) {
  const auto result = Read(arguments, variables);
  REQUIRE_FALSE(result.ok());
  return std::string(Reason(result.status()));
}

TEST_CASE("no arguments give the defaults") {
  const auto result = Read({});
  REQUIRE(result.ok());
  CHECK(result->config.http.listen_port == 4443);
  CHECK(result->config.http.plain_listen_port == 3000);
  CHECK(result->config.http.plain_listen_ip == "127.0.0.1");
  CHECK(ParseMediaCodecs(result->config.media.codecs)->size() == 7);
}

TEST_CASE("flags win over the environment, the environment over the file; the last flag counts") {
  const TemporaryFile file("listenPort = 1\nrtcPort = 2\nnumWorkers = 3\n");
  const auto result = Read({"--listenPort", "10", "--config", file.path(), "--listenPort", "11"},
                           {{"SLUICE_LISTEN_PORT", "21"}, {"SLUICE_RTC_PORT", "22"}});
  REQUIRE(result.ok());
  CHECK(result->config.http.listen_port == 11);
  CHECK(result->config.media.rtc_port == 22);
  CHECK(result->config.workers.count == 3);
}

TEST_CASE("a wrong value is one line with option, value and what is right") {
  CHECK(ErrorOf({"--listenPort", "abc"}) ==
        "option --listenPort \"abc\": must be an integer from 0 to 65535");
  CHECK(ErrorOf({}, {{"SLUICE_LOG_LEVEL", "loud"}}) ==
        "option SLUICE_LOG_LEVEL \"loud\": must be one of debug, info, warn, error, off");
  CHECK(ErrorOf({"--rtcIp", "here"}).find("must be an IPv4 or IPv6 address") != std::string::npos);
  CHECK(ErrorOf({"--mediaCodecs", "opus"}).find("audio/opus/48000/2") != std::string::npos);
  CHECK(ErrorOf({"--tlsCert", "x.pem"}).find("tlsKey") != std::string::npos);
  CHECK(ErrorOf({"--bogus", "1"}).find("--bogus") != std::string::npos);
  CHECK(ErrorOf({"--config", "/nonexistent.toml"}).find("/nonexistent.toml") != std::string::npos);
}

TEST_CASE("an error of the config file names file and line") {
  struct Row {
    std::string text, where, what;
  };
  for (const Row& row : std::vector<Row>{
           {"# first\n\nlistenPort = high\n", ":3: listenPort \"high\"", "must be an integer"},
           {"listenPort = 1\nlistenPrt = 2\n", ":2: there is no option",
            "did you mean listenPort?"},
           {"listenPort 4443\n", ":1: there is no option \"listenPort 4443\"", ""},
           {"rtcPort = 1\n[server]\nlistenPort = 2\n", ":2: section \"[server]\"", "NAME = VALUE"},
           {"rtcPort = 1\nnumWorkers = 1\nrtcPort = 1\n", ":3: rtcPort", "line 1 has it already"},
           {"rtcMinPort = 9\nrtcMaxPort = 8\n", ":2, ", "must not be below rtcMinPort \"9\""},
           {"mediaCodecs = [\"audio/opus/48000/2\", \"video/VP7/90000\"]\n", ":1: mediaCodecs",
            "must be one that media workers know"}}) {
    INFO(row.text);
    const TemporaryFile file(row.text);
    const std::string error = ErrorOf({"--config", file.path()});
    CHECK_THAT(error, Catch::StartsWith(file.path() + row.where) && Catch::Contains(row.what));
  }
}

TEST_CASE("of two options that do not fit the place in the file is told, whichever is there") {
  const TemporaryFile least("rtcMinPort = 9\n");
  CHECK_THAT(ErrorOf({"--rtcMaxPort", "8", "--config", least.path()}),
             Catch::StartsWith(least.path() + ":1: "));
  const TemporaryFile most("\nrtcMaxPort = 8\n");
  CHECK_THAT(ErrorOf({"--rtcMinPort", "9", "--config", most.path()}),
             Catch::StartsWith(most.path() + ":2: "));
}

TEST_CASE("settings that stand in each other's way are told at start") {
  CHECK_THAT(ErrorOf({"--listenPort", "3000"}),
             Catch::Contains("listenPort and plainListenPort are both \"3000\""));
  CHECK_THAT(ErrorOf({"--listenPort", "44445"}),
             Catch::Contains("listenPort \"44445\" is one of the ports for media"));
  CHECK(Read({"--listenPort", "44446"}).ok());
  CHECK(Read({"--listenPort", "3000", "--listenIp", "::1"}).ok());
  CHECK_THAT(ErrorOf({}, {{"SLUICE_LISTEN_PORT", "3000"}}),
             Catch::StartsWith("SLUICE_LISTEN_PORT: options listenPort"));
  CHECK_THAT(ErrorOf({"--mediaCodecs", ""}), Catch::Contains("at least one codec"));
}

TEST_CASE("every option rejects or accepts any text without failing otherwise") {
  for (const Option& option : Options()) {
    for (const char* text : {"", "x", "-1", "99999999999999999999", "true", "1", "::"}) {
      Config config;
      const Status status = option.set(config, {text});
      INFO(option.name << " = " << text);
      CHECK((status.ok() || status.code() == absl::StatusCode::kInvalidArgument));
    }
  }
}

TEST_CASE("what depends on the machine is resolved before the whole is checked") {
  const auto result = Read({});
  REQUIRE(result.ok());
  CHECK(result->config.workers.count == 2);
  CHECK(result->config.workers.binary == "/opt/sluice/bin/sluice-worker");
  CHECK(result->config.media.announced_address == "192.0.2.7");
  CHECK(Read({"--rtcIp", "192.0.2.9"})->config.media.announced_address.empty());
  CHECK(Read({}, {{"XDG_STATE_HOME", "/s"}, {"HOME", "/h"}})->config.state_dir == "/s/sluice");
  CHECK(Read({}, {{"HOME", "/h"}})->config.state_dir == "/h/.local/state/sluice");

  CHECK(Read({"--rtcPort", "65534"}).ok());
  CHECK(ErrorOf({"--rtcPort", "65535"}) ==
        "option rtcPort \"65535\" leaves no room for 2 workers: it must be at most 65534");
  CHECK(Read({"--rtcPort", "65535", "--numWorkers", "1"}).ok());
  CHECK(Read({"--rtcPort", "0", "--numWorkers", "256"}).ok());
}

TEST_CASE("a list is given by repeated flags, commas or an array") {
  const auto tags = [](const Result<CommandLine>& result) {
    REQUIRE(result.ok());
    return result->config.workers.log_tags;
  };
  const std::vector<std::string> expected = {"ice", "dtls", "rtp"};
  CHECK(tags(Read({"--workerLogTags", "ice, dtls", "--workerLogTags", "rtp"})) == expected);
  CHECK(tags(Read({}, {{"SLUICE_WORKER_LOG_TAGS", "ice,dtls,,rtp"}})) == expected);
  const TemporaryFile array("workerLogTags = [\"ice\", \"dtls\", \"rtp\"]\n");
  CHECK(tags(Read({"--config", array.path()})) == expected);
  const TemporaryFile text("workerLogTags = \"ice,dtls,rtp\"\n");
  CHECK(tags(Read({"--config", text.path()})) == expected);
  CHECK(tags(Read({"--workerLogTags", ""}, {{"SLUICE_WORKER_LOG_TAGS", "ice"}})).empty());
}

TEST_CASE("one bad entry of a list is an error; an array is none for a single value") {
  CHECK_THAT(ErrorOf({"--mediaCodecs", "audio/opus/48000/2,video/VP8"}),
             Catch::Contains("video/VP8\" must look like"));
  const TemporaryFile array("listenPort = [1, 2]\n");
  CHECK(ErrorOf({"--config", array.path()}) ==
        array.path() + ":1: listenPort: must be one value, not 2");
}

TEST_CASE("help lists every option with its variable") {
  const auto result = Read({"--help"});
  REQUIRE(result.ok());
  REQUIRE(result->print.has_value());
  for (const Option& option : Options()) {
    CHECK(result->print->find("--" + option.name) != std::string::npos);
    CHECK(result->print->find(option.environment()) != std::string::npos);
  }
}

TEST_CASE("the table of options has a row for each") {
  const auto result = Read({"--optionsTable"});
  REQUIRE(result.ok());
  REQUIRE(result->print.has_value());
  for (const Option& option : Options()) {
    CHECK(result->print->find("| `--" + option.name + "` |") != std::string::npos);
  }
  const std::string& table = *result->print;
  std::istringstream rows(table);
  for (std::string row; std::getline(rows, row);) {
    INFO(row);
    size_t bars = 0;
    for (size_t i = 0; i < row.size(); ++i) bars += row[i] == '|' && (i == 0 || row[i - 1] != '\\');
    CHECK(bars == 5);
    CHECK(row.find("\\\\") == std::string::npos);
  }
  CHECK(static_cast<size_t>(std::count(table.begin(), table.end(), '\n')) == Options().size() + 3);
}

TEST_CASE("a media codec has a kind, a name, a clock and perhaps channels") {
  const auto audio = ParseMediaCodecs({"audio/opus/48000/2"});
  REQUIRE(audio.ok());
  CHECK(audio->front().kind == MediaKind::kAudio);
  CHECK(audio->front().mime_type == "audio/opus");
  CHECK(audio->front().clock_rate == 48'000);
  CHECK(audio->front().channels == 2);
  const auto video = ParseMediaCodecs({"video/VP8/4294967295"});
  REQUIRE(video.ok());
  CHECK(video->front().kind == MediaKind::kVideo);
  CHECK(video->front().clock_rate == 4'294'967'295);
  CHECK(video->front().channels == 1);
  CHECK(ParseMediaCodecs({"audio/x/1/255"})->front().channels == 255);
  for (const char* bad :
       {"", "audio", "audio/opus", "text/x/8000", "audio//8000", "audio/x/0", "audio/x/-1",
        "audio/x/4294967296", "audio/x/1/0", "audio/x/1/256", "audio/x/1/2/3", "audio/x/one",
        "audio/x/1/two", "audio/x/1;", "audio/x/1;a", "audio/x/1;=1"}) {
    INFO(bad);
    CHECK_FALSE(ParseMediaCodecs({bad}).ok());
  }
  const auto wide =
      ParseMediaCodecs({"audio/x/1;a=2147483647;b=2147483648;c=-2147483648;d=-2147483649;e="});
  REQUIRE(wide.ok());
  const Parameters& parameters = wide->front().parameters;
  CHECK(std::get<int32_t>(parameters.at("a")) == INT32_MAX);
  CHECK(std::get<std::string>(parameters.at("b")) == "2147483648");
  CHECK(std::get<int32_t>(parameters.at("c")) == INT32_MIN);
  CHECK(std::get<std::string>(parameters.at("d")) == "-2147483649");
  CHECK(std::get<std::string>(parameters.at("e")).empty());
}

TEST_CASE("ports are ranges, and one of the two listeners is there") {
  CHECK(Read({"--rtcMinPort", "5000", "--rtcMaxPort", "5000"}).ok());
  CHECK_THAT(ErrorOf({"--rtcMinPort", "5001", "--rtcMaxPort", "5000"}),
             Catch::Contains("option rtcMaxPort \"5000\" must not be below rtcMinPort \"5001\""));
  CHECK_FALSE(Read({"--plainMinPort", "5001", "--plainMaxPort", "5000"}).ok());
  CHECK(Read({"--listenPort", "0"}).ok());
  CHECK(Read({"--plainListenPort", "0"}).ok());
  CHECK_THAT(ErrorOf({"--listenPort", "0", "--plainListenPort", "0"}),
             Catch::Contains("at least one must listen"));
}

TEST_CASE("media codecs keep numbers and texts apart") {
  const auto codecs =
      ParseMediaCodecs({"video/H264/90000;packetization-mode=1;profile-level-id=42e01f"});
  REQUIRE(codecs.ok());
  const Parameters& parameters = codecs->front().parameters;
  CHECK(std::get<int32_t>(parameters.at("packetization-mode")) == 1);
  CHECK(std::get<std::string>(parameters.at("profile-level-id")) == "42e01f");
}

}  // namespace
}  // namespace sluice::controller
