#include "worker/io/channel_pipe.h"

#include <algorithm>
#include <csignal>
#include <utility>

#include "tests/unit/io/io_test.h"
#include "worker/io/clock.h"

namespace sluice::worker {
namespace {

using test::Bytes;
using test::MakeLoop;
using test::Pattern;
using test::PollUntil;
using test::RunUntil;

/// A socket pair for each direction, as Node makes them, or one for both.
struct World : ChannelPipeListener {
  explicit World(bool one_socket = false) : loop(MakeLoop()) {
    signal(SIGPIPE, SIG_IGN);
    int pair[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    worker_in = Fd(pair[0]);
    peer_out = Fd(pair[1]);
    if (!one_socket) {
      REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
      worker_out = Fd(pair[0]);
      peer_in = Fd(pair[1]);
    }
    const int write_fd = one_socket ? worker_in.get() : worker_out.get();
    auto opened = ChannelPipe::Open(*loop, worker_in.get(), write_fd, *this);
    REQUIRE(opened.ok());
    pipe = std::move(*opened);
    loop->SetTurnEnd([this](Timestamp) { pipe->Flush(); });
  }
  void OnPipeBytes(std::span<const uint8_t> bytes) override {
    got.insert(got.end(), bytes.begin(), bytes.end());
    if (on_bytes) on_bytes();
  }
  void OnPipeClosed(const std::string& reason) override { closed.push_back(reason); }

  Bytes ReadPeer() {
    const int fd = peer_in.valid() ? peer_in.get() : peer_out.get();
    Bytes all;
    Bytes buffer(100'000);
    for (;;) {
      const ssize_t n = recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (n <= 0) return all;
      all.insert(all.end(), buffer.begin(), buffer.begin() + n);
    }
  }

  std::unique_ptr<Loop> loop;
  Fd worker_in, worker_out, peer_in, peer_out;
  std::unique_ptr<ChannelPipe> pipe;
  Bytes got;
  std::vector<std::string> closed;
  std::function<void()> on_bytes;
};

TEST_CASE("requests come in and what they cause leaves in the same turn") {
  World world(GENERATE(false, true));
  world.on_bytes = [&] {
    world.pipe->Write(Pattern(3, 7));
    world.pipe->Write(Pattern(4, 8));
  };
  REQUIRE(write(world.peer_out.get(), "early", 5) == 5);  // waits until reading starts
  world.pipe->StartReading();
  REQUIRE(RunUntil(*world.loop, [&] { return world.got.size() == 5; }));
  Bytes expected = Pattern(3, 7);
  const Bytes second = Pattern(4, 8);
  expected.insert(expected.end(), second.begin(), second.end());
  CHECK(world.ReadPeer() == expected);
}

TEST_CASE("requests have a bounded time per turn, the rest follows in the next ones") {
  constexpr Duration kOfOnePart = Duration::Micros(400);
  World world;
  size_t seen = 0;
  size_t before = 0;
  size_t most = 0;  // bytes of one turn
  world.on_bytes = [&] {
    const size_t parts =
        (world.got.size() - seen + ChannelPipe::kPartSize - 1) / ChannelPipe::kPartSize;
    seen = world.got.size();
    const Timestamp end =
        ReadMonotonicClock() + Duration::Micros(kOfOnePart.us() * static_cast<int64_t>(parts));
    while (ReadMonotonicClock() < end) {
    }
  };
  world.loop->SetTurnEnd(
      [&](Timestamp) { most = std::max(most, seen - std::exchange(before, seen)); });
  const Bytes requests = Pattern(100'000, 7);
  REQUIRE(write(world.peer_out.get(), requests.data(), requests.size()) ==
          static_cast<ssize_t>(requests.size()));
  world.pipe->StartReading();
  REQUIRE(RunUntil(*world.loop, [&] { return world.got.size() == requests.size(); }));
  CHECK(world.got == requests);
  CHECK(most > 0);
  CHECK(most <= ChannelPipe::kPartSize *
                    static_cast<size_t>(ChannelPipe::kTimePerTurn.us() / kOfOnePart.us() + 1));
}

TEST_CASE("what waits for the next turn still comes before the end of the stream") {
  World world;
  world.on_bytes = [] {
    const Timestamp end = ReadMonotonicClock() + ChannelPipe::kTimePerTurn;
    while (ReadMonotonicClock() < end) {
    }
  };
  const Bytes requests = Pattern(40'000, 7);
  REQUIRE(write(world.peer_out.get(), requests.data(), requests.size()) ==
          static_cast<ssize_t>(requests.size()));
  world.peer_out = Fd();
  world.pipe->StartReading();
  REQUIRE(RunUntil(*world.loop, [&] { return !world.closed.empty(); }));
  CHECK(world.got == requests);
}

TEST_CASE("the end of the stream closes the pipe, after what was written before it") {
  World world;
  REQUIRE(write(world.peer_out.get(), "last", 4) == 4);
  world.peer_out = Fd();
  world.pipe->StartReading();
  REQUIRE(RunUntil(*world.loop, [&] { return !world.closed.empty(); }));
  CHECK(world.got.size() == 4);
  CHECK(world.closed == std::vector<std::string>{"closed by the other side"});
}

TEST_CASE("what is written after the end of the stream is drained to who still reads") {
  const bool one_socket = GENERATE(false, true);
  World world(one_socket);
  if (GENERATE(false, true)) world.pipe->LimitUnread(1'000);
  world.pipe->StartReading();
  world.pipe->HoldUntilRead();
  world.pipe->Write(Pattern(700, 1));
  REQUIRE(shutdown(world.peer_out.get(), SHUT_WR) == 0);
  REQUIRE(RunUntil(*world.loop, [&] { return !world.closed.empty(); }));
  world.pipe->Write(Pattern(100, 2));
  world.pipe->Write(Pattern(150, 3));
  world.pipe->Drain(Duration::Seconds(20));  // returns when all is written
  Bytes expected = Pattern(700, 1);
  for (const Bytes& part : {Pattern(100, 2), Pattern(150, 3)}) {
    expected.insert(expected.end(), part.begin(), part.end());
  }
  CHECK(world.ReadPeer() == expected);
  CHECK(world.closed == std::vector<std::string>{"closed by the other side"});
}

TEST_CASE("nothing waits for an other side that is gone") {
  World world(GENERATE(false, true));
  if (GENERATE(false, true)) world.pipe->LimitUnread(1'000);
  world.pipe->StartReading();
  world.peer_out = Fd();
  world.peer_in = Fd();
  REQUIRE(RunUntil(*world.loop, [&] { return !world.closed.empty(); }));
  for (int i = 0; i < 1'000; ++i) world.pipe->Write(Pattern(700, 1));
  world.pipe->Drain(Duration::Seconds(3'600));
  CHECK(world.pipe->backlog() == 0);
  CHECK(world.closed.size() == 1);
}

TEST_CASE("a broken output closes the pipe: no deaf process") {
  World world;
  world.pipe->StartReading();
  world.peer_in = Fd();
  world.pipe->Write(Pattern(10, 1));
  world.pipe->Flush();
  REQUIRE(world.closed.size() == 1);
  CHECK_THAT(world.closed[0], Catch::Contains("writing"));
  world.pipe->Write(Pattern(10, 1));
  world.pipe->Flush();
  CHECK(world.closed.size() == 1);
}

TEST_CASE("a slow reader stops the reading of requests until it has caught up") {
  World world;
  world.pipe->StartReading();
  const Bytes chunk = Pattern(100'000, 3);
  size_t written = 0;
  while (world.pipe->backlog() < ChannelPipe::kPauseReading) {
    world.pipe->Write(chunk);
    world.pipe->Flush();
    written += chunk.size();
  }
  Bytes received;
  const auto read_some = [&] {
    const Bytes part = world.ReadPeer();
    received.insert(received.end(), part.begin(), part.end());
  };
  // One writable event with too little room notices that the limit is passed.
  Bytes part(20'000);
  REQUIRE(recv(world.peer_in.get(), part.data(), part.size(), 0) > 0);
  received.insert(received.end(), part.begin(), part.end());
  REQUIRE(write(world.peer_out.get(), "request", 7) == 7);
  PollUntil(*world.loop, [turns = 0]() mutable { return ++turns > 5; });
  REQUIRE(PollUntil(*world.loop, [&] {
    read_some();
    return received.size() >= written && world.got.size() == 7;
  }));
  Bytes expected;
  while (expected.size() < written) expected.insert(expected.end(), chunk.begin(), chunk.end());
  CHECK(received == expected);
  CHECK(world.closed.empty());
}

TEST_CASE("a reader that has stopped for good closes the pipe") {
  World world;
  const Bytes chunk(size_t{1} << 20);
  for (size_t i = 0; i < 80 && world.closed.empty(); ++i) {
    world.pipe->Write(chunk);
    world.pipe->Flush();
  }
  REQUIRE(world.closed.size() == 1);
  CHECK_THAT(world.closed[0], Catch::Contains("stopped reading"));
}

TEST_CASE("descriptors that are not open, or not a pipe, are refused") {
  auto loop = MakeLoop();
  World world;
  CHECK_FALSE(ChannelPipe::Open(*loop, 999, 999, world).ok());
  const auto refused = ChannelPipe::Open(*loop, world.worker_in.get(), 998, world);
  REQUIRE_FALSE(refused.ok());
  CHECK_THAT(std::string(refused.status().message()), Catch::Contains("998"));
}

TEST_CASE("the rest is written at the end, and a stuck reader does not hold up the exit") {
  World world;
  world.pipe->Write(Pattern(1000, 1));
  world.pipe->Drain(Duration::Millis(1));
  CHECK(world.ReadPeer() == Pattern(1000, 1));
  world.pipe->Write(Bytes(size_t{4} << 20));
  world.pipe->Drain(Duration::Millis(1));
  CHECK(world.pipe->backlog() == 0);
}

/// How much a reader that reads everything at once gets.
size_t ReadOnce(int fd) {
  Bytes buffer(1'000'000);
  const ssize_t got = recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
  return got < 0 ? 0 : static_cast<size_t>(got);
}

TEST_CASE("with a limit no more than that is unread, in whole writes") {
  World world(GENERATE(false, true));
  const int reader = world.peer_in.valid() ? world.peer_in.get() : world.peer_out.get();
  constexpr size_t kLimit = 10'000;
  constexpr size_t kWrite = 3'000;
  constexpr size_t kWrites = 100;
  world.pipe->LimitUnread(kLimit);
  for (size_t i = 0; i < kWrites; ++i) world.pipe->Write(Pattern(kWrite, 1));
  world.pipe->Flush();
  CHECK(world.pipe->backlog() == kWrites * kWrite - 3 * kWrite);
  world.pipe->Flush();  // nothing has been read: nothing follows
  CHECK(world.pipe->backlog() == kWrites * kWrite - 3 * kWrite);
  size_t total = 0;
  size_t most = 0;
  REQUIRE(PollUntil(*world.loop, [&] {
    const size_t got = ReadOnce(reader);
    most = std::max(most, got);
    total += got;
    CHECK(got % kWrite == 0);
    return total == kWrites * kWrite;
  }));
  CHECK(most <= kLimit);
  CHECK(world.pipe->backlog() == 0);
  // What is read at once may be written at once.
  world.pipe->Write(Pattern(kWrite, 1));
  world.pipe->Flush();
  CHECK(ReadOnce(reader) == kWrite);
}

TEST_CASE("with a limit a write can wait until what is before it is read") {
  World world(GENERATE(false, true));
  const int reader = world.peer_in.valid() ? world.peer_in.get() : world.peer_out.get();
  world.pipe->LimitUnread(10'000);
  world.pipe->HoldUntilRead();  // nothing is before it
  world.pipe->Write(Pattern(100, 1));
  world.pipe->Write(Pattern(200, 1));
  world.pipe->HoldUntilRead();
  world.pipe->Write(Pattern(400, 1));
  world.pipe->Write(Pattern(800, 1));
  world.pipe->Flush();
  world.pipe->Flush();
  CHECK(ReadOnce(reader) == 300);
  size_t then = 0;
  REQUIRE(PollUntil(*world.loop, [&] { return (then += ReadOnce(reader)) == 1'200; }));
  CHECK(world.pipe->backlog() == 0);
}

TEST_CASE("with a limit the rest is written at the end as far as it is read") {
  World world;
  world.pipe->LimitUnread(1'000);
  for (int i = 0; i < 3; ++i) world.pipe->Write(Pattern(700, 2));
  world.pipe->Drain(Duration::Millis(5));
  CHECK(ReadOnce(world.peer_in.get()) == 700);
  CHECK(world.pipe->backlog() == 0);
}

TEST_CASE("a reader that always reads is never too slow, however much a burst of requests causes") {
  World world(GENERATE(false, true));
  constexpr size_t kResponse = ChannelPipe::kMaxBacklog / 2 + 1;  // of one part
  size_t handled = 0;
  world.on_bytes = [&] {
    if (world.got.size() > handled) world.pipe->Write(Bytes(kResponse));
    handled = world.got.size();
  };
  const Bytes requests(2 * ChannelPipe::kPartSize);
  REQUIRE(send(world.peer_out.get(), requests.data(), requests.size(), MSG_DONTWAIT) ==
          static_cast<ssize_t>(requests.size()));
  world.pipe->StartReading();
  size_t received = 0;
  REQUIRE(PollUntil(*world.loop, [&] {
    received += world.ReadPeer().size();
    return received == 2 * kResponse || !world.closed.empty();
  }));
  CHECK(world.closed.empty());
  CHECK(world.got.size() == requests.size());
}

TEST_CASE("what the listener puts off while the pipe is full goes on before anything else") {
  World world;
  constexpr size_t kResponse = 3'000'000;
  constexpr size_t kRequests = 8;  // bytes, each a request
  if (GENERATE(false, true)) world.pipe->LimitUnread(kResponse);
  size_t handled = 0;
  world.on_bytes = [&] {
    for (; handled < world.got.size() && !world.pipe->full(); ++handled) {
      world.pipe->Write(Bytes(kResponse));
    }
    CHECK(world.pipe->backlog() < ChannelPipe::kPauseReading + kResponse);
  };
  const Bytes requests(kRequests);
  REQUIRE(write(world.peer_out.get(), requests.data(), kRequests) == kRequests);
  world.peer_out = Fd();  // the end of the requests waits, too
  world.pipe->StartReading();
  size_t received = 0;
  REQUIRE(PollUntil(*world.loop, [&] {
    received += world.ReadPeer().size();
    return !world.closed.empty();
  }));
  CHECK(handled == kRequests);
  CHECK(world.closed == std::vector<std::string>{"closed by the other side"});
  CHECK(received + world.pipe->backlog() <= kRequests * kResponse);
  CHECK(received >= (kRequests - 2) * kResponse);
}

}  // namespace
}  // namespace sluice::worker
