#include "controller/shell/worker_shell.h"

#include <fmt/format.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <optional>
#include <sstream>
#include <utility>

#include "controller/base/logging.h"
#include "controller/shell/interactive.h"
#include "controller/shell/line_input.h"
#include "controller/shell/replay.h"
#include "controller/shell/report.h"
#include "controller/shell/shell_options.h"
#include "controller/shell/trace.h"
#include "controller/shell/worker_session.h"

namespace sluice::controller::shell {

namespace json = boost::json;

namespace {

constexpr int kExitFailed = 1;
constexpr int kExitUsage = 2;
/// What a worker printed last is still read; a child that it left behind is not waited for.
constexpr std::chrono::milliseconds kLastOutput{500};
constexpr size_t kMaxTraceFile = size_t{64} << 20;  // bytes: hours of a busy controller

int Fail(int code, std::string_view reason) {
  const std::string text = fmt::format("sluice worker-shell: {}\n", reason);
  std::fputs(text.c_str(), stderr);
  return code;
}

/// Prints items to the standard output, with the time since it was made.
class Printer {
 public:
  explicit Printer(ReportStyle style) : style_(style) {}

  void Print(json::object item) const {
    const std::chrono::duration<double, std::milli> elapsed = Clock::now() - start_;
    json::object timed{{"type", item["type"]}, {"time", std::round(elapsed.count()) / 1'000}};
    for (auto& [key, value] : item) {
      if (key != "type") timed[key] = std::move(value);
    }
    const std::string text = ReportText(timed, style_);
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
  }

 private:
  using Clock = std::chrono::steady_clock;
  const ReportStyle style_;
  const Clock::time_point start_ = Clock::now();
};

Result<Trace> ReadTrace(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf())) {
    return TypeError(
        fmt::format("option --replay \"{}\": must be a readable file with a trace", path));
  }
  if (text.view().size() > kMaxTraceFile) {
    return TypeError(fmt::format("option --replay \"{}\": has {} bytes: must have at most {}", path,
                                 text.view().size(), kMaxTraceFile));
  }
  Result<Trace> trace = ParseTrace(text.view());
  if (!trace.ok()) return TypeError(fmt::format("{}, {}", path, Reason(trace.status())));
  if (trace->records.empty()) {
    return TypeError(fmt::format("option --replay \"{}\": has no messages in it", path));
  }
  return trace;
}

/// What a session does between start and end, and how it went.
struct Work {
  const ShellOptions& options;
  const std::optional<Trace>& trace;
  const Report& report;
};

Task<bool> Converse(WorkerSession& session, LineInput& input, const Work& work) {
  if (!work.trace) {
    co_await RunInteractive(session, input, work.report);
    co_return co_await session.End();
  }
  Replay replay(session, input, work.report, *work.trace, work.options.replay);
  const bool same = co_await replay.Run();
  const bool ended_well = co_await session.End();
  work.report(replay.Summary(same && ended_well));
  co_return same&& ended_well;
}

Task<void> RunSession(Work work, std::optional<int>* exit_code) {
  const auto executor = co_await asio::this_coro::executor;
  WorkerSession::Options options;
  options.worker_path = work.options.worker_path;
  options.worker_arguments = work.options.worker_arguments;
  options.timeout = work.options.replay.timeout;
  WorkerSession session(executor, std::move(options), work.report);
  LineInput input(executor, STDIN_FILENO);
  session.set_on_ended([&input] { input.Cancel(); });
  const Status started = session.Start();
  if (!started.ok()) {
    *exit_code = Fail(kExitFailed, Reason(started));
    co_return;
  }
  if (isatty(STDIN_FILENO) != 0 && !work.trace) {
    work.report({{"type", "note"}, {"text", "a request a line; help lists them, Ctrl-D ends"}});
  }
  *exit_code = co_await Converse(session, input, work) ? 0 : kExitFailed;
}

}  // namespace

int RunWorkerShell(const std::vector<std::string>& arguments, const std::string& default_worker) {
  Result<ShellOptions> options = ReadShellOptions(arguments);
  if (!options.ok()) return Fail(kExitUsage, Reason(options.status()));
  if (options->print) {
    std::fputs(options->print->c_str(), stdout);
    return 0;
  }
  if (options->worker_path.empty()) options->worker_path = default_worker;
  if (access(options->worker_path.c_str(), X_OK) != 0) {
    return Fail(kExitUsage, fmt::format("option --workerPath \"{}\": must be an executable file",
                                        options->worker_path));
  }
  std::optional<Trace> trace;
  if (!options->replay_file.empty()) {
    Result<Trace> read = ReadTrace(options->replay_file);
    if (!read.ok()) return Fail(kExitUsage, Reason(read.status()));
    const Status overrides = CheckOverrides(options->replay.overrides, *read);
    if (!overrides.ok()) return Fail(kExitUsage, Reason(overrides));
    trace = std::move(*read);
  }
  std::signal(SIGPIPE, SIG_IGN);
  // What workers print must not get between the lines of the standard output.
  spdlog::set_default_logger(spdlog::stderr_logger_st("worker-shell"));
  spdlog::set_pattern("%v");

  const Printer printer(options->style);
  const Report report = [&printer](json::object item) { printer.Print(std::move(item)); };
  std::optional<int> exit_code;
  asio::io_context context(1);
  Spawn(context.get_executor(), RunSession({*options, trace, report}, &exit_code));
  while (!exit_code && context.run_one() > 0) {
  }
  context.run_for(kLastOutput);
  return exit_code.value_or(kExitFailed);
}

}  // namespace sluice::controller::shell
