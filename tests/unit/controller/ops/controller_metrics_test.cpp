#include "controller/ops/controller_metrics.h"

#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>
#include <chrono>
#include <memory>
#include <set>
#include <string>

#include "tests/unit/controller/fake_worker.h"
#include "tests/unit/controller/ops/metrics_text.h"

namespace sluice::controller {
namespace {

using FBS::Request::Method;
using test::MetricsText;
using Clock = std::chrono::steady_clock;

/// Everything of a controller that counts, over fake workers.
struct Counting {
  explicit Counting(int worker_count)
      : pool(context.get_executor(), &launcher, {.workers = worker_count, .server_listen = {}}) {
    pool.Start();
    REQUIRE(test::RunUntil(context, [&] { return pool.ready_count() == worker_count; }));
  }

  MetricsText Read() {
    page = std::make_unique<MetricsPage>();
    bool done = false;
    const auto collect = [](const CountingParts* of, MetricsPage* to, bool* out) -> Task<void> {
      co_await CollectMetrics(of, to);
      *out = true;
    };
    Spawn(context.get_executor(), collect(&parts, page.get(), &done));
    REQUIRE(test::RunUntil(context, [&] { return done; }));
    return MetricsText(page->Render());
  }

  asio::io_context context{1};
  test::FakeLauncher launcher{context.get_executor()};
  WorkerPool pool;
  RoomRegistry rooms{context.get_executor(), &pool, {}, {10, 0}};
  Site site{context.get_executor(), &rooms, "", {}, {}, HealthPages({}, false)};
  HttpServer server{context.get_executor(), &site, {}};
  CountingParts parts{&server, &site, &rooms, &pool};
  std::unique_ptr<MetricsPage> page;
};

TEST_CASE("the page of /metrics is one that Prometheus reads") {
  Counting counting(2);
  const MetricsText text = counting.Read();
  CHECK(text.errors == std::vector<std::string>{});
  CHECK(text.types.at("sluice_http_requests_total") == "counter");
  CHECK(text.types.at("sluice_worker_delay_seconds") == "histogram");
  CHECK(text.samples.at("sluice_workers_ready") == 2);
  for (const char* worker : {"0", "1"}) {
    const std::string label = "{worker=\"" + std::string(worker) + "\"";
    CHECK(text.samples.at("sluice_worker_answered" + label + "}") == 1);
    CHECK(text.samples.at("sluice_worker_rtp_packets_sent_total" + label + "}") == 7);
    CHECK(text.samples.at("sluice_worker_refused_total" + label + ",reason=\"late\"}") == 9);
    CHECK(text.samples.at("sluice_worker_delay_seconds_count" + label + "}") == 6);
  }
}

TEST_CASE("a worker that does not answer holds /metrics for a second, and the page says so") {
  Counting counting(3);
  counting.launcher.workers[0]->ignore.insert(Method::WORKER_GET_COUNTERS);
  counting.launcher.workers[2]->ignore.insert(Method::WORKER_GET_COUNTERS);
  const auto asked = Clock::now();
  const MetricsText text = counting.Read();
  const auto waited = Clock::now() - asked;
  CHECK(waited >= kAnswerTimeout);
  CHECK(waited < 2 * kAnswerTimeout);  // not one after the other
  CHECK(text.errors == std::vector<std::string>{});
  CHECK(text.samples.at("sluice_worker_answered{worker=\"0\"}") == 0);
  CHECK(text.samples.at("sluice_worker_answered{worker=\"1\"}") == 1);
  CHECK(text.samples.at("sluice_worker_answered{worker=\"2\"}") == 0);
  CHECK(text.samples.count("sluice_worker_rtp_packets_sent_total{worker=\"0\"}") == 0);
  CHECK(text.samples.count("sluice_worker_rtp_packets_sent_total{worker=\"1\"}") == 1);
}

TEST_CASE("what the pipes of workers count is told, over the end of a worker") {
  Counting counting(1);
  CHECK(counting.Read().samples.at("sluice_workers_invalid_frames_total") == 0);
  counting.launcher.workers.back()->SendRaw({8, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8});
  REQUIRE(test::RunUntil(counting.context,
                         [&] { return counting.pool.channel_counters().invalid_frames == 1; }));
  CHECK(counting.Read().samples.at("sluice_workers_invalid_frames_total") == 1);
  counting.launcher.workers.back()->Die();
  REQUIRE(test::RunUntil(counting.context,
                         [&] { return counting.pool.deaths() == 1 && counting.pool.ready(); }));
  const MetricsText text = counting.Read();
  CHECK(text.samples.at("sluice_workers_invalid_frames_total") == 1);
  CHECK(text.samples.at("sluice_workers_requests_refused_total{reason=\"max_waiting\"}") == 0);
}

}  // namespace
}  // namespace sluice::controller
