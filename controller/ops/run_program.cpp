#include "controller/ops/run_program.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <string_view>
#include <utility>

#include "common/fd.h"
#include "controller/base/delay.h"
#include "controller/base/spawn.h"

namespace sluice::controller {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds kStep{10};
constexpr int kMaxSteps = 500;
constexpr size_t kMaxOutput = 64 * 1024;  // bytes

/// A started program, ended with its owner.
class Child {
 public:
  explicit Child(pid_t pid) : pid_(pid) {}
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (ended_) return;
    kill(pid_, SIGKILL);
    int status = 0;
    waitpid(pid_, &status, 0);  // immediate: SIGKILL cannot be put off
  }
  bool Ended(int* status) {
    const pid_t result = waitpid(pid_, status, WNOHANG);
    ended_ = result != 0;
    return ended_;
  }

 private:
  pid_t pid_;
  bool ended_ = false;
};

/// Appends what can be read now.
void ReadAvailable(int fd, std::string* output) {
  std::array<char, 4096> chunk{};
  for (;;) {
    const ssize_t size = read(fd, chunk.data(), chunk.size());
    if (size <= 0) return;
    if (output->size() < kMaxOutput) output->append(chunk.data(), static_cast<size_t>(size));
  }
}

}  // namespace

Task<Result<std::string>> RunProgram(std::vector<std::string> command) {
  const std::string& name = command.front();
  std::array<int, 2> fds{};
  // Only our end does not wait: a program that finds its output full is to wait for us.
  if (pipe2(fds.data(), O_CLOEXEC) != 0 || fcntl(fds[0], F_SETFL, O_NONBLOCK) != 0) {
    co_return Error("cannot run " + name + ": " + std::strerror(errno));
  }
  const Fd ours(fds[0]);
  Fd theirs(fds[1]);
  pid_t pid = 0;
  const int error =
      SpawnProgram(command, {-1, theirs.get(), theirs.get()}, ProgramGroup::kOurs, &pid);
  theirs = Fd();
  if (error == ENOENT) co_return UnsupportedError("there is no program " + name);
  if (error != 0) co_return Error("cannot run " + name + ": " + std::strerror(error));
  Child child(pid);
  std::string output;
  int status = 0;
  for (int step = 0;; ++step) {
    const bool ended = child.Ended(&status);
    ReadAvailable(ours.get(), &output);
    if (ended) break;
    if (step == kMaxSteps) co_return Error(name + " does not end");
    co_await Delay(kStep);
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) co_return output;
  const std::string first = output.substr(0, output.find('\n'));
  co_return Error(name + ": " + (first.empty() ? "it failed without a word" : first));
}

}  // namespace sluice::controller
