#include "controller/base/log_limiter.h"

#include <catch2/catch.hpp>

namespace sluice::controller {
namespace {

using std::chrono::seconds;

constexpr LogLimiter::Clock::time_point kStart{seconds(1'000)};

size_t CountAllowed(LogLimiter& limiter, uint64_t kind, size_t lines,
                    LogLimiter::Clock::time_point now, LogSeverity severity = LogSeverity::kInfo) {
  size_t allowed = 0;
  for (size_t i = 0; i < lines; ++i) {
    if (limiter.Allow(kind, severity, "line " + std::to_string(i), now)) ++allowed;
  }
  return allowed;
}

TEST_CASE("of a kind some lines pass, the rest is counted and told when the window is over") {
  LogLimiter limiter;
  CHECK(CountAllowed(limiter, 1, 1'000, kStart) == LogLimiter::kLines);
  CHECK(CountAllowed(limiter, 2, 5, kStart) == 5);
  CHECK(limiter.TakeSummaries(kStart + LogLimiter::kWindow - seconds(1)).empty());
  const auto lines = limiter.TakeSummaries(kStart + LogLimiter::kWindow);
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].text == "980 more like it in 10 s, the last: line 999");
  CHECK(lines[0].severity == LogSeverity::kInfo);
  CHECK(limiter.held_back() == 980);
  CHECK(CountAllowed(limiter, 1, 1'000, kStart + LogLimiter::kWindow) == LogLimiter::kLines);
}

TEST_CASE("a kind that was quiet has its full share again, told or not") {
  LogLimiter limiter;
  CHECK(CountAllowed(limiter, 1, LogLimiter::kLines, kStart) == LogLimiter::kLines);
  CHECK(CountAllowed(limiter, 1, 1, kStart + LogLimiter::kWindow) == 1);
}

TEST_CASE("what was held back is never forgotten: its window waits until it is told") {
  LogLimiter limiter;
  CountAllowed(limiter, 1, LogLimiter::kLines + 3, kStart);
  CHECK(CountAllowed(limiter, 1, 1, kStart + 2 * LogLimiter::kWindow) == 0);
  const auto lines = limiter.TakeAllSummaries();
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].text.starts_with("4 more like it"));
}

TEST_CASE("the summary is as grave as the gravest line in it") {
  LogLimiter limiter;
  CountAllowed(limiter, 1, LogLimiter::kLines, kStart);
  limiter.Allow(1, LogSeverity::kError, "bad", kStart);
  limiter.Allow(1, LogSeverity::kInfo, "good", kStart);
  CHECK(limiter.TakeAllSummaries().front().severity == LogSeverity::kError);
}

TEST_CASE("the kind of a line depends neither on numbers nor on ids") {
  const uint64_t kind =
      KindOfText("transport 9f86d081-884c-4d65-9a2f-eaa0c55ad015: ICE has failed");
  CHECK(KindOfText("transport c0ffee00-beef-4abc-8def-decafbadcafe: ICE has failed") == kind);
  CHECK(KindOfText("transport 7: ICE has failed") == kind);
  CHECK(KindOfText("transport 9f86d081-884c-4d65-9a2f-eaa0c55ad015: DTLS has failed") != kind);
  CHECK(KindOfText("consumer 9f86d081-884c-4d65-9a2f-eaa0c55ad015: ICE has failed") != kind);
  // What comes late in a line makes no other kind.
  CHECK(KindOfText("the other side has closed the connection: reset") ==
        KindOfText("the other side has closed the connection: broken"));
  CHECK(KindOfText("42 43") == KindOfText(""));
  // Nor do marks.
  CHECK(KindOfText("room (a): closed") == KindOfText("room [a] closed!"));
  CHECK(KindOfText("room A closed") != KindOfText("room a closed"));
}

TEST_CASE("ids in the lines of a worker do not get round the limit") {
  LogLimiter limiter;
  size_t allowed = 0;
  for (size_t i = 0; i < 1'000; ++i) {
    // Hexadecimal, most of it letters.
    std::string id = std::to_string(i) + "-abcd-4fed-";
    for (size_t rest = i; rest > 0; rest /= 16) id += "abcdefghijklmnop"[rest % 16];
    const std::string line = "transport " + id + ": a packet was dropped";
    if (limiter.Allow(KindOfText(line), LogSeverity::kWarn, line, kStart)) ++allowed;
  }
  CHECK(allowed == LogLimiter::kLines);
}

TEST_CASE("how many lines of a kind pass is set") {
  LogLimiter limiter(3);
  CHECK(CountAllowed(limiter, 1, 1'000, kStart) == 3);
  CHECK(CountAllowed(limiter, 2, 1'000, kStart) == 3);
}

TEST_CASE("debug lines are not limited") {
  LogLimiter limiter;
  CHECK(CountAllowed(limiter, 1, 1'000, kStart, LogSeverity::kDebug) == 1'000);
}

TEST_CASE("any number of kinds costs a bounded number of lines and bytes") {
  LogLimiter limiter;
  size_t allowed = 0;
  for (uint64_t kind = 1; kind <= 100'000; ++kind) {
    if (limiter.Allow(kind, LogSeverity::kInfo, std::string(10'000, 'x'), kStart)) ++allowed;
  }
  CHECK(allowed <= LogLimiter::kMaxKinds + LogLimiter::kLines);
  for (const LogLimiter::Line& line : limiter.TakeAllSummaries()) CHECK(line.text.size() < 600);
}

}  // namespace
}  // namespace sluice::controller
