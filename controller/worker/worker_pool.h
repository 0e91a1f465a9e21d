#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/status.h"
#include "controller/base/event.h"
#include "controller/base/task.h"
#include "controller/base/task_scope.h"
#include "controller/worker/liveness.h"
#include "controller/worker/media_worker.h"
#include "controller/worker/worker_process.h"
#include "controller/worker/worker_types.h"

namespace sluice::controller {

/// Delay before starting worker number n again: short at first, growing while it keeps dying young.
class RespawnBackoff {
 public:
  static constexpr std::chrono::milliseconds kFirst{50};  // respawn within a second
  static constexpr std::chrono::milliseconds kMax{30'000};
  /// A worker that lived this long was healthy: start over with the short delay.
  static constexpr std::chrono::milliseconds kHealthyLife{10'000};

  std::chrono::milliseconds Next(std::chrono::milliseconds lived);

 private:
  std::chrono::milliseconds next_ = kFirst;
};

/// Keeps a fixed number of media workers running: starts them, waits for readiness, makes their
/// WebRTC server, notices death (end of pipe, unanswered probes), tells the owner and starts them
/// again.
class WorkerPool {
 public:
  static constexpr std::chrono::milliseconds kStartTimeout{5'000};
  /// How long a room waits for a worker while all are being restarted; a client that waits longer
  /// is better told to come back.
  static constexpr std::chrono::milliseconds kAcquireTimeout{2'000};
  /// Starts in a row that may fail before any worker was ever ready; then there is no hope.
  static constexpr int kMaxFirstFailures = 5;

  struct Options {
    int workers = 1;
    /// Addresses of each worker's WebRTC server, port + index applied; empty = no server.
    std::vector<ListenAddress> server_listen;
    /// Between two looks at a worker; LivenessProbe says how many may be in vain.
    std::chrono::milliseconds probe_period{1'000};
    std::chrono::milliseconds acquire_timeout = kAcquireTimeout;
    uint32_t max_unanswered = LivenessProbe::kMaxUnanswered;  ///< probes, then it is dead
    ChannelLimits channel = {};
  };
  /// Called when a worker that was ready has died. Its calls have failed already.
  using DiedCallback = std::function<void(const std::shared_ptr<MediaWorker>&)>;
  /// Called once when no worker can be started at all: what the last one said.
  using HopelessCallback = std::function<void(const std::string& why)>;

  WorkerPool(const asio::any_io_executor& executor, WorkerLauncher* launcher, Options options);
  ~WorkerPool();

  void set_on_died(DiedCallback callback) { on_died_ = std::move(callback); }
  void set_on_hopeless(HopelessCallback callback) { on_hopeless_ = std::move(callback); }

  /// Starts all workers; they become ready in the background.
  void Start();

  /// The ready worker with the fewest rooms (the one used longest ago among equals); waits for one
  /// when none is ready, kUnavailable after the acquire time-out.
  Task<Result<std::shared_ptr<MediaWorker>>> Acquire();

  /// This process is about to end: workers that end from now on are not started again.
  void ExpectEnd() { ending_ = true; }
  /// Asks all workers to end and waits until they have.
  Task<void> Stop();

  int ready_count() const;
  std::vector<std::shared_ptr<MediaWorker>> ReadyWorkers() const;
  /// Whether a room can be made now (for readiness checks).
  bool ready() const { return ready_count() > 0; }
  uint64_t deaths() const { return deaths_; }
  /// Workers ended because they did not answer probes; among the deaths.
  uint64_t unresponsive() const { return unresponsive_; }
  /// What the pipes of all workers counted, those that have died included.
  struct ChannelCounters {
    uint64_t invalid_frames = 0;  ///< frames of workers that could not be read
  };
  ChannelCounters channel_counters() const;
  /// Requests refused because too many of their room waited already, requests that were not
  /// answered in time, and waits for a worker that were in vain.
  uint64_t refused_requests() const;
  uint64_t timed_out_requests() const;
  uint64_t waited_in_vain() const { return waited_in_vain_; }

 private:
  class Slot;

  std::shared_ptr<MediaWorker> LeastLoaded();
  void OnReady();
  void OnStartFailed(int failures, const std::string& why);

  asio::any_io_executor executor_;
  WorkerLauncher* launcher_;
  Options options_;
  DiedCallback on_died_;
  HopelessCallback on_hopeless_;
  std::vector<std::shared_ptr<Slot>> slots_;
  size_t next_slot_ = 0;
  bool ending_ = false;
  bool was_ready_ = false;  ///< any worker, ever
  uint64_t deaths_ = 0;
  uint64_t unresponsive_ = 0;
  ChannelCounters closed_channels_;
  uint64_t waited_in_vain_ = 0;
  uint64_t past_refused_ = 0;  ///< of workers that are gone
  uint64_t past_timed_out_ = 0;
  std::shared_ptr<Event> became_ready_;  ///< the next time that a worker does
  TaskScope lives_;                      ///< a task per worker
};

}  // namespace sluice::controller
