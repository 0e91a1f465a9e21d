#pragma once

#include <functional>
#include <memory>

#include "common/status.h"
#include "worker/io/loop.h"

namespace sluice::worker {

/// Calls back from the loop, not from the signal handler, when the process gets a signal.
class SignalWatcher {
 public:
  static Result<std::unique_ptr<SignalWatcher>> Create(Loop& loop, int signal,
                                                       std::function<void(int)> on_signal);
  ~SignalWatcher();
  SignalWatcher(const SignalWatcher&) = delete;
  SignalWatcher& operator=(const SignalWatcher&) = delete;

 private:
  struct Handle;  // lives until libuv has let go of it
  explicit SignalWatcher(Handle* handle) : handle_(handle) {}
  Handle* handle_;
};

}  // namespace sluice::worker
