// `sluice` as a process: what has to hold whatever its surroundings do.
#include <catch2/catch.hpp>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

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

std::string FirstLineOf(const std::string& command) {
  const std::unique_ptr<FILE, int (*)(FILE*)> output(popen(command.c_str(), "r"), pclose);
  REQUIRE(output);
  std::array<char, 4'096> line{};
  REQUIRE(fgets(line.data(), line.size(), output.get()) != nullptr);
  std::string text(line.data());
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

/// What is in a memory file.
std::string TextOf(const Fd& file) {
  std::string text(size_t{1} << 20, '\0');
  text.resize(static_cast<size_t>(pread(file.get(), text.data(), text.size(), 0)));
  return text;
}

TEST_CASE("a controller with few descriptors takes what it may have, keeps a reserve and says so") {
  constexpr rlim_t kSoft = 256;
  constexpr rlim_t kHard = 1024;
  const Fd log(memfd_create("log", MFD_CLOEXEC));
  Controller controller(log.get(), {}, [] {
    const rlimit limit{kSoft, kHard};
    setrlimit(RLIMIT_NOFILE, &limit);
  });
  controller.AwaitWorker();
  rlimit now{};
  REQUIRE(prlimit(controller.process().pid(), RLIMIT_NOFILE, nullptr, &now) == 0);
  CHECK(now.rlim_cur == kHard);
  // 64 for itself and 16 for its worker.
  CHECK_THAT(TextOf(log), Catch::Contains("at most 944 connections instead of 10000 "
                                          "(maxConnections): 1024 descriptors (ulimit -n), of "
                                          "which 80 are kept for workers and files"));
}

TEST_CASE("limits of a worker are options of the controller, which passes them on") {
  const Fd output(open("/dev/null", O_WRONLY | O_CLOEXEC));
  const std::vector<std::string> limits = {"--maxProducersPerTransport=11",
                                           "--maxConsumersPerTransport=12",
                                           "--maxDataChannelsPerTransport=13",
                                           "--maxTcpConnections=14",
                                           "--maxTcpConnectionsPerIp=15",
                                           "--maxTcpStrangers=16",
                                           "--maxTcpStrangersPerIp=17",
                                           "--maxSendBacklog=65537",
                                           "--tcpCheckTimeout=18",
                                           "--tcpIdleTimeout=19"};
  Controller controller(output.get(), limits);
  const pid_t worker = controller.AwaitWorker();
  std::ifstream file("/proc/" + std::to_string(worker) + "/cmdline", std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  const std::string line = text.str();
  for (const std::string& limit : limits) {
    INFO(limit);
    CHECK(line.find(limit + '\0') != std::string::npos);
  }
}

TEST_CASE("neither the secret nor a token gets into the log, whatever door it comes to") {
  const std::string secret = "integration-secret-of-32-bytes-or-more";
  const std::string good =
      FirstLineOf("SLUICE_AUTH_SECRET=" + secret +
                  " " SLUICE_BIN " token --room demo --peer ann --publish --subscribe");
  REQUIRE(std::count(good.begin(), good.end(), '.') == 2);
  std::string forged = good;
  std::swap(forged[forged.size() - 2], forged[forged.size() - 3]);
  forged.insert(forged.size() - 4, "Zz");
  const Fd log(memfd_create("log", MFD_CLOEXEC));
  Controller controller(log.get(), {"--logLevel=debug", "--workerLogLevel=debug"},
                        [&] { setenv("SLUICE_AUTH_SECRET", secret.c_str(), 1); });
  controller.AwaitWorker();
  const std::string upgrade =
      "Connection: Upgrade, close\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
      "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";
  // None is let in over a WebSocket: of one the sub-protocol is missing, the other is another
  // peer's.
  for (const std::string& token : {good, forged}) {
    const std::string bearer = "Authorization: Bearer " + token + "\r\n";
    const bool known = token == good;
    const std::string expected = known ? "HTTP/1.1 200" : "HTTP/1.1 401";
    CHECK_THAT(controller.Ask("GET", "/rooms/demo", bearer), Catch::StartsWith(expected));
    CHECK_THAT(controller.Get("/rooms/demo?token=" + token), Catch::StartsWith(expected));
    controller.Ask("GET", "/rooms/" + token, bearer);
    controller.Ask("GET", "/?roomId=demo&peerId=ann&token=" + token, upgrade);
    controller.Ask("GET", "/sdp?roomId=demo&peerId=bob&token=" + token, upgrade);
    controller.Ask("POST", "/whip/demo", bearer, "v=0\r\n");
    controller.Ask("POST", "/whip/demo?token=" + token, "", "v=0\r\n");
    controller.Ask("GET", "/api/v1/rooms", bearer);
  }
  controller.process().Signal(SIGTERM);
  CHECK(controller.process().Wait() == 0);
  const std::string text = TextOf(log);
  CHECK_THAT(text, Catch::Contains("room demo opened"));
  for (const std::string& hidden : {secret, good, forged}) {
    CHECK(text.find(hidden) == std::string::npos);
    // Nor a piece of a signature that one could guess the rest of.
    CHECK(text.find(hidden.substr(hidden.size() - 20)) == std::string::npos);
  }
}

}  // namespace
}  // namespace sluice
