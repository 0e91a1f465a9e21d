// `sluice` as a process: what has to hold whatever its surroundings do.
#include <catch2/catch.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include "common/fd.h"
#include "tests/integration/child_process.h"
#include "tests/integration/controller_program.h"

namespace sluice {
namespace {

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

std::string EnvironmentOf(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/environ", std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

TEST_CASE("the secret that signs tokens stands in no environment") {
  const Fd output(open("/dev/null", O_WRONLY | O_CLOEXEC));
  const std::string secret = "integration-secret-of-32-bytes-or-more";
  Controller controller(output.get(), {}, [&secret] {
    setenv("SLUICE_AUTH_SECRET", secret.c_str(), 1);
    setenv("SLUICE_WORKER_LOG_LEVEL", "warn", 1);
    setenv("KEPT_FOR_THE_WORKER", "yes", 1);
  });
  const pid_t worker = controller.AwaitWorker();
  const std::string of_worker = EnvironmentOf(worker);
  CHECK(of_worker.find("KEPT_FOR_THE_WORKER=yes") != std::string::npos);
  CHECK(of_worker.find(secret) == std::string::npos);
  CHECK(of_worker.find("SLUICE_AUTH_SECRET") == std::string::npos);
  CHECK(of_worker.find("SLUICE_WORKER_LOG_LEVEL") == std::string::npos);
  CHECK(EnvironmentOf(controller.process().pid()).find(secret) == std::string::npos);
  CHECK_THAT(controller.Get("/rooms/demo"), Catch::StartsWith("HTTP/1.1 401"));
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
