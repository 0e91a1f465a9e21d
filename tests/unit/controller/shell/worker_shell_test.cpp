// `sluice worker-shell` in this process, with a worker that is a script.
#include "controller/shell/worker_shell.h"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/temporary_file.h"
#include "tests/unit/controller/shell/scripted_worker.h"

namespace sluice::controller::shell {
namespace {

using test::ScriptedWorker;

/// Runs the shell with `input` on descriptor 0 and keeps what it prints on 1 and 2.
struct Run {
  explicit Run(const std::vector<std::string>& arguments, const std::string& input = "",
               const std::string& default_worker = "/nonexistent/default") {
    const TemporaryFile in(input);
    const TemporaryFile out;
    const TemporaryFile error;
    std::fflush(stdout);
    std::fflush(stderr);
    std::array<int, 3> saved{};
    const std::array<std::string, 3> paths = {in.path(), out.path(), error.path()};
    const auto logger = spdlog::default_logger();
    for (int fd = 0; fd < 3; ++fd) {
      saved[static_cast<size_t>(fd)] = fcntl(fd, F_DUPFD_CLOEXEC, 3);
      const int file = open(paths[static_cast<size_t>(fd)].c_str(), O_RDWR | O_CLOEXEC);
      dup2(file, fd);
      close(file);
    }
    exit_code = RunWorkerShell(arguments, default_worker);
    std::fflush(stdout);
    std::fflush(stderr);
    for (int fd = 0; fd < 3; ++fd) {
      dup2(saved[static_cast<size_t>(fd)], fd);
      close(saved[static_cast<size_t>(fd)]);
    }
    spdlog::set_default_logger(logger);
    spdlog::drop("worker-shell");
    output = TextOf(out.path());
    errors = TextOf(error.path());
  }
  static std::string TextOf(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  }
  int exit_code = -1;
  std::string output;
  std::string errors;
};

std::string Quoted(std::string text) {
  for (char& c : text) c = c == '\'' ? '"' : c;
  return text;
}

TEST_CASE("worker-shell: what is wrong before the start is told with exit code 2") {
  const Run unknown({"--bogus"});
  CHECK(unknown.exit_code == 2);
  CHECK_THAT(unknown.errors, Catch::StartsWith("sluice worker-shell: unknown option"));
  const Run none({});
  CHECK(none.exit_code == 2);
  CHECK_THAT(none.errors, Catch::Contains("--workerPath \"/nonexistent/default\""));
  const TemporaryFile plain("no program");
  const Run given({"--workerPath", plain.path()}, "", "/bin/sh");
  CHECK(given.exit_code == 2);
  CHECK_THAT(given.errors, Catch::Contains(plain.path() + "\": must be an executable file"));

  const auto replay = [](const std::string& path, const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments = {"--workerPath=/bin/sh", "--replay", path};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return Run(arguments);
  };
  const Run missing = replay("/nonexistent/trace");
  CHECK(missing.exit_code == 2);
  CHECK_THAT(missing.errors, Catch::Contains("must be a readable file"));
  const TemporaryFile broken("{\"id\":1,\n");
  const Run no_end = replay(broken.path());
  CHECK(no_end.exit_code == 2);
  CHECK_THAT(no_end.errors, Catch::Contains(broken.path() + ", line 1: "));
  const TemporaryFile empty("nothing\n");
  CHECK_THAT(replay(empty.path()).errors, Catch::Contains("has no messages in it"));
  const TemporaryFile trace("{\"id\":1,\"method\":\"worker.dump\"}\n");
  const Run no_place = replay(trace.path(), {"--set", "worker.dump#2.data.a=1"});
  CHECK(no_place.exit_code == 2);
  CHECK_THAT(no_place.errors, Catch::Contains("the trace has 1 requests worker.dump"));
}

TEST_CASE("worker-shell: help is all that is printed") {
  const Run help({"--help"});
  CHECK(help.exit_code == 0);
  CHECK_THAT(help.output, Catch::Contains("--replay"));
  CHECK(help.errors.empty());
}

TEST_CASE("worker-shell: lines go to the worker, and the end of the input ends it") {
  const ScriptedWorker worker;
  const Run run({"--json"}, "worker.dump\n", worker.path());
  CHECK(run.exit_code == 0);
  CHECK_THAT(run.output, Catch::Contains("{\"type\":\"start\",\"time\":"));
  CHECK_THAT(run.output, Catch::Contains("\"method\":\"worker.dump\""));
  CHECK_THAT(run.output, Catch::Contains("\"how\":\"exit code 0\",\"asked\":true"));
  CHECK(run.output.find("\"note\"") == std::string::npos);  // nobody types
}

TEST_CASE("worker-shell: a worker that dies gives exit code 1") {
  const ScriptedWorker worker("*worker.dump*) exit 7 ;;");
  const Run run({"--json"}, "worker.dump\nworker.dump\n", worker.path());
  CHECK(run.exit_code == 1);
  CHECK_THAT(run.output, Catch::Contains("\"how\":\"exit code 7\",\"asked\":false"));
}

TEST_CASE("worker-shell: a replay tells whether all was equal") {
  const TemporaryFile trace(
      Quoted("{'id':1,'method':'worker.dump'}\n{'accepted':true,'data':{'rooms':[]},'id':1}\n"));
  const ScriptedWorker same("*worker.dump*) accept '{\"rooms\":[]}' ;;");
  const Run equal({"--replay", trace.path()}, "", same.path());
  CHECK(equal.exit_code == 0);
  CHECK_THAT(equal.output, Catch::Contains("1 of 1 responses and 0 of 0 events equal"));
  CHECK_THAT(equal.output, Catch::Contains("0 differences: equal"));
  const ScriptedWorker other;
  const Run different({"--replay", trace.path()}, "", other.path());
  CHECK(different.exit_code == 1);
  CHECK_THAT(different.output, Catch::Contains("1 differences: DIFFERENT"));
  // Equal, but it did not end as it should.
  const ScriptedWorker rude("*worker.dump*) trap 'exit 5' TERM; accept '{\"rooms\":[]}' ;;");
  const Run ended({"--replay", trace.path()}, "", rude.path());
  CHECK(ended.exit_code == 1);
  CHECK_THAT(ended.output, Catch::Contains("0 differences: DIFFERENT"));
}

}  // namespace
}  // namespace sluice::controller::shell
