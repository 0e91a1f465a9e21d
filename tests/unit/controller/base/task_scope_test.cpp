#include "controller/base/task_scope.h"

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "controller/base/delay.h"
#include "controller/base/event.h"
#include "controller/base/promise.h"
#include "tests/unit/controller/fake_worker.h"

namespace sluice::controller {
namespace {

using std::chrono::milliseconds;
using test::RunUntil;

/// Says in `log` when its scope of life ends.
class Guard {
 public:
  Guard(std::vector<std::string>* log, std::string name) : log_(log), name_(std::move(name)) {}
  ~Guard() { log_->push_back(name_ + " gone"); }
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;

 private:
  std::vector<std::string>* log_;
  std::string name_;
};

Task<void> WaitAndSay(const Event* event, std::vector<std::string>* log, std::string name) {
  const Guard guard(log, name);
  const bool happened = co_await event->Wait();
  log->push_back(name + (happened ? " woke" : " was let go"));
}

TEST_CASE("an event wakes its waiters in order, not from inside Fire()") {
  asio::io_context context(1);
  Event event(context.get_executor());
  std::vector<std::string> log;
  for (const char* name : {"a", "b"}) {
    Spawn(context.get_executor(), WaitAndSay(&event, &log, name));
  }
  context.poll();
  CHECK(log.empty());
  event.Fire();
  CHECK(log.empty());
  context.restart();
  context.poll();
  CHECK(log == std::vector<std::string>{"a woke", "a gone", "b woke", "b gone"});
  Spawn(context.get_executor(), WaitAndSay(&event, &log, "late"));
  context.restart();
  context.poll();
  CHECK(log.back() == "late gone");
}

TEST_CASE("an event that is destroyed lets its waiters go") {
  asio::io_context context(1);
  std::optional<Event> event(context.get_executor());
  std::vector<std::string> log;
  Spawn(context.get_executor(), WaitAndSay(&*event, &log, "a"));
  context.poll();
  event.reset();
  context.restart();
  context.poll();
  CHECK(log == std::vector<std::string>{"a was let go", "a gone"});
}

TEST_CASE("waiting with a limit") {
  asio::io_context context(1);
  const Event never(context.get_executor());
  std::optional<bool> happened;
  const auto wait = [](const Event* event, std::optional<bool>* out) -> Task<void> {
    *out = co_await event->Wait(milliseconds(1));
  };
  Spawn(context.get_executor(), wait(&never, &happened));
  REQUIRE(RunUntil(context, [&] { return happened.has_value(); }));
  CHECK(*happened == false);
}

TEST_CASE("a promise gives its first value to everyone who waits") {
  asio::io_context context(1);
  const Promise<int> promise(context.get_executor());
  std::vector<int> got;
  const auto wait = [](Promise<int> waited, std::vector<int>* out) -> Task<void> {
    out->push_back(co_await waited.Wait());
  };
  Spawn(context.get_executor(), wait(promise, &got));
  Spawn(context.get_executor(), wait(promise, &got));
  context.poll();
  promise.Set(7);
  promise.Set(8);
  context.restart();
  context.poll();
  CHECK(got == std::vector<int>{7, 7});
}

TEST_CASE("a cancelled scope ends its tasks where they wait, and joins") {
  asio::io_context context(1);
  const Event never(context.get_executor());
  TaskScope scope(context.get_executor());
  std::vector<std::string> log;
  const auto sleep = [](std::vector<std::string>* out) -> Task<void> {
    const Guard guard(out, "sleeper");
    co_await Delay(std::chrono::hours(1));
    out->push_back("slept");
    co_await Delay(std::chrono::hours(1));
    out->push_back("slept twice");
  };
  scope.Spawn(WaitAndSay(&never, &log, "waiter"));
  scope.Spawn(sleep(&log));
  std::optional<bool> joined;
  const auto join = [](TaskScope* joining, std::optional<bool>* out) -> Task<void> {
    *out = co_await joining->Join(std::chrono::hours(1));
  };
  Spawn(context.get_executor(), join(&scope, &joined));
  context.poll();
  CHECK(scope.size() == 2);
  CHECK_FALSE(joined.has_value());
  scope.Cancel();
  REQUIRE(RunUntil(context, [&] { return joined.has_value(); }));
  CHECK(*joined);
  CHECK(std::count(log.begin(), log.end(), "waiter gone") == 1);
  CHECK(std::count(log.begin(), log.end(), "sleeper gone") == 1);
  CHECK(std::count(log.begin(), log.end(), "slept twice") == 0);

  scope.Spawn(WaitAndSay(&never, &log, "too late"));
  CHECK(scope.size() == 0);
}

TEST_CASE("a task may cancel its own scope") {
  asio::io_context context(1);
  auto scope = std::make_unique<TaskScope>(context.get_executor());
  std::vector<std::string> log;
  const auto end_all = [](std::unique_ptr<TaskScope>* own,
                          std::vector<std::string>* out) -> Task<void> {
    const Guard guard(out, "task");
    own->reset();
    out->push_back("after");
    co_await Delay(std::chrono::hours(1));
    co_await Delay(std::chrono::hours(1));
  };
  scope->Spawn(end_all(&scope, &log));
  REQUIRE(RunUntil(context, [&] { return log.size() == 2; }));
  CHECK(log == std::vector<std::string>{"after", "task gone"});
}

}  // namespace
}  // namespace sluice::controller
