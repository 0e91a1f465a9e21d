#include "controller/worker/worker_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <string_view>
#include <utility>

#include "common/fd.h"
#include "controller/base/delay.h"
#include "controller/base/event.h"
#include "controller/base/log.h"
#include "controller/worker/output_lines.h"

extern char** environ;

namespace sluice::controller {

namespace {

using std::chrono::milliseconds;

/// The version of the Node library whose protocol we speak. Other workers of that protocol do not
/// start without the variable.
constexpr const char* kProtocolVersion = "MEDIASOUP_VERSION=3.27.1";
constexpr const char* kJsonChannel = "MEDIASOUP_CHANNEL_FD=3";
/// How the variables of the controller's options begin.
constexpr std::string_view kOwnVariables = "SLUICE_";
/// The worker is not to outlive us, whatever state it is in.
constexpr const char* kEndWithParent = "SLUICE_END_WITH_PARENT=1";
constexpr int kWorkerReadFd = 3;  // of the JSON protocol: both ways
constexpr int kWorkerWriteFd = 4;
/// Duplicates land above the descriptors that the child gets.
constexpr int kFirstSafeFd = 10;

Status SystemError(const std::string& what, int error) {
  return Error(what + ": " + std::strerror(error));
}

struct Pipe {
  Fd ours;
  Fd theirs;
};

Result<Pipe> MakePipe() {
  std::array<int, 2> fds{};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()) != 0) {
    return SystemError("cannot make the pipe to a worker", errno);
  }
  Pipe pipe{Fd(fds[0]), Fd(fds[1])};
  const int moved = fcntl(pipe.theirs.get(), F_DUPFD_CLOEXEC, kFirstSafeFd);
  if (moved < 0) return SystemError("cannot make the pipe to a worker", errno);
  pipe.theirs = Fd(moved);
  return pipe;
}

/// What is known of one output of a worker.
struct Output {
  explicit Output(const asio::any_io_executor& executor) : ended(executor) {}
  std::string last_line;
  Event ended;
};

/// Logs what a worker writes to `stream` until it ends.
Task<void> LogOutput(asio::posix::stream_descriptor stream, int index, LogSeverity severity,
                     std::shared_ptr<Output> output) {
  constexpr size_t kChunk = 64 * 1024;  // bytes
  // Between chunks of a flood: it is read fast enough that the worker does not wait for us (32
  // MB/s), and slowly enough that we have time for others.
  constexpr milliseconds kFloodPause{2};
  std::vector<char> chunk(kChunk);
  OutputLines lines(OutputLines::Clock::now());
  const std::string prefix = "worker " + std::to_string(index) + ": ";
  const auto show = [&](const std::string& line) {
    if (line.empty()) return;
    LogText(severity, prefix, line, OutputLines::kMaxLine);
    output->last_line = line;
  };
  const auto tell_left_out = [&] {
    const uint64_t left_out = lines.TakeLeftOut();
    if (left_out == 0) return;
    LogWarn("worker {}: {} bytes of its output are left out: it writes more than {} a second",
            index, left_out, OutputLines::kBytesPerSecond);
  };
  for (;;) {
    boost::system::error_code error;
    const size_t size = co_await stream.async_read_some(
        asio::buffer(chunk), asio::redirect_error(asio::use_awaitable, error));
    if (error) break;
    for (const std::string& line : lines.Feed({chunk.data(), size}, OutputLines::Clock::now())) {
      show(line);
    }
    if (!lines.flooded()) {
      tell_left_out();
    } else if (size == kChunk) {  // there is more
      co_await Delay(kFloodPause);
    }
  }
  tell_left_out();
  show(lines.TakeRest());
  output->ended.Fire();
}

std::string DescribeExit(int status) {
  if (WIFSIGNALED(status)) {
    const int number = WTERMSIG(status);
    return "signal " + std::to_string(number) + " (" + strsignal(number) + ")";
  }
  return "exit code " + std::to_string(WEXITSTATUS(status));
}

class ProcessHandle : public WorkerHandle {
 public:
  ProcessHandle(pid_t pid, std::shared_ptr<Output> errors)
      : pid_(pid), errors_(std::move(errors)) {}

  ~ProcessHandle() override {
    if (reaped_) return;
    Kill();
    int status = 0;
    waitpid(pid_, &status, 0);  // immediate: SIGKILL cannot be put off
  }

  std::string LastWords() const override { return errors_->last_line; }

  void Kill() override {
    if (!reaped_) kill(pid_, SIGKILL);
  }
  void Terminate() override {
    if (!reaped_) kill(pid_, SIGTERM);
  }

  Task<std::string> WaitForExit() override {
    constexpr milliseconds kStep{10};
    constexpr int kStepsBeforeKill = 100;
    constexpr milliseconds kOutputLimit{100};  // a child of the worker may hold its output open
    for (int step = 0;; ++step) {
      int status = 0;
      const pid_t result = waitpid(pid_, &status, WNOHANG);
      if (result == pid_) {
        reaped_ = true;
        co_await errors_->ended.Wait(kOutputLimit);
        co_return DescribeExit(status);
      }
      if (result < 0) {
        reaped_ = true;
        co_return "unknown end (" + std::string(std::strerror(errno)) + ")";
      }
      if (step == kStepsBeforeKill) Kill();
      co_await Delay(kStep);
    }
  }

