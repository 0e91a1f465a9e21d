// Wrong settings: each ends `sluice` with exit code 2 and one line that says where it stands, what
// it is and what would be right. And what it prints when all is well has been asked and answers.
#include <catch2/catch.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "common/fd.h"
#include "tests/integration/child_process.h"
#include "tests/integration/controller_program.h"

namespace sluice {
namespace {

namespace fs = std::filesystem;

/// A folder of the test's own, removed with it.
class Folder {
 public:
  Folder() {
    std::string pattern = (fs::temp_directory_path() / "sluice-start-XXXXXX").string();
    REQUIRE(mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~Folder() { fs::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  /// A file in it; its path.
  std::string File(const std::string& name, const std::string& text, mode_t mode = 0600) const {
    const fs::path file = path_ / name;
    std::ofstream(file) << text;
    REQUIRE(chmod(file.c_str(), mode) == 0);
    return file.string();
  }
  std::string path() const { return path_.string(); }

 private:
  fs::path path_;
};

/// A socket that listens on a port of its own.
struct Listening {
  Listening() : socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = Loopback(0);
    socklen_t size = sizeof(address);
    REQUIRE(bind(socket.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(listen(socket.get(), 1) == 0);
    REQUIRE(getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port = std::to_string(ntohs(address.sin_port));
  }
  Fd socket;
  std::string port;
};

struct Outcome {
  int exit_code;
  std::string errors;
  std::string output;
};

/// Runs `sluice` with ports of its own and these options, and waits for its end.
Outcome Start(
    const std::vector<std::string>& options, const Folder& folder,
    const std::function<void()>& in_child = [] {}) {
  std::vector<std::string> command = {SLUICE_BIN,
                                      "--listenIp=127.0.0.1",
                                      "--listenPort=" + std::to_string(FreePort()),
                                      "--plainListenPort=" + std::to_string(FreePort()),
                                      "--rtcIp=127.0.0.1",
                                      "--rtcPort=0",
                                      "--numWorkers=1",
                                      "--stateDir=" + folder.path() + "/state"};
  command.insert(command.end(), options.begin(), options.end());
  Fd read;
  Fd write;
  MakePair(&read, &write);
  ChildProcess program(command, [&] {
    dup2(write.get(), 1);
    in_child();
  });
  write = Fd();
  Outcome outcome;
  outcome.exit_code = program.Wait();
  outcome.errors = program.errors;
  outcome.output = ReadBytes(read.get(), 1'000'000);
  return outcome;
}

TEST_CASE("thirty wrong settings: each is exit code 2 and one line") {
  const Folder folder;
  const Listening taken;
  const std::string text = folder.File("text", "no certificate\n");
  const std::string deaf = folder.File("deaf", "#!/bin/sh\necho other 1.0\n", 0700);
  const std::string broken = folder.File("broken", "#!/bin/sh\nexit 3\n", 0700);
  const std::string short_secret = folder.File("secret", "short\n");
  const std::string high = folder.File("high.toml", "# limits\n\nmaxConnections = \"high\"\n");
  const std::string unknown = folder.File("unknown.toml", "rtcPort = 0\nlistenPrt = 4443\n");
  const std::string section =
      folder.File("section.toml", "numWorkers = 1\n[server]\nrtcPort = 0\n");
  const std::string twice = folder.File("twice.toml", "rtcPort = 0\nnumWorkers = 1\nrtcPort = 0\n");
  const std::string range =
      folder.File("range.toml", "numWorkers = 1\nrtcMinPort = 500\nrtcMaxPort = 400\n");
  struct Row {
    std::vector<std::string> options;
    std::string said;
  };
  const std::vector<Row> rows = {
      {{"--listenPort", "70000"}, "option --listenPort \"70000\": must be an integer from 0"},
      {{"--rtcIp", "here"}, "option --rtcIp \"here\": must be an IPv4 or IPv6 address"},
      {{"--rtcIp", "192.0.2.1"}, "option rtcIp \"192.0.2.1\": must be an address of this machine"},
      {{"--announcedAddress", "not an address!"},
       "option --announcedAddress \"not an address!\": must be an address or host name"},
      {{"--announcedAddress", "0.0.0.0"}, "must be an address or host name that clients can reach"},
      {{"--mediaCodecs", "video/VP10/90000"}, "must be one that media workers know: audio/opus"},
      {{"--mediaCodecs", "opus"}, "must look like audio/opus/48000/2"},
      {{"--webRoot", "/nope"}, "option webRoot \"/nope\": must be the folder of the built web app"},
      {{"--workerBin", "/nonexistent"}, "option workerBin \"/nonexistent\": must be an executable"},
      {{"--workerBin", "/bin/false"}, "option workerBin \"/bin/false\": must be sluice-worker"},
      {{"--workerBin", deaf}, "must be sluice-worker: its --version is \"other 1.0\""},
      {{"--workerBin", broken}, "must be sluice-worker: asked for its --version"},
      {{"--workerLogTags", "ice,rtsp"}, "tag \"rtsp\" must be one of info, ice"},
      {{"--allowedOrigins", "https://app.example.com/"},
       "origin \"https://app.example.com/\" must be scheme, host and port"},
      {{"--allowedHosts", "https://a.example.com"}, "must be a name or address without scheme"},
      {{"--trustedProxies", "10.0.0.0/40"}, "option --trustedProxies \"10.0.0.0/40\""},
      {{"--authSecret", short_secret}, "must hold at least 32 bytes"},
      {{"--tlsCert", text}, "options tlsCert and tlsKey go together"},
      {{"--tlsCert", text, "--tlsKey", text}, "is not a readable PEM certificate"},
      {{"--listenPort", taken.port},
       "no https: cannot listen on 127.0.0.1 port " + taken.port + ": Address already in use"},
      {{"--plainListenPort", taken.port},
       "no plain http: cannot listen on 127.0.0.1 port " + taken.port},
      {{"--listenIp", "192.0.2.1"}, "it must be an address of this machine"},
      {{"--stateDir", text + "/state"}, "stateDir must be a folder that this user may write to"},
      {{"--config", high}, high + ":3: maxConnections \"high\": must be an integer from 1"},
      {{"--config", unknown},
       unknown + ":2: there is no option \"listenPrt\"; did you mean listenPort?"},
      {{"--config", section}, section + ":2: section \"[server]\": options have no sections"},
      {{"--config", twice}, twice + ":3: rtcPort: must be there once, and line 1 has it already"},
      {{"--config", range}, range + ":3, " + range + ":2: option rtcMaxPort \"400\" must not be"},
      {{"--listenPrt", "1"}, "there is no option --listenPrt; did you mean --listenPort?"},
      {{"demo"}, "argument \"demo\": must be an option"},
  };
  for (const Row& row : rows) {
    std::string shown;
    for (const std::string& option : row.options) shown += option + " ";
    INFO(shown);
    const Outcome outcome = Start(row.options, folder);
    CHECK(outcome.exit_code == 2);
    CHECK(Lines(outcome.errors) == 1);
    CHECK_THAT(outcome.errors, Catch::StartsWith("sluice: ") && Catch::Contains(row.said));
    CHECK(outcome.output.find("Sluice is running") == std::string::npos);
  }
}

TEST_CASE("a wrong setting of the environment is named by its variable") {
  const Folder folder;
  const Outcome outcome = Start({}, folder, [] { setenv("SLUICE_WEB_ROOT", "/nope", 1); });
  CHECK(outcome.exit_code == 2);
  CHECK_THAT(outcome.errors,
             Catch::StartsWith("sluice: SLUICE_WEB_ROOT: option webRoot \"/nope\""));
}

TEST_CASE("what is printed at start has been asked, and this program answered") {
  const Folder folder;
  Fd read;
  Fd write;
  MakePair(&read, &write);
  const std::string https = std::to_string(FreePort());
  // Nobody has that address: what leads there is not printed.
  Controller controller(write.get(),
                        {"--listenIp=127.0.0.1", "--listenPort=" + https,
                         "--announcedAddress=sluice.invalid", "--stateDir=" + folder.path()});
  write = Fd();
  std::string output;
  while (output.find("publish") == std::string::npos) {
    const std::string more = ReadBytes(read.get(), 1);
    REQUIRE_FALSE(more.empty());
    output += more;
  }
  CHECK_THAT(output, Catch::Contains("https://sluice.invalid:" + https + " does not lead to this"));
  CHECK_THAT(output, Catch::Contains("  open     https://127.0.0.1:" + https + "/?roomId=demo"));
  CHECK_THAT(output, Catch::Contains("  or       http://127.0.0.1:" +
                                     std::to_string(controller.port()) + "/?roomId=demo"));
  CHECK(output.find("open     https://sluice.invalid") == std::string::npos);
}

}  // namespace
}  // namespace sluice
