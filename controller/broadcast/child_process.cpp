#include "controller/broadcast/child_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <string_view>
#include <utility>

#include "common/fd.h"
#include "controller/base/delay.h"

extern char** environ;

namespace sluice::controller::broadcast {

namespace {

constexpr std::string_view kOwnVariables = "SLUICE_";

struct ChildEnds {
  int input = -1;  ///< -1: /dev/null
  int output = -1;
  int errors = -1;
};

/// posix_spawnp in a process group of its own; 0 or an errno.
int SpawnChild(const std::vector<std::string>& command, const ChildEnds& ends, pid_t* pid) {
  std::vector<char*> argv;
  for (const std::string& argument : command) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  std::vector<char*> env;
  for (char** entry = environ; *entry; ++entry) {
    if (!std::string_view(*entry).starts_with(kOwnVariables)) env.push_back(*entry);
  }
  env.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  if (ends.input < 0) {
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  } else {
    posix_spawn_file_actions_adddup2(&actions, ends.input, STDIN_FILENO);
  }
  posix_spawn_file_actions_adddup2(&actions, ends.output, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, ends.errors, STDERR_FILENO);
  posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t all;
  sigfillset(&all);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
  const int error = posix_spawnp(pid, argv[0], &actions, &attributes, argv.data(), env.data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

struct PipeEnds {
  Fd read;
  Fd write;
};

Result<PipeEnds> MakePipe() {
  std::array<int, 2> fds{};
  if (pipe2(fds.data(), O_CLOEXEC) != 0) return Error(std::strerror(errno));
  return PipeEnds{Fd(fds[0]), Fd(fds[1])};
}

}  // namespace

ChildProcess::ChildProcess(const asio::any_io_executor& executor)
    : input_(executor), output_(executor), complaints_(executor) {}

Result<std::shared_ptr<ChildProcess>> ChildProcess::Start(const asio::any_io_executor& executor,
                                                          const std::vector<std::string>& command,
                                                          bool with_input) {
  Result<PipeEnds> input = MakePipe();
  Result<PipeEnds> output = MakePipe();
  Result<PipeEnds> errors = MakePipe();
  if (!input.ok() || !output.ok() || !errors.ok()) {
    return Error("cannot run " + command.front() + ": " + std::strerror(errno));
  }
  const ChildEnds ends{with_input ? input->read.get() : -1, output->write.get(),
                       errors->write.get()};
  std::shared_ptr<ChildProcess> child(new ChildProcess(executor));
  const int error = SpawnChild(command, ends, &child->pid_);
  if (error != 0) {
    child->pid_ = -1;
    if (error == ENOENT) {
      return UnsupportedError("there is no program " + command.front() +
                              ": scripts/bootstrap.sh installs it");
    }
    return Error("cannot run " + command.front() + ": " + std::strerror(error));
  }
  if (with_input) child->input_.assign(input->write.release());
  child->output_.assign(output->read.release());
  child->complaints_.assign(errors->read.release());
  Spawn(executor, ReadErrors(child));
  return child;
}

ChildProcess::~ChildProcess() {
  if (pid_ < 0) return;
  Kill();
  int status = 0;
  waitpid(pid_, &status, 0);  // immediate: SIGKILL cannot be put off
}

Task<size_t> ChildProcess::Read(std::span<uint8_t> into) {
  boost::system::error_code error;
  co_return co_await output_.async_read_some(asio::buffer(into.data(), into.size()),
                                             asio::redirect_error(asio::use_awaitable, error));
}

Task<bool> ChildProcess::Write(std::span<const uint8_t> bytes) {
  boost::system::error_code error;
  co_await asio::async_write(input_, asio::buffer(bytes.data(), bytes.size()),
                             asio::redirect_error(asio::use_awaitable, error));
  co_return !error;
}

void ChildProcess::CloseInput() {
  boost::system::error_code ignored;
  input_.close(ignored);
}

void ChildProcess::Kill() {
  if (pid_ > 0) kill(pid_, SIGKILL);
}

Task<void> ChildProcess::ReadErrors(std::shared_ptr<ChildProcess> self) {
  std::array<char, 4096> chunk{};
  for (;;) {
    boost::system::error_code error;
    const size_t size = co_await self->complaints_.async_read_some(
        asio::buffer(chunk), asio::redirect_error(asio::use_awaitable, error));
    if (error) break;
    self->errors_.append(chunk.data(), size);
    if (self->errors_.size() > kMaxErrors) {
      self->errors_.erase(0, self->errors_.size() - kMaxErrors);
    }
  }
  self->errors_ended_ = true;
}

Task<std::string> ChildProcess::Wait() {
  constexpr std::chrono::milliseconds kStep{10};
  constexpr int kSteps = 200;
  int status = 0;
  for (int step = 0; pid_ > 0; ++step) {
    const pid_t ended = waitpid(pid_, &status, WNOHANG);
    if (ended != 0) break;
    if (step == kSteps) Kill();
    co_await Delay(kStep);
  }
  pid_ = -1;
  for (int step = 0; !errors_ended_ && step < kSteps; ++step) co_await Delay(kStep);
  if (WIFSIGNALED(status)) {
    co_return "signal " + std::to_string(WTERMSIG(status)) + " (" + strsignal(WTERMSIG(status)) +
        ")";
  }
  if (WEXITSTATUS(status) != 0) co_return "exit code " + std::to_string(WEXITSTATUS(status));
  co_return "";
}

}  // namespace sluice::controller::broadcast
