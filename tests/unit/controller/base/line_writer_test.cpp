#include "controller/base/line_writer.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <string>

#include "common/fd.h"

namespace sluice::controller {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

/// A pipe that takes little.
struct SmallPipe {
  SmallPipe() {
    std::array<int, 2> ends{};
    REQUIRE(pipe2(ends.data(), O_CLOEXEC) == 0);
    read = Fd(ends[0]);
    write = Fd(ends[1]);
    REQUIRE(fcntl(write.get(), F_SETPIPE_SZ, 4'096) >= 4'096);
  }
  /// Everything that comes until `last` is seen.
  std::string ReadUntil(const std::string& last) const {
    std::string text;
    std::array<char, 65'536> chunk{};
    while (text.find(last) == std::string::npos) {
      pollfd ready{read.get(), POLLIN, 0};
      REQUIRE(poll(&ready, 1, 20'000) == 1);
      const ssize_t n = ::read(read.get(), chunk.data(), chunk.size());
      REQUIRE(n > 0);
      text.append(chunk.data(), static_cast<size_t>(n));
    }
    return text;
  }

  Fd read, write;
};

/// How many dropped lines `text` tells of: in one line or, when the thread came in between, in
/// more.
uint64_t Told(const std::string& text) {
  const std::string words = " lines of the log were dropped";
  uint64_t told = 0;
  for (size_t at = text.find(words); at != std::string::npos; at = text.find(words, at + 1)) {
    const size_t start = text.rfind('\n', at);
    told += std::stoull(text.substr(start == std::string::npos ? 0 : start + 1));
  }
  return told;
}

std::string Numbered(int i) { return "line " + std::to_string(i) + "\n"; }

TEST_CASE("a disk that is full stops nobody") {
  const Fd full(open("/dev/full", O_WRONLY | O_CLOEXEC));  // each write fails with ENOSPC
  REQUIRE(full.get() >= 0);
  LineWriter writer(full.get());
  for (int i = 0; i < 10'000; ++i) writer.Write(Numbered(i), LineWriter::Weight::kImportant);
  const Clock::time_point began = Clock::now();
  writer.Stop(milliseconds(10'000));
  CHECK(Clock::now() - began < milliseconds(5'000));
  CHECK(writer.counters().written + writer.counters().dropped == 10'000);
}

TEST_CASE("lines are written in order") {
  const SmallPipe pipe;
  LineWriter writer(pipe.write.get());
  std::string expected;
  for (int i = 0; i < 1'000; ++i) {
    writer.Write(Numbered(i), LineWriter::Weight::kOrdinary);
    expected += Numbered(i);
  }
  CHECK(pipe.ReadUntil("line 999\n") == expected);
  CHECK(writer.counters().dropped == 0);
}

TEST_CASE("nobody reads: the caller goes on, what finds no room is counted and told later") {
  const SmallPipe pipe;
  LineWriter writer(pipe.write.get());
  const auto started = Clock::now();
  const std::string line = std::string(99, 'x') + "\n";
  constexpr uint64_t kLines = 50'000;  // 5 MB
  for (uint64_t i = 0; i < kLines; ++i) writer.Write(line, LineWriter::Weight::kOrdinary);
  writer.Write("an error\n", LineWriter::Weight::kImportant);  // finds room all the same
  CHECK(Clock::now() - started < std::chrono::seconds(10));
  const uint64_t dropped = writer.counters().dropped;
  CHECK(dropped > kLines - LineWriter::kMaxQueued / line.size() - 100);
  const std::string text = pipe.ReadUntil("an error\n");
  CHECK(Told(text) == dropped);
  CHECK(text.size() < LineWriter::kMaxQueued + 10'000);
}

TEST_CASE("how many bytes may wait is set") {
  const SmallPipe pipe;
  LineWriter writer(pipe.write.get(), 10'000);
  const std::string line = std::string(99, 'x') + "\n";
  for (int i = 0; i < 5'000; ++i) writer.Write(line, LineWriter::Weight::kOrdinary);
  writer.Write("an error\n", LineWriter::Weight::kImportant);
  CHECK(pipe.ReadUntil("an error\n").size() < 200'000);  // what the pipe took, and what waited
}

TEST_CASE("the end does not wait for a reader longer than asked") {
  const SmallPipe pipe;
  LineWriter writer(pipe.write.get());
  for (int i = 0; i < 10'000; ++i) writer.Write(Numbered(i), LineWriter::Weight::kOrdinary);
  const auto started = Clock::now();
  writer.Stop(milliseconds(20));
  CHECK(Clock::now() - started < std::chrono::seconds(5));
}

TEST_CASE("the end writes what waits when it can") {
  SmallPipe pipe;
  {
    LineWriter writer(pipe.write.get());
    writer.Write("last words\n", LineWriter::Weight::kOrdinary);
  }
  CHECK(pipe.ReadUntil("last words\n") == "last words\n");
}

}  // namespace
}  // namespace sluice::controller
