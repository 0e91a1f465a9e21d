// sluice-worker as its controller sees it: start, exit, signals (docs/protocols/worker-pipe.md,
// docs/protocols/router-protocol.md §1).
#include "tests/integration/worker_program.h"

namespace sluice::worker {
namespace {

TEST_CASE("the worker says that it runs, and leaves in order when told by a signal") {
  const int number = GENERATE(SIGINT, SIGTERM);
  Worker worker({"--logLevel=warn", "--logTag=ice", "--rtcMinPort=10000", "positional"});
  worker.AwaitReady();
  worker.Signal(number);
  CHECK(worker.Wait() == 0);
  CHECK(worker.errors().empty());
}

TEST_CASE("other signals are ignored") {
  Worker worker;
  worker.AwaitReady();
  for (const int number : {SIGPIPE, SIGHUP, SIGALRM, SIGUSR1, SIGUSR2}) worker.Signal(number);
  worker.Signal(SIGTERM);
  CHECK(worker.Wait() == 0);
}

TEST_CASE("the worker leaves when its controller is gone") {
  Worker worker;
  worker.AwaitReady();
  SECTION("requests end") { worker.requests = Fd(); }
  SECTION("answers cannot be written") {
    worker.responses = Fd();
    const std::string frame("\x06\0\0\0\xff\xff\xff\xff\xff\xff", 10);  // causes an error log
    REQUIRE(write(worker.requests.get(), frame.data(), frame.size()) == 10);
  }
  CHECK(worker.Wait() == 0);
  CHECK(Lines(worker.errors()) == 1);
}

TEST_CASE("a worker whose errors nobody reads leaves all the same") {
  const FullPipe errors;
  Worker worker({}, Worker::Pipes::kBoth, errors.write.get());
  worker.AwaitReady();
  worker.requests = Fd();  // "the controller is gone" has nowhere to go
  CHECK(worker.Wait() == 0);
}

TEST_CASE("what was said before requests end is still told") {
  Worker worker;
  worker.AwaitReady();
  constexpr int kFrames = 5000;  // their answers are more than the socket holds
  const std::string frame("\x06\0\0\0\xff\xff\xff\xff\xff\xff", 10);  // causes an error log
  for (int i = 0; i < kFrames; ++i) {
    REQUIRE(write(worker.requests.get(), frame.data(), frame.size()) == 10);
  }
  worker.requests = Fd();
  int told = 0;
  while (!worker.ReadFrame().empty()) ++told;
  CHECK(told == kFrames);
  CHECK(worker.Wait() == 0);
  CHECK(Lines(worker.errors()) == 1);
}

TEST_CASE("an announced frame over the limit is logged and closes the channel at once") {
  Worker worker;
  worker.AwaitReady();
  REQUIRE(write(worker.requests.get(), "\xff\xff\xff\x7f", 4) == 4);
  CHECK_THAT(worker.ReadFrame(), Catch::Contains("8388604"));
  CHECK(worker.Wait() == 0);
}

TEST_CASE("a wrong setting is told on both ways and ends in exit 42") {
  const auto* const option =
      GENERATE("--logLevel=chicken", "--rtcMaxPort=65536", "--nonsense=1",
               "--dtlsCertificateFile=/nowhere.pem", "--libwebrtcFieldTrials=x");
  Worker worker({option});
  const std::string frame = worker.ReadFrame();
  CHECK(worker.Wait() == 42);
  const std::string name = std::string(option).substr(0, std::string(option).find('='));
  CHECK_THAT(frame, Catch::Contains("E" + name));
  CHECK_THAT(worker.errors(), Catch::Contains(name));
  CHECK(Lines(worker.errors()) == 1);
}

TEST_CASE("a missing descriptor is named") {
  Worker worker({}, Worker::Pipes::kRequestsOnly);
  CHECK(worker.Wait() == 42);
  CHECK_THAT(worker.errors(), Catch::Contains("descriptor 4"));
}

}  // namespace
}  // namespace sluice::worker
