#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/status.h"
#include "controller/base/task.h"

namespace sluice::controller {

/// A started worker, whatever it runs in. Owned by WorkerPool.
class WorkerHandle {
 public:
  virtual ~WorkerHandle() = default;
  /// Ends it now.
  virtual void Kill() = 0;
  /// Asks it to close everything and end (SIGTERM).
  virtual void Terminate() = 0;
  /// How it ended ("signal 9 (Killed)", "exit code 42"), waiting at most about a second for it to
  /// do so and killing it after that.
  virtual Task<std::string> WaitForExit() = 0;
  /// The last line that it wrote to its error output, "" when there is none: why it ended.
  virtual std::string LastWords() const { return {}; }
};

struct LaunchedWorker {
  int read_fd = -1;   ///< the worker's messages
  int write_fd = -1;  ///< ours to it
  /// Handler id of the WORKER_RUNNING notification: the pid in decimal.
  std::string ready_id;
  std::unique_ptr<WorkerHandle> handle;
};

/// How WorkerPool starts workers: processes, or doubles in tests.
class WorkerLauncher {
 public:
  virtual ~WorkerLauncher() = default;
  virtual Result<LaunchedWorker> Launch(int index) = 0;
};

/// What a worker speaks on its pipe, which decides how it is started.
enum class PipeProtocol {
  kRouter,  ///< requests on descriptor 3, the rest on 4 (docs/protocols/worker-pipe.md §1)
  kJson,    ///< both ways on 3, named by MEDIASOUP_CHANNEL_FD (docs/json-protocol.md §3)
};

/// Starts `sluice-worker` processes. What they write to stdout and stderr is logged line by line,
/// as info and warnings, as far as OutputLines lets it pass.
class ProcessLauncher : public WorkerLauncher {
 public:
  struct Options {
    std::string binary;
    std::vector<std::string> arguments;  ///< "--name=value"; for kJson behind the worker id
    PipeProtocol protocol = PipeProtocol::kRouter;
  };
  ProcessLauncher(const asio::any_io_executor& executor, Options options);
  /// Of kJson both descriptors are of the same socket; each is the caller's to close.
  Result<LaunchedWorker> Launch(int index) override;

 private:
  asio::any_io_executor executor_;
  Options options_;
};

}  // namespace sluice::controller
