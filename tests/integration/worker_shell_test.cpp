// `sluice worker-shell` as a person and a script see it, with a real worker.
#include <catch2/catch.hpp>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/temporary_file.h"

namespace sluice {
namespace {

constexpr int kTimeoutMs = 20'000;  // for a broken program: a passing test does not wait
using Strings = std::vector<std::string>;

/// The program with pipes on its input, output and errors.
class Shell {
 public:
  explicit Shell(Strings arguments) {
    arguments.insert(arguments.begin(), {SLUICE_BIN, "worker-shell"});
    std::array<int, 2> in{};
    std::array<int, 2> out{};
    std::array<int, 2> error{};
    for (auto* pair : {&in, &out, &error}) REQUIRE(pipe2(pair->data(), O_CLOEXEC) == 0);
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    pid_ = fork();
    REQUIRE(pid_ >= 0);
    if (pid_ == 0) {
      dup2(in[0], 0);
      dup2(out[1], 1);
      dup2(error[1], 2);
      execv(argv[0], argv.data());
      _exit(127);
    }
    for (const int theirs : {in[0], out[1], error[1]}) close(theirs);
    in_ = in[1];
    out_ = out[0];
    errors_ = error[0];
  }
  ~Shell() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
    CloseInput();
    close(out_);
    close(errors_);
  }
  Shell(const Shell&) = delete;
  Shell& operator=(const Shell&) = delete;

  static Strings Local(Strings more = {}) {
    more.insert(more.begin(), {std::string("--workerPath=") + SLUICE_WORKER_BIN,
                               "--rtcIPv4=127.0.0.1", "--rtcIPv6=false"});
    return more;
  }

