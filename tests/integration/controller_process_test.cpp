// `sluice` as a process: what has to hold whatever its surroundings do.
#include <catch2/catch.hpp>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <string>
#include <thread>
#include <vector>

#include "common/fd.h"
#include "tests/integration/child_process.h"

namespace sluice {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

/// A TCP port that nobody listens on.
uint16_t FreePort() {
  const Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof(address);
  REQUIRE(bind(socket.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
  REQUIRE(getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
  return ntohs(address.sin_port);
}

/// The controller with one worker on ports of its own.
class Controller {
 public:
  explicit Controller(int output)
      : port_(FreePort()),
        process_({SLUICE_BIN, "--listenPort=0", "--plainListenPort=" + std::to_string(port_),
                  "--numWorkers=1", "--rtcIp=127.0.0.1", "--rtcPort=0"},
                 [output] { dup2(output, 1); }) {}

  /// The answer to a request, once the controller listens; "" when it does not in time.
  std::string Get(const std::string& path) const {
    const auto give_up = Clock::now() + milliseconds(kTimeoutMs);
    while (Clock::now() < give_up) {
      const Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      const sockaddr_in address = Loopback(port_);
      if (connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) !=
          0) {
        std::this_thread::sleep_for(milliseconds(20));
        continue;
      }
      const std::string request = "GET " + path +
                                  " HTTP/1.1\r\nHost: localhost:" + std::to_string(port_) +
                                  "\r\nConnection: close\r\n\r\n";
      REQUIRE(send(socket.get(), request.data(), request.size(), MSG_NOSIGNAL) ==
              static_cast<ssize_t>(request.size()));
      return ReadBytes(socket.get(), 1'000'000);
    }
    return "";
  }

  ChildProcess& process() { return process_; }

 private:
  uint16_t port_;
  ChildProcess process_;
};

TEST_CASE("a controller whose output nobody reads serves, and ends when told to") {
  const FullPipe output;
  Controller controller(output.write.get());
  for (int i = 0; i < 50; ++i) {  // each room is a line of the log
    const std::string answer = controller.Get("/rooms/room-" + std::to_string(i));
    CHECK_THAT(answer, Catch::StartsWith("HTTP/1.1 200"));
  }
  controller.process().Signal(SIGTERM);
  CHECK(controller.process().Wait() == 0);
}

TEST_CASE("a controller says the last of what it has to say") {
  std::array<int, 2> ends{};
  REQUIRE(pipe2(ends.data(), O_CLOEXEC) == 0);
  const Fd read(ends[0]);
  Fd write(ends[1]);
  Controller controller(write.get());
  write = Fd();
  CHECK_THAT(controller.Get("/rooms/demo"), Catch::StartsWith("HTTP/1.1 200"));
  controller.process().Signal(SIGTERM);
  CHECK(controller.process().Wait() == 0);
  const std::string output = ReadBytes(read.get(), 1'000'000);
  CHECK_THAT(output, Catch::Contains("Sluice is running."));
  CHECK_THAT(output, Catch::Contains("room demo opened"));
  CHECK_THAT(output, Catch::Contains("signal 15"));
}

}  // namespace
}  // namespace sluice
