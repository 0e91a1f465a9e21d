#include "controller/ops/run_program.h"

#include <stdlib.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <catch2/catch.hpp>
#include <string>
#include <utility>
#include <vector>

namespace sluice::controller::test {
namespace {

Result<std::string> Run(std::vector<std::string> command) {
  asio::io_context context;
  auto result = asio::co_spawn(context, RunProgram(std::move(command)), asio::use_future);
  context.run();
  return result.get();
}

Result<std::string> Shell(const std::string& script) { return Run({"sh", "-c", script}); }

TEST_CASE("a program that is run: its output, or why it failed") {
  CHECK(*Run({"echo", "a b", "c"}) == "a b c\n");
  CHECK(Shell("echo first >&2; echo second; exit 3").status().message() == "sh: first");
  CHECK(Shell("exit 3").status().message() == "sh: it failed without a word");
  CHECK(Shell("kill -9 $$").status().message() == "sh: it failed without a word");
  const Status missing = Run({"no-such-program"}).status();
  CHECK(absl::IsUnimplemented(missing));
  CHECK(missing.message() == "there is no program no-such-program");
}

TEST_CASE("a program that is run: neither waits for a reader nor fills our memory") {
  CHECK(Shell("head -c 1000000 /dev/zero")->size() <= 64 * 1024 + 4096);
}

TEST_CASE("a program that is run: has no secret and no descriptor of ours") {
  setenv("SLUICE_SOMETHING", "secret", 1);
  CHECK(Shell("echo \"[$SLUICE_SOMETHING]\"").value() == "[]\n");
  unsetenv("SLUICE_SOMETHING");
  CHECK(*Shell("ls /proc/self/fd | wc -l") == "4\n");  // the three, and the folder that ls reads
}

}  // namespace
}  // namespace sluice::controller::test