  void Type(const std::string& text) const {
    REQUIRE(write(in_, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  }
  void CloseInput() {
    if (in_ >= 0) close(in_);
    in_ = -1;
  }
  /// The next line of the output; "" at its end.
  std::string ReadLine() {
    for (;;) {
      const size_t end = unread_.find('\n');
      if (end != std::string::npos) {
        std::string line = unread_.substr(0, end);
        unread_.erase(0, end + 1);
        output += line + "\n";
        return line;
      }
      if (!ReadSome(out_, &unread_)) return "";
    }
  }
  /// The next line that contains `text`; "" when none does.
  std::string ReadUntil(const std::string& text) {
    for (;;) {
      std::string line = ReadLine();
      if (line.empty() || line.find(text) != std::string::npos) return line;
    }
  }
  /// Closes the input, reads the rest of the output and of the errors; the exit code, −1 of a
  /// signal.
  int Wait() {
    CloseInput();
    while (!ReadLine().empty()) {
    }
    while (ReadSome(errors_, &errors)) {
    }
    int status = 0;
    REQUIRE(waitpid(pid_, &status, 0) == pid_);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  std::string output;  ///< what was read of it
  std::string errors;  ///< after Wait()

 private:
  static bool ReadSome(int fd, std::string* text) {
    pollfd ready{fd, POLLIN, 0};
    REQUIRE(poll(&ready, 1, kTimeoutMs) == 1);
    std::array<char, 65'536> part{};
    const ssize_t got = read(fd, part.data(), part.size());
    if (got <= 0) return false;
    text->append(part.data(), static_cast<size_t>(got));
    return true;
  }

  pid_t pid_ = -1;
  int in_ = -1;
  int out_ = -1;
  int errors_ = -1;
  std::string unread_;
};

std::string RecordedSession() {
  std::ifstream file(SLUICE_TRACE_DIR "/room-session.txt");
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string Replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

TEST_CASE("worker-shell: requests through a pipe, responses and events readably") {
  Shell shell(Shell::Local());
  shell.Type(
      "# two rooms would do as well\n"
      "worker.createRoom roomId=7\n"
      "room.createPeer {\"roomId\":7,\"peerId\":8,\"peerName\":\"ann\"}\n"
      "{\"id\":55,\"method\":\"peer.close\",\"internal\":{\"roomId\":7,\"peerId\":8}}\n"
      "{\"id\":0,\"method\":\"no.method\"}\n");
  CHECK(shell.Wait() == 0);
  INFO(shell.output);
  for (const char* line : {R"(-> {"id":1,"method":"worker.createRoom","internal":{"roomId":7}})",
                           R"(<- worker.createRoom: {"accepted":true,"data":{"capabilities":)",
                           R"(<- room.createPeer: {"accepted":true,"data":{},"id":2})",
                           R"(<- event: {"data":{"class":"Peer"},"event":"close","targetId":8})",
                           R"(<- peer.close: {"accepted":true,"data":{},"id":55})",
                           R"(<- no.method: {"id":0,"reason":)",
                           R"(<= event: {"data":{"class":"Room"},"event":"close","targetId":7})",
                           "== the worker ended: exit code 0"}) {
    CHECK_THAT(shell.output, Catch::Contains(line));
  }
  CHECK(shell.errors.empty());
}

TEST_CASE("worker-shell: a bad line is told and passed over, a rejection is a response") {
  Shell shell(Shell::Local({"--json"}));
  shell.Type("room.dump roomId\n\nworker.nothing\nraw {\"id\":\nhelp\nroom.dump roomId=x\nquit\n");
  CHECK(shell.Wait() == 0);
  INFO(shell.output);
  CHECK_THAT(shell.output,
             Catch::Contains(R"("line":1,"text":"line 1: \"roomId\" must be name=value)"));
  CHECK_THAT(shell.output, Catch::Contains(R"("type":"response","time":)"));
  CHECK_THAT(shell.output, Catch::Contains(R"("rejected":true)"));
  CHECK_THAT(shell.output, Catch::Contains("worker.nothing"));
  CHECK_THAT(shell.output, Catch::Contains(R"("type":"log")"));  // of the raw text
  CHECK_THAT(shell.output, Catch::Contains("rtpReceiver.setRtpObjectEvent"));
  CHECK_THAT(shell.output, Catch::Contains(R"("how":"exit code 0","asked":true)"));
}

TEST_CASE("worker-shell: a worker that dies ends it with exit code 1") {
  Shell shell(Shell::Local());
  const std::string start = shell.ReadUntil("started, process ");
  const pid_t worker = std::stoi(start.substr(start.rfind(' ')));
  shell.Type("worker.dump\n");
  CHECK_THAT(shell.ReadUntil("<-"), Catch::Contains("wrkshell#1"));
  REQUIRE(kill(worker, SIGKILL) == 0);
  // The input is still open: nothing but the worker's end can end the shell.
  CHECK_THAT(shell.ReadUntil("!!"), Catch::Contains("the worker died: signal 9"));
  CHECK(shell.ReadLine().empty());
  CHECK(shell.Wait() == 1);
}

TEST_CASE("worker-shell: a worker that does not start, or refuses its options") {
  SECTION("exits") {
    const TemporaryFile program("#!/bin/sh\necho oops >&2\nexit 3\n");
    std::filesystem::permissions(program.path(), std::filesystem::perms::owner_all);
    Shell shell({"--workerPath", program.path()});
    CHECK(shell.Wait() == 1);
    CHECK_THAT(shell.output, Catch::Contains("!! the worker died: exit code 3"));
    CHECK_THAT(shell.errors, Catch::Contains("oops"));
  }
  SECTION("option") {
    Shell shell(Shell::Local({"--rtcMinPort=abc"}));
    CHECK(shell.Wait() == 1);
    CHECK_THAT(shell.output, Catch::Contains("== log error: [id:wrkshell#1] --rtcMinPort"));
    CHECK_THAT(shell.output, Catch::Contains("exit code 1"));
  }
  SECTION("no program") {
    Shell shell({"--workerPath=/nonexistent"});
    CHECK(shell.Wait() == 2);
    CHECK_THAT(shell.errors, Catch::Contains("option --workerPath \"/nonexistent\""));
  }
}

TEST_CASE("worker-shell: help and wrong options") {
  Shell help({"--help"});
  CHECK(help.Wait() == 0);
  CHECK_THAT(help.output, Catch::Contains("--replay"));
  Shell wrong({"--bogus"});
  CHECK(wrong.Wait() == 2);
  CHECK_THAT(wrong.errors, Catch::Contains("--bogus"));
}

TEST_CASE("worker-shell: the recorded session replays equal") {
  Shell shell(Shell::Local({"--replay", SLUICE_TRACE_DIR "/room-session.txt"}));
  CHECK(shell.Wait() == 0);
  INFO(shell.output);
  CHECK_THAT(shell.output,
             Catch::Contains("9 of 9 responses and 4 of 9 events equal, 5 events not seen (they "
                             "need a client), 0 differences: equal"));
}

TEST_CASE("worker-shell: what was printed replays equal") {
  const bool as_json = GENERATE(false, true);
  Shell shell(as_json ? Shell::Local({"--json"}) : Shell::Local());
  shell.Type(
      "worker.createRoom roomId=17000001 {\"mediaCodecs\":[]}\n"
      "room.createPeer roomId=17000001 peerId=17000002 peerName=ann\n"
      "peer.createTransport roomId=17000001 peerId=17000002 transportId=17000003\n"
      "room.close roomId=17000001\n");
  REQUIRE(shell.Wait() == 0);
  const TemporaryFile session(shell.output);
  Shell replay(Shell::Local({"--replay", session.path()}));
  CHECK(replay.Wait() == 0);
  CHECK_THAT(replay.output, Catch::Contains("4 of 4 responses and 3 of 3 events equal, 0 "));
}

TEST_CASE("worker-shell: a session that differs is told with the place of the difference") {
  struct Case {
    const char* from;
    const char* to;
    const char* difference;
  };
  const auto one = GENERATE(values<Case>({
      {"\"payloadType\":106,\"rtcpFeedback\":[{\"parameter\"",
       "\"payloadType\":105,\"rtcpFeedback\":[{\"parameter\"",
       "record 4, line 9: data.codecs[3].payloadType: expected 105, got 106"},
      {"\"iceRole\":\"controlled\"", "\"iceRole\":\"controlled\",\"more\":1",
       "record 6, line 11: data.more: expected 1, got (absent)"},
      {"\"data\":{\"role\":\"server\"},\"id\"", "\"data\":{},\"id\"",
       "record 12, line 17: data.role: expected (absent), got \"server\""},
      {"{\"data\":{\"class\":\"Transport\"},\"event\":\"close\",\"targetId\":57866334}\n", "",
       "!! the trace does not have {\"data\":{\"class\":\"Transport\"},\"event\":\"close\""},
      {"\"targetId\":38750462}\n{\"data\":{\"class\":\"RtpReceiver\"},\"event\":\"close\","
       "\"targetId\":88577653}",
       "\"targetId\":88577653}\n{\"data\":{\"class\":\"RtpReceiver\"},\"event\":\"close\","
       "\"targetId\":38750462}",
       "record 23, line 28: (order): expected before event close of 38750462, got behind"},
  }));
  const TemporaryFile trace(Replaced(RecordedSession(), one.from, one.to));
  Shell shell(Shell::Local({"--replay", trace.path()}));
  CHECK(shell.Wait() == 1);
  INFO(shell.output);
  CHECK_THAT(shell.output, Catch::Contains(one.difference));
  CHECK_THAT(shell.output, Catch::Contains("1 differences: DIFFERENT"));
}

TEST_CASE("worker-shell: a message that does not come, and events that all have to") {
  SECTION("missing") {
    const TemporaryFile trace(
        "{\"id\":1,\"method\":\"worker.dump\"}\n"
        "{\"data\":{\"class\":\"Room\"},\"event\":\"close\",\"targetId\":5}\n"
        "{\"accepted\":true,\"data\":{\"rooms\":[],\"workerId\":\"x\"},\"id\":1}\n");
    Shell shell(Shell::Local({"--replay", trace.path(), "--timeout", "0.3"}));
    CHECK(shell.Wait() == 1);
    CHECK_THAT(shell.output, Catch::Contains("record 2, line 2: (message): expected {\"data\":"));
  }
  SECTION("expectAll") {
    Shell shell(Shell::Local({"--replay", SLUICE_TRACE_DIR "/room-session.txt", "--expectAll",
                              "--eventTimeout", "0.05", "--json"}));
    CHECK(shell.Wait() == 1);
    CHECK_THAT(shell.output, Catch::Contains("\"type\":\"waiting\""));
    CHECK_THAT(shell.output, Catch::Contains("\"eventsNotSeen\":5"));
    CHECK_THAT(shell.output, Catch::Contains("\"differences\":5,\"equal\":false"));
  }
}

TEST_CASE("worker-shell: requests of a replay are changed by options and by step") {
  SECTION("options") {
    Shell shell(Shell::Local({"--replay", SLUICE_TRACE_DIR "/room-session.txt", "--set",
                              "rtpReceiver.receive#2.data.encodings.0.ssrc=1234", "--set",
                              "transport.setRemoteDtlsParameters.data.fingerprint.value=00ff"}));
    CHECK(shell.Wait() == 0);
    CHECK_THAT(shell.output, Catch::Contains("\"rtx\":{\"ssrc\":3262658951},\"ssrc\":1234}"));
    CHECK_THAT(shell.output, Catch::Contains("\"value\":\"00ff\""));
  }
  SECTION("an option that fits nothing") {
    Shell shell(Shell::Local({"--replay", SLUICE_TRACE_DIR "/room-session.txt", "--set",
                              "rtpReceiver.receive#3.data.x=1"}));
    CHECK(shell.Wait() == 2);
    CHECK_THAT(shell.errors, Catch::Contains("the trace has 2 requests rtpReceiver.receive"));
  }
  SECTION("an option that the request has no place for") {
    Shell shell(Shell::Local({"--replay", SLUICE_TRACE_DIR "/room-session.txt", "--set",
                              "room.createPeer.internal.roomId.x=1"}));
    CHECK(shell.Wait() == 1);
    CHECK_THAT(shell.errors + shell.output, Catch::Contains("leads into a value"));
  }
  SECTION("step") {
    Shell shell(
        Shell::Local({"--replay", SLUICE_TRACE_DIR "/room-session.txt", "--json", "--step"}));
    CHECK_THAT(shell.ReadUntil("\"next\""), Catch::Contains("\"record\":1,\"line\":6,"));
    shell.Type("\n");
    CHECK_THAT(shell.ReadUntil("\"next\""), Catch::Contains("\"record\":2,"));
    shell.Type("no JSON\n");
    CHECK_THAT(shell.ReadUntil("\"error\""), Catch::Contains("line 2 of the input: not valid"));
    CHECK_THAT(shell.ReadUntil("\"next\""), Catch::Contains("\"record\":2,"));
    shell.Type("\n");
    CHECK_THAT(shell.ReadUntil("\"next\""), Catch::Contains("\"record\":5,"));
    shell.Type("\n");
    CHECK_THAT(shell.ReadUntil("\"next\""), Catch::Contains("\"record\":10,"));
    shell.Type("set data.role=client\n");
    shell.ReadUntil("\"next\"");
    shell.Type("{\"data\":{\"fingerprint\":{\"value\":\"abcd\"}}}\n");
    CHECK_THAT(shell.ReadUntil("\"request\""), Catch::Contains("\"value\":\"abcd\""));
    CHECK(shell.Wait() == 0);  // the end of the input: all the rest goes on by itself
    CHECK_THAT(shell.output, Catch::Contains("\"responsesEqual\":9"));
  }
}

TEST_CASE("worker-shell: traces that cannot be read") {
  const TemporaryFile broken("x\n{\"id\":1,\n");
  Shell shell(Shell::Local({"--replay", broken.path()}));
  CHECK(shell.Wait() == 2);
  CHECK_THAT(shell.errors, Catch::Contains("line 2: the message that begins here has no end"));
  const TemporaryFile empty("nothing\n");
  Shell other(Shell::Local({"--replay", empty.path()}));
  CHECK(other.Wait() == 2);
  CHECK_THAT(other.errors, Catch::Contains("has no messages in it"));
  Shell missing(Shell::Local({"--replay", "/nonexistent"}));
  CHECK(missing.Wait() == 2);
  CHECK_THAT(missing.errors, Catch::Contains("option --replay \"/nonexistent\""));
}

}  // namespace
}  // namespace sluice
