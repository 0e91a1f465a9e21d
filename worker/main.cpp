#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>

#include "common/heap_trimmer.h"
#include "common/log.h"
#include "common/version.h"
#include "worker/channel/json/json_writer.h"
#include "worker/channel/router_channel.h"
#include "worker/io/channel_pipe.h"
#include "worker/io/stderr_line.h"
#include "worker/process/json_options.h"
#include "worker/process/options.h"
#include "worker/process/worker_process.h"

/// sluice-worker: how it starts and ends, as docs/protocols/worker-pipe.md §1 and
/// docs/protocols/router-protocol.md §1 say for the router protocol, docs/json-protocol.md §3 for
/// the JSON protocol.
namespace sluice::worker {
namespace {

constexpr int kExitStartFailed = 1;
constexpr int kExitSettings = 42;  // the library turns it into a TypeError

bool IsOpen(int fd) { return fcntl(fd, F_GETFD) >= 0; }

/// Where log lines go while there is no channel.
class StderrLog final : public LogSink {
 public:
  void WriteLog(LogLevel level, std::string_view line) override {
    WriteStderrLine(fmt::format("sluice-worker: {}: {}", ToString(level), line));
  }
};

/// One Log frame on the pipe, for a process that ends before it has a loop.
class LastWords final : private ChannelOutput, private ProcessInfo {
 public:
  void Say(const std::string& text) {
    RouterChannel channel(*this, *this);
    channel.WriteLog(LogLevel::kError, text);
  }

 private:
  void Write(std::span<const uint8_t> bytes) override {
    WriteBlocking(WorkerProcess::kResponseFd, bytes, Duration::Millis(200));
  }
  uint32_t pid() const override { return static_cast<uint32_t>(getpid()); }
  ResourceUsage GetResourceUsage() const override { return {}; }
  MetricsReport ReadMetrics() const override { return {}; }
  void RequestClose() override {}
};

/// A wrong setting is told twice: to a person on stderr, to the controller as a log frame.
int FailSettings(const std::string& text) {
  WriteStderrLine("sluice-worker: " + text);
  if (IsOpen(WorkerProcess::kResponseFd)) LastWords().Say(text);
  return kExitSettings;
}

bool IsSettingsError(const Status& status) {
  return status.code() == absl::StatusCode::kInvalidArgument ||
         status.code() == absl::StatusCode::kUnimplemented;
}

void IgnoreSignals() {
  for (const int number : {SIGPIPE, SIGHUP, SIGALRM, SIGUSR1, SIGUSR2}) {
    std::signal(number, SIG_IGN);
  }
}

/// A transport with its own ports takes a descriptor or two: use all that the system grants.
void RaiseDescriptorLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

/// A worker sees that its controller is gone by the end of its pipe, unless it is stopped or hangs:
/// then it would keep its ports from the next one. A controller that asks for it by this variable
/// has the kernel end the worker with it. Not for every parent: the signal comes when the thread
/// ends that started us.
void EndWithController() {
  if (std::getenv("SLUICE_END_WITH_PARENT") != nullptr) prctl(PR_SET_PDEATHSIG, SIGKILL);
}

int RunWorker(const WorkerOptions& options) {
  for (const int fd : {WorkerProcess::kRequestFd, WorkerProcess::kResponseFd}) {
    if (IsOpen(fd)) continue;
    return FailSettings("file descriptor " + std::to_string(fd) +
                        " is not open; this program is started by a controller, see --help");
  }
  auto process = WorkerProcess::Create(options);
  if (!process.ok()) {
    const std::string text(process.status().message());
    if (IsSettingsError(process.status())) return FailSettings(text);
    WriteStderrLine("sluice-worker: cannot start: " + text);
    return kExitStartFailed;
  }
  (*process)->Run();
  return 0;
}

// ---- The JSON protocol ------------------------------------------------------------------------

/// A wrong setting there is told on the channel alone; the library prints what comes on it.
class JsonLastWords final : private ChannelOutput {
 public:
  explicit JsonLastWords(int fd) : fd_(fd) {}
  void Say(const std::string& worker_id, const std::string& text) {
    json_protocol::JsonWriter(*this, worker_id).LogLine(LogLevel::kError, text);
    usleep(kTimeToRead);
  }

 private:
  static constexpr useconds_t kTimeToRead = 100'000;  // microseconds, before the exit is seen
  void Write(std::span<const uint8_t> bytes) override {
    WriteBlocking(fd_, bytes, Duration::Millis(200));
  }
  const int fd_;
};

int FailRoomStart(const std::string& text) {
  WriteStderrLine("sluice-worker: cannot start: " + text);
  return kExitStartFailed;
}

int RunRoomWorker(std::span<const char* const> arguments) {
  const std::string worker_id(JsonWorkerId(arguments));
  if (worker_id.empty()) return FailRoomStart("the first argument has to be a worker id");
  const Result<int> fd = ParseChannelFd(std::getenv("MEDIASOUP_CHANNEL_FD"));
  if (!fd.ok()) return FailRoomStart(std::string(fd.status().message()));
  if (!IsOpen(*fd)) {
    return FailRoomStart("MEDIASOUP_CHANNEL_FD: descriptor " + std::to_string(*fd) +
                         " is not open");
  }
  auto options = ParseRoomOptions(arguments, ThisHost());
  if (!options.ok()) {
    JsonLastWords(*fd).Say(worker_id, std::string(options.status().message()));
    return kExitStartFailed;
  }
  options->json_channel_fd = *fd;
  Log::SetLevel(options->log_level);
  Log::SetTags(options->log_tags);
  auto process = WorkerProcess::Create(*options);
  if (!process.ok()) return FailRoomStart(std::string(process.status().message()));
  (*process)->Run();
  return 0;
}

// ---- The start --------------------------------------------------------------------------------

bool HasFlag(std::span<const char* const> arguments, std::string_view flag) {
  return std::find(arguments.begin(), arguments.end(), flag) != arguments.end();
}

int RunRouterWorker(std::span<const char* const> arguments) {
  const auto options = ParseWorkerOptions(arguments);
  if (!options.ok()) return FailSettings(std::string(options.status().message()));
  Log::SetLevel(options->log_level);
  Log::SetTags(options->log_tags);
  return RunWorker(*options);
}

int Main(std::span<const char* const> arguments) {
  IgnoreSignals();
  RaiseDescriptorLimit();
  EndWithController();
  ConfigureHeap();
  StderrLog stderr_log;
  Log::SetSink(&stderr_log);
  if (HasFlag(arguments, "--help") || HasFlag(arguments, "-h")) {
    std::fputs(WorkerHelp().c_str(), stdout);
    return 0;
  }
  if (HasFlag(arguments, "--version")) {
    std::printf("sluice-worker %s\n", std::string(Version()).c_str());
    return 0;
  }
  StartSigns signs;
  signs.channel_fd = std::getenv("MEDIASOUP_CHANNEL_FD");
  signs.has_router_fds = IsOpen(WorkerProcess::kRequestFd) && IsOpen(WorkerProcess::kResponseFd);
  const Result<WorkerProtocol> protocol = ChooseProtocol(arguments, signs);
  if (!protocol.ok()) return FailSettings(std::string(protocol.status().message()));
  return *protocol == WorkerProtocol::kJson ? RunRoomWorker(arguments) : RunRouterWorker(arguments);
}

}  // namespace
}  // namespace sluice::worker

int main(int argc, char** argv) {
  return sluice::worker::Main(
      std::span<const char* const>(argv, static_cast<size_t>(argc)).subspan(1));
}
