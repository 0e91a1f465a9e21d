// sluice-worker as a controller of the JSON protocol sees it: start, bursts, signals, exit
// (docs/json-protocol.md §3, §8).
#include <catch2/catch.hpp>

#include <string>
#include <thread>

#include "tests/integration/json_worker.h"
#include "tests/unit/dtls/certificate_files.h"

namespace sluice::worker {
namespace {

TEST_CASE("room worker: requests written before it reads are answered; a signal ends it in order") {
  const int number = GENERATE(SIGINT, SIGTERM);
  JsonWorker worker(JsonWorker::Arguments());
  worker.Send(R"({"id":1,"method":"worker.createRoom","internal":{"roomId":7}})");
  worker.Send(
      R"({"id":2,"method":"room.createPeer","internal":{"roomId":7,"peerId":8,"peerName":"a"}})");
  CHECK_THAT(worker.Read(), Catch::Contains(R"("id":1)"));
  CHECK(worker.Read() == R"({"accepted":true,"data":{},"id":2})");
  for (const int ignored : {SIGPIPE, SIGHUP, SIGALRM, SIGUSR1, SIGUSR2}) worker.Signal(ignored);
  worker.Signal(number);
  CHECK(worker.Read() == R"({"data":{"class":"Peer"},"event":"close","targetId":8})");
  CHECK(worker.Read() == R"({"data":{"class":"Room"},"event":"close","targetId":7})");
  CHECK(worker.Read().empty());
  CHECK(worker.Wait() == 0);
  CHECK(worker.errors().empty());
}

TEST_CASE("room worker: a large burst does not overflow the library's buffer") {
  JsonWorker worker(JsonWorker::Arguments());
  worker.Send(R"({"id":1,"method":"worker.createRoom","internal":{"roomId":7},"data":)"
              R"({"mediaCodecs":[{"kind":"video","name":"video/VP8","clockRate":90000}]}})");
  constexpr int kRequests = 500;  // about 600 bytes of response each
  for (int i = 0; i < kRequests; ++i) {
    worker.Send(R"({"id":)" + std::to_string(i + 2) +
                R"(,"method":"room.dump","internal":{"roomId":7}})");
  }
  usleep(100'000);  // a library that is busy: what the worker may write waits in the socket
  worker.Read();
  for (int i = 0; i < kRequests; ++i) {
    const std::string tail = R"("id":)" + std::to_string(i + 2) + "}";
    REQUIRE_THAT(worker.Read(), Catch::EndsWith(tail));
  }
}

/// Thousands of requests at once, whose answers are a hundred times as long.
struct Burst {
  const char* description;
  int peers;       // of the room that is dumped, each about 1 kB
  int requests;    // dumps
  size_t padding;  // bytes of each request
  int late_us;     // before the controller reads
};

TEST_CASE("room worker: thousands of requests at once are all answered, in their order") {
  const Burst burst = GENERATE(Burst{"it always reads", 44, 2000, 0, 0},
                               Burst{"it reads late", 44, 500, 0, 200'000},
                               Burst{"reading stops inside a request", 10, 3000, 400, 1'200'000});
  INFO(burst.description);
  JsonWorker worker(JsonWorker::Arguments());
  worker.Send(R"({"id":1,"method":"worker.createRoom","internal":{"roomId":7}})");
  for (int peer = 1; peer <= burst.peers; ++peer) {
    worker.Send(R"({"id":1,"method":"room.createPeer","internal":{"roomId":7,"peerId":)" +
                std::to_string(peer) + R"(,"peerName":")" + std::string(1000, 'x') + R"("}})");
  }
  for (int i = 0; i <= burst.peers; ++i) worker.Read();
  std::string requests;
  for (int i = 0; i < burst.requests; ++i) {
    requests += JsonWorker::Frame(R"({"id":)" + std::to_string(i) +
                                  R"(,"method":"room.dump","internal":{"roomId":7},"data":{"a":")" +
                                  std::string(burst.padding, 'a') + R"("}})");
  }
  std::thread sender([&] {
    for (size_t at = 0; at < requests.size();) {
      const ssize_t n =
          send(worker.channel.get(), &requests[at], requests.size() - at, MSG_NOSIGNAL);
      if (n <= 0) return;
      at += static_cast<size_t>(n);
    }
  });
  usleep(static_cast<useconds_t>(burst.late_us));
  int answered = 0;
  for (; answered < burst.requests; ++answered) {
    const std::string payload = worker.Read();
    const std::string tail = R"("id":)" + std::to_string(answered) + "}";
    if (payload.size() < tail.size() || !payload.ends_with(tail)) break;
  }
  if (answered < burst.requests) worker.Signal(SIGKILL);  // lets the sender go
  sender.join();
  CHECK(answered == burst.requests);
}

/// A room 7 with peers 1 to kPeers, whose close events are longer than what may be unread.
constexpr int kPeers = 1000;

void SendRoom(const JsonWorker& worker) {
  worker.Send(R"({"id":0,"method":"worker.createRoom","internal":{"roomId":7}})");
  for (int peer = 1; peer <= kPeers; ++peer) {
    const std::string id = std::to_string(peer);
    worker.Send(R"({"id":)" + id +
                R"(,"method":"room.createPeer","internal":{"roomId":7,"peerId":)" + id +
                R"(,"peerName":"a"}})");
  }
}

TEST_CASE("room worker: a controller that goes takes it along") {
  JsonWorker worker(JsonWorker::Arguments());
  SECTION("that has rooms") {
    SendRoom(worker);
    for (int i = 0; i <= kPeers; ++i) worker.Read();
  }
  SECTION("that has read nothing") { SendRoom(worker); }
  SECTION("that has none") {
    worker.Send(R"({"id":1,"method":"worker.dump"})");
    worker.Read();
  }
  worker.channel = Fd();
  CHECK(worker.Wait() == 0);
  CHECK_THAT(worker.errors(), Catch::Contains("controller is gone"));
}

TEST_CASE("room worker: a controller that only ends its requests hears everything to the end") {
  JsonWorker worker(JsonWorker::Arguments());
  SendRoom(worker);
  REQUIRE(shutdown(worker.channel.get(), SHUT_WR) == 0);
  for (int i = 0; i <= kPeers; ++i) {
    REQUIRE_THAT(worker.Read(), Catch::EndsWith(R"("id":)" + std::to_string(i) + "}"));
  }
  for (int peer = kPeers; peer >= 1; --peer) {
    REQUIRE(worker.Read() ==
            R"({"data":{"class":"Peer"},"event":"close","targetId":)" + std::to_string(peer) + "}");
  }
  CHECK(worker.Read() == R"({"data":{"class":"Room"},"event":"close","targetId":7})");
  CHECK(worker.Read().empty());
  CHECK(worker.Wait() == 0);
  CHECK_THAT(worker.errors(), Catch::Contains("closed by the other side"));
}

TEST_CASE("room worker: a controller that ends its requests and never reads does not hold it up") {
  JsonWorker worker(JsonWorker::Arguments());
  SendRoom(worker);
  REQUIRE(shutdown(worker.channel.get(), SHUT_WR) == 0);
  CHECK(worker.Wait() == 0);
}

TEST_CASE("room worker: a wrong option is one log frame and exit 1") {
  const auto* const option =
      GENERATE("--logLevel=chicken", "--rtcIPv4=0.0.0.0", "--rtcMinPort=abc", "--rtcMaxPort=10050",
               "--nonsense=1", "--dtlsCertificateFile=/nowhere.pem", "--rtcIPv4=false");
  JsonWorker worker(JsonWorker::Arguments({option}));
  const std::string frame = worker.Read();
  CHECK(worker.Wait() == 1);
  CHECK_THAT(frame, Catch::StartsWith("E[id:nlljioeh#1] "));
  const std::string text = option;
  CHECK_THAT(frame, Catch::Contains(text.substr(0, text.find('='))));
}

TEST_CASE("room worker: a weak certificate is one line with its file and size, and exit 1") {
  const CertificateFiles weak(EvpKeyPtr(RawPeer::RsaKey(1024)));
  JsonWorker worker(JsonWorker::Arguments({"--dtlsCertificateFile=" + weak.certificate.path(),
                                           "--dtlsPrivateKeyFile=" + weak.key.path()}));
  CHECK(worker.Wait() == 1);
  CHECK_THAT(worker.errors(), Catch::Contains(weak.certificate.path()) &&
                                  Catch::Contains("1024 bits") && Catch::Contains("2048"));
  CHECK(Lines(worker.errors()) == 1);
}

TEST_CASE("room worker: without a worker id or a channel it does not start") {
  SECTION("no id") {
    JsonWorker worker({"--protocol=json", "--rtcIPv6=false"});
    CHECK(worker.Wait() == 1);
    CHECK_THAT(worker.errors(), Catch::Contains("worker id"));
  }
  SECTION("no channel") {
    JsonWorker worker(JsonWorker::Arguments({"--protocol=json"}), /*with_channel=*/false);
    CHECK(worker.Wait() == 1);
    CHECK_THAT(worker.errors(), Catch::Contains("MEDIASOUP_CHANNEL_FD"));
  }
}

}  // namespace
}  // namespace sluice::worker
