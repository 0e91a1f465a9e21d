#pragma once

#include <catch2/catch.hpp>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "common/fd.h"

namespace sluice {

inline constexpr int kTimeoutMs = 20'000;  // for a broken program: a passing test does not wait

/// Two ends of a stream; neither is inherited.
inline void MakePair(Fd* ours, Fd* theirs) {
  int pair[2];
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
  *ours = Fd(pair[0]);
  *theirs = Fd(pair[1]);
}

/// Up to `size` bytes; fewer at the end of the stream.
inline std::string ReadBytes(int fd, size_t size) {
  std::string bytes;
  while (bytes.size() < size) {
    pollfd ready{fd, POLLIN, 0};
    REQUIRE(poll(&ready, 1, kTimeoutMs) == 1);
    std::vector<char> part(size - bytes.size());
    const ssize_t got = read(fd, part.data(), part.size());
    if (got <= 0) break;
    bytes.append(part.data(), static_cast<size_t>(got));
  }
  return bytes;
}

/// A pipe that is full: whoever writes to it blocks.
struct FullPipe {
  FullPipe() {
    std::array<int, 2> ends{};
    REQUIRE(pipe2(ends.data(), O_CLOEXEC) == 0);
    read = Fd(ends[0]);
    write = Fd(ends[1]);
    fcntl(write.get(), F_SETFL, O_NONBLOCK);
    const std::string page(4'096, '.');
    while (::write(write.get(), page.data(), page.size()) > 0) {
    }
    fcntl(write.get(), F_SETFL, 0);
  }
  Fd read, write;
};

/// A program that a test runs. Killed and reaped when destroyed.
class ChildProcess {
 public:
  /// `in_child` sets up its descriptors from 3 on and its environment.
  ChildProcess(std::vector<std::string> command, const std::function<void()>& in_child) {
    Fd error_end;
    MakePair(&errors_, &error_end);
    std::vector<char*> arguments;
    for (std::string& argument : command) arguments.push_back(argument.data());
    arguments.push_back(nullptr);
    pid_ = fork();
    REQUIRE(pid_ >= 0);
    if (pid_ != 0) return;
    dup2(error_end.get(), 2);
    in_child();
    execv(arguments[0], arguments.data());
    _exit(127);
  }
  ~ChildProcess() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  /// For a descriptor that has to get a certain number: one that is out of the way of those.
  static int OutOfTheWay(const Fd& fd) { return fcntl(fd.get(), F_DUPFD_CLOEXEC, 10); }

  pid_t pid() const { return pid_; }
  void Signal(int number) const { REQUIRE(kill(pid_, number) == 0); }
  /// Exit code; −1 when it was killed by a signal.
  int Wait() {
    errors = ReadBytes(errors_.get(), 100'000);  // ends when the process does
    int status = 0;
    REQUIRE(waitpid(pid_, &status, 0) == pid_);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  std::string errors;  ///< stderr, after Wait()

 private:
  pid_t pid_ = -1;
  Fd errors_;
};

/// Number of lines in `text`.
inline size_t Lines(const std::string& text) {
  return static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
}

}  // namespace sluice