 private:
  pid_t pid_;
  std::shared_ptr<Output> errors_;
  bool reaped_ = false;
};

/// A worker's ends of its pipes.
struct ChildDescriptors {
  int read;
  int write;  ///< -1: none
  int output;
  int errors;
};

/// Our environment, but of the variables that name a protocol only that of `protocol`, and none of
/// our own options: a worker takes its options from its arguments, and the secret that signs tokens
/// is none of its business.
std::vector<char*> WorkerEnvironment(PipeProtocol protocol) {
  std::vector<char*> env;
  for (char** entry = environ; *entry; ++entry) {
    const std::string_view text = *entry;
    if (text.starts_with("MEDIASOUP_VERSION=")) continue;
    if (text.starts_with("MEDIASOUP_CHANNEL_FD=")) continue;
    if (text.starts_with(kOwnVariables)) continue;
    env.push_back(*entry);
  }
  env.push_back(
      const_cast<char*>(protocol == PipeProtocol::kJson ? kJsonChannel : kProtocolVersion));
  env.push_back(const_cast<char*>(kEndWithParent));
  env.push_back(nullptr);
  return env;
}

/// posix_spawn with the pipe on 3 (and 4), output on 1 and 2, and nothing else of ours open; 0 or
/// an errno.
int SpawnWorker(const ProcessLauncher::Options& options, const ChildDescriptors& theirs,
                pid_t* pid) {
  std::vector<char*> argv{const_cast<char*>(options.binary.c_str())};
  for (const std::string& argument : options.arguments) {
    argv.push_back(const_cast<char*>(argument.c_str()));
  }
  argv.push_back(nullptr);
  std::vector<char*> env = WorkerEnvironment(options.protocol);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, theirs.output, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, theirs.errors, STDERR_FILENO);
  posix_spawn_file_actions_adddup2(&actions, theirs.read, kWorkerReadFd);
  const int last_fd = theirs.write < 0 ? kWorkerReadFd : kWorkerWriteFd;
  if (theirs.write >= 0) posix_spawn_file_actions_adddup2(&actions, theirs.write, kWorkerWriteFd);
  // Listening sockets must not live on in workers: Asio opens them without close-on-exec.
  posix_spawn_file_actions_addclosefrom_np(&actions, last_fd + 1);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t defaults;
  sigfillset(&defaults);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
  const int error =
      posix_spawn(pid, options.binary.c_str(), &actions, &attributes, argv.data(), env.data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

/// The pipe of one worker: `to` carries what we write, `from` what it does.
struct ChannelPipes {
  Pipe to;
  Pipe from;
};

Result<ChannelPipes> MakeChannel(PipeProtocol protocol) {
  ChannelPipes channel;
  Result<Pipe> to_worker = MakePipe();
  if (!to_worker.ok()) return to_worker.status();
  channel.to = std::move(*to_worker);
  if (protocol == PipeProtocol::kJson) {
    channel.from.ours = Fd(fcntl(channel.to.ours.get(), F_DUPFD_CLOEXEC, 0));
    if (channel.from.ours.get() < 0) return SystemError("cannot make the pipe to a worker", errno);
    return channel;
  }
  Result<Pipe> from_worker = MakePipe();
  if (!from_worker.ok()) return from_worker.status();
  channel.from = std::move(*from_worker);
  return channel;
}

}  // namespace

ProcessLauncher::ProcessLauncher(const asio::any_io_executor& executor, Options options)
    : executor_(executor), options_(std::move(options)) {}

Result<LaunchedWorker> ProcessLauncher::Launch(int index) {
  Result<ChannelPipes> channel = MakeChannel(options_.protocol);
  if (!channel.ok()) return channel.status();
  Result<Pipe> output = MakePipe();
  if (!output.ok()) return output.status();
  Result<Pipe> errors = MakePipe();
  if (!errors.ok()) return errors.status();
  pid_t pid = 0;
  const int error = SpawnWorker(options_,
                                {channel->to.theirs.get(), channel->from.theirs.get(),
                                 output->theirs.get(), errors->theirs.get()},
                                &pid);
  if (error != 0) return SystemError("cannot start " + options_.binary, error);
  const auto error_output = std::make_shared<Output>(executor_);
  using Stream = asio::posix::stream_descriptor;
  Spawn(executor_, LogOutput(Stream(executor_, output->ours.release()), index, LogSeverity::kInfo,
                             std::make_shared<Output>(executor_)));
  Spawn(executor_, LogOutput(Stream(executor_, errors->ours.release()), index, LogSeverity::kWarn,
                             error_output));
  LaunchedWorker launched;
  launched.read_fd = channel->from.ours.release();
  launched.write_fd = channel->to.ours.release();
  launched.ready_id = std::to_string(pid);
  launched.handle = std::make_unique<ProcessHandle>(pid, error_output);
  return launched;
}

}  // namespace sluice::controller
