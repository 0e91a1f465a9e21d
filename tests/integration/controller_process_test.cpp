// `sluice` as a process: what has to hold whatever its surroundings do.
#include <catch2/catch.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <csignal>
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
