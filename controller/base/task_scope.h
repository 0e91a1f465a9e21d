#pragma once

#include <chrono>
#include <cstddef>
#include <memory>

#include "controller/base/task.h"

namespace sluice::controller {

/// The tasks of one owner (a room, a connection, a worker): started here, cancelled and waited for
/// together. A cancelled task ends at what it waits for, its locals are destroyed as after a
/// return.
///
/// The scope does not keep its owner alive: a task that uses the owner holds it itself, in its
/// arguments (`self = shared_from_this()`).
class TaskScope {
 public:
  explicit TaskScope(const asio::any_io_executor& executor);
  /// Cancels, does not wait.
  ~TaskScope();
  TaskScope(const TaskScope&) = delete;
  TaskScope& operator=(const TaskScope&) = delete;

  /// Starts `task` on its own. Once the scope is cancelled it is not started.
  void Spawn(Task<void> task);
  /// Ends every task at its next wait; may be called from inside one of them.
  void Cancel();
  /// True when all tasks have ended, false when `limit` passes first. Not to be called by one of
  /// them.
  Task<bool> Join(std::chrono::milliseconds limit);

  size_t size() const;

 private:
  struct State;
  struct Running;
  std::shared_ptr<State> state_;
};

}  // namespace sluice::controller
