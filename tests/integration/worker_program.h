#pragma once

#include <catch2/catch.hpp>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "worker/io/fd.h"

namespace sluice {

inline constexpr int kTimeoutMs = 20'000;  // for a broken program: a passing test does not wait

/// A worker and our ends of its descriptors. Killed and reaped when destroyed.
class Worker {
 public:
  enum class Pipes { kBoth, kRequestsOnly };

  explicit Worker(const std::vector<std::string>& options = {}, Pipes pipes = Pipes::kBoth) {
    Fd request_end, response_end, error_end;
    MakePair(SOCK_STREAM, &requests, &request_end);
    MakePair(SOCK_STREAM, &responses, &response_end);
    MakePair(SOCK_STREAM, &errors_, &error_end);
    std::vector<std::string> text = {SLUICE_WORKER_BIN};
    text.insert(text.end(), options.begin(), options.end());
    std::vector<char*> arguments;
    for (std::string& argument : text) arguments.push_back(argument.data());
    arguments.push_back(nullptr);
    pid_ = fork();
    REQUIRE(pid_ >= 0);
    if (pid_ != 0) return;
    // In the child. First out of the way of the numbers that the ends are to have.
    const int request = fcntl(request_end.get(), F_DUPFD_CLOEXEC, 10);
    const int response = fcntl(response_end.get(), F_DUPFD_CLOEXEC, 10);
    dup2(error_end.get(), 2);
    dup2(request, 3);
    close(4);
    if (pipes == Pipes::kBoth) dup2(response, 4);
    unsetenv("MEDIASOUP_VERSION");
    execv(arguments[0], arguments.data());
    _exit(127);
  }
  ~Worker() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }

  /// The next frame without its length; "" at the end of the stream.
  std::string ReadFrame() {
    uint32_t size = 0;
    const std::string header = Read(responses.get(), sizeof(size));
    if (header.size() < sizeof(size)) return "";
    std::memcpy(&size, header.data(), sizeof(size));
    return Read(responses.get(), size);
  }
  void Send(std::span<const uint8_t> bytes) const {
    while (!bytes.empty()) {
      const ssize_t sent = write(requests.get(), bytes.data(), bytes.size());
      REQUIRE(sent > 0);
      bytes = bytes.subspan(static_cast<size_t>(sent));
    }
  }
  void AwaitReady() { CHECK_THAT(ReadFrame(), Catch::Contains(std::to_string(pid_))); }
  void Signal(int number) const { REQUIRE(kill(pid_, number) == 0); }
  /// Exit code; −1 when it was killed by a signal.
  int Wait() {
    errors = Read(errors_.get(), 100'000);  // ends when the process does
    int status = 0;
    REQUIRE(waitpid(pid_, &status, 0) == pid_);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  pid_t pid() const { return pid_; }

  Fd requests, responses;
  std::string errors;  ///< stderr, after Wait()

 private:
  static void MakePair(int type, Fd* ours, Fd* theirs) {
    int pair[2];
    REQUIRE(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair) == 0);
    *ours = Fd(pair[0]);
    *theirs = Fd(pair[1]);
  }
  static std::string Read(int fd, size_t size) {
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

  pid_t pid_ = -1;
  Fd errors_;
};

/// Number of lines in `text`.
inline size_t Lines(const std::string& text) {
  return static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
}

}  // namespace sluice
