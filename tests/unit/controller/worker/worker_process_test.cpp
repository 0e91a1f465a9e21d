#include "controller/worker/worker_process.h"

#include <unistd.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>
#include <optional>

#include "controller/worker/output_lines.h"
#include "tests/unit/controller/captured_log.h"
#include "tests/unit/controller/fake_worker.h"

namespace sluice::controller {
namespace {

using test::CapturedLog;

/// Runs a shell script as a worker until it has ended; how it did.
std::string RunScript(asio::io_context& context, const std::string& script,
                      const std::function<bool()>& seen,
                      PipeProtocol protocol = PipeProtocol::kRouter) {
  ProcessLauncher launcher(context.get_executor(), {"/bin/sh", {"-c", script}, protocol});
  LaunchedWorker launched = *launcher.Launch(3);
  std::optional<std::string> ended;
  const auto wait = [](WorkerHandle* handle, std::optional<std::string>* out) -> Task<void> {
    *out = co_await handle->WaitForExit();
  };
  Spawn(context.get_executor(), wait(launched.handle.get(), &ended));
  CHECK(test::RunUntil(context, [&] { return ended.has_value() && seen(); }));
  close(launched.read_fd);
  close(launched.write_fd);
  return ended.value_or("");
}

TEST_CASE("a worker's output is logged by line, with its index") {
  const CapturedLog log;
  asio::io_context context(1);
  const std::string how = RunScript(context, "echo out; printf 'bad\\033[1m\\nrest' >&2; exit 42",
                                    [&] { return log.Has("rest") && log.Has("out"); });
  CHECK(how == "exit code 42");
  CHECK(log.Has("info worker 3: out\n"));
  CHECK(log.Has("warning worker 3: bad\\x1b[1m\n"));
  CHECK(log.Has("warning worker 3: rest\n"));
}

TEST_CASE("what a worker said last is known when it has ended") {
  const CapturedLog log;
  asio::io_context context(1);
  ProcessLauncher launcher(context.get_executor(),
                           {"/bin/sh",
                            {"-c", "echo first >&2; echo 'cannot listen' >&2; exit 41"},
                            PipeProtocol::kRouter});
  LaunchedWorker launched = *launcher.Launch(0);
  std::optional<std::string> ended;
  const auto wait = [](WorkerHandle* handle, std::optional<std::string>* out) -> Task<void> {
    *out = co_await handle->WaitForExit();
  };
  Spawn(context.get_executor(), wait(launched.handle.get(), &ended));
  REQUIRE(test::RunUntil(context, [&] { return ended.has_value(); }));
  CHECK(launched.handle->LastWords() == "cannot listen");
  close(launched.read_fd);
  close(launched.write_fd);
}

TEST_CASE("a line without end is cut, not kept") {
  const CapturedLog log;
  asio::io_context context(1);
  RunScript(context, "head -c 10000 /dev/zero | tr '\\0' x; echo end",
            [&] { return log.Has("end"); });
  const std::string text = log.text();
  CHECK(std::count(text.begin(), text.end(), '\n') == 3);
  CHECK(log.Has("worker 3: " + std::string(OutputLines::kMaxLine, 'x') + "\n"));
}

TEST_CASE("a worker that floods its output is read to the end, and the flood is told, not shown") {
  const CapturedLog log;
  asio::io_context context(1);
  // 4 MB: the worker would hang if nobody read them.
  const std::string how = RunScript(context, "yes flood | head -c 4000000; echo done >&2",
                                    [&] { return log.Has("left out") && log.Has("done"); });
  CHECK(how == "exit code 0");
  CHECK(log.Has("worker 3: done\n"));
  CHECK(log.Has("bytes of its output are left out: it writes more than 65536 a second"));
  CHECK(log.text().size() < 8 * OutputLines::kBurst);
}

TEST_CASE("a worker gets its pipe, no other descriptor and no input") {
  const CapturedLog log;
  asio::io_context context(1);
  RunScript(context,
            "cat; n=0; while [ $n -lt 40 ]; do [ -e /proc/$$/fd/$n ] && printf '%s ' $n; "
            "n=$((n+1)); done; echo done",
            [&] { return log.Has("done"); });
  CHECK(log.Has("0 1 2 3 4 done"));
}

TEST_CASE("a worker gets our environment, and its own ends of it") {
  const CapturedLog log;
  asio::io_context context(1);
  setenv("MEDIASOUP_VERSION", "of somebody else", 1);
  setenv("SLUICE_END_WITH_PARENT", "of somebody else", 1);
  setenv("MARK_OF_TEST", "ours", 1);  // behind them
  RunScript(context, "env | grep -c 'of somebody else'; echo mark $MARK_OF_TEST done",
            [&] { return log.Has("done"); });
  for (const char* name : {"MEDIASOUP_VERSION", "SLUICE_END_WITH_PARENT", "MARK_OF_TEST"}) {
    unsetenv(name);
  }
  CHECK(log.Has("worker 3: 0\n"));
  CHECK(log.Has("mark ours done"));
}

TEST_CASE("a worker of the JSON protocol gets one descriptor, both ways") {
  const CapturedLog log;
  asio::io_context context(1);
  RunScript(
      context,
      "n=0; while [ $n -lt 40 ]; do [ -e /proc/$$/fd/$n ] && printf '%s ' $n; n=$((n+1)); done;"
      "echo $MEDIASOUP_CHANNEL_FD ${MEDIASOUP_VERSION:-none}; "
      "readlink /proc/$$/fd/3 | grep -q socket && echo >&3 && echo done",
      [&] { return log.Has("done"); }, PipeProtocol::kJson);
  CHECK(log.Has("0 1 2 3 3 none"));
}

}  // namespace
}  // namespace sluice::controller
