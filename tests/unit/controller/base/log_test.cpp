#include "controller/base/log.h"

#include <catch2/catch.hpp>
#include <string>

#include "tests/unit/controller/captured_log.h"

namespace sluice::controller {
namespace {

TEST_CASE("every text in a line is made printable and cut, numbers stay") {
  const test::CapturedLog log;
  const std::string forged = "bob\n2026-01-01 [info] room closed\x1b[2J";
  LogInfo("room {}: peer {} has {} streams", "demo", forged, 3);
  CHECK(log.text() ==
        "info room demo: peer bob\\n2026-01-01 [info] room closed\\x1b[2J has 3 streams\n");
}

TEST_CASE("a long text is cut, also as a view and as a literal") {
  const test::CapturedLog log;
  const std::string text(100'000, 'x');
  LogWarn("{} {}", text, std::string_view(text));
  CHECK(log.Has("...(+99744 bytes)"));
  CHECK(log.text().size() < 3 * kMaxForeignText);
}

TEST_CASE("text in braces is no format") {
  const test::CapturedLog log;
  LogError("refused: {}", "{} {0} {");
  LogText(LogSeverity::kWarn, "worker 0: ", "{} {0} {", 100);
  CHECK(log.text() == "error refused: {} {0} {\nwarning worker 0: {} {0} {\n");
}

TEST_CASE("another program's line is cut to its own length") {
  const test::CapturedLog log;
  LogText(LogSeverity::kInfo, "worker 0: ",
          "abc\x07"
          "def",
          5);
  CHECK(log.text() == "info worker 0: abc...(+4 bytes)\n");
}

}  // namespace
}  // namespace sluice::controller
