#pragma once

#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tests/integration/child_process.h"

namespace sluice::worker {

/// A worker of the router protocol and our ends of its descriptors.
class Worker {
 public:
  enum class Pipes { kBoth, kRequestsOnly };

  /// `errors` becomes its stderr, unless negative.
  explicit Worker(const std::vector<std::string>& options = {}, Pipes pipes = Pipes::kBoth,
                  int errors = -1) {
    Fd request_end, response_end;
    MakePair(&requests, &request_end);
    MakePair(&responses, &response_end);
    std::vector<std::string> command = {SLUICE_WORKER_BIN};
    command.insert(command.end(), options.begin(), options.end());
    process_ = std::make_unique<ChildProcess>(std::move(command), [&] {
      const int request = ChildProcess::OutOfTheWay(request_end);
      const int response = ChildProcess::OutOfTheWay(response_end);
      if (errors >= 0) dup2(errors, 2);
      dup2(request, 3);
      close(4);
      if (pipes == Pipes::kBoth) dup2(response, 4);
      unsetenv("MEDIASOUP_VERSION");
    });
  }

  /// The next frame without its length; "" at the end of the stream.
  std::string ReadFrame() {
    uint32_t size = 0;
    const std::string header = ReadBytes(responses.get(), sizeof(size));
    if (header.size() < sizeof(size)) return "";
    std::memcpy(&size, header.data(), sizeof(size));
    return ReadBytes(responses.get(), size);
  }
  void Send(std::span<const uint8_t> bytes) const {
    while (!bytes.empty()) {
      const ssize_t sent = write(requests.get(), bytes.data(), bytes.size());
      REQUIRE(sent > 0);
      bytes = bytes.subspan(static_cast<size_t>(sent));
    }
  }
  void AwaitReady() { CHECK_THAT(ReadFrame(), Catch::Contains(std::to_string(pid()))); }
  void Signal(int number) const { process_->Signal(number); }
  int Wait() { return process_->Wait(); }
  const std::string& errors() const { return process_->errors; }
  pid_t pid() const { return process_->pid(); }

  Fd requests, responses;

 private:
  std::unique_ptr<ChildProcess> process_;
};

}  // namespace sluice::worker
