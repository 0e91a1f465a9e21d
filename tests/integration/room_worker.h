#pragma once

#include <catch2/catch.hpp>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <string>
#include <vector>

#include "tests/integration/worker_program.h"
#include "worker/io/fd.h"

namespace sluice {

inline constexpr size_t kReaderBuffer = 65'543;  // bytes: what the Node library can hold

/// A worker started as the Node library does it, and our end of its socket.
class RoomWorker {
 public:
  explicit RoomWorker(std::vector<std::string> arguments = {}, bool with_channel = true) {
    MakePair(&channel, &channel_end_);
    Fd error_end;
    MakePair(&errors_, &error_end);
    arguments.insert(arguments.begin(), SLUICE_WORKER_BIN);
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    pid_ = fork();
    REQUIRE(pid_ >= 0);
    if (pid_ != 0) {
      channel_end_ = Fd();
      return;
    }
    const int channel_fd = fcntl(channel_end_.get(), F_DUPFD_CLOEXEC, 10);
    dup2(error_end.get(), 2);
    dup2(channel_fd, 3);
    close(4);
    if (with_channel) {
      setenv("MEDIASOUP_CHANNEL_FD", "3", 1);
    } else {
      unsetenv("MEDIASOUP_CHANNEL_FD");
    }
    execv(argv[0], argv.data());
    _exit(127);
  }
  ~RoomWorker() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }

  static std::vector<std::string> Arguments(std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"nlljioeh#1", "--rtcIPv4=127.0.0.1", "--rtcIPv6=false"});
    return more;
  }

  static std::string Frame(const std::string& payload) {
    return std::to_string(payload.size()) + ":" + payload + ",";
  }
  void SendRaw(const std::string& bytes) const {
    REQUIRE(write(channel.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  }
  void Send(const std::string& payload) const { SendRaw(Frame(payload)); }
  /// Reads as the library does: 64 KiB at a time, and what does not fit into its buffer is lost.
  /// The next payload; "" at the end of the stream.
  std::string Read() {
    for (;;) {
      const size_t colon = buffer_.find(':');
      if (colon != std::string::npos) {
        const size_t end = colon + 1 + std::stoul(buffer_.substr(0, colon));
        if (end < buffer_.size()) {
          REQUIRE(buffer_[end] == ',');
          const std::string payload = buffer_.substr(colon + 1, end - colon - 1);
          buffer_.erase(0, end + 1);
          return payload;
        }
      }
      pollfd ready{channel.get(), POLLIN, 0};
      REQUIRE(poll(&ready, 1, kTimeoutMs) == 1);
      std::vector<char> part(65'536);
      const ssize_t got = read(channel.get(), part.data(), part.size());
      if (got <= 0) return "";
      buffer_.append(part.data(), static_cast<size_t>(got));
      REQUIRE(buffer_.size() <= kReaderBuffer);
    }
  }
  void Signal(int number) const { REQUIRE(kill(pid_, number) == 0); }
  int Wait() {
    std::vector<char> part(10'000);
    for (ssize_t got = 1; got > 0;) {  // ends when the process does
      got = read(errors_.get(), part.data(), part.size());
      if (got > 0) errors.append(part.data(), static_cast<size_t>(got));
    }
    int status = 0;
    REQUIRE(waitpid(pid_, &status, 0) == pid_);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  pid_t pid() const { return pid_; }

  Fd channel;
  std::string errors;  ///< stderr, after Wait()

 private:
  static void MakePair(Fd* ours, Fd* theirs) {
    int pair[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    *ours = Fd(pair[0]);
    *theirs = Fd(pair[1]);
  }

  pid_t pid_ = -1;
  Fd errors_;
  Fd channel_end_;
  std::string buffer_;
};

}  // namespace sluice
