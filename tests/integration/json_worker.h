#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/integration/child_process.h"

namespace sluice::worker {

inline constexpr size_t kReaderBuffer = 65'543;  // bytes: what the Node library can hold

/// A worker started as the Node library does it, and our end of its socket.
class JsonWorker {
 public:
  explicit JsonWorker(std::vector<std::string> arguments = {}, bool with_channel = true) {
    Fd channel_end;
    MakePair(&channel, &channel_end);
    arguments.insert(arguments.begin(), SLUICE_WORKER_BIN);
    process_ = std::make_unique<ChildProcess>(std::move(arguments), [&] {
      dup2(ChildProcess::OutOfTheWay(channel_end), 3);
      close(4);
      if (with_channel) {
        setenv("MEDIASOUP_CHANNEL_FD", "3", 1);
      } else {
        unsetenv("MEDIASOUP_CHANNEL_FD");
      }
    });
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
  void Signal(int number) const { process_->Signal(number); }
  int Wait() { return process_->Wait(); }
  const std::string& errors() const { return process_->errors; }
  pid_t pid() const { return process_->pid(); }

  Fd channel;

 private:
  std::unique_ptr<ChildProcess> process_;
  std::string buffer_;
};

}  // namespace sluice::worker
