// `sluice` and its media worker as processes: a worker that cannot start, that goes, or that is
// stopped; and the limits of strangers as they are answered.
#include <catch2/catch.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>

#include "common/fd.h"
#include "tests/integration/child_process.h"
#include "tests/integration/controller_program.h"
#include "tests/integration/process_state.h"
#include "tests/unit/controller/ops/metrics_text.h"

namespace sluice {
namespace {

namespace fs = std::filesystem;

/// A program that stands in for the worker, in a folder of its own.
class WorkerScript {
 public:
  explicit WorkerScript(const std::string& body) {
    std::string pattern = (fs::temp_directory_path() / "sluice-worker-XXXXXX").string();
    REQUIRE(mkdtemp(pattern.data()) != nullptr);
    folder_ = pattern;
    std::ofstream(program()) << "#!/bin/sh\n" << body;
    REQUIRE(chmod(program().c_str(), S_IRWXU) == 0);
  }
  ~WorkerScript() { fs::remove_all(folder_); }
  WorkerScript(const WorkerScript&) = delete;
  WorkerScript& operator=(const WorkerScript&) = delete;

  std::string program() const { return folder_ / "worker"; }
  std::string option() const { return "--workerBin=" + program(); }
  fs::path folder() const { return folder_; }

 private:
  fs::path folder_;
};

/// A controller whose output is read when it has ended.
struct Listened {
  explicit Listened(const std::vector<std::string>& options) : Listened(options, MakeEnds()) {}

  std::string ReadOutput() const { return ReadBytes(read.get(), 1'000'000); }

  Fd read;
  Controller controller;

