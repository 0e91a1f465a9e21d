#pragma once

#include <chrono>

#include "controller/http/http_server.h"
#include "controller/ops/metrics.h"
#include "controller/ops/site.h"
#include "controller/ops/webhooks.h"
#include "controller/room/room_registry.h"
#include "controller/worker/worker_counters.h"
#include "controller/worker/worker_pool.h"

namespace sluice::controller {

/// The parts of the controller that count something.
struct CountingParts {
  const HttpServer* server;
  const Site* site;
  const RoomRegistry* rooms;
  const WorkerPool* workers;
  const Webhooks* webhooks = nullptr;  ///< null: nobody is told
};

/// Adds what the controller itself counts (docs/metrics.md).
void AddControllerMetrics(const CountingParts& parts, MetricsPage* page);
/// Adds what worker number `worker` counts, with that number as a label.
void AddWorkerMetrics(int worker, const WorkerCounters& counters, MetricsPage* page);
/// How long a worker may take to tell its counters. It needs milliseconds; supervisors give up a
/// scrape after 10 s by default.
inline constexpr std::chrono::milliseconds kAnswerTimeout{1'000};
/// All of it: the controller's own and that of every worker that runs and answers in time, of which
/// sluice_worker_answered tells. `parts` and `page` must outlive the task.
Task<void> CollectMetrics(const CountingParts* parts, MetricsPage* page);

}  // namespace sluice::controller
