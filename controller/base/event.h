#pragma once

#include <chrono>
#include <memory>

#include "controller/base/task.h"

namespace sluice::controller {

/// Something that happens once and that any number of coroutines wait for. They go on in the order
/// in which they came, from the loop and not from inside Fire(). One that is destroyed before it
/// happened lets its waiters go as a time-out does. Waiting can be cancelled (TaskScope).
class Event {
 public:
  explicit Event(const asio::any_io_executor& executor);
  ~Event();
  Event(Event&&) noexcept = default;
  Event& operator=(Event&&) = delete;

  bool happened() const;
  /// Wakes the waiters; the second time does nothing.
  void Fire();

  /// True once it happened; false when it cannot happen any more.
  Task<bool> Wait() const;
  /// True once it happened, false when `limit` passes first.
  Task<bool> Wait(std::chrono::milliseconds limit) const;

 private:
  struct State;
  struct Waiter;
  static Task<bool> WaitFor(std::shared_ptr<State> state, std::chrono::milliseconds limit);

  std::shared_ptr<State> state_;  ///< shared with the waiters, which may outlive us
};

}  // namespace sluice::controller
