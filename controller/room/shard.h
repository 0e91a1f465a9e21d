#pragma once

#include <memory>

#include "common/status.h"
#include "controller/base/task.h"
#include "controller/worker/media_worker.h"
#include "controller/worker/worker_objects.h"

namespace sluice::controller {

/// A part of a room: a router on one media worker with its audio level observer. A room has one;
/// large ones will have several, and a producer is at home in the shard of its transport.
struct Shard {
  ~Shard();

  /// Makes the router; a worker without audio level observers is told of in the log only.
  static Task<Result<std::shared_ptr<Shard>>> Create(std::shared_ptr<MediaWorker> worker);

  /// So many of its requests wait that no more should be made.
  bool IsBusy() const { return worker->IsBusy() || bulk->IsBusy(); }

  /// Has the worker close the router and all on it.
  void Close();

  std::shared_ptr<MediaWorker> worker;  ///< whose requests take turns with other shards'
  /// The same worker for consumers, which a room needs by the thousand: they take turns with what
  /// clients ask for, so that who joins waits for none of them.
  std::shared_ptr<MediaWorker> bulk;
  std::unique_ptr<WorkerRouter> router;
  std::unique_ptr<WorkerObserver> observer;  ///< null when the worker has none
};

}  // namespace sluice::controller
