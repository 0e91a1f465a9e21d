#pragma once

#include <memory>

#include "common/status.h"
#include "worker/io/loop.h"

namespace sluice::worker {

/// Hears that a descriptor is ready. Any call may destroy the watcher.
class FdListener {
 public:
  virtual ~FdListener() = default;
  virtual void OnReadable() = 0;
  virtual void OnWritable() {}
  /// The descriptor has a pending error (EPOLLERR). Watching has stopped: call Watch() to go on.
  virtual void OnPollError() = 0;
};

/// Watches one descriptor, level-triggered. The descriptor may be closed once the watcher is gone.
class FdWatcher {
 public:
  /// Fails when epoll cannot watch `fd` (a regular file).
  static Result<std::unique_ptr<FdWatcher>> Create(Loop& loop, int fd, FdListener& listener);
  ~FdWatcher();
  FdWatcher(const FdWatcher&) = delete;
  FdWatcher& operator=(const FdWatcher&) = delete;

  /// Replaces what is watched; neither = nothing. Cheap when it changes nothing.
  void Watch(bool readable, bool writable);
  bool watching_writable() const;

 private:
  struct Handle;  // lives until libuv has let go of it
  explicit FdWatcher(Handle* handle) : handle_(handle) {}
  Handle* handle_;
};

}  // namespace sluice::worker
