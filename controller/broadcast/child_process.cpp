#include "controller/broadcast/child_process.h"

#include <fcntl.h>
#include <signal.h>
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
#include "controller/base/spawn.h"

namespace sluice::controller::broadcast {

namespace {

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
  const ProgramEnds ends{with_input ? input->read.get() : -1, output->write.get(),
                         errors->write.get()};
  std::shared_ptr<ChildProcess> child(new ChildProcess(executor));
  const int error = SpawnProgram(command, ends, ProgramGroup::kOwn, &child->pid_);
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