 private:
  struct Ends {
    Fd read, write;
  };
  static Ends MakeEnds() {
    Ends ends;
    MakePair(&ends.read, &ends.write);
    return ends;
  }
  Listened(const std::vector<std::string>& options, Ends ends)
      : read(std::move(ends.read)), controller(ends.write.get(), options) {}
};

/// Takes what nobody wants to read.
int Nowhere() {
  static const Fd null(open("/dev/null", O_WRONLY | O_CLOEXEC));
  return null.get();
}

size_t Count(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

const std::string kBroadcaster = R"({"id":"b","displayName":"B","device":{"name":"x"}})";

TEST_CASE("a worker that never gets ready: 503 with Retry-After after two seconds") {
  const WorkerScript silent("exec cat <&3 >/dev/null\n");
  Controller controller(Nowhere(), {silent.option()});
  CHECK_THAT(controller.Get("/readyz"), Catch::StartsWith("HTTP/1.1 503"));
  const auto asked = Clock::now();
  const std::string answer = controller.Get("/rooms/demo");
  const auto waited = Clock::now() - asked;
  CHECK_THAT(answer, Catch::StartsWith("HTTP/1.1 503"));
  CHECK_THAT(answer, Catch::Contains("\r\nRetry-After: 2\r\n"));
  CHECK_THAT(answer, Catch::Contains("no media worker is running"));
  CHECK(waited >= milliseconds(1'900));
  CHECK(waited < milliseconds(kTimeoutMs / 2));
  // The other door says the same.
  const std::string upgrade = controller.Ask(
      "GET", "/?roomId=demo&peerId=p",
      "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
      "Sec-WebSocket-Protocol: protoo\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n");
  CHECK_THAT(upgrade, Catch::StartsWith("HTTP/1.1 503"));
  CHECK_THAT(upgrade, Catch::Contains("\r\nRetry-After: 2\r\n"));
}

TEST_CASE("a worker program that can never start ends the controller in its own words") {
  const WorkerScript broken("echo 'no luck today' >&2\nexit 7\n");
  Listened listened({broken.option()});
  CHECK(listened.controller.process().Wait() == 1);
  const std::string output = listened.ReadOutput();
  CHECK(Count(output, "died: exit code 7") == 5);
  CHECK_THAT(output, Catch::Contains("no worker can be started, 5 attempts in a row failed: exit "
                                     "code 7: no luck today"));
}

TEST_CASE("a worker that cannot start again is tried ever more slowly, and comes back") {
  const WorkerScript fickle(
      "here=$(dirname \"$0\")\nif [ -e \"$here/broken\" ]; then\n"
      "  echo x >>\"$here/attempts\"\n  exit 7\nfi\nexec " +
      std::string(SLUICE_WORKER_BIN) + " \"$@\"\n");
  Controller controller(Nowhere(), {fickle.option()});
  const pid_t worker = controller.AwaitWorker();
  const fs::path broken = fickle.folder() / "broken";
  const fs::path attempts = fickle.folder() / "attempts";
  std::ofstream(broken) << "";
  REQUIRE(kill(worker, SIGKILL) == 0);
  REQUIRE(Eventually([&] { return controller.Get("/readyz").starts_with("HTTP/1.1 503"); }));
  // More than would end a controller that has only just started: 50 ms, then twice as long each.
  std::vector<Clock::time_point> seen;
  REQUIRE(Eventually([&] {
    std::error_code error;
    const uintmax_t size = fs::file_size(attempts, error);
    if (!error && size / 2 > seen.size()) seen.push_back(Clock::now());
    return seen.size() == 7;
  }));
  // The sixth and the seventh are 1.6 s apart; reading them late makes it less.
  CHECK(seen[6] - seen[5] > milliseconds(1'200));
  CHECK_THAT(controller.Get("/readyz"), Catch::StartsWith("HTTP/1.1 503"));
  CHECK_THAT(controller.Get("/metrics"), Catch::Contains("\nsluice_workers_died_total 1\n"));
  fs::remove(broken);
  controller.AwaitWorker();
  CHECK_THAT(controller.Get("/rooms/demo"), Catch::StartsWith("HTTP/1.1 200"));
}

TEST_CASE("a worker that is stopped does not outlive its controller") {
  const uint16_t rtc_port = FreePort();
  Controller controller(Nowhere(), {"--rtcPort=" + std::to_string(rtc_port)});
  const pid_t worker = controller.AwaitWorker();
  REQUIRE_FALSE(CanBind(SOCK_DGRAM, rtc_port));
  REQUIRE(kill(worker, SIGSTOP) == 0);
  REQUIRE(Eventually([&] { return StateAndParent(worker).first == "T"; }));
  SECTION("told to end") {
    controller.process().Signal(SIGTERM);
    CHECK(controller.process().Wait() == 0);
  }
  SECTION("killed") {
    controller.process().Signal(SIGKILL);
    CHECK(controller.process().Wait() == -1);
  }
  CHECK(Eventually([&] { return HasEnded(worker); }));
  CHECK(Eventually([&] { return CanBind(SOCK_DGRAM, rtc_port); }));
}

TEST_CASE("the page of /metrics is strict Prometheus text, with a worker that is stopped, too") {
  using controller::test::MetricsText;
  Controller controller(Nowhere(), {"--numWorkers=2"});
  REQUIRE(Eventually([&] {
    return controller.Get("/metrics").find("\nsluice_workers_ready 2\n") != std::string::npos;
  }));
  CHECK_THAT(controller.Get("/rooms/demo"), Catch::StartsWith("HTTP/1.1 200"));
  const auto read = [&] {
    const std::string answer = controller.Get("/metrics");
    REQUIRE_THAT(answer, Catch::StartsWith("HTTP/1.1 200"));
    return MetricsText(answer.substr(answer.find("\r\n\r\n") + 4));
  };
  const MetricsText all = read();
  CHECK(all.errors == std::vector<std::string>{});
  CHECK(all.types.size() > 100);
  CHECK(all.samples.at("sluice_worker_answered{worker=\"0\"}") == 1);
  CHECK(all.samples.at("sluice_worker_answered{worker=\"1\"}") == 1);

  const pid_t worker = ChildrenOf(controller.process().pid()).front();
  REQUIRE(kill(worker, SIGSTOP) == 0);
  REQUIRE(Eventually([&] { return StateAndParent(worker).first == "T"; }));
  const auto asked = Clock::now();
  const MetricsText some = read();
  CHECK(Clock::now() - asked < milliseconds(3'000));  // before the worker is given up
  CHECK(some.errors == std::vector<std::string>{});
  CHECK(some.samples.at("sluice_worker_answered{worker=\"0\"}") +
            some.samples.at("sluice_worker_answered{worker=\"1\"}") ==
        1);
}

TEST_CASE("what one address may have of rooms is answered with 503 and the limit's name") {
  Controller controller(Nowhere(), {"--maxRoomsPerIp=1"});
  controller.AwaitWorker();
  CHECK_THAT(controller.Ask("POST", "/rooms/a/broadcasters", "", kBroadcaster),
             Catch::StartsWith("HTTP/1.1 200"));
  const std::string refused = controller.Get("/rooms/b");
  CHECK_THAT(refused, Catch::StartsWith("HTTP/1.1 503"));
  CHECK_THAT(refused, Catch::Contains("\r\nRetry-After: 2\r\n"));
  CHECK_THAT(refused, Catch::Contains("maxRoomsPerIp"));
  CHECK_THAT(controller.Get("/metrics"),
             Catch::Contains("sluice_rooms_refused_total{limit=\"max_rooms_per_ip\"} 1\n"));
}

TEST_CASE("one address cannot take all ports of the plain range") {
  Controller controller(Nowhere(), {"--maxTransportsPerIp=20", "--trustedProxies=127.0.0.1"});
  controller.AwaitWorker();
  const std::string greedy = "X-Forwarded-For: 198.51.100.1\r\n";
  const std::string honest = "X-Forwarded-For: 198.51.100.2\r\n";
  const auto transport = [&](const std::string& who, const std::string& broadcaster) {
    return controller.Ask("POST", "/rooms/a/broadcasters/" + broadcaster + "/transports", who,
                          R"({"type":"plain","comedia":true,"rtcpMux":false})");
  };
  size_t made = 0;
  size_t refused = 0;
  for (int broadcaster = 0; broadcaster < 4; ++broadcaster) {
    const std::string id = "b" + std::to_string(broadcaster);
    const std::string body = R"({"id":")" + id + R"(","displayName":"B","device":{"name":"x"}})";
    CHECK_THAT(controller.Ask("POST", "/rooms/a/broadcasters", greedy, body),
               Catch::StartsWith("HTTP/1.1 200"));
    for (int i = 0; i < 17; ++i) {
      const std::string answer = transport(greedy, id);
      made += answer.starts_with("HTTP/1.1 200") ? 1 : 0;
      refused += answer.starts_with("HTTP/1.1 503") ? 1 : 0;
    }
  }
  CHECK(made == 20);
  CHECK(refused == 4 * 17 - 20);
  CHECK_THAT(controller.Ask("POST", "/rooms/a/broadcasters", honest, kBroadcaster),
             Catch::StartsWith("HTTP/1.1 200"));
  CHECK_THAT(transport(honest, "b"), Catch::StartsWith("HTTP/1.1 200"));
  const std::string metrics = controller.Get("/metrics");
  CHECK_THAT(metrics, Catch::Contains("sluice_room_transports_refused_total{limit="
                                      "\"max_transports_per_broadcaster\"} 1\n"));
  CHECK_THAT(metrics, Catch::Contains("sluice_room_transports_refused_total{limit="
                                      "\"max_transports_per_ip\"} 47\n"));
}

TEST_CASE("a transport that nobody uses gives its ports back") {
  Controller controller(Nowhere(), {"--unusedTransportTimeout=1"});
  const pid_t worker = controller.AwaitWorker();
  const size_t before = OpenSockets(worker, "udp");
  CHECK_THAT(controller.Ask("POST", "/rooms/a/broadcasters", "", kBroadcaster),
             Catch::StartsWith("HTTP/1.1 200"));
  const std::string all = "/rooms/a/broadcasters/b/transports";
  CHECK_THAT(controller.Ask("POST", all, "", R"({"type":"plain","rtcpMux":false})"),
             Catch::StartsWith("HTTP/1.1 200"));
  CHECK_THAT(controller.Ask("POST", all, "", R"({"type":"webrtc"})"),
             Catch::StartsWith("HTTP/1.1 200"));
  CHECK(OpenSockets(worker, "udp") == before + 3);
  CHECK(Eventually([&] { return OpenSockets(worker, "udp") == before; }));
  CHECK_THAT(controller.Get("/metrics"),
             Catch::Contains("sluice_room_transports_closed_total{reason=\"unused\"} 2\n"));
}

TEST_CASE("behind a trusted proxy each client is who the proxy says, and its limits its own") {
  Controller controller(Nowhere(), {"--maxRoomsPerIp=1", "--trustedProxies=127.0.0.0/8"});
  controller.AwaitWorker();
  const std::string one = "X-Forwarded-For: 203.0.113.1, 198.51.100.1\r\n";
  const std::string two = "X-Forwarded-For: 198.51.100.1, 203.0.113.1\r\n";
  const std::string all = "/rooms/a/broadcasters";
  CHECK_THAT(controller.Ask("POST", all, one, kBroadcaster), Catch::StartsWith("HTTP/1.1 200"));
  CHECK_THAT(controller.Ask("GET", "/rooms/b", one), Catch::StartsWith("HTTP/1.1 503"));
  CHECK_THAT(controller.Ask("GET", "/rooms/b", two), Catch::StartsWith("HTTP/1.1 200"));
  CHECK_THAT(controller.Ask("DELETE", all + "/b", two), Catch::StartsWith("HTTP/1.1 403"));
  CHECK_THAT(controller.Ask("DELETE", all + "/b", one), Catch::StartsWith("HTTP/1.1 200"));
  // Supervision is for this machine, not for who is behind the proxy.
  CHECK_THAT(controller.Ask("GET", "/metrics", one), Catch::StartsWith("HTTP/1.1 404"));
  CHECK_THAT(controller.Get("/metrics"), Catch::StartsWith("HTTP/1.1 200"));
}

}  // namespace
}  // namespace sluice
