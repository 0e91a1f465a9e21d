#include "controller/shell/shell_options.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "controller/base/logging.h"

namespace sluice::controller::shell {
namespace {

using Strings = std::vector<std::string>;

std::string ErrorOf(const Strings& arguments) {
  const auto options = ReadShellOptions(arguments);
  return options.ok() ? "(ok)" : std::string(Reason(options.status()));
}

TEST_CASE("no arguments mean lines of input and the default worker") {
  const auto options = ReadShellOptions({});
  REQUIRE(options.ok());
  CHECK(options->worker_path.empty());
  CHECK(options->replay_file.empty());
  CHECK(options->style == ReportStyle::kOneLine);
  CHECK(options->replay.timeout.count() == 5);
}

TEST_CASE("options of the worker are passed on") {
  const auto options = ReadShellOptions({"--rtcIPv4=127.0.0.1", "--workerPath", "/bin/w", "--json",
                                         "--logTag=ice", "--", "--json", "-x"});
  REQUIRE(options.ok());
  CHECK(options->worker_path == "/bin/w");
  CHECK(options->style == ReportStyle::kJson);
  CHECK(options->worker_arguments ==
        Strings{"--rtcIPv4=127.0.0.1", "--logTag=ice", "--json", "-x"});
}

TEST_CASE("options of a replay") {
  auto options = ReadShellOptions({"--replay", "t.txt", "--step", "--set", "peer.close.data.a=1",
                                   "--set", "peer.close#2.data.b=2"});
  REQUIRE(options.ok());
  CHECK(options->replay_file == "t.txt");
  CHECK(options->replay.step);
  CHECK(options->replay.overrides.size() == 2);
  CHECK(options->replay.event_timeout.count() == 0);
  CHECK(options->replay.media_codecs.size() == 5);
  options = ReadShellOptions({"--replay=t", "--expect-all", "--mediaCodecs", "[]"});
  REQUIRE(options.ok());
  CHECK(options->replay.expect_all);
  CHECK(options->replay.event_timeout.count() == 10);
  CHECK(options->replay.media_codecs.empty());
  options = ReadShellOptions({"--replay=t", "--expectAll", "--eventTimeout", "0.5"});
  REQUIRE(options.ok());
  CHECK(options->replay.event_timeout.count() == 0.5);
}

TEST_CASE("errors name the option") {
  CHECK(ErrorOf({"--bogus"}).find("unknown option \"--bogus\"") == 0);
  CHECK(ErrorOf({"stray"}).find("unknown option \"stray\"") == 0);
  CHECK(ErrorOf({"--timeout", "x"}).find("--timeout") != std::string::npos);
  CHECK(ErrorOf({"--timeout", "-1"}).find("--timeout") != std::string::npos);
  CHECK(ErrorOf({"--replay", "t", "--set", "x"}) ==
        "option --set \"x\" must be METHOD[#N].PATH=VALUE, PATH beginning with internal or data");
  CHECK(ErrorOf({"--replay", "t", "--mediaCodecs", "{}"}) ==
        "option --mediaCodecs \"{}\": must be a JSON array");
  CHECK(ErrorOf({"--step"}) == "option --step: is for --replay FILE alone");
  CHECK(ErrorOf({"--json", "--pretty"}) == "options --json and --pretty: only one of them");
}

TEST_CASE("help tells all options") {
  const auto options = ReadShellOptions({"--help"});
  REQUIRE(options.ok());
  REQUIRE(options->print.has_value());
  for (const char* option : {"--workerPath", "--replay", "--json", "--pretty", "--timeout",
                             "--eventTimeout", "--expectAll", "--set", "--step", "--mediaCodecs"}) {
    CHECK(options->print->find(option) != std::string::npos);
  }
}

}  // namespace
}  // namespace sluice::controller::shell
