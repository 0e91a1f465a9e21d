// `sluice` and its media worker as processes: a worker that cannot start, that goes, or that is
// stopped; and the limits of strangers as they are answered.
#include <catch2/catch.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "common/fd.h"
#include "controller/worker/liveness.h"
#include "tests/integration/child_process.h"
#include "tests/integration/controller_program.h"
#include "tests/integration/process_state.h"
#include "tests/unit/controller/ops/metrics_text.h"

namespace sluice {
namespace {

namespace fs = std::filesystem;

/// A program that stands in for the worker, in a folder of its own. It says that it is one.
class WorkerScript {
 public:
  explicit WorkerScript(const std::string& body) {
    std::string pattern = (fs::temp_directory_path() / "sluice-worker-XXXXXX").string();
    REQUIRE(mkdtemp(pattern.data()) != nullptr);
    folder_ = pattern;
    std::ofstream(program()) << "#!/bin/sh\n"
                             << "[ \"$1\" = --version ] && echo sluice-worker 1 && exit 0\n"
                             << body;
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

TEST_CASE("who ends the controller and its worker at once, as Ctrl-C does, is told of no death") {
  Listened listened({});
  const pid_t worker = listened.controller.AwaitWorker();
  REQUIRE(kill(worker, SIGINT) == 0);
  listened.controller.process().Signal(SIGINT);
  CHECK(listened.controller.process().Wait() == 0);
  const std::string output = listened.ReadOutput();
  CHECK(Count(output, "died") == 0);
  CHECK(Count(output, "worker 0 ready") == 1);
  CHECK_THAT(output, Catch::Contains("worker 0 ended: exit code 0"));
}

TEST_CASE("a worker that somebody else ends did not die: it is started again") {
  Listened listened({});
  const pid_t worker = listened.controller.AwaitWorker();
  REQUIRE(kill(worker, SIGTERM) == 0);
  REQUIRE(Eventually([&] { return HasEnded(worker); }));
  CHECK(listened.controller.AwaitWorker() != worker);
  listened.controller.process().Signal(SIGTERM);
  CHECK(listened.controller.process().Wait() == 0);
  const std::string output = listened.ReadOutput();
  CHECK(Count(output, "died") == 0);
  CHECK_THAT(output, Catch::Contains("was ended by somebody else: it is started again"));
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

/// The value of a member of an answer in JSON, up to the end of a text or a number.
std::string Member(const std::string& answer, const std::string& name) {
  const std::string start = "\"" + name + "\":";
  size_t at = answer.find(start);
  INFO(answer);
  REQUIRE(at != std::string::npos);
  at += start.size();
  if (answer[at] == '"') ++at;
  return answer.substr(at, answer.find_first_of("\",}", at) - at);
}

/// Audio from one program to another over plain transports of two broadcasters of room "a".
class PlainCall {
 public:
  explicit PlainCall(const Controller& controller) : controller_(controller) {
    for (const Fd* socket : {&from_, &to_}) {
      const sockaddr_in any = Loopback(0);
      REQUIRE(bind(socket->get(), reinterpret_cast<const sockaddr*>(&any), sizeof(any)) == 0);
    }
    sockaddr_in bound{};
    socklen_t size = sizeof(bound);
    REQUIRE(getsockname(to_.get(), reinterpret_cast<sockaddr*>(&bound), &size) == 0);
    const uint16_t port = ntohs(bound.sin_port);
    const std::string sends = Add("sends", R"("comedia":true)");
    const std::string producer = Member(
        Post("/sends/transports/" + Member(sends, "id") + "/producers",
             R"({"kind":"audio","rtpParameters":{"codecs":[{"mimeType":"audio/opus",)"
             R"("payloadType":100,"clockRate":48000,"channels":2}],"encodings":[{"ssrc":1}]}})"),
        "id");
    const std::string takes =
        "/takes/transports/" + Member(Add("takes", R"("comedia":false)"), "id");
    Post(takes + "/connect", R"({"ip":"127.0.0.1","port":)" + std::to_string(port) + "}");
    Post(takes + "/consume?producerId=" + producer, "{}");
    const sockaddr_in worker = Loopback(static_cast<uint16_t>(std::stoi(Member(sends, "port"))));
    REQUIRE(connect(from_.get(), reinterpret_cast<const sockaddr*>(&worker), sizeof(worker)) == 0);
  }

  /// Sends a packet every 20 ms until one has come; false when none does.
  bool Pass() {
    const auto give_up = Clock::now() + milliseconds(kTimeoutMs);
    while (Clock::now() < give_up) {
      ++sequence_;
      const std::array<uint8_t, 15> packet = {0x80,
                                              100,
                                              static_cast<uint8_t>(sequence_ >> 8),
                                              static_cast<uint8_t>(sequence_),
                                              0,
                                              0,
                                              static_cast<uint8_t>(sequence_),
                                              0,
                                              0,
                                              0,
                                              0,
                                              1,
                                              'a',
                                              'b',
                                              'c'};
      (void)send(from_.get(), packet.data(), packet.size(), 0);
      std::this_thread::sleep_for(milliseconds(20));
      bool came = false;
      std::array<uint8_t, 1500> received{};
      while (recv(to_.get(), received.data(), received.size(), MSG_DONTWAIT) > 0) {
        came = came || (received[1] & 0x7f) == 100;  // no RTCP
      }
      if (came) return true;
    }
    return false;
  }
  bool PassFor(milliseconds time) {
    const auto end = Clock::now() + time;
    while (Clock::now() < end) {
      if (!Pass()) return false;
    }
    return true;
  }

 private:
  std::string Post(const std::string& route, const std::string& body) {
    std::string answer = controller_.Ask("POST", "/rooms/a/broadcasters" + route, "", body);
    INFO(answer);
    REQUIRE_THAT(answer, Catch::StartsWith("HTTP/1.1 200"));
    return answer.substr(answer.find("\r\n\r\n"));
  }
  /// A broadcaster with a transport, which is answered.
  std::string Add(const std::string& id, const std::string& transport) {
    Post("", R"({"id":")" + id +
                 R"(","displayName":"B","device":{"name":"x"},"rtpCapabilities":)"
                 R"({"codecs":[{"kind":"audio","mimeType":"audio/opus","preferredPayloadType":100,)"
                 R"("clockRate":48000,"channels":2}],"headerExtensions":[]}})");
    return Post("/" + id + "/transports", R"({"type":"plain","rtcpMux":true,)" + transport + "}");
  }

  const Controller& controller_;
  const Fd from_{socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  const Fd to_{socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  uint16_t sequence_ = 0;
};

TEST_CASE("a controller that stands still for a while takes no worker with it, and media goes on") {
  // More than a worker may be silent, had the controller been there to hear it.
  constexpr milliseconds kStall{1'000 * (controller::LivenessProbe::kMaxUnanswered + 2)};
  Controller controller(Nowhere());
  const pid_t worker = controller.AwaitWorker();
  PlainCall call(controller);
  REQUIRE(call.Pass());
  controller.process().Signal(SIGSTOP);
  REQUIRE(Eventually([&] { return StateAndParent(controller.process().pid()).first == "T"; }));
  CHECK(call.PassFor(kStall));
  controller.process().Signal(SIGCONT);
  // It had time to find out, and to end a worker that it gives up.
  CHECK(call.PassFor(kStall));
  CHECK(ChildrenOf(controller.process().pid()) == std::vector<pid_t>{worker});
  const std::string metrics = controller.Get("/metrics");
  CHECK_THAT(metrics, Catch::Contains("\nsluice_workers_died_total 0\n"));
  CHECK_THAT(metrics, Catch::Contains("\nsluice_workers_unresponsive_total 0\n"));
  CHECK_THAT(metrics, Catch::Contains("\nsluice_room_broadcasters 2\n"));
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

TEST_CASE("what one transport of a worker takes is an option, and what it refuses is counted") {
  Controller controller(Nowhere(), {"--maxProducersPerTransport=1"});
  controller.AwaitWorker();
  const std::string all = "/rooms/a/broadcasters";
  CHECK_THAT(controller.Ask("POST", all, "", kBroadcaster), Catch::StartsWith("HTTP/1.1 200"));
  const std::string made = controller.Ask("POST", all + "/b/transports", "", R"({"type":"plain"})");
  REQUIRE_THAT(made, Catch::StartsWith("HTTP/1.1 200"));
  const size_t id = made.find("\"id\":\"") + 6;
  const std::string transport = made.substr(id, made.find('"', id) - id);
  const auto produce = [&](int ssrc) {
    return controller.Ask(
        "POST", all + "/b/transports/" + transport + "/producers", "",
        R"({"kind":"audio","rtpParameters":{"codecs":[{"mimeType":"audio/opus","payloadType":100,)"
        R"("clockRate":48000,"channels":2}],"encodings":[{"ssrc":)" +
            std::to_string(ssrc) + "}]}}");
  };
  CHECK_THAT(produce(1), Catch::StartsWith("HTTP/1.1 200"));
  const std::string refused = produce(2);
  CHECK_THAT(refused, Catch::StartsWith("HTTP/1.1 500"));
  CHECK_THAT(refused, Catch::Contains("(maxProducersPerTransport)"));
  CHECK_THAT(controller.Get("/metrics"),
             Catch::Contains("sluice_worker_transport_objects_refused_total{worker=\"0\",limit="
                             "\"max_producers_per_transport\"} 1\n"));
}

TEST_CASE("two controllers: a room of one name is a room of each, and a port is the first one's") {
  Controller first(Nowhere());
  const pid_t worker = first.AwaitWorker();
  const std::string all = "/rooms/shared/broadcasters";
  CHECK_THAT(first.Ask("POST", all, "", kBroadcaster), Catch::StartsWith("HTTP/1.1 200"));
  {
    // Nothing is shared between processes, so nothing can be claimed: it is another room.
    Controller second(Nowhere());
    CHECK(second.AwaitWorker() != worker);
    CHECK_THAT(second.Ask("POST", all, "", kBroadcaster), Catch::StartsWith("HTTP/1.1 200"));
    CHECK_THAT(second.Ask("DELETE", all + "/b"), Catch::StartsWith("HTTP/1.1 200"));
  }
  // The end of one takes nothing of the other.
  CHECK(ChildrenOf(first.process().pid()) == std::vector<pid_t>{worker});
  CHECK_THAT(first.Ask("POST", all, "", kBroadcaster), Catch::Contains("already exists"));

  // A port for HTTP that is taken is named, and who has no other ends.
  Listened third({"--plainListenPort=" + std::to_string(first.port())});
  CHECK(third.controller.process().Wait() == 2);
  CHECK_THAT(third.controller.process().errors,
             Catch::Contains("port " + std::to_string(first.port())));
  CHECK_THAT(first.Get("/readyz"), Catch::StartsWith("HTTP/1.1 200"));
}

TEST_CASE("two controllers: a port for media that is taken stays the first one's") {
  uint16_t port = 0;
  REQUIRE(CanBind(SOCK_DGRAM, 0, &port));
  const std::string option = "--rtcPort=" + std::to_string(port);
  Controller first(Nowhere(), {option});
  const pid_t worker = first.AwaitWorker();
  Listened second({option});
  second.controller.AwaitWorker();  // with ports of the range
  CHECK_FALSE(CanBind(SOCK_DGRAM, port));
  second.controller.process().Signal(SIGTERM);
  CHECK(second.controller.process().Wait() == 0);
  CHECK_THAT(second.ReadOutput(),
             Catch::Contains("cannot listen on RTC port " + std::to_string(port)));
  CHECK(ChildrenOf(first.process().pid()) == std::vector<pid_t>{worker});
  CHECK_FALSE(CanBind(SOCK_DGRAM, port));
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
