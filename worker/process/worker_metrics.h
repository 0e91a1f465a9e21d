#pragma once

#include <cstddef>
#include <cstdint>

#include "worker/channel/metrics_report.h"
#include "worker/io/send_strategy.h"
#include "worker/io/tcp_connection.h"
#include "worker/io/udp_receiver.h"
#include "worker/media/engine_counters.h"

namespace sluice::worker {

/// Everything that a worker counts, wherever it does, at one moment.
struct WorkerSnapshot {
  EngineSnapshot engine;
  SendStats sent;
  ReceiveStats received;
  TcpStats tcp;
  uint64_t rejected_frames = 0;        ///< of the channel
  uint64_t channel_dropped_media = 0;  ///< packets of direct transports
  uint64_t channel_backlog = 0;        ///< bytes
  uint64_t packet_buffer_bytes = 0;    ///< allocated
};

/// Names, labels and meanings of all of it: the one table of the worker's metrics. Whoever adds a
/// counter to one of the structs adds its row to worker_metrics.cpp, which does not compile before,
/// and its line to docs/metrics.md.
MetricsReport MakeMetricsReport(const WorkerSnapshot& snapshot);

}  // namespace sluice::worker
