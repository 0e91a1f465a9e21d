// sluice-worker as a controller of the room protocol sees it: start, bursts, signals, exit
// (json-room-protocol §1.1 to §1.5).
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

#include "worker/io/fd.h"

namespace sluice {
namespace {

constexpr int kTimeoutMs = 20'000;        // for a broken program: a passing test does not wait
constexpr size_t kReaderBuffer = 65'543;  // bytes: what the Node library can hold

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

  void Send(const std::string& payload) const {
    const std::string frame = std::to_string(payload.size()) + ":" + payload + ",";
    REQUIRE(write(channel.get(), frame.data(), frame.size()) == static_cast<ssize_t>(frame.size()));
  }
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

TEST_CASE("room worker: requests written before it reads are answered; a signal ends it in order") {
  const int number = GENERATE(SIGINT, SIGTERM);
  RoomWorker worker(RoomWorker::Arguments());
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
  CHECK(worker.errors.empty());
}

TEST_CASE("room worker: a large burst does not overflow the library's buffer") {
  RoomWorker worker(RoomWorker::Arguments());
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

TEST_CASE("room worker: a controller that goes takes it along") {
  RoomWorker worker(RoomWorker::Arguments());
  worker.Send(R"({"id":1,"method":"worker.dump"})");
  worker.Read();
  worker.channel = Fd();
  CHECK(worker.Wait() == 0);
  CHECK_THAT(worker.errors, Catch::Contains("controller is gone"));
}

TEST_CASE("room worker: a wrong option is one log frame and exit 1") {
  const auto* const option =
      GENERATE("--logLevel=chicken", "--rtcIPv4=0.0.0.0", "--rtcMinPort=abc", "--rtcMaxPort=10050",
               "--nonsense=1", "--dtlsCertificateFile=/nowhere.pem", "--rtcIPv4=false");
  RoomWorker worker(RoomWorker::Arguments({option}));
  const std::string frame = worker.Read();
  CHECK(worker.Wait() == 1);
  CHECK_THAT(frame, Catch::StartsWith("E[id:nlljioeh#1] "));
  const std::string text = option;
  CHECK_THAT(frame, Catch::Contains(text.substr(0, text.find('='))));
}

TEST_CASE("room worker: without a worker id or a channel it does not start") {
  SECTION("no id") {
    RoomWorker worker({"--protocol=room", "--rtcIPv6=false"});
    CHECK(worker.Wait() == 1);
    CHECK_THAT(worker.errors, Catch::Contains("worker id"));
  }
  SECTION("no channel") {
    RoomWorker worker(RoomWorker::Arguments({"--protocol=room"}), /*with_channel=*/false);
    CHECK(worker.Wait() == 1);
    CHECK_THAT(worker.errors, Catch::Contains("MEDIASOUP_CHANNEL_FD"));
  }
}

}  // namespace
}  // namespace sluice
