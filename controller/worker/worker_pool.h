#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/status.h"
#include "controller/worker/media_worker.h"
#include "controller/worker/task.h"
#include "controller/worker/worker_process.h"

namespace sluice::controller {

/// Delay before starting worker number n again: short at first, growing while it keeps dying young.
class RespawnBackoff {
 public:
  static constexpr std::chrono::milliseconds kFirst{50};  // respawn within a second
  static constexpr std::chrono::milliseconds kMax{5'000};
  /// A worker that lived this long was healthy: start over with the short delay.
  static constexpr std::chrono::milliseconds kHealthyLife{10'000};

  std::chrono::milliseconds Next(std::chrono::milliseconds lived);

 private:
  std::chrono::milliseconds next_ = kFirst;
};

/// Keeps a fixed number of media workers running: starts them, waits for readiness, makes their
/// WebRTC server, notices death (end of pipe, silence), tells the owner and starts them again.
class WorkerPool {
 public:
  static constexpr std::chrono::milliseconds kStartTimeout{5'000};
  /// How long a room waits for a worker while all are being restarted.
  static constexpr std::chrono::milliseconds kAcquireTimeout{3'000};

  struct Options {
    int workers = 1;
    /// Addresses of each worker's WebRTC server, port + index applied; empty = no server.
    std::vector<ListenAddress> server_listen;
  };
  /// Called when a worker that was ready has died. Its calls have failed already.
  using DiedCallback = std::function<void(const std::shared_ptr<MediaWorker>&)>;

  WorkerPool(const asio::any_io_executor& executor, WorkerLauncher* launcher, Options options);
  ~WorkerPool();

  void set_on_died(DiedCallback callback) { on_died_ = std::move(callback); }

  /// Starts all workers; they become ready in the background.
  void Start();

  /// The ready worker with the fewest rooms (the one used longest ago among equals); waits for one
  /// when none is ready, kUnavailable after kAcquireTimeout.
  Task<Result<std::shared_ptr<MediaWorker>>> Acquire();

  /// Asks all workers to end and waits until they have.
  Task<void> Stop();

  int ready_count() const;

 private:
  class Slot;

  std::shared_ptr<MediaWorker> LeastLoaded();

  asio::any_io_executor executor_;
  WorkerLauncher* launcher_;
  Options options_;
  DiedCallback on_died_;
  std::vector<std::shared_ptr<Slot>> slots_;
  size_t next_slot_ = 0;
};

}  // namespace sluice::controller
