#include "controller/shell/line_input.h"

#include <fcntl.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>
#include <cstdio>
#include <string>
#include <vector>

namespace sluice::controller::shell {
namespace {

struct Reading {
  std::vector<LineInput::Line> lines;
  bool ended = false;
};

Task<void> ReadAll(LineInput* input, Reading* reading) {
  while (auto line = co_await input->Next()) reading->lines.push_back(*line);
  reading->ended = true;
}

struct Pipe {
  Pipe() { REQUIRE(pipe2(fds, O_CLOEXEC) == 0); }
  ~Pipe() {
    close(fds[0]);
    CloseWriter();
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  void Write(std::string_view text) const {
    REQUIRE(write(fds[1], text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  }
  void CloseWriter() {
    if (fds[1] >= 0) close(fds[1]);
    fds[1] = -1;
  }
  int fds[2] = {-1, -1};
};

/// All lines of `file`, from its beginning.
Reading ReadFile(std::FILE* file) {
  std::rewind(file);
  asio::io_context context(1);
  LineInput input(context.get_executor(), fileno(file));
  Reading reading;
  Spawn(context.get_executor(), ReadAll(&input, &reading));
  context.run();
  return reading;
}

TEST_CASE("lines come whole from a pipe, the last one without an end, too") {
  Pipe pipe;
  asio::io_context context(1);
  LineInput input(context.get_executor(), pipe.fds[0]);
  Reading reading;
  Spawn(context.get_executor(), ReadAll(&input, &reading));
  pipe.Write("one\n\ntw");
  context.poll();
  REQUIRE(reading.lines.size() == 2);
  pipe.Write("o\nlast");
  pipe.CloseWriter();
  context.run();
  REQUIRE(reading.lines.size() == 4);
  CHECK(reading.lines[2].text == "two");
  CHECK(reading.lines[3].text == "last");
  CHECK(reading.lines[3].number == 4);
  CHECK(reading.ended);
  CHECK((fcntl(pipe.fds[0], F_GETFL) & O_NONBLOCK) == 0);
}

TEST_CASE("lines come from a file") {
  std::FILE* file = std::tmpfile();
  REQUIRE(file != nullptr);
  std::fputs("a\nb\n", file);
  const Reading reading = ReadFile(file);
  CHECK(reading.lines.size() == 2);
  CHECK(reading.ended);
  std::fclose(file);
}

TEST_CASE("who waits for a line is woken when the input is cancelled") {
  Pipe pipe;
  asio::io_context context(1);
  LineInput input(context.get_executor(), pipe.fds[0]);
  Reading reading;
  Spawn(context.get_executor(), ReadAll(&input, &reading));
  context.poll();
  CHECK_FALSE(reading.ended);
  input.Cancel();
  context.run();
  CHECK(reading.ended);
}

TEST_CASE("a line without end is cut") {
  std::FILE* file = std::tmpfile();
  REQUIRE(file != nullptr);
  const std::string chunk(LineInput::kMaxLine, 'x');
  for (int i = 0; i < 5; ++i) std::fputs(chunk.c_str(), file);
  std::fputs("\nnext\n", file);
  const Reading reading = ReadFile(file);
  REQUIRE(reading.lines.size() == 2);
  CHECK(reading.lines[0].cut);
  CHECK(reading.lines[0].text.size() == LineInput::kMaxLine);
  CHECK(reading.lines[1].text == "next");
  std::fclose(file);
}

}  // namespace
}  // namespace sluice::controller::shell
