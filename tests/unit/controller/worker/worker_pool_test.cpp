#include "controller/worker/worker_pool.h"

#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>
#include <optional>
#include <string>

#include "controller/worker/liveness.h"
#include "tests/unit/controller/fake_worker.h"

namespace sluice::controller {
namespace {

using FBS::Request::Method;
using std::chrono::milliseconds;

TEST_CASE("the respawn delay grows while a worker dies young") {
  RespawnBackoff backoff;
  CHECK(backoff.Next(milliseconds(10)) == RespawnBackoff::kFirst);
  CHECK(backoff.Next(milliseconds(10)) == 2 * RespawnBackoff::kFirst);
  for (int i = 0; i < 20; ++i) backoff.Next(milliseconds(10));
  CHECK(backoff.Next(milliseconds(10)) == RespawnBackoff::kMax);
  CHECK(backoff.Next(RespawnBackoff::kHealthyLife) == RespawnBackoff::kFirst);
}

TEST_CASE("the pool respawns a dead worker and says so") {
  asio::io_context context(1);
  test::FakeLauncher launcher(context.get_executor());
  WorkerPool pool(context.get_executor(), &launcher, {1, {ListenAddress{}}});
  int died = 0;
  pool.set_on_died([&](const std::shared_ptr<MediaWorker>& worker) {
    CHECK_FALSE(worker->alive());
    ++died;
  });
  pool.Start();
  REQUIRE(test::RunUntil(context, [&] { return pool.ready_count() == 1; }));
  CHECK(launcher.workers.back()->Count(Method::WORKER_CREATE_WEBRTCSERVER) == 1);
  launcher.workers.back()->Die();
  REQUIRE(test::RunUntil(context, [&] { return died == 1 && pool.ready_count() == 1; }));
  CHECK(launcher.workers.size() == 2);

  bool stopped = false;
  const auto stop = [](WorkerPool* stopping, bool* done) -> Task<void> {
    co_await stopping->Stop();
    *done = true;
  };
  Spawn(context.get_executor(), stop(&pool, &stopped));
  CHECK(test::RunUntil(context, [&] { return stopped; }));
  CHECK(died == 1);
}

TEST_CASE("the pool tries again when a worker cannot be started") {
  asio::io_context context(1);
  test::FakeLauncher launcher(context.get_executor());
  launcher.failures_left = 1;
  WorkerPool pool(context.get_executor(), &launcher, {1, {}});
  pool.Start();
  REQUIRE(test::RunUntil(context, [&] { return pool.ready_count() == 1; }));
  CHECK(launcher.workers.size() == 1);
}

TEST_CASE("a worker is dead after five ticks without an answer, not after a stall") {
  using Verdict = LivenessProbe::Verdict;
  LivenessProbe probe;
  CHECK(probe.OnTick() == Verdict::kAsk);
  probe.OnAnswer();
  CHECK(probe.OnTick() == Verdict::kAsk);
  // The controller stood still for minutes: one tick comes late, then the answer is read.
  CHECK(probe.OnTick() == Verdict::kAlive);
  probe.OnAnswer();
  CHECK(probe.OnTick() == Verdict::kAsk);
  for (uint32_t tick = 1; tick < LivenessProbe::kMaxUnanswered; ++tick) {
    CHECK(probe.OnTick() == Verdict::kAlive);
  }
  CHECK(probe.OnTick() == Verdict::kDead);
}

TEST_CASE("how long a worker may be silent is set") {
  using Verdict = LivenessProbe::Verdict;
  LivenessProbe probe(2);
  CHECK(probe.OnTick() == Verdict::kAsk);
  CHECK(probe.OnTick() == Verdict::kAlive);
  CHECK(probe.OnTick() == Verdict::kDead);
}

TEST_CASE("a worker that hangs is ended though nobody asks it anything") {
  asio::io_context context(1);
  test::FakeLauncher launcher(context.get_executor());
  WorkerPool pool(context.get_executor(), &launcher,
                  {.server_listen = {}, .probe_period = milliseconds(1)});
  int died = 0;
  pool.set_on_died([&](const std::shared_ptr<MediaWorker>&) { ++died; });
  pool.Start();
  REQUIRE(test::RunUntil(context, [&] { return pool.ready_count() == 1; }));
  // One that answers lives on.
  REQUIRE(test::RunUntil(context, [&] {
    return launcher.workers.back()->Count(Method::WORKER_GET_RESOURCE_USAGE) >
           2 * LivenessProbe::kMaxUnanswered;
  }));
  CHECK(died == 0);
  launcher.workers.back()->mute = true;
  REQUIRE(test::RunUntil(context, [&] { return died == 1 && pool.ready_count() == 1; }));
  CHECK(pool.unresponsive() == 1);
  CHECK(pool.deaths() == 1);
  CHECK(launcher.workers.size() == 2);
}

TEST_CASE("a request that is never answered does not end a worker that lives") {
  asio::io_context context(1);
  test::FakeLauncher launcher(context.get_executor());
  WorkerPool pool(context.get_executor(), &launcher,
                  {.server_listen = {}, .probe_period = milliseconds(1)});
  pool.Start();
  REQUIRE(test::RunUntil(context, [&] { return pool.ready_count() == 1; }));
  launcher.workers.back()->ignore.insert(Method::WORKER_CREATE_ROUTER);
  std::optional<Status> outcome;
  const auto make = [](WorkerPool* workers, std::optional<Status>* out) -> Task<void> {
    const auto worker = co_await workers->Acquire();
    const std::shared_ptr<MediaWorker> user = (*worker)->ForUser();
    *out = co_await user->CreateRouter("r");
  };
  Spawn(context.get_executor(), make(&pool, &outcome));
  REQUIRE(test::RunUntil(context, [&] { return outcome.has_value(); }));
  CHECK(outcome->code() == absl::StatusCode::kDeadlineExceeded);
  CHECK(pool.ready());
  CHECK(pool.deaths() == 0);
}

TEST_CASE("who waits for a worker gets it when it is ready, or an error after a while") {
  asio::io_context context(1);
  test::FakeLauncher launcher(context.get_executor());
  launcher.start_silent = true;
  WorkerPool pool(context.get_executor(), &launcher,
                  {.server_listen = {}, .acquire_timeout = milliseconds(20)});
  std::optional<Status> outcome;
  const auto acquire = [](WorkerPool* workers, std::optional<Status>* out) -> Task<void> {
    const auto worker = co_await workers->Acquire();
    *out = worker.status();
  };
  pool.Start();
  CHECK_FALSE(pool.ready());
  Spawn(context.get_executor(), acquire(&pool, &outcome));
  REQUIRE(test::RunUntil(context, [&] { return outcome.has_value(); }));
  CHECK(outcome->code() == absl::StatusCode::kUnavailable);

  outcome.reset();
  Spawn(context.get_executor(), acquire(&pool, &outcome));
  launcher.workers.back()->Notify("fake-0", FBS::Notification::Event::WORKER_RUNNING);
  REQUIRE(test::RunUntil(context, [&] { return outcome.has_value(); }));
  CHECK(outcome->ok());
}

TEST_CASE("a worker that can never start is told of once, in its own words") {
  asio::io_context context(1);
  test::FakeLauncher launcher(context.get_executor());
  launcher.failures_left = 100;
  WorkerPool pool(context.get_executor(), &launcher, {.server_listen = {}});
  std::vector<std::string> told;
  pool.set_on_hopeless([&](const std::string& why) { told.push_back(why); });
  pool.Start();
  REQUIRE(test::RunUntil(context, [&] { return !told.empty(); }));
  CHECK(launcher.failures_left == 100 - WorkerPool::kMaxFirstFailures);
  CHECK(told == std::vector<std::string>{"no such program"});
}

TEST_CASE("later failures to start are no reason to end") {
  asio::io_context context(1);
  test::FakeLauncher launcher(context.get_executor());
  WorkerPool pool(context.get_executor(), &launcher, {.server_listen = {}});
  bool told = false;
  pool.set_on_hopeless([&](const std::string&) { told = true; });
  pool.Start();
  REQUIRE(test::RunUntil(context, [&] { return pool.ready(); }));
  launcher.failures_left = WorkerPool::kMaxFirstFailures;
  launcher.workers.back()->Die();
  REQUIRE(test::RunUntil(context, [&] { return pool.ready(); }));
  REQUIRE(test::RunUntil(context, [&] { return launcher.failures_left == 0 && pool.ready(); }));
  CHECK_FALSE(told);
}

}  // namespace
}  // namespace sluice::controller
